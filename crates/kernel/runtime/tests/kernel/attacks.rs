//! Images that try to reach the host.

mod known;
mod processes;

use std::fs;
use std::os::unix::fs::symlink;

use crate::stage::Stage;

/// Replaces a folder of the image by a link.
fn trap(stage: &Stage, name: &str, leads_to: &str) {
    let place = stage.image().join(name);
    let _ = fs::remove_dir(&place);
    symlink(leads_to, place).unwrap();
}

#[test]
fn a_proc_that_is_a_link_is_refused() {
    let stage = Stage::script("true");
    trap(&stage, "proc", "/etc");
    assert!(
        stage.refusal().to_string().contains(r#"error mounting "proc" to rootfs at "/proc""#),
        "{}",
        stage.refusal()
    );
    let stage = Stage::script("true");
    trap(&stage, "sys", "/tmp");
    let text = stage.refusal().to_string();
    assert!(text.contains(r#"at "/sys""#), "{text}");
}

#[test]
fn a_dev_that_is_a_link_stays_inside() {
    let stage = Stage::script("ls /etc/null /elsewhere/null 2>/dev/null");
    let outside = stage.outside().join("outside");
    fs::create_dir(&outside).unwrap();
    trap(&stage, "dev", outside.to_str().unwrap());
    let _ = stage.run();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn mount_targets_behind_links_stay_inside() {
    let mut stage = Stage::script("ls /vol/up");
    let outside = stage.outside().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(stage.outside().join("vol")).unwrap();
    for (name, leads_to) in [("vol", outside.to_str().unwrap()), ("dots", "../../../../../../tmp")] {
        trap(&stage, name, leads_to);
    }
    let source = stage.outside().join("vol");
    for place in ["/vol/up", "/dots/gantry-escape", "/../../../gantry-escape"] {
        stage.mount(&format!(
            r#"{{"destination": "{place}", "source": "{}", "options": ["bind"]}}"#,
            source.display()
        ));
    }
    assert_eq!(stage.run().output(), "");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(
        !std::path::Path::new("/tmp/gantry-escape").exists()
            && !std::path::Path::new("/gantry-escape").exists()
    );
}

#[test]
fn a_mount_into_proc_by_a_link_is_refused() {
    let mut stage = Stage::script("true");
    trap(&stage, "trap", "/proc/self");
    stage.mount(r#"{"destination": "/trap/attr", "source": "/tmp", "options": ["bind"]}"#);
    let text = stage.refusal().to_string();
    assert!(text.contains("cannot be mounted because it is inside /proc"), "{text}");
}

#[test]
fn a_working_folder_behind_a_descriptor_is_refused() {
    for number in 3..20 {
        let mut stage = Stage::script("pwd");
        stage.process().cwd = format!("/proc/self/fd/{number}");
        let text = stage.refusal().to_string();
        assert!(text.contains("chdir to cwd") || text.contains("mkdir"), "{text}");
    }
}

#[test]
fn a_null_that_is_something_else_masks_nothing() {
    // The image's own /dev is used when the document mounts nothing there.
    let mut stage = Stage::script("cat /proc/kcore");
    stage.spec.mounts.retain(|mount| !mount.destination.starts_with("/dev"));
    fs::write(stage.image().join("dev/null"), "planted").unwrap();
    let text = stage.refusal().to_string();
    assert!(text.contains("can't mask path"), "{text}");
    let mut stage = Stage::script("cat /proc/kcore");
    stage.spec.mounts.retain(|mount| !mount.destination.starts_with("/dev"));
    symlink("/etc/passwd", stage.image().join("dev/null")).unwrap();
    assert!(stage.refusal().to_string().contains("can't mask path"));
}

#[test]
fn a_script_whose_interpreter_is_the_runtime_does_not_get_the_hosts_file() {
    // The kernel starts our executable inside; it must not hold descriptors of the host, nor be writable.
    let stage = Stage::script("ls -l /proc/self/fd | grep -v -E 'pipe:|/dev/null|/proc/' | grep -c '> '");
    let outcome = stage.run();
    assert_eq!(outcome.stdout, "0\n", "{outcome:?}");
}

#[test]
fn no_descriptor_of_the_runtime_reaches_the_program() {
    // One that is not close-on-exec in the caller, as a careless library leaves it.
    let careless = fs::File::open("/etc").unwrap();
    let leaked = rustix::io::dup(&careless).unwrap();
    let output = Stage::new(&["ls", "/proc/self/fd"]).run().output();
    drop(leaked);
    assert_eq!(output, "0\n1\n2\n3\n");
}
