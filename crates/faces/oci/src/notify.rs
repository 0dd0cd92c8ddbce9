//! `sd_notify(3)` for a program in a container: its word that it is ready is passed on to the service manager of the host.
//!
//! The program writes to a socket in the container's own folder, which it sees in `/run/notify`. It is not told apart from
//! others in the container: only `READY=` is passed on, with the process that the manager shall watch.

use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use container::NOTIFY;
use oci_spec::runtime::{Mount, Spec};
use runtime::error::reason;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::Failure;

/// How long the manager may take to take in what it was told.
const BARRIER: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// The socket that a container writes to, and the one of the host.
#[derive(Debug)]
pub(crate) struct Notify {
    inside: UnixDatagram,
    host: String,
}

/// The socket of the service manager, if there is one.
pub(crate) fn host() -> Option<String> {
    std::env::var("NOTIFY_SOCKET").ok().filter(|host| !host.is_empty())
}

/// Shows the socket's folder to the program, and tells it by its environment.
pub(crate) fn add_socket(spec: &mut Spec, place: &Path) {
    spec.mounts.push(Mount {
        destination: "/run/notify".to_owned(),
        source: place.join(NOTIFY).to_string_lossy().into_owned(),
        options: ["bind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec(),
        ..Mount::default()
    });
    if let Some(process) = &mut spec.process {
        process.env.push("NOTIFY_SOCKET=/run/notify/notify.sock".to_owned());
    }
}

impl Notify {
    /// Opens the container's socket, which its program may write to whoever it is.
    pub(crate) fn bind(folder: &Path, host: String) -> Result<Self, Failure> {
        let folder = folder.join(NOTIFY);
        let path = folder.join("notify.sock");
        let failed = |cause: std::io::Error| {
            Failure::new(format!("listen unixgram {}: {}", path.display(), reason(&cause)))
        };
        // Addresses of sockets are short, and roots of engines are not.
        let open = std::fs::File::open(&folder).map_err(failed)?;
        let short = format!("/proc/self/fd/{}/notify.sock", open.as_raw_fd());
        let inside = UnixDatagram::bind(short).map_err(failed)?;
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o777)).map_err(failed)?;
        Ok(Self { inside, host })
    }

    /// Waits until the program is ready or has ended; tells the manager to watch `main` from then on.
    pub(crate) fn relay(&self, pidfd: BorrowedFd<'_>, main: u32) -> Result<(), Failure> {
        let mut message = [0; 4096];
        loop {
            let mut watched =
                [PollFd::new(&self.inside, PollFlags::IN), PollFd::from_borrowed_fd(pidfd, PollFlags::IN)];
            match poll(&mut watched, None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            if watched[0].revents().contains(PollFlags::IN) {
                let length = self.inside.recv(&mut message)?;
                if let Some(ready) = ready_line(&message[..length]) {
                    return self.tell(ready, main);
                }
            } else {
                return Ok(());
            }
        }
    }

    fn tell(&self, ready: &[u8], main: u32) -> Result<(), Failure> {
        let manager = UnixDatagram::unbound()?;
        match self.host.strip_prefix('@') {
            Some(name) => manager.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => manager.connect(&self.host)?,
        }
        manager.send(&[ready, b"\n"].concat())?;
        manager.send(format!("MAINPID={main}\n").as_bytes())?;
        // The manager closes the descriptor when it has read everything before.
        let (reader, writer) = std::io::pipe()?;
        sys::socket::send(manager.as_fd(), b"BARRIER=1", &[writer.as_fd()])?;
        drop(writer);
        let mut watched = [PollFd::new(&reader, PollFlags::IN)];
        if poll(&mut watched, Some(&BARRIER)).is_ok_and(|count| count > 0) {
            let _ = (&reader).read(&mut [0]);
        }
        Ok(())
    }
}

/// The line that says so, in a message of several.
fn ready_line(message: &[u8]) -> Option<&[u8]> {
    message.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"READY="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ready_line_is_passed_on() {
        assert_eq!(ready_line(b"STATUS=x\nREADY=1\nMAINPID=1"), Some(&b"READY=1"[..]));
        assert_eq!(ready_line(b"STATUS=READY=1"), None);
        assert_eq!(ready_line(b""), None);
    }
}
