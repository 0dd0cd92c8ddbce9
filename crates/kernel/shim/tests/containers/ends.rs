//! How containers begin and end, and what is left of them.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use oci_spec::runtime::{Memory, Resources};
use shim::{Event, ExitRecord, Framing, RefusalKind, ShimClient, ShimError, UserWish};

use crate::harness::{
    LIMIT, Place, Running, demultiplex, eventually, everything, launch, launch_attached, read_until,
    start_idle, try_launch,
};

fn exit_of(script: &str) -> ExitRecord {
    let place = Place::new();
    launch(&place.script(script)).wait()
}

#[test]
fn a_program_runs_its_output_is_logged_and_nothing_is_left() {
    let place = Place::new();
    let (mut running, mut client) =
        launch_attached(place.script("echo out; sleep 0.05; echo err >&2; printf tail"));
    assert_eq!(demultiplex(&mut client), ("out\ntail".into(), "err\n".into()));
    let record = running.wait();
    assert_eq!((record.exit_code, record.signal, record.oom_killed), (0, None, false));
    assert_eq!(record.pid, running.started.pid);
    assert!(record.started_at <= record.finished_at);
    assert_eq!(ExitRecord::load(&place.exec_dir).unwrap(), Some(record));
    let log = std::fs::read_to_string(&place.log).unwrap();
    assert!(log.starts_with("{\"log\":\"out\\n\",\"stream\":\"stdout\",\"time\":\"20"), "{log}");
    assert_eq!(place.logged(), "out\nerr\ntail");
    running.wait_gone();
    assert_eq!(place.cgroups(), Vec::<std::path::PathBuf>::new());
    let mut left: Vec<_> =
        std::fs::read_dir(&place.exec_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["config.json", "exit.json", "state.json"]);
    assert!(matches!(ShimClient::connect(&place.exec_dir), Err(ShimError::Gone)));
}

#[test]
fn the_exit_code_is_the_programs_or_128_and_the_signal() {
    assert_eq!(exit_of("exit 7").exit_code, 7);
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    running.signal(9);
    let record = running.wait();
    assert_eq!((record.exit_code, record.signal), (137, Some(9)));
}

#[test]
fn a_program_that_is_not_there_is_refused_with_127_and_leaves_nothing() {
    let place = Place::new();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut plan = place.plan(&["nope"]);
    plan.clients = vec![everything(Framing::Multiplexed)];
    let refusal = match try_launch(&plan, &[theirs.as_fd()]) {
        Err(ShimError::Refused(refusal)) => refusal,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it runs"),
    };
    drop(theirs);
    assert_eq!(refusal.kind, RefusalKind::Start);
    assert_eq!(refusal.exit_code, Some(127));
    assert_eq!(refusal.message, "exec: \"nope\": executable file not found in $PATH");
    assert_eq!(demultiplex(&mut ours), (String::new(), String::new()));
    assert_eq!(place.cgroups(), Vec::<std::path::PathBuf>::new());
    assert!(!place.exec_dir.join("exit.json").exists());
}

#[test]
fn an_unknown_user_is_refused() {
    let place = Place::new();
    let mut plan = place.plan(&["true"]);
    plan.user = Some(UserWish { name: "nobody2".into(), groups: Vec::new() });
    let Err(ShimError::Refused(refusal)) = try_launch(&plan, &[]) else { panic!("it is not refused") };
    assert!(
        refusal.message.contains("unable to find user nobody2: no matching entries in passwd file"),
        "{refusal}"
    );
}

#[test]
fn a_grandchild_does_not_hold_the_end_up() {
    let place = Place::new();
    let begun = Instant::now();
    let (mut running, mut client) = launch_attached(place.script("sleep 1000 & echo hi"));
    assert_eq!(demultiplex(&mut client).0, "hi\n");
    assert_eq!(running.wait().exit_code, 0);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_program_that_closes_its_outputs_goes_on_without_costing_anything() {
    let place = Place::new();
    let mut running = launch(&place.script("exec >&- 2>&-; sleep 100"));
    let shim = shim_pid(&place);
    let before = cpu_ticks(shim);
    let spins = testing::wait::until(Duration::from_millis(500), || cpu_ticks(shim) - before > 2);
    assert!(!spins, "the supervisor spins");
    running.signal(9);
    assert_eq!(running.wait().exit_code, 137);
}

#[test]
fn the_container_starts_with_clean_signals_descriptors_and_a_usual_mask() {
    let place = Place::new();
    let (running, mut client) = launch_attached(place.script(
        "exec 0</dev/null; grep -E '^Sig(Ign|Blk)' /proc/self/status; ls /proc/self/fd | wc -l; umask; cat /proc/self/oom_score_adj",
    ));
    let (out, err) = demultiplex(&mut client);
    assert_eq!(err, "");
    let zero = "0000000000000000";
    // ls opens the folder itself: 0, 1, 2 and that one.
    assert_eq!(out, format!("SigBlk:\t{zero}\nSigIgn:\t{zero}\n4\n0022\n0\n"));
    running.wait_gone();
}

#[test]
fn a_user_may_open_its_own_standard_output_by_name() {
    let place = Place::new();
    let mut plan = place.script("id -u; echo again >/proc/self/fd/1; echo bad >/proc/self/fd/2");
    plan.user = Some(UserWish { name: "1000".into(), groups: Vec::new() });
    let (_running, mut client) = launch_attached(plan);
    assert_eq!(demultiplex(&mut client), ("1000\nagain\n".into(), "bad\n".into()));
}

#[test]
fn deep_exec_roots_work() {
    let place = Place::below(&"deep/".repeat(40));
    assert!(place.exec_dir.as_os_str().len() > 108);
    let mut running = launch(&place.script("sleep 100"));
    let mut again = Running { client: place.connect(), started: running.started };
    again.signal(9);
    assert_eq!(running.wait().exit_code, 137);
}

#[test]
fn a_process_killed_for_lack_of_memory_is_told_of_while_the_container_goes_on() {
    let place = Place::new();
    let mut plan = place.script("tail -c 200m /dev/zero >/dev/null; echo $?; sleep 100");
    if let Some(linux) = &mut plan.groundwork.spec.linux {
        let memory = Memory { limit: Some(20 << 20), swap: Some(20 << 20), ..Memory::default() };
        linux.resources = Some(Resources { memory: Some(memory), ..Resources::default() });
    }
    let (mut running, mut client) = launch_attached(plan);
    assert_eq!(running.event(), Event::OutOfMemory);
    read_until(&mut client, "137");
    running.signal(9);
    let record = running.wait();
    assert_eq!((record.exit_code, record.oom_killed), (137, true));
    running.wait_gone();
    assert_eq!(place.cgroups(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn requests_to_end_do_not_end_the_supervisor() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let shim = shim_pid(&place);
    for signal in [1, 2, 15] {
        sys::process::signal_pid(shim, signal).unwrap();
    }
    assert_eq!(running.state().started, running.started);
    running.signal(9);
    running.wait();
}

#[test]
fn the_supervisor_is_nobodys_child_and_leads_its_own_session() {
    let place = Place::new();
    let mut running = launch(&place.script("sleep 100"));
    let shim = shim_pid(&place);
    let stat = std::fs::read_to_string(format!("/proc/{shim}/stat")).unwrap();
    let (name, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    assert!(name.ends_with("(gantry-shim"), "{stat}");
    assert_ne!(fields[1], std::process::id().to_string(), "its parent is not the daemon");
    assert_eq!(fields[3], shim.to_string(), "its session is its own");
    assert_eq!(std::fs::read_link(format!("/proc/{shim}/cwd")).unwrap(), std::path::Path::new("/"));
    running.signal(9);
    running.wait();
    running.wait_gone();
    eventually("the supervisor ends", || !std::path::Path::new(&format!("/proc/{shim}/exe")).exists());
}

#[test]
fn a_supervisor_without_a_launch_ends_without_a_trace() {
    drop(start_idle().unwrap());
}

#[test]
fn what_was_made_for_a_launch_that_never_comes_is_gone_with_it() {
    let place = Place::new();
    let mut shim = start_idle().unwrap();
    shim.prepare(&place.plan(&["true"]).groundwork, LIMIT).unwrap();
    eventually("the group is made in advance", || !place.cgroups().is_empty());
    drop(shim);
    assert_eq!(place.cgroups(), Vec::<std::path::PathBuf>::new());
}

/// The supervisor's own process.
pub(crate) fn shim_pid(place: &Place) -> u32 {
    let path = place.exec_dir.join("state.json");
    eventually("state.json is there", || path.exists());
    let text = std::fs::read_to_string(path).unwrap();
    let state: serde_json::Value = serde_json::from_str(&text).unwrap();
    u32::try_from(state["shim"].as_u64().unwrap()).unwrap()
}

fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
