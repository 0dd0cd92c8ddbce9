//! A connection to a bus, or to systemd itself: one thread, one call at a time. A process that is about to clone itself
//! must not have threads, which is why this is no connection of zbus.

use std::collections::VecDeque;
use std::env;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::Serialize;
use zbus::wire::DynamicType;

use super::message::{HEAD, Header, Kind, Message, decode, encode, rest_length};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest line of the greeting.
const LONGEST_LINE: usize = 4096;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The connection failed.
    #[error("D-Bus connection")]
    Connection(#[from] io::Error),
    /// The bus does not want us.
    #[error("D-Bus authentication was refused")]
    Stranger,
    /// The other side does not speak D-Bus, or not as agreed.
    #[error("malformed D-Bus message")]
    Malformed,
    /// The other side refused.
    #[error("{message}")]
    Refused {
        /// The error's name on the bus.
        name: String,
        /// What it says.
        message: String,
    },
    /// No answer came.
    #[error("timed out")]
    TimedOut,
    /// The job ended otherwise than done.
    #[error("got `{0}`")]
    Job(String),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Bus {
    socket: UnixStream,
    serial: u32,
    signals: VecDeque<Message>,
    is_bus: bool,
}

impl Bus {
    /// Connects to the system bus, or to systemd's own socket where there is none.
    pub(super) fn system() -> Result<Self, BusError> {
        let address = env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_default();
        let listed = address.split(';').find_map(|address| {
            let parameters = address.strip_prefix("unix:")?;
            parameters.split(',').find_map(|parameter| parameter.strip_prefix("path=")).map(str::to_owned)
        });
        let bus = listed.unwrap_or_else(|| "/run/dbus/system_bus_socket".to_owned());
        match UnixStream::connect(&bus) {
            Ok(socket) => Self::greet(socket, true),
            Err(cause) => match UnixStream::connect("/run/systemd/private") {
                Ok(socket) => Self::greet(socket, false),
                Err(_) => Err(cause.into()),
            },
        }
    }

    /// Authenticates by the socket's credentials; on a bus, asks for a name.
    pub(super) fn greet(mut socket: UnixStream, is_bus: bool) -> Result<Self, BusError> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let user = rustix::process::geteuid().as_raw().to_string();
        let hex: String = user.bytes().map(|byte| format!("{byte:02x}")).collect();
        socket.write_all(format!("\0AUTH EXTERNAL {hex}\r\n").as_bytes())?;
        if !read_line(&mut socket)?.starts_with("OK ") {
            return Err(BusError::Stranger);
        }
        socket.write_all(b"BEGIN\r\n")?;
        let mut bus = Self { socket, serial: 0, signals: VecDeque::new(), is_bus };
        if is_bus {
            bus.call_bus("Hello", &())?;
        }
        Ok(bus)
    }

    /// Asks the bus for signals of an interface; systemd's own socket sends them unasked.
    pub(super) fn subscribe(&mut self, interface: &str) -> Result<(), BusError> {
        if !self.is_bus {
            return Ok(());
        }
        let rule = format!("type='signal',interface='{interface}'");
        self.call_bus("AddMatch", &rule.as_str()).map(drop)
    }

    fn call_bus<B: ?Sized + Serialize + DynamicType>(
        &mut self,
        member: &str,
        body: &B,
    ) -> Result<Message, BusError> {
        let header = Header {
            path: "/org/freedesktop/DBus".to_owned(),
            interface: "org.freedesktop.DBus".to_owned(),
            member: member.to_owned(),
            destination: "org.freedesktop.DBus".to_owned(),
            ..Header::default()
        };
        self.call(&header, body)
    }

    /// Calls and waits for the answer; signals that come meanwhile are kept.
    pub(super) fn call<B: ?Sized + Serialize + DynamicType>(
        &mut self,
        header: &Header,
        body: &B,
    ) -> Result<Message, BusError> {
        self.serial += 1;
        let serial = self.serial;
        self.socket.write_all(&encode(Kind::Call, serial, header, body)?)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.receive(deadline)?;
            match message.kind {
                Kind::Return if message.header.reply_to == Some(serial) => return Ok(message),
                Kind::Error if message.header.reply_to == Some(serial) => {
                    let text = message.body::<&str>().unwrap_or_default().to_owned();
                    return Err(BusError::Refused { name: message.header.error, message: text });
                }
                Kind::Signal => self.signals.push_back(message),
                _ => {}
            }
        }
    }

    /// The next signal, those kept first.
    pub(super) fn signal(&mut self, deadline: Instant) -> Result<Message, BusError> {
        loop {
            if let Some(message) = self.signals.pop_front() {
                return Ok(message);
            }
            let message = self.receive(deadline)?;
            if message.kind == Kind::Signal {
                return Ok(message);
            }
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<Message, BusError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(BusError::TimedOut);
        }
        self.socket.set_read_timeout(Some(left))?;
        let mut head = [0; HEAD];
        self.read(&mut head)?;
        let mut bytes = head.to_vec();
        bytes.resize(HEAD + rest_length(head)?, 0);
        self.read(bytes.get_mut(HEAD..).unwrap_or_default())?;
        decode(bytes)
    }

    fn read(&mut self, space: &mut [u8]) -> Result<(), BusError> {
        self.socket.read_exact(space).map_err(|cause| match cause.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => BusError::TimedOut,
            _ => BusError::Connection(cause),
        })
    }
}

/// The other side of a bus, for a systemd that is played.
#[cfg(test)]
impl Bus {
    pub(super) fn own(&mut self, name: &str) -> Result<(), BusError> {
        self.call_bus("RequestName", &(name, 0u32)).map(drop)
    }

    pub(super) fn next_call(&mut self) -> Result<Message, BusError> {
        loop {
            let message = self.receive(Instant::now() + PATIENCE)?;
            if message.kind == Kind::Call {
                return Ok(message);
            }
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), BusError> {
        Ok(self.socket.write_all(bytes)?)
    }
}

fn read_line(socket: &mut UnixStream) -> Result<String, BusError> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        socket.read_exact(&mut byte)?;
        line.extend(byte);
        if line.len() > LONGEST_LINE {
            return Err(BusError::Malformed);
        }
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}
