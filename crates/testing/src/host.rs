//! A private host for one test: its own mounts, links, processes, host name and control groups.
//!
//! ```text
//! test binary                       the test as the runner starts it
//!   └ sh, unshare                   enters a fresh cgroup, leaves the machine's namespaces
//!       └ sh (pid 1)                reaps whatever the test orphans
//!           └ test binary --exact   the same test again; here the body runs
//! ```
//!
//! Inside, `/run` and `/var/lib` are empty, so a daemon may use its default places, and `localhost` is the
//! test's alone, so ports never clash. When the body ends everything ends with its process namespace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::mount::{MountFlags, mount};

use crate::needs::Needs;
use crate::program;

/// Set inside the private host.
const INSIDE: &str = "GANTRY_PRIVATE_HOST";

/// How long a whole test may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How a test on a private host ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The body returned.
    Passed,
    /// The body failed; everything it printed.
    Failed(String),
    /// The machine lacks something.
    Skipped(String),
}

/// The private host, seen from inside.
#[derive(Debug)]
pub struct Host {
    folder: PathBuf,
}

impl Host {
    /// An empty folder for the test's files; gone with the host.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Runs `body` on a private host and fails or skips the calling test accordingly.
///
/// The body must be a closure written in the test itself: its type tells the test's name, by which the
/// test binary finds it again inside.
///
/// # Panics
/// When the body does.
#[track_caller]
pub fn on_host<F: FnOnce(&Host)>(needs: &[Needs], body: F) {
    match outcome_of(needs, body) {
        Outcome::Passed => {}
        Outcome::Skipped(reason) => eprintln!("SKIPPED: {reason}"),
        Outcome::Failed(output) => panic!("failed on its private host\n{output}"),
    }
}

/// Like [`on_host`], but tells how it ended. Inside the host the body's panic goes on.
pub fn outcome_of<F: FnOnce(&Host)>(needs: &[Needs], body: F) -> Outcome {
    outcome_at(test_name::<F>(), needs, body)
}

/// Like [`outcome_of`], for the test with this name.
pub(crate) fn outcome_at(test: &str, needs: &[Needs], body: impl FnOnce(&Host)) -> Outcome {
    if std::env::var_os(INSIDE).is_some() {
        body(&enter());
        return Outcome::Passed;
    }
    if let Some(reason) = needs.iter().find_map(|need| need.missing()) {
        return Outcome::Skipped(reason.to_owned());
    }
    let groups = Groups::make();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", ENTER]).env(INSIDE, "1").env("GANTRY_GROUPS", groups.tasks_files());
    command.env("GANTRY_LEAVE", LEAVE).env("GANTRY_LEAF", groups.leaf().unwrap_or_default());
    command.arg(std::env::current_exe().expect("a running program has a path"));
    command.arg(test);
    let ran = program::run(command, test, b"", LIMIT);
    drop(groups);
    match ran.code {
        0 if ran.stdout.contains("1 passed") => Outcome::Passed,
        0 => Outcome::Failed(format!("the test did not find itself as {test}")),
        _ => Outcome::Failed(format!("{}\n{}", without_runner(&ran.stdout), ran.stderr.trim_end())),
    }
}

/// What the test printed, without the lines of the inner runner, which would be counted as a test of its own.
fn without_runner(output: &str) -> String {
    let is_runners = |line: &&str| {
        let line = line.trim();
        line.is_empty()
            || ["running 1 test", "test ", "failures:"].iter().any(|start| line.starts_with(start))
    };
    output.lines().filter(|line| !is_runners(line)).collect::<Vec<_>>().join("\n")
}

/// Enters the groups one by one (a single-threaded process writing `0` costs no grace period), then leaves
/// the namespaces. The inner shell stays as pid 1 and reaps orphans; at the end it thaws what a failed test
/// left frozen, since frozen processes do not die and the namespace would wait for them.
const ENTER: &str = r#"
for tasks in $GANTRY_GROUPS; do echo 0 >"$tasks"; done
exec unshare --cgroup sh -c "$GANTRY_LEAVE" "$0" "$1"
"#;

/// The second half: by now the groups are the roots of what the test sees. On v2, only a group without processes has
/// others with limits below it, so that all go one level down.
const LEAVE: &str = r#"
if [ -n "$GANTRY_LEAF" ]; then mkdir "$GANTRY_LEAF"; echo 0 >"$GANTRY_LEAF/cgroup.procs"; fi
exec unshare --mount --net --pid --uts --ipc --fork --kill-child --mount-proc --propagation private \
    sh -c '"$0" --exact "$1" --nocapture --test-threads=1; code=$?
        find /sys/fs/cgroup -name freezer.state -exec sh -c "echo THAWED >{}" \; 2>/dev/null
        find /sys/fs/cgroup -name cgroup.freeze -exec sh -c "echo 0 >{}" \; 2>/dev/null
        exit $code' "$0" "$1"
"#;

/// Where processes are on a private host with cgroup v2.
const LEAF: &str = "init";

/// `crate::module::test::{{closure}}` is the type of a closure in a test; the runner knows it as
/// `module::test`.
pub(crate) fn test_name<F>() -> &'static str {
    let name = std::any::type_name::<F>();
    let name = name.split_once("::{{closure}}").map_or(name, |(name, _)| name);
    name.split_once("::").map_or(name, |(_, name)| name)
}

/// Prepares the private host from inside.
fn enter() -> Host {
    let groups = mounted_groups();
    mount_fresh("sysfs", Path::new("/sys"), "");
    for place in ["/run", "/var/lib"] {
        mount_fresh("tmpfs", Path::new(place), "mode=0755");
    }
    if Path::new("/etc/docker").is_dir() {
        mount_fresh("tmpfs", Path::new("/etc/docker"), "mode=0755");
    }
    mount_groups(&groups);
    program::shell("ip link set lo up").ok();
    let folder = PathBuf::from("/run/test");
    std::fs::create_dir(&folder).expect("a fresh folder");
    Host { folder }
}

fn mount_fresh(kind: &str, place: &Path, options: &str) {
    let options = std::ffi::CString::new(options).expect("no NUL in options");
    mount(kind, place, kind, MountFlags::empty(), Some(options.as_c_str()))
        .unwrap_or_else(|error| panic!("cannot mount {kind} at {}: {error}", place.display()));
}

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// A mounted cgroup hierarchy: where, and with which options (none for v2).
#[derive(Clone, Debug)]
struct Hierarchy {
    place: PathBuf,
    options: Option<String>,
}

/// The machine's hierarchies, from `/proc/self/mountinfo`.
fn mounted_groups() -> Vec<Hierarchy> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
    let mut all = Vec::new();
    for line in table.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let place = left.split(' ').nth(4).unwrap_or_default();
        let right: Vec<&str> = right.split(' ').collect();
        match right[..] {
            ["cgroup2", ..] => all.push(Hierarchy { place: PathBuf::from(place), options: None }),
            ["cgroup", _, options] => {
                let chosen: Vec<&str> =
                    options.split(',').filter(|option| !matches!(*option, "rw" | "ro")).collect();
                all.push(Hierarchy { place: PathBuf::from(place), options: Some(chosen.join(",")) });
            }
            _ => {}
        }
    }
    all
}

/// Mounts the hierarchies again, so that the test's own group is their root.
fn mount_groups(hierarchies: &[Hierarchy]) {
    let base = Path::new(GROUPS);
    if !hierarchies.iter().any(|hierarchy| hierarchy.place == base) {
        mount_fresh("tmpfs", base, "mode=0755");
    }
    for hierarchy in hierarchies {
        std::fs::create_dir_all(&hierarchy.place).expect("a fresh folder");
        match &hierarchy.options {
            Some(options) => mount_fresh("cgroup", &hierarchy.place, options),
            None => mount_fresh("cgroup2", &hierarchy.place, ""),
        }
    }
    if let Ok(controllers) = std::fs::read_to_string(base.join("cgroup.controllers")) {
        let all: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
        std::fs::write(base.join("cgroup.subtree_control"), all.join(" ")).expect("controllers can be had");
    }
}

/// One fresh group in every hierarchy of the machine; removed with everything below when dropped.
struct Groups {
    folders: Vec<PathBuf>,
}

impl Groups {
    fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gantry-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folders: Vec<PathBuf> =
            mounted_groups().iter().map(|hierarchy| hierarchy.place.join(&name)).collect();
        for folder in &folders {
            std::fs::create_dir(folder)
                .unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
            // A fresh cpuset group has no processors, and nothing may enter it.
            for file in ["cpuset.cpus", "cpuset.mems"] {
                if let (Some(parent), true) = (folder.parent(), folder.join(file).exists())
                    && let Ok(value) = std::fs::read(parent.join(file))
                {
                    let _ = std::fs::write(folder.join(file), value);
                }
            }
        }
        Self { folders }
    }

    /// On a machine with v2 alone, the group inside that processes go to.
    fn leaf(&self) -> Option<PathBuf> {
        let folder = self.folders.iter().find(|folder| folder.parent() == Some(Path::new(GROUPS)))?;
        Some(folder.join(LEAF))
    }

    /// The files to write `0` to, separated by spaces.
    fn tasks_files(&self) -> String {
        let file = |folder: &PathBuf| {
            let tasks = folder.join("tasks");
            let file = if tasks.exists() { tasks } else { folder.join("cgroup.procs") };
            file.display().to_string()
        };
        self.folders.iter().map(file).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for folder in &self.folders {
            // The last processes may still be on their way out.
            crate::wait::until(Duration::from_secs(5), || remove_tree(folder));
        }
    }
}

/// Removes a group and those below; says whether it is gone.
fn remove_tree(folder: &Path) -> bool {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    std::fs::remove_dir(folder).is_ok() || !folder.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_host_has_its_own_links_processes_and_groups() {
        on_host(&[], |host| {
            assert_eq!(program::shell("ls /sys/class/net").text(), "lo");
            assert!(program::shell("ps -e -o pid=").lines().len() < 8);
            let is_at_root = |line: &&str| line.ends_with(":/") || line.ends_with(":/init");
            assert!(program::shell("cat /proc/self/cgroup").lines().iter().all(is_at_root));
            assert_eq!(program::shell("ls /var/lib").text(), "");
            program::shell("for group in /sys/fs/cgroup/*/; do mkdir $group/x || exit 1; done").ok();
            std::fs::write(host.path("file"), "x").unwrap();
        });
    }

    #[test]
    fn a_failing_body_fails_the_test_with_its_words() {
        let outcome = outcome_of(&[], |_| panic!("the body's own words"));
        assert!(matches!(outcome, Outcome::Failed(words) if words.contains("the body's own words")));
    }
}
