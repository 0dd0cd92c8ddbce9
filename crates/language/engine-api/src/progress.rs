//! The lines of a progress stream: pull, load, import.
#![expect(missing_docs, reason = "the fields are those of the Engine API document, which describes them")]

use crate::is_zero;
use serde::{Deserialize, Serialize};

/// One line of a progress stream (Engine API `CreateImageInfo`, `BuildInfo`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressLine {
    #[serde(skip_serializing_if = "is_zero")]
    pub stream: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub status: String,
    #[serde(rename = "progressDetail", skip_serializing_if = "Option::is_none")]
    pub progress_detail: Option<ProgressDetail>,
    #[serde(skip_serializing_if = "is_zero")]
    pub progress: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub id: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub from: String,
    #[serde(skip_serializing_if = "is_zero")]
    pub time: i64,
    #[serde(rename = "timeNano", skip_serializing_if = "is_zero")]
    pub time_nano: i64,
    #[serde(rename = "errorDetail", skip_serializing_if = "Option::is_none")]
    pub error_detail: Option<ErrorDetail>,
    #[serde(skip_serializing_if = "is_zero")]
    pub error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aux: Option<serde_json::Value>,
}

/// Engine API `ProgressDetail`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    #[serde(skip_serializing_if = "is_zero")]
    pub current: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub total: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub start: i64,
    #[serde(rename = "hidecounts", skip_serializing_if = "is_zero")]
    pub hide_counts: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub units: String,
}

/// Engine API `ErrorDetail`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    #[serde(skip_serializing_if = "is_zero")]
    pub code: i64,
    #[serde(skip_serializing_if = "is_zero")]
    pub message: String,
}

impl ProgressLine {
    /// `{"status": …, "id": …}`: a plain message, with an empty `id` left out.
    pub fn message(id: impl Into<String>, status: impl Into<String>) -> ProgressLine {
        ProgressLine { id: id.into(), status: status.into(), ..ProgressLine::default() }
    }

    /// A line about one layer: `{"status": …, "progressDetail": {…}, "id": …}`.
    pub fn layer(id: impl Into<String>, status: impl Into<String>, detail: ProgressDetail) -> ProgressLine {
        ProgressLine { progress_detail: Some(detail), ..ProgressLine::message(id, status) }
    }

    /// `{"stream": …}`.
    pub fn stream(text: impl Into<String>) -> ProgressLine {
        ProgressLine { stream: text.into(), ..ProgressLine::default() }
    }

    /// The last line of a stream that failed after its head was sent.
    pub fn error(message: impl Into<String>) -> ProgressLine {
        let message = message.into();
        ProgressLine {
            error_detail: Some(ErrorDetail { code: 0, message: message.clone() }),
            error: message,
            ..ProgressLine::default()
        }
    }

    /// The line as JSON with the line end of Docker's streams (CR LF).
    pub fn to_line(&self) -> Vec<u8> {
        // A struct of texts and numbers always encodes.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.extend_from_slice(b"\r\n");
        line
    }
}
