//! Creating: a folder, a record, a process; and nothing of it left where that fails.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cgroup::{Layout, OwnGroups, Plan, systemd};
use oci_spec::runtime::NamespaceKind;
use runtime::seccomp::{Listener, Program, compile};
use runtime::{Advance, Affinity, CreateRequest, Created, Keyring, RootChange, Rootfs, Stdio};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::process::Signal;

use crate::bundle::Bundle;
use crate::error::ContainerError;
use crate::exec::FILTER;
use crate::groups;
use crate::home::{Container, Home, Lock};
use crate::record::{CONFIG, GATE, NOTIFY, Record, brief};
use crate::status::start_time;

/// How a container is created.
#[derive(Debug)]
pub struct CreateOptions {
    /// Standard streams of its first process.
    pub stdio: Stdio,
    /// Whether another process will start it: it then waits at a gate in its folder.
    pub waits: bool,
    /// Whether it gets a folder for a socket to notify by; see [`NOTIFY`].
    pub notifies: bool,
    /// How the root file system becomes the root.
    pub root: RootChange,
    /// Which session keyring it has.
    pub keyring: Keyring,
    /// How many descriptors from number 3 on the program inherits.
    pub preserved: u32,
    /// Who makes the control group.
    pub manager: GroupManager,
}

/// Who makes a control group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupManager {
    /// We do, by making folders and writing files.
    Files,
    /// systemd does, as a unit of its own.
    Systemd,
}

/// A container that was created just now, by this process. Dropped before it is let go, it is killed and removed.
#[derive(Debug)]
pub struct Fresh {
    container: Option<Container>,
    created: Created,
    lock: Option<Lock>,
    filter_flags: Option<u32>,
}

impl Home {
    /// Creates a container of this name. The caller is single-threaded.
    ///
    /// # Errors
    /// See [`ContainerError`]. Nothing is left behind.
    pub fn create(&self, id: &str, bundle: &Bundle, options: CreateOptions) -> Result<Fresh, ContainerError> {
        // What can be refused is refused before anything is made.
        self.place(id)?;
        let layout = Layout::detect()?;
        let spec = &bundle.spec;
        let linux = spec.linux.as_ref();
        let path = linux.map_or("", |linux| linux.cgroups_path.as_str());
        let resources = groups::resources(spec);
        let mut plan = match options.manager {
            GroupManager::Files => Plan::for_container(&layout, &OwnGroups::read()?, path, id, &resources)?,
            GroupManager::Systemd => {
                systemd::ensure_running()?;
                let annotations = &spec.annotations;
                let request = systemd::Request { cgroups_path: path, id, annotations, resources: &resources };
                Plan::for_unit(&layout, &request)?
            }
        };
        plan.owner = groups::owner(spec);
        let seccomp = linux.and_then(|linux| linux.seccomp.as_ref());
        let filter = seccomp.map(compile).transpose()?;

        let (folder, lock) = self.claim(id)?;
        let guard = FolderGuard { folder: folder.clone(), lock: Some(lock) };
        let mut record = Record {
            id: id.to_owned(),
            init_process_pid: 0,
            init_process_start: 0,
            created: jiff::Timestamp::now().to_string(),
            oci_version: spec.oci_version.clone(),
            bundle: bundle.folder.clone(),
            rootfs: bundle.rootfs(),
            annotations: spec.annotations.clone(),
            cgroup_paths: plan.group().paths(),
            cgroup_unit: plan.unit.as_ref().map(|unit| unit.name.clone()),
            linux: linux.map(brief),
            is_ready: false,
            has_own_pid_namespace: has_own_pid_namespace(bundle),
            has_late_hooks: has_late_hooks(bundle),
        };
        write(&folder.join(CONFIG), &bundle.bytes)?;
        if let Some(filter) = &filter {
            write(&folder.join(FILTER), &filter.to_bytes())?;
        }
        // Before there is anything to be removed, it is written down.
        record.write(&folder).map_err(ContainerError::file("write", &folder))?;
        if options.notifies {
            let folder = folder.join(NOTIFY);
            fs::create_dir(&folder).map_err(ContainerError::file("mkdir", &folder))?;
        }
        let gate = options.waits.then(|| make_gate(&folder)).transpose()?;
        let state = record.state("creating", None);
        let listener = seccomp.filter(|seccomp| !seccomp.listener_path.is_empty()).map(|seccomp| Listener {
            path: Path::new(&seccomp.listener_path),
            metadata: &seccomp.listener_metadata,
            state: &state,
        });
        let created = runtime::create(
            CreateRequest {
                id,
                spec,
                rootfs: &Rootfs::Path(record.rootfs.clone()),
                user: None,
                stdio: options.stdio,
                cgroup: Some(&plan),
                seccomp: filter.as_ref(),
                gate,
                options: runtime::CreateOptions {
                    bundle: Some(&bundle.folder),
                    root: options.root,
                    keyring: options.keyring,
                    preserved: options.preserved,
                    affinity: Affinity::Reset,
                    is_patient: true,
                    listener,
                    advance: Advance::default(),
                },
            },
            // While the child mounts: whoever deletes it by force has to find it.
            &mut |newborn| {
                record.init_process_pid = newborn.pid;
                record.init_process_start = start_time(newborn.pid).unwrap_or(0);
                Ok(record.write(&folder)?)
            },
        )?;
        record.init_process_pid = created.pid;
        record.init_process_start = created.start_time;
        record.is_ready = true;
        let written = record.write(&folder).map_err(ContainerError::file("write", &folder));
        let lock = guard.keep();
        let fresh = Fresh {
            container: Some(Container { folder, record, group: plan.group().into() }),
            created,
            lock,
            filter_flags: filter.as_ref().map(Program::flags),
        };
        written.map(|()| fresh)
    }
}

impl Fresh {
    /// The first process, in the caller's PID namespace.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.created.pid
    }

    /// A handle on it: readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.created.pidfd.as_fd()
    }

    /// The flags of `seccomp(2)` that its filter is installed with, if it has one.
    #[must_use]
    pub fn filter_flags(&self) -> Option<u32> {
        self.filter_flags
    }

    /// The master side of its terminal, if it has one; once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.created.terminal.take()
    }

    /// Leaves it at its gate, for another process to start it.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn leave(mut self) -> Result<Container, ContainerError> {
        self.created.leave()?;
        self.release()
    }

    /// Lets the program begin. From then on the container ends as its program does, unless this is dropped.
    ///
    /// # Errors
    /// When it does not begin.
    pub fn start(&mut self) -> Result<(), ContainerError> {
        self.created.start()?;
        match &self.container {
            Some(container) => container.after_start(),
            None => Ok(()),
        }
    }

    /// Lets it live on without its creator's care, for others to change.
    ///
    /// # Errors
    /// When it was released before.
    pub fn release(&mut self) -> Result<Container, ContainerError> {
        self.lock = None;
        self.container.take().ok_or(ContainerError::Missing)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            let _ = runtime::kill(self.created.pidfd.as_fd(), Signal::KILL);
            crate::delete::reap(self.created.pidfd.as_fd());
            if let Some(group) = &self.created.cgroup {
                let _ = group.remove();
            }
            if let Some(lock) = &self.lock {
                lock.remove(&container.folder);
            }
        }
    }
}

/// A folder that is removed unless it is kept; and its lock.
struct FolderGuard {
    folder: PathBuf,
    lock: Option<Lock>,
}

impl FolderGuard {
    fn keep(mut self) -> Option<Lock> {
        self.lock.take()
    }
}

impl Drop for FolderGuard {
    fn drop(&mut self) {
        if let Some(lock) = &self.lock {
            lock.remove(&self.folder);
        }
    }
}

fn has_own_pid_namespace(bundle: &Bundle) -> bool {
    let linux = bundle.spec.linux.as_ref();
    linux
        .and_then(|linux| linux.find_namespace(NamespaceKind::Pid))
        .is_some_and(|namespace| namespace.path.is_empty())
}

fn has_late_hooks(bundle: &Bundle) -> bool {
    let hooks = bundle.spec.hooks.as_ref();
    hooks.is_some_and(|hooks| !hooks.poststart.is_empty() || !hooks.poststop.is_empty())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ContainerError> {
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(ContainerError::file("write", path))
}

/// A pipe in the folder, opened for both: its reader then waits for a byte, and never sees an end.
fn make_gate(folder: &Path) -> Result<OwnedFd, ContainerError> {
    let path = folder.join(GATE);
    let failed = |errno: rustix::io::Errno| ContainerError::file("mkfifo", &path)(errno.into());
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(failed)?;
    open(&path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty()).map_err(failed)
}
