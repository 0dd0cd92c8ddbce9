//! The agent that answers the calls a filter asks about: it gets the filter's descriptor by a unix socket.
//!
//! The child cannot send the descriptor itself, since its filter may ask about `sendmsg`. It tells the number by
//! `write`, about which no filter may ask, and the parent takes the descriptor out of it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{ContainerProcessState, OCI_VERSION, State};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use crate::error::CreateError;
use crate::report::words;

/// Who answers for a container's calls.
#[derive(Debug, Clone, Copy)]
pub struct Listener<'a> {
    /// The agent's stream socket (`listenerPath`).
    pub path: &'a Path,
    /// Opaque text for it (`listenerMetadata`).
    pub metadata: &'a str,
    /// The container; the pid of one that is being created is filled in.
    pub state: &'a State,
}

impl Listener<'_> {
    /// Takes descriptor `number` out of a process and sends it to the agent.
    pub(crate) fn hand_over(&self, pid: u32, pidfd: BorrowedFd<'_>, number: i32) -> Result<(), CreateError> {
        let taken = pidfd_getfd(pidfd, number, PidfdGetfdFlags::empty())
            .map_err(|errno| CreateError::step("unable to get the seccomp listener of the process", errno))?;
        let state = ContainerProcessState {
            oci_version: OCI_VERSION.to_owned(),
            fds: vec!["seccompFd".to_owned()],
            pid,
            metadata: self.metadata.to_owned(),
            state: State { pid: self.state.pid.or(Some(pid)), ..self.state.clone() },
        };
        let text = serde_json::to_vec(&state).map_err(|cause| {
            CreateError::Invalid(format!("cannot encode the state for the seccomp agent: {cause}"))
        })?;
        let socket = self.connect().map_err(|errno| {
            let path = self.path.display();
            CreateError::Invalid(format!(
                "failed to connect with seccomp agent specified in the seccomp profile: dial unix {path}: connect: {}",
                words(errno)
            ))
        })?;
        send_all(socket.as_fd(), &text, taken.as_fd()).map_err(|errno| {
            CreateError::step(format!("cannot send seccomp fd to {}", self.path.display()), errno)
        })
    }

    fn connect(&self) -> Result<OwnedFd, Errno> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(self.path)?)?;
        Ok(socket)
    }
}

/// The descriptor comes with the first bytes.
fn send_all(socket: BorrowedFd<'_>, text: &[u8], descriptor: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut sent = sys::socket::send(socket, text, &[descriptor])?;
    while let Some(rest) = text.get(sent..).filter(|rest| !rest.is_empty()) {
        sent += sys::socket::send(socket, rest, &[])?;
    }
    Ok(())
}
