//! What happened: the lines of `GET /events`.
#![expect(missing_docs, reason = "the fields are those of the Engine API document, which describes them")]

use crate::{StringMap, is_zero};
use serde::{Deserialize, Serialize};

/// Engine API `EventActor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EventActor {
    #[serde(rename = "ID")]
    pub id: String,
    pub attributes: StringMap,
}

/// Engine API `EventMessage`. `status`, `id` and `from` repeat action, actor and image for old clients, as
/// Docker 28.5 still does for containers and images; see [`EventMessage::with_legacy_fields`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventMessage {
    #[serde(skip_serializing_if = "is_zero")]
    pub status: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub id: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub from: String,
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(rename = "Action")]
    pub action: String,
    #[serde(rename = "Actor")]
    pub actor: EventActor,
    #[serde(skip_serializing_if = "is_zero")]
    pub scope: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub time: i64,
    #[serde(rename = "timeNano", skip_serializing_if = "is_zero")]
    pub time_nano: i64,
}

impl EventMessage {
    /// Fills `status`, `id` and `from` for containers and images, as Docker does.
    pub fn with_legacy_fields(mut self) -> EventMessage {
        if self.kind == "container" || self.kind == "image" {
            self.status.clone_from(&self.action);
            self.id.clone_from(&self.actor.id);
            if self.kind == "container" {
                self.from = self.actor.attributes.get("image").cloned().unwrap_or_default();
            }
        }
        self
    }
}
