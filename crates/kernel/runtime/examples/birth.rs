//! Measures births: `cargo run --release -p runtime --example birth [count] [pause in milliseconds]`.
//!
//! Each round makes a fresh overlay over a busybox folder, creates a container with Docker's usual document (all
//! namespaces, default filter, control groups), starts `/bin/true` in it and waits for its end; then one `exec` each in a
//! container that keeps running. Prints medians. The pause lets grace periods pass, which a busy loop would hide.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cgroup::{Layout, Plan};
use oci_spec::runtime::{Resources, Spec};
use runtime::seccomp::{Cache, Host, Profile, Program};
use runtime::{CreateRequest, Created, ExecRequest, Rootfs, Stdio, create, exec};
use rustix::process::{Signal, WaitId, WaitIdOptions, waitid};

struct Bench {
    folder: PathBuf,
    spec: Spec,
    filter: Program,
    layout: Layout,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(50, |text| text.parse().unwrap());
    let pause = Duration::from_millis(arguments.next().map_or(20, |text| text.parse().unwrap()));
    let folder = PathBuf::from(format!("/var/tmp/gantry-birth-{}", std::process::id()));
    let bench = prepare(&folder);
    println!("filter: {} instructions", bench.filter.len());
    let mut rounds = Vec::new();
    for number in 0..count {
        std::thread::sleep(pause);
        rounds.push(round(&bench, number));
    }
    report("create .. start .. exit", &rounds);
    let mut container = birth(&bench, count, "sleep");
    container.start().unwrap();
    let execs: Vec<_> = (0..count)
        .map(|_| {
            std::thread::sleep(pause);
            exec_round(&bench, &container)
        })
        .collect();
    report("exec", &execs);
    runtime::kill(container.pidfd.as_fd(), Signal::KILL).unwrap();
    wait(&container.pidfd);
    container.cgroup.unwrap().remove().unwrap();
    drop(container.rootfs_mount);
    fs::remove_dir_all(&folder).unwrap();
}

fn prepare(folder: &Path) -> Bench {
    fs::create_dir_all(folder.join("lower/bin")).unwrap();
    for applet in ["true", "sleep"] {
        fs::copy("/bin/busybox", folder.join("lower/bin").join(applet)).unwrap();
    }
    // The places of mounts, as a layer between image and container: else each birth makes them on the disk.
    for place in ["proc", "dev", "sys", "etc"] {
        fs::create_dir_all(folder.join("places").join(place)).unwrap();
    }
    fs::write(folder.join("places/etc/hosts"), "").unwrap();
    let spec: Spec = serde_json::from_str(DOCUMENT).unwrap();
    let process = spec.process.as_ref().unwrap();
    let caps = &process.capabilities.as_ref().unwrap().bounding;
    let rules = Profile::docker_default().unwrap().resolve(&Host::here(caps)).unwrap();
    let cache = Cache::new(folder.join("filters"));
    let start = Instant::now();
    let filter = cache.program(&rules).unwrap();
    println!("filter compiled in {:?}", start.elapsed());
    let file = cache.file(&rules).unwrap();
    let start = Instant::now();
    assert_eq!(Program::load(&file).unwrap(), filter);
    println!("filter loaded in {:?}", start.elapsed());
    Bench { folder: folder.to_owned(), spec, filter, layout: Layout::detect().unwrap() }
}

fn birth(bench: &Bench, number: usize, program: &str) -> Created {
    let place = |part: &str| bench.folder.join(format!("{part}{number}"));
    fs::create_dir(place("upper")).unwrap();
    fs::create_dir(place("work")).unwrap();
    let overlay = mount::Overlay {
        lower: vec![bench.folder.join("places"), bench.folder.join("lower")],
        upper: Some(place("upper")),
        work: Some(place("work")),
        volatile: true,
    };
    let mut spec = bench.spec.clone();
    spec.process.as_mut().unwrap().args = vec![program.to_owned(), "100".to_owned()];
    let path = PathBuf::from(format!("/gantry-birth/{number}"));
    let plan = Plan::new(&bench.layout, &path, &Resources::default()).unwrap();
    let request = CreateRequest {
        id: "birth",
        spec: &spec,
        rootfs: &Rootfs::Overlay(overlay),
        user: None,
        stdio: Stdio::Null,
        cgroup: Some(&plan),
        seccomp: Some(&bench.filter),
        gate: None,
        options: runtime::CreateOptions::default(),
    };
    create(request, &mut |_| Ok(())).unwrap()
}

/// Microseconds of create, start, the program's life, and the removal of its group.
fn round(bench: &Bench, number: usize) -> Vec<(&'static str, u128)> {
    let begin = Instant::now();
    let mut created = birth(bench, number, "true");
    let is_created = begin.elapsed();
    created.start().unwrap();
    let is_started = begin.elapsed();
    wait(&created.pidfd);
    let is_ended = begin.elapsed();
    drop(created.rootfs_mount.take());
    let is_unmounted = begin.elapsed();
    created.cgroup.unwrap().remove().unwrap();
    let is_removed = begin.elapsed();
    vec![
        ("create", is_created.as_micros()),
        ("start", (is_started - is_created).as_micros()),
        ("life", (is_ended - is_started).as_micros()),
        ("sum", is_ended.as_micros()),
        ("unmount", (is_unmounted - is_ended).as_micros()),
        ("cgroup gone", (is_removed - is_unmounted).as_micros()),
    ]
}

fn exec_round(bench: &Bench, container: &Created) -> Vec<(&'static str, u128)> {
    let mut process = bench.spec.process.clone().unwrap();
    process.args = vec!["true".to_owned()];
    let begin = Instant::now();
    let child = exec(ExecRequest {
        pid: container.pid,
        pidfd: container.pidfd.as_fd(),
        process: &process,
        user: None,
        stdio: Stdio::Null,
        cgroup: container.cgroup.as_ref(),
        seccomp: Some(&bench.filter),
        options: runtime::ExecOptions::default(),
    })
    .unwrap();
    let is_started = begin.elapsed();
    wait(&child.pidfd);
    vec![("begun", is_started.as_micros()), ("sum", begin.elapsed().as_micros())]
}

fn wait(pidfd: &impl AsFd) {
    waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
}

fn report(title: &str, rounds: &[Vec<(&'static str, u128)>]) {
    let Some(first) = rounds.first() else { return };
    println!("{title}: medians and best of {} in microseconds", rounds.len());
    for (column, (name, _)) in first.iter().enumerate() {
        let mut values: Vec<_> = rounds.iter().map(|round| round[column].1).collect();
        values.sort_unstable();
        println!("  {name:12} {:6} {:6}", values[values.len() / 2], values[0]);
    }
}

const DOCUMENT: &str = r#"{
  "ociVersion": "1.2.1",
  "process": {
    "user": {"uid": 0, "gid": 0, "additionalGids": [0]},
    "args": [], "env": ["PATH=/usr/bin:/bin"], "cwd": "/", "oomScoreAdj": 0,
    "capabilities": {
      "bounding": ["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE"],
      "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]
    }
  },
  "root": {"path": "unused"},
  "hostname": "birth",
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
      "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]},
    {"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts", "options": ["rbind", "rprivate"]}
  ],
  "linux": {
    "namespaces": [{"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}],
    "maskedPaths": ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
      "/sys/devices/virtual/powercap"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
  }
}"#;
