//! `contracts`: strips the published Engine API documents to what answers are checked against (paths, status
//! codes, fields, types, enums; no prose) and stores that in `contracts/`; with them the schemas of OCI containers.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::project;

/// The versions at which answers are validated.
const VERSIONS: [&str; 4] = ["1.41", "1.44", "1.47", "1.51"];

/// What a schema keeps; everything else is prose or advice.
const SCHEMA_KEYS: [&str; 10] = [
    "$ref",
    "type",
    "format",
    "enum",
    "properties",
    "items",
    "additionalProperties",
    "allOf",
    "required",
    "x-nullable",
];

const METHODS: [&str; 5] = ["get", "head", "post", "put", "delete"];

pub(crate) fn run(_: &[String]) -> Result<()> {
    let Some(source) = project::shared("data/engine-api") else {
        bail!("the published documents are not beside this checkout: the committed contracts stay");
    };
    let folder = project::root().join("contracts");
    for version in VERSIONS {
        let text = std::fs::read_to_string(source.join(format!("v{version}.yaml")))?;
        let document: Value = serde_saphyr::from_str(&text).with_context(|| format!("document {version}"))?;
        let name = format!("engine-api-{version}.json");
        std::fs::write(folder.join(&name), print(&strip(&document)))?;
        println!("contracts/{name}");
    }
    runtime_schemas()
}

/// The parts of the OCI runtime specification's schema that are about Linux, in one file.
fn runtime_schemas() -> Result<()> {
    let source = project::shared("data/oci/runtime-spec").context("no schemas beside the documents")?;
    let mut lines = Vec::new();
    for name in ["config-schema.json", "config-linux.json", "defs.json", "defs-linux.json"] {
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(source.join(name))?)?;
        lines.push(format!("\"{name}\": {}", without_prose(&schema)));
    }
    let file = "contracts/oci-runtime-1.3.json";
    std::fs::write(project::root().join(file), format!("{{\n{}\n}}\n", lines.join(",\n")))?;
    println!("{file}");
    Ok(())
}

/// The same without descriptions and names of the schema itself. What stands under `properties` and the like are names.
fn without_prose(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let kept =
                fields.iter().filter(|(key, _)| !matches!(key.as_str(), "description" | "$schema" | "id"));
            let strip = |(key, value): (&String, &Value)| match (key.as_str(), value) {
                ("properties" | "definitions" | "patternProperties", Value::Object(names)) => {
                    let names = names.iter().map(|(name, part)| (name.clone(), without_prose(part)));
                    (key.clone(), Value::Object(names.collect()))
                }
                _ => (key.clone(), without_prose(value)),
            };
            Value::Object(kept.map(strip).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_prose).collect()),
        other => other.clone(),
    }
}

fn strip(document: &Value) -> Value {
    let mut definitions = Map::new();
    for (name, schema) in object(&document["definitions"]) {
        definitions.insert(name.clone(), strip_schema(schema));
    }
    let mut paths = Map::new();
    for (path, methods) in object(&document["paths"]) {
        let mut kept = Map::new();
        for method in METHODS {
            if let Some(operation) = methods.get(method) {
                kept.insert(method.to_owned(), strip_operation(operation, &document["responses"]));
            }
        }
        paths.insert(path.clone(), Value::Object(kept));
    }
    serde_json::json!({ "definitions": definitions, "paths": paths })
}

fn strip_operation(operation: &Value, shared: &Value) -> Value {
    let mut parameters = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let mut kept = Map::new();
        for key in ["name", "in", "type", "enum", "required"] {
            if let Some(value) = parameter.get(key) {
                kept.insert(key.to_owned(), value.clone());
            }
        }
        if let Some(schema) = parameter.get("schema") {
            kept.insert("schema".to_owned(), strip_schema(schema));
        }
        parameters.push(Value::Object(kept));
    }
    let mut answers = Map::new();
    for (status, answer) in object(&operation["responses"]) {
        let named = answer["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let answer = named.map_or(answer, |name| &shared[name]);
        let schema = answer.get("schema").map_or(Value::Null, strip_schema);
        answers.insert(status.clone(), schema);
    }
    let mut kept = Map::new();
    if let Some(produces) = operation.get("produces") {
        kept.insert("produces".to_owned(), produces.clone());
    }
    kept.insert("parameters".to_owned(), Value::Array(parameters));
    kept.insert("responses".to_owned(), Value::Object(answers));
    Value::Object(kept)
}

fn strip_schema(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else { return schema.clone() };
    let mut kept = Map::new();
    for key in SCHEMA_KEYS {
        let Some(value) = fields.get(key) else { continue };
        let value = match key {
            "properties" => Value::Object(
                object(value).map(|(name, schema)| (name.clone(), strip_schema(schema))).collect(),
            ),
            "allOf" => Value::Array(value.as_array().into_iter().flatten().map(strip_schema).collect()),
            "items" | "additionalProperties" => strip_schema(value),
            _ => value.clone(),
        };
        kept.insert(key.to_owned(), value);
    }
    Value::Object(kept)
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// One line per definition and path, so that a change of the document reads as a change of lines.
fn print(document: &Value) -> String {
    let part = |name: &str| -> String {
        let lines: Vec<String> = object(&document[name])
            .map(|(key, value)| format!("    {}: {value}", Value::from(key.as_str())))
            .collect();
        format!("  \"{name}\": {{\n{}\n  }}", lines.join(",\n"))
    };
    format!("{{\n{},\n{}\n}}\n", part("definitions"), part("paths"))
}
