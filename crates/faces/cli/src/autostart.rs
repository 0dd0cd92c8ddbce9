//! Starting an engine in the background when a command needs one and none answers.
//!
//! One lock keeps two commands from starting two engines. The engine is this program's own file, called
//! `gantry daemon`, in a session and a control group of its own, so that it outlives the terminal.

use crate::failure::{Failure, fail};
use crate::output;
use client::Client;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EXEC_ROOT: &str = "/run/gantry";
const LOG_FOLDER: &str = "/var/log/gantry";
const READY_DEADLINE: Duration = Duration::from_secs(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
const LAST_WORDS: usize = 10;

/// Whether this user may start an engine: only root can.
pub(crate) fn is_allowed() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes sure that an engine answers at `client`'s address.
///
/// # Errors
/// The engine could not be started, or was not ready in time.
pub(crate) fn ensure(client: &Client) -> Result<(), Failure> {
    match client.ping() {
        Err(error) if error.is_unreachable() => {}
        _ => return Ok(()),
    }
    let problem =
        |what: &str, error: &dyn std::fmt::Display| fail!("cannot start the engine: {what}: {error}");
    let _lock = lock().map_err(|error| problem("lock", &error))?;
    // Whoever held the lock before may have started one.
    if client.ping().is_ok() {
        return Ok(());
    }
    let (log, path) = open_log().map_err(|error| problem("log", &error))?;
    let mut child = spawn(log).map_err(|error| problem("/proc/self/exe", &error))?;
    leave_control_group(child.id());
    output::error_line(&format!("Started the engine in the background; its log is {}", path.display()));
    wait_until_ready(client, &mut child, &path)
}

fn lock() -> io::Result<File> {
    std::fs::DirBuilder::new().recursive(true).mode(0o711).create(EXEC_ROOT)?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(Path::new(EXEC_ROOT).join("autostart.lock"))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}

fn open_log() -> io::Result<(File, PathBuf)> {
    let open = |folder: &str| -> io::Result<(File, PathBuf)> {
        std::fs::DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        let path = Path::new(folder).join("daemon.log");
        Ok((OpenOptions::new().create(true).append(true).mode(0o640).open(&path)?, path))
    };
    open(LOG_FOLDER).or_else(|_| open(EXEC_ROOT))
}

fn spawn(log: File) -> io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the program starts itself as the engine")]
    let mut command = Command::new("/proc/self/exe");
    command.arg0("gantry").arg("daemon").current_dir("/");
    for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_API_VERSION"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    sys::session::spawn(&mut command)
}

/// Moves the engine out of the group of the user's login session, which may be killed with all in it.
///
/// Best effort: where no group can be made, the engine runs in the session's.
fn leave_control_group(pid: u32) {
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"] {
        let root = Path::new(root);
        if !root.join("cgroup.procs").exists() {
            continue;
        }
        let group = root.join("gantry-daemon");
        if std::fs::create_dir(&group).is_ok() || group.exists() {
            drop(std::fs::write(group.join("cgroup.procs"), pid.to_string()));
        }
        return;
    }
}

fn wait_until_ready(client: &Client, child: &mut Child, log: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + READY_DEADLINE;
    let mut pause = Duration::from_millis(1);
    loop {
        if client.ping().is_ok() {
            return Ok(());
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(fail!("the engine ended before it was ready ({status}):\n{}", last_words(log)));
        }
        if Instant::now() > deadline {
            return Err(fail!(
                "the engine is not ready after {} s; see {}",
                READY_DEADLINE.as_secs(),
                log.display()
            ));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n")
}
