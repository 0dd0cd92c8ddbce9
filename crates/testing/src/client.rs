//! The command line under test: the stock `docker` client or Gantry's own, always called `docker`, as the
//! documents do.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{self, Ran, Running};

/// How long one line of commands may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A command-line client with a home of its own.
#[derive(Debug)]
pub struct Client {
    home: TempDir,
    host: Option<String>,
}

/// The stock client on this machine, if there is one.
pub fn stock() -> Option<PathBuf> {
    std::env::var_os("GANTRY_STOCK_DOCKER").map(PathBuf::from).or_else(|| {
        ["/usr/local/bin/docker", "/usr/bin/docker"].iter().map(PathBuf::from).find(|path| path.exists())
    })
}

/// The built `gantry`: beside the folder of the running test binary.
///
/// # Panics
/// When it has not been built.
pub fn gantry() -> PathBuf {
    find_gantry().expect("the gantry binary is built: cargo build -p gantry")
}

fn find_gantry() -> Option<PathBuf> {
    std::env::var_os("GANTRY_BINARY").map(PathBuf::from).or_else(|| {
        let this = std::env::current_exe().ok()?;
        this.ancestors().skip(1).take(3).map(|folder| folder.join("gantry")).find(|path| path.is_file())
    })
}

impl Client {
    /// A client whose program is `binary`, talking to `host` or, without one, to its default socket.
    pub fn new(binary: &Path, host: Option<&str>) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let bin = home.path().join("bin");
        std::fs::create_dir(&bin).expect("a fresh folder");
        symlink(binary, bin.join("docker")).expect("a fresh link");
        if let Some(gantry) = find_gantry() {
            symlink(gantry, bin.join("gantry")).expect("a fresh link");
        }
        Self { home, host: host.map(str::to_owned) }
    }

    /// The client's home, where it keeps its configuration.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A command with the client first in its path and none of the caller's settings.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let path = format!(
            "{}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            self.home().display()
        );
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.home())
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm");
        command.current_dir(self.home());
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        command
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = self.command("/bin/bash");
        command.args(["-c", line]);
        command
    }

    /// Runs a line of shell in which `docker` is this client.
    #[track_caller]
    pub fn sh(&self, line: &str) -> Ran {
        program::run(self.shell(line), line, b"", LIMIT)
    }

    /// Like [`Client::sh`], with bytes on standard input.
    #[track_caller]
    pub fn sh_with(&self, line: &str, stdin: &[u8]) -> Ran {
        program::run(self.shell(line), line, stdin, LIMIT)
    }

    /// Starts a line of shell beside the test, with standard input from a pipe.
    #[track_caller]
    pub fn start(&self, line: &str) -> Running {
        let mut command = self.shell(&format!("exec {line}"));
        command.stdin(std::process::Stdio::piped());
        program::start(command, line)
    }
}
