//! What keeps two daemons apart: a lock on each root, the pidfile, and a look at whose state lies in a root.

use crate::Name;
use rustix::fs::FlockOperation;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The lock; also the sign that a root is ours.
const LOCK: &str = "gantry.lock";
/// How long a lock may outlive the daemon that took it.
const INHERITED: Duration = Duration::from_secs(2);
/// Names in a root that only Docker's own daemon makes.
const DOCKERS: &[&str] = &["engine-id", "image", "buildkit", "containerd", "swarm"];

/// Why the daemon may not run here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardError {
    #[error("cannot prepare {path}")]
    Prepare {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("another daemon (pid {pid}) already runs on {root}; stop it, or choose another --{option}")]
    Taken { root: PathBuf, pid: String, option: &'static str },
    #[error(
        "{root} holds the state of another engine, which Gantry does not touch; choose another place with --data-root"
    )]
    Foreign { root: PathBuf },
    #[error(
        "failed to start daemon, ensure docker is not running or delete {path}: process with PID {pid} is still running"
    )]
    Running { path: PathBuf, pid: String },
}

/// A root that this process holds until it ends.
#[derive(Debug)]
pub(crate) struct Root {
    _lock: File,
}

/// The file with our pid; removed when dropped.
#[derive(Debug)]
pub(crate) struct Pidfile {
    path: PathBuf,
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes a root and holds it; `option` names the flag that chooses another.
pub(crate) fn hold(root: &Path, option: &'static str) -> Result<Root, GuardError> {
    let prepare = |cause: io::Error| GuardError::Prepare { path: root.to_owned(), cause };
    DirBuilder::new().recursive(true).mode(0o711).create(root).map_err(prepare)?;
    let path = root.join(LOCK);
    let mut lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(prepare)?;
    if let Err(pid) = take(&mut lock) {
        return Err(GuardError::Taken { root: root.to_owned(), pid, option });
    }
    let write = |lock: &mut File| {
        lock.set_len(0)?;
        lock.rewind()?;
        writeln!(lock, "{}", std::process::id())
    };
    write(&mut lock).map_err(prepare)?;
    Ok(Root { _lock: lock })
}

/// Takes the lock, or tells who has it. A daemon that was killed while it started a supervisor leaves its lock, for
/// the few milliseconds until that one is itself, with a process that inherited it.
fn take(lock: &mut File) -> Result<(), String> {
    let patience = Instant::now() + INHERITED;
    while rustix::fs::flock(&*lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        let _ = lock.rewind().and_then(|()| lock.read_to_string(&mut pid));
        let pid = pid.trim();
        if is_daemon(pid) || Instant::now() > patience {
            return Err(pid.to_owned());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Refuses a data root with another engine's state. Docker's default place is used only when empty or ours.
pub(crate) fn check_owner(root: &Path, name: Name) -> Result<(), GuardError> {
    if root.join(LOCK).exists() {
        return Ok(());
    }
    let foreign = if name == Name::Dockerd && root == Path::new("/var/lib/docker") {
        std::fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some())
    } else {
        DOCKERS.iter().any(|entry| root.join(entry).exists())
    };
    if foreign { Err(GuardError::Foreign { root: root.to_owned() }) } else { Ok(()) }
}

/// Whether a process is an engine's daemon that lives. A number that something else got meanwhile, or that a dead
/// daemon still holds because nobody asked for its end, is none.
fn is_daemon(pid: &str) -> bool {
    if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let Ok(stat) = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")) else { return false };
    // "12 (name) S …": the name may hold anything, a parenthesis too.
    let Some((before, after)) = stat.rsplit_once(')') else { return false };
    let name = before.split_once('(').map_or("", |(_, name)| name);
    let is_dead = matches!(after.trim_start().as_bytes().first(), Some(b'Z' | b'X'));
    !is_dead && ["gantry", "docker"].iter().any(|engine| name.starts_with(engine))
}

/// Writes our pid, unless the process in the file still runs.
pub(crate) fn write_pidfile(path: &Path) -> Result<Pidfile, GuardError> {
    let prepare = |cause: io::Error| GuardError::Prepare { path: path.to_owned(), cause };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(prepare)?;
    }
    let own = std::process::id().to_string();
    if let Ok(text) = std::fs::read_to_string(path) {
        let pid = text.trim();
        if pid != own && is_daemon(pid) {
            return Err(GuardError::Running { path: path.to_owned(), pid: pid.to_owned() });
        }
    }
    std::fs::write(path, own).map_err(prepare)?;
    Ok(Pidfile { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/b");
        let held = hold(&root, "data-root").unwrap();
        let refusal = hold(&root, "data-root").unwrap_err().to_string();
        assert!(refusal.contains(&format!("another daemon (pid {})", std::process::id())), "{refusal}");
        drop(held);
    }

    #[test]
    fn the_state_of_another_engine_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_owner(folder.path(), Name::Gantry).is_ok());
        std::fs::write(folder.path().join("engine-id"), "x").unwrap();
        assert!(matches!(check_owner(folder.path(), Name::Gantry), Err(GuardError::Foreign { .. })));
        std::fs::write(folder.path().join(LOCK), "").unwrap();
        assert!(check_owner(folder.path(), Name::Gantry).is_ok());
    }

    /// A process with an engine's name that waits for its end.
    #[expect(clippy::disallowed_methods, reason = "a test")]
    fn like_a_daemon(folder: &Path) -> std::process::Child {
        let program = folder.join("gantry");
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let child = std::process::Command::new(&program).arg("60").spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        while std::fs::read_to_string(&comm).unwrap().trim() != "gantry" {
            std::thread::yield_now();
        }
        child
    }

    #[test]
    fn a_pidfile_of_a_live_process_is_respected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/daemon.pid");
        let mine = write_pidfile(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), std::process::id().to_string());
        let mut daemon = like_a_daemon(folder.path());
        std::fs::write(&path, daemon.id().to_string()).unwrap();
        assert!(matches!(write_pidfile(&path), Err(GuardError::Running { .. })));
        daemon.kill().unwrap();
        // It is dead, and nobody has asked for its end.
        let stat = format!("/proc/{}/stat", daemon.id());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z") {
            std::thread::yield_now();
        }
        assert!(write_pidfile(&path).is_ok());
        daemon.wait().unwrap();
        std::fs::write(&path, "1").unwrap();
        assert!(write_pidfile(&path).is_ok());
        std::fs::write(&path, "4194305").unwrap();
        assert!(write_pidfile(&path).is_ok());
        drop(mine);
        assert!(!path.exists());
    }
}
