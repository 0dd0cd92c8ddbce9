//! `gantry-shim`: a spawner, from whose clones become supervisors that stand alone.

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use sys::background;
use sys::process::{Birth, clone_process, replace_standard_stream};

use crate::control::Control;
use crate::launch;
use crate::protocol::{Answer, Launch, Message, Refusal, RefusalKind};
use crate::supervisor::Supervisor;
use crate::wire;

/// The role's entry: standard input is a socket on which a daemon asks for shims (see [`crate::Spawner`]). Ends when
/// the daemon does.
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    // It has none; whoever gives some has not understood what this is.
    let is_called_by_hand = arguments.into_iter().nth(1).is_some();
    let socket = if is_called_by_hand { None } else { take_socket() };
    let Some(socket) = socket else {
        eprintln!("gantry-shim is started by the daemon, one for each container.");
        return ExitCode::from(2);
    };
    stand_alone();
    background::leave_no_zombies();
    spawn(Some(socket));
    ExitCode::SUCCESS
}

/// Takes the daemon's socket from standard input, and closes everything else that was inherited.
fn take_socket() -> Option<OwnedFd> {
    let stdin = rustix::stdio::stdin();
    rustix::net::sockopt::socket_type(stdin).ok()?;
    background::close_inherited(3, &[]).ok()?;
    let socket = rustix::io::fcntl_dupfd_cloexec(stdin, 3).ok()?;
    let null = rustix::fs::openat(CWD, c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).ok()?;
    replace_standard_stream(null.as_fd(), 0).ok()?;
    Some(socket)
}

fn stand_alone() {
    background::keep_heap_small();
    background::ignore_requests_to_end();
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir("/");
    let _ = rustix::thread::set_name(c"gantry-spawner");
    rustix::process::umask(Mode::from_raw_mode(0o022));
}

/// Makes a shim for each descriptor that comes, until the daemon is gone.
fn spawn(mut requests: Option<OwnedFd>) {
    let mut descriptors = Vec::new();
    while let Some(socket) = &requests {
        match wire::receive(socket, &mut [0], &mut descriptors, RecvFlags::empty()) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return,
            _ => {}
        }
        let mut connection = descriptors.pop();
        descriptors.clear();
        let shim = || {
            requests = None;
            let Some(socket) = connection.take() else { return 1 };
            background::wait_for_children();
            let _ = rustix::process::setsid();
            let _ = rustix::thread::set_name(c"gantry-shim");
            supervise(Control::new(socket));
            0
        };
        // Without one, the daemon sees its end close.
        let _ = clone_process(Birth::default(), shim);
    }
}

fn supervise(mut control: Control) {
    let Some((frame, sockets)) = control.wait_for_frame() else { return };
    match begin(&frame, sockets, &control) {
        Ok(mut supervisor) => {
            drop(frame);
            supervisor.greet(control);
            supervisor.run();
        }
        Err(refusal) => control.say(&Message::Refusal { id: 0, refusal }),
    }
}

/// Starts what the frame describes. Everything that was needed only for that is gone afterwards.
fn begin(frame: &[u8], sockets: Vec<OwnedFd>, control: &Control) -> Result<Supervisor, Refusal> {
    let invalid = |message: &str| Refusal::new(RefusalKind::Invalid, message);
    let launch: Launch = wire::decode(frame).map_err(|error| invalid(&launch::chain(&error)))?;
    if launch.clients.len() != sockets.len() {
        return Err(invalid("each client comes with one socket"));
    }
    tell_panics(&launch);
    let container = launch::start(&launch, &|| !control.is_deserted())?;
    let mut supervisor = Supervisor::new(launch.id, launch.exec_dir, container);
    for (options, socket) in launch.clients.into_iter().zip(sockets) {
        // A client that cannot be served loses its connection; the container has begun.
        let _ = supervisor.attach(options, socket);
    }
    Ok(supervisor)
}

/// Leaves a bug's message where the container's other files are: nobody reads this process's standard error.
fn tell_panics(launch: &Launch) {
    let path = launch.exec_dir.join("panic.txt");
    std::panic::set_hook(Box::new(move |panic| {
        let _ = std::fs::write(&path, format!("{panic}\n"));
    }));
}

/// The kernel's refusal as an answer.
pub(crate) fn failed(error: Errno) -> Refusal {
    Refusal {
        errno: Some(error.raw_os_error()),
        ..Refusal::new(RefusalKind::Failed, launch::chain(&std::io::Error::from(error)))
    }
}

/// An answer to a launch or a call.
pub(crate) fn reply(id: u64, outcome: Result<Answer, Refusal>) -> Message {
    match outcome {
        Ok(answer) => Message::Answer { id, answer },
        Err(refusal) => Message::Refusal { id, refusal },
    }
}
