//! When a container that ended is started again, and after which pause. Docker's rules, pure.

use std::time::Duration;

use units::restart::RestartPolicy;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A run of this length proves that the container works: the pauses begin anew.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// Whether a process that ended by itself is started again.
#[must_use]
pub fn wants_restart(rule: RestartPolicy, exit_code: i32, restarts: u32) -> bool {
    match rule {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure { retries } => exit_code != 0 && (retries == 0 || restarts < retries),
    }
}

/// Whether a container that is down when the daemon starts is brought up.
///
/// Docker starts `always` even after a client's stop: the policy speaks of the daemon's life, not of the client's wish.
#[must_use]
pub fn wants_start_with_daemon(
    rule: RestartPolicy,
    exit_code: i32,
    restarts: u32,
    stopped_by_client: bool,
) -> bool {
    match rule {
        RestartPolicy::UnlessStopped | RestartPolicy::OnFailure { .. } if stopped_by_client => false,
        _ => wants_restart(rule, exit_code, restarts),
    }
}

/// The pause before the next start, given the last pause and how long the run lasted: 100 ms, doubling up to a minute.
#[must_use]
pub fn next_backoff(last: Duration, ran: Duration) -> Duration {
    if last.is_zero() || ran >= GOOD_RUN { FIRST_PAUSE } else { (last * 2).min(LONGEST_PAUSE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_a_good_run() {
        let quick = Duration::from_secs(1);
        let mut pause = Duration::ZERO;
        let pauses: Vec<u128> = (0..12)
            .map(|_| {
                pause = next_backoff(pause, quick);
                pause.as_millis()
            })
            .collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
        assert_eq!(next_backoff(pause, GOOD_RUN), FIRST_PAUSE);
    }

    #[test]
    fn on_failure_counts() {
        assert!(wants_restart(RestartPolicy::OnFailure { retries: 2 }, 1, 1));
        assert!(!wants_restart(RestartPolicy::OnFailure { retries: 2 }, 1, 2));
        assert!(!wants_restart(RestartPolicy::OnFailure { retries: 0 }, 0, 0));
        assert!(wants_restart(RestartPolicy::OnFailure { retries: 0 }, 1, 99));
    }

    #[test]
    fn a_daemon_start_respects_a_stop_unless_the_policy_is_always() {
        assert!(wants_start_with_daemon(RestartPolicy::Always, 0, 0, true));
        assert!(!wants_start_with_daemon(RestartPolicy::UnlessStopped, 137, 0, true));
        assert!(wants_start_with_daemon(RestartPolicy::UnlessStopped, 137, 0, false));
    }
}
