//! `POST /containers/{id}/wait`.

use engine_api::container::{ContainerWaitResponse, WaitCondition};

use crate::{Engine, Error};

/// A wait that has begun: the condition is judged from the moment it was made.
pub struct Waiter {}

impl Waiter {
    /// Waits until the condition holds.
    pub async fn wait(self) -> ContainerWaitResponse {
        ContainerWaitResponse::default()
    }
}

impl Engine {
    /// Begins to wait. Two steps, because Docker's clients want the answer's head before the end they wait for.
    ///
    /// # Errors
    /// `NotFound` when there is no such container.
    pub async fn container_wait(&self, _id: &str, _condition: WaitCondition) -> Result<Waiter, Error> {
        Err(Error::not_implemented("wait"))
    }
}
