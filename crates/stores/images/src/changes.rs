//! Changes to an image's defaults, written as Dockerfile instructions: `import --change 'CMD ["sh"]'`.
//!
//! One instruction a line; those that build something (`RUN`, `COPY`, …) are no changes.

mod words;

use std::collections::BTreeMap;

use oci_spec::image::{Defaults, Healthcheck};
use serde_json::{Map, Value};

use words::{expand, expand_to_words, pairs, split_words};

/// Why a change is none. The words are Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Not one of the instructions that change defaults.
    #[error("{0} is not a valid change command")]
    Instruction(String),
    /// No argument where at least one is wanted.
    #[error("{0} requires at least one argument")]
    NoArgument(&'static str),
    /// Not exactly one argument.
    #[error("{0} requires exactly one argument")]
    OneArgument(&'static str),
    /// A name without value.
    #[error("{0} must have two arguments")]
    NoValue(&'static str),
    /// A pair that is none.
    #[error("can't find = in \"{0}\". Must be of the form: name=value")]
    NoEquals(String),
    /// An empty name.
    #[error("{0} names can not be blank")]
    Blank(&'static str),
    /// Quotes or braces that do not end.
    #[error("{0}")]
    Word(&'static str),
    /// A port that is none.
    #[error(transparent)]
    Port(#[from] units::port::PortError),
    /// A duration that is none.
    #[error(transparent)]
    Duration(#[from] units::duration::DurationError),
    /// A flag that the instruction does not know.
    #[error("unknown flag: {0}")]
    Flag(String),
    /// A number of retries that is none.
    #[error("strconv.ParseInt: parsing \"{0}\": invalid syntax")]
    Retries(String),
    /// A time between checks that is too short.
    #[error("interval \"{0}\" cannot be less than 1ms")]
    Interval(String),
    /// Neither `NONE` nor `CMD`.
    #[error("Unknown type \"{0}\" in HEALTHCHECK (try CMD)")]
    HealthcheckKind(String),
    /// `HEALTHCHECK CMD` alone.
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthcheckCommand,
    /// `HEALTHCHECK NONE` with more.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    /// `ONBUILD ONBUILD`.
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    Chain,
    /// An instruction that no trigger may be.
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    Trigger(String),
    /// A signal that there is not.
    #[error("invalid signal: {0}")]
    Signal(String),
    /// An empty volume.
    #[error("VOLUME specified can not be an empty string")]
    Volume,
}

/// Applies changes in order; each may hold several lines.
pub fn apply_changes(defaults: &mut Defaults, changes: &[String]) -> Result<(), ChangeError> {
    let lines = changes.iter().flat_map(|change| logical_lines(change));
    let instructions: Vec<(String, String)> = lines.map(|line| instruction(&line)).collect();
    if let Some((name, _)) =
        instructions.iter().find(|(name, _)| !KNOWN.contains(&name.to_ascii_uppercase().as_str()))
    {
        return Err(ChangeError::Instruction(name.clone()));
    }
    instructions.iter().try_for_each(|(name, rest)| apply(defaults, &name.to_ascii_uppercase(), rest))
}

const KNOWN: &[&str] = &[
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// Lines without comments, those that end in a backslash joined with the next.
fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(start) => open.push_str(start),
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    if !open.is_empty() {
        lines.push(open);
    }
    lines
}

fn instruction(line: &str) -> (String, String) {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    (name.to_owned(), rest.trim().to_owned())
}

fn apply(defaults: &mut Defaults, name: &str, rest: &str) -> Result<(), ChangeError> {
    match name {
        "CMD" => defaults.cmd = Some(command(rest)),
        "ENTRYPOINT" => {
            defaults.entrypoint = Some(command(rest)).filter(|words| !words.is_empty());
        }
        "ENV" => {
            for (key, value) in pairs(rest, "ENV")? {
                let (key, value) =
                    (expand(&key, &environment(defaults))?, expand(&value, &environment(defaults))?);
                set_environment(defaults.env.get_or_insert_default(), &key, &value);
            }
        }
        "LABEL" => {
            for (key, value) in pairs(rest, "LABEL")? {
                let (key, value) =
                    (expand(&key, &environment(defaults))?, expand(&value, &environment(defaults))?);
                defaults.labels.get_or_insert_default().insert(key, value);
            }
        }
        "EXPOSE" => expose(defaults, rest)?,
        "HEALTHCHECK" => defaults.healthcheck = Some(healthcheck(rest)?),
        "ONBUILD" => defaults.on_build.get_or_insert_default().push(trigger(rest)?),
        "STOPSIGNAL" => {
            let signal = expand(one(rest, "STOPSIGNAL")?, &environment(defaults))?;
            if !is_signal(&signal) {
                return Err(ChangeError::Signal(signal));
            }
            defaults.stop_signal = signal;
        }
        "USER" => defaults.user = expand(one(rest, "USER")?, &environment(defaults))?,
        "VOLUME" => volumes(defaults, rest)?,
        "WORKDIR" => {
            let folder = match rest {
                "" => return Err(ChangeError::OneArgument("WORKDIR")),
                rest => expand(rest, &environment(defaults))?,
            };
            defaults.working_dir = join(&defaults.working_dir, &folder);
        }
        other => return Err(ChangeError::Instruction(other.to_owned())),
    }
    Ok(())
}

/// Words of a JSON list, or a line for the shell.
fn command(rest: &str) -> Vec<String> {
    match json_words(rest) {
        Some(words) => words,
        None if rest.is_empty() => Vec::new(),
        None => vec!["/bin/sh".to_owned(), "-c".to_owned(), rest.to_owned()],
    }
}

fn json_words(rest: &str) -> Option<Vec<String>> {
    rest.starts_with('[').then(|| serde_json::from_str(rest).ok())?
}

fn one<'a>(rest: &'a str, name: &'static str) -> Result<&'a str, ChangeError> {
    match rest {
        "" => Err(ChangeError::OneArgument(name)),
        rest => Ok(rest),
    }
}

fn environment(defaults: &Defaults) -> BTreeMap<String, String> {
    let pairs = defaults.env.iter().flatten().filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn set_environment(env: &mut Vec<String>, key: &str, value: &str) {
    let pair = format!("{key}={value}");
    match env.iter_mut().find(|old| old.split('=').next() == Some(key)) {
        Some(old) => *old = pair,
        None => env.push(pair),
    }
}

fn expose(defaults: &mut Defaults, rest: &str) -> Result<(), ChangeError> {
    let words = split_words(rest);
    if words.is_empty() {
        return Err(ChangeError::NoArgument("EXPOSE"));
    }
    let environment = environment(defaults);
    for word in words {
        for text in expand_to_words(&word, &environment)? {
            // Publications are allowed here and only their inner half counts.
            let inner = text.rsplit(':').next().unwrap_or(&text);
            for port in units::port::parse_exposed(inner)? {
                let key = format!("{}/{}", port.number, port.protocol.name());
                defaults.exposed_ports.get_or_insert_default().insert(key, Value::Object(Map::new()));
            }
        }
    }
    Ok(())
}

fn volumes(defaults: &mut Defaults, rest: &str) -> Result<(), ChangeError> {
    let words = json_words(rest).unwrap_or_else(|| split_words(rest));
    if words.is_empty() {
        return Err(ChangeError::NoArgument("VOLUME"));
    }
    let environment = environment(defaults);
    for word in words {
        let path = expand(word.trim(), &environment)?;
        if path.is_empty() {
            return Err(ChangeError::Volume);
        }
        defaults.volumes.get_or_insert_default().insert(path, Value::Object(Map::new()));
    }
    Ok(())
}

fn healthcheck(rest: &str) -> Result<Healthcheck, ChangeError> {
    let mut check = Healthcheck::default();
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        match name {
            "interval" => check.interval = interval(value)?,
            "timeout" => check.timeout = interval(value)?,
            "start-period" => check.start_period = interval(value)?,
            "start-interval" => check.start_interval = interval(value)?,
            "retries" => {
                check.retries =
                    value.parse::<u32>().map_err(|_| ChangeError::Retries(value.to_owned()))?.into()
            }
            other => return Err(ChangeError::Flag(other.to_owned())),
        }
        rest = after.trim_start();
    }
    let (kind, command) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let command = command.trim();
    check.test = Some(match kind.to_ascii_uppercase().as_str() {
        "" => return Err(ChangeError::NoArgument("HEALTHCHECK")),
        "NONE" if command.is_empty() => vec!["NONE".to_owned()],
        "NONE" => return Err(ChangeError::HealthcheckNone),
        "CMD" if command.is_empty() => return Err(ChangeError::HealthcheckCommand),
        "CMD" => match json_words(command) {
            Some(words) => std::iter::once("CMD".to_owned()).chain(words).collect(),
            None => vec!["CMD-SHELL".to_owned(), command.to_owned()],
        },
        other => return Err(ChangeError::HealthcheckKind(other.to_owned())),
    });
    Ok(check)
}

fn interval(text: &str) -> Result<i64, ChangeError> {
    let nanoseconds = units::duration::parse_go(text)?;
    match nanoseconds {
        0 => Ok(0),
        1..1_000_000 => Err(ChangeError::Interval(text.to_owned())),
        other => Ok(other),
    }
}

fn trigger(rest: &str) -> Result<String, ChangeError> {
    let (name, _) = instruction(rest);
    match name.to_ascii_uppercase().as_str() {
        "" => Err(ChangeError::NoArgument("ONBUILD")),
        "ONBUILD" => Err(ChangeError::Chain),
        other @ ("FROM" | "MAINTAINER") => Err(ChangeError::Trigger(other.to_owned())),
        _ => Ok(rest.to_owned()),
    }
}

fn is_signal(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL",
        "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
        "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
    ];
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let base = name.split(['+', '-']).next().unwrap_or(name);
    NAMES.contains(&name)
        || base.starts_with("RT") && NAMES.contains(&base) && name[base.len() + 1..].parse::<u8>().is_ok()
}

/// An absolute folder as written, a relative one below the current.
fn join(current: &str, folder: &str) -> String {
    if folder.starts_with('/') {
        return folder.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in current.split('/').chain(folder.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn changed(changes: &[&str]) -> Result<Defaults, String> {
        let mut defaults = Defaults::default();
        let changes: Vec<String> = changes.iter().map(|text| (*text).to_owned()).collect();
        apply_changes(&mut defaults, &changes).map(|()| defaults).map_err(|error| error.to_string())
    }

    #[test]
    fn each_instruction_changes_its_default() {
        let defaults = changed(&[
            "ENV A=1 B=\"two words\"",
            "env C $A-${B:-x}-${D:-none}",
            "CMD [\"sh\", \"-c\", \"true\"]",
            "ENTRYPOINT exec me",
            "EXPOSE 80 53/udp 8000-8001",
            "USER me:us",
            "VOLUME [\"/data\"]",
            "VOLUME /a /b",
            "WORKDIR /srv",
            "WORKDIR sub/../x",
            "LABEL k=v 'q'=\"a \\\"b\\\"\"",
            "STOPSIGNAL SIGRTMIN+3",
            "ONBUILD RUN true",
            "HEALTHCHECK --interval=5s --retries=2 CMD curl localhost",
        ])
        .unwrap();
        let words = |list: &[&str]| Some(list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(defaults.env, words(&["A=1", "B=two words", "C=1-two words-none"]));
        assert_eq!(defaults.cmd, words(&["sh", "-c", "true"]));
        assert_eq!(defaults.entrypoint, words(&["/bin/sh", "-c", "exec me"]));
        let ports: Vec<String> = defaults.exposed_ports.unwrap().into_keys().collect();
        assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp"]);
        assert_eq!(defaults.user, "me:us");
        assert_eq!(defaults.volumes.unwrap().into_keys().collect::<Vec<_>>(), ["/a", "/b", "/data"]);
        assert_eq!(defaults.working_dir, "/srv/x");
        let labels = defaults.labels.unwrap();
        assert_eq!((labels["k"].as_str(), labels["q"].as_str()), ("v", "a \"b\""));
        assert_eq!(defaults.stop_signal, "SIGRTMIN+3");
        assert_eq!(defaults.on_build, words(&["RUN true"]));
        let check = defaults.healthcheck.unwrap();
        assert_eq!((check.interval, check.retries), (5_000_000_000, 2));
        assert_eq!(check.test, words(&["CMD-SHELL", "curl localhost"]));
    }

    #[test]
    fn what_is_no_change_is_refused_in_dockers_words() {
        for (change, expected) in [
            ("RUN true", "RUN is not a valid change command"),
            ("nonsense", "nonsense is not a valid change command"),
            ("USER", "USER requires exactly one argument"),
            ("EXPOSE", "EXPOSE requires at least one argument"),
            ("ENV A", "ENV must have two arguments"),
            ("ENV A=1 B", "can't find = in \"B\". Must be of the form: name=value"),
            ("ENV =1", "ENV names can not be blank"),
            ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
            ("STOPSIGNAL NOPE", "invalid signal: NOPE"),
            ("HEALTHCHECK TRUE", "Unknown type \"TRUE\" in HEALTHCHECK (try CMD)"),
        ] {
            assert_eq!(changed(&[change]), Err(expected.to_owned()), "{change}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_applied_or_refused(text in "(?s)(ENV|LABEL|CMD|EXPOSE|USER|HEALTHCHECK|STOPSIGNAL|WORKDIR) .{0,40}") {
            let _ = changed(&[&text]);
        }
    }
}
