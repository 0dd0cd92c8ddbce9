//! A row of the inventory as a test: one check, run through the stock client and through Gantry's own.
//!
//! A row is written once, with [`row!`](crate::row); the macro makes a test of it for each client. Inside,
//! `docker` is the client under test, called by that name, the daemon runs with its default places on a
//! private host, and `busybox` (also `t/busybox`) is loaded. Afterwards everything is removed, and what
//! stays is a leak, which fails the row.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::client::{self, Client};
use crate::daemon::{Daemon, Start};
use crate::host::{Host, Outcome, outcome_at, test_name};
use crate::http::Answer;
use crate::images::{self, Image};
use crate::leaks::Holdings;
use crate::program::{Ran, Running};
use crate::pty::Pty;
use crate::registry::Registry;
use crate::wait::{self, PATIENCE};

/// The folder in which every row notes how it ended, when somebody collects that.
pub const REPORT: &str = "GANTRY_ROW_REPORT";

/// Which command line a row is run through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The stock `docker` client.
    Docker,
    /// Gantry's own.
    Gantry,
}

impl Face {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Gantry => "gantry",
        }
    }

    /// The program of this command line.
    ///
    /// # Panics
    /// When it is not there.
    pub fn program(self) -> PathBuf {
        match self {
            _ if crate::reference::is_asked_for() => crate::reference::client(),
            Self::Docker => client::stock().expect("the docker client is installed: cargo xtask setup"),
            Self::Gantry => client::gantry(),
        }
    }
}

/// Defines one row: `row!(module_name, "RUN-001", |row| { … });`.
#[macro_export]
macro_rules! row {
    ($name:ident, $id:literal, |$row:ident| $body:block) => {
        mod $name {
            #[allow(unused_imports, reason = "a row uses what it needs of its file's imports")]
            use super::*;

            fn check($row: &$crate::acceptance::Row) $body

            #[test]
            fn through_docker() {
                $crate::acceptance::run($id, $crate::acceptance::Face::Docker, |row| check(row));
            }

            #[test]
            fn through_gantry() {
                $crate::acceptance::run($id, $crate::acceptance::Face::Gantry, |row| check(row));
            }
        }
    };
}

/// One row being checked: the host, the daemon, the client.
#[derive(Debug)]
pub struct Row<'h> {
    /// The private host.
    pub host: &'h Host,
    /// Which client is called `docker`.
    pub face: Face,
    client: Client,
    daemon: RefCell<Option<Daemon>>,
}

/// Runs a row on a private host, notes how it ended, and fails the test unless it is green.
///
/// # Panics
/// When the row is red.
pub fn run<F: FnOnce(&Row<'_>)>(id: &str, face: Face, check: F) {
    let outcome = outcome_at(test_name::<F>(), &[], |host| on_row(host, face, check));
    if let Some(folder) = std::env::var_os(REPORT) {
        note(Path::new(&folder), id, face, &outcome);
    }
    match outcome {
        Outcome::Passed => {}
        Outcome::Skipped(reason) => eprintln!("SKIPPED: {reason}"),
        Outcome::Failed(output) => panic!("{id} through {} is red\n{output}", face.name()),
    }
}

/// Notes the outcome outside the private host; inside there is no other to tell.
fn note(folder: &Path, id: &str, face: Face, outcome: &Outcome) {
    let text = match outcome {
        Outcome::Passed => "green\n".to_owned(),
        Outcome::Skipped(reason) => format!("skipped\n{reason}\n"),
        Outcome::Failed(output) => format!("red\n{output}\n"),
    };
    let _ = std::fs::write(folder.join(format!("{id}.{}", face.name())), text);
}

fn on_row(host: &Host, face: Face, check: impl FnOnce(&Row<'_>)) {
    let row = Row { host, face, client: Client::new(&face.program(), None), daemon: RefCell::new(None) };
    row.start_daemon("");
    row.load(&images::busybox());
    let before = row.holdings();
    check(&row);
    row.leaves_nothing(&before);
}

impl Row<'_> {
    /// How a daemon of this row is started: default places, and these flags.
    pub fn start_with(&self, flags: &str) -> Start {
        Start::plain(self.host.folder()).flags(flags)
    }

    /// Starts the daemon, after [`Row::kill_daemon`] or [`Row::stop_daemon`] with the same data.
    #[track_caller]
    pub fn start_daemon(&self, flags: &str) {
        *self.daemon.borrow_mut() = Some(self.start_with(flags).start());
    }

    /// Kills the daemon at once.
    pub fn kill_daemon(&self) {
        if let Some(daemon) = self.daemon.borrow_mut().take() {
            daemon.kill_9();
        }
    }

    /// Asks the daemon to end, and waits for it.
    #[track_caller]
    pub fn stop_daemon(&self) {
        if let Some(daemon) = self.daemon.borrow_mut().take() {
            daemon.stop();
        }
    }

    /// Uses the daemon, which must be up.
    #[track_caller]
    pub fn with_daemon<T>(&self, usage: impl FnOnce(&Daemon) -> T) -> T {
        usage(self.daemon.borrow().as_ref().expect("the daemon is up"))
    }

    /// The daemon's data root, as it tells itself.
    #[track_caller]
    pub fn root(&self) -> PathBuf {
        PathBuf::from(self.get("/info").expect(200).json()["DockerRootDir"].as_str().unwrap_or_default())
    }

    /// The client's home.
    pub fn home(&self) -> &Path {
        self.client.home()
    }

    /// Runs a line of shell in which `docker` is the client under test.
    #[track_caller]
    pub fn sh(&self, line: &str) -> Ran {
        self.client.sh(line)
    }

    /// Like [`Row::sh`], for a line that must succeed; its trimmed output.
    #[track_caller]
    pub fn out(&self, line: &str) -> String {
        self.client.sh(line).ok().text().to_owned()
    }

    /// Like [`Row::sh`], with bytes on standard input.
    #[track_caller]
    pub fn sh_with(&self, line: &str, stdin: &[u8]) -> Ran {
        self.client.sh_with(line, stdin)
    }

    /// Starts a line of shell beside the row.
    #[track_caller]
    pub fn start(&self, line: &str) -> Running {
        self.client.start(line)
    }

    /// Starts a line of shell at a terminal.
    #[track_caller]
    pub fn pty(&self, line: &str) -> Pty {
        let mut command = self.client.command("/bin/bash");
        command.args(["-c", &format!("exec {line}")]);
        Pty::start(&command, line)
    }

    /// Asks the daemon's API directly.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.with_daemon(|daemon| daemon.get(path))
    }

    /// Asks the daemon's API directly, with a JSON body unless it is `null`.
    #[track_caller]
    pub fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.with_daemon(|daemon| daemon.post(path, body))
    }

    /// One field of `docker inspect`, by template.
    #[track_caller]
    pub fn inspect(&self, object: &str, template: &str) -> String {
        self.out(&format!("docker inspect -f '{template}' {object}"))
    }

    /// Process id of a container's first process, as seen from the host.
    #[track_caller]
    pub fn pid(&self, container: &str) -> u32 {
        self.inspect(container, "{{.State.Pid}}").parse().expect("a process id")
    }

    /// Loads an image through the API.
    #[track_caller]
    pub fn load(&self, image: &Image) {
        self.with_daemon(|daemon| daemon.load(image));
    }

    /// Starts `docker-registry` on `localhost:5000`.
    #[track_caller]
    pub fn registry(&self) -> Registry {
        Registry::start(self.host.folder(), 5000)
    }

    /// Waits until the line of shell prints `text` and succeeds.
    #[track_caller]
    pub fn eventually_prints(&self, line: &str, text: &str) {
        let mut last = None;
        let seen = wait::until(PATIENCE, || {
            let ran = self.sh(line);
            let seen = ran.code == 0 && ran.text() == text;
            last = Some(ran);
            seen
        });
        assert!(seen, "never printed {text:?}: {}", last.map(|ran| ran.to_string()).unwrap_or_default());
    }

    /// Waits until the container has ended.
    #[track_caller]
    pub fn wait_exit(&self, container: &str) {
        self.sh(&format!("docker wait {container}")).ok();
    }

    /// Waits until the container's log holds `text`.
    #[track_caller]
    pub fn wait_log(&self, container: &str, text: &str) {
        wait::eventually(&format!("the log of {container} holds {text:?}"), || {
            let ran = self.sh(&format!("docker logs {container} 2>&1"));
            ran.stdout.contains(text)
        });
    }

    /// Sends a signal to a process of the host.
    pub fn signal(&self, pid: u32, signal: Signal) {
        if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// What the host holds now on the engine's behalf.
    pub fn holdings(&self) -> Holdings {
        Holdings::count(self.daemon.borrow().as_ref())
    }

    fn leaves_nothing(&self, before: &Holdings) {
        if crate::reference::is_asked_for() {
            return;
        }
        if self.daemon.borrow().is_none() {
            self.start_daemon("");
        }
        self.with_daemon(Daemon::clear);
        let mut leaked = Vec::new();
        let clean = wait::until(std::time::Duration::from_secs(5), || {
            leaked = self.holdings().leaked_since(before);
            leaked.retain(|thing| !is_lasting(thing));
            leaked.is_empty()
        });
        assert!(clean, "left behind after everything was removed:\n{}", leaked.join("\n"));
    }
}

/// What rightly stays when all containers, networks and volumes are gone: content of images, the store's own
/// files, the parent of all groups, the row's own helpers.
fn is_lasting(thing: &str) -> bool {
    let Some((kind, name)) = thing.split_once(' ') else { return false };
    let name = name.rsplit_once(" (+").map_or(name, |(name, _)| name);
    match kind {
        "file" => {
            let under_root = name.strip_prefix("/var/lib/gantry/").unwrap_or(name);
            let top = under_root.split('/').next().unwrap_or_default();
            !matches!(top, "containers" | "volumes" | "") && !name.starts_with("/run/gantry/containers/")
        }
        "cgroup" => name.ends_with("/docker"),
        "process" => {
            matches!(name, "docker-registry" | "docker" | "sleep" | "bash" | "sh" | "nft" | "find" | "gantry")
        }
        _ => false,
    }
}
