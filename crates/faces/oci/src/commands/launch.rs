//! What `create` and `run` have in common.

use std::os::fd::AsFd;
use std::path::Path;

use container::{Bundle, ContainerError, CreateOptions, GroupManager};
use runtime::{Keyring, LineEnds, RootChange, Stdio, WindowSize};

use super::name;
use crate::Failure;
use crate::console::{self, Receiver};
use crate::foreground::Foreground;
use crate::globals::{Globals, absolute};
use crate::grammar::{Asked, Flag, number, switch, text};
use crate::log::Log;
use crate::notify::{self, Notify};

// Options of both; `exec` has some of them, too.
pub(super) const BUNDLE: Flag =
    text(&["bundle", "b"], "path to the root of the bundle directory, defaults to the current directory");
pub(super) const CONSOLE_SOCKET: Flag = text(
    &["console-socket"],
    "path to an AF_UNIX socket which will receive a file descriptor referencing the master end of the console's pseudoterminal",
);
pub(super) const PIDFD_SOCKET: Flag = text(
    &["pidfd-socket"],
    "path to an AF_UNIX socket which will receive a file descriptor referencing the init process",
);
pub(super) const PID_FILE: Flag = text(&["pid-file"], "specify the file to write the process id to");
pub(super) const NO_PIVOT: Flag =
    switch(&["no-pivot"], "do not use pivot root to jail process inside rootfs");
pub(super) const NO_NEW_KEYRING: Flag =
    switch(&["no-new-keyring"], "do not create a new session keyring for the container");
pub(super) const PRESERVE_FDS: Flag = number(
    &["preserve-fds"],
    "pass N additional file descriptors to the container (stdio + $LISTEN_FDS + N in total)",
);

/// What becomes of the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Another process starts it.
    Create,
    /// It is started and left alone.
    Detached,
    /// It is started and waited for.
    Foreground,
}

pub(crate) fn launch(globals: &Globals, asked: &Asked, log: &mut Log, mode: Mode) -> Result<u8, Failure> {
    let name = name(asked)?;
    let folder = absolute(Path::new(asked.text("bundle").unwrap_or(".")))?;
    if asked.text("bundle").is_some() && !folder.is_dir() {
        return Err(Failure::new(format!("chdir {}: no such file or directory", folder.display())));
    }
    // Before anything of our own is opened: those are the numbers that must be the caller's.
    let (preserved, listened) = console::preserved(asked)?;
    let mut bundle = Bundle::load(&folder)?;
    if let Some(process) = bundle.spec.process.as_mut().filter(|_| listened > 0) {
        process.env.extend([format!("LISTEN_FDS={listened}"), "LISTEN_PID=1".to_owned()]);
    }
    let manager = notify::host();
    let place = globals.root.join(name);
    if manager.is_some() {
        notify::add_socket(&mut bundle.spec, &place);
    }
    let process = bundle.spec.process.as_ref();
    if let Some(capabilities) = process.and_then(|process| process.capabilities.as_ref()) {
        runtime::capability::warnings(capabilities)?.iter().for_each(|warning| log.warn(warning));
    }
    let wants_terminal = process.is_some_and(|process| process.terminal);
    let is_detached = mode != Mode::Foreground;
    let console = Receiver::choose(wants_terminal, is_detached, asked.text("console-socket"))?;
    let pidfd = asked.text("pidfd-socket").map(console::connect).transpose()?;
    let foreground = match mode {
        Mode::Foreground => Some(Foreground::prepare(wants_terminal, !asked.is_on("no-subreaper"))?),
        _ => None,
    };
    let stdio = if wants_terminal {
        let asked = process.and_then(|process| process.console_size).map(window);
        Stdio::Terminal {
            size: asked.or(foreground.as_ref().and_then(Foreground::size)),
            line_ends: if foreground.is_some() { LineEnds::Keep } else { LineEnds::Return },
        }
    } else {
        Stdio::Inherit
    };
    let options = CreateOptions {
        stdio,
        waits: mode == Mode::Create,
        notifies: manager.is_some(),
        root: if asked.is_on("no-pivot") { RootChange::Cover } else { RootChange::Pivot },
        keyring: if asked.is_on("no-new-keyring") { Keyring::Callers } else { Keyring::Own },
        preserved,
        manager: if globals.systemd { GroupManager::Systemd } else { GroupManager::Files },
    };
    let home = globals.home();
    let mut fresh = home.create(name, &bundle, options)?;
    if let Some(flags) = fresh.filter_flags() {
        log.debug(&format!("seccomp filter flags: {flags}"));
    }
    let terminal = console.hand_over(fresh.take_terminal())?;
    if let Some(socket) = pidfd {
        console::send(&socket, "pidfd", fresh.pidfd())?;
    }
    if let Some(path) = asked.text("pid-file") {
        console::write_pid(Path::new(path), fresh.pid())?;
    }
    if mode == Mode::Create {
        fresh.leave()?;
        return Ok(0);
    }
    let notify = manager.map(|host| Notify::bind(&place, host)).transpose()?;
    fresh.start()?;
    // From here on others may pause it, or delete it.
    let container = fresh.release()?;
    let Some(foreground) = foreground else {
        notify.map_or(Ok(()), |notify| notify.relay(fresh.pidfd(), fresh.pid()))?;
        return Ok(0);
    };
    if let Some(notify) = notify {
        // The manager watches us, who end with the container; its other process is not the manager's child.
        let pidfd = fresh.pidfd().try_clone_to_owned()?;
        std::thread::spawn(move || notify.relay(pidfd.as_fd(), std::process::id()));
    }
    let ended = foreground.attend(fresh.pid(), fresh.pidfd(), terminal);
    if ended.is_err() || !asked.is_on("keep") {
        match container.delete(true) {
            // Somebody else was faster.
            Ok(()) | Err(ContainerError::Missing) => {}
            Err(error) => log.warn(&error.to_string()),
        }
    }
    ended
}

/// A size as documents have it.
pub(crate) fn window(size: oci_spec::runtime::ConsoleSize) -> WindowSize {
    let short = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    WindowSize { rows: short(size.height), columns: short(size.width) }
}
