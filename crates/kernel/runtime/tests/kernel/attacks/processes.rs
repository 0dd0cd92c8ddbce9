//! Attacks on the runtime's own processes: its terminal, its descriptors, its executable.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use mount::defence::{Defence, without};
use oci_spec::runtime::NamespaceKind;
use runtime::Stdio;
use rustix::process::{WaitId, WaitIdOptions, waitid};
use sys::process::{Birth, StringArray, clone_process, execute};

use crate::stage::{Stage, wait};

/// Runs in a child of this test's with a terminal of its own; gives the exit code.
fn with_terminal(body: impl FnOnce(&OwnedFd) -> bool) -> Option<i32> {
    let child = clone_process(Birth::default(), || {
        rustix::process::setsid().unwrap();
        let devpts =
            rustix::fs::open("/dev/pts", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
        let pair = sys::pty::open(devpts.as_fd()).unwrap();
        rustix::process::ioctl_tiocsctty(&pair.slave).unwrap();
        // At once: the terminal's end would be this process's, too.
        sys::process::exit_now(i32::from(!body(&pair.slave)))
    })
    .unwrap();
    let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
    status.exit_status()
}

#[test]
fn tiocsti_a_container_does_not_have_its_callers_terminal() {
    // Who has a terminal can type into it, with TIOCSTI, what its next reader takes for the user's words.
    let has_terminal = |slave: &OwnedFd| {
        let stage = Stage::script("echo typed > /dev/tty");
        let stdio = Stdio::Pipes {
            stdin: Some(slave.try_clone().unwrap()),
            stdout: slave.try_clone().unwrap(),
            stderr: slave.try_clone().unwrap(),
        };
        let mut created = stage.create(stdio).unwrap();
        created.start().unwrap();
        let code = wait(&created.pidfd);
        created.cgroup.unwrap().remove().unwrap();
        code == 0
    };
    assert_eq!(with_terminal(|slave| !has_terminal(slave)), Some(0));
    assert_eq!(with_terminal(|slave| without(Defence::OwnSession, || has_terminal(slave))), Some(0));
}

#[test]
fn o_path_a_neighbour_does_not_reach_the_descriptors_of_a_container_on_its_way() {
    // Both share PIDs, as containers of a pod do; the second one waits to be started, with descriptors of the host.
    let mut first = Stage::new(&["sleep", "100"]);
    first.uses_filter = false;
    let first = first.start();
    let spy = || {
        let mut second = Stage::new(&["true"]);
        let path = format!("/proc/{}/ns/pid", first.created.pid);
        for namespace in &mut second.linux().namespaces {
            if namespace.kind == NamespaceKind::Pid {
                namespace.path.clone_from(&path);
            }
        }
        let created = second.create(Stdio::Null).unwrap();
        let script = "for p in /proc/[0-9]*; do [ $p != /proc/1 ] && [ $p != /proc/$$ ] && for f in $p/fd/*; do readlink $f; done; done; true";
        let output = first.exec(&["sh", "-c", script]).stdout;
        let group = created.cgroup.as_ref().unwrap().clone();
        drop(created);
        group.remove().unwrap();
        output
    };
    let output = spy();
    assert_eq!(output, "");
    let output = without(Defence::Hidden, spy);
    assert!(output.contains("socket:") && output.lines().count() > 3, "{output}");
}

/// The image of this attack: what the runtime's executable needs to run inside, and a script that has it run.
fn image_with_libraries(stage: &Stage) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut libraries: Vec<_> = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).collect();
    libraries.retain(|path| path.contains(".so"));
    libraries.sort_unstable();
    libraries.dedup();
    for path in libraries {
        let name = Path::new(path).file_name().unwrap();
        for folder in ["lib", "lib64"] {
            fs::create_dir_all(stage.image().join(folder)).unwrap();
            fs::copy(path, stage.image().join(folder).join(name)).unwrap();
        }
    }
    let entry = stage.image().join("entry");
    fs::write(&entry, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&entry, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// The runtime, played by this test's executable: runs a container whose program is a script with the interpreter
/// `/proc/self/exe`, which is this executable, too. Not a test by itself.
#[test]
fn cve_2019_5736_as_the_runtime() {
    let Ok(role) = std::env::var("GANTRY_ATTACK_ROLE") else { return };
    if role == "inside" {
        return inside();
    }
    if role == "sealed" {
        runtime::sealed::go_on_sealed().unwrap();
    }
    let mut stage =
        Stage::new(&["/entry", "cve_2019_5736_as_the_runtime", "--nocapture", "--test-threads=1"]);
    image_with_libraries(&stage);
    stage.uses_filter = false;
    stage.process().env = vec![
        "GANTRY_ATTACK_ROLE=inside".to_owned(),
        "PATH=/bin".to_owned(),
        "LD_LIBRARY_PATH=/lib".to_owned(),
    ];
    let mut created = stage.create(Stdio::Inherit).unwrap();
    created.start().unwrap();
    // Nobody executes the file any more when this is gone; the container goes on.
    sys::process::exit_now(0);
}

/// In the container: keeps a descriptor of the executable, leaves it, and writes to the file when nobody runs it.
fn inside() {
    let file = fs::File::open("/proc/self/exe").unwrap();
    let kept = rustix::io::dup(&file).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&kept);
    let script = format!(
        "for i in $(busybox seq 40); do if echo overwritten >> /proc/self/fd/{number}; then break; fi; sleep 0.1; done; echo tried"
    );
    let arguments = StringArray::new(["sh", "-c", &script]).unwrap();
    let environment = StringArray::new(["PATH=/bin"]).unwrap();
    let errno = execute(c"/bin/sh", &arguments, &environment);
    panic!("{errno}");
}

/// Runs a copy of this executable as the runtime: by its path, or from where no container can write to it. Gives whether
/// the copy was changed.
fn is_overwritten(is_sealed: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let victim: PathBuf = folder.path().join("victim");
    fs::copy("/proc/self/exe", &victim).unwrap();
    let before = fs::metadata(&victim).unwrap().len();
    let name = std::ffi::CString::new(victim.to_str().unwrap()).unwrap();
    let arguments = StringArray::new([
        "victim",
        "attacks::processes::cve_2019_5736_as_the_runtime",
        "--exact",
        "--test-threads=1",
        "--nocapture",
    ])
    .unwrap();
    let environment = StringArray::new([
        format!("GANTRY_ATTACK_ROLE={}", if is_sealed { "sealed" } else { "plain" }),
        "PATH=/usr/bin:/bin".to_owned(),
        format!("TMPDIR={}", folder.path().display()),
    ])
    .unwrap();
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let child = clone_process(Birth::default(), || {
        sys::process::replace_standard_stream(writer.as_fd(), 1).unwrap();
        sys::process::replace_standard_stream(writer.as_fd(), 2).unwrap();
        let errno = execute(&name, &arguments, &environment);
        errno.raw_os_error()
    })
    .unwrap();
    drop(writer);
    assert_eq!(wait(&child.pidfd), 0);
    let mut output = String::new();
    fs::File::from(reader).read_to_string(&mut output).unwrap();
    assert!(output.contains("tried"), "{output}");
    let path = format!("/gantry-runtime-{}-0", child.pid);
    cgroup::Group::at(&cgroup::Layout::detect().unwrap(), Path::new(&path)).unwrap().remove().unwrap();
    fs::metadata(&victim).unwrap().len() != before
}

#[test]
fn cve_2019_5736_the_runtimes_executable_overwritten_from_inside() {
    assert!(!is_overwritten(true));
    assert!(is_overwritten(false));
}
