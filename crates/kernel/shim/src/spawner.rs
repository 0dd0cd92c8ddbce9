//! Where shims come from: one small process of the same program that clones itself, once for each container.
//!
//! ```text
//!   daemon ── one byte and one end of a socket pair ──▶ spawner ── clone ──▶ shim, with that end as its daemon's
//! ```
//!
//! A daemon that spawned each shim itself would wait for an exec, the set-up of a fresh program and the page faults of
//! both, a millisecond and more before each start; a clone of a process that has a few pages takes a tenth of that.
//! The spawner ends when its daemon does. Its shims go on: they are children of nobody they depend on.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::net::SendFlags;

use crate::client::{IdleShim, ShimError};
use crate::wire;

/// The name of the role, as `argv[0]` and as the process is called.
pub const ROLE: &str = "gantry-shim";

/// The running program, to be started in the role of shims: by a read-only mount of its own, for as long as this process
/// lives, so that what enters a container cannot be a way to write to the host's file (see [`runtime::sealed`]). Pages
/// are shared with everything that runs the same file. A kernel that refuses such a mount leaves the plain file.
pub fn own_program() -> PathBuf {
    static SEALED: OnceLock<Option<OwnedFd>> = OnceLock::new();
    match SEALED.get_or_init(|| runtime::sealed::own_executable().ok()) {
        Some(sealed) => PathBuf::from(format!("/proc/self/fd/{}", sealed.as_raw_fd())),
        None => PathBuf::from("/proc/self/exe"),
    }
}

/// The daemon's handle of its spawner, which is started when it is first needed and again when it is gone.
#[derive(Debug)]
pub struct Spawner {
    program: PathBuf,
    process: Mutex<Option<Process>>,
}

impl Spawner {
    /// One that will run `program`.
    #[must_use]
    pub fn of(program: PathBuf) -> Self {
        Self { program, process: Mutex::new(None) }
    }

    /// Starts the spawner's process now, so that the first container need not wait for it.
    ///
    /// # Errors
    /// [`ShimError::Spawn`].
    pub fn warm_up(&self) -> Result<(), ShimError> {
        let mut process = self.lock();
        if process.is_none() {
            *process = Some(Process::start(&self.program)?);
        }
        Ok(())
    }

    /// Asks for a shim that waits for its launch. It comes up by itself: the caller may go on planning.
    ///
    /// # Errors
    /// [`ShimError::Spawn`] when no process can be had.
    pub fn start(&self) -> Result<IdleShim, ShimError> {
        let (ours, theirs) = UnixStream::pair().map_err(ShimError::Spawn)?;
        let mut process = self.lock();
        if process.as_ref().is_none_or(|alive| alive.ask(&theirs).is_err()) {
            let fresh = Process::start(&self.program)?;
            fresh.ask(&theirs).map_err(ShimError::Spawn)?;
            *process = Some(fresh);
        }
        Ok(IdleShim::over(ours))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The spawner's process, and the daemon's end of its socket.
#[derive(Debug)]
struct Process {
    socket: Option<UnixStream>,
    child: Child,
}

impl Process {
    fn start(program: &Path) -> Result<Self, ShimError> {
        let (ours, theirs) = UnixStream::pair().map_err(ShimError::Spawn)?;
        // The process model itself: one binary in several roles. The standard library uses posix_spawn, which copies no
        // page tables however large the daemon is, as long as nothing is asked for that it cannot do: no `pre_exec`,
        // and in a static program no `current_dir` either.
        #[allow(clippy::disallowed_methods, reason = "starts the same binary in another role")]
        let mut command = Command::new(program);
        let child = command
            .arg0(ROLE)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(ShimError::Spawn)?;
        Ok(Self { socket: Some(ours), child })
    }

    /// Sends `end` to be the daemon's side of a new shim.
    fn ask(&self, end: &UnixStream) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        wire::send(socket, &[0], &[end.as_fd()], SendFlags::DONTWAIT).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends when its socket closes; somebody must take note of that.
        self.socket = None;
        let _ = self.child.wait();
    }
}
