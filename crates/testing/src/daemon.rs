//! A daemon of the built binary, started, killed and asked by tests.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::client;
use crate::http::{self, Address, Answer, Request};
use crate::images::Image;
use crate::reference;
use crate::wait::{self, PATIENCE};

/// The socket of a daemon that was not told another one.
pub const SOCKET: &str = "/run/gantry/gantry.sock";

/// The API version the tests speak unless they are about versions.
pub const VERSION: &str = "/v1.51";

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: PathBuf,
    address: Address,
}

/// How a daemon is started.
#[derive(Clone, Debug)]
pub struct Start {
    /// Flags after `gantry daemon`.
    pub flags: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
    /// The socket on which it will answer.
    pub socket: PathBuf,
    /// Where its output goes; a later start appends.
    pub log: PathBuf,
}

impl Start {
    /// With default places and its log in `folder`.
    pub fn plain(folder: &Path) -> Self {
        let socket = if reference::is_asked_for() { reference::SOCKET } else { SOCKET };
        Self {
            flags: Vec::new(),
            env: Vec::new(),
            socket: PathBuf::from(socket),
            log: folder.join("daemon.log"),
        }
    }

    /// With these flags, separated by spaces, too.
    #[must_use]
    pub fn flags(mut self, flags: &str) -> Self {
        self.flags.extend(flags.split_whitespace().map(str::to_owned));
        self
    }

    /// With one environment variable more.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn spawn(&self) -> Child {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log's folder exists");
        let mut command = if reference::is_asked_for() { reference::daemon() } else { gantry_daemon() };
        command.args(&self.flags).env("HOME", "/root");
        command.envs(self.env.iter().cloned()).env("RUST_BACKTRACE", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("descriptor")).stderr(log);
        command.spawn().expect("the gantry binary starts")
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Panics
    /// When it ends or stays silent; its log is shown.
    #[track_caller]
    pub fn start(&self) -> Daemon {
        let mut daemon = self.start_unready();
        assert!(daemon.becomes_ready(PATIENCE), "no answer at {}\n{}", self.socket.display(), daemon.log());
        daemon
    }

    /// Starts the daemon and does not wait for anything.
    pub fn start_unready(&self) -> Daemon {
        Daemon { child: self.spawn(), log: self.log.clone(), address: Address::unix(&self.socket) }
    }
}

impl Daemon {
    /// Waits until the daemon answers a ping; false when it ended or stayed silent.
    pub fn becomes_ready(&mut self, limit: Duration) -> bool {
        let ping = Request::new("GET", "/_ping");
        let mut ended = false;
        wait::until(limit, || {
            ended = matches!(self.child.try_wait(), Ok(Some(_)));
            ended || http::send(&self.address, &ping).is_ok_and(|answer| answer.status == 200)
        }) && !ended
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Kills it at once, as a crash would.
    pub fn kill_9(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(mut self) -> i32 {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        assert!(wait::exited(self.child.id(), PATIENCE), "does not end on SIGTERM\n{}", self.log());
        self.child.wait().expect("our own child").code().unwrap_or(-1)
    }

    /// Waits until it ends by itself; its exit code, -1 for a signal, nothing when it goes on.
    pub fn wait_end(&mut self, limit: Duration) -> Option<i32> {
        wait::exited(self.child.id(), limit)
            .then(|| self.child.wait().expect("our own child").code().unwrap_or(-1))
    }

    /// Sends one request; the path gets [`VERSION`] in front unless it starts with `/v1.`, `/_` or is bare.
    ///
    /// # Panics
    /// When there is no answer at all.
    #[track_caller]
    pub fn ask(&self, request: Request) -> Answer {
        self.try_ask(request.clone())
            .unwrap_or_else(|error| panic!("{} {}: {error}\n{}", request.method, request.path, self.log()))
    }

    /// Like [`Daemon::ask`], for a daemon that may be gone.
    pub fn try_ask(&self, mut request: Request) -> std::io::Result<Answer> {
        if !request.path.starts_with("/v1.") && !request.path.starts_with("/_") {
            request.path.insert_str(0, VERSION);
        }
        http::send(&self.address, &request)
    }

    /// `GET path`.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask(Request::new("GET", path))
    }

    /// `POST path` with a JSON body, or none for `null`.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::new("POST", path);
        self.ask(if body.is_null() { request } else { request.json(body) })
    }

    /// `DELETE path`.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.ask(Request::new("DELETE", path))
    }

    /// Loads an image.
    #[track_caller]
    pub fn load(&self, image: &Image) {
        let request = Request::new("POST", "/images/load?quiet=1").header("Content-Type: application/x-tar");
        let answer = self.ask(request.body(image.archive())).expect(200);
        assert!(!answer.text().contains("\"error\""), "{answer}");
    }

    /// Removes every container, every volume and every network that is not predefined.
    pub fn clear(&self) {
        for container in list(&self.get("/containers/json?all=1"), "Id") {
            self.delete(&format!("/containers/{container}?force=1&v=1"));
        }
        let custom = "/networks?filters=%7B%22type%22:%5B%22custom%22%5D%7D";
        for network in list(&self.get(custom), "Id") {
            self.delete(&format!("/networks/{network}"));
        }
        let volumes = self.get("/volumes").json();
        for volume in volumes["Volumes"].as_array().into_iter().flatten() {
            self.delete(&format!("/volumes/{}?force=1", volume["Name"].as_str().unwrap_or_default()));
        }
    }
}

fn gantry_daemon() -> Command {
    let mut command = Command::new(client::gantry());
    command.arg("daemon").env_clear();
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn list(answer: &Answer, field: &str) -> Vec<String> {
    let values = answer.json();
    values
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry[field].as_str().map(str::to_owned))
        .collect()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
