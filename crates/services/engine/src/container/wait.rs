//! `POST /containers/{id}/wait`.

use std::sync::Arc;

use engine_api::container::{ContainerWaitExitError, ContainerWaitResponse, WaitCondition};
use tokio::sync::watch;

use super::life::Phase;
use super::view::View;
use crate::{Engine, Error};

/// A wait that has begun: the condition is judged from the moment it was made.
pub struct Waiter {
    views: watch::Receiver<Arc<View>>,
    condition: WaitCondition,
    /// How many runs had ended then.
    ends: u64,
    /// Whether there was nothing to wait for.
    is_met: bool,
}

impl Waiter {
    /// Waits until the condition holds.
    pub async fn wait(mut self) -> ContainerWaitResponse {
        let (condition, ends) = (self.condition, self.ends);
        if !self.is_met {
            let _ = self.views.wait_for(|view| is_over(view, condition, ends)).await;
        }
        let view = self.views.borrow();
        let past = &view.life.past;
        let last = view.last_exit.as_ref().filter(|_| !self.is_met);
        // A start that failed is told to who asks later; who waited for it gets the code alone, as with Docker.
        let tells_why = self.is_met && !past.error.is_empty();
        ContainerWaitResponse {
            status_code: i64::from(last.map_or(past.exit_code, |exit| exit.code)),
            error: tells_why.then(|| ContainerWaitExitError { message: past.error.clone() }),
        }
    }
}

fn is_over(view: &View, condition: WaitCondition, ends: u64) -> bool {
    let is_gone = matches!(view.life.phase, Phase::Removed | Phase::Dead);
    is_gone || (condition != WaitCondition::Removed && view.life.past.ends > ends)
}

impl Engine {
    /// Begins to wait. Two steps, because Docker's clients want the answer's head before the end they wait for.
    ///
    /// # Errors
    /// `NotFound` when there is no such container.
    pub async fn container_wait(&self, id: &str, condition: WaitCondition) -> Result<Waiter, Error> {
        let views = self.shared.containers.find(id)?.watch();
        let (ends, is_running) = {
            let view = views.borrow();
            (view.life.past.ends, view.life.is_running())
        };
        let is_met = condition == WaitCondition::NotRunning && !is_running;
        Ok(Waiter { views, condition, ends, is_met })
    }
}
