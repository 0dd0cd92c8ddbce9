//! Programs that run at points of a container's life.
//!
//! ```text
//! create, after the mounts   prestart, createRuntime   the caller's namespaces
//! create, before the pivot   createContainer           the container's
//! start                      startContainer            the container's, by its first process
//! after start, after delete  poststart, poststop       the caller's; run by who knows that it is time ([`run`])
//! ```
//! All is prepared beforehand, so that a child between clone and exec runs hooks without allocating: the state is
//! written to an unnamed file that is the hook's stdin, its outputs and the reason of a failure go to three others, which
//! parent and child share.

mod run;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use oci_spec::runtime::{Hook, Hooks, State};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::pread;
use sys::process::StringArray;

use crate::error::CreateError;

/// As much of an output as an error quotes.
const QUOTED: usize = 64 * 1024;

/// The kinds of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// Older name of `createRuntime`.
    Prestart,
    /// During create, in the runtime's namespaces.
    CreateRuntime,
    /// During create, in the container's namespaces.
    CreateContainer,
    /// During start, in the container's namespaces.
    StartContainer,
    /// After start.
    Poststart,
    /// After delete.
    Poststop,
}

impl HookKind {
    /// All of them, in the order of a container's life.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// Its name in the document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    fn list(self, hooks: &Hooks) -> &[Hook] {
        match self {
            Self::Prestart => &hooks.prestart,
            Self::CreateRuntime => &hooks.create_runtime,
            Self::CreateContainer => &hooks.create_container,
            Self::StartContainer => &hooks.start_container,
            Self::Poststart => &hooks.poststart,
            Self::Poststop => &hooks.poststop,
        }
    }
}

/// A hook that failed, in runc's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error running {} hook #{index}: {reason}", kind.name())]
pub struct HookError {
    /// Which list it is in.
    pub kind: HookKind,
    /// Its place in the list.
    pub index: usize,
    /// How it ended, and what it printed.
    pub reason: String,
}

/// Runs the hooks of one kind in the caller's namespaces, one after the other: the first failure is the last, but for
/// `poststop`, where all run and the first failure is told.
///
/// Must be called by a single-threaded process.
///
/// # Errors
/// [`CreateError::Hook`], [`CreateError::Invalid`] for a hook that cannot be one.
pub fn run(hooks: &Hooks, kind: HookKind, state: &State) -> Result<(), CreateError> {
    if kind.list(hooks).is_empty() {
        return Ok(());
    }
    let list = HookList::new(hooks, kind, &inherited())?;
    let stage = HookStage::new(state)?;
    let mut outcome = Ok(());
    for index in 0..list.hooks.len() {
        let result = stage.run(&list, index..index + 1, state.pid);
        outcome = outcome.and(result.map_err(|index| CreateError::Hook(stage.explain(kind, index))));
        if outcome.is_err() && kind != HookKind::Poststop {
            break;
        }
    }
    outcome
}

/// The hooks of one kind, in the form the kernel takes.
#[derive(Debug)]
pub(crate) struct HookList {
    pub(crate) kind: HookKind,
    pub(crate) hooks: Vec<HookPlan>,
}

/// One hook.
#[derive(Debug)]
pub(crate) struct HookPlan {
    path: CString,
    arguments: StringArray,
    environment: StringArray,
    limit: Option<Duration>,
}

impl HookList {
    /// Computes the plans; hooks without an environment get `environment`. Pure.
    pub(crate) fn new(hooks: &Hooks, kind: HookKind, environment: &[String]) -> Result<Self, CreateError> {
        let plan = |(index, hook): (usize, &Hook)| HookPlan::new(kind, index, hook, environment);
        let hooks = kind.list(hooks).iter().enumerate().map(plan).collect::<Result<_, _>>()?;
        Ok(Self { kind, hooks })
    }
}

impl HookPlan {
    fn new(kind: HookKind, index: usize, hook: &Hook, environment: &[String]) -> Result<Self, CreateError> {
        let invalid = |field: &str, why: &str| {
            CreateError::Invalid(format!("hooks.{}[{index}].{field}: {why}", kind.name()))
        };
        if !hook.path.starts_with('/') {
            return Err(invalid("path", "must be an absolute path"));
        }
        let seconds = hook.timeout.map(|seconds| match u64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Ok(seconds),
            _ => Err(invalid("timeout", "must be greater than zero")),
        });
        let own = std::slice::from_ref(&hook.path);
        let nul = |field| move |_| invalid(field, "contains a NUL byte");
        Ok(Self {
            path: CString::new(hook.path.as_str()).map_err(nul("path"))?,
            arguments: StringArray::new(if hook.args.is_empty() { own } else { &hook.args })
                .map_err(nul("args"))?,
            environment: StringArray::new(if hook.env.is_empty() { environment } else { &hook.env })
                .map_err(nul("env"))?,
            limit: seconds.transpose()?.map(Duration::from_secs),
        })
    }
}

/// The caller's environment, which hooks of its namespaces inherit.
pub(crate) fn inherited() -> Vec<String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_str()?, value.to_str()?)))
        .collect()
}

/// The hooks of a create, and where they run.
#[derive(Debug)]
pub(crate) struct CreateHooks {
    /// `prestart` and `createRuntime`.
    pub(crate) in_runtime: [HookList; 2],
    pub(crate) create_container: HookList,
    pub(crate) start_container: HookList,
    pub(crate) creating: HookStage,
    pub(crate) created: HookStage,
}

impl CreateHooks {
    /// Prepares those of a document; nothing when it has none of these kinds.
    pub(crate) fn new(
        id: &str,
        spec: &oci_spec::runtime::Spec,
        bundle: Option<&Path>,
        environment: &StringArray,
    ) -> Result<Option<Self>, CreateError> {
        let Some(hooks) = &spec.hooks else { return Ok(None) };
        let kinds = [
            HookKind::Prestart,
            HookKind::CreateRuntime,
            HookKind::CreateContainer,
            HookKind::StartContainer,
        ];
        if kinds.iter().all(|kind| kind.list(hooks).is_empty()) {
            return Ok(None);
        }
        let Some(bundle) = bundle else {
            return Err(CreateError::Invalid("hooks: the bundle is not known".to_owned()));
        };
        let state = |status: &str| State {
            oci_version: oci_spec::runtime::OCI_VERSION.to_owned(),
            id: id.to_owned(),
            status: status.to_owned(),
            pid: None,
            bundle: bundle.to_string_lossy().into_owned(),
            annotations: spec.annotations.clone(),
        };
        let outer = inherited();
        // As the program has it, with its home.
        let inner = environment.strings().iter().map(|entry| entry.to_string_lossy().into_owned());
        let inner: Vec<_> = inner.collect();
        Ok(Some(Self {
            in_runtime: [
                HookList::new(hooks, HookKind::Prestart, &outer)?,
                HookList::new(hooks, HookKind::CreateRuntime, &outer)?,
            ],
            create_container: HookList::new(hooks, HookKind::CreateContainer, &inner)?,
            start_container: HookList::new(hooks, HookKind::StartContainer, &inner)?,
            creating: HookStage::new(&state("creating"))?,
            created: HookStage::new(&state("created"))?,
        }))
    }

    /// Runs those of the caller's namespaces.
    pub(crate) fn run_in_runtime(&self, pid: u32) -> Result<(), CreateError> {
        for list in &self.in_runtime {
            let outcome = self.creating.run(list, 0..list.hooks.len(), Some(pid));
            outcome.map_err(|index| CreateError::Hook(self.creating.explain(list.kind, index)))?;
        }
        Ok(())
    }
}

/// Where hooks run: their stdin, and the files that take what they say. Shared with a child.
#[derive(Debug)]
pub(crate) struct HookStage {
    /// The state's text behind its first bracket, without a pid.
    state: String,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    reason: OwnedFd,
}

impl HookStage {
    pub(crate) fn new(state: &State) -> Result<Self, CreateError> {
        let file = || {
            memfd_create(c"hook", MemfdFlags::CLOEXEC)
                .map_err(|errno| CreateError::step("memfd_create", errno))
        };
        let state = State { pid: None, ..state.clone() };
        let text = serde_json::to_string(&state)
            .map_err(|cause| CreateError::Invalid(format!("annotations: {cause}")))?;
        Ok(Self {
            state: text.get(1..).unwrap_or_default().to_owned(),
            stdin: file()?,
            stdout: file()?,
            stderr: file()?,
            reason: file()?,
        })
    }

    /// All that a child needs to run hooks.
    pub(crate) fn files(&self) -> [BorrowedFd<'_>; 4] {
        [&self.stdin, &self.stdout, &self.stderr, &self.reason].map(AsFd::as_fd)
    }

    /// The error of a hook that failed, from what it left in the files.
    pub(crate) fn explain(&self, kind: HookKind, index: usize) -> HookError {
        let text = |file: &OwnedFd| {
            let mut bytes = vec![0; QUOTED];
            let length = pread(file, bytes.as_mut_slice(), 0).unwrap_or(0);
            String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned()
        };
        let (reason, stdout, stderr) = (text(&self.reason), text(&self.stdout), text(&self.stderr));
        let reason = format!("{reason}, stdout: {stdout}, stderr: {stderr}");
        HookError { kind, index, reason }
    }
}

#[cfg(test)]
mod tests;
