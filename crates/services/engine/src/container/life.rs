//! A container's life as a value: what is true now, what was, and which events lead on.
//!
//! ```text
//!              start                 launched              pause
//!   Created ───────────▶ Starting ───────────▶ Running ◀─────────▶ Paused
//!      ▲  └ launch failed ─┘ ▲  ▲                 │  unpause         │
//!      │                     │  │ back-off over   │ exited           │ exited
//!      │                start│ Waiting ◀──────────┤ (policy says so) │
//!      │                     │  │ stop, kill      ▼                  │
//!   Exited ◀─────────────────┴──┴────────────── Exited ◀─────────────┘
//!      │ remove, AutoRemove                       Unknown: the supervisor does not answer
//!      ▼
//!   Removing ──▶ Removed      (or Dead, when the host refused to let go)
//! ```
//!
//! [`next`] is pure: the actor performs the returned [`Step`]s in order and decides nothing.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use units::restart::RestartPolicy;

use super::restart_policy;

#[cfg(test)]
mod tests;

/// What is true now (`phase`) and what was (`past`).
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// The present.
    pub phase: Phase,
    /// The memory that `inspect` shows whatever the present is.
    pub past: Past,
}

/// The present; each variant carries exactly what is true in it.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Made, and never run.
    Created,
    /// A launch is under way.
    Starting {
        /// Who asked.
        cause: Cause,
        /// What is to follow; anything but [`Then::Policy`] means that somebody wants it dead before it lives.
        then: Then,
    },
    /// The process runs.
    Running(Process),
    /// The process is frozen.
    Paused(Process),
    /// It ended, and the restart policy will start it again.
    Waiting,
    /// It ended.
    Exited,
    /// It is being taken away.
    Removing,
    /// It could not be taken away in full; another `rm` may finish.
    Dead,
    /// Gone; the last value that a reader ever sees.
    Removed,
    /// The supervisor does not answer, so nobody knows.
    Unknown {
        /// What is known of the process, if it ran.
        process: Option<Process>,
        /// Since when.
        since: SystemTime,
        /// Why.
        reason: String,
    },
}

/// A running process, and what happens when it ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// In the daemon's pid namespace.
    pub pid: u32,
    /// What is to follow its end.
    pub then: Then,
}

/// What follows the end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The restart policy decides.
    Policy,
    /// Somebody stopped it: it stays down.
    Stay,
    /// `restart`: it comes up at once, AutoRemove or not.
    Start,
    /// `rm -f`: it is taken away.
    Remove,
}

/// Who asked for a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A client.
    Client,
    /// A client's `restart`.
    Restart,
    /// The restart policy.
    Policy,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// 0–255; 128 + n after signal n.
    pub code: i32,
    /// Whether the kernel's memory killer took a process of the container.
    pub oom_killed: bool,
    /// When.
    pub at: SystemTime,
}

/// What happened before.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The last start.
    pub started_at: Option<SystemTime>,
    /// The last end.
    pub finished_at: Option<SystemTime>,
    /// Of the last end; 0 while it runs.
    pub exit_code: i32,
    /// Of the present or last run.
    pub oom_killed: bool,
    /// Why the last start or removal failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub error: String,
    /// How often the policy restarted it since a client last started it.
    #[serde(default)]
    pub restart_count: u32,
    /// Whether a client's stop or kill came last.
    #[serde(default)]
    pub stopped_by_client: bool,
    /// The pause before the next restart by policy.
    #[serde(skip)]
    pub backoff: Duration,
    /// How many runs have ended since the daemon knows it; waiters compare it.
    #[serde(skip)]
    pub ends: u64,
}

/// What the container's settings say about its ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// `--restart`.
    pub restart: RestartPolicy,
    /// `--rm`.
    pub auto_remove: bool,
}

/// Something that happened or is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A client's start.
    Start,
    /// The launch worked.
    Launched {
        /// The process.
        pid: u32,
        /// When it began.
        at: SystemTime,
    },
    /// The launch failed and was undone.
    LaunchFailed {
        /// The exit code that Docker shows for it: 126, 127 or 128.
        code: i32,
        /// Why.
        reason: String,
        /// When.
        at: SystemTime,
    },
    /// The process ended.
    Exited(Exit),
    /// A client's signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether the client means the container to stay down.
        stop: bool,
    },
    /// A client's `restart`, whose stop signal follows as [`Event::Signal`] with `stop: false`.
    Restart,
    /// A client's pause.
    Pause,
    /// The processes are frozen.
    Frozen,
    /// A client's unpause.
    Unpause,
    /// The processes run again.
    Thawed,
    /// The pause before a restart is over.
    BackoffOver,
    /// A client's removal.
    Remove {
        /// Kill it first.
        force: bool,
    },
    /// Everything is gone.
    RemoveDone,
    /// Something would not go.
    RemoveFailed {
        /// What and why.
        reason: String,
    },
    /// The supervisor missed a deadline.
    Lost {
        /// Which call.
        reason: String,
        /// When.
        at: SystemTime,
    },
    /// The supervisor answers again.
    Found {
        /// The process it holds.
        pid: u32,
        /// Whether it is frozen.
        paused: bool,
    },
}

/// Something to do, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Bring the process up.
    Launch(Cause),
    /// Give up a launch between two of its steps.
    AbortLaunch,
    /// Send a signal to the first process.
    Send(i32),
    /// Freeze all processes.
    Freeze,
    /// Let them run.
    Thaw,
    /// Write the life down before anything is answered.
    Record,
    /// Write the life down soon; the supervisor's own record covers the time until then.
    RecordSoon,
    /// Give ports and addresses back.
    Release,
    /// Start the clock of the back-off.
    ArmBackoff(Duration),
    /// Stop it.
    DisarmBackoff,
    /// Take record, layer and folders away.
    Remove,
    /// Tell the world.
    Announce(Announcement),
}

/// What the world is told about a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Announcement {
    /// `start`
    Start,
    /// `die`, with its code and how long it ran.
    Die {
        /// Exit code.
        code: i32,
        /// Whole seconds.
        seconds: u64,
    },
    /// `kill`
    Kill(i32),
    /// `pause`
    Pause,
    /// `unpause`
    Unpause,
    /// `destroy`
    Destroy,
}

/// Why an event cannot happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It runs already.
    AlreadyRunning,
    /// It runs already, frozen.
    IsPaused,
    /// It does not run.
    NotRunning,
    /// It is frozen already.
    AlreadyPaused,
    /// It is not frozen.
    NotPaused,
    /// The policy is about to start it.
    IsRestarting,
    /// It runs, and force was not given.
    MustStopFirst,
    /// Somebody is removing it.
    RemovalInProgress,
    /// It is dead or being removed.
    MarkedForRemoval,
    /// A launch is under way.
    Busy,
    /// The event does not belong to this phase: a late message of something that is over.
    Stale,
}

impl Life {
    /// A new container.
    #[must_use]
    pub fn created() -> Self {
        Self { phase: Phase::Created, past: Past::default() }
    }

    /// Docker's word for the phase, as `State.Status` and `ps` show it.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match &self.phase {
            Phase::Created => "created",
            Phase::Starting { .. } if self.past.started_at.is_none() => "created",
            Phase::Starting { cause: Cause::Policy, .. } | Phase::Waiting => "restarting",
            Phase::Running(_) | Phase::Unknown { process: Some(_), .. } => "running",
            Phase::Paused(_) => "paused",
            Phase::Starting { .. } | Phase::Exited | Phase::Unknown { process: None, .. } => "exited",
            Phase::Removing | Phase::Removed => "removing",
            Phase::Dead => "dead",
        }
    }

    /// The process, while there is one.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        match &self.phase {
            Phase::Running(process) | Phase::Paused(process) => Some(process),
            Phase::Unknown { process, .. } => process.as_ref(),
            _ => None,
        }
    }

    /// Docker's `Running`: true also while frozen, and while the policy waits to start it again.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.status(), "running" | "paused" | "restarting")
    }

    /// Whether the processes are frozen.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Paused(_))
    }

    /// Docker's `Restarting`.
    #[must_use]
    pub fn is_restarting(&self) -> bool {
        self.status() == "restarting"
    }

    fn ended(&self, exit: &Exit) -> Past {
        Past {
            finished_at: Some(exit.at),
            exit_code: exit.code,
            oom_killed: exit.oom_killed,
            ends: self.past.ends + 1,
            ..self.past.clone()
        }
    }
}

type Outcome = Result<(Life, Vec<Step>), Refusal>;

/// Where `event` leads from `life`, and what to do on the way. Pure.
///
/// # Errors
/// A [`Refusal`] when the event cannot happen now; nothing changes then.
pub fn next(life: &Life, rules: &Rules, event: Event) -> Outcome {
    match event {
        Event::Start => start(life),
        Event::Launched { pid, at } => launched(life, pid, at),
        Event::LaunchFailed { code, reason, at } => launch_failed(life, rules, code, reason, at),
        Event::Exited(exit) => exited(life, rules, &exit),
        Event::Signal { signal, stop } => signal_sent(life, rules, signal, stop),
        Event::Restart => restart(life),
        Event::Pause => pause(life),
        Event::Frozen => frozen(life),
        Event::Unpause => unpause(life),
        Event::Thawed => thawed(life),
        Event::BackoffOver => backoff_over(life),
        Event::Remove { force } => remove(life, force),
        Event::RemoveDone => match life.phase {
            Phase::Removing => Ok((turn(life, Phase::Removed), vec![Step::Announce(Announcement::Destroy)])),
            _ => Err(Refusal::Stale),
        },
        Event::RemoveFailed { reason } => match life.phase {
            Phase::Removing => {
                let mut life = turn(life, Phase::Dead);
                life.past.error = reason;
                Ok((life, vec![]))
            }
            _ => Err(Refusal::Stale),
        },
        Event::Lost { reason, at } => lost(life, reason, at),
        Event::Found { pid, paused } => found(life, pid, paused),
    }
}

fn starting(cause: Cause) -> Phase {
    Phase::Starting { cause, then: Then::Policy }
}

fn turn(life: &Life, phase: Phase) -> Life {
    Life { phase, past: life.past.clone() }
}

fn start(life: &Life) -> Outcome {
    match life.phase {
        Phase::Created | Phase::Exited => {
            let mut life = turn(life, starting(Cause::Client));
            life.past.restart_count = 0;
            life.past.backoff = Duration::ZERO;
            life.past.stopped_by_client = false;
            Ok((life, vec![Step::Launch(Cause::Client)]))
        }
        Phase::Paused(_) => Err(Refusal::IsPaused),
        Phase::Running(_) | Phase::Waiting | Phase::Unknown { .. } => Err(Refusal::AlreadyRunning),
        Phase::Starting { .. } => Err(Refusal::Busy),
        Phase::Removing | Phase::Dead | Phase::Removed => Err(Refusal::MarkedForRemoval),
    }
}

fn launched(life: &Life, pid: u32, at: SystemTime) -> Outcome {
    let Phase::Starting { then, .. } = life.phase else { return Err(Refusal::Stale) };
    let mut life = turn(life, Phase::Running(Process { pid, then }));
    life.past.started_at = Some(at);
    life.past.exit_code = 0;
    life.past.oom_killed = false;
    life.past.error.clear();
    let mut steps = vec![Step::Announce(Announcement::Start)];
    if then != Then::Policy {
        steps.push(Step::Send(SIGKILL));
    }
    Ok((life, steps))
}

fn launch_failed(life: &Life, rules: &Rules, code: i32, reason: String, at: SystemTime) -> Outcome {
    let Phase::Starting { cause, then } = life.phase else { return Err(Refusal::Stale) };
    // Docker leaves a container that never ran as "created", with the code and the error to read.
    let phase = if life.past.started_at.is_none() { Phase::Created } else { Phase::Exited };
    let mut life = turn(life, phase);
    life.past.exit_code = code;
    life.past.error = reason;
    if life.past.started_at.is_some() {
        life.past.finished_at = Some(at);
    }
    if cause == Cause::Policy {
        life.past.ends += 1;
    }
    if rules.auto_remove || then == Then::Remove {
        life.phase = Phase::Removing;
        return Ok((life, vec![Step::Release, Step::Remove]));
    }
    Ok((life, vec![Step::Release, Step::Record]))
}

fn exited(life: &Life, rules: &Rules, exit: &Exit) -> Outcome {
    let then = match &life.phase {
        Phase::Running(process) | Phase::Paused(process) => process.then,
        Phase::Unknown { process, .. } => process.as_ref().map_or(Then::Stay, |process| process.then),
        _ => return Err(Refusal::Stale),
    };
    let mut past = life.ended(exit);
    let ran = past.started_at.and_then(|start| exit.at.duration_since(start).ok()).unwrap_or_default();
    let mut steps = Vec::with_capacity(6);
    steps.push(Step::Announce(Announcement::Die { code: exit.code, seconds: ran.as_secs() }));
    steps.push(Step::Release);
    let phase = match then {
        Then::Start => {
            steps.push(Step::Launch(Cause::Restart));
            starting(Cause::Restart)
        }
        Then::Policy if restart_policy::wants_restart(rules.restart, exit.code, past.restart_count) => {
            past.backoff = restart_policy::next_backoff(past.backoff, ran);
            past.restart_count += 1;
            steps.push(Step::ArmBackoff(past.backoff));
            steps.push(Step::RecordSoon);
            Phase::Waiting
        }
        Then::Remove => {
            steps.push(Step::Remove);
            Phase::Removing
        }
        Then::Policy | Then::Stay if rules.auto_remove => {
            steps.push(Step::Remove);
            Phase::Removing
        }
        Then::Policy | Then::Stay => {
            steps.push(Step::RecordSoon);
            Phase::Exited
        }
    };
    Ok((Life { phase, past }, steps))
}

fn signal_sent(life: &Life, rules: &Rules, signal: i32, stop: bool) -> Outcome {
    let mut life = life.clone();
    life.past.stopped_by_client |= stop;
    match &mut life.phase {
        Phase::Running(process) => {
            if stop && process.then == Then::Policy {
                process.then = Then::Stay;
            }
        }
        Phase::Paused(process) => {
            if stop && process.then == Then::Policy {
                process.then = Then::Stay;
            }
            let mut steps = signal_steps(rules, signal, stop);
            if stop {
                steps.push(Step::Thaw);
            }
            return Ok((life, steps));
        }
        Phase::Unknown { process: Some(process), .. } => {
            if stop {
                process.then = Then::Stay;
            }
        }
        Phase::Waiting if !stop => return Ok((life, vec![])),
        Phase::Waiting => {
            life.past.ends += 1;
            let (phase, last) = if rules.auto_remove {
                (Phase::Removing, Step::Remove)
            } else {
                (Phase::Exited, Step::Record)
            };
            life.phase = phase;
            return Ok((life, vec![Step::DisarmBackoff, last]));
        }
        Phase::Starting { then, .. } if stop => {
            if *then == Then::Policy {
                *then = Then::Stay;
            }
            return Ok((life, vec![Step::AbortLaunch]));
        }
        Phase::Starting { .. } => return Ok((life, vec![])),
        _ => return Err(Refusal::NotRunning),
    }
    Ok((life, signal_steps(rules, signal, stop)))
}

/// The wish to stay down is written before the signal leaves, so that no crash brings the container back;
/// without a restart policy nothing would, and the write is saved.
fn signal_steps(rules: &Rules, signal: i32, stop: bool) -> Vec<Step> {
    let mut steps = Vec::with_capacity(4);
    if stop && rules.restart != RestartPolicy::No {
        steps.push(Step::Record);
    }
    steps.push(Step::Send(signal));
    steps.push(Step::Announce(Announcement::Kill(signal)));
    steps
}

fn restart(life: &Life) -> Outcome {
    let mut life = life.clone();
    match &mut life.phase {
        Phase::Running(process) | Phase::Paused(process) => {
            process.then = Then::Start;
            Ok((life, vec![]))
        }
        Phase::Waiting => {
            life.past.restart_count = 0;
            life.phase = starting(Cause::Restart);
            Ok((life, vec![Step::DisarmBackoff, Step::Launch(Cause::Restart)]))
        }
        Phase::Created | Phase::Exited => {
            life.past.restart_count = 0;
            life.past.backoff = Duration::ZERO;
            life.past.stopped_by_client = false;
            life.phase = starting(Cause::Restart);
            Ok((life, vec![Step::Launch(Cause::Restart)]))
        }
        Phase::Starting { .. } => Err(Refusal::Busy),
        Phase::Unknown { .. } => Err(Refusal::Busy),
        Phase::Removing | Phase::Dead | Phase::Removed => Err(Refusal::MarkedForRemoval),
    }
}

fn pause(life: &Life) -> Outcome {
    match life.phase {
        Phase::Running(_) => Ok((life.clone(), vec![Step::Freeze])),
        Phase::Paused(_) => Err(Refusal::AlreadyPaused),
        Phase::Waiting => Err(Refusal::IsRestarting),
        _ => Err(Refusal::NotRunning),
    }
}

fn frozen(life: &Life) -> Outcome {
    match &life.phase {
        Phase::Running(process) => {
            Ok((turn(life, Phase::Paused(process.clone())), vec![Step::Announce(Announcement::Pause)]))
        }
        _ => Err(Refusal::Stale),
    }
}

fn unpause(life: &Life) -> Outcome {
    match life.phase {
        Phase::Paused(_) => Ok((life.clone(), vec![Step::Thaw])),
        _ => Err(Refusal::NotPaused),
    }
}

fn thawed(life: &Life) -> Outcome {
    match &life.phase {
        Phase::Paused(process) => {
            Ok((turn(life, Phase::Running(process.clone())), vec![Step::Announce(Announcement::Unpause)]))
        }
        _ => Err(Refusal::Stale),
    }
}

fn backoff_over(life: &Life) -> Outcome {
    match life.phase {
        Phase::Waiting => {
            let phase = starting(Cause::Policy);
            Ok((turn(life, phase), vec![Step::Launch(Cause::Policy)]))
        }
        _ => Err(Refusal::Stale),
    }
}

fn remove(life: &Life, force: bool) -> Outcome {
    let mut life = life.clone();
    match &mut life.phase {
        Phase::Created | Phase::Exited | Phase::Dead => {
            life.phase = Phase::Removing;
            Ok((life, vec![Step::Remove]))
        }
        Phase::Unknown { process: None, .. } => {
            life.phase = Phase::Removing;
            Ok((life, vec![Step::Release, Step::Remove]))
        }
        Phase::Removing => Err(Refusal::RemovalInProgress),
        Phase::Removed => Err(Refusal::Stale),
        _ if !force => Err(Refusal::MustStopFirst),
        Phase::Waiting => {
            life.past.ends += 1;
            life.phase = Phase::Removing;
            Ok((life, vec![Step::DisarmBackoff, Step::Remove]))
        }
        Phase::Starting { then, .. } => {
            *then = Then::Remove;
            Ok((life, vec![Step::AbortLaunch]))
        }
        Phase::Running(process) | Phase::Unknown { process: Some(process), .. } => {
            process.then = Then::Remove;
            Ok((life, vec![Step::Send(SIGKILL), Step::Announce(Announcement::Kill(SIGKILL))]))
        }
        Phase::Paused(process) => {
            process.then = Then::Remove;
            Ok((life, vec![Step::Send(SIGKILL), Step::Announce(Announcement::Kill(SIGKILL)), Step::Thaw]))
        }
    }
}

fn lost(life: &Life, reason: String, at: SystemTime) -> Outcome {
    match &life.phase {
        Phase::Running(process) | Phase::Paused(process) => {
            let process = Some(process.clone());
            Ok((turn(life, Phase::Unknown { process, since: at, reason }), vec![]))
        }
        _ => Err(Refusal::Stale),
    }
}

fn found(life: &Life, pid: u32, paused: bool) -> Outcome {
    let then = match &life.phase {
        Phase::Unknown { process, .. } => process.as_ref().map_or(Then::Policy, |process| process.then),
        _ => return Err(Refusal::Stale),
    };
    let process = Process { pid, then };
    let phase = if paused { Phase::Paused(process) } else { Phase::Running(process) };
    Ok((turn(life, phase), vec![]))
}

const SIGKILL: i32 = 9;
