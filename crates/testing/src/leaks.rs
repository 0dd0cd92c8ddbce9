//! What a host holds on an engine's behalf, counted before and after: a leak is what stays.

use std::collections::BTreeMap;
use std::path::Path;

use crate::daemon::Daemon;
use crate::program;

/// Everything an engine may leave behind, by kind. Values are counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    things: BTreeMap<String, i64>,
}

/// How far the number of anonymous descriptors of the daemon (sockets, polls) may move: idle
/// connections and lazily opened files, not one per container.
const DESCRIPTOR_SLACK: i64 = 6;

impl Holdings {
    /// Counts what is there now; `daemon` may be down.
    ///
    /// # Panics
    /// When the machine's own tables cannot be read.
    pub fn count(daemon: Option<&Daemon>) -> Self {
        let mut all = Self::default();
        all.mounts();
        all.links();
        all.groups();
        all.processes();
        all.rules();
        for root in ["/var/lib/gantry", "/run/gantry"] {
            all.folders(Path::new(root));
        }
        if let Some(daemon) = daemon {
            all.descriptors(daemon.pid());
        }
        all
    }

    fn add(&mut self, thing: String) {
        *self.things.entry(thing).or_default() += 1;
    }

    fn mounts(&mut self) {
        let table = std::fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted");
        for line in table.lines() {
            self.add(format!("mount {}", line.split(' ').nth(4).unwrap_or_default()));
        }
    }

    fn links(&mut self) {
        for entry in std::fs::read_dir("/sys/class/net").expect("sysfs is mounted").flatten() {
            self.add(format!("link {}", entry.file_name().to_string_lossy()));
        }
    }

    fn groups(&mut self) {
        let found = program::shell("find /sys/fs/cgroup -mindepth 2 -type d 2>/dev/null");
        for line in found.lines() {
            self.add(format!("cgroup {line}"));
        }
    }

    fn processes(&mut self) {
        for entry in std::fs::read_dir("/proc").expect("proc is mounted").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // pid (name) state …; the name may hold spaces and parentheses.
            let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
            let Some((name, rest)) = name else { continue };
            if pid != std::process::id() {
                let dead = if rest.trim_start().starts_with('Z') { " (zombie)" } else { "" };
                self.add(format!("process {name}{dead}"));
            }
            for kind in ["net", "mnt", "pid"] {
                if let Ok(namespace) = std::fs::read_link(entry.path().join("ns").join(kind)) {
                    self.things.entry(format!("namespace {}", namespace.display())).or_insert(1);
                }
            }
        }
    }

    /// Elements of sets and maps, and rules: a published port is an element, a network some rules.
    fn rules(&mut self) {
        let listed = program::shell("nft list ruleset 2>/dev/null");
        for line in listed.lines() {
            // Packet counters move by themselves.
            let words = line.split_whitespace();
            let words: Vec<&str> = words.filter(|word| word.parse::<u64>().is_err()).collect();
            self.add(format!("rule {}", words.join(" ")));
        }
    }

    fn folders(&mut self, root: &Path) {
        let found = program::shell(&format!("find {} -mindepth 1 -maxdepth 3 2>/dev/null", root.display()));
        for line in found.lines() {
            self.add(format!("file {line}"));
        }
    }

    fn descriptors(&mut self, pid: u32) {
        for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let Ok(target) = std::fs::read_link(entry.path()) else { continue };
            let target = target.to_string_lossy().into_owned();
            let kind = target.split_once(':').map_or(target.as_str(), |(kind, _)| kind);
            self.add(format!("descriptor {kind}"));
        }
    }

    /// What is there now and was not before, beyond the slack for descriptors.
    pub fn leaked_since(&self, before: &Self) -> Vec<String> {
        let more = |(thing, count): (&String, &i64)| {
            let grown = count - before.things.get(thing).copied().unwrap_or_default();
            let slack = if thing.starts_with("descriptor") { DESCRIPTOR_SLACK } else { 0 };
            (grown > slack).then(|| format!("{thing} (+{grown})"))
        };
        self.things.iter().filter_map(more).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_leaks_of_every_kind_are_caught() {
        crate::on_host(&[], |host| {
            let before = Holdings::count(None);
            program::shell("ip link add veth7 type veth peer name veth8").ok();
            program::shell(
                "mkdir /run/gantry; for group in /sys/fs/cgroup/*/; do mkdir -p $group/docker/x; done",
            )
            .ok();
            std::fs::create_dir(host.path("m")).unwrap();
            program::shell(&format!("mount -t tmpfs tmpfs {}", host.path("m").display())).ok();
            program::shell("nft add table ip leak").ok();
            std::fs::write("/run/gantry/left", "").unwrap();
            let mut sleeper = std::process::Command::new("unshare");
            sleeper.args(["--net", "sleep", "1000"]);
            let _sleeper = program::start(sleeper, "sleeper");
            crate::wait::eventually("all leaks are seen", || {
                let leaked = Holdings::count(None).leaked_since(&before).join("\n");
                [
                    "link veth7",
                    "cgroup /sys",
                    "mount /run/test/m",
                    "rule table ip leak",
                    "file /run/gantry/left",
                    "process sleep",
                    "namespace net:",
                ]
                .iter()
                .all(|kind| leaked.contains(kind))
            });
        });
    }

    #[test]
    fn an_idle_host_leaks_nothing() {
        crate::on_host(&[], |_| {
            let before = Holdings::count(None);
            assert_eq!(Holdings::count(None).leaked_since(&before), Vec::<String>::new());
        });
    }
}
