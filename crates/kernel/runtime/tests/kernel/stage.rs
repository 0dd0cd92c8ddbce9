//! A root file system of busybox, Docker's document, and what a finished container said.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use cgroup::{Layout, Plan};
use oci_spec::runtime::{Process, Resources, Spec};
use runtime::seccomp::{Host, Profile, Program, compile};
use runtime::{
    CreateError, CreateOptions, CreateRequest, Created, ExecChild, ExecOptions, ExecRequest, Meanwhile,
    Rootfs, Stdio, UserWish, create, exec,
};
use rustix::process::{WaitId, WaitIdOptions, waitid};

/// Docker's 14 capabilities.
pub(crate) const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// What [`CAPABILITIES`] looks like in `/proc/self/status`.
pub(crate) const CAPABILITY_BITS: &str = "00000000a80425fb";

pub(crate) static FILTER: LazyLock<Program> = LazyLock::new(|| {
    let caps: Vec<_> = CAPABILITIES.iter().map(ToString::to_string).collect();
    compile(&Profile::docker_default().unwrap().resolve(&Host::here(&caps)).unwrap()).unwrap()
});

/// Folders of one container.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    pub(crate) spec: Spec,
    pub(crate) user: Option<(String, Vec<String>)>,
    pub(crate) cgroup_path: PathBuf,
    pub(crate) uses_filter: bool,
    /// In place of Docker's.
    pub(crate) own_filter: Option<Program>,
    /// The hierarchies to use.
    pub(crate) layout: Layout,
}

/// What a finished process said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Stdout of a process that succeeded.
    pub(crate) fn output(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }
}

impl Stage {
    /// A container that runs a shell script.
    pub(crate) fn script(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    pub(crate) fn new(args: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        for part in ["lower", "upper", "work"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        busybox(&folder.path().join("lower"));
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut spec: Spec = serde_json::from_str(DOCUMENT).unwrap();
        let process = spec.process.as_mut().unwrap();
        process.args = args.iter().map(ToString::to_string).collect();
        let caps: Vec<_> = CAPABILITIES.iter().map(ToString::to_string).collect();
        let sets = process.capabilities.get_or_insert_default();
        (sets.bounding, sets.effective, sets.permitted) = (caps.clone(), caps.clone(), caps);
        Self {
            folder,
            spec,
            user: None,
            cgroup_path: format!("/gantry-runtime-{}-{number}", std::process::id()).into(),
            uses_filter: true,
            own_filter: None,
            layout: Layout::detect().unwrap(),
        }
    }

    /// The image's folder.
    pub(crate) fn image(&self) -> PathBuf {
        self.folder.path().join("lower")
    }

    /// The folder around all of it, outside the container.
    pub(crate) fn outside(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        self.spec.process.as_mut().unwrap()
    }

    pub(crate) fn linux(&mut self) -> &mut oci_spec::runtime::Linux {
        self.spec.linux.as_mut().unwrap()
    }

    pub(crate) fn mount(&mut self, json: &str) {
        self.spec.mounts.push(serde_json::from_str(json).unwrap());
    }

    pub(crate) fn rootfs(&self) -> Rootfs {
        Rootfs::Overlay(mount::Overlay {
            lower: vec![self.image()],
            upper: Some(self.folder.path().join("upper")),
            work: Some(self.folder.path().join("work")),
            volatile: true,
        })
    }

    /// Creates it on the image itself, without layers, group and filter.
    pub(crate) fn create_on_image(
        &self,
        stdio: Stdio,
        while_mounting: &mut Meanwhile<'_>,
    ) -> Result<Created, CreateError> {
        let request = CreateRequest {
            id: "x",
            spec: &self.spec,
            rootfs: &Rootfs::Path(self.image()),
            user: None,
            stdio,
            cgroup: None,
            seccomp: None,
            gate: None,
            options: CreateOptions::default(),
        };
        create(request, while_mounting)
    }

    fn filter(&self) -> Option<&Program> {
        self.own_filter.as_ref().or_else(|| self.uses_filter.then_some(&*FILTER))
    }

    pub(crate) fn create(&self, stdio: Stdio) -> Result<Created, CreateError> {
        self.create_with(stdio, None, CreateOptions::default())
    }

    pub(crate) fn create_with(
        &self,
        stdio: Stdio,
        gate: Option<OwnedFd>,
        options: CreateOptions<'_>,
    ) -> Result<Created, CreateError> {
        let empty = Resources::default();
        let resources = self.spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()).unwrap_or(&empty);
        let plan = Plan::new(&self.layout, &self.cgroup_path, resources).unwrap();
        let request = CreateRequest {
            id: "0123456789ab",
            spec: &self.spec,
            rootfs: &self.rootfs(),
            user: self.user.as_ref().map(|(user, groups)| UserWish { user, additional_groups: groups }),
            stdio,
            cgroup: Some(&plan),
            seccomp: self.filter(),
            gate,
            options,
        };
        create(request, &mut |newborn| {
            newborn.net_namespace()?;
            Ok(())
        })
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Outcome {
        let (stdio, readers) = pipes();
        let mut created = self.create(stdio).unwrap();
        created.start().unwrap();
        let outcome = gather(&created.pidfd, readers);
        created.cgroup.unwrap().remove().unwrap();
        outcome
    }

    /// Why it cannot be created.
    pub(crate) fn refusal(&self) -> CreateError {
        self.refusal_with(CreateOptions::default())
    }

    pub(crate) fn refusal_with(&self, options: CreateOptions<'_>) -> CreateError {
        match self.create_with(Stdio::Null, None, options) {
            Err(error) => {
                let group = cgroup::Group::at(&self.layout, &self.cgroup_path).unwrap();
                assert!(group.views().iter().all(|view| !view.folder.exists()), "cgroup left behind");
                error
            }
            Ok(_) => panic!("created"),
        }
    }

    /// Starts it; it is ended when dropped.
    pub(crate) fn start(self) -> Running {
        let mut created = self.create(Stdio::Null).unwrap();
        created.start().unwrap();
        Running { created, stage: self }
    }
}

/// A container that runs.
pub(crate) struct Running {
    pub(crate) created: Created,
    pub(crate) stage: Stage,
}

impl Running {
    pub(crate) fn spawn(
        &self,
        process: &Process,
        user: Option<&str>,
        stdio: Stdio,
    ) -> Result<ExecChild, CreateError> {
        self.spawn_with(process, user, stdio, ExecOptions::default())
    }

    pub(crate) fn spawn_with(
        &self,
        process: &Process,
        user: Option<&str>,
        stdio: Stdio,
        options: ExecOptions<'_>,
    ) -> Result<ExecChild, CreateError> {
        exec(ExecRequest {
            pid: self.created.pid,
            pidfd: self.created.pidfd.as_fd(),
            process,
            user: user.map(|user| UserWish { user, additional_groups: &[] }),
            stdio,
            cgroup: self.created.cgroup.as_ref(),
            seccomp: self.stage.filter(),
            options,
        })
    }

    /// The container's process with other arguments.
    pub(crate) fn process(&self, args: &[&str]) -> Process {
        let args = args.iter().map(ToString::to_string).collect();
        Process { args, ..self.stage.spec.process.clone().unwrap() }
    }

    pub(crate) fn exec(&self, args: &[&str]) -> Outcome {
        let (stdio, readers) = pipes();
        let child = self.spawn(&self.process(args), None, stdio).unwrap();
        gather(&child.pidfd, readers)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = runtime::kill(self.created.pidfd.as_fd(), rustix::process::Signal::KILL);
        let _ = waitid(WaitId::PidFd(self.created.pidfd.as_fd()), WaitIdOptions::EXITED);
        let _ = self.created.cgroup.as_ref().map(cgroup::Group::remove);
    }
}

/// Runs in a thread with mounts of its own: nothing of them is left behind.
pub(crate) fn with_own_mounts(body: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        sys::process::unshare(sys::process::Namespaces::MOUNT).unwrap();
        let private = sys::mount::AttributeChange {
            propagation: Some(sys::mount::Propagation::Private),
            ..sys::mount::AttributeChange::default()
        };
        let root = rustix::fs::CWD;
        sys::mount::change_attributes_at(root, c"/", sys::mount::Reach::Tree, private).unwrap();
        body();
    })
    .join()
    .unwrap();
}

/// Mounts a tmpfs at a place of the host's.
pub(crate) fn mount_tmpfs(place: &str) {
    let tmpfs = mount::tree::mount_simple(c"tmpfs", (c"mode", c"755"), 0).unwrap();
    mount::tree::attach(tmpfs.as_fd(), fs::File::open(place).unwrap().as_fd()).unwrap();
}

/// The child's ends, and those to read stdout and stderr from.
pub(crate) fn pipes() -> (Stdio, [OwnedFd; 2]) {
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let (out_reader, stdout) = pipe();
    let (error_reader, stderr) = pipe();
    (Stdio::Pipes { stdin: None, stdout, stderr }, [out_reader, error_reader])
}

pub(crate) fn gather(pidfd: &OwnedFd, [stdout, stderr]: [OwnedFd; 2]) -> Outcome {
    let read = |reader: OwnedFd| {
        let mut text = String::new();
        fs::File::from(reader).read_to_string(&mut text).unwrap();
        text
    };
    let stderr = std::thread::spawn(move || read(stderr));
    let stdout = read(stdout);
    let code = wait(pidfd);
    Outcome { code, stdout, stderr: stderr.join().unwrap() }
}

/// The exit code, or 128 and the signal.
pub(crate) fn wait(pidfd: &OwnedFd) -> i32 {
    let status = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED).unwrap().unwrap();
    status.exit_status().unwrap_or_else(|| 128 + status.terminating_signal().unwrap())
}

fn busybox(root: &Path) {
    for folder in ["bin", "etc", "tmp", "proc", "dev", "root"] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    let applets = [
        "sh", "cat", "id", "ls", "sleep", "hostname", "mount", "readlink", "stat", "touch", "mknod", "tty",
        "true", "chroot", "unshare", "grep", "wc", "env", "pwd", "mkdir", "stty", "ps", "date", "reboot",
        "test", "dd", "ping", "su", "chmod", "head",
    ];
    for applet in applets {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "root:x:0:\nweb:x:33:\naudio:x:29:web\n").unwrap();
    fs::set_permissions(root.join("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// Docker's default document for a container, but for what tests fill in.
pub(crate) const DOCUMENT: &str = r#"{
  "ociVersion": "1.2.1",
  "process": {
    "user": {"uid": 0, "gid": 0, "additionalGids": [0]},
    "args": [], "env": ["PATH=/usr/bin:/bin", "X=y"], "cwd": "/", "capabilities": {}, "oomScoreAdj": 0
  },
  "root": {"path": "unused"},
  "hostname": "stage",
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
      "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}
  ],
  "linux": {
    "namespaces": [{"type": "mount"}, {"type": "network"}, {"type": "uts"}, {"type": "pid"}, {"type": "ipc"}],
    "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/scsi",
      "/sys/firmware", "/proc/interrupts", "/proc/no/such"],
    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
  }
}"#;
