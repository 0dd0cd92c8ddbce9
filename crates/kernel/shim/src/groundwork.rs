//! What a shim does while the daemon still plans: control group, root file system, filter.
//!
//! ```text
//!   daemon   plan ─ Groundwork ─ leases, record, names, ports ─ Launch ──────────────▶ Started
//!   shim              ╰▶ decode, group, overlay, filter ·········╰▶ clone, mounts, network ╯
//! ```

use std::os::fd::OwnedFd;
use std::path::Path;

use cgroup::{Group, Layout, Plan};
use oci_spec::runtime::{Resources, Spec};
use runtime::seccomp::Program;
use runtime::{Advance, CreateError, Rootfs};

use crate::launch::refuse;
use crate::protocol::{Groundwork, Refusal, RefusalKind};

/// What the spawner had ready, the same for every container.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    layout: Option<Layout>,
    /// A network namespace that nobody uses.
    pub(crate) network: Option<OwnedFd>,
}

impl Ready {
    /// Finds out what does not change.
    pub(crate) fn look_around() -> Self {
        Self { layout: Layout::detect().ok(), network: None }
    }
}

/// What is there when the launch comes. Dropped without one, it takes the control group away again.
#[derive(Debug)]
pub(crate) struct Ground {
    work: Groundwork,
    plan: Option<Plan>,
    group: Option<Group>,
    root: Option<OwnedFd>,
    network: Option<OwnedFd>,
    filter: Option<Program>,
}

impl Ground {
    /// Lays it.
    pub(crate) fn lay(work: Groundwork, ready: Ready) -> Result<Self, Refusal> {
        let filter = load_filter(work.filter.as_deref())?;
        let plan = plan_cgroup(&work.spec, ready.layout)?;
        let group = plan.as_ref().map(Plan::apply).transpose().map_err(|error| refuse(&error.into()))?;
        let mut ground = Self { plan, group, root: None, network: ready.network, filter, work };
        ground.root = Some(ground.work.rootfs.mount().map_err(|error| refuse(&error))?);
        Ok(ground)
    }

    pub(crate) fn id(&self) -> &str {
        &self.work.id
    }

    pub(crate) fn spec(&self) -> &Spec {
        &self.work.spec
    }

    pub(crate) fn spec_mut(&mut self) -> &mut Spec {
        &mut self.work.spec
    }

    pub(crate) fn rootfs(&self) -> &Rootfs {
        &self.work.rootfs
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    pub(crate) fn filter(&self) -> Option<&Program> {
        self.filter.as_ref()
    }

    /// Hands over what a create takes.
    pub(crate) fn take_advance(&mut self) -> Advance {
        Advance { root: self.root.take(), group: self.group.take(), network: self.network.take() }
    }

    /// What is needed for as long as the container runs.
    pub(crate) fn into_filter(mut self) -> Option<Program> {
        self.filter.take()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            let _ = group.remove();
        }
    }
}

fn plan_cgroup(spec: &Spec, layout: Option<Layout>) -> Result<Option<Plan>, Refusal> {
    let Some(linux) = spec.linux.as_ref().filter(|linux| !linux.cgroups_path.is_empty()) else {
        return Ok(None);
    };
    let none = Resources::default();
    let resources = linux.resources.as_ref().unwrap_or(&none);
    let plan = layout
        .map_or_else(Layout::detect, Ok)
        .and_then(|layout| Plan::new(&layout, Path::new(&linux.cgroups_path), resources));
    plan.map(Some).map_err(|error| refuse(&CreateError::Cgroup(error)))
}

fn load_filter(file: Option<&Path>) -> Result<Option<Program>, Refusal> {
    let loaded = file.map(Program::load).transpose();
    loaded.map_err(|error| Refusal {
        step: Some("seccomp".to_owned()),
        exit_code: Some(128),
        ..Refusal::new(RefusalKind::Start, error.to_string())
    })
}
