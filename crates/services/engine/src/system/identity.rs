//! The name of a data root that stays the same across restarts.

use db::{Batch, Db};

use crate::error::Error;
use crate::names;

const TABLE: &str = "meta";
const KEY: &str = "engine-id";

/// Reads the identity, or makes one: a random UUID.
pub(crate) fn ensure(db: &Db) -> Result<String, Error> {
    if let Some(known) = db.get(TABLE, KEY) {
        return Ok(String::from_utf8_lossy(&known).into_owned());
    }
    let digits = names::random_id().map_err(|error| Error::from_cause("no randomness", &error))?;
    let id = format!(
        "{}-{}-4{}-a{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    );
    let recorded = db.commit(Batch::new().put(TABLE, KEY, id.clone().into_bytes()));
    recorded.map_err(|error| Error::from_cause("cannot record the engine's identity", &error))?;
    Ok(id)
}
