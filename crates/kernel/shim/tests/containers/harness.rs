//! A folder with a root file system and an exec root, and containers launched in it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, RwLock};
use std::time::{Duration, Instant};

use oci_spec::runtime::{
    ConsoleSize, Linux, Mount, Namespace, NamespaceKind, Process, Resources, Root, Spec,
};
use shim::protocol::{Answer, State};
use shim::{
    AttachOptions, Event, ExecOptions, ExitRecord, Framing, Groundwork, IdleShim, JsonFile, Launch,
    LogPolicy, NetworkWish, Request, Rootfs, ShimClient, ShimError, Spawner, Started, StdinWish,
};
use tempfile::TempDir;

/// Longer than anything takes that works.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

const APPLETS: [&str; 25] = [
    "tail", "sh", "cat", "echo", "sleep", "stty", "tty", "head", "kill", "id", "yes", "seq", "true", "false",
    "dd", "ls", "ps", "wc", "grep", "trap", "od", "tr", "date", "hostname", "sync",
];

/// Held for writing while a program is copied: a process that is spawned at that moment would for an instant hold the
/// copy open too, and nobody could execute it.
static COPYING: RwLock<()> = RwLock::new(());

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One container's surroundings.
pub(crate) struct Place {
    _dir: TempDir,
    pub(crate) exec_dir: PathBuf,
    pub(crate) log: PathBuf,
    rootfs: PathBuf,
    cgroup: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::below("")
    }

    /// With an exec root at `deep` below the folder.
    pub(crate) fn below(deep: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let rootfs = dir.path().join("rootfs");
        for folder in ["bin", "proc", "dev", "sys", "tmp", "etc"] {
            std::fs::create_dir_all(rootfs.join(folder)).unwrap();
        }
        {
            let _alone = COPYING.write().unwrap();
            std::fs::copy("/bin/busybox", rootfs.join("bin/busybox")).unwrap();
        }
        for applet in APPLETS {
            symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        std::fs::write(rootfs.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").unwrap();
        let exec_dir = dir.path().join(deep).join("exec");
        std::fs::create_dir_all(&exec_dir).unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            log: dir.path().join("x-json.log"),
            cgroup: format!("/gantry-shim-test-{}-{number}", std::process::id()),
            rootfs,
            exec_dir,
            _dir: dir,
        }
    }

    /// A launch of a program without terminal, standard input and clients, with a bounded log.
    pub(crate) fn plan(&self, args: &[&str]) -> Planned {
        let groundwork = Groundwork {
            id: "ab".repeat(32),
            spec: Spec {
                process: Some(self.process(args)),
                root: Some(Root { path: self.rootfs.display().to_string(), ..Root::default() }),
                hostname: "tested".into(),
                mounts: mounts(),
                linux: Some(Linux {
                    cgroups_path: self.cgroup.clone(),
                    resources: Some(Resources::default()),
                    namespaces: [
                        NamespaceKind::Pid,
                        NamespaceKind::Mount,
                        NamespaceKind::Uts,
                        NamespaceKind::Ipc,
                        NamespaceKind::Network,
                    ]
                    .map(|kind| Namespace { kind, path: String::new() })
                    .to_vec(),
                    ..Linux::default()
                }),
                ..Spec::default()
            },
            rootfs: Rootfs::Path(self.rootfs.clone()),
            filter: None,
        };
        let launch = Launch {
            user: None,
            network: NetworkWish::Loopback,
            log: LogPolicy::JsonFile(JsonFile::bounded(self.log.clone())),
            stdin: StdinWish::Closed,
            exec_dir: self.exec_dir.clone(),
            clients: Vec::new(),
        };
        Planned { groundwork, launch }
    }

    /// A shell script as a container's program.
    pub(crate) fn script(&self, text: &str) -> Planned {
        self.plan(&["sh", "-c", text])
    }

    pub(crate) fn process(&self, args: &[&str]) -> Process {
        Process {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: vec!["PATH=/bin".into()],
            cwd: "/".into(),
            oom_score_adj: Some(0),
            ..Process::default()
        }
    }

    /// The texts of the whole records in the log, in order.
    pub(crate) fn logged(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        lines.map(|line| log_format::parse_record(line).unwrap().log).collect()
    }

    /// The folders of the container's control group that are there.
    pub(crate) fn cgroups(&self) -> Vec<PathBuf> {
        let roots = std::fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        let all = roots.chain([PathBuf::from("/sys/fs/cgroup")]);
        let below = self.cgroup.trim_start_matches('/');
        all.map(|root| root.join(below)).filter(|folder| folder.exists()).collect()
    }

    pub(crate) fn connect(&self) -> ShimClient {
        ShimClient::connect(&self.exec_dir).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A test that failed leaves its container behind.
        if let Ok(mut client) = ShimClient::connect(&self.exec_dir) {
            let _ = client.call(Request::Signal { signal: 9, exec: None, all: true }, &[], LIMIT);
        }
    }
}

fn mounts() -> Vec<Mount> {
    let mount = |destination: &str, kind: &str, options: &[&str]| Mount {
        destination: destination.into(),
        kind: kind.into(),
        source: kind.into(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        ..Mount::default()
    };
    vec![
        mount("/proc", "proc", &[]),
        mount("/dev", "tmpfs", &["nosuid", "mode=755"]),
        mount("/dev/pts", "devpts", &["newinstance", "ptmxmode=0666", "mode=0620"]),
    ]
}

/// A plan with a terminal of that size.
pub(crate) fn with_terminal(mut launch: Planned, rows: u64, columns: u64) -> Planned {
    if let Some(process) = &mut launch.groundwork.spec.process {
        process.terminal = true;
        process.console_size = Some(ConsoleSize { height: rows, width: columns });
    }
    launch.stdin = StdinWish::Once;
    launch
}

/// Everything about a container to be launched.
#[derive(Clone)]
pub(crate) struct Planned {
    pub(crate) groundwork: Groundwork,
    pub(crate) launch: Launch,
}

impl Deref for Planned {
    type Target = Launch;

    fn deref(&self) -> &Launch {
        &self.launch
    }
}

impl DerefMut for Planned {
    fn deref_mut(&mut self) -> &mut Launch {
        &mut self.launch
    }
}

/// A container that runs.
pub(crate) struct Running {
    pub(crate) client: ShimClient,
    pub(crate) started: Started,
}

pub(crate) fn try_launch(plan: &Planned, sockets: &[BorrowedFd<'_>]) -> Result<Running, ShimError> {
    let mut shim = start_idle()?;
    shim.prepare(&plan.groundwork, LIMIT)?;
    let (client, started) = shim.launch(&plan.launch, sockets, LIMIT)?;
    Ok(Running { client, started })
}

/// A supervisor that waits for its launch.
pub(crate) fn start_idle() -> Result<IdleShim, ShimError> {
    let _not_while_copying = COPYING.read().unwrap();
    static SPAWNER: LazyLock<Spawner> =
        LazyLock::new(|| Spawner::of(PathBuf::from(env!("CARGO_BIN_EXE_gantry-shim"))));
    SPAWNER.start()
}

pub(crate) fn launch(plan: &Planned) -> Running {
    try_launch(plan, &[]).unwrap()
}

/// Launches with one client that wants everything.
pub(crate) fn launch_attached(mut plan: Planned) -> (Running, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    plan.clients = vec![everything(Framing::Multiplexed)];
    let running = try_launch(&plan, &[theirs.as_fd()]).unwrap();
    (running, ours)
}

pub(crate) fn everything(framing: Framing) -> AttachOptions {
    AttachOptions {
        client: "c".into(),
        stdin: true,
        stdout: true,
        stderr: true,
        framing,
        ..AttachOptions::default()
    }
}

impl Running {
    pub(crate) fn call(&mut self, request: Request) -> Answer {
        self.client.call(request, &[], LIMIT).unwrap()
    }

    pub(crate) fn state(&mut self) -> State {
        match self.call(Request::State) {
            Answer::State(state) => *state,
            other => panic!("not a state: {other:?}"),
        }
    }

    pub(crate) fn signal(&mut self, signal: i32) {
        assert_eq!(self.call(Request::Signal { signal, exec: None, all: false }), Answer::Done);
    }

    pub(crate) fn attach(&mut self, options: AttachOptions) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answer = self.client.call(Request::Attach(options), &[theirs.as_fd()], LIMIT).unwrap();
        assert_eq!(answer, Answer::Done);
        ours
    }

    pub(crate) fn event(&mut self) -> Event {
        self.client.next_event(LIMIT).unwrap().expect("an event in time")
    }

    /// Waits for the container's end; other events are passed over.
    pub(crate) fn wait(&mut self) -> ExitRecord {
        loop {
            if let Event::Exited(record) = self.event() {
                return record;
            }
        }
    }

    /// Waits until nothing of the container is left.
    pub(crate) fn wait_gone(mut self) {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            match self.client.next_event(LIMIT) {
                Ok(_) => {}
                Err(ShimError::Gone) => return,
                Err(other) => panic!("{other}"),
            }
        }
        panic!("the supervisor does not let go");
    }

    /// Starts an exec with a client that wants everything.
    pub(crate) fn exec(&mut self, id: &str, process: Process) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let options = ExecOptions {
            exec: id.into(),
            process,
            user: None,
            client: Some(everything(Framing::Multiplexed)),
        };
        let answer = self.client.call(Request::Exec(Box::new(options)), &[theirs.as_fd()], LIMIT).unwrap();
        assert!(matches!(answer, Answer::Started(_)));
        ours
    }

    /// Waits for an exec's end.
    pub(crate) fn wait_exec(&mut self, id: &str) -> i32 {
        loop {
            if let Event::ExecExited { exec, exit_code } = self.event()
                && exec == id
            {
                return exit_code;
            }
        }
    }
}

/// Everything a client hears until the end, by stream.
pub(crate) fn demultiplex(client: &mut impl Read) -> (String, String) {
    let mut texts: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut head = [0; 8];
    while client.read_exact(&mut head).is_ok() {
        let length = usize::try_from(u32::from_be_bytes([head[4], head[5], head[6], head[7]])).unwrap();
        let text = texts.entry(head[0]).or_default();
        let start = text.len();
        text.resize(start + length, 0);
        client.read_exact(&mut text[start..]).unwrap();
    }
    let mut take = |stream| String::from_utf8(texts.remove(&stream).unwrap_or_default()).unwrap();
    let heard = (take(1), take(2));
    assert!(texts.is_empty(), "frames of other streams: {:?}", texts.keys());
    heard
}

/// Reads from a raw stream until `text` has come; answers everything that came.
pub(crate) fn read_until(client: &mut UnixStream, text: &str) -> String {
    client.set_read_timeout(Some(LIMIT)).unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let length = client.read(&mut buffer).unwrap_or_else(|error| {
            panic!("{text:?} has not come, only {:?}: {error}", String::from_utf8_lossy(&seen))
        });
        assert!(length > 0, "{text:?} has not come, only {:?}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// Waits until a condition on the outside world holds.
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(testing::wait::until(LIMIT, holds), "not in time: {what}");
}

pub(crate) fn say(client: &mut UnixStream, text: &str) {
    client.write_all(text.as_bytes()).unwrap();
}
