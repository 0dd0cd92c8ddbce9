//! What all `inspect` commands share: objects by name, as a list of documents or through a template.

use crate::failure::{Failure, fail};
use crate::output;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};
use template::Template;

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
            (Ok(object), Some(template)) => match template.execute(&object) {
                Ok(text) => {
                    shown.push_str(&text);
                    shown.push('\n');
                }
                Err(error) => failures.push(fail!("template parsing error: {error}")),
            },
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
    fn documents_are_indented_by_four() {
        let text = indented(&[serde_json::json!({"Id": "x", "Empty": {}, "List": [1]})]);
        assert_eq!(
            text,
            "[\n    {\n        \"Id\": \"x\",\n        \"Empty\": {},\n        \"List\": [\n            1\n        ]\n    }\n]"
        );
    }
}
