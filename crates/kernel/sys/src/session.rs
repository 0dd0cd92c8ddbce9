//! Starting a program in a session of its own, so that it outlives the terminal of whoever started it. `setsid(2)`.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

/// Starts `command` as the leader of a new session, without a controlling terminal.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let become_leader = || rustix::process::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec the closure makes one system call; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(become_leader) };
    command.spawn()
}
