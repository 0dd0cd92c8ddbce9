//! `POST /containers/prune`.

use std::time::SystemTime;

use engine_api::StringMap;
use engine_api::container::ContainerPruneResponse;
use engine_api::filters::Filters;
use units::time;

use super::handle::Request;
use crate::events::Subject;
use crate::system::disk::folder_bytes;
use crate::{Engine, Error};

impl Engine {
    /// Removes containers that do not run.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn container_prune(&self, filters: Filters) -> Result<ContainerPruneResponse, Error> {
        filters.validate(&["label", "label!", "until"])?;
        let until = parse_until(&filters)?;
        let mut report = ContainerPruneResponse { containers_deleted: None, space_reclaimed: 0 };
        for handle in self.shared.containers.handles() {
            let view = handle.view();
            let labels = view.intent.config.labels.clone().unwrap_or_default();
            let excluded = filters.contains("label!") && filters.labels("label!", &labels);
            let young = until.is_some_and(|until| view.intent.created > until);
            if view.life.is_running() || young || excluded || !filters.labels("label", &labels) {
                continue;
            }
            let layer = self.shared.config.data_root.join("overlay2").join(view.id()).join("diff");
            let size = folder_bytes(&layer);
            let removed = handle.ask(|reply| Request::Remove { force: false, volumes: false, reply }).await;
            if removed.is_ok() {
                report.space_reclaimed += size;
                report.containers_deleted.get_or_insert_default().push(view.id().to_owned());
            }
        }
        let attributes = StringMap::from([("reclaimed".to_owned(), report.space_reclaimed.to_string())]);
        self.shared.events.publish(Subject::Container, "prune", "", attributes);
        Ok(report)
    }
}

fn parse_until(filters: &Filters) -> Result<Option<SystemTime>, Error> {
    let mut values = filters.get("until");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => {
            time::parse_moment(text, SystemTime::now(), 0).map(Some).map_err(Error::invalid)
        }
        (Some(_), Some(_)) => Err(Error::invalid("more than one until filter specified")),
    }
}
