//! CTR: the commands that work on containers.

use std::time::Duration;

use testing::pty::DETACH;
use testing::row;
use testing::wait::{self, PATIENCE};

use crate::{POLITE, is_hex};

row!(the_list_has_dockers_columns, "CTR-001", |row| {
    let header = "CONTAINER ID   IMAGE     COMMAND   CREATED   STATUS    PORTS     NAMES\n";
    row.sh("docker ps").ok().prints(header);
    row.sh("docker container ls").ok().prints(header);
    let id = row.out("docker run -d --name alpha busybox sh -c 'echo a command that is long; sleep 1000'");
    let list = row.sh("docker ps").ok();
    let columns: Vec<&str> =
        list.lines()[0].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
    assert_eq!(columns, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    let line = list.lines()[1].to_owned();
    assert!(line.starts_with(&format!("{}   busybox   \"sh -c 'echo a comma…\"   ", &id[..12])), "{list}");
    assert!(line.contains(" ago   Up ") && line.trim_end().ends_with(" alpha"), "{list}");
    row.sh("docker ps --no-trunc")
        .ok()
        .shows(&id)
        .shows("\"sh -c 'echo a command that is long; sleep 1000'\"");
});

row!(all_states_are_listed_on_request, "CTR-002", |row| {
    row.sh("docker run -d --name up busybox sleep 1000; docker run --name done busybox sh -c 'exit 3'")
        .code(3);
    let up = row.sh("docker ps --format '{{.Names}}'").ok();
    assert_eq!(up.stdout, "up\n");
    let all = row.sh("docker container ls -a").ok();
    assert!(all.lines().iter().any(|line| line.contains("Exited (3) ") && line.contains(" ago")), "{all}");
});

row!(quiet_lists_short_ids, "CTR-003", |row| {
    row.sh("docker run -d busybox sleep 1000; docker create busybox").ok();
    assert_eq!(row.sh("docker ps -q").ok().lines().len(), 1);
    let all = row.sh("docker ps -aq").ok();
    assert!(all.lines().len() == 2 && all.lines().iter().all(|line| is_hex(line, 12)), "{all}");
});

row!(inspect_prints_an_array, "CTR-007", |row| {
    row.sh("docker run -d --name alpha -v data:/data busybox sleep 1000").ok();
    for command in ["docker inspect alpha", "docker container inspect alpha"] {
        let array = row.sh(command).ok().json();
        assert_eq!(array.as_array().map(Vec::len), Some(1));
        for key in ["Id", "State", "Config", "HostConfig", "NetworkSettings", "Mounts"] {
            assert!(!array[0][key].is_null(), "no {key} in {array}");
        }
        assert_eq!(array[0]["State"]["Status"], "running");
        assert_eq!(array[0]["Config"]["Cmd"], serde_json::json!(["sleep", "1000"]));
    }
});

row!(logs_follow_until_the_end, "CTR-008", |row| {
    let script = "sh -c 'echo one; echo err >&2; while [ ! -e /go ]; do sleep 0.05; done; echo two'";
    row.sh(&format!("docker run -d --name alpha busybox {script}")).ok();
    row.wait_log("alpha", "one");
    let follow = row.start("docker logs -f alpha");
    follow.expect_output("one");
    row.sh("docker exec alpha touch /go").ok();
    let ran = follow.finish(PATIENCE).code(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("one\ntwo\n", "err\n"));
    row.sh("docker logs alpha 2>/dev/null").ok().prints("one\ntwo\n");
});

row!(exec_joins_the_container, "CTR-009", |row| {
    row.sh("docker run -d --name ctr busybox sleep 1000").ok();
    row.sh("docker exec ctr ps").ok().shows("sleep 1000").shows("ps");
    row.sh("docker exec ctr sh -c 'exit 9'").code(9);
    row.sh("echo typed | docker exec -i ctr cat").ok().prints("typed\n");
    let mut pty = row.pty("docker exec -it ctr sh");
    pty.expect("/ # ");
    pty.send("echo $((6*7)) $(tty)\n");
    pty.expect("42 /dev/pts/");
    pty.send("exit 3\n");
    assert_eq!(pty.finish(PATIENCE), 3);
    row.sh("docker exec ctr ps").ok().shows("sleep 1000");
});

row!(stop_asks_then_kills, "CTR-010", |row| {
    row.sh(&format!("docker run -d --name polite busybox {POLITE}; docker run -d --name deaf busybox sh -c 'trap \"\" TERM; while :; do sleep 1; done'")).ok();
    let quick = row.sh("docker stop polite").ok().prints("polite\n");
    assert!(quick.took < Duration::from_secs(3), "{quick}");
    assert_eq!(row.inspect("polite", "{{.State.ExitCode}}"), "0");
    let slow = row.sh("docker stop deaf").ok();
    assert!((9.0..=11.0).contains(&slow.took.as_secs_f64()), "{slow}");
    assert_eq!(row.inspect("deaf", "{{.State.ExitCode}}"), "137");
});

row!(start_keeps_the_files, "CTR-011", |row| {
    row.sh(&format!("docker run -d --name percy busybox {POLITE}")).ok();
    row.sh("docker exec percy sh -c 'echo DevOps FTW >/tmp/newfile'").ok();
    row.sh("docker stop percy && docker start percy").ok().prints("percy\npercy\n");
    row.sh("docker exec percy cat /tmp/newfile").ok().prints("DevOps FTW\n");
});

row!(restart_gives_a_new_process, "CTR-012", |row| {
    row.sh(&format!("docker run -d --name alpha busybox {POLITE}")).ok();
    let facts =
        || (row.inspect("alpha", "{{.Id}}"), row.inspect("alpha", "{{.State.StartedAt}}"), row.pid("alpha"));
    let before = facts();
    row.sh("docker restart alpha").ok().prints("alpha\n");
    let after = facts();
    assert_eq!(before.0, after.0);
    assert!(before.1 < after.1 && before.2 != after.2, "{before:?} {after:?}");
});

row!(rm_needs_force_for_a_running_container, "CTR-013", |row| {
    row.sh("docker run -d --name alpha busybox sleep 1000; docker create --name beta busybox").ok();
    row.sh("docker rm alpha").code(1).complains("container is running");
    row.sh("docker rm beta").ok().prints("beta\n");
    row.sh("docker rm -f alpha").ok().prints("alpha\n");
    row.sh("docker ps -aq").ok().prints("");
});

row!(kill_sends_any_signal, "CTR-014", |row| {
    row.sh("docker run -d --name alpha busybox sh -c 'trap \"echo got HUP\" HUP; echo ready; while :; do sleep 0.05; done'").ok();
    row.wait_log("alpha", "ready");
    row.sh("docker kill -s HUP alpha").ok().prints("alpha\n");
    row.wait_log("alpha", "got HUP");
    assert_eq!(row.inspect("alpha", "{{.State.Running}}"), "true");
    row.sh("docker kill alpha").ok().prints("alpha\n");
    row.eventually_prints("docker inspect -f '{{.State.ExitCode}} {{.State.Running}}' alpha", "137 false");
});

row!(a_paused_container_stands_still, "CTR-015", |row| {
    let shared = row.host.path("shared");
    std::fs::create_dir(&shared).unwrap();
    let script = "sh -c 'i=0; while :; do i=$((i+1)); echo $i >/shared/count; sleep 0.01; done'";
    row.sh(&format!("docker run -d --name alpha -v {}:/shared busybox {script}", shared.display())).ok();
    let count = || std::fs::read_to_string(shared.join("count")).unwrap_or_default();
    wait::eventually("it counts", || count().trim().parse::<u64>().is_ok_and(|count| count > 3));
    row.sh("docker pause alpha").ok().prints("alpha\n");
    let frozen = count();
    assert!(!wait::until(Duration::from_millis(300), || count() != frozen), "it makes progress while paused");
    row.sh("docker info").ok().shows(" Paused: 1");
    row.sh("docker ps --format '{{.Status}}'").ok().shows("(Paused)");
    row.sh("docker unpause alpha").ok().prints("alpha\n");
    wait::eventually("it counts again", || count() != frozen);
    row.sh("docker info").ok().shows(" Paused: 0");
});

row!(attach_comes_back_after_a_detach, "CTR-016", |row| {
    let mut first = row.pty("docker run -it --name alpha busybox sh");
    first.expect("/ # ");
    first.send("mine=kept\n");
    first.expect_times("/ # ", 2);
    first.send(DETACH);
    assert_eq!(first.finish(PATIENCE), 0);
    let mut second = row.pty("docker attach alpha");
    second.send("echo it-is-$mine\n");
    second.expect("it-is-kept");
    second.send("exit 6\n");
    assert_eq!(second.finish(PATIENCE), 6);
});

row!(a_container_has_a_folder_of_its_own, "CTR-028", |row| {
    let id = row.out("docker run -d --name alpha busybox sleep 1000");
    let folder = row.root().join("containers").join(&id);
    assert!(folder.is_dir(), "no {}", folder.display());
    let files: Vec<_> =
        std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert!(files.iter().any(|name| name.to_string_lossy().starts_with("config.")), "{files:?}");
    row.sh("docker rm -f alpha").ok();
    assert!(!folder.exists(), "{} is still there", folder.display());
});
