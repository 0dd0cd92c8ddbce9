//! A program, its surroundings and the identity it gets.

use std::ffi::CString;

use oci_spec::runtime::{Linux, Process};
use rustix::process::Gid;
use sys::credentials::CapabilitySet;
use sys::process::StringArray;

use super::scheduling::SchedulingPlan;
use super::text;
use crate::capability::Sets;
use crate::error::CreateError;
use crate::limits;
use crate::user::User;

/// Everything about a process.
#[derive(Debug)]
pub(crate) struct ProcessPlan {
    pub(crate) arguments: StringArray,
    pub(crate) environment: StringArray,
    pub(crate) program: Program,
    pub(crate) folder: CString,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<Gid>,
    pub(crate) umask: u32,
    /// None leaves the sets of the runtime.
    pub(crate) capabilities: Option<Sets>,
    pub(crate) no_new_privileges: bool,
    /// Number, soft, hard.
    pub(crate) limits: Vec<(u32, u64, u64)>,
    /// Whether the parent sets the limits: the root of a user namespace may not raise them.
    pub(crate) has_outer_limits: bool,
    pub(crate) oom_score_adj: Option<i32>,
    /// What to write to `attr/exec` of which security module.
    pub(crate) label: Option<Label>,
    pub(crate) keyring: Option<CString>,
    pub(crate) personality: Option<u32>,
    pub(crate) scheduling: SchedulingPlan,
}

/// Which security module a label is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Module {
    AppArmor,
    SeLinux,
}

/// A label that the process takes on at exec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) module: Module,
    pub(crate) value: Vec<u8>,
}

/// Where the program may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// As asked for.
    pub(crate) name: String,
    /// Tried in this order.
    pub(crate) candidates: Vec<CString>,
    /// Whether the name is looked up in `$PATH`: then a failure of one candidate only leads to the next.
    pub(crate) is_searched: bool,
}

/// The largest number is no id: to the kernel it means "leave it as it is", which is root.
pub(super) fn check_id(field: &str, id: u32) -> Result<(), CreateError> {
    match id {
        u32::MAX => Err(CreateError::Invalid(format!("invalid {field}: {id} is no id"))),
        _ => Ok(()),
    }
}

impl ProcessPlan {
    /// Computes the plan. `available` are the capabilities the runtime has. Pure.
    pub(crate) fn new(process: &Process, user: &User, available: CapabilitySet) -> Result<Self, CreateError> {
        let name = process
            .args
            .first()
            .ok_or_else(|| CreateError::Invalid("process args cannot be empty".to_owned()))?;
        if !process.cwd.starts_with('/') {
            return Err(CreateError::Invalid("Cwd must be an absolute path".to_owned()));
        }
        let environment = environment(&process.env, &user.home);
        check_id("process.user.uid", user.uid)?;
        check_id("process.user.gid", user.gid)?;
        user.additional_gids.iter().try_for_each(|gid| check_id("process.user.additionalGids", *gid))?;
        let groups = user.additional_gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
        Ok(Self {
            arguments: StringArray::new(&process.args)?,
            program: Program::new(name, &environment)?,
            environment: StringArray::new(&environment)?,
            folder: text(&process.cwd)?,
            uid: user.uid,
            gid: user.gid,
            groups,
            umask: process.user.umask.unwrap_or(0o022) & 0o777,
            capabilities: process.capabilities.as_ref().map(|sets| Sets::from_spec(sets, available)),
            no_new_privileges: process.no_new_privileges,
            limits: limits(process)?,
            has_outer_limits: false,
            oom_score_adj: oom_score_adj(process)?,
            label: label(process),
            keyring: None,
            personality: None,
            scheduling: SchedulingPlan::new(process)?,
        })
    }
}

/// The execution domain of a container's processes.
pub(crate) fn personality(linux: Option<&Linux>) -> Result<Option<u32>, CreateError> {
    let Some(wanted) = linux.and_then(|linux| linux.personality.as_ref()) else { return Ok(None) };
    let domain = match wanted.domain.as_str() {
        "LINUX" | "" => 0,
        "LINUX32" => 8,
        other => return Err(CreateError::Invalid(format!("invalid personality domain {other}"))),
    };
    // The specification reserves flags and names none: like runc, not looked at.
    Ok(Some(domain))
}

fn oom_score_adj(process: &Process) -> Result<Option<i32>, CreateError> {
    match process.oom_score_adj {
        Some(wish) if !(-1000..=1000).contains(&wish) => {
            Err(CreateError::Invalid(format!("invalid process.oomScoreAdj: {wish}")))
        }
        wish => Ok(wish),
    }
}

fn limits(process: &Process) -> Result<Vec<(u32, u64, u64)>, CreateError> {
    let mut list = Vec::<(u32, u64, u64)>::new();
    for limit in &process.rlimits {
        let number = limits::parse(&limit.kind)
            .ok_or_else(|| CreateError::Invalid(format!("invalid rlimit type: {}", limit.kind)))?;
        if list.iter().any(|(known, ..)| *known == number) {
            return Err(CreateError::Invalid(format!("rlimit {} given twice", limit.kind)));
        }
        list.push((number, limit.soft, limit.hard));
    }
    Ok(list)
}

fn label(process: &Process) -> Option<Label> {
    let (module, value) = match (process.apparmor_profile.as_str(), process.selinux_label.as_str()) {
        ("" | "unconfined", "") => return None,
        ("" | "unconfined", label) => (Module::SeLinux, label.as_bytes().to_vec()),
        (profile, _) => (Module::AppArmor, format!("exec {profile}").into_bytes()),
    };
    Some(Label { module, value })
}

/// The environment: of entries with the same name the last counts; `HOME` is the user's unless given.
fn environment(entries: &[String], home: &str) -> Vec<String> {
    let name = |entry: &str| entry.split_once('=').map_or(entry, |(name, _)| name).to_owned();
    let mut seen = Vec::new();
    let mut kept = Vec::new();
    for entry in entries.iter().rev() {
        let name = name(entry);
        if !seen.contains(&name) {
            seen.push(name);
            kept.push(entry.clone());
        }
    }
    kept.reverse();
    kept.retain(|entry| entry != "HOME=");
    if !kept.iter().any(|entry| entry.starts_with("HOME=")) {
        kept.push(format!("HOME={home}"));
    }
    kept
}

impl Program {
    fn new(name: &str, environment: &[String]) -> Result<Self, CreateError> {
        if name.contains('/') {
            return Ok(Self { name: name.to_owned(), candidates: vec![text(name)?], is_searched: false });
        }
        let path = environment.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or_default();
        // Relative folders in PATH would run what happens to lie in the working folder.
        let folders = path.split(':').filter(|folder| folder.starts_with('/') && !name.is_empty());
        let candidates = folders.map(|folder| text(&format!("{}/{name}", folder.trim_end_matches('/'))));
        Ok(Self {
            name: name.to_owned(),
            candidates: candidates.collect::<Result<_, _>>()?,
            is_searched: true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(json: &str) -> Result<ProcessPlan, String> {
        let user = User { uid: 5, gid: 6, additional_gids: vec![6, 7], home: "/five".to_owned() };
        let plan = ProcessPlan::new(&serde_json::from_str(json).unwrap(), &user, CapabilitySet(u64::MAX));
        plan.map_err(|error| error.to_string())
    }

    fn strings(array: &StringArray) -> Vec<&str> {
        array.strings().iter().map(|text| text.to_str().unwrap()).collect()
    }

    #[test]
    fn a_name_is_looked_up_in_the_last_path() {
        let plan = planned(
            r#"{"cwd": "/", "args": ["ls", "-l"], "env": ["PATH=/x", "A=1", "PATH=/bin/::rel:/usr/bin", "A=2"]}"#,
        );
        let plan = plan.unwrap();
        assert_eq!(plan.program.candidates, [c"/bin/ls".to_owned(), c"/usr/bin/ls".to_owned()]);
        assert!(plan.program.is_searched);
        assert_eq!(strings(&plan.environment), ["PATH=/bin/::rel:/usr/bin", "A=2", "HOME=/five"]);
        assert_eq!(strings(&plan.arguments), ["ls", "-l"]);
    }

    #[test]
    fn a_path_is_taken_as_it_is_and_home_as_given() {
        let plan = planned(r#"{"cwd": "/", "args": ["./run"], "env": ["HOME=/own"]}"#).unwrap();
        assert_eq!(plan.program.candidates, [c"./run".to_owned()]);
        assert_eq!(strings(&plan.environment), ["HOME=/own"]);
        assert_eq!((plan.uid, plan.gid, plan.groups.len(), plan.umask), (5, 6, 2, 0o022));
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(planned(r#"{"cwd": "/", "args": []}"#).unwrap_err(), "process args cannot be empty");
        assert!(planned(r#"{"cwd": "rel", "args": ["x"]}"#).is_err());
        assert!(planned(r#"{"cwd": "/", "args": ["a\u0000b"]}"#).unwrap_err().contains("NUL"));
        let limit = r#"{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}"#;
        assert!(
            planned(&format!(r#"{{"cwd": "/", "args": ["x"], "rlimits": [{limit}, {limit}]}}"#)).is_err()
        );
        assert!(
            planned(
                r#"{"cwd": "/", "args": ["x"], "rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]}"#
            )
            .is_err()
        );
    }

    #[test]
    fn an_id_that_would_change_nothing_is_refused() {
        let process: Process = serde_json::from_str(r#"{"cwd": "/", "args": ["x"]}"#).unwrap();
        let none = u32::MAX;
        for (uid, gid, more) in [(none, 0, vec![]), (0, none, vec![]), (0, 0, vec![none])] {
            let user = User { uid, gid, additional_gids: more, home: "/".to_owned() };
            let error = ProcessPlan::new(&process, &user, CapabilitySet::default()).unwrap_err();
            assert!(error.to_string().ends_with("4294967295 is no id"), "{error}");
        }
    }

    #[test]
    fn labels_go_to_their_security_module() {
        let plan = planned(r#"{"cwd": "/", "args": ["x"], "apparmorProfile": "docker-default"}"#).unwrap();
        assert_eq!(plan.label.unwrap().value, b"exec docker-default");
        assert!(
            planned(r#"{"cwd": "/", "args": ["x"], "apparmorProfile": "unconfined"}"#)
                .unwrap()
                .label
                .is_none()
        );
    }
}
