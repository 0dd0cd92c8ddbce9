//! `DELETE /networks/{id}`.

use super::Networks;
use super::lookup;
use super::record::NETWORKS;
use crate::engine::blocking;
use crate::error::{Error, Kind};
use crate::{Engine, fault};

impl Engine {
    /// `DELETE /networks/{id}`.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` while containers are on it or for a predefined one.
    pub async fn network_remove(&self, id: &str) -> Result<(), Error> {
        let (networks, id) = (self.shared.networks.clone(), id.to_owned());
        blocking(move || networks.remove(&id)).await
    }
}

impl Networks {
    pub(super) fn remove(&self, term: &str) -> Result<(), Error> {
        let record = {
            let mut state = self.state();
            let record = lookup::find(&state.networks, term)?;
            if record.is_predefined() {
                let text = format!("{} is a pre-defined network and cannot be removed", record.name);
                return Err(Error::new(Kind::Forbidden, text));
            }
            let users = state.users_of(&record.id);
            if !users.is_empty() {
                return Err(in_use(&record.name, &users));
            }
            // No container can come onto it from here on; name and subnet stay taken until it is gone.
            state.networks.remove(&record.id);
            state.pending.insert(record.id.clone(), record.clone());
            record
        };
        // The record goes last: what a crash leaves of the rest is found and raised again by it.
        self.lower(&record);
        let outcome = self.record_removal(&record.id);
        let mut state = self.state();
        state.pending.remove(&record.id);
        if outcome.is_err() {
            state.networks.insert(record.id.clone(), record.clone());
            drop(state);
            self.raise(&record)?;
            return outcome;
        }
        drop(state);
        self.announce(&record, "destroy", None);
        Ok(())
    }

    fn record_removal(&self, id: &str) -> Result<(), Error> {
        fault::point("network.lowered")?;
        let committed = self.inner.db.commit(db::Batch::new().delete(NETWORKS, id));
        committed.map_err(|error| Error::from_cause("cannot record the removal", &error))
    }
}

/// Docker's refusal, with the containers' names and the beginnings of their endpoints' ids.
fn in_use(name: &str, users: &[(String, String)]) -> Error {
    let list: Vec<_> = users
        .iter()
        .map(|(container, endpoint)| {
            format!("name:{container:?} id:{:?}", endpoint.get(..12).unwrap_or(endpoint))
        })
        .collect();
    let text =
        format!("error while removing network: network {name} has active endpoints ({})", list.join(", "));
    Error::new(Kind::Forbidden, text).with_hint("stop or remove these containers first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_in_use_names_its_containers() {
        let users = [("web".to_owned(), "0123456789abcdef".to_owned()), ("db".to_owned(), "f".repeat(64))];
        assert_eq!(
            in_use("net1", &users).message,
            "error while removing network: network net1 has active endpoints (name:\"web\" id:\"0123456789ab\", name:\"db\" id:\"ffffffffffff\")"
        );
    }
}
