//! `exec`.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use container::{Bundle, Container, ExecOptions, parse_process};
use oci_spec::runtime::Process;
use runtime::{LineEnds, Stdio};

use super::launch::{self, window};
use super::{Arguments, Command, name};
use crate::Failure;
use crate::console::{self, Receiver};
use crate::foreground::Foreground;
use crate::globals::Globals;
use crate::grammar::{Asked, Flag, Grammar, number, switch, text};

const FLAGS: &[Flag] = &[
    launch::CONSOLE_SOCKET,
    text(
        &["pidfd-socket"],
        "path to an AF_UNIX socket which will receive a file descriptor referencing the exec process",
    ),
    text(&["cwd"], "current working directory in the container"),
    text(&["env", "e"], "set environment variables"),
    switch(&["tty", "t"], "allocate a pseudo-TTY"),
    text(&["user", "u"], "UID (format: <uid>[:<gid>])"),
    number(&["additional-gids", "g"], "additional gids"),
    text(&["process", "p"], "path to the process.json"),
    switch(&["detach", "d"], "detach from the container's process"),
    launch::PID_FILE,
    text(&["process-label"], "set the asm process label for the process commonly used with selinux"),
    text(&["apparmor"], "set the apparmor profile for the process"),
    switch(&["no-new-privs"], "set the no new privileges value for the process"),
    text(&["cap", "c"], "add a capability to the bounding set for the process"),
    launch::PRESERVE_FDS,
    text(&["cgroup"], "run the process in an (existing) sub-cgroup(s). Format is [<controller>:]<cgroup>."),
    switch(&["ignore-paused"], "allow exec in a paused container"),
];

pub(crate) static COMMAND: Command = Command {
    name: "exec",
    help: "execute new process inside the container",
    usage: "<container-id> <command> [command options]  || -p process.json <container-id>",
    grammar: Grammar { flags: FLAGS, stops_at_word: true },
    arguments: Arguments::AtLeast(1),
    run: |globals, asked, _| {
        exec(globals, asked).map_err(|failure| failure.within("exec failed").with_code(255))
    },
};

fn exec(globals: &Globals, asked: &Asked) -> Result<u8, Failure> {
    let (preserved, _) = console::preserved(asked)?;
    let container = globals.home().find(name(asked)?)?;
    let process = match asked.text("process") {
        Some(path) => parse_process(Path::new(path))?,
        None => changed(&container, asked)?,
    };
    let is_detached = asked.is_on("detach");
    let console = Receiver::choose(process.terminal, is_detached, asked.text("console-socket"))?;
    let pidfd = asked.text("pidfd-socket").map(console::connect).transpose()?;
    let foreground = if is_detached { None } else { Some(Foreground::prepare(process.terminal, false)?) };
    let stdio = if process.terminal {
        let asked = process.console_size.map(window);
        Stdio::Terminal {
            size: asked.or(foreground.as_ref().and_then(Foreground::size)),
            line_ends: if foreground.is_some() { LineEnds::Keep } else { LineEnds::Return },
        }
    } else {
        Stdio::Inherit
    };
    let ignores_pause = asked.is_on("ignore-paused");
    let groups = sub_groups(asked.list("cgroup"))?;
    let mut child =
        container.exec(ExecOptions { process: &process, stdio, ignores_pause, groups, preserved })?;
    let terminal = console.hand_over(child.terminal.take())?;
    if let Some(socket) = pidfd {
        console::send(&socket, "pidfd", child.pidfd.as_fd())?;
    }
    if let Some(path) = asked.text("pid-file") {
        let written = console::write_pid(Path::new(path), child.pid);
        if written.is_err() {
            let _ = runtime::kill(child.pidfd.as_fd(), rustix::process::Signal::KILL);
        }
        written?;
    }
    match foreground {
        None => Ok(0),
        Some(foreground) => foreground.attend(child.pid, child.pidfd.as_fd(), terminal),
    }
}

/// Arguments of `--cgroup`: `controller[,controller…]:path` each, or one path alone.
fn sub_groups(arguments: &[String]) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let invalid = |argument: &str, what: &str| {
        Err(Failure::new(format!("invalid --cgroup argument: {argument} ({what})")))
    };
    let mut groups = BTreeMap::new();
    for argument in arguments {
        let Some((controllers, path)) = argument.split_once(':') else {
            if arguments.len() > 1 {
                return invalid(argument, "missing <controller>: prefix");
            }
            groups.insert(String::new(), PathBuf::from(argument));
            continue;
        };
        for controller in controllers.split(',') {
            if controller.is_empty() {
                return invalid(argument, "empty <controller> prefix");
            }
            if groups.insert(controller.to_owned(), PathBuf::from(path)).is_some() {
                return Err(Failure::new(format!(
                    "invalid --cgroup argument(s): controller {controller} specified multiple times"
                )));
            }
        }
    }
    Ok(groups)
}

/// The bundle's process with what the options change.
fn changed(container: &Container, asked: &Asked) -> Result<Process, Failure> {
    let mut process = Bundle::load(&container.record.bundle)?.spec.process.unwrap_or_default();
    if asked.words.len() < 2 {
        return Err(Failure::new("exec args cannot be empty"));
    }
    process.args = asked.words[1..].to_vec();
    if let Some(folder) = asked.text("cwd") {
        folder.clone_into(&mut process.cwd);
    }
    if let Some(profile) = asked.text("apparmor") {
        profile.clone_into(&mut process.apparmor_profile);
    }
    if let Some(label) = asked.text("process-label") {
        label.clone_into(&mut process.selinux_label);
    }
    let added = asked.list("cap");
    if !added.is_empty() {
        let sets = process.capabilities.get_or_insert_default();
        // Without an inheritable one there can be no ambient one.
        let has_inheritable = !sets.inheritable.is_empty();
        let ambient = has_inheritable.then_some(&mut sets.ambient);
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted].into_iter().chain(ambient) {
            set.extend_from_slice(added);
        }
    }
    process.env.extend_from_slice(asked.list("env"));
    process.terminal = asked.is_on("tty");
    if asked.has("no-new-privs") {
        process.no_new_privileges = asked.is_on("no-new-privs");
    }
    if let Some(user) = asked.text("user") {
        let (uid, gid) = match user.split_once(':') {
            Some((uid, gid)) => (uid, Some(gid)),
            None => (user, None),
        };
        let id = |what: &str, text: &str| {
            let failed =
                || Failure::new(format!("bad {what}: strconv.Atoi: parsing {text:?}: invalid syntax"));
            text.parse().map_err(|_| failed())
        };
        if let Some(gid) = gid {
            process.user.gid = id("gid", gid)?;
        }
        process.user.uid = id("uid", uid)?;
    }
    for gid in asked.list("additional-gids") {
        let failed = || Failure::new(format!("additional-gids must be a positive number {gid}"));
        process.user.additional_gids.push(gid.parse().map_err(|_| failed())?);
    }
    if !process.cwd.starts_with('/') {
        return Err(Failure::new("Cwd must be an absolute path"));
    }
    Ok(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>, String> {
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        sub_groups(&arguments).map_err(|failure| failure.text)
    }

    #[test]
    fn groups_are_named_by_controller_or_once_for_all() {
        let pair = |name: &str, path: &str| (name.to_owned(), PathBuf::from(path));
        assert_eq!(groups(&["a"]), Ok(BTreeMap::from([pair("", "a")])));
        let all = [pair("cpu", "x"), pair("cpuacct", "x"), pair("memory", "y")];
        assert_eq!(groups(&["cpu,cpuacct:x", "memory:y"]), Ok(BTreeMap::from(all)));
        assert!(groups(&["a", "b"]).unwrap_err().contains("missing <controller>: prefix"));
        assert!(groups(&[":b"]).unwrap_err().contains("empty <controller> prefix"));
        assert!(groups(&["a:b", "a:c"]).unwrap_err().contains("specified multiple times"));
    }
}
