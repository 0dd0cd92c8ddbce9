//! The answer of a call that failed.

use serde::{Deserialize, Serialize};

/// Engine API `ErrorResponse`, with Gantry's `hint` beside Docker's `message`; other clients ignore it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorResponse {
    /// What failed, in Docker's wording: clients match on it.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
