//! Named walks through the diagram, then random ones against a small model.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;

const ONCE: Rules = Rules { restart: RestartPolicy::No, auto_remove: false };
const ALWAYS: Rules = Rules { restart: RestartPolicy::Always, auto_remove: false };
const RM: Rules = Rules { restart: RestartPolicy::No, auto_remove: true };

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn exit(code: i32, second: u64) -> Event {
    Event::Exited(Exit { code, oom_killed: false, at: at(second) })
}

fn walk(rules: &Rules, events: impl IntoIterator<Item = Event>) -> (Life, Vec<Step>) {
    events.into_iter().fold((Life::created(), vec![]), |(life, _), event| {
        let shown = format!("{event:?} in {life:?}");
        next(&life, rules, event).unwrap_or_else(|refusal| panic!("{shown}: {refusal:?}"))
    })
}

fn up(rules: &Rules) -> Life {
    walk(rules, [Event::Start, Event::Launched { pid: 7, at: at(10) }]).0
}

#[test]
fn a_run_ends_with_its_code() {
    let (life, steps) = next(&up(&ONCE), &ONCE, exit(3, 15)).unwrap();
    assert_eq!(life.phase, Phase::Exited);
    assert_eq!((life.past.exit_code, life.past.ends), (3, 1));
    let die = Announcement::Die { code: 3, seconds: 5 };
    assert_eq!(steps, [Step::Announce(die), Step::Release, Step::RecordSoon]);
}

#[test]
fn rm_takes_the_container_away_at_its_end_but_not_across_a_restart() {
    let (life, steps) = next(&up(&RM), &RM, exit(0, 11)).unwrap();
    assert_eq!(life.phase, Phase::Removing);
    assert_eq!(steps.last(), Some(&Step::Remove));

    let (life, _) = next(&up(&RM), &RM, Event::Restart).unwrap();
    let (life, steps) = next(&life, &RM, exit(143, 11)).unwrap();
    assert_eq!(life.phase, starting(Cause::Restart));
    assert_eq!(steps.last(), Some(&Step::Launch(Cause::Restart)));
}

#[test]
fn the_policy_waits_and_a_stop_ends_the_waiting() {
    let (life, steps) = next(&up(&ALWAYS), &ALWAYS, exit(1, 11)).unwrap();
    assert_eq!(life.status(), "restarting");
    assert!(steps.contains(&Step::ArmBackoff(Duration::from_millis(100))));
    let (life, steps) = next(&life, &ALWAYS, Event::Signal { signal: 15, stop: true }).unwrap();
    assert_eq!((life.phase, life.past.ends), (Phase::Exited, 2));
    assert_eq!(steps, [Step::DisarmBackoff, Step::Record]);
}

#[test]
fn a_stopped_container_stays_down_and_says_so_before_the_signal() {
    let (life, steps) = next(&up(&ALWAYS), &ALWAYS, Event::Signal { signal: 15, stop: true }).unwrap();
    assert_eq!(steps[..2], [Step::Record, Step::Send(15)]);
    let (life, _) = next(&life, &ALWAYS, exit(143, 12)).unwrap();
    assert_eq!(life.phase, Phase::Exited);
    assert!(life.past.stopped_by_client);
}

#[test]
fn a_frozen_container_is_thawed_to_die() {
    let (life, _) =
        walk(&ONCE, [Event::Start, Event::Launched { pid: 7, at: at(1) }, Event::Pause, Event::Frozen]);
    assert_eq!(life.status(), "paused");
    let (_, steps) = next(&life, &ONCE, Event::Signal { signal: 15, stop: true }).unwrap();
    assert_eq!(steps, [Step::Send(15), Step::Announce(Announcement::Kill(15)), Step::Thaw]);
}

#[test]
fn a_forced_removal_during_a_launch_removes_whichever_way_it_ends() {
    let (starting, steps) = walk(&ONCE, [Event::Start, Event::Remove { force: true }]);
    assert_eq!(steps, [Step::AbortLaunch]);
    let failed = Event::LaunchFailed { code: 128, reason: "aborted".to_owned(), at: at(1) };
    assert_eq!(next(&starting, &ONCE, failed).unwrap().0.phase, Phase::Removing);
    let (life, steps) = next(&starting, &ONCE, Event::Launched { pid: 7, at: at(1) }).unwrap();
    assert!(steps.contains(&Step::Send(9)));
    assert_eq!(next(&life, &ONCE, exit(137, 2)).unwrap().0.phase, Phase::Removing);
}

#[test]
fn a_failed_first_start_leaves_it_created_with_the_reason() {
    let failed = Event::LaunchFailed { code: 127, reason: "no such file".to_owned(), at: at(1) };
    let (life, _) = walk(&ONCE, [Event::Start, failed]);
    assert_eq!((life.status(), life.past.exit_code), ("created", 127));
    assert_eq!(life.past.error, "no such file");
}

#[test]
fn refusals_change_nothing_and_name_the_reason() {
    let running = up(&ONCE);
    assert_eq!(next(&running, &ONCE, Event::Start), Err(Refusal::AlreadyRunning));
    assert_eq!(next(&running, &ONCE, Event::Remove { force: false }), Err(Refusal::MustStopFirst));
    assert_eq!(next(&Life::created(), &ONCE, Event::Pause), Err(Refusal::NotRunning));
    assert_eq!(
        next(&Life::created(), &ONCE, Event::Signal { signal: 9, stop: true }),
        Err(Refusal::NotRunning)
    );
    assert_eq!(next(&running, &ONCE, Event::Unpause), Err(Refusal::NotPaused));
}

#[test]
fn a_lost_supervisor_that_answers_again_keeps_the_wish_to_stop() {
    let (life, _) = next(&up(&ALWAYS), &ALWAYS, Event::Signal { signal: 15, stop: true }).unwrap();
    let lost = Event::Lost { reason: "no answer to State".to_owned(), at: at(20) };
    let (life, _) = next(&life, &ALWAYS, lost).unwrap();
    assert_eq!(life.status(), "running");
    let (life, _) = next(&life, &ALWAYS, Event::Found { pid: 7, paused: false }).unwrap();
    assert_eq!(next(&life, &ALWAYS, exit(137, 30)).unwrap().0.phase, Phase::Exited);
}

/// The model: is there a process, may there be a launch, is it gone. Nothing else.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    Down,
    Launching,
    Up,
    Going,
    Gone,
}

fn model_of(life: &Life) -> Model {
    match life.phase {
        Phase::Created | Phase::Exited | Phase::Waiting | Phase::Dead => Model::Down,
        Phase::Unknown { process: None, .. } => Model::Down,
        Phase::Starting { .. } => Model::Launching,
        Phase::Running(_) | Phase::Paused(_) | Phase::Unknown { .. } => Model::Up,
        Phase::Removing => Model::Going,
        Phase::Removed => Model::Gone,
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Start),
        3 => (1u32..9, 1u64..99).prop_map(|(pid, second)| Event::Launched { pid, at: at(second) }),
        1 => (1u64..99).prop_map(|second| Event::LaunchFailed { code: 127, reason: "no".into(), at: at(second) }),
        3 => (0i32..3, 1u64..99).prop_map(|(code, second)| exit(code, second)),
        2 => (prop_oneof![Just(9), Just(15), Just(1)], any::<bool>())
            .prop_map(|(signal, stop)| Event::Signal { signal, stop }),
        1 => Just(Event::Restart),
        1 => Just(Event::Pause),
        1 => Just(Event::Frozen),
        1 => Just(Event::Unpause),
        1 => Just(Event::Thawed),
        2 => Just(Event::BackoffOver),
        1 => any::<bool>().prop_map(|force| Event::Remove { force }),
        1 => Just(Event::RemoveDone),
        1 => Just(Event::RemoveFailed { reason: "busy".into() }),
        1 => (1u64..99).prop_map(|second| Event::Lost { reason: "late".into(), at: at(second) }),
        1 => any::<bool>().prop_map(|paused| Event::Found { pid: 7, paused }),
    ]
}

fn any_rules() -> impl Strategy<Value = Rules> {
    prop_oneof![
        Just(ONCE),
        Just(ALWAYS),
        Just(RM),
        Just(Rules { restart: RestartPolicy::OnFailure { retries: 2 }, auto_remove: false }),
        Just(Rules { restart: RestartPolicy::UnlessStopped, auto_remove: false }),
    ]
}

proptest! {
    #[test]
    fn any_walk_agrees_with_the_model(rules in any_rules(), events in prop::collection::vec(any_event(), 0..60)) {
        let mut life = Life::created();
        for event in events {
            let before = model_of(&life);
            let Ok((after, steps)) = next(&life, &rules, event.clone()) else { continue };
            let launches = steps.iter().filter(|step| matches!(step, Step::Launch(_))).count();
            let removals = steps.iter().filter(|step| matches!(step, Step::Remove)).count();
            let sends = steps.iter().any(|step| matches!(step, Step::Send(_)));
            let now = model_of(&after);

            // A launch is begun exactly when the model starts launching, a removal when it starts going.
            prop_assert_eq!(launches == 1, now == Model::Launching && before != Model::Launching, "{:?}", event);
            prop_assert_eq!(removals == 1, now == Model::Going && before != Model::Going, "{:?}", event);
            // Signals go to processes only; nothing happens to what is gone.
            prop_assert!(!sends || before == Model::Up || now == Model::Up);
            prop_assert!(before != Model::Gone);
            // An end is counted once, and only ends let ports and addresses go.
            prop_assert!(after.past.ends - life.past.ends <= 1);
            if before == Model::Up && now != Model::Up {
                prop_assert_eq!(after.past.ends, life.past.ends + 1);
                prop_assert!(steps.contains(&Step::Release));
            }
            // Docker's words agree with the phase.
            prop_assert_eq!(after.process().is_some(), now == Model::Up);
            prop_assert!(!after.is_paused() || after.is_running());
            life = after;
        }
    }

    #[test]
    fn a_stop_wins_whatever_follows(events in prop::collection::vec(any_event(), 0..20)) {
        let mut life = next(&up(&ALWAYS), &ALWAYS, Event::Signal { signal: 15, stop: true }).unwrap().0;
        for event in events {
            if matches!(event, Event::Start | Event::Restart) {
                continue;
            }
            if let Ok((after, steps)) = next(&life, &ALWAYS, event) {
                prop_assert!(!steps.iter().any(|step| matches!(step, Step::Launch(_))));
                life = after;
            }
        }
    }
}
