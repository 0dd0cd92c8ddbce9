//! `POST /containers/{id}/stop`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::handle::Handle;
use super::intent::Intent;
use super::signal;
use super::view::View;
use crate::error::Kind;
use crate::{Engine, Error};

/// How to stop.
#[derive(Debug, Clone, Default)]
pub struct StopOptions {
    /// The signal, by name or number; the container's own when absent or empty.
    pub signal: Option<String>,
    /// Seconds before SIGKILL, -1 for never; the container's own when absent.
    pub timeout: Option<i64>,
}

/// A stop, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StopPlan {
    pub(super) signal: i32,
    /// How long to wait before SIGKILL; for ever when absent.
    pub(super) patience: Option<Duration>,
}

/// What a container gets that says nothing about it.
const PATIENCE: i64 = 10;
/// How long the end may take to be noticed after SIGKILL.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

impl Engine {
    /// Asks the first process to end, and kills it when it takes too long.
    ///
    /// # Errors
    /// Kind `NotModified` when it does not run.
    pub async fn container_stop(&self, id: &str, options: StopOptions) -> Result<(), Error> {
        let handle = self.shared.containers.find(id)?;
        let view = handle.view();
        if !view.life.is_running() {
            return Err(Error::new(Kind::NotModified, "container is already stopped"));
        }
        // Docker reports a wrong signal as its own failure here.
        let framed = |error: Error| Error::system(format!("cannot stop container: {id}: {error}"));
        let plan = plan(&options, &view.intent).map_err(framed)?;
        end(&handle, plan, true).await.map_err(framed)?;
        self.shared.announce_container(&view.intent, "stop", Default::default());
        Ok(())
    }
}

/// What the request and the container's own settings come to.
pub(super) fn plan(options: &StopOptions, intent: &Intent) -> Result<StopPlan, Error> {
    let own = signal::parse(&intent.config.stop_signal).unwrap_or(signal::TERM);
    let signal = match options.signal.as_deref() {
        None | Some("") => own,
        Some(text) => signal::parse_to_send(text).map_err(|error| Error::invalid(error.to_string()))?,
    };
    let seconds = options.timeout.or(intent.config.stop_timeout).unwrap_or(PATIENCE);
    Ok(StopPlan { signal, patience: u64::try_from(seconds).ok().map(Duration::from_secs) })
}

/// Signals, waits, kills, waits. `stay` is false when somebody will start it again.
pub(super) async fn end(handle: &Arc<Handle>, plan: StopPlan, stay: bool) -> Result<(), Error> {
    let ends = handle.view().life.past.ends;
    match handle.kill(plan.signal, stay).await {
        // It ended by itself in between.
        Err(error) if error.kind == Kind::Conflict => return Ok(()),
        other => other?,
    }
    match plan.patience {
        None => {
            wait_for_end(handle, ends).await;
            return Ok(());
        }
        Some(patience) => {
            if timeout(patience, wait_for_end(handle, ends)).await.is_ok() {
                return Ok(());
            }
        }
    }
    kill(handle, ends, stay).await
}

/// Kills, and waits until the end is seen.
pub(super) async fn kill(handle: &Arc<Handle>, ends: u64, stay: bool) -> Result<(), Error> {
    match handle.kill(signal::KILL, stay).await {
        Err(error) if error.kind == Kind::Conflict => return Ok(()),
        other => other?,
    }
    let seen = timeout(LAST_PATIENCE, wait_for_end(handle, ends)).await;
    seen.map_err(|_| Error::system("tried to kill container, but did not receive an exit event"))
}

/// Waits until the run that was the `ends`-th is over.
async fn wait_for_end(handle: &Arc<Handle>, ends: u64) {
    let is_over = |view: &Arc<View>| view.life.past.ends > ends || view.pid().is_none();
    // An error means that the container is gone, which is over, too.
    let _ = handle.watch().wait_for(is_over).await;
}
