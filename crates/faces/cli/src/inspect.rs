//! What all `inspect` commands share: objects by name, as a list of documents or through a template.

use crate::failure::{Failure, fail};
use crate::output;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Value};
use template::{MissingField, Template, TemplateError};

/// Exit code for a template that is none.
const BAD_TEMPLATE: u8 = 64;

/// Looks all `names` up by `find` and shows what was found in `format`.
///
/// # Errors
/// The objects that were not found, after the others were shown.
pub(crate) fn show(
    names: &[String],
    format: &str,
    mut find: impl FnMut(&str) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    let template = match format {
        "" | "json" => None,
        text => Some(
            Template::parse(text)
                .map_err(|error| fail!("template parsing error: {error}").with_code(BAD_TEMPLATE))?,
        ),
    };
    let mut found = Vec::new();
    let mut shown = String::new();
    let mut failures = Vec::new();
    for name in names {
        match (find(name), &template) {
            (Err(failure), _) => failures.push(failure),
            (Ok(object), None) => found.push(object),
            (Ok(mut object), Some(template)) => {
                if !format.contains("json") {
                    fill_nulls(&mut object, "");
                }
                match execute(template, &object) {
                    Ok(text) => {
                        shown.push_str(&text);
                        shown.push('\n');
                    }
                    Err(error) => failures.push(fail!("template parsing error: {error}")),
                }
            }
        }
    }
    match format {
        "" if found.is_empty() => output::line("[]"),
        "" => output::line(&indented(&found)),
        "json" => output::line(&Value::Array(found).to_string()),
        _ if shown.is_empty() => output::line(""),
        _ => output::text(&shown),
    }
    Failure::join(failures)
}

/// Carries the template out; a key that a map lacks is no value, a field that a document lacks an error.
fn execute(template: &Template, object: &Value) -> Result<String, TemplateError> {
    match template.execute(object) {
        Err(TemplateError::MissingField { expression, field, .. })
            if is_map_key(&expression, &field, MAPS) =>
        {
            template.clone().missing_field(MissingField::NoValue).execute(object)
        }
        result => result,
    }
}

/// Whether `field` stands directly behind the name of a map in `.A.Map.field`.
pub(crate) fn is_map_key(expression: &str, field: &str, maps: &[&str]) -> bool {
    let links: Vec<&str> = expression.split('.').collect();
    links.windows(2).any(|pair| maps.contains(&pair[0]) && pair[1] == field)
}

/// Fields that Go knows to be lists; a list that is not there prints as an empty one.
const LISTS: &[&str] = &[
    "Aliases",
    "Args",
    "Binds",
    "BlkioDeviceReadBps",
    "BlkioDeviceReadIOps",
    "BlkioDeviceWriteBps",
    "BlkioDeviceWriteIOps",
    "BlkioWeightDevice",
    "CapAdd",
    "CapDrop",
    "Cmd",
    "DNSNames",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "Dns",
    "DnsOptions",
    "DnsSearch",
    "Entrypoint",
    "Env",
    "ExecIDs",
    "ExtraHosts",
    "GroupAdd",
    "Layers",
    "Links",
    "Log",
    "MaskedPaths",
    "Mounts",
    "OnBuild",
    "ReadonlyPaths",
    "RepoDigests",
    "RepoTags",
    "SecondaryIPAddresses",
    "SecondaryIPv6Addresses",
    "SecurityOpt",
    "Shell",
    "Ulimits",
    "VolumesFrom",
];

/// The same for maps.
const MAPS: &[&str] = &[
    "Annotations",
    "Containers",
    "Data",
    "DriverOpts",
    "ExposedPorts",
    "Labels",
    "Networks",
    "Options",
    "PortBindings",
    "Ports",
    "StorageOpt",
    "Sysctls",
    "Tmpfs",
    "Volumes",
];

/// Replaces `null` where Go has an empty list or map.
fn fill_nulls(value: &mut Value, within: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill_nulls(item, "")),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Null if LISTS.contains(&name.as_str()) => *field = Value::Array(Vec::new()),
                    Value::Null if MAPS.contains(&name.as_str()) => *field = Value::Object(Map::new()),
                    // An exposed port that is not published.
                    Value::Null if matches!(within, "Ports" | "PortBindings") => {
                        *field = Value::Array(Vec::new())
                    }
                    other => fill_nulls(other, name),
                }
            }
        }
        _ => {}
    }
}

/// JSON with four blanks for each level.
fn indented(found: &[Value]) -> String {
    let mut bytes = Vec::new();
    let mut writer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    // Writing values to memory cannot fail.
    drop(found.serialize(&mut writer));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_knows_to_be_a_list_is_one() {
        let mut value = serde_json::json!({"Config": {"Cmd": null, "Labels": null, "Healthcheck": null},
            "NetworkSettings": {"Ports": {"80/tcp": null}}});
        fill_nulls(&mut value, "");
        let expected = serde_json::json!({"Config": {"Cmd": [], "Labels": {}, "Healthcheck": null},
            "NetworkSettings": {"Ports": {"80/tcp": []}}});
        assert_eq!(value, expected);
    }

    #[test]
    fn a_map_may_lack_a_key() {
        let object = serde_json::json!({"Config": {"Labels": {"a": "1"}}});
        let shown = |text: &str| execute(&Template::parse(text).unwrap(), &object);
        assert_eq!(shown("{{.Config.Labels.b}}").unwrap(), "<no value>");
        assert!(shown("{{.Config.Nope}}").is_err());
    }

    #[test]
    fn documents_are_indented_by_four() {
        let text = indented(&[serde_json::json!({"Id": "x", "Empty": {}, "List": [1]})]);
        assert_eq!(
            text,
            "[\n    {\n        \"Id\": \"x\",\n        \"Empty\": {},\n        \"List\": [\n            1\n        ]\n    }\n]"
        );
    }
}
