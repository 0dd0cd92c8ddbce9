//! ENG: the engine's architecture, seen from outside.

use std::time::Duration;

use testing::{images, row, wait};

row!(client_and_server_are_apart, "ENG-001", |row| {
    row.sh("docker version").ok().shows("Client:").shows("Server:");
    row.stop_daemon();
    let alone = row.sh("docker version");
    assert!(alone.code != 0 && alone.stdout.contains("Client:"), "{alone}");
    assert!(!alone.stdout.contains("Server:"), "{alone}");
    assert!(alone.stderr.to_lowercase().contains("cannot connect"), "{alone}");
});

row!(version_is_answered_on_the_unix_socket, "ENG-002", |row| {
    let version = row.sh("curl -s --unix-socket /var/run/docker.sock http://localhost/version").ok().json();
    assert!(version["ApiVersion"].is_string() && version["MinAPIVersion"].is_string(), "{version}");
});

row!(run_docker_sock_is_the_same_socket, "ENG-003", |row| {
    row.sh("curl -s --unix-socket /run/docker.sock http://d/_ping").ok().prints("OK");
});

row!(versions_have_a_minimum, "ENG-004", |row| {
    let curl = "curl -s -w '\\n%{http_code}' --unix-socket /var/run/docker.sock http://d";
    row.sh(&format!("{curl}/v1.37/info")).ok().shows("\n200");
    row.sh(&format!("{curl}/v0.1/info")).ok().shows("\n400").shows("1.24");
});

/// The parent of a process.
fn parent(pid: u32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name.split_whitespace().nth(1).unwrap().parse().unwrap()
}

row!(each_container_has_a_supervisor_of_its_own, "ENG-005", |row| {
    let daemon = row.with_daemon(|daemon| daemon.pid());
    let mut supervisors = Vec::new();
    for name in ["one", "two"] {
        row.sh(&format!("docker run -d --name {name} busybox sleep 1000")).ok();
        let supervisor = parent(row.pid(name));
        row.sh("ps -ef").ok().shows(&format!("{supervisor}"));
        assert_ne!(supervisor, daemon, "the daemon itself is the parent of {name}");
        assert_ne!(parent(supervisor), daemon, "the supervisor of {name} is a child of the daemon");
        supervisors.push(supervisor);
    }
    assert_ne!(supervisors[0], supervisors[1]);
});

row!(the_runtime_goes_once_a_container_runs_and_works_alone, "ENG-007", |row| {
    row.sh("docker run -d --name one busybox sleep 1000").ok();
    // What is left is the program, its supervisor, and what was there before.
    let supervisor = parent(row.pid("one"));
    assert_eq!(std::fs::read_to_string(format!("/proc/{}/comm", row.pid("one"))).unwrap(), "sleep\n");
    let children = format!("ps -o pid= --ppid {supervisor}");
    assert_eq!(row.sh(&children).ok().text(), row.pid("one").to_string());
    // The same runtime on a bundle, without any daemon.
    row.stop_daemon();
    let bundle = row.home().join("bundle");
    std::fs::create_dir(&bundle).unwrap();
    std::fs::write(bundle.join("rootfs.tar"), images::busybox_rootfs()).unwrap();
    let at = |line: &str| row.sh(&format!("cd {} && {line}", bundle.display()));
    at("mkdir rootfs && tar -x -C rootfs -f rootfs.tar && gantry runtime spec").ok();
    let edit = r#".process.terminal = false | .process.args = ["sh", "-c", "echo alone; exit 3"]"#;
    at(&format!("jq '{edit}' config.json > edited && mv edited config.json")).ok();
    at("gantry runtime run two").code(3).prints("alone\n");
    row.sh("gantry runtime list -q").ok().prints("");
});

/// Counts on standard output and in `/shared/count`, until `/shared/stop` is there; then ends with 5.
const COUNTER: &str = r#"sh -c 'i=0; while [ ! -e /shared/stop ]; do i=$((i+1)); echo $i; echo $i >/shared/count; sleep 0.02; done; exit 5'"#;

fn count(row: &testing::acceptance::Row<'_>) -> u64 {
    let text = std::fs::read_to_string(row.host.path("shared/count")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn start_counter(row: &testing::acceptance::Row<'_>) {
    let shared = row.host.path("shared");
    std::fs::create_dir(&shared).unwrap();
    row.sh(&format!("docker run -d --name counter -v {}:/shared busybox {COUNTER}", shared.display())).ok();
    counts_on(row);
}

fn counts_on(row: &testing::acceptance::Row<'_>) {
    let seen = count(row);
    wait::eventually("the counter goes on", || count(row) > seen + 5);
}

row!(a_killed_daemon_loses_neither_lines_nor_the_exit_code, "ENG-008", |row| {
    start_counter(row);
    row.kill_daemon();
    counts_on(row);
    row.start_daemon("");
    counts_on(row);
    std::fs::write(row.host.path("shared/stop"), "").unwrap();
    row.sh("docker wait counter").ok().prints("5\n");
    let lines: Vec<u64> =
        row.sh("docker logs counter").ok().lines().iter().map(|line| line.parse().unwrap()).collect();
    let whole: Vec<u64> = (1..=count(row)).collect();
    assert_eq!(lines, whole, "the log has a gap");
});

row!(a_restarted_daemon_leaves_containers_alone, "ENG-009", |row| {
    start_counter(row);
    let before = row.pid("counter");
    row.stop_daemon();
    counts_on(row);
    row.start_daemon("");
    assert_eq!(row.pid("counter"), before);
    counts_on(row);
    row.sh("docker ps --format '{{.Names}} {{.State}}'").ok().prints("counter running\n");
});

row!(namespaces_and_pivot_root_are_used, "ENG-015", |row| {
    // Containers are grandchildren of the spawner, which has begun before anything is traced.
    let spawner = row.sh("pgrep -x gantry-spawner").ok().stdout;
    let trace = row.host.path("trace");
    let calls = "clone,clone3,unshare,setns,pivot_root";
    let strace = row.start(&format!("strace -f -e trace={calls} -o {} -p {spawner}", trace.display()));
    wait::eventually("strace is attached", || strace.stderr_so_far().contains("attached"));
    row.sh("docker run --rm busybox true").ok();
    strace.signal(rustix::process::Signal::INT);
    strace.finish(Duration::from_secs(30));
    let seen = std::fs::read_to_string(&trace).unwrap();
    for flag in ["CLONE_NEWPID", "CLONE_NEWNS", "CLONE_NEWUTS", "CLONE_NEWIPC", "CLONE_NEWNET"] {
        assert!(seen.contains(flag), "no {flag} in\n{seen}");
    }
    assert!(seen.contains("pivot_root(\"."), "no pivot_root in\n{seen}");
});

row!(a_container_lives_as_long_as_its_first_process, "ENG-016", |row| {
    row.sh("docker run -d --name alpha busybox sleep 0.5").ok();
    row.sh("docker ps").ok().shows("Up ");
    row.sh("docker wait alpha; docker ps -a").ok().shows("Exited (0)");
});

row!(a_container_starts_in_well_under_a_second, "ENG-017", |row| {
    let fastest = (0..3).map(|_| row.sh("docker run --rm busybox true").ok().took).min();
    assert!(fastest < Some(Duration::from_millis(241)), "{fastest:?}");
});

row!(components_are_listed_with_versions, "ENG-019", |row| {
    let version = row.sh("docker version --format '{{json .Server}}'").ok().json();
    let components = version["Components"].as_array().cloned().unwrap_or_default();
    assert!(components.len() >= 2, "one component only: {version}");
    let page = row.sh("docker version").ok();
    for component in &components {
        let (name, number) = (component["Name"].as_str().unwrap(), component["Version"].as_str().unwrap());
        assert!(page.stdout.contains(name) && page.stdout.contains(number), "no {name} {number} in {page}");
    }
});

row!(swarm_is_inactive_at_first, "ENG-022", |row| {
    row.sh("docker info").ok().shows("Swarm: inactive");
});

row!(bundles_are_as_the_specification_says, "ENG-012", |row| {
    row.sh("docker run -d --name alpha busybox sh -c 'echo from the bundle; [ -e /stop ] || sleep 1000'")
        .ok();
    let id = row.sh("docker inspect -f '{{.Id}}' alpha").ok().stdout.trim().to_owned();
    let config = std::path::PathBuf::from(format!("/run/gantry/containers/{id}/config.json"));
    wait::eventually("the document is there", || config.exists());
    let text = std::fs::read_to_string(&config).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(testing::schema::faults_of_config(&document), Vec::<String>::new());

    // Another runtime takes it as it is, once the layers are mounted where it says.
    let bundle = row.host.path("bundle");
    std::fs::create_dir(&bundle).unwrap();
    std::fs::write(bundle.join("config.json"), text).unwrap();
    row.sh("docker exec alpha touch /stop; docker kill alpha").ok();
    let layers = row.sh(
        "docker inspect -f 'lowerdir={{.GraphDriver.Data.LowerDir}},upperdir={{.GraphDriver.Data.UpperDir}},workdir={{.GraphDriver.Data.WorkDir}}' alpha",
    );
    let root = document["root"]["path"].as_str().unwrap();
    row.sh(&format!("mount -t overlay overlay -o {} {root}", layers.ok().stdout.trim())).ok();
    let other = row.sh(&format!("runc run --bundle {} other", bundle.display()));
    row.sh(&format!("umount {root}")).ok();
    other.ok().prints("from the bundle\n");
});
