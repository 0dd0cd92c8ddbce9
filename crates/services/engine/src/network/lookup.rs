//! A network by its id, its name, or the beginning of its id. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::record::Record;
use crate::error::{Explain, Kind};

/// Why a name led to no network. Displays in Docker's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LookupError {
    /// Nothing matches.
    #[error("network {0} not found")]
    None(String),
    /// Several ids begin so.
    #[error("network {term} is ambiguous ({count} matches found based on ID prefix)")]
    Many { term: String, count: usize },
}

impl Explain for LookupError {
    fn kind(&self) -> Kind {
        match self {
            LookupError::None(_) => Kind::NotFound,
            LookupError::Many { .. } => Kind::InvalidParameter,
        }
    }
}

/// A full id comes first, then a name, then the beginning of an id.
pub(super) fn find(networks: &BTreeMap<String, Arc<Record>>, term: &str) -> Result<Arc<Record>, LookupError> {
    if let Some(record) = networks.get(term) {
        return Ok(record.clone());
    }
    if let Some(record) = networks.values().find(|record| record.name == term) {
        return Ok(record.clone());
    }
    let mut matches = networks.values().filter(|record| !term.is_empty() && record.id.starts_with(term));
    match (matches.next(), matches.count()) {
        (None, _) => Err(LookupError::None(term.to_owned())),
        (Some(record), 0) => Ok(record.clone()),
        (Some(_), more) => Err(LookupError::Many { term: term.to_owned(), count: more + 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Driver;
    use super::*;

    #[test]
    fn ids_names_and_prefixes_are_found_in_this_order() {
        let record = |id: &str, name: &str| {
            let record = Record {
                id: id.to_owned(),
                name: name.to_owned(),
                created: std::time::SystemTime::UNIX_EPOCH,
                driver: Driver::Host,
                internal: false,
                labels: Default::default(),
                options: Default::default(),
                ipam_options: None,
                ipam: Vec::new(),
                bridge: None,
            };
            (id.to_owned(), Arc::new(record))
        };
        let all = BTreeMap::from([record("abc1", "front"), record("abd2", "abc"), record("x", "abc1")]);
        let name = |term: &str| find(&all, term).map(|record| record.name.clone());
        assert_eq!(name("abc1").as_deref(), Ok("front"));
        assert_eq!(name("abc").as_deref(), Ok("abc"));
        assert_eq!(name("abd").as_deref(), Ok("abc"));
        assert_eq!(
            name("ab").unwrap_err().to_string(),
            "network ab is ambiguous (2 matches found based on ID prefix)"
        );
        assert_eq!(name("nope").unwrap_err().to_string(), "network nope not found");
        assert_eq!(name("").unwrap_err(), LookupError::None(String::new()));
    }
}
