//! A further process in a running container.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Process;
use runtime::seccomp::{Listener, Program};
use runtime::{Affinity, ExecChild, ExecRequest, Stdio};

use crate::error::ContainerError;
use crate::home::Container;
use crate::status::Status;

/// The compiled filter in a container's folder.
pub(crate) const FILTER: &str = "seccomp.bpf";

/// What to run in a container.
#[derive(Debug)]
pub struct ExecOptions<'a> {
    /// The program and its identity.
    pub process: &'a Process,
    /// Standard streams.
    pub stdio: Stdio,
    /// Whether a paused container will do: the process then waits with the others.
    pub ignores_pause: bool,
    /// Groups below the container's that it enters, by controller; see [`cgroup::Group::below`].
    pub groups: BTreeMap<String, PathBuf>,
    /// How many descriptors from number 3 on the program inherits.
    pub preserved: u32,
}

impl Container {
    /// Runs a process in it, which is a child of the caller. The caller is single-threaded.
    ///
    /// # Errors
    /// When it does not run, or the process cannot.
    pub fn exec(&self, options: ExecOptions<'_>) -> Result<ExecChild, ContainerError> {
        match self.status()? {
            Status::Stopped => return Err(ContainerError::Status("cannot exec in a stopped container")),
            Status::Paused if !options.ignores_pause => {
                return Err(ContainerError::Status(
                    "cannot exec in a paused container (use --ignore-paused to override)",
                ));
            }
            _ => {}
        }
        let init = self.process().ok_or(ContainerError::Status("cannot exec in a stopped container"))?;
        let group = match options.groups.is_empty() {
            true => self.group()?.beside(self.record.init_process_pid),
            false => self.group()?.below(&options.groups)?,
        };
        let path = self.folder.join(FILTER);
        let filter = if path.exists() { Some(Program::load(&path)?) } else { None };
        let linux = self.record.linux.as_ref();
        let seccomp = linux.and_then(|linux| linux.seccomp.as_ref());
        let state = self.record.state("running", Some(self.record.init_process_pid));
        let listener = seccomp.filter(|seccomp| !seccomp.listener_path.is_empty()).map(|seccomp| Listener {
            path: Path::new(&seccomp.listener_path),
            metadata: &seccomp.listener_metadata,
            state: &state,
        });
        Ok(runtime::exec(ExecRequest {
            pid: self.record.init_process_pid,
            pidfd: init.as_fd(),
            process: options.process,
            user: None,
            stdio: options.stdio,
            cgroup: Some(&group),
            seccomp: filter.as_ref(),
            options: runtime::ExecOptions {
                linux,
                keyring_of: Some(&self.record.id),
                preserved: options.preserved,
                affinity: Affinity::Reset,
                is_patient: true,
                listener,
            },
        })?)
    }
}
