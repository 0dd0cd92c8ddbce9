//! Waiting for a container's exit.

use crate::failure::USAGE;
use crate::output;
use client::{Client, Error, Response};
use engine_api::container::{ContainerWaitResponse, WaitCondition};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a daemon that went away may take to come back.
const RETURN_DEADLINE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// A wait that the daemon knows of.
pub(crate) struct Wait {
    client: Arc<Client>,
    id: String,
    condition: WaitCondition,
    answer: Result<Response, Error>,
}

/// Asks for the exit of the container, or for its removal; the daemon knows when this returns.
pub(crate) fn begin(client: &Arc<Client>, id: &str, condition: WaitCondition) -> Wait {
    let answer = ask(client, id, condition);
    Wait { client: client.clone(), id: id.to_owned(), condition, answer }
}

fn ask(client: &Client, id: &str, condition: WaitCondition) -> Result<Response, Error> {
    let condition = if condition == WaitCondition::NotRunning { "" } else { condition.as_str() };
    client.post(&format!("/containers/{id}/wait")).query_some("condition", condition).send()
}

impl Wait {
    /// Waits, and gives the exit code; 125 if it cannot be known.
    pub(crate) fn finish(self) -> i64 {
        let answer = match self.answer.and_then(Response::json::<ContainerWaitResponse>) {
            Err(error) if error.is_connection() => again(&self.client, &self.id, self.condition, error),
            answer => answer,
        };
        match answer {
            Ok(ContainerWaitResponse { error: Some(error), .. }) if !error.message.is_empty() => {
                output::error_line(&format!("Error waiting for container: {}", error.message));
                i64::from(USAGE)
            }
            Ok(answer) => answer.status_code,
            Err(error) => {
                output::error_line(&format!("error waiting for container: {error}"));
                i64::from(USAGE)
            }
        }
    }
}

/// Waits on with the daemon that follows the one that went away: the container outlives both.
fn again(
    client: &Client,
    id: &str,
    condition: WaitCondition,
    first: Error,
) -> Result<ContainerWaitResponse, Error> {
    // The exit may have happened while no daemon watched; it is not "next" any more.
    let condition = if condition == WaitCondition::NextExit { WaitCondition::NotRunning } else { condition };
    let deadline = Instant::now() + RETURN_DEADLINE;
    loop {
        client.forget_connection();
        match ask(client, id, condition).and_then(Response::json) {
            Err(error) if error.is_connection() && Instant::now() < deadline => std::thread::sleep(PAUSE),
            // A container that is removed on exit took its exit code along.
            Err(error) if error.is_connection() || error.is_not_found() => return Err(first),
            answer => return answer,
        }
    }
}
