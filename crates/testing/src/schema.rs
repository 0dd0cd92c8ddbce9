//! JSON against the published schemas of the OCI runtime specification: as much of JSON Schema as these use.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

/// Stripped by `cargo xtask contracts`: file name to schema.
static FILES: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let text = include_str!("../../../contracts/oci-runtime-1.3.json");
    serde_json::from_str(text).expect("the contract is JSON")
});

/// What a container's `config.json` breaks, each with its place in the document; empty when it is valid.
#[must_use]
pub fn faults_of_config(document: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let file = "config-schema.json";
    Checker { file, faults: &mut faults }.check(&FILES[file], document, "");
    faults
}

struct Checker<'a> {
    /// The file that references without a name mean.
    file: &'a str,
    faults: &'a mut Vec<String>,
}

impl Checker<'_> {
    fn check(&mut self, schema: &Value, value: &Value, place: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            self.follow(reference, value, place);
        }
        for part in list(&schema["allOf"]) {
            self.check(part, value, place);
        }
        let choices = list(&schema["anyOf"]);
        if !choices.is_empty() && !choices.iter().any(|choice| self.accepts(choice, value)) {
            self.complain(place, "fits none of the choices");
        }
        if let Some(kind) = schema["type"].as_str()
            && !is_of_type(kind, value)
        {
            return self.complain(place, &format!("is no {kind}: {value}"));
        }
        let allowed = list(&schema["enum"]);
        if !allowed.is_empty() && !allowed.contains(value) {
            self.complain(place, &format!("is none of {allowed:?}: {value}"));
        }
        self.check_bounds(schema, value, place);
        self.check_fields(schema, value, place);
        for (index, item) in list(value).iter().enumerate() {
            self.check(&schema["items"], item, &format!("{place}[{index}]"));
        }
    }

    fn check_bounds(&mut self, schema: &Value, value: &Value, place: &str) {
        let too_low = schema["minimum"].as_f64().zip(value.as_f64()).is_some_and(|(least, it)| it < least);
        let too_high = schema["maximum"].as_f64().zip(value.as_f64()).is_some_and(|(most, it)| it > most);
        if too_low || too_high {
            self.complain(place, &format!("is out of bounds: {value}"));
        }
        if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
            && !Regex::new(pattern).expect("the schema's pattern").is_match(text)
        {
            self.complain(place, &format!("is not like {pattern}: {text}"));
        }
        if schema["minItems"].as_u64().is_some_and(|least| (list(value).len() as u64) < least) {
            self.complain(place, "has too few entries");
        }
    }

    fn check_fields(&mut self, schema: &Value, value: &Value, place: &str) {
        let Some(fields) = value.as_object() else { return };
        for name in list(&schema["required"]).iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.complain(place, &format!("lacks {name}"));
            }
        }
        for (name, field) in fields {
            let place = format!("{place}.{name}");
            let by_pattern = schema["patternProperties"].as_object().into_iter().flatten();
            let matching =
                by_pattern.filter(|(pattern, _)| Regex::new(pattern).expect("a pattern").is_match(name));
            let mut known = schema["properties"].get(name).into_iter().chain(matching.map(|(_, part)| part));
            match known.next() {
                Some(part) => self.check(part, field, &place),
                None if schema["additionalProperties"] == false => self.complain(&place, "is unknown"),
                None => self.check(&schema["additionalProperties"], field, &place),
            }
        }
    }

    fn follow(&mut self, reference: &str, value: &Value, place: &str) {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let file = if file.is_empty() { self.file } else { file };
        match FILES.get(file).and_then(|schema| schema.pointer(pointer)) {
            Some(schema) => Checker { file, faults: self.faults }.check(schema, value, place),
            None => self.complain(place, &format!("is described in {reference}, which is not here")),
        }
    }

    fn accepts(&self, schema: &Value, value: &Value) -> bool {
        let mut faults = Vec::new();
        Checker { file: self.file, faults: &mut faults }.check(schema, value, "");
        faults.is_empty()
    }

    fn complain(&mut self, place: &str, what: &str) {
        self.faults.push(format!("{place} {what}"));
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_of_type(kind: &str, value: &Value) -> bool {
    match kind {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("a type that no schema of ours has: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_is_held_against_the_published_schema() {
        let good = json!({ "ociVersion": "1.3.0", "root": { "path": "rootfs" } });
        assert_eq!(faults_of_config(&good), Vec::<String>::new());
        let bad = json!({
            "ociVersion": 1,
            "root": {},
            "process": { "cwd": "/", "rlimits": [{ "type": "RLIMIT_X", "soft": -1, "hard": "x" }] },
            "linux": { "devices": [{ "type": "z", "path": "/dev/x" }] },
        });
        let faults = faults_of_config(&bad).join("\n");
        for fault in [
            ".ociVersion is no string",
            ".root lacks path",
            ".process.rlimits[0].soft is out of bounds",
            ".process.rlimits[0].hard is no integer",
            ".linux.devices[0].type is",
        ] {
            assert!(faults.contains(fault), "{fault} is not in\n{faults}");
        }
    }
}
