//! Further processes in a running container.

use std::io::Read;
use std::os::unix::net::UnixStream;

use engine::Kind;
use engine_api::exec::{ExecCreateRequest, ExecStartRequest};

use crate::Case;
use crate::bench::{Bench, PATIENCE, unframe};

pub(crate) const CASES: &[Case] = &[
    ("an_exec_runs_beside_the_first_process", an_exec_runs_beside_the_first_process),
    ("an_exec_that_cannot_begin_says_why", an_exec_that_cannot_begin_says_why),
];

fn wish(command: &[&str]) -> ExecCreateRequest {
    ExecCreateRequest {
        cmd: Some(command.iter().map(|&word| word.to_owned()).collect()),
        attach_stdout: true,
        attach_stderr: true,
        ..ExecCreateRequest::default()
    }
}

fn an_exec_runs_beside_the_first_process(bench: &Bench) {
    let id = bench.run(&["sleep", "100"]);
    let exec =
        bench.wait_on(bench.engine.exec_create(&id, wish(&["sh", "-c", "echo in; echo err >&2; exit 5"])));
    let exec = exec.unwrap().id;
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    bench.wait_on(async {
        let ticket = bench.engine.exec_start(&exec, ExecStartRequest::default()).await.unwrap();
        assert!(ticket.multiplexed);
        ticket.connect(theirs.into(), vec![]).await.map_err(|(error, _)| error).unwrap();
    });
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    ours.read_to_end(&mut bytes).unwrap();
    let text = unframe(&bytes);
    assert!(text.contains("in\n") && text.contains("err\n"), "{text}");
    testing::wait::eventually("the exec's end", || {
        bench.wait_on(bench.engine.exec_inspect(&exec)).unwrap().exit_code == Some(5)
    });
    let again = bench.wait_on(bench.engine.exec_start(&exec, ExecStartRequest::default())).err().unwrap();
    assert_eq!((again.kind, again.message), (Kind::Conflict, format!("exec command {exec} has already run")));
    bench.wait_on(bench.engine.container_kill(&id, "")).unwrap();
    let down = bench.wait_on(bench.engine.exec_create(&id, wish(&["true"]))).unwrap_err();
    assert_eq!(down.message, format!("container {id} is not running"));
}

fn an_exec_that_cannot_begin_says_why(bench: &Bench) {
    let id = bench.run(&["sleep", "100"]);
    let exec = bench.wait_on(bench.engine.exec_create(&id, wish(&["nope"]))).unwrap().id;
    let error = bench.wait_on(async {
        let ticket = bench.engine.exec_start(&exec, ExecStartRequest::default()).await.unwrap();
        ticket.detach().await.unwrap_err()
    });
    assert_eq!(
        error.message,
        "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH"
    );
    assert_eq!(bench.wait_on(bench.engine.exec_inspect(&exec)).unwrap().exit_code, Some(127));
    let mut stranger = wish(&["true"]);
    stranger.user = "nobody2".to_owned();
    let error = bench.wait_on(bench.engine.exec_create(&id, stranger)).unwrap_err();
    assert_eq!(error.message, "unable to find user nobody2: no matching entries in passwd file");
}
