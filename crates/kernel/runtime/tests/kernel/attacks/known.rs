//! Attacks that broke other runtimes, played; and played again without the defence, when they succeed.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use mount::defence::{Defence, without};
use runtime::CreateError;
use rustix::io::Errno;

use super::trap;
use crate::stage::{Outcome, Stage, gather, pipes};

/// What came of an attack: the container's end, or why there is none.
fn play(stage: &Stage) -> Result<Outcome, CreateError> {
    let (stdio, readers) = pipes();
    let mut created = stage.create(stdio)?;
    created.start()?;
    let outcome = gather(&created.pidfd, readers);
    created.cgroup.unwrap().remove().unwrap();
    Ok(outcome)
}

/// A descriptor of a folder of the host's that somebody forgot to close.
fn leak(folder: &std::path::Path) -> std::os::fd::OwnedFd {
    rustix::io::dup(fs::File::open(folder).unwrap()).unwrap()
}

#[test]
fn cve_2024_21626_a_working_folder_through_a_leaked_descriptor() {
    let mut stage = Stage::script("busybox ls");
    fs::write(stage.outside().join("secret"), "").unwrap();
    let leaked = leak(stage.outside());
    stage.process().cwd = format!("/proc/self/fd/{}", leaked.as_raw_fd());
    let refused = play(&stage).unwrap_err().to_string();
    assert!(refused.contains("chdir to cwd") || refused.contains("mkdir"), "{refused}");
    let outcome = without(Defence::MagicLinks, || play(&stage)).unwrap();
    assert!(outcome.stdout.contains("secret"), "{outcome:?}");
}

#[test]
fn cve_2024_21626_a_leaked_descriptor_in_the_program() {
    let stage = Stage::script("cd /proc/self/fd; for fd in *; do busybox ls $fd/ 2>/dev/null; done");
    fs::write(stage.outside().join("secret"), "").unwrap();
    let leaked = leak(stage.outside());
    let outcome = play(&stage).unwrap();
    assert!(!outcome.stdout.contains("secret"), "{outcome:?}");
    let outcome = without(Defence::ClosedDescriptors, || play(&stage)).unwrap();
    assert!(outcome.stdout.contains("secret"), "{outcome:?}");
    drop(leaked);
}

#[test]
fn cve_2025_31133_a_null_device_that_is_a_link() {
    // With the real one, a masked file reads as empty; with the link, the container chose what lies there.
    let mut stage = Stage::script("cat /proc/interrupts");
    stage.spec.mounts.retain(|mount| !mount.destination.starts_with("/dev"));
    fs::write(stage.image().join("chosen"), "chosen by the image").unwrap();
    symlink("/chosen", stage.image().join("dev/null")).unwrap();
    let refused = play(&stage).unwrap_err().to_string();
    assert!(refused.contains("can't mask path"), "{refused}");
    let outcome = without(Defence::RealNull, || play(&stage)).unwrap();
    assert_eq!(outcome.stdout, "chosen by the image", "{outcome:?}");
}

#[test]
fn cve_2025_52565_a_console_that_is_a_link() {
    // The terminal goes over what the link names: a file that protects something, perhaps.
    let mut stage = Stage::script("grep -c ' /guard ' /proc/self/mountinfo");
    stage
        .spec
        .mounts
        .retain(|mount| !matches!(mount.destination.as_str(), "/dev" | "/dev/shm" | "/dev/mqueue"));
    stage.process().terminal = true;
    fs::create_dir(stage.image().join("dev/pts")).unwrap();
    fs::write(stage.image().join("guard"), "").unwrap();
    symlink("../guard", stage.image().join("dev/console")).unwrap();
    let create =
        || stage.create(runtime::Stdio::Terminal { size: None, line_ends: runtime::LineEnds::Return });
    let refused = create().unwrap_err().to_string();
    assert_eq!(refused, "error mounting the terminal at /dev/console: too many levels of symbolic links");
    let created = without(Defence::PlainConsole, create).unwrap();
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", created.pid)).unwrap();
    assert!(mounts.lines().any(|line| line.split(' ').nth(4) == Some("/guard")), "{mounts}");
    let group = created.cgroup.as_ref().unwrap().clone();
    drop(created);
    group.remove().unwrap();
}

#[test]
fn cve_2025_52881_a_parameter_of_the_kernel_that_is_an_ordinary_file() {
    let mut stage = Stage::script("cat /proc/sys/net/ipv4/ip_forward");
    stage.spec.mounts.retain(|mount| mount.destination != "/proc");
    let linux = stage.linux();
    linux.masked_paths.clear();
    linux.readonly_paths.clear();
    linux.sysctl.insert("net.ipv4.ip_forward".to_owned(), "captured".to_owned());
    let folder = stage.image().join("proc/sys/net/ipv4");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("ip_forward"), "").unwrap();
    let refused = play(&stage).unwrap_err().to_string();
    assert!(refused.contains("write sysctl key"), "{refused}");
    let outcome = without(Defence::RealProcfs, || play(&stage)).unwrap();
    assert_eq!(outcome.stdout, "captured");
}

#[test]
fn cve_2025_52881_a_label_that_goes_to_an_ordinary_file() {
    // The file that takes a label is opened before anything of the image is in sight.
    let stage = Stage::script("ls -ld /proc/self/attr; cat /proc/thread-self/attr/exec 2>&1; true");
    trap(&stage, "proc", "/fake");
    fs::create_dir_all(stage.image().join("fake/thread-self/attr")).unwrap();
    assert!(matches!(play(&stage), Err(CreateError::Step { errno: Errno::NOTDIR, .. })));
}

#[test]
fn cve_2026_41579_a_device_folder_that_is_a_link() {
    let mut stage = Stage::script("true");
    let outside = stage.outside().join("outside");
    fs::create_dir(&outside).unwrap();
    stage.spec.mounts.retain(|mount| !mount.destination.starts_with("/dev"));
    stage.linux().masked_paths.clear();
    trap(&stage, "dev", outside.to_str().unwrap());
    let _ = play(&stage);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let _ = without(Defence::InRoot, || play(&stage));
    assert!(outside.join("null").exists());
}

#[test]
fn cve_2019_19921_a_proc_that_is_a_link() {
    let stage = Stage::script("grep -c ' /elsewhere proc ' /proc/self/mountinfo; true");
    trap(&stage, "proc", "elsewhere");
    fs::create_dir(stage.image().join("elsewhere")).unwrap();
    let refused = play(&stage).unwrap_err().to_string();
    assert!(refused.contains("must be mounted on ordinary directory"), "{refused}");
    // Without, procfs lies where the image has it, and a volume could swap it for another.
    assert!(without(Defence::PlainProc, || play(&stage)).is_ok());
}

#[test]
fn cve_2021_30465_a_mount_target_that_is_swapped_for_a_link() {
    let mut stage = Stage::script("true");
    let volume = stage.outside().join("volume");
    let outside = stage.outside().join("outside");
    fs::create_dir_all(volume.join("real")).unwrap();
    fs::create_dir(&outside).unwrap();
    symlink(&outside, volume.join("link")).unwrap();
    stage.mount(&format!(
        r#"{{"destination": "/vol", "source": "{}", "options": ["bind"]}}"#,
        volume.display()
    ));
    stage.mount(r#"{"destination": "/vol/real/made", "type": "tmpfs", "source": "tmpfs"}"#);
    // Another container of the same volume swaps folder and link as fast as it can.
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (place, stop) = (volume.clone(), is_over.clone());
    let swapper = std::thread::spawn(move || {
        let folder = fs::File::open(&place).unwrap();
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(&folder, "real", &folder, "link", flags).unwrap();
        }
    });
    for _ in 0..20 {
        let _ = play(&stage);
    }
    is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    swapper.join().unwrap();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // Without the defence no race is needed.
    stage.spec.mounts.last_mut().unwrap().destination = "/vol/link/made".to_owned();
    if fs::symlink_metadata(volume.join("link")).unwrap().is_dir() {
        stage.spec.mounts.last_mut().unwrap().destination = "/vol/real/made".to_owned();
    }
    let _ = without(Defence::InRoot, || play(&stage));
    assert!(outside.join("made").exists());
}

#[test]
fn cve_2022_29162_capabilities_that_are_inherited() {
    let stage = Stage::script("grep CapInh /proc/self/status");
    let own = sys::credentials::capabilities().unwrap();
    // The caller has some itself, as a shell of root may.
    let inheritable = sys::credentials::CapabilitySet(0b11);
    sys::credentials::set_capabilities(sys::credentials::Capabilities { inheritable, ..own }).unwrap();
    let outcome = play(&stage).unwrap();
    assert_eq!(outcome.stdout, "CapInh:\t0000000000000000\n");
    let outcome = without(Defence::Inheritable, || play(&stage)).unwrap();
    assert_eq!(outcome.stdout, "CapInh:\t0000000000000003\n");
    sys::credentials::set_capabilities(own).unwrap();
}
