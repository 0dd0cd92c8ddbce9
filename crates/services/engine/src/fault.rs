//! Places where a crash test may stop, fail or delay the engine: one at each boundary of record and effect.
//!
//! A point is one line, `fault::point("start.spawned")?`. Without the feature `faults` it is empty. With it,
//! `GANTRY_FAULT="start.spawned=kill"` ends the process there with SIGKILL, `=error` makes the point fail,
//! `=delay:100` waits 100 ms, and a trailing `@3` means the third pass only.

use crate::error::{Explain, Kind};

/// Every point there is, in the order in which a container's life passes them. Tests walk this list.
pub const POINTS: &[&str] = &[
    "create.prepared",
    "create.recorded",
    "start.recorded",
    "start.leased",
    "start.networked",
    "start.spawned",
    "start.published",
    "exit.seen",
    "exit.recorded",
    "exit.released",
    "remove.begun",
    "remove.recorded",
    "remove.swept",
    "rename.recorded",
    "volume.recorded",
    "network.recorded",
    "network.raised",
    "network.lowered",
    "reconcile.read",
    "reconcile.done",
];

/// A failure that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("injected fault at {0}")]
pub struct Injected(&'static str);

impl Explain for Injected {
    fn kind(&self) -> Kind {
        Kind::System
    }
}

/// Does what `GANTRY_FAULT` asks for at this point; nothing in a normal build.
///
/// # Errors
/// [`Injected`] when the action is `error`.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_name: &'static str) -> Result<(), Injected> {
    Ok(())
}

/// Does what `GANTRY_FAULT` asks for at this point.
///
/// # Errors
/// [`Injected`] when the action is `error`.
#[cfg(feature = "faults")]
pub fn point(name: &'static str) -> Result<(), Injected> {
    debug_assert!(POINTS.contains(&name), "fault point {name} is not in the list");
    live::visit(name)
}

#[cfg(feature = "faults")]
mod live {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::Injected;

    enum Action {
        Kill,
        Error,
        Delay(Duration),
    }

    struct Plan {
        name: String,
        action: Action,
        /// The pass at which to act; each one when absent.
        pass: Option<u32>,
        passes: AtomicU32,
    }

    pub(super) fn visit(name: &'static str) -> Result<(), Injected> {
        static PLANS: OnceLock<Vec<Plan>> = OnceLock::new();
        let plans = PLANS.get_or_init(|| parse_plans(&std::env::var("GANTRY_FAULT").unwrap_or_default()));
        for plan in plans.iter().filter(|plan| plan.name == name) {
            let pass = plan.passes.fetch_add(1, Ordering::Relaxed) + 1;
            if plan.pass.is_some_and(|wanted| wanted != pass) {
                continue;
            }
            match plan.action {
                Action::Kill => {
                    let own = rustix::process::getpid();
                    let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
                }
                Action::Error => return Err(Injected(name)),
                Action::Delay(time) => std::thread::sleep(time),
            }
        }
        Ok(())
    }

    /// Reads `name=action[@n]`, several joined by commas; what cannot be read is left out.
    fn parse_plans(text: &str) -> Vec<Plan> {
        text.split(',').filter_map(parse_plan).collect()
    }

    fn parse_plan(text: &str) -> Option<Plan> {
        let (name, action) = text.trim().split_once('=')?;
        let (action, pass) = match action.split_once('@') {
            Some((action, pass)) => (action, Some(pass.parse().ok()?)),
            None => (action, None),
        };
        let action = match action.split_once(':') {
            None if action == "kill" => Action::Kill,
            None if action == "error" => Action::Error,
            Some(("delay", time)) => Action::Delay(Duration::from_millis(time.parse().ok()?)),
            _ => return None,
        };
        Some(Plan { name: name.to_owned(), action, pass, passes: AtomicU32::new(0) })
    }
}
