//! `GET /networks` and `GET /networks/{id}`: records in the words of the API.

use engine_api::filters::Filters;
use engine_api::network::{Ipam, IpamConfig, Network, NetworkContainer};
use regex_lite::Regex;
use units::time;

use super::lookup::{self, LookupError};
use super::record::{Lease, Record};
use super::{Networks, State};
use crate::Engine;
use crate::error::Error;

impl Engine {
    /// `GET /networks`.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn network_list(&self, filters: Filters) -> Result<Vec<Network>, Error> {
        self.shared.networks.list(&filters)
    }

    /// `GET /networks/{id}`: by id, name, or the beginning of an id; `scope` narrows the search when not empty.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when several match.
    pub async fn network_inspect(&self, id: &str, scope: &str) -> Result<Network, Error> {
        if !["", "local"].contains(&scope) {
            return Err(LookupError::None(id.to_owned()).into());
        }
        self.shared.networks.inspect(id)
    }
}

impl Networks {
    pub(super) fn list(&self, filters: &Filters) -> Result<Vec<Network>, Error> {
        filters.validate(&["dangling", "driver", "id", "label", "name", "scope", "type"])?;
        let dangling = parse_dangling(filters)?;
        let kinds = parse_kinds(filters)?;
        let state = self.state();
        let wanted = |record: &&std::sync::Arc<Record>| {
            let in_use = record.is_predefined() || !state.users_of(&record.id).is_empty();
            filters.exact("driver", record.driver.name())
                && matches(filters, "name", &record.name)
                && matches(filters, "id", &record.id)
                && filters.labels("label", &record.labels)
                && filters.exact("scope", "local")
                && dangling.is_none_or(|dangling| dangling != in_use)
                && (kinds.is_empty() || kinds.contains(&record.is_predefined()))
        };
        let mut all: Vec<_> =
            state.networks.values().filter(wanted).map(|record| encode(record, &[])).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all)
    }

    pub(super) fn inspect(&self, term: &str) -> Result<Network, Error> {
        let state = self.state();
        let record = lookup::find(&state.networks, term).map_err(|error| match error {
            // This call has its own order of words.
            LookupError::Many { term, count } => Error::invalid(format!(
                "{count} matches found based on ID prefix: network {term} is ambiguous"
            )),
            LookupError::None(_) => error.into(),
        })?;
        Ok(encode(&record, &leases_of(&state, &record.id)))
    }
}

fn leases_of<'a>(state: &'a State, network: &str) -> Vec<&'a Lease> {
    state.leases.values().map(|held| &held.lease).filter(|lease| lease.network_id == network).collect()
}

fn parse_dangling(filters: &Filters) -> Result<Option<bool>, Error> {
    let values: Vec<_> = filters.get("dangling").collect();
    match values.as_slice() {
        [] => Ok(None),
        ["1" | "true"] => Ok(Some(true)),
        ["0" | "false"] => Ok(Some(false)),
        [_] => Err(Error::invalid(
            "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")",
        )),
        _ => Err(Error::invalid("got more than one value for filter key \"dangling\"")),
    }
}

/// Whether predefined networks, others, or both are wanted.
fn parse_kinds(filters: &Filters) -> Result<Vec<bool>, Error> {
    let kinds = filters.get("type").map(|kind| match kind {
        "builtin" => Ok(true),
        "custom" => Ok(false),
        kind => Err(Error::system(format!("invalid filter: 'type'='{kind}'"))),
    });
    kinds.collect()
}

/// Docker takes the values of these filters as regular expressions, and ignores those that are none.
fn matches(filters: &Filters, name: &str, text: &str) -> bool {
    filters.exact(name, text)
        || filters.get(name).any(|value| Regex::new(value).is_ok_and(|expression| expression.is_match(text)))
}

fn encode(record: &Record, leases: &[&Lease]) -> Network {
    Network {
        name: record.name.clone(),
        id: record.id.clone(),
        created: time::rfc3339_nano(record.created),
        scope: "local".to_owned(),
        driver: record.driver.name().to_owned(),
        enable_ipv4: true,
        ipam: Ipam {
            driver: "default".to_owned(),
            options: record.ipam_options.clone(),
            config: encode_ipam(record),
        },
        internal: record.internal,
        containers: leases.iter().map(|lease| (lease.container_id.clone(), encode_lease(lease))).collect(),
        options: record.options.clone(),
        labels: record.labels.clone(),
        ..Network::default()
    }
}

fn encode_ipam(record: &Record) -> Option<Vec<IpamConfig>> {
    if !record.ipam.is_empty() {
        return Some(record.ipam.clone());
    }
    let bridge = record.bridge.as_ref()?;
    Some(vec![IpamConfig {
        subnet: bridge.subnet.to_string(),
        gateway: bridge.gateway.to_string(),
        ..IpamConfig::default()
    }])
}

fn encode_lease(lease: &Lease) -> NetworkContainer {
    let text = |show: fn(&super::record::Interface) -> String| {
        lease.interface.as_ref().map(show).unwrap_or_default()
    };
    NetworkContainer {
        name: lease.container_name.clone(),
        endpoint_id: lease.endpoint_id.clone(),
        mac_address: text(|interface| interface.mac.to_string()),
        ipv4_address: text(|interface| interface.address.to_string()),
        ipv6_address: String::new(),
    }
}
