//! What stands before the command.

use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use container::Home;
use runtime::error::reason;

use crate::Failure;
use crate::grammar::{Flag, Grammar, switch, text, truth};
use crate::log::{Format, Log};

/// Options before the command.
pub(crate) const FLAGS: &[Flag] = &[
    switch(&["debug"], "enable debug logging"),
    text(&["log"], "set the log file to write runc logs to (default is '/dev/stderr')"),
    text(&["log-format"], "set the log format ('text' (default), or 'json') (default: \"text\")"),
    text(
        &["root"],
        "root directory for storage of container state (this should be located in tmpfs) (default: \"/run/runc\")",
    ),
    text(&["criu"], ""),
    switch(
        &["systemd-cgroup"],
        "enable systemd cgroup support, expects cgroupsPath to be of form \"slice:prefix:name\" for e.g. \"system.slice:runc:434234\"",
    ),
    text(&["rootless"], "ignore cgroup permission errors ('true', 'false', or 'auto') (default: \"auto\")"),
    switch(&["version", "v"], "print the version"),
];

const GRAMMAR: Grammar = Grammar { flags: FLAGS, stops_at_word: true };

/// What stands before the command, as typed.
#[derive(Debug)]
pub(crate) struct Typed {
    asked: crate::grammar::Asked,
    pub(crate) help: bool,
    pub(crate) version: bool,
}

/// What holds for every command.
#[derive(Debug)]
pub(crate) struct Globals {
    /// Where containers are.
    pub(crate) root: PathBuf,
    /// Whether that was given, and not the usual place.
    pub(crate) is_root_given: bool,
    /// Whether systemd makes the control groups.
    pub(crate) systemd: bool,
}

impl Globals {
    /// Reads the options; gives the words behind them too.
    pub(crate) fn parse(words: &[String]) -> Result<(Typed, Vec<String>), String> {
        let mut asked = GRAMMAR.parse(words)?;
        let rest = std::mem::take(&mut asked.words);
        Ok((Typed { help: asked.help, version: asked.is_on("version"), asked }, rest))
    }

    /// The folder of all containers.
    pub(crate) fn home(&self) -> Home {
        Home::new(self.root.clone())
    }
}

impl Typed {
    /// Directs the log, and finds the root.
    pub(crate) fn settle(self, log: &mut Log) -> Result<Globals, Failure> {
        let asked = &self.asked;
        let root = find_root(asked.given("root"))?;
        if asked.has("criu") {
            crate::output::error("WARNING: --criu ignored (criu binary from $PATH is used); do not use\n");
        }
        log.is_debug = asked.is_on("debug");
        log.format = match asked.text("log-format") {
            None | Some("text") => Format::Text,
            Some("json") => Format::Json,
            Some(other) => return Err(Failure::new(format!("invalid log-format: {other}"))),
        };
        if let Some(path) = asked.text("log") {
            let file = OpenOptions::new().create(true).append(true).mode(0o644).open(path);
            log.file = Some(file.map_err(|cause| Failure::new(format!("open {path}: {}", reason(&cause))))?);
        }
        if let Some(rootless) = asked.text("rootless")
            && !rootless.eq_ignore_ascii_case("auto")
            && truth(rootless).is_none()
        {
            return Err(Failure::new(format!("strconv.ParseBool: parsing {rootless:?}: invalid syntax")));
        }
        Ok(Globals { root, is_root_given: asked.has("root"), systemd: asked.is_on("systemd-cgroup") })
    }
}

/// `--root`, else the user's runtime folder for others than root, else `/run/runc`.
fn find_root(given: Option<&str>) -> Result<PathBuf, Failure> {
    if let Some(given) = given {
        let path = absolute(Path::new(given))?;
        if path == Path::new("/") {
            return Err(Failure::new("Option --root argument should not be set to /"));
        }
        return Ok(path);
    }
    let is_root = rustix::process::geteuid().is_root();
    match std::env::var("XDG_RUNTIME_DIR") {
        Ok(folder) if !is_root && !folder.is_empty() => {
            let path = Path::new(&folder).join("runc");
            std::fs::create_dir_all(&path)
                .and_then(|()| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o1700)))
                .map_err(|cause| Failure::new(format!("mkdir {}: {}", path.display(), reason(&cause))))?;
            Ok(path)
        }
        _ => Ok(PathBuf::from("/run/runc")),
    }
}

/// The path from the root of all files, without `.` and `..`, by its text alone.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let whole = if path.is_absolute() { path.to_owned() } else { std::env::current_dir()?.join(path) };
    let mut clean = PathBuf::from("/");
    for component in whole.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            _ => {}
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_is_the_root_of_all_is_refused() {
        for root in ["/", "/a/..", "../../../../../../../../../../../.."] {
            assert!(find_root(Some(root)).is_err(), "{root}");
        }
        assert_eq!(find_root(Some("/a/./b/../c")).unwrap(), Path::new("/a/c"));
    }
}
