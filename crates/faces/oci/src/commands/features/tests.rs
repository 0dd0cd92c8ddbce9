//! What is told, held against the table of what runc tells.

use serde_json::Value;

use super::features;

/// One line for each entry: its place, runc's value, ours, and why they differ.
const TABLE: &str = include_str!("../../../../../../contracts/runc-1.3-features.tsv");

/// Every single entry of a document, by its place; an entry of a list is a place of its own.
fn flatten(place: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                flatten(&place, value, into);
            }
        }
        Value::Array(entries) => {
            for entry in entries {
                into.push((format!("{place}[{}]", entry.as_str().unwrap_or_default()), "yes".to_owned()));
            }
        }
        other => into.push((place.to_owned(), other.to_string().trim_matches('"').to_owned())),
    }
}

#[test]
fn every_entry_of_runc_and_every_one_of_ours_has_its_line() {
    let mut ours = Vec::new();
    flatten("", &serde_json::to_value(features()).unwrap(), &mut ours);
    // What the running kernel supports differs from host to host.
    ours.retain(|(place, _)| !place.contains("supportedFlags"));
    let mut listed = Vec::new();
    for line in TABLE.lines().skip(1) {
        let cells: Vec<_> = line.split('\t').collect();
        let [place, runc, own, status] = cells[..] else { panic!("{line}") };
        let expected = match (runc, own) {
            (runc, own) if runc == own => "same",
            (_, "-") => "missing",
            ("-", _) => "more",
            _ => "differs",
        };
        assert!(status.starts_with(expected), "{line}");
        assert!(status == "same" || status.contains(": "), "a difference has a reason: {line}");
        if own != "-" {
            listed.push((place.to_owned(), own.to_owned()));
        }
    }
    ours.sort();
    listed.sort();
    assert_eq!(listed, ours);
}
