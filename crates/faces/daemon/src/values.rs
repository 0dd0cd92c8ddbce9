//! What was said, by flag or by daemon.json, under the flag's name. Nobody says the same thing in both.

use crate::options::key_of;
use flags::Typed;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that was said.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    /// The command line.
    pub(crate) typed: Typed,
    /// daemon.json, flattened; keys as written there.
    pub(crate) file: BTreeMap<String, Value>,
}

impl Values {
    fn in_file(&self, flag: &str) -> Option<&Value> {
        self.file.get(key_of(flag)).filter(|value| !value.is_null())
    }

    /// Whether anybody said anything.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.typed.has(flag) || self.in_file(flag).is_some()
    }

    /// A switch.
    pub(crate) fn is_on(&self, flag: &str) -> bool {
        self.in_file(flag).and_then(Value::as_bool).unwrap_or_else(|| self.typed.is_on(flag))
    }

    /// A text; the flag's default when nobody said anything.
    pub(crate) fn text(&self, flag: &str) -> &str {
        self.in_file(flag).and_then(Value::as_str).unwrap_or_else(|| self.typed.text(flag))
    }

    /// A text that was said and is not empty.
    pub(crate) fn given(&self, flag: &str) -> Option<&str> {
        self.has(flag).then(|| self.text(flag)).filter(|text| !text.is_empty())
    }

    /// A number.
    pub(crate) fn number(&self, flag: &str) -> i64 {
        self.in_file(flag).and_then(Value::as_i64).unwrap_or_else(|| self.typed.int(flag))
    }

    /// A list of texts.
    pub(crate) fn list(&self, flag: &str) -> Vec<String> {
        match self.in_file(flag) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => self.typed.all(flag).into_iter().map(str::to_owned).collect(),
        }
    }

    /// Texts by name.
    pub(crate) fn map(&self, flag: &str) -> BTreeMap<String, String> {
        match self.in_file(flag) {
            Some(Value::Object(members)) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            _ => self
                .typed
                .all(flag)
                .into_iter()
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    /// The document's value as it is, for shapes of their own.
    pub(crate) fn document(&self, flag: &str) -> Option<&Value> {
        self.in_file(flag)
    }
}
