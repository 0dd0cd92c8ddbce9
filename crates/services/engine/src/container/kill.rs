//! `POST /containers/{id}/kill`.

use super::{signal, stop};
use crate::{Engine, Error};

impl Engine {
    /// Sends a signal, by name or number; SIGKILL when empty. SIGKILL returns when the container is down.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub async fn container_kill(&self, id: &str, signal: &str) -> Result<(), Error> {
        self.kill(id, signal).await.map_err(|error| error.within(format!("cannot kill container: {id}")))
    }

    async fn kill(&self, id: &str, text: &str) -> Result<(), Error> {
        let signal = match text {
            "" => signal::KILL,
            text => signal::parse_to_send(text).map_err(|error| Error::invalid(error.to_string()))?,
        };
        let handle = self.shared.containers.find(id)?;
        let view = handle.view();
        if signal == signal::KILL {
            if !view.life.is_running() {
                return Err(Error::conflict(format!("container {} is not running", view.id())));
            }
            return stop::kill(&handle, view.life.past.ends, true).await;
        }
        // Docker takes any signal for a wish to stay down, unless the container names its own stop signal.
        let own = signal::parse(&view.intent.config.stop_signal);
        handle.kill(signal, own.is_none_or(|own| own == signal)).await
    }
}
