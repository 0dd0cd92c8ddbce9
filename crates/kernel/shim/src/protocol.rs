//! What is said between a daemon and a shim: version 1.
//!
//! A new connection on `shim.sock` may send any number of [`Request`]s, each with a number of the
//! sender's choice; each is answered by one [`Answer`] or [`Refusal`] with the same number. After
//! [`Request::Watch`] the connection also carries [`Event`]s. Descriptors travel with the first byte of the
//! request that they belong to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use network::EndpointPlan;
use oci_spec::runtime::{Process, Spec};
pub use runtime::Rootfs;
use serde::{Deserialize, Serialize};

use crate::record::ExitRecord;

/// The version that this build speaks. A shim that is asked something it does not know answers
/// [`RefusalKind::Unsupported`], so a newer daemon can live with older shims.
pub const VERSION: u32 = 1;

/// What a shim can do something about before the rest is known: the first frame on its first connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Groundwork {
    /// The container's id, 64 hexadecimal digits.
    pub id: String,
    /// The container's configuration. `process.terminal` decides between a terminal and pipes.
    pub spec: Spec,
    /// Where the root file system comes from.
    pub rootfs: Rootfs,
    /// The compiled system call filter, a file that `runtime::seccomp::Cache` wrote; `spec.linux.seccomp` is not
    /// looked at. Absent for an unconfined container.
    pub filter: Option<PathBuf>,
}

/// The rest of what a shim needs to bring its container to life: the second frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Whom the process runs as, in the words of the user; looked up inside the root file system.
    /// Absent leaves `spec.process.user` as it is.
    pub user: Option<UserWish>,
    /// What the network namespace gets.
    pub network: NetworkWish,
    /// Where output is recorded.
    pub log: LogPolicy,
    /// What becomes of standard input.
    pub stdin: StdinWish,
    /// The container's folder under the exec root: `shim.sock`, `exit.json`, `state.json` and
    /// `config.json` go there.
    pub exec_dir: PathBuf,
    /// Clients that wait for the first byte; their sockets come with this frame, in this order.
    pub clients: Vec<AttachOptions>,
}

/// A user as `--user` and `--group-add` name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserWish {
    /// `name`, `uid`, `name:group`, `uid:gid`; empty for root.
    pub name: String,
    /// Further groups, by name or number.
    pub groups: Vec<String>,
}

/// What a network namespace gets before the container's first instruction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NetworkWish {
    /// Nothing is touched: the host's or another container's namespace.
    #[default]
    Untouched,
    /// Only the loopback interface.
    Loopback,
    /// These interfaces, and the loopback interface.
    Endpoints(Vec<EndpointPlan>),
}

/// Where output is recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogPolicy {
    /// Nowhere.
    #[default]
    None,
    /// In files of Docker's json-file format.
    JsonFile(JsonFile),
}

/// A json-file log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonFile {
    /// The file being written; older ones are `<path>.1`, `<path>.2` …
    pub path: PathBuf,
    /// A file of this many bytes or more takes no further record; absent is unlimited.
    pub max_size: Option<u64>,
    /// How many files there may be, this one included; at least 1.
    pub max_files: u32,
    /// Whether older files are compressed (`<path>.1.gz` …).
    pub compress: bool,
    /// Labels and variables that each record repeats.
    pub attributes: BTreeMap<String, String>,
}

impl JsonFile {
    /// The bound of a log that nobody bounded: 20 MB.
    pub const DEFAULT_MAX_SIZE: u64 = 20_000_000;
    /// The number of files of a log that nobody bounded.
    pub const DEFAULT_MAX_FILES: u32 = 5;

    /// A log at `path` with the default bound.
    pub fn bounded(path: PathBuf) -> Self {
        Self {
            path,
            max_size: Some(Self::DEFAULT_MAX_SIZE),
            max_files: Self::DEFAULT_MAX_FILES,
            compress: false,
            attributes: BTreeMap::new(),
        }
    }
}

/// What becomes of a container's standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StdinWish {
    /// `/dev/null`.
    #[default]
    Closed,
    /// A pipe (or the terminal) that stays open whoever comes and goes (`OpenStdin`).
    Open,
    /// The same, but the end of the first client's input ends it (`StdinOnce`).
    Once,
}

/// How output is put on a client's socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Eight-byte heads that name stream and length, as for containers without a terminal.
    #[default]
    Multiplexed,
    /// The bytes alone.
    Raw,
}

/// One attached client; its socket comes with the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachOptions {
    /// A name of the daemon's choice, repeated in [`Event::Detached`].
    pub client: String,
    /// Whether what the client sends goes to standard input.
    pub stdin: bool,
    /// Whether the client sees standard output (all output, with a terminal).
    pub stdout: bool,
    /// Whether the client sees standard error.
    pub stderr: bool,
    /// How the client wants its output; raw with a terminal whatever stands here.
    pub framing: Framing,
    /// The keys that let go of a terminal; empty for ctrl-p ctrl-q.
    pub detach_keys: Vec<u8>,
    /// Input that was read together with the head of the client's HTTP request.
    pub early_input: Vec<u8>,
}

/// A further process in the container; with a socket if one of the three streams is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecOptions {
    /// The exec's id.
    pub exec: String,
    /// The process; `terminal` decides between a terminal and pipes.
    pub process: Process,
    /// Whom it runs as; absent leaves `process.user` as it is.
    pub user: Option<UserWish>,
    /// The client; absent gives the process `/dev/null` three times.
    pub client: Option<AttachOptions>,
}

/// What a daemon may ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Which protocol, which build: [`Answer::Version`].
    Version,
    /// The truth now: [`Answer::State`].
    State,
    /// The truth now, and [`Event`]s on this connection from then on, without a gap: [`Answer::State`].
    Watch,
    /// Sends a signal.
    Signal {
        /// The signal's number.
        signal: i32,
        /// To the exec of this id rather than to the container.
        exec: Option<String>,
        /// To every process of the container rather than its first one.
        all: bool,
    },
    /// Sets a terminal's size.
    Resize {
        /// The exec's terminal rather than the container's.
        exec: Option<String>,
        /// Rows.
        rows: u16,
        /// Columns.
        columns: u16,
    },
    /// Freezes every process.
    Pause,
    /// Lets them go on.
    Resume,
    /// Connects the socket that comes along to the container's streams.
    Attach(AttachOptions),
    /// Starts a further process: [`Answer::Started`].
    Exec(Box<ExecOptions>),
    /// The ids of all processes, as the host numbers them: [`Answer::Processes`].
    Processes,
}

impl Request {
    /// The names on the wire, by which an unknown request is told from a malformed one.
    pub const NAMES: [&str; 10] =
        ["Version", "State", "Watch", "Signal", "Resize", "Pause", "Resume", "Attach", "Exec", "Processes"];

    /// How many descriptors come with it.
    pub fn descriptors(&self) -> usize {
        match self {
            Request::Attach(_) => 1,
            Request::Exec(options) => usize::from(options.client.is_some()),
            _ => 0,
        }
    }
}

/// What a shim answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// To [`Request::Version`].
    Version {
        /// The protocol's version, [`VERSION`].
        protocol: u32,
        /// The version of the shim's program.
        build: String,
    },
    /// To [`Request::State`] and [`Request::Watch`].
    State(Box<State>),
    /// To a [`Launch`] and to [`Request::Exec`].
    Started(Started),
    /// To [`Request::Processes`].
    Processes(Vec<u32>),
}

/// A process that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its id, as the host numbers it.
    pub pid: u32,
    /// When it was born, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_time: u64,
    /// The wall clock at its start, nanoseconds since 1970.
    pub started_at: u64,
}

/// What is true of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The container's id.
    pub id: String,
    /// Its first process.
    pub started: Started,
    /// Whether it runs.
    pub status: Status,
    /// Processes started by [`Request::Exec`]: those that run, and the last ones that ended.
    pub execs: Vec<ExecState>,
    /// How many clients are attached.
    pub clients: usize,
}

/// Whether a container runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It does.
    Running,
    /// It is frozen.
    Paused,
    /// It is over.
    Exited(ExitRecord),
}

/// What is true of an exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecState {
    /// Its id.
    pub exec: String,
    /// Its process.
    pub started: Started,
    /// Its exit code, if it is over.
    pub exit_code: Option<i32>,
}

/// What a shim tells without being asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The container is over; its log is complete and `exit.json` is in place.
    Exited(ExitRecord),
    /// An exec is over.
    ExecExited {
        /// Its id.
        exec: String,
        /// 0–255, or 128 and the signal.
        exit_code: i32,
    },
    /// A client typed the detach keys.
    Detached {
        /// [`AttachOptions::client`].
        client: String,
        /// The exec that it was attached to.
        exec: Option<String>,
    },
    /// The kernel killed a process of the container for lack of memory.
    OutOfMemory,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What a caller would act upon.
    pub kind: RefusalKind,
    /// For people, in Docker's words where Docker has some.
    pub message: String,
    /// The step of a launch or an exec that failed.
    pub step: Option<String>,
    /// The kernel's error number.
    pub errno: Option<i32>,
    /// The exit code that a failed launch or exec stands for: 126, 127 or 128.
    pub exit_code: Option<i32>,
}

/// Kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalKind {
    /// The container or exec is over, or the container is paused.
    NotRunning,
    /// No exec of that id.
    NotFound,
    /// The request makes no sense here (a resize without a terminal, a descriptor that is no socket).
    Invalid,
    /// This shim does not know the request.
    Unsupported,
    /// The kernel refused.
    Failed,
    /// The process could not be started; `step`, `errno` and `exit_code` tell more.
    Start,
}

impl Refusal {
    /// A refusal with a kind and a text.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), step: None, errno: None, exit_code: None }
    }
}

/// One frame from a daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The sender's number.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// One frame from a shim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// To the call (or launch, 0) of that number.
    Answer {
        /// The call's number.
        id: u64,
        /// What it brought.
        answer: Answer,
    },
    /// To the call (or launch, 0) of that number.
    Refusal {
        /// The call's number.
        id: u64,
        /// Why it was not done.
        refusal: Refusal,
    },
    /// Something happened.
    Event(Event),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_listed_by_its_name() {
        let samples = [
            Request::Version,
            Request::State,
            Request::Watch,
            Request::Signal { signal: 15, exec: None, all: false },
            Request::Resize { exec: None, rows: 1, columns: 1 },
            Request::Pause,
            Request::Resume,
            Request::Attach(AttachOptions::default()),
            Request::Exec(Box::new(ExecOptions {
                exec: String::new(),
                process: Process::default(),
                user: None,
                client: None,
            })),
            Request::Processes,
        ];
        let names: Vec<String> = samples
            .iter()
            .map(|request| match serde_json::to_value(request).unwrap() {
                serde_json::Value::String(name) => name,
                serde_json::Value::Object(map) => map.keys().next().unwrap().clone(),
                other => panic!("unexpected shape {other}"),
            })
            .collect();
        assert_eq!(names, Request::NAMES);
    }
}
