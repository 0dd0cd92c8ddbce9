//! A bundle with busybox, and the runtime beside it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testing::Host;
use testing::program::{self, Ran, Running};

const LIMIT: Duration = Duration::from_secs(60);

/// A bundle, and a root for the state of containers.
pub(crate) struct Stage {
    folder: PathBuf,
}

impl Stage {
    /// A bundle that runs a shell script.
    pub(crate) fn new(host: &Host, script: &str) -> Self {
        Self::at(host.folder(), script)
    }

    /// The same in a folder of the machine itself.
    pub(crate) fn at(folder: &Path, script: &str) -> Self {
        let stage = Self { folder: folder.to_owned() };
        let bin = stage.bundle().join("rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        for folder in ["proc", "sys", "dev", "tmp", "etc"] {
            fs::create_dir(stage.bundle().join("rootfs").join(folder)).unwrap();
        }
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for applet in ["sh", "sleep", "cat", "echo", "true", "id", "env", "pwd", "stty", "tty", "ls", "kill"]
        {
            symlink("busybox", bin.join(applet)).unwrap();
        }
        symlink(testing::client::gantry(), stage.path("runc")).unwrap();
        stage.run("spec", &["-b", stage.bundle().to_str().unwrap()]).ok();
        stage.edit(|document| {
            document["process"]["terminal"] = json!(false);
            document["process"]["args"] = json!(["sh", "-c", script]);
            document["root"]["readonly"] = json!(false);
        });
        stage
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.folder.join("bundle")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Changes the document.
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Value)) {
        let path = self.bundle().join("config.json");
        let mut document = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut document);
        fs::write(path, serde_json::to_vec(&document).unwrap()).unwrap();
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("runc"));
        command.arg("--root").arg(self.folder.join("state")).args(words).current_dir(&self.folder);
        command
    }

    /// Runs a command of the runtime to its end.
    #[track_caller]
    pub(crate) fn run(&self, name: &str, words: &[&str]) -> Ran {
        let words = [&[name], words].concat();
        program::run(self.command(&words), &words.join(" "), b"", LIMIT)
    }

    /// The same with global options in front.
    #[track_caller]
    pub(crate) fn raw(&self, words: &[&str]) -> Ran {
        program::run(self.command(words), &words.join(" "), b"", LIMIT)
    }

    /// Starts a command that goes on beside the test.
    #[track_caller]
    pub(crate) fn start(&self, words: &[&str]) -> Running {
        program::start(self.command(words), &words.join(" "))
    }

    /// The same in the environment of a service manager.
    #[track_caller]
    pub(crate) fn start_notifying(&self, socket: &Path, words: &[&str]) -> Running {
        let mut command = self.command(words);
        command.env("NOTIFY_SOCKET", socket);
        program::start(command, &words.join(" "))
    }

    /// `create` or `run -d`: the container writes to the file `output`, and so does a failing command to the result.
    #[track_caller]
    pub(crate) fn detached(&self, words: &str) -> Ran {
        let line = format!(
            "cd {0} && ./runc --root {0}/state {words} -b bundle >output 2>complaint </dev/null; code=$?; cat complaint >&2; exit $code",
            self.folder.display()
        );
        program::shell(&line)
    }

    /// What a detached container has written.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(self.path("output")).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn status(&self, id: &str) -> String {
        self.run("state", &[id]).ok().json()["status"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn pid(&self, id: &str) -> u32 {
        u32::try_from(self.run("state", &[id]).ok().json()["pid"].as_u64().unwrap()).unwrap()
    }

    /// Fails unless nothing of any container is left, but for what the test itself made.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        assert_eq!(self.leftovers(), Vec::<String>::new());
    }

    /// State folders, groups and processes other than the test's.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut left = names(&self.path("state"), "state");
        // The hierarchies of v1 themselves are folders; on v2, the test is in one.
        let is_v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
        let depth = if is_v2 { 1 } else { 2 };
        let find = format!("find /sys/fs/cgroup -mindepth {depth} -type d ! -path /sys/fs/cgroup/init");
        let groups = program::shell(&find).ok();
        left.extend(groups.lines().iter().map(ToString::to_string));
        let processes =
            program::shell("ps -e -o pid=,args= | grep -E ' sleep |/runc |busybox' | grep -v grep || true")
                .ok();
        left.extend(processes.lines().iter().map(ToString::to_string));
        let mounts = program::shell("grep /run/test /proc/self/mountinfo || true").ok();
        left.extend(mounts.lines().iter().map(ToString::to_string));
        left
    }
}

fn names(folder: &Path, what: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| format!("{what} {}", entry.file_name().to_string_lossy())).collect()
}
