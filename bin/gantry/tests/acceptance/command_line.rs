//! CLI: what holds for every command.

use std::collections::BTreeMap;

use testing::images;
use testing::row;

use crate::{POLITE, is_hex};

row!(version_names_both_sides, "CLI-001", |row| {
    row.sh("docker --version").ok().shows("version ");
    let page = row.sh("docker version").ok();
    let (client, server) = page.stdout.split_once("\nServer:").expect("a client and a server block");
    for field in ["Version:", "API version:", "Git commit:", "Built:", "OS/Arch:"] {
        for side in [client, server] {
            let line = side.lines().find(|line| line.trim_start().starts_with(field));
            let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
            assert!(value.is_some_and(|value| !value.is_empty()), "no {field} in\n{side}");
        }
    }
});

row!(info_shows_every_field, "CLI-002", |row| {
    row.sh("docker run -d --name up busybox sleep 1000; docker create --name down busybox").ok();
    let page = row.sh("docker info").ok();
    let value = |field: &str| {
        let line = page.stdout.lines().find(|line| line.trim_start().starts_with(&format!("{field}:")));
        let line = line.unwrap_or_else(|| panic!("no {field} in {page}"));
        line.split_once(':').unwrap().1.trim().to_owned()
    };
    assert_eq!(
        ["Containers", "Running", "Paused", "Stopped", "Images"].map(value),
        ["2", "1", "0", "1", "1"]
    );
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert_eq!(value("Kernel Version"), kernel.trim());
    assert_eq!((value("OSType").as_str(), value("Architecture").as_str()), ("linux", "x86_64"));
    assert_eq!(value("CPUs"), std::thread::available_parallelism().unwrap().to_string());
    assert!(value("Total Memory").ends_with("iB"));
    assert_eq!(value("Name"), row.out("hostname"));
    assert!(!value("ID").is_empty() && !value("Operating System").is_empty());
    assert!(value("Docker Root Dir").starts_with('/'));
    assert_eq!((value("Debug Mode").as_str(), value("Experimental").as_str()), ("false", "false"));
    for field in ["Server Version", "Storage Driver", "Logging Driver", "Cgroup Driver", "Cgroup Version"] {
        assert!(!value(field).is_empty(), "empty {field}");
    }
    for field in ["Plugins", "Volume", "Network", "Log", "Insecure Registries", "Live Restore Enabled"] {
        value(field);
    }
    page.shows("127.0.0.0/8");
});

row!(both_forms_of_a_command_are_one, "CLI-004", |row| {
    row.load(&images::echo());
    // The stock client prints the repositories of one image in no order of its own.
    row.sh("docker rmi t/busybox && docker run -d --name alpha busybox sleep 1000").ok();
    for (old, new) in [
        ("docker ps --no-trunc -a", "docker container ls --no-trunc -a"),
        ("docker ps -q", "docker container ls -q"),
        ("docker images", "docker image ls"),
        ("docker inspect --type image busybox", "docker image inspect busybox"),
        ("docker history busybox", "docker image history busybox"),
        ("docker logs alpha", "docker container logs alpha"),
    ] {
        assert_eq!(row.sh(old).ok().stdout, row.sh(new).ok().stdout, "{old} and {new} differ");
    }
    row.sh("docker tag busybox one:1 && docker tag busybox two:1").ok();
    row.sh("docker rmi one:1").ok().prints("Untagged: one:1\n");
    row.sh("docker image rm two:1").ok().prints("Untagged: two:1\n");
});

row!(dash_h_reaches_a_remote_daemon, "CLI-005", |row| {
    row.stop_daemon();
    row.sh("hostname the-remote").ok();
    row.start_daemon(
        "-H tcp://127.0.0.1:23750 -H unix:///var/run/docker.sock -H unix:///run/gantry/gantry.sock",
    );
    row.sh("docker -H tcp://127.0.0.1:23750 info").ok().shows("Name: the-remote");
});

row!(docker_host_names_another_daemon, "CLI-007", |row| {
    let tables = row.out("nft list tables");
    let second = row.host.path("second");
    let socket = second.join("x.sock");
    std::fs::create_dir(&second).unwrap();
    let place = second.display();
    let mut start = row.start_with(&format!(
        "--data-root {place}/root --exec-root {place}/exec --pidfile {place}/pid --bridge none -H unix://{}",
        socket.display()
    ));
    start.socket.clone_from(&socket);
    let daemon = start.start();
    let root =
        row.out(&format!("DOCKER_HOST=unix://{} docker info -f '{{{{.DockerRootDir}}}}'", socket.display()));
    assert_eq!(root, format!("{place}/root"));
    assert_ne!(row.out("docker info -f '{{.DockerRootDir}}'"), root);
    daemon.stop();
    // A daemon's rules outlive it, as its containers do; the second one does not come back to this host.
    for table in row.out("nft list tables").lines().filter(|table| !tables.contains(table)) {
        row.sh(&format!("nft delete {table}")).ok();
    }
});

row!(objects_answer_to_name_id_and_prefix, "CLI-010", |row| {
    let id = row.out(&format!("docker run -d --name alpha busybox {POLITE}"));
    row.sh(&format!("docker run -d busybox {POLITE}")).ok();
    for reference in ["alpha", id.as_str(), &id[..12], &id[..3]] {
        assert_eq!(row.inspect(reference, "{{.Id}}"), id);
    }
    assert_eq!(row.sh("docker stop $(docker ps -q)").ok().lines().len(), 2);
    row.sh("docker ps -q").ok().prints("");
    row.sh(&format!("docker start {}", &id[..3])).ok().prints(&format!("{}\n", &id[..3]));

    let mut letters = BTreeMap::new();
    for _ in 0..17 {
        let id = row.out("docker create busybox");
        *letters.entry(id[..1].to_owned()).or_insert(0) += 1;
    }
    let shared = letters.iter().find(|(_, count)| **count > 1).unwrap().0;
    let ambiguous = row.sh(&format!("docker stop {shared}"));
    assert!(ambiguous.code != 0 && ambiguous.stderr.contains("multiple IDs found"), "{ambiguous}");
});

row!(a_command_takes_several_objects, "CLI-011", |row| {
    row.sh("docker run -d busybox sleep 1000; docker create busybox; docker run -d busybox true").ok();
    let ids = row.out("docker ps -aq");
    assert_eq!(ids.lines().count(), 3);
    row.sh("docker rm -f $(docker ps -aq)").ok().prints(&format!("{ids}\n"));
    row.sh("docker ps -aq").ok().prints("");
});

row!(run_in_the_background_prints_the_whole_id, "CLI-012", |row| {
    let ran = row.sh("docker run -d busybox true").ok();
    assert!(is_hex(ran.stdout.strip_suffix('\n').unwrap(), 64), "{ran}");
});

row!(a_nameless_container_gets_two_words, "CLI-013", |row| {
    row.sh("docker run -d busybox sleep 1000").ok();
    let name = row.out("docker ps --format '{{.Names}}'");
    let (left, right) = name.split_once('_').expect("two words");
    for word in [left, right] {
        assert!(!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
    }
});

row!(run_pulls_what_is_not_there, "CLI-014", |row| {
    let registry = row.registry();
    registry.push(&images::busybox(), "t/busybox", "latest");
    row.sh("docker rmi -f busybox t/busybox").ok();
    let ran = row.sh("docker run localhost:5000/t/busybox echo up").ok().prints("up\n");
    let expected = [
        "Unable to find image 'localhost:5000/t/busybox:latest' locally",
        "latest: Pulling from t/busybox",
        "Pull complete",
        "Digest: sha256:",
        "Status: Downloaded newer image for localhost:5000/t/busybox:latest",
    ];
    let mut rest = ran.stderr.as_str();
    for line in expected {
        let at = rest.find(line).unwrap_or_else(|| panic!("no {line:?} in its place: {ran}"));
        rest = &rest[at + line.len()..];
    }
});

row!(aliases_and_functions_keep_working, "CLI-016", |row| {
    let aliases = r#"
shopt -s expand_aliases
alias dls='docker container ls'
alias dlsa='docker container ls -a'
alias dstopall='docker container stop $(docker container ls -aq)'
alias drmall='docker container rm $(docker container ls -aq)'
dshell (){
  (docker container exec -ti $1 bash) || (docker container exec -ti $1 sh);
}
"#;
    let with = |line: &str| format!("{aliases}\n{line}");
    row.sh(&format!(
        "docker run -d --name up busybox {POLITE}; docker run -d --name done busybox true; docker wait done"
    ))
    .ok();
    let up = row.sh(&with("dls")).ok();
    assert!(up.stdout.contains("up") && !up.stdout.contains("done"), "{up}");
    row.sh(&with("dlsa")).ok().shows("up").shows("done");

    let script = row.host.path("dshell.sh");
    std::fs::write(&script, with("dshell up")).unwrap();
    let mut shell = row.pty(&format!("bash {}", script.display()));
    shell.expect("/ # ");
    shell.send("echo in-$((6*7))\n");
    shell.expect("in-42");
    shell.send("exit\n");
    assert_eq!(shell.finish(testing::wait::PATIENCE), 0);

    assert_eq!(row.sh(&with("dstopall")).ok().lines().len(), 2);
    assert_eq!(row.sh(&with("drmall")).ok().lines().len(), 2);
    row.sh(&with("dlsa -q")).ok().prints("");
});
