//! What Docker accepts and how it refuses, as recorded.

use super::*;
use crate::container::{ContainerConfig, ContainerCreateRequest, HostConfig};
use proptest::prelude::*;

fn refusal<T: DeserializeOwned>(text: &str) -> String {
    decode::<T>(text.as_bytes()).err().map(|e| e.to_string()).unwrap_or_default()
}

#[test]
fn null_is_the_empty_value_everywhere() {
    let text = br#"{"Hostname":null,"Tty":null,"Cmd":null,"Env":null,"StopTimeout":null,"Labels":{"a":null},
        "Healthcheck":null,"ExposedPorts":{"80/tcp":null}}"#;
    let config: ContainerConfig = decode(text).unwrap();
    assert_eq!(config.labels.unwrap()["a"], "");
    assert!(config.exposed_ports.unwrap().contains_key("80/tcp"));
    assert_eq!((config.cmd, config.stop_timeout, config.tty), (None, None, false));
    let host: HostConfig = decode(br#"{"PortBindings":{"80/tcp":null},"ConsoleSize":null}"#).unwrap();
    assert_eq!(host.port_bindings.unwrap()["80/tcp"], None);
    assert_eq!(host.console_size, [0, 0]);
}

#[test]
fn names_match_without_regard_to_case_and_unknown_ones_are_ignored() {
    let config: ContainerConfig = decode(br#"{"image":"a","IMAGE":"b","Nonsense":{"x":[1]}}"#).unwrap();
    assert_eq!(config.image, "b");
}

#[test]
fn a_command_may_be_one_text() {
    let config: ContainerConfig = decode(br#"{"Cmd":"date","Entrypoint":["a","b"]}"#).unwrap();
    assert_eq!(config.cmd.unwrap().0, ["date"]);
    assert_eq!(config.entrypoint.unwrap().0, ["a", "b"]);
}

#[test]
fn the_create_body_holds_three_documents() {
    let text =
        br#"{"Image":"web","HostConfig":{"Memory":5},"NetworkingConfig":{"EndpointsConfig":{"n":null}}}"#;
    let request: ContainerCreateRequest = decode(text).unwrap();
    assert_eq!(request.config.image, "web");
    assert_eq!(request.host_config.as_ref().map(|host| host.memory), Some(5));
    assert!(request.networking_config.as_ref().unwrap().endpoints_config.as_ref().unwrap().contains_key("n"));
    let again: ContainerCreateRequest = decode(&serde_json::to_vec(&request).unwrap()).unwrap();
    assert_eq!(again, request);
}

#[test]
fn wrong_shapes_are_refused_in_dockers_words() {
    for (body, words) in [
        (r#"{"Tty":"yes"}"#, "string into Go struct field .Tty of type bool"),
        ("[]", "array into Go value of type container.CreateRequest"),
        (r#"{"Env":[1]}"#, "number into .Env.0 of type string"),
        (r#"{"Cmd":5}"#, "number into Go value of type string"),
        (r#"{"Cmd":[1]}"#, "array into Go value of type string"),
        (r#"{"Labels":"x"}"#, "string into Go struct field .Labels of type map[string]string"),
        (r#"{"ExposedPorts":[]}"#, "array into Go struct field .ExposedPorts of type nat.PortSet"),
        (r#"{"StopTimeout":"x"}"#, "string into Go struct field .StopTimeout of type int"),
        (r#"{"HostConfig":"x"}"#, "string into Go struct field .HostConfig of type container.HostConfig"),
        (
            r#"{"HostConfig":{"BlkioWeight":70000}}"#,
            "number 70000 into Go struct field .HostConfig.BlkioWeight of type uint16",
        ),
        (
            r#"{"HostConfig":{"Memory":1.5}}"#,
            "number 1.5 into Go struct field .HostConfig.Memory of type int64",
        ),
        (
            r#"{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}"#,
            "number into Go struct field .HostConfig.PortBindings.80~1tcp.0.HostPort of type string",
        ),
        (
            r#"{"HostConfig":{"PortBindings":{"x":"y"}}}"#,
            "string into Go struct field .HostConfig.PortBindings.x of type []nat.PortBinding",
        ),
        (r#"{"HostConfig":{"ConsoleSize":[-1]}}"#, "number -1 into .HostConfig.ConsoleSize.0 of type uint"),
    ] {
        assert_eq!(
            refusal::<ContainerCreateRequest>(body),
            format!("json: cannot unmarshal {words}"),
            "{body}"
        );
    }
}

#[test]
fn syntax_is_refused_in_dockers_words() {
    for (text, words) in [
        ("", "EOF"),
        ("  ", "EOF"),
        ("{", "unexpected EOF"),
        ("nul", "unexpected EOF"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{a", "invalid character 'a' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("\"\\x\"", "invalid escape sequence `\\x` in string"),
        ("\"\\u12g4\"", "invalid escape sequence `\\u12g4` in string"),
        ("[1.]", "invalid character ']' in numeric literal"),
        ("trux", "invalid character 'x' in literal true (expecting 'e')"),
        ("{} {}", "unexpected content after JSON"),
    ] {
        assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), words, "{text}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    let text = "[".repeat(100_000);
    assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), "exceeded max depth");
    for depth in 100..200 {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        if let Err(refusal) = parse(text.as_bytes()) {
            assert_eq!(refusal.to_string(), "exceeded max depth", "{depth}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics(text in "\\PC{0,60}") {
        let _ = decode::<ContainerCreateRequest>(text.as_bytes());
        let _ = syntax::complaint(text.as_bytes());
    }

    #[test]
    fn json_like_noise_never_panics(text in "[\\[\\]{}\",:0-9a-z\\\\. -]{0,80}") {
        let _ = decode::<ContainerCreateRequest>(text.as_bytes());
    }
}
