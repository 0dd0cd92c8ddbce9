//! `KEY=VALUE` pairs: variables and labels, from flags and from files of lines.

use std::path::Path;

/// The variable that `text` sets: `KEY=VALUE`, or `KEY` with the caller's value.
pub(crate) fn variable(text: &str) -> String {
    if text.contains('=') {
        return text.to_owned();
    }
    match std::env::var(text) {
        Ok(value) => format!("{text}={value}"),
        Err(_) => text.to_owned(),
    }
}

/// Checks one `--env` value.
pub(crate) fn check_variable(text: &str) -> Result<(), String> {
    if text.split('=').next().is_none_or(str::is_empty) {
        return Err(format!("invalid environment variable: {text}"));
    }
    Ok(())
}

/// Checks one `--label` value.
pub(crate) fn check_label(text: &str) -> Result<(), String> {
    let key = text.split('=').next().unwrap_or("").trim_start_matches([' ', '\t']);
    if key.is_empty() {
        return Err(format!("invalid label '{text}': empty name"));
    }
    if key.contains([' ', '\t']) {
        return Err(format!("label '{key}' contains whitespaces"));
    }
    Ok(())
}

/// What a file's key without `=` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BareKey {
    /// The caller's variable of that name, if there is one.
    Variable,
    /// Nothing.
    Ignored,
}

/// Reads a file of pairs.
///
/// # Errors
/// The file cannot be read or a line is no pair, in Docker's words.
pub(crate) fn read_file(path: &str, bare: BareKey) -> Result<Vec<String>, String> {
    let bytes = std::fs::read(path).map_err(|error| open_error(Path::new(path), &error))?;
    parse(&bytes, |key| (bare == BareKey::Variable).then(|| std::env::var(key).ok()).flatten())
        .map_err(|error| format!("invalid env file ({path}): {error}"))
}

fn parse(bytes: &[u8], lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, String> {
    let mut pairs = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(text) = std::str::from_utf8(line) else {
            let shown: Vec<String> = line.iter().map(u8::to_string).collect();
            return Err(format!("invalid utf8 bytes at line {}: [{}]", index + 1, shown.join(" ")));
        };
        let text = if index == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        if key.is_empty() {
            return Err(format!("no variable name on line '{text}'"));
        }
        if key.contains([' ', '\t']) {
            return Err(format!("variable '{key}' contains whitespaces"));
        }
        match value {
            Some(_) => pairs.push(text.to_owned()),
            None => pairs.extend(lookup(text).map(|value| format!("{key}={value}"))),
        }
    }
    Ok(pairs)
}

/// A map of pairs; the last of one key wins.
pub(crate) fn to_map<S: AsRef<str>>(pairs: impl IntoIterator<Item = S>) -> engine_api::StringMap {
    pairs
        .into_iter()
        .map(|pair| {
            let (key, value) = pair.as_ref().split_once('=').unwrap_or((pair.as_ref(), ""));
            (key.to_owned(), value.to_owned())
        })
        .collect()
}

/// An I/O error as Go words it: `no such file or directory`.
pub(crate) fn io_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A file that cannot be opened, as Go words it: `open x: no such file or directory`.
pub(crate) fn open_error(path: &Path, error: &std::io::Error) -> String {
    format!("open {}: {}", path.display(), io_text(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_pairs_comments_and_bare_keys() {
        let text = b"\xef\xbb\xbf# a comment\n\n  A=1\nB=x y \r\nC=\nHOME2\nMISSING\n";
        let pairs = parse(text, |key| (key == "HOME2").then(|| "/root".to_owned())).unwrap();
        assert_eq!(pairs, ["A=1", "B=x y ", "C=", "HOME2=/root"]);
        assert_eq!(parse(b"=x", |_| None).unwrap_err(), "no variable name on line '=x'");
        assert_eq!(parse(b"A B=x", |_| None).unwrap_err(), "variable 'A B' contains whitespaces");
        assert_eq!(parse(b"a\n\xff", |_| None).unwrap_err(), "invalid utf8 bytes at line 2: [255]");
    }

    #[test]
    fn labels_and_variables_need_a_name() {
        assert_eq!(check_variable("=x").unwrap_err(), "invalid environment variable: =x");
        assert!(check_variable("a").is_ok());
        assert_eq!(check_label("a b=c").unwrap_err(), "label 'a b' contains whitespaces");
        assert_eq!(check_label("=c").unwrap_err(), "invalid label '=c': empty name");
    }

    #[test]
    fn errors_of_files_are_worded_as_go_does() {
        let error = read_file("/nowhere/x", BareKey::Ignored).unwrap_err();
        assert_eq!(error, "open /nowhere/x: no such file or directory");
    }
}
