//! Filters at work: every action, and an agent that answers calls.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{JoinHandle, spawn};

use oci_spec::runtime::{ContainerProcessState, OCI_VERSION, State};
use runtime::seccomp::{Listener, compile};
use runtime::{CreateOptions, ExecOptions, Stdio};
use rustix::io::Errno;
use sys::seccomp::{CallAnswer, answer_call, await_call};

use crate::stage::{Stage, gather, pipes};

/// A stage whose filter allows all but what the rules say.
fn stage(script: &str, rules: &str) -> Stage {
    let json = format!(
        r#"{{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/given/by/the/caller", "syscalls": {rules}}}"#
    );
    let mut stage = Stage::script(script);
    stage.own_filter = Some(compile(&serde_json::from_str(&json).unwrap()).unwrap());
    stage
}

/// What `mkdir /tmp/x` says and how the shell ends when mkdir(2) gets this action.
fn under(action: &str) -> (i32, String) {
    let rules = format!(r#"[{{"names": ["mkdir", "mkdirat"], {action}}}]"#);
    let outcome = stage("mkdir /tmp/x; code=$?; test -d /tmp/x && echo made; exit $code", &rules).run();
    (outcome.code, outcome.stdout + &outcome.stderr)
}

#[test]
fn every_action_does_what_it_says() {
    let refusal = |reason: &str| (1, format!("mkdir: can't create directory '/tmp/x': {reason}\n"));
    assert_eq!(under(r#""action": "SCMP_ACT_ALLOW""#), (0, "made\n".to_owned()));
    assert_eq!(under(r#""action": "SCMP_ACT_LOG""#), (0, "made\n".to_owned()));
    assert_eq!(under(r#""action": "SCMP_ACT_ERRNO""#), refusal("Operation not permitted"));
    assert_eq!(under(r#""action": "SCMP_ACT_ERRNO", "errnoRet": 28"#), refusal("No space left on device"));
    // Nobody traces.
    assert_eq!(under(r#""action": "SCMP_ACT_TRACE""#), refusal("Function not implemented"));
    for deadly in ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"] {
        // 128 and SIGSYS, as the shell reports it.
        let (code, text) = under(&format!(r#""action": "SCMP_ACT_{deadly}""#));
        assert_eq!((code, text.contains("made")), (128 + 31, false), "{deadly}: {text}");
    }
}

#[test]
fn arguments_decide() {
    let masked = r#""args": [{"index": 1, "value": 4095, "valueTwo": 448, "op": "SCMP_CMP_MASKED_EQ"}]"#;
    let rules = format!(r#"[{{"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30, {masked}}}]"#);
    let outcome = stage("chmod 755 /tmp && echo made; chmod 700 /tmp", &rules).run();
    assert_eq!(outcome.stdout, "made\n");
    assert!(outcome.stderr.contains("Read-only file system"), "{outcome:?}");
}

const MKDIR: &str = r#"[{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]"#;

/// An agent that lets every call go on, but for those with a folder's mode: they find no medium.
struct Agent {
    path: std::path::PathBuf,
    thread: JoinHandle<(ContainerProcessState, usize)>,
    state: State,
}

impl Agent {
    fn start(folder: &Path, refused: &'static [&'static str]) -> Self {
        let path = folder.join("agent.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let thread = spawn(move || {
            let (peer, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            let mut taken: Option<OwnedFd> = None;
            let length = sys::socket::receive(peer.as_fd(), &mut bytes, |fd| taken = Some(fd)).unwrap();
            let state = serde_json::from_slice(&bytes[..length]).unwrap();
            (state, answer(&taken.unwrap(), refused))
        });
        let state = State {
            oci_version: OCI_VERSION.to_owned(),
            id: "0123456789ab".to_owned(),
            status: "creating".to_owned(),
            pid: None,
            bundle: "/bundle".to_owned(),
            annotations: std::iter::once(("a".to_owned(), "b".to_owned())).collect(),
        };
        Self { path, thread, state }
    }

    fn listener(&self) -> Listener<'_> {
        Listener { path: &self.path, metadata: "for the agent", state: &self.state }
    }
}

/// Answers until nobody is left who could call; gives the number of calls.
fn answer(listener: &OwnedFd, refused: &[&str]) -> usize {
    const MKDIR_NUMBERS: [i32; 2] = [83, 258];
    let mut count = 0;
    loop {
        let mut fds = [rustix::event::PollFd::new(listener, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut fds, None).unwrap();
        if !fds[0].revents().contains(rustix::event::PollFlags::IN) {
            return count;
        }
        let call = match await_call(listener.as_fd()) {
            Ok(call) => call,
            Err(Errno::NOENT | Errno::INTR) => continue,
            Err(errno) => panic!("{errno}"),
        };
        count += 1;
        let is_refused = refused.contains(&"mkdir") && MKDIR_NUMBERS.contains(&call.number);
        let answer = if is_refused { CallAnswer::Fails(Errno::NOMEDIUM) } else { CallAnswer::Continue };
        match answer_call(listener.as_fd(), call.id, answer) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => panic!("{errno}"),
        }
    }
}

#[test]
fn an_agent_answers_and_knows_for_whom() {
    let stage = stage("mkdir /tmp/x", MKDIR);
    let agent = Agent::start(stage.outside(), &["mkdir"]);
    let (stdio, readers) = pipes();
    let options = CreateOptions { listener: Some(agent.listener()), ..CreateOptions::default() };
    let mut created = stage.create_with(stdio, None, options).unwrap();
    created.start().unwrap();
    let outcome = gather(&created.pidfd, readers);
    created.cgroup.take().unwrap().remove().unwrap();
    assert!(outcome.stderr.contains("No medium found"), "{outcome:?}");
    let (state, calls) = agent.thread.join().unwrap();
    let expected = ContainerProcessState {
        oci_version: OCI_VERSION.to_owned(),
        fds: vec!["seccompFd".to_owned()],
        pid: created.pid,
        metadata: "for the agent".to_owned(),
        state: State { pid: Some(created.pid), ..agent.state },
    };
    assert_eq!((state, calls), (expected, 1));
}

#[test]
fn calls_of_the_runtime_itself_may_be_asked_about() {
    let names =
        r#""execve", "openat", "open", "read", "close", "fcntl", "capset", "prctl", "sendmsg", "recvmsg""#;
    let rules = format!(r#"[{{"names": [{names}], "action": "SCMP_ACT_NOTIFY"}}]"#);
    let stage = stage("echo fine; ls /proc/self/fd", &rules);
    let agent = Agent::start(stage.outside(), &[]);
    let (stdio, readers) = pipes();
    let options = CreateOptions { listener: Some(agent.listener()), ..CreateOptions::default() };
    let mut created = stage.create_with(stdio, None, options).unwrap();
    created.start().unwrap();
    // The listener is not among its descriptors.
    assert_eq!(gather(&created.pidfd, readers).output(), "fine\n0\n1\n2\n3\n");
    created.cgroup.take().unwrap().remove().unwrap();
    assert!(agent.thread.join().unwrap().1 > 5);
}

#[test]
fn a_further_process_has_an_agent_of_its_own() {
    // Its first process asks nothing: it runs under Docker's filter.
    let mut container = Stage::script("sleep 100").start();
    container.stage.own_filter = stage("", MKDIR).own_filter;
    let agent = Agent::start(container.stage.outside(), &["mkdir"]);
    let (stdio, readers) = pipes();
    let state =
        State { status: "running".to_owned(), pid: Some(container.created.pid), ..agent.state.clone() };
    let listener = Listener { state: &state, ..agent.listener() };
    let options = ExecOptions { listener: Some(listener), ..ExecOptions::default() };
    let child = container.spawn_with(&container.process(&["mkdir", "/tmp/x"]), None, stdio, options).unwrap();
    let outcome = gather(&child.pidfd, readers);
    assert!(outcome.stderr.contains("No medium found"), "{outcome:?}");
    let (told, _) = agent.thread.join().unwrap();
    assert_eq!((told.pid, told.state), (child.pid, state));
}

#[test]
fn without_an_agent_there_is_no_container() {
    let stage = stage("true", MKDIR);
    assert_eq!(stage.refusal().to_string(), "seccomp listenerPath is not set");
    let state = State::default();
    let listener = Listener { path: &stage.outside().join("none"), metadata: "", state: &state };
    let options = CreateOptions { listener: Some(listener), ..CreateOptions::default() };
    let text = stage.create_with(Stdio::Null, None, options).unwrap_err().to_string();
    assert!(
        text.starts_with("failed to connect with seccomp agent specified in the seccomp profile: dial"),
        "{text}"
    );
    assert!(text.ends_with("none: connect: no such file or directory"), "{text}");
}
