//! daemon.json: reading it, and refusing what contradicts the command line.

use crate::options::{PASSED_OVER, Shape, TABLES, flag_of, key_of, shape_of};
use crate::settings;
use crate::values::Values;
use engine_api::json::{self, JsonError};
use flags::{Flag, Kind, Typed};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// Keys that hold an object as one value; other objects only group keys.
const WHOLE: &[&str] =
    &["default-network-opts", "log-opts", "runtimes", "default-ulimits", "features", "builder"];
/// Keys that may be said in both places.
const IN_BOTH: &[&str] = &["runtimes"];
/// A key of older files, and what it is called now.
const OLD_GATEWAY: (&str, &str) = ("host-gateway-ip", "host-gateway-ips");

/// Reads the file that the command line names, or the default one, and joins both.
pub(crate) fn merge(typed: Typed) -> Result<Values, String> {
    let path = typed.text("config-file").to_owned();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && !typed.has("config-file") => {
            let values = Values { typed, file: BTreeMap::new() };
            settings::validate(&values)?;
            return Ok(values);
        }
        Err(cause) => {
            return Err(frame(&path, &format!("open {path}: {}", reason(&cause))));
        }
    };
    let file = read(&text, &typed).map_err(|cause| frame(&path, &cause))?;
    let values = Values { typed, file };
    settings::validate(&values).map_err(|cause| {
        let context = "merged configuration validation from file and command line flags failed";
        frame(&path, &format!("{context}: {cause}"))
    })?;
    Ok(values)
}

fn frame(path: &str, cause: &str) -> String {
    format!("unable to configure the Docker daemon with file {path}: {cause}")
}

fn reason(cause: &io::Error) -> String {
    match cause.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => cause.to_string(),
    }
}

fn read(text: &[u8], typed: &Typed) -> Result<BTreeMap<String, Value>, String> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let document = match json::parse(text) {
        Ok(document) => document,
        Err(JsonError::Empty) => return Ok(BTreeMap::new()),
        Err(JsonError::Syntax(words)) if words == "unexpected EOF" => {
            return Err("invalid JSON: unexpected end of JSON input".to_owned());
        }
        Err(JsonError::Trailing) => {
            return Err("invalid JSON: invalid character '{' after top-level value".to_owned());
        }
        Err(cause) => return Err(format!("invalid JSON: {cause}")),
    };
    let Value::Object(members) = document else {
        let kind = kind_of(&document);
        return Err(format!(
            "invalid JSON: json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        ));
    };
    let mut file = BTreeMap::new();
    for (key, value) in members {
        match value {
            Value::Object(group) if !WHOLE.contains(&key.as_str()) => file.extend(group),
            value => {
                file.insert(key, value);
            }
        }
    }
    find_conflicts(&file, typed)?;
    for (key, value) in &file {
        if let Some(flag) = flag_of(key) {
            check_shape(flag, key, value)?;
        }
    }
    if let Some(value) = file.remove(OLD_GATEWAY.0) {
        file.insert(OLD_GATEWAY.1.to_owned(), Value::Array(vec![value]));
    }
    Ok(file)
}

fn find_conflicts(file: &BTreeMap<String, Value>, typed: &Typed) -> Result<(), String> {
    let known = |key: &str| flag_of(key).is_some() || PASSED_OVER.contains(&key) || key == OLD_GATEWAY.0;
    let unknown: Vec<&str> = file.keys().map(String::as_str).filter(|key| !known(key)).collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        return Err(format!("the following directives don't match any configuration option: {unknown}"));
    }
    let mut refusals = Vec::new();
    if file.contains_key(OLD_GATEWAY.0) && file.contains_key(OLD_GATEWAY.1) {
        let (old, new) = OLD_GATEWAY;
        refusals.push(format!("{old} and {new} must not both be specified in the config file"));
    }
    let mut flags: Vec<&Flag> = TABLES.iter().flat_map(|table| table.iter()).collect();
    flags.sort_by_key(|flag| flag.name);
    let said_twice = flags.into_iter().filter(|flag| typed.has(flag.name)).filter_map(|flag| {
        let key = key_of(flag.name);
        let key =
            if flag.name == OLD_GATEWAY.0 && file.contains_key(OLD_GATEWAY.0) { OLD_GATEWAY.0 } else { key };
        let value = file.get(key).filter(|_| !IN_BOTH.contains(&key))?;
        let (mut from_flag, mut from_file) = (flag_text(flag, typed), go_text(value));
        if matches!(key, "http-proxy" | "https-proxy") {
            (from_flag, from_file) = (without_password(&from_flag), without_password(&from_file));
        }
        Some(format!("{key}: (from flag: {from_flag}, from file: {from_file})"))
    });
    let said_twice: Vec<String> = said_twice.collect();
    if !said_twice.is_empty() {
        let said_twice = said_twice.join(", ");
        refusals.push(format!(
            "the following directives are specified both as a flag and in the configuration file: {said_twice}"
        ));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.join("\n")) }
}

/// A flag's values as Docker prints them.
fn flag_text(flag: &Flag, typed: &Typed) -> String {
    match flag.kind {
        Kind::Other("list" | "ipSlice" | "ulimit" | "runtime" | "pool-options", _) => {
            format!("[{}]", typed.all(flag.name).join(" "))
        }
        Kind::Other("map" | "mapmap", _) => {
            let default = if flag.name == "feature" { "true" } else { "" };
            let mut pairs: Vec<String> = typed
                .all(flag.name)
                .into_iter()
                .map(|pair| pair.split_once('=').unwrap_or((pair, default)))
                .map(|(name, value)| format!("{name}:{value}"))
                .collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        Kind::Switch => typed.is_on(flag.name).to_string(),
        _ => typed.text(flag.name).to_owned(),
    }
}

/// A value of the document as Go prints it.
fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_text).collect::<Vec<_>>().join(" ")),
        Value::Object(members) => {
            let mut pairs: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}:{}", go_text(value))).collect();
            pairs.sort();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

/// A URL with its user and password covered.
fn without_password(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, host)) => format!("{scheme}://xxxxx:xxxxx@{host}"),
        None => url.to_owned(),
    }
}

fn check_shape(flag: &Flag, key: &str, value: &Value) -> Result<(), String> {
    let wrong = |path: &str, value: &Value, wanted: &str| {
        let kind = kind_of(value);
        let is_item = path.rsplit('.').next().is_some_and(|last| last.parse::<usize>().is_ok());
        let field = if is_item { format!("Config.{path}") } else { format!("Go struct field Config.{path}") };
        Err(format!("invalid JSON: json: cannot unmarshal {kind} into {field} of type {wanted}"))
    };
    match (shape_of(flag), value) {
        (_, Value::Null) | (Shape::Other, _) => Ok(()),
        (Shape::Switch, Value::Bool(_)) => Ok(()),
        (Shape::Switch, _) => wrong(key, value, "bool"),
        (Shape::Number, Value::Number(number)) if number.is_i64() => Ok(()),
        (Shape::Number, _) => wrong(key, value, "int"),
        (Shape::Text, Value::String(text)) => check_text(flag, text),
        (Shape::Text, Value::Number(number)) if key == "default-shm-size" => {
            Err(format!("invalid JSON: invalid size: \"{number}\""))
        }
        (Shape::Text, _) => wrong(key, value, "string"),
        (Shape::Texts, Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                match item {
                    Value::String(text) if key == "dns" || key == "host-gateway-ips" => {
                        check_text(flag, text)?
                    }
                    Value::String(_) => {}
                    _ => return wrong(&format!("{key}.{index}"), item, "string"),
                }
            }
            Ok(())
        }
        (Shape::Texts, _) => wrong(key, value, "[]string"),
        (Shape::Map, Value::Object(members)) => {
            match members.iter().find(|(_, value)| !value.is_string() && !value.is_null()) {
                Some((name, value)) => wrong(&format!("{key}.{name}"), value, "string"),
                None => Ok(()),
            }
        }
        (Shape::Map, _) => wrong(key, value, "map[string]string"),
    }
}

/// Texts that become addresses or sizes while the document is read.
fn check_text(flag: &Flag, text: &str) -> Result<(), String> {
    let wrong = match flag.name {
        "dns" | "ip" | "default-gateway" | "default-gateway-v6" | "host-gateway-ip" => {
            text.parse::<std::net::IpAddr>().is_err().then(|| format!("invalid IP address: {text}"))
        }
        "default-shm-size" => units::bytes::parse(text).err().map(|cause| cause.to_string()),
        _ => None,
    };
    wrong.map_or(Ok(()), |wrong| Err(format!("invalid JSON: {wrong}")))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags::{Grammar, Positionals};

    fn merged(file: &str, words: &[&str]) -> Result<Values, String> {
        let typed = Grammar::new(TABLES, Positionals::Interspersed).parse(words.iter().copied()).unwrap();
        let file = read(file.as_bytes(), &typed)?;
        let values = Values { typed, file };
        settings::validate(&values)?;
        Ok(values)
    }

    #[test]
    fn both_sources_are_one() {
        let values = merged(
            r#"{"debug":true,"labels":["a=b"],"proxies":{"no-proxy":"x"},"log-opts":{"max-size":"5m"},"icc":false}"#,
            &["--mtu", "1400", "--dns", "1.1.1.1"],
        )
        .unwrap();
        assert!(values.is_on("debug") && !values.is_on("icc") && values.is_on("iptables"));
        assert_eq!(values.list("label"), ["a=b"]);
        assert_eq!((values.text("no-proxy"), values.number("mtu")), ("x", 1400));
        assert_eq!(values.map("log-opt")["max-size"], "5m");
        assert!(values.has("dns") && !values.has("dns-search"));
    }

    #[test]
    fn what_is_wrong_is_said_in_dockers_words() {
        let twice = "the following directives are specified both as a flag and in the configuration file: ";
        for (file, words, refusal) in [
            (r#"{"nonsense":1,"zz":2}"#, &[][..], "the following directives don't match any configuration option: nonsense, zz".to_owned()),
            (r#"{"Debug":true}"#, &[], "the following directives don't match any configuration option: Debug".to_owned()),
            (r#"{"debug":true}"#, &["-D"], format!("{twice}debug: (from flag: true, from file: true)")),
            (r#"{"labels":["a=b"]}"#, &["--label", "c=d"], format!("{twice}labels: (from flag: [c=d], from file: [a=b])")),
            (r#"{"log-opts":{"max-size":"5m"}}"#, &["--log-opt", "a=b"], format!("{twice}log-opts: (from flag: map[a:b], from file: map[max-size:5m])")),
            (r#"{"features":{"a":true}}"#, &["--feature", "b"], format!("{twice}features: (from flag: map[b:true], from file: map[a:true])")),
            (r#"{"proxies":{"http-proxy":"http://u:p@x"}}"#, &["--http-proxy", "y"], format!("{twice}http-proxy: (from flag: y, from file: http://xxxxx:xxxxx@x)")),
            (r#"{"debug":"yes"}"#, &[], "invalid JSON: json: cannot unmarshal string into Go struct field Config.debug of type bool".to_owned()),
            (r#"{"mtu":"x"}"#, &[], "invalid JSON: json: cannot unmarshal string into Go struct field Config.mtu of type int".to_owned()),
            (r#"{"log-opts":{"max-size":5}}"#, &[], "invalid JSON: json: cannot unmarshal number into Go struct field Config.log-opts.max-size of type string".to_owned()),
            (r#"{"dns":["x"]}"#, &[], "invalid JSON: invalid IP address: x".to_owned()),
            ("{", &[], "invalid JSON: unexpected end of JSON input".to_owned()),
            ("[]", &[], "invalid JSON: json: cannot unmarshal array into Go value of type map[string]interface {}".to_owned()),
            (r#"{"mtu":-5}"#, &[], "invalid default MTU: -5".to_owned()),
            (r#"{"log-level":"loud"}"#, &[], "invalid logging level: loud".to_owned()),
            (r#"{"exec-opts":["x"]}"#, &[], "invalid exec-opt (x): must be formatted 'opt=value'".to_owned()),
            (r#"{"hosts":["foo://x"]}"#, &[], "invalid bind address (foo://x): unsupported proto 'foo'".to_owned()),
            (r#"{"default-ipc-mode":"host"}"#, &[], "IPC mode \"host\" is not supported as default value; use \"shareable\" or \"private\"".to_owned()),
        ] {
            assert_eq!(merged(file, words).unwrap_err(), refusal, "{file}");
        }
    }

    #[test]
    fn odd_but_right_documents_pass() {
        for file in [
            "",
            " ",
            "{}",
            r#"{"debug":null}"#,
            r#"{"builder":{"gc":{"enabled":true}}}"#,
            r#"{"runtimes":{"a":{"path":"/x"}}}"#,
        ] {
            assert!(merged(file, &["--add-runtime", "b=/y"]).is_ok(), "{file}");
        }
        assert_eq!(
            merged(r#"{"host-gateway-ip":"1.2.3.4"}"#, &[]).unwrap().list("host-gateway-ip"),
            ["1.2.3.4"]
        );
    }
}
