//! Answers of the API held against the published document of their version (`contracts/engine-api-*.json`).
//!
//! Checked are: the path and status are known, every field has the documented type, every value of an
//! enumeration is in it, required fields are there. Fields beyond the document are allowed. Where Docker 28.5
//! itself departs from the document, `contracts/departures.txt` says so, and Docker is followed.

use std::path::PathBuf;

use serde_json::Value;

use crate::http::Answer;

/// The versions whose documents are kept.
pub const VERSIONS: [&str; 4] = ["1.41", "1.44", "1.47", "1.51"];

/// One version's document.
#[derive(Debug)]
pub struct Contract {
    document: Value,
    departures: Vec<String>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts"))
}

/// Reads a file of `contracts/`.
///
/// # Panics
/// When it is missing: a contract that is not there is broken.
pub fn read(name: &str) -> String {
    let path = folder().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("contract {}: {error}", path.display()))
}

impl Contract {
    /// The contract of a version such as `1.47`.
    ///
    /// # Panics
    /// When it is missing or damaged.
    pub fn load(version: &str) -> Self {
        let document =
            serde_json::from_str(&read(&format!("engine-api-{version}.json"))).expect("contracts are JSON");
        let departures = read("departures.txt")
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.split("  ").next().unwrap_or_default().to_owned())
            .collect();
        Self { document, departures }
    }

    /// Every way in which `answer` to `method path` breaks the contract; `path` is without the version.
    pub fn complaints(&self, method: &str, path: &str, answer: &Answer) -> Vec<String> {
        let bare = path.split('?').next().unwrap_or(path);
        let Some((template, operation)) = self.operation(method, bare) else {
            return vec![format!("{method} {bare}: not in the document")];
        };
        let place = format!("{method} {template} {}", answer.status);
        let Some(schema) = operation["responses"].get(answer.status.to_string()) else {
            return self.depart(vec![format!("{place}: status not in the document")]);
        };
        let mut found = Vec::new();
        if !schema.is_null() && !answer.body.is_empty() {
            match serde_json::from_slice::<Value>(&answer.body) {
                Ok(value) => self.check(schema, &value, &place, &mut found),
                Err(_) if schema["type"] == "string" || schema["format"] == "binary" => {}
                Err(error) => found.push(format!("{place}: no JSON: {error}")),
            }
        }
        self.depart(found)
    }

    fn depart(&self, mut found: Vec<String>) -> Vec<String> {
        found.retain(|complaint| !self.departures.iter().any(|known| complaint.starts_with(known.as_str())));
        found
    }

    /// The template that matches the path most literally, with its operation.
    fn operation(&self, method: &str, path: &str) -> Option<(&str, &Value)> {
        let method = method.to_ascii_lowercase();
        let paths = self.document["paths"].as_object()?;
        let matching = paths
            .iter()
            .filter(|(template, methods)| methods.get(&method).is_some() && matches_template(template, path));
        let (template, methods) = matching.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((template, &methods[method.as_str()]))
    }

    fn check(&self, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check(part, value, place, found);
        }
        let Some(kind) = schema["type"].as_str() else {
            return self.check_fields(schema, value, place, found);
        };
        // Go writes a nil slice or map as null, and the document does not say so.
        let may_be_null = schema["x-nullable"] == true || matches!(kind, "array" | "object");
        if value.is_null() && may_be_null {
            return;
        }
        let fits = match kind {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => true,
        };
        if !fits {
            found.push(format!("{place}: {} instead of {kind}", kind_of(value)));
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            found.push(format!("{place}: {value} is none of {}", Value::from(allowed.clone())));
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.check(
                &schema["items"],
                item,
                &format!("{place}[{}]", if index == 0 { "" } else { "…" }),
                found,
            );
        }
        self.check_fields(schema, value, place, found);
    }

    fn check_fields(&self, schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
        let Some(fields) = value.as_object() else { return };
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                found.push(format!("{place}.{name}: required and not there"));
            }
        }
        for (name, field) in fields {
            if let Some(schema) = schema["properties"].get(name) {
                self.check(schema, field, &format!("{place}.{name}"), found);
            } else if schema["additionalProperties"].is_object() {
                self.check(&schema["additionalProperties"], field, &format!("{place}.*"), found);
            }
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/")) {
            Some(name) => self.resolve(&self.document["definitions"][name]),
            None => schema,
        }
    }
}

fn matches_template(template: &str, path: &str) -> bool {
    let (mut names, mut words) = (template.split('/'), path.split('/'));
    loop {
        match (names.next(), words.next()) {
            (None, None) => return true,
            (Some(name), Some(word)) if name == word || (name.starts_with('{') && !word.is_empty()) => {}
            _ => return false,
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(status: u16, body: &str) -> Vec<String> {
        let answer =
            Answer { asked: String::new(), status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        Contract::load("1.51").complaints("GET", "/containers/abc/json?size=1", &answer)
    }

    #[test]
    fn wrong_types_values_and_statuses_are_found() {
        let found = complaints(200, r#"{"Id":1,"State":{"Status":"flying","Pid":"7"}}"#).join("\n");
        for part in [
            ".Id: number instead of string",
            ".State.Status: \"flying\" is none of",
            ".State.Pid: string instead",
        ] {
            assert!(found.contains(part), "{found}");
        }
        assert!(complaints(299, "").join("").contains("status not in the document"));
    }

    #[test]
    fn a_proper_answer_passes() {
        assert_eq!(complaints(404, r#"{"message":"No such container: abc"}"#), Vec::<String>::new());
    }
}
