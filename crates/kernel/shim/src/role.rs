//! `gantry-shim`: a spawner, from whose clones become supervisors that stand alone.

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::RecvFlags;
use serde::de::DeserializeOwned;
use sys::background;
use sys::process::{Birth, Namespaces, clone_process, join_namespace, replace_standard_stream, unshare};

use crate::control::Control;
use crate::groundwork::{Ground, Ready};
use crate::launch;
use crate::protocol::{Answer, Groundwork, Launch, Message, Refusal, RefusalKind};
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
    let mut ready = Ready::look_around();
    let mut descriptors = Vec::new();
    while let Some(socket) = &requests {
        if ready.network.is_none() && is_quiet(socket) {
            ready.network = new_network();
        }
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
            supervise(Control::new(socket), std::mem::take(&mut ready));
            0
        };
        // Without one, the daemon sees its end close.
        let _ = clone_process(Birth::default(), shim);
        // The shim has its own copy.
        ready.network = None;
    }
}

/// Whether nobody has asked for a shim for a moment. What is made in advance takes locks and a CPU that a container
/// which is just starting needs more.
fn is_quiet(requests: &OwnedFd) -> bool {
    const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 25_000_000 };
    matches!(poll(&mut [PollFd::new(requests, PollFlags::IN)], Some(&MOMENT)), Ok(0))
}

/// A network namespace for the next container: the kernel needs a millisecond for one. Nothing is in it, and nothing
/// is left of it when the last descriptor is closed.
fn new_network() -> Option<OwnedFd> {
    let open = || openat(CWD, c"/proc/self/ns/net", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok();
    let own = open()?;
    unshare(Namespaces::NETWORK).ok()?;
    let new = open();
    if join_namespace(own.as_fd(), Namespaces::NETWORK).is_err() {
        // Shims would look for the host's links in the wrong place. The daemon starts another spawner.
        std::process::exit(1);
    }
    new
}

fn supervise(mut control: Control, ready: Ready) {
    let Some((frame, mut sockets)) = control.wait_for_frame() else { return };
    let ground = decode::<Groundwork>(&frame).and_then(|work| Ground::lay(work, ready));
    drop(frame);
    let Some((frame, others)) = control.wait_for_frame() else { return };
    // Those of the second frame may have come with the end of the first.
    sockets.extend(others);
    match ground.and_then(|ground| begin(ground, &frame, sockets, &control)) {
        Ok(mut supervisor) => {
            drop(frame);
            supervisor.greet(control);
            supervisor.run();
        }
        Err(refusal) => control.say(&Message::Refusal { id: 0, refusal }),
    }
}

/// Starts what the frame describes. Everything that was needed only for that is gone afterwards.
fn begin(
    ground: Ground,
    frame: &[u8],
    sockets: Vec<OwnedFd>,
    control: &Control,
) -> Result<Supervisor, Refusal> {
    let launch: Launch = decode(frame)?;
    if launch.clients.len() != sockets.len() {
        return Err(Refusal::new(RefusalKind::Invalid, "each client comes with one socket"));
    }
    tell_panics(&launch);
    let id = ground.id().to_owned();
    let container = launch::start(ground, &launch, &|| !control.is_deserted())?;
    let mut supervisor = Supervisor::new(id, launch.exec_dir, container);
    for (options, socket) in launch.clients.into_iter().zip(sockets) {
        // A client that cannot be served loses its connection; the container has begun.
        let _ = supervisor.attach(options, socket);
    }
    Ok(supervisor)
}

fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, Refusal> {
    wire::decode(frame).map_err(|error| Refusal::new(RefusalKind::Invalid, launch::chain(&error)))
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
