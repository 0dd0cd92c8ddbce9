//! Templates as Docker's documents and users write them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn container() -> Value {
    json!({
        "Id": "0123456789abcdef", "Name": "/web", "Size": 1234, "Ratio": 0.5, "Tty": false, "Health": null,
        "State": {"Status": "running", "Running": true, "Pid": 42},
        "Config": {"Cmd": ["sh", "-c", "date"], "Labels": {"b": "2", "a": "1"}, "Env": []},
        "NetworkSettings": {
            "Networks": {"bridge": {"IPAddress": "172.17.0.2"}},
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "443/tcp": null},
        },
    })
}

fn run(text: &str) -> String {
    match Template::parse(text).and_then(|template| template.execute(&container())) {
        Ok(out) => out,
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn templates_print_what_go_prints() {
    for (text, expected) in [
        ("plain", "plain"),
        ("{{.Id}} {{.State.Status}}", "0123456789abcdef running"),
        ("{{json .State}}", r#"{"Status":"running","Running":true,"Pid":42}"#),
        ("{{join .Config.Cmd \",\"}}", "sh,-c,date"),
        ("{{.Config.Cmd}}", "[sh -c date]"),
        ("{{.Config.Labels}}", "map[a:1 b:2]"),
        ("{{printf \"%.10s\" .Id}}", "0123456789"),
        ("{{printf \"%-5s|%05d|%x|%q|%v\" .Name 42 255 \"a\\n\" .Tty}}", "/web |00042|ff|\"a\\n\"|false"),
        ("{{printf \"%d\" .Name}}", "%!d(string=/web)"),
        ("{{printf \"%s\"}}", "%!s(MISSING)"),
        ("{{upper .State.Status}}", "RUNNING"),
        ("{{.State.Status | title | printf \"%s!\"}}", "Running!"),
        ("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "172.17.0.2"),
        (
            "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}}{{end}}",
            "bridge=172.17.0.2",
        ),
        (
            "{{range $p, $b := .NetworkSettings.Ports}}{{$p}}:{{range $b}}{{.HostPort}}{{else}}-{{end}} {{end}}",
            "443/tcp:- 80/tcp:8080 ",
        ),
        ("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", "8080"),
        ("{{index .NetworkSettings.Ports \"80/tcp\" 0 \"HostPort\"}}", "8080"),
        ("{{with .Health}}{{.Status}}{{else}}none{{end}}", "none"),
        ("{{if and .State.Running (not .Tty)}}yes{{else}}no{{end}}", "yes"),
        ("{{if eq .State.Status \"exited\" \"running\"}}up{{end}}", "up"),
        ("{{if gt .Size 1000}}big{{else if gt .Size 10}}mid{{else}}small{{end}}", "big"),
        ("{{len .Config.Cmd}} {{slice .Id 0 3}} {{split \"a:b\" \":\"}}", "3 012 [a b]"),
        ("{{range $i, $c := .Config.Cmd}}{{if $i}}, {{end}}{{$c}}{{end}}", "sh, -c, date"),
        ("{{range .Config.Cmd}}{{if eq . \"-c\"}}{{continue}}{{end}}{{.}} {{end}}", "sh date "),
        ("{{range .Config.Cmd}}{{if eq . \"-c\"}}{{break}}{{end}}{{.}} {{end}}", "sh "),
        ("{{range .Config.Env}}x{{else}}empty{{end}}", "empty"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{$x := 1}}{{$x = 2}}{{$x}}", "2"),
        ("a {{- \" b \" -}} c", "a b c"),
        ("{{/* nothing */}}{{- /* here */ -}} x", "x"),
        ("{{`raw`}} {{'a'}} {{0x10}} {{1.5}} {{true}}", "raw 97 16 1.5 true"),
        ("{{.Ratio}} {{.Health}} {{print .Health 1 2 \"a\"}}", "0.5 <no value> <nil> 1 2a"),
        ("{{println .Name}}", "/web\n"),
        ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}", "</web>"),
        ("{{pad .Name 1 2}}|{{truncate .Id 4}}|{{lower \"AB\"}}", " /web  |0123|ab"),
        ("{{html \"<a>\"}} {{urlquery \"a b\"}}", "&lt;a&gt; a+b"),
        ("{{$.Name}}{{with .State}}{{$.Size}}{{end}}", "/web1234"),
        ("{{1000000}} {{1e21}} {{.State.Pid | printf \"%T\"}}", "1000000 1e+21 int"),
    ] {
        assert_eq!(run(text), expected, "{text}");
    }
}

#[test]
fn refusals_have_gos_words() {
    for (text, message) in [
        ("{{.Nope}}", "template: :1:2: executing \"\" at <.Nope>: map has no entry for key \"Nope\""),
        (
            "{{.Health.Status}}",
            "template: :1:9: executing \"\" at <.Health.Status>: nil pointer evaluating interface {}.Status",
        ),
        ("{{nope .Id}}", "template: :1: function \"nope\" not defined"),
        ("{{.Id", "template: :1: unclosed action"),
        ("{{if .Id}}x", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{}}", "template: :1: missing value for command"),
    ] {
        assert_eq!(run(text), format!("error: {message}"), "{text}");
    }
}

#[test]
fn an_absent_field_can_be_no_value() {
    let template = Template::parse("{{.Nope}}").unwrap().missing_field(MissingField::NoValue);
    assert_eq!(template.execute(&container()).unwrap(), "<no value>");
}

#[test]
fn the_fields_of_a_listing_are_known_before_it_is_asked_for() {
    let template = Template::parse("{{.ID}} {{if .Size}}{{json .Labels}}{{end}}").unwrap();
    assert_eq!(template.top_fields(), ["ID", "Size", "Labels"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([{}.$|()\"a-zA-Z0-9 :=,-]|\\{\\{|\\}\\}|range |if |end|else|printf ){0,40}") {
        let _ = run(&text);
    }

    #[test]
    fn text_without_actions_is_kept(text in "[^{]{0,40}") {
        prop_assert_eq!(run(&text), text);
    }
}

#[test]
fn deep_nesting_is_refused() {
    assert!(run(&format!("{{{{{}1{}}}}}", "(".repeat(5000), ")".repeat(5000))).starts_with("error: "));
    assert!(run(&"{{if 1}}".repeat(5000)).starts_with("error: "));
    assert!(run("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}").starts_with("error: "));
}

#[test]
fn its_user_may_add_methods_and_ask_for_a_header() {
    let methods: Methods<'_> = &|name, arguments| match (name, arguments) {
        ("Label", [label]) => Some(format!("label {}", label.as_str()?).into()),
        _ => None,
    };
    let value = serde_json::json!({"Names": "NAMES"});
    let run = |text: &str, is_header| {
        let extras = Extras { methods: Some(methods), is_header };
        Template::parse(text).unwrap().execute_with(&value, extras)
    };
    assert_eq!(run(r#"{{.Label "tier"}} {{"a" | .Label | upper}}"#, false).unwrap(), "label tier LABEL A");
    assert_eq!(
        run(r#"{{lower .Names}} {{.Names | json}} {{pad .Names 1 0}}"#, true).unwrap(),
        "NAMES NAMES  NAMES"
    );
    assert!(run(r#"{{.Other "tier"}}"#, false).is_err());
}

#[test]
fn errors_stand_where_go_places_them() {
    let at = |text: &str| match Template::parse(text).unwrap().execute(&container()).unwrap_err() {
        TemplateError::MissingField { at, .. }
        | TemplateError::Execution { at, .. }
        | TemplateError::Syntax { at, .. } => at.to_string(),
    };
    assert_eq!(at("{{.Nope}}"), "1:2");
    assert_eq!(at("{{.State.Nope}}"), "1:8");
    assert_eq!(at("{{.State.Nope.More}}"), "1:8");
    assert_eq!(at("{{range .Name}}{{end}}"), "1:8");
}
