//! `POST /containers/{id}/resize`.

use engine_api::StringMap;
use shim::{RefusalKind, Request};

use super::supervisor::CallError;
use crate::{Engine, Error};

impl Engine {
    /// Gives the container's terminal another size. Without a terminal nothing happens, as with Docker.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub async fn container_resize(&self, id: &str, height: u32, width: u32) -> Result<(), Error> {
        let view = self.shared.containers.find(id)?.view();
        let not_running = || Error::conflict(format!("container {} is not running", view.id()));
        let supervisor = view.supervisor.as_ref().filter(|_| view.pid().is_some()).ok_or_else(not_running)?;
        let request = Request::Resize { exec: None, rows: clamp(height), columns: clamp(width) };
        match supervisor.call(request, vec![]).await {
            Ok(_) => {}
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => {}
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::NotRunning => {
                return Err(not_running());
            }
            Err(error) => return Err(Error::system(error.to_string())),
        }
        let attributes = StringMap::from([
            ("height".to_owned(), height.to_string()),
            ("width".to_owned(), width.to_string()),
        ]);
        self.shared.announce_container(&view.intent, "resize", attributes);
        Ok(())
    }
}

/// The kernel counts characters with 16 bits.
pub(super) fn clamp(size: u32) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}
