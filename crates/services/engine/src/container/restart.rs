//! `POST /containers/{id}/restart`.

use super::handle::{Request, Restarting};
use super::life::Phase;
use super::stop::{self, StopOptions};
use crate::{Engine, Error};

impl Engine {
    /// Stops the container if it runs, and starts it.
    ///
    /// # Errors
    /// As stop and start, in Docker's frame `Cannot restart container …`.
    pub async fn container_restart(&self, id: &str, options: StopOptions) -> Result<(), Error> {
        let handle = self.shared.containers.find(id)?;
        let framed = |error: Error| {
            let message = format!("Cannot restart container {id}: {error}");
            Error { kind: error.kind, message, hint: error.hint }
        };
        let plan = stop::plan(&options, &handle.view().intent).map_err(framed)?;
        if handle.ask(Request::Restart).await.map_err(framed)? == Restarting::MustStop {
            stop::end(&handle, plan, false).await.map_err(framed)?;
        }
        // The actor starts it by itself; what is waited for here is how that ends.
        let mut views = handle.watch();
        let settled = views.wait_for(|view| !matches!(view.life.phase, Phase::Starting { .. })).await;
        let view = settled
            .map(|view| view.clone())
            .map_err(|_| framed(Error::not_found(format!("No such container: {id}"))))?;
        let failed = view.pid().is_none() && !view.life.past.error.is_empty();
        if failed {
            return Err(framed(Error::system(view.life.past.error.clone())));
        }
        self.shared.announce_container(&view.intent, "restart", Default::default());
        Ok(())
    }
}
