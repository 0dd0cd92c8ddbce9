//! RUN: the options that create a container.

use rustix::process::Signal;
use testing::images;
use testing::pty::DETACH;
use testing::row;
use testing::wait::{self, PATIENCE};

use crate::{POLITE, is_hex};

row!(run_executes_a_command, "RUN-001", |row| {
    row.sh("docker container run busybox echo hello").code(0).prints("hello\n");
});

row!(the_exit_code_comes_through, "RUN-002", |row| {
    row.sh("docker run busybox sh -c 'exit 7'; echo $?").ok().prints("7\n");
});

row!(detached_returns_at_once, "RUN-003", |row| {
    let ran = row.sh("docker run -d busybox sleep 1000").ok();
    assert!(is_hex(ran.text(), 64) && ran.took.as_secs() < 5, "{ran}");
    row.sh("docker ps -q --no-trunc").ok().prints(&ran.stdout);
});

row!(stdin_and_terminal, "RUN-004", |row| {
    row.sh("echo hi | docker run -i busybox cat").ok().prints("hi\n");
    row.sh("docker run -t busybox tty").ok().prints("/dev/pts/0\r\n");
    for flags in ["-it", "-ti", "-i -t"] {
        let mut pty = row.pty(&format!("docker run --rm {flags} busybox sh"));
        pty.expect("/ # ");
        pty.send("tty; stty size\n");
        pty.expect("/dev/pts/0");
        pty.expect("24 80");
        pty.resize(40, 100);
        wait::eventually("the window's size arrives", || {
            pty.send("stty size\n");
            wait::until(std::time::Duration::from_millis(200), || pty.screen().contains("40 100"))
        });
        pty.send("exit 4\n");
        assert_eq!(pty.finish(PATIENCE), 4);
    }
});

row!(detach_keys_leave_the_container_running, "RUN-006", |row| {
    let mut pty = row.pty("docker run --name alpha -it busybox sh");
    pty.expect("/ # ");
    pty.send(DETACH);
    assert_eq!(pty.finish(PATIENCE), 0);
    row.sh("docker ps --format '{{.Names}} {{.Status}}'").ok().shows("alpha Up ");
});

row!(exit_stops_the_main_shell_only, "RUN-007", |row| {
    let mut main = row.pty("docker run --name alpha -it busybox sh");
    main.expect("/ # ");
    let mut second = row.pty("docker exec -it alpha sh");
    second.expect("/ # ");
    second.send("exit\n");
    assert_eq!(second.finish(PATIENCE), 0);
    assert_eq!(row.inspect("alpha", "{{.State.Running}}"), "true");
    main.send("exit\n");
    assert_eq!(main.finish(PATIENCE), 0);
    assert_eq!(row.inspect("alpha", "{{.State.Running}}"), "false");
});

row!(interrupt_reaches_the_first_process, "RUN-008", |row| {
    let client = row.start("docker run --name alpha busybox ping 127.0.0.1");
    client.expect_output("64 bytes from");
    client.signal(Signal::INT);
    let ran = client.finish(PATIENCE);
    assert!(matches!(ran.code, 0 | 130), "{ran}");
    assert_eq!(row.inspect("alpha", "{{.State.Running}}"), "false");
});

row!(a_published_port_answers, "RUN-009", |row| {
    row.load(&images::web("v1"));
    row.sh("docker run -d -p 8080:80 t/web:v1").ok();
    row.eventually_prints("curl -s localhost:8080", "web v1");
    row.eventually_prints("curl -s 127.0.0.1:8080", "web v1");
    row.sh("docker ps --format '{{.Ports}}'").ok().shows("0.0.0.0:8080->80/tcp");
});

row!(an_ephemeral_port_answers, "RUN-010", |row| {
    row.load(&images::web("v1"));
    row.sh("docker run -d --name ctr -p 80 t/web:v1").ok();
    let printed = row.out("docker port ctr 80");
    let port: u16 = printed.lines().next().unwrap().rsplit(':').next().unwrap().parse().unwrap();
    assert!(port >= 32768, "{printed}");
    row.eventually_prints(&format!("curl -s localhost:{port}"), "web v1");
});

row!(a_bind_mount_is_the_same_file, "RUN-016", |row| {
    let shared = row.host.path("shared");
    std::fs::create_dir(&shared).unwrap();
    let place = shared.display();
    row.sh(&format!("docker run -d --name alpha -v {place}:/data busybox sleep 1000")).ok();
    row.sh(&format!("echo out >{place}/outside")).ok();
    row.sh("docker exec alpha cat /data/outside").ok().prints("out\n");
    row.sh("docker exec alpha sh -c 'echo in >/data/inside'").ok();
    row.sh(&format!("cat {place}/inside")).ok().prints("in\n");
    for file in ["inside", "outside"] {
        let outside = row.out(&format!("stat -c %i {place}/{file}"));
        assert_eq!(row.out(&format!("docker exec alpha stat -c %i /data/{file}")), outside);
    }
});

row!(a_read_only_bind_refuses_changes, "RUN-017", |row| {
    let bin = row.host.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("x"), "kept").unwrap();
    let ran = row.sh(&format!("docker run -v {}:/host/bin:ro busybox rm /host/bin/x", bin.display()));
    assert!(ran.code != 0 && ran.stderr.contains("Read-only file system"), "{ran}");
    assert_eq!(std::fs::read_to_string(bin.join("x")).unwrap(), "kept");
});

row!(a_named_volume_is_made_on_the_way, "RUN-018", |row| {
    row.sh("docker run -v data:/data busybox sh -c 'echo kept >/data/f'").ok();
    row.sh("docker volume ls").ok().shows("local     data");
    row.sh("docker run -v data:/data:ro busybox cat /data/f").ok().prints("kept\n");
    row.sh("docker run -v data:/data:ro busybox touch /data/g").complains("Read-only file system");
});

row!(an_anonymous_volume_has_an_id_for_a_name, "RUN-019", |row| {
    row.sh("docker run -d --name alpha -v /data busybox sleep 1000").ok();
    let mounts = row.sh("docker inspect -f '{{json .Mounts}}' alpha").ok().json();
    assert_eq!((&mounts[0]["Type"], &mounts[0]["Destination"]), (&"volume".into(), &"/data".into()));
    assert!(is_hex(mounts[0]["Name"].as_str().unwrap(), 64), "{mounts}");
});

row!(a_container_over_its_memory_is_killed, "RUN-025", |row| {
    row.load(&images::hog());
    row.sh("docker run --name alpha --memory 32m t/hog 200").code(137);
    assert_eq!(row.inspect("alpha", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137");
    row.sh("docker run --rm --memory 64m busybox true").ok();
    row.sh("docker run -d --name beta --memory 256m t/hog 20").ok();
    row.wait_log("beta", "took 20971520 bytes");
    assert_eq!(row.inspect("beta", "{{.State.OOMKilled}} {{.HostConfig.Memory}}"), "false 268435456");
});

row!(a_user_can_be_chosen, "RUN-031", |row| {
    row.sh("docker run -u 1000:1000 busybox id -u").ok().prints("1000\n");
    row.sh("docker run -u 1000:1001 busybox id -g").ok().prints("1001\n");
    row.sh("docker run -u www-data busybox id")
        .ok()
        .prints("uid=33(www-data) gid=33(www-data) groups=33(www-data)\n");
    row.sh("docker run -u stranger busybox true").code(125).complains("unable to find user stranger");
});

/// The effective user of a process of the host.
fn uid(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    line.split_whitespace().nth(2).unwrap().to_owned()
}

row!(the_host_sees_the_containers_user, "RUN-032", |row| {
    row.load(&images::db());
    row.sh("docker run -d --name root busybox sleep 1000; docker run -d --name db t/db").ok();
    assert_eq!((uid(row.pid("root")), uid(row.pid("db"))), ("0".to_owned(), "999".to_owned()));
    row.sh("ps -eo uid,args").ok().shows("  0 sleep 1000").shows("999 sleep 1000");
});

row!(the_working_directory_can_be_chosen, "RUN-033", |row| {
    row.sh("docker run -w /tmp busybox pwd").ok().prints("/tmp\n");
    row.sh("docker run --workdir /not/there/yet busybox pwd").ok().prints("/not/there/yet\n");
});

row!(a_name_is_taken_once, "RUN-034", |row| {
    let id = row.out("docker run -d --name debug busybox sleep 1000");
    let second = row.sh("docker run -d --name debug busybox sleep 1000").code(125);
    second.complains("Conflict. The container name \"/debug\" is already in use by container").complains(&id);
});

row!(rm_takes_the_container_and_its_volumes, "RUN-035", |row| {
    row.sh("docker run --rm --name gone -v /data -v kept:/kept busybox true").ok();
    row.eventually_prints("docker ps -aq", "");
    row.eventually_prints("docker volume ls -q", "kept");
});

row!(variables_are_set_or_copied, "RUN-037", |row| {
    row.sh("docker run -e A=1 -e B=2 busybox env").ok().shows("A=1\n").shows("B=2\n");
    row.sh("VAR=mine docker run -e VAR -e UNSET busybox sh -c 'echo $VAR ${UNSET-unset}'")
        .ok()
        .prints("mine unset\n");
});

row!(variables_come_from_a_file, "RUN-038", |row| {
    std::fs::write(row.home().join("file.env"), "# a comment\nA=1\n\nB=two words\nCOPIED\n").unwrap();
    let env = row.sh("COPIED=yes docker run --env-file file.env busybox env").ok();
    let env = env.shows("A=1\n").shows("B=two words\n").shows("COPIED=yes\n");
    assert!(!env.stdout.contains("comment"), "{env}");
});

row!(the_entry_point_is_replaced, "RUN-039", |row| {
    row.sh("docker run --entrypoint echo busybox hi").ok().prints("hi\n");
});

row!(words_after_the_image_replace_its_command, "RUN-040", |row| {
    row.load(&images::ping3());
    row.sh("docker run ping3").ok().prints("ping -c 3 localhost\n");
    row.sh("docker run ping3 127.0.0.1").ok().prints("ping -c 3 127.0.0.1\n");
});

row!(labels_filter_the_list, "RUN-041", |row| {
    row.sh("docker run -d --name alpha --label docker_bench_security busybox sleep 1000").ok();
    row.sh("docker run -d --name beta -l tier=web busybox sleep 1000").ok();
    row.sh("docker ps -f label=docker_bench_security --format '{{.Names}}'").ok().prints("alpha\n");
    row.sh("docker ps -f label=tier=web --format '{{.Names}}'").ok().prints("beta\n");
    row.sh("docker ps -q -f label=tier=db").ok().prints("");
});

row!(network_host_and_none, "RUN-043", |row| {
    let inside = row.out("docker run --network host busybox ip a");
    assert_eq!(inside, row.out("busybox ip a"));
    row.sh("docker run --network none busybox ls /sys/class/net").ok().prints("lo\n");
});

/// The hexadecimal mask that a container sees in its own status.
fn capabilities(row: &testing::acceptance::Row<'_>, flags: &str, set: &str) -> u64 {
    let line = row.out(&format!("docker run --rm {flags} busybox grep {set} /proc/self/status"));
    u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
}

row!(capabilities_are_added_and_dropped, "RUN-048", |row| {
    const NET_ADMIN: u64 = 1 << 12;
    const CHOWN: u64 = 1;
    let plain = capabilities(row, "", "CapEff");
    assert_eq!(capabilities(row, "--cap-add NET_ADMIN", "CapEff"), plain | NET_ADMIN);
    assert_eq!(capabilities(row, "--cap-drop CHOWN", "CapEff"), plain & !CHOWN);
    assert_eq!(capabilities(row, "--cap-drop ALL --cap-add CAP_CHOWN", "CapEff"), CHOWN);
    assert_eq!(capabilities(row, "--cap-drop ALL", "CapBnd"), 0);
});

row!(the_host_name_can_be_chosen, "RUN-050", |row| {
    row.sh("docker run --hostname h busybox hostname").ok().prints("h\n");
    row.sh("docker run --name alpha busybox hostname").ok();
    assert_eq!(row.out("docker logs alpha"), row.inspect("alpha", "{{.Id}}")[..12]);
    row.sh("docker run --hostname h busybox cat /etc/hostname").ok().prints("h\n");
    row.sh("docker run --hostname h busybox cat /etc/hosts").ok().shows("\th\n");
});

row!(create_does_not_start, "RUN-053", |row| {
    let created = row.out("docker create --name alpha busybox echo ran");
    assert!(is_hex(&created, 64));
    row.sh("docker ps -a --format '{{.Names}} {{.Status}}'").ok().prints("alpha Created\n");
    assert!(is_hex(&row.out(&format!("docker container create busybox {POLITE}")), 64));
    row.sh("docker logs alpha").ok().prints("");
    row.sh("docker start -a alpha").ok().prints("ran\n");
});
