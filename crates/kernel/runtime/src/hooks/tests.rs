//! Hooks in the test's own namespaces.

use super::*;

fn hook(json: &str) -> Hooks {
    Hooks { poststart: vec![serde_json::from_str(json).unwrap()], ..Hooks::default() }
}

fn state() -> State {
    State {
        id: "box".to_owned(),
        status: "running".to_owned(),
        bundle: "/b".to_owned(),
        pid: Some(42),
        ..State::default()
    }
}

fn outcome(json: &str) -> Result<(), String> {
    run(&hook(json), HookKind::Poststart, &state()).map_err(|error| error.to_string())
}

#[test]
fn a_hook_reads_the_state_and_has_its_arguments_and_environment() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("out").display().to_string();
    let script = r#"cat > $OUT; echo "$0 $1" >> $OUT"#;
    let hook = serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"],
        "env": [format!("OUT={place}"), "PATH=/usr/bin:/bin"]});
    outcome(&hook.to_string()).unwrap();
    let written = std::fs::read_to_string(place).unwrap();
    let (json, rest) = written.split_once("zero").unwrap();
    assert_eq!(serde_json::from_str::<State>(json).unwrap(), state());
    assert_eq!(rest, " one\n");
}

#[test]
fn a_failure_tells_how_it_ended_and_what_it_said() {
    let text = outcome(r#"{"path": "/bin/sh", "args": ["sh", "-c", "echo out; echo err >&2; exit 3"]}"#);
    assert_eq!(
        text.unwrap_err(),
        "error running poststart hook #0: exit status 3, stdout: out\n, stderr: err\n"
    );
    let text = outcome(r#"{"path": "/bin/sh", "args": ["sh", "-c", "kill -9 $$"]}"#).unwrap_err();
    assert!(text.contains("#0: signal: killed"), "{text}");
    let text = outcome(r#"{"path": "/no/such"}"#).unwrap_err();
    assert!(text.contains("fork/exec /no/such: no such file or directory"), "{text}");
}

#[test]
fn a_hook_that_takes_too_long_is_killed() {
    let text = outcome(r#"{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}"#).unwrap_err();
    assert!(text.contains("hook ran past specified timeout of 1.0s"), "{text}");
}

#[test]
fn nonsense_is_refused_with_the_name_of_its_field() {
    for (json, expected) in [
        (r#"{"path": "sh"}"#, "hooks.poststart[0].path: must be an absolute path"),
        (r#"{"path": "/x", "timeout": 0}"#, "hooks.poststart[0].timeout: must be greater than zero"),
        (r#"{"path": "/x", "args": ["a\u0000b"]}"#, "hooks.poststart[0].args: contains a NUL byte"),
    ] {
        assert_eq!(outcome(json).unwrap_err(), expected);
    }
}

#[test]
fn after_the_end_every_hook_runs() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("ran").display().to_string();
    let hooks = Hooks {
        poststop: vec![
            Hook { path: "/bin/false".to_owned(), ..Hook::default() },
            Hook {
                path: "/bin/touch".to_owned(),
                args: vec!["touch".to_owned(), place.clone()],
                ..Hook::default()
            },
        ],
        ..Hooks::default()
    };
    let text = run(&hooks, HookKind::Poststop, &state()).unwrap_err().to_string();
    assert!(text.contains("poststop hook #0: exit status 1"), "{text}");
    assert!(std::path::Path::new(&place).exists());
}
