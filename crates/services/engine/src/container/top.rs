//! `GET /containers/{id}/top`: what `ps` shows on the host, of the container's processes alone.
//!
//! Docker runs the host's `ps`; Gantry runs no helper programs and reads `/proc` itself, for the forms of `ps`
//! that people use: `-ef`, `aux`, and columns of one's own by `-o`.

mod columns;
mod process;

use engine_api::StringMap;
use engine_api::container::ContainerTopResponse;
use shim::Request;
use shim::protocol::Answer;

use self::columns::Format;
use self::process::{Snapshot, read_process};
use crate::engine::blocking;
use crate::{Engine, Error};

impl Engine {
    /// Lists the container's processes in the columns that `ps_args` asks for; `-ef` when empty.
    ///
    /// # Errors
    /// `Conflict` when it does not run; `System`, as Docker, for words that `ps` does not know.
    pub async fn container_top(&self, id: &str, ps_args: &str) -> Result<ContainerTopResponse, Error> {
        let format = Format::parse(if ps_args.is_empty() { "-ef" } else { ps_args })?;
        let view = self.shared.containers.find(id)?.view();
        if view.life.is_restarting() {
            let id = view.id();
            return Err(Error::conflict(format!(
                "Container {id} is restarting, wait until the container is running"
            )));
        }
        let not_running = || Error::conflict(format!("container {} is not running", view.id()));
        let supervisor = view.supervisor.as_ref().filter(|_| view.pid().is_some()).ok_or_else(not_running)?;
        let Answer::Processes(pids) = supervisor
            .call(Request::Processes, vec![])
            .await
            .map_err(|error| Error::system(error.to_string()))?
        else {
            return Err(Error::system("the supervisor answered out of turn"));
        };
        let answer = blocking(move || Ok(list(&format, &pids))).await?;
        self.shared.announce_container(&view.intent, "top", StringMap::new());
        Ok(answer)
    }
}

fn list(format: &Format, pids: &[u32]) -> ContainerTopResponse {
    let snapshot = Snapshot::take();
    let mut pids = pids.to_vec();
    pids.sort_unstable();
    // A process may end between the list and the look.
    let processes = pids.iter().filter_map(|pid| read_process(*pid));
    ContainerTopResponse {
        titles: format.titles(),
        processes: processes.map(|process| format.row(&process, &snapshot)).collect(),
    }
}
