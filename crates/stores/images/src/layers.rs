//! Which unpacked layers are there and how many images, containers and transfers hold each. Pure.

use std::collections::HashMap;

use reference::Digest;
use serde::{Deserialize, Serialize};

/// What the intent store keeps of a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LayerRecord {
    /// Bytes of its files.
    pub(crate) size: u64,
}

/// The layers by the digest of their plain archive.
#[derive(Debug, Clone, Default)]
pub(crate) struct LayerTable {
    entries: HashMap<Digest, Entry>,
    containers: HashMap<String, Vec<Digest>>,
}

#[derive(Debug, Clone)]
struct Entry {
    size: u64,
    holds: usize,
    is_recorded: bool,
}

/// A layer that nobody holds any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unheld {
    pub(crate) diff_id: Digest,
    pub(crate) is_recorded: bool,
}

impl LayerTable {
    /// Adds a layer that the intent store knows; nobody holds it yet.
    pub(crate) fn add_recorded(&mut self, diff_id: Digest, size: u64) {
        self.entries.insert(diff_id, Entry { size, holds: 0, is_recorded: true });
    }

    /// Adds a layer that was just put in place, held once.
    pub(crate) fn add_new(&mut self, diff_id: Digest, size: u64) {
        self.entries.insert(diff_id, Entry { size, holds: 1, is_recorded: false });
    }

    /// Holds a layer, if it is there. The answer is its size.
    pub(crate) fn hold(&mut self, diff_id: &Digest) -> Option<u64> {
        let entry = self.entries.get_mut(diff_id)?;
        entry.holds += 1;
        Some(entry.size)
    }

    /// Lets go of each layer once, and forgets those that nobody holds any more.
    pub(crate) fn release(&mut self, diff_ids: &[Digest]) -> Vec<Unheld> {
        let mut unheld = Vec::new();
        for diff_id in diff_ids {
            let Some(entry) = self.entries.get_mut(diff_id) else { continue };
            entry.holds = entry.holds.saturating_sub(1);
            if entry.holds == 0 {
                unheld.push(Unheld { diff_id: diff_id.clone(), is_recorded: entry.is_recorded });
                self.entries.remove(diff_id);
            }
        }
        unheld
    }

    /// Forgets all layers that nobody holds.
    pub(crate) fn take_unheld(&mut self) -> Vec<Unheld> {
        let idle = self.entries.extract_if(|_, entry| entry.holds == 0);
        idle.map(|(diff_id, entry)| Unheld { diff_id, is_recorded: entry.is_recorded }).collect()
    }

    /// The layers among `diff_ids` that the intent store does not know yet, each once, with their sizes.
    pub(crate) fn unrecorded(&self, diff_ids: &[Digest]) -> Vec<(Digest, u64)> {
        let mut list: Vec<(Digest, u64)> = diff_ids
            .iter()
            .filter_map(|id| {
                self.entries.get(id).filter(|entry| !entry.is_recorded).map(|entry| (id.clone(), entry.size))
            })
            .collect();
        list.sort();
        list.dedup();
        list
    }

    pub(crate) fn mark_recorded(&mut self, diff_ids: &[Digest]) {
        for diff_id in diff_ids {
            if let Some(entry) = self.entries.get_mut(diff_id) {
                entry.is_recorded = true;
            }
        }
    }

    pub(crate) fn contains(&self, diff_id: &Digest) -> bool {
        self.entries.contains_key(diff_id)
    }

    pub(crate) fn size(&self, diff_id: &Digest) -> Option<u64> {
        self.entries.get(diff_id).map(|entry| entry.size)
    }

    /// Holds the layers of a container, once however often it is asked. False if one is not there.
    pub(crate) fn hold_for_container(&mut self, container: &str, diff_ids: &[Digest]) -> bool {
        if self.containers.contains_key(container) {
            return true;
        }
        if !diff_ids.iter().all(|diff_id| self.entries.contains_key(diff_id)) {
            return false;
        }
        for diff_id in diff_ids {
            self.hold(diff_id);
        }
        self.containers.insert(container.to_owned(), diff_ids.to_vec());
        true
    }

    /// Lets go of a container's layers.
    pub(crate) fn release_container(&mut self, container: &str) -> Vec<Unheld> {
        match self.containers.remove(container) {
            Some(diff_ids) => self.release(&diff_ids),
            None => Vec::new(),
        }
    }

    /// The layers of a container, lowest first.
    pub(crate) fn of_container(&self, container: &str) -> Option<&[Digest]> {
        self.containers.get(container).map(Vec::as_slice)
    }

    /// The layer lists of all containers, each lowest first.
    pub(crate) fn container_stacks(&self) -> impl Iterator<Item = &[Digest]> {
        self.containers.values().map(Vec::as_slice)
    }
}

/// The chain ID of each layer of a stack: what Docker calls a layer *together with those below it*.
pub(crate) fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            None => diff_id.clone(),
            Some(below) => crate::blob::digest_of(format!("{below} {diff_id}").as_bytes()),
        };
        chain.push(next);
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(digit: char) -> Digest {
        Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
    }

    #[test]
    fn a_layer_lives_as_long_as_someone_holds_it() {
        let mut table = LayerTable::default();
        table.add_new(layer('a'), 5);
        assert_eq!(table.hold(&layer('a')), Some(5));
        assert!(table.hold_for_container("c", &[layer('a')]));
        assert!(table.hold_for_container("c", &[layer('a')]));
        assert_eq!(table.release(&[layer('a'), layer('a')]), []);
        assert_eq!(table.release_container("c"), [Unheld { diff_id: layer('a'), is_recorded: false }]);
        assert_eq!(table.hold(&layer('a')), None);
        assert!(!table.hold_for_container("d", &[layer('a')]));
    }

    #[test]
    fn a_layer_may_stand_twice_in_one_image() {
        let mut table = LayerTable::default();
        table.add_recorded(layer('a'), 1);
        table.hold(&layer('a'));
        table.hold(&layer('a'));
        assert_eq!(table.release(&[layer('a'), layer('a')]).len(), 1);
    }

    #[test]
    fn chains_name_what_is_below() {
        let chain = chain_ids(&[layer('a'), layer('b')]);
        assert_eq!(chain[0], layer('a'));
        assert_eq!(chain[1], crate::blob::digest_of(format!("{} {}", layer('a'), layer('b')).as_bytes()));
    }
}
