//! Docker's first archive: a folder per layer with `json` and `layer.tar`, and names in `repositories`.
//!
//! Such layers have no digests: they would have to be unpacked before the configs can be written. Nothing
//! has made these archives since 2016, so they are told from damage and refused.

use super::spool::Spool;
use super::{LoadError, Planned};

pub(super) fn plan(spool: &Spool) -> Result<Vec<Planned>, LoadError> {
    // What Docker misses first in an archive that is no image at all: the `json` of its first folder.
    match spool.folders().first() {
        Some(folder) if spool.find(&format!("{folder}/json")).is_none() => {
            Err(spool.missing(&format!("{folder}/json")))
        }
        Some(_) => Err(LoadError::TooOld),
        None => Err(spool.missing("repositories")),
    }
}
