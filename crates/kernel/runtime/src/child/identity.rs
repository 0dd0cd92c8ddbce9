//! Who the process is: streams, label, user, filter, capabilities. Ends with the program's path.
//!
//! The filter goes in as late as it can while CAP_SYS_ADMIN is still there: behind it, this code only calls capset,
//! prctl, read, write and execve.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use mount::defence::Defence;
use mount::path;
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, accessat, fchown, fstat, fstatfs, openat,
};
use rustix::io::Errno;
use rustix::process::{fchdir, ioctl_tiocsctty, umask};
use rustix::thread::sched_setaffinity;
use sys::credentials::{
    Capabilities, become_user, capabilities, keep_capabilities, limit_bounding_set, set_ambient,
    set_capabilities, set_no_new_privileges,
};
use sys::process::{
    close_on_exec_from, join_session_keyring, replace_standard_stream, set_limit, set_personality,
};
use sys::scheduling::{set_io_priority, set_memory_policy, set_scheduler};

use super::{Common, Streams, tell};
use crate::capability;
use crate::plan::{Module, ProcessPlan, SchedulingPlan};
use crate::report::{Failure, Message, Step};

/// The bit of `CAP_DAC_OVERRIDE` (linux/capability.h).
const DAC_OVERRIDE: u64 = 1 << 1;

/// The device number of `/dev/null`: its owner is left alone.
const NULL: (u32, u32) = (1, 3);

/// `PROC_SUPER_MAGIC` (linux/magic.h).
const PROCFS: i64 = 0x9fa0;

/// Opens the file that takes the label, while the host's `/proc` is in sight; nothing else than a real procfs will do.
pub(super) fn open_label(process: &ProcessPlan) -> Result<Option<OwnedFd>, Failure> {
    let Some(label) = &process.label else { return Ok(None) };
    let failed = Step::Label.failed();
    let open = |path: &CStr| match openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) if fstatfs(&file)?.f_type != PROCFS => Err(Errno::NODEV),
        other => other,
    };
    let file = match label.module {
        Module::SeLinux => open(c"/proc/thread-self/attr/exec"),
        // The older place is whose module comes first.
        Module::AppArmor => match open(c"/proc/thread-self/attr/apparmor/exec") {
            Err(Errno::NOENT) => open(c"/proc/thread-self/attr/exec"),
            other => other,
        },
    };
    file.map(Some).map_err(failed)
}

/// A process that only has to execute its program.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    /// The path to execute.
    pub(super) program: &'a CStr,
    /// Of the filter; to be closed before the program is executed, so that a call never waits for the caller itself.
    pub(super) listener: Option<OwnedFd>,
}

/// Takes on the identity; the process is inside its root already.
pub(super) fn prepare<'a>(
    common: &Common<'a>,
    terminal: Option<OwnedFd>,
    label: Option<OwnedFd>,
) -> Result<Prepared<'a>, Failure> {
    let process = common.process;
    if let Some(name) = &process.keyring {
        match join_session_keyring(name) {
            Ok(()) | Err(Errno::NOSYS) => {}
            Err(errno) => return Err(Step::Keyring.failed()(errno)),
        }
    }
    take_streams(common, terminal).map_err(Step::Streams.failed())?;
    if let Some(domain) = process.personality {
        set_personality(domain).map_err(Step::Personality.failed())?;
    }
    schedule(&process.scheduling)?;
    if let (Some(file), Some(label)) = (label, &process.label) {
        rustix::io::write(&file, &label.value).map_err(Step::Label.failed())?;
    }
    if let Some(sets) = &process.capabilities {
        limit_bounding_set(sets.bounding, capability::LAST).map_err(Step::BoundingSet.failed())?;
    }
    keep_capabilities(true).map_err(Step::KeepCapabilities.failed())?;
    // Root first: a folder that only root may enter is entered all the same, as Docker has it.
    let is_entered = change_folder(&process.folder);
    // While it is root still: its parent may lack CAP_SYS_RESOURCE, without which nobody sets another user's limits.
    let limits = process.limits.iter().enumerate().filter(|_| !process.has_outer_limits);
    for (index, (number, soft, hard)) in limits {
        set_limit(0, *number, *soft, *hard).map_err(Step::Limit.failed_at(index))?;
    }
    become_user(process.uid, process.gid, &process.groups).map_err(Step::User.failed())?;
    if is_entered.is_err() {
        change_folder(&process.folder).map_err(Step::ChangeFolder.failed())?;
    }
    let program = find_program(process)?;
    umask(Mode::from_raw_mode(process.umask));
    if process.no_new_privileges {
        set_no_new_privileges().map_err(Step::NoNewPrivileges.failed())?;
    }
    if Defence::ClosedDescriptors.is_on() {
        close_on_exec_from(common.preserved.saturating_add(3)).map_err(Step::CloseOnExec.failed())?;
    }
    let failed = Step::Capabilities.failed();
    let kept = capabilities().map_err(&failed)?;
    // Another user than root has lost the effective set, not the permitted one.
    set_capabilities(Capabilities { effective: kept.permitted, ..kept }).map_err(&failed)?;
    let mut listener = None;
    if let Some(filter) = common.filter {
        listener = filter.install().map_err(Step::Seccomp.failed())?;
    }
    if let Some(listener) = &listener {
        // The parent takes it: from here on, any call but write(2) may wait for who has it then.
        tell(common.socket.as_fd(), Message::Listener(listener.as_raw_fd()));
    }
    // keep_capabilities ends with exec.
    match &process.capabilities {
        Some(sets) => {
            let effective = sets.effective;
            let inheritable = if Defence::Inheritable.is_on() { sets.inheritable } else { kept.inheritable };
            let sets_of_three = Capabilities { effective, permitted: sets.permitted, inheritable };
            set_capabilities(sets_of_three).map_err(&failed)?;
            set_ambient(sets.ambient).map_err(Step::AmbientSet.failed())?;
        }
        None if process.uid != 0 => {
            let none = Capabilities { inheritable: kept.inheritable, ..Capabilities::default() };
            set_capabilities(none).map_err(&failed)?;
        }
        None => {}
    }
    Ok(Prepared { program, listener })
}

/// While all capabilities are there, and in its cgroup.
fn schedule(plan: &SchedulingPlan) -> Result<(), Failure> {
    if let Some(cpus) = &plan.last_cpus {
        sched_setaffinity(None, cpus).map_err(Step::Affinity.failed())?;
    }
    if let Some((mode, nodes)) = &plan.memory {
        set_memory_policy(*mode, nodes).map_err(Step::MemoryPolicy.failed())?;
    }
    if let Some((class, priority)) = plan.io_priority {
        set_io_priority(class, priority).map_err(Step::IoPriority.failed())?;
    }
    if let Some(attributes) = &plan.scheduler {
        set_scheduler(attributes).map_err(Step::Scheduler.failed())?;
    }
    Ok(())
}

/// Puts the streams in place; the user may open them again through `/dev/stdout`, so they become the user's.
fn take_streams(common: &Common<'_>, terminal: Option<OwnedFd>) -> Result<(), Errno> {
    match (&common.streams, &terminal) {
        (_, Some(slave)) => {
            for number in 0..3 {
                replace_standard_stream(slave.as_fd(), number)?;
            }
            ioctl_tiocsctty(slave)?;
        }
        (Streams::Given(streams), None) => {
            for (number, stream) in (0..3).zip(streams) {
                replace_standard_stream(stream.as_fd(), number)?;
            }
        }
        (Streams::Inherit | Streams::Terminal(..), None) => {}
    }
    for stream in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        give_away(stream, common.process)?;
    }
    Ok(())
}

fn give_away(stream: BorrowedFd<'_>, process: &ProcessPlan) -> Result<(), Errno> {
    let stat = match fstat(stream) {
        Ok(stat) => stat,
        // Closed is fine.
        Err(Errno::BADF) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let number = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && number == NULL;
    if is_null || stat.st_uid == process.uid {
        return Ok(());
    }
    match fchown(stream, Some(Uid::from_raw(process.uid)), None::<Gid>) {
        // Kinds of streams that have no owner.
        Err(Errno::INVAL | Errno::PERM | Errno::ROFS | Errno::OPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// Changes into a folder by name, inside the root, through no link that the kernel invents: those of `/proc/self/fd`
/// could lead back to the host.
fn change_folder(folder: &CStr) -> Result<(), Errno> {
    fchdir(path::open_from_inside(folder, OFlags::PATH | OFlags::DIRECTORY)?)
}

/// The first candidate that can be executed; with one candidate, the reason why not.
fn find_program(process: &ProcessPlan) -> Result<&CStr, Failure> {
    let program = &process.program;
    let overrides = process.capabilities.is_some_and(|sets| sets.effective.0 & DAC_OVERRIDE != 0);
    let mut first = Errno::NOENT;
    for (index, candidate) in program.candidates.iter().enumerate() {
        match is_executable(candidate, overrides) {
            Ok(()) => return Ok(candidate),
            Err(errno) if index == 0 => first = errno,
            Err(_) => {}
        }
    }
    let errno = if program.is_searched { Errno::NOENT } else { first };
    Err(Step::FindProgram.failed()(errno))
}

/// `overrides` is whether the process will have `CAP_DAC_OVERRIDE`, with which one bit for anybody is enough.
fn is_executable(candidate: &CStr, overrides: bool) -> Result<(), Errno> {
    // A link of `/proc` to our own executable must not be run inside a container.
    let file = path::open_from_inside(candidate, OFlags::PATH)?;
    let mode = fstat(&file)?.st_mode;
    if FileType::from_raw_mode(mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    match accessat(CWD, candidate, Access::EXEC_OK, AtFlags::empty()) {
        Err(Errno::ACCESS) if overrides && mode & 0o111 != 0 => Ok(()),
        other => other,
    }
}
