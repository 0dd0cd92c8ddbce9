//! What a container is and has.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use runtime::{CreateError, Stdio};

use crate::stage::{CAPABILITY_BITS, Stage, gather, pipes, wait};

#[test]
fn the_program_runs_and_its_exit_code_comes_back() {
    let outcome = Stage::script("echo out; echo err >&2; exit 42").run();
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (42, "out\n", "err\n"));
    assert_eq!(
        Stage::script("kill -9 $$; true").run().code,
        0,
        "a first process is immune to its own signals"
    );
}

#[test]
fn it_has_its_own_namespaces_and_is_process_one() {
    let script = "echo $$; hostname; for n in mnt uts ipc net pid cgroup; do readlink /proc/self/ns/$n; done; ls /sys/class/net";
    let output = Stage::script(script).run().output();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[..2], ["1", "stage"]);
    for (name, line) in ["mnt", "uts", "ipc", "net", "pid"].iter().zip(&lines[2..]) {
        let ours = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        assert_ne!(ours.to_str(), Some(*line), "{name}");
    }
    let ours = fs::read_link("/proc/self/ns/cgroup").unwrap();
    assert_eq!(ours.to_str(), Some(lines[7]), "cgroup is the host's unless asked for");
    assert_eq!(lines[8..], ["lo"]);
}

#[test]
fn it_has_dockers_capabilities_and_filter() {
    let status = Stage::new(&["cat", "/proc/self/status"]).run().output();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for set in ["CapBnd:", "CapPrm:", "CapEff:"] {
        assert_eq!(field(set), CAPABILITY_BITS, "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("Seccomp:").as_str(), field("NoNewPrivs:").as_str()), ("2", "0"));
    assert_eq!(field("Seccomp_filters:"), "1");
    assert_eq!(field("SigIgn:"), "0000000000000000");
    assert_eq!(field("SigBlk:"), "0000000000000000");
}

#[test]
fn the_filter_forbids_what_docker_forbids() {
    let script = "unshare -m true; mount -t tmpfs x /tmp; date -s 2000-01-01 >/dev/null; reboot -f";
    let stderr = Stage::script(script).run().stderr;
    assert_eq!(
        stderr.lines().filter(|line| line.contains("not permitted") || line.contains("denied")).count(),
        4,
        "{stderr}"
    );
}

#[test]
fn another_user_has_no_capabilities_and_the_groups_of_the_files() {
    let mut stage = Stage::script("id; grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status; echo $HOME; touch /x");
    stage.user = Some(("web".to_owned(), vec!["77".to_owned()]));
    let outcome = stage.run();
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], "uid=33(web) gid=33(web) groups=29(audio),33(web),77");
    assert!(lines[1].ends_with("0000000000000000") && lines[2].ends_with("0000000000000000"), "{outcome:?}");
    assert!(lines[3].ends_with(CAPABILITY_BITS), "{outcome:?}");
    assert_eq!(lines[4], "/srv");
    assert!(outcome.stderr.contains("Permission denied"), "{outcome:?}");
}

#[test]
fn ambient_capabilities_stay_with_another_user() {
    let mut stage = Stage::script("grep -E 'Cap(Eff|Amb)' /proc/self/status");
    stage.process().user.uid = 33;
    let sets = stage.process().capabilities.as_mut().unwrap();
    let kill = vec!["CAP_KILL".to_owned()];
    (sets.inheritable, sets.ambient, sets.permitted, sets.effective) =
        (kill.clone(), kill.clone(), kill.clone(), kill);
    let output = stage.run().output();
    assert_eq!(output, "CapEff:\t0000000000000020\nCapAmb:\t0000000000000020\n");
}

#[test]
fn no_new_privileges_can_be_asked_for() {
    let mut stage = Stage::script("grep NoNewPrivs /proc/self/status");
    stage.process().no_new_privileges = true;
    stage.process().user.uid = 33;
    assert_eq!(stage.run().output(), "NoNewPrivs:\t1\n");
}

#[test]
fn devices_are_there_and_no_others() {
    let script = "cd /dev; ls | grep -v core; stat -c '%n %t:%T %a' null zero full random urandom tty; readlink fd; \
        readlink ptmx; readlink stderr; echo x > null; dd if=zero bs=1 count=1 2>/dev/null | wc -c; \
        mknod /tmp/kmsg c 1 11; dd if=/tmp/kmsg bs=1 count=1 2>&1 | grep -c 'not permitted'";
    let output = Stage::script(script).run().output();
    let names = "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    let nodes = "null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\ntty 5:0 666\n";
    assert_eq!(output, format!("{names}{nodes}/proc/self/fd\npts/ptmx\n/proc/self/fd/2\n1\n1\n"));
}

#[test]
fn masked_paths_are_empty_and_readonly_paths_read_only() {
    let script = "cat /proc/keys /proc/timer_list /proc/interrupts | wc -c; ls /sys/firmware | wc -l; \
        for f in /proc/sys/kernel/hostname /sys/kernel/x /sys/firmware/x; do (echo x > $f) 2>&1; done";
    let output = Stage::script(script).run().stdout;
    assert!(output.starts_with("0\n0\n"), "{output}");
    assert_eq!(output.matches("Read-only file system").count(), 3, "{output}");
}

#[test]
fn mounts_are_those_of_the_document_and_nothing_of_the_host() {
    testing::needs!(CgroupV1);
    let output = Stage::script("cat /proc/self/mountinfo").run().output();
    let places: Vec<_> = output.lines().map(|line| line.split(' ').nth(4).unwrap()).collect();
    assert_eq!(
        places[..7],
        ["/", "/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/sys/fs/cgroup/cpu"]
    );
    assert!(!output.contains("/dev/vda"), "{output}");
    let line = |place: &str| output.lines().find(|line| line.split(' ').nth(4) == Some(place)).unwrap();
    assert!(line("/dev").contains(" rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755"), "{output}");
    assert!(
        line("/dev/pts").contains("rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666")
    );
    assert!(line("/sys").contains("ro,nosuid,nodev,noexec"));
    assert!(line("/dev/shm").contains("rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k"));
}

#[test]
fn cgroups_show_the_containers_own_group_read_only() {
    testing::needs!(CgroupV1);
    let mut stage = Stage::script(
        "cat /sys/fs/cgroup/pids/pids.max; cat /proc/self/cgroup | grep pids; mkdir /sys/fs/cgroup/pids/x /sys/fs/cgroup/y",
    );
    stage.linux().resources = Some(serde_json::from_str(r#"{"pids": {"limit": 55}}"#).unwrap());
    let path = stage.cgroup_path.to_str().unwrap().to_owned();
    let outcome = stage.run();
    let lines: Vec<_> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], "55");
    assert!(lines[1].ends_with(&path), "{outcome:?}");
    assert_eq!(outcome.stderr.matches("Read-only file system").count(), 2, "{outcome:?}");
}

#[test]
fn a_cgroup_namespace_is_rooted_in_the_containers_group() {
    testing::needs!(CgroupV1);
    let mut stage = Stage::script(
        "grep -E ':(pids|memory):' /proc/self/cgroup; cat /sys/fs/cgroup/pids/cgroup.procs | head -1",
    );
    stage.linux().namespaces.push(serde_json::from_str(r#"{"type": "cgroup"}"#).unwrap());
    let output = stage.run().output();
    assert_eq!(output.lines().filter(|line| line.ends_with(":/")).count(), 2, "{output}");
    assert_eq!(output.lines().last(), Some("1"));
}

#[test]
fn limits_of_the_group_hold() {
    let mut stage = Stage::script("dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null; echo $?");
    stage.linux().resources =
        Some(serde_json::from_str(r#"{"memory": {"limit": 16777216, "swap": 16777216}}"#).unwrap());
    assert_eq!(stage.run().stdout, "137\n");
}

#[test]
fn binds_volumes_and_files_appear_where_they_shall() {
    let mut stage = Stage::script(
        "cat /etc/hosts /new/deep/file; touch /vol/x /ro/x; ls /vol; stat -c %a /tmp /run/t; touch /tmp/x /ctmp/x",
    );
    let outside = stage.outside().to_owned();
    for folder in ["vol", "ro"] {
        fs::create_dir(outside.join(folder)).unwrap();
    }
    fs::write(outside.join("hosts"), "127.0.0.1 localhost\n").unwrap();
    let bind = |from: &str, to: &str, options: &str| {
        format!(
            r#"{{"destination": "{to}", "type": "bind", "source": "{}/{from}", "options": [{options}]}}"#,
            outside.display()
        )
    };
    stage.mount(&bind("hosts", "/etc/hosts", r#""rbind", "rprivate""#));
    stage.mount(&bind("hosts", "/new/deep/file", r#""rbind", "rprivate", "ro""#));
    stage.mount(&bind("vol", "/vol", r#""rbind", "rprivate""#));
    stage.mount(&bind("ro", "/ro", r#""rbind", "ro", "rprivate""#));
    stage.mount(r#"{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid"]}"#);
    stage.mount(r#"{"destination": "/run/t", "type": "tmpfs", "source": "tmpfs", "options": ["mode=700"]}"#);
    stage.mount(r#"{"destination": "/ctmp", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}"#);
    let outcome = stage.run();
    assert_eq!(outcome.stdout, "127.0.0.1 localhost\n127.0.0.1 localhost\nx\n1777\n700\n");
    assert_eq!(outcome.stderr.matches("Read-only file system").count(), 2, "{outcome:?}");
    assert!(outside.join("vol/x").exists() && !outside.join("ro/x").exists());
}

#[test]
fn a_readonly_root_is_read_only_and_its_volumes_are_not() {
    let mut stage = Stage::script("touch /x; touch /dev/shm/x /vol/x && pwd");
    fs::create_dir(stage.outside().join("vol")).unwrap();
    stage.spec.root.as_mut().unwrap().readonly = true;
    stage.process().cwd = "/made/for/it".to_owned();
    let mount = format!(
        r#"{{"destination": "/vol", "source": "{}/vol", "options": ["bind"]}}"#,
        stage.outside().display()
    );
    stage.mount(&mount);
    let outcome = stage.run();
    assert!(outcome.stderr.contains("/x: Read-only file system"), "{outcome:?}");
    assert_eq!(outcome.stdout, "/made/for/it\n");
}

#[test]
fn the_host_sees_neither_mounts_nor_processes_left() {
    let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut created = Stage::script("sleep 100").create(Stdio::Null).unwrap();
    created.start().unwrap();
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    assert!(created.start_time > 0);
    runtime::kill(std::os::fd::AsFd::as_fd(&created.pidfd), rustix::process::Signal::KILL).unwrap();
    assert_eq!(wait(&created.pidfd), 137);
    created.cgroup.unwrap().remove().unwrap();
}

#[test]
fn a_created_container_that_is_not_started_ends_when_dropped() {
    let created = Stage::script("touch /ran").create(Stdio::Null).unwrap();
    let pid = created.pid;
    created.cgroup.as_ref().unwrap().kill_all().unwrap();
    let group = created.cgroup.clone().unwrap();
    drop(created);
    assert!(!std::path::Path::new(&format!("/proc/{pid}/exe")).exists());
    group.remove().unwrap();
}

#[test]
fn kernel_parameters_and_limits_are_set() {
    let mut stage = Stage::script(
        "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ulimit -n; ulimit -Hc; cat /proc/self/oom_score_adj; umask",
    );
    stage.linux().sysctl.insert("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
    stage.process().rlimits = serde_json::from_str(
        r#"[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]"#,
    )
    .unwrap();
    stage.process().oom_score_adj = Some(321);
    assert_eq!(stage.run().output(), "0\n100\n0\n321\n0022\n");
}

#[test]
fn a_hard_limit_that_cannot_be_raised_is_reported_as_runc_does() {
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let mut stage = Stage::script("ulimit -Hn");
    let wanted = own.unwrap_or(1 << 20) + 1;
    let limit = format!(r#"[{{"type": "RLIMIT_NOFILE", "soft": 10, "hard": {wanted}}}]"#);
    stage.process().rlimits = serde_json::from_str(&limit).unwrap();
    let can_raise = sys::credentials::capabilities().unwrap().effective.0 & 1 << 24 != 0;
    if can_raise || own.is_none() {
        eprintln!("SKIPPED: needs a host without CAP_SYS_RESOURCE");
        return;
    }
    assert_eq!(
        stage.refusal().to_string(),
        "error setting rlimits for ready process: error setting rlimit type 7: operation not permitted"
    );
}

#[test]
fn programs_that_cannot_run_are_refused_in_dockers_words() {
    let refusal = |program: &str| {
        let stage = Stage::new(&[program]);
        fs::create_dir(stage.image().join("bin/folder")).unwrap();
        let error = stage.refusal();
        (error.to_string(), error.exit_code())
    };
    let words = |text: &str, code: u8| (text.to_owned(), code);
    assert_eq!(refusal("nope"), words(r#"exec: "nope": executable file not found in $PATH"#, 127));
    assert_eq!(refusal("folder"), words(r#"exec: "folder": executable file not found in $PATH"#, 127));
    assert_eq!(refusal("/nope"), words(r#"exec: "/nope": stat /nope: no such file or directory"#, 127));
    assert_eq!(refusal("/"), words(r#"exec: "/": permission denied"#, 126));
    assert_eq!(refusal("/etc/passwd"), words(r#"exec: "/etc/passwd": permission denied"#, 126));
    assert_eq!(refusal("/proc/self/exe"), words(r#"exec: "/proc/self/exe": permission denied"#, 126));
    assert_eq!(refusal(""), words(r#"exec: "": executable file not found in $PATH"#, 127));
}

#[test]
fn a_program_of_a_wrong_format_begins_and_ends_with_255() {
    let stage = Stage::new(&["/bad"]);
    fs::write(stage.image().join("bad"), "not a program").unwrap();
    fs::set_permissions(stage.image().join("bad"), fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = stage.run();
    assert_eq!((outcome.code, outcome.stderr.as_str()), (255, "exec /bad: exec format error\n"));
}

#[test]
fn unknown_users_and_hopeless_folders_are_refused() {
    let mut stage = Stage::new(&["true"]);
    stage.user = Some(("nobody2".to_owned(), Vec::new()));
    assert_eq!(
        stage.refusal().to_string(),
        "unable to find user nobody2: no matching entries in passwd file"
    );
    let mut stage = Stage::new(&["true"]);
    stage.process().cwd = "/etc/passwd".to_owned();
    assert!(
        stage.refusal().to_string().ends_with("/etc/passwd\") set in config.json failed: not a directory"),
        "{}",
        stage.refusal()
    );
    let mut stage = Stage::new(&["true"]);
    stage.mount(r#"{"destination": "/etc/passwd/x", "source": "/etc", "options": ["bind"]}"#);
    assert_eq!(
        stage.refusal().to_string(),
        r#"error mounting "/etc" to rootfs at "/etc/passwd/x": cannot make the mountpoint: not a directory"#
    );
    let mut stage = Stage::new(&["true"]);
    stage.mount(r#"{"destination": "/x", "source": "/no/such", "options": ["bind"]}"#);
    assert!(stage.refusal().to_string().ends_with("/no/such: no such file or directory"));
}

#[test]
fn the_callers_failure_ends_the_child() {
    let stage = Stage::script("true");
    let request = runtime::CreateRequest {
        id: "x",
        spec: &stage.spec,
        rootfs: &stage.rootfs(),
        user: None,
        stdio: Stdio::Null,
        cgroup: None,
        seccomp: None,
        gate: None,
        options: runtime::CreateOptions::default(),
    };
    let mut pid = 0;
    let error = runtime::create(request, &mut |newborn| {
        pid = newborn.pid;
        Err("no address left".into())
    });
    assert!(
        matches!(error, Err(CreateError::WhileMounting(cause)) if cause.to_string() == "no address left")
    );
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn namespaces_of_another_container_can_be_joined() {
    let first = Stage::script("sleep 100").start();
    let mut second =
        Stage::script("for n in net pid ipc; do readlink /proc/self/ns/$n; done; ps | grep -c 'sleep 100$'");
    for namespace in &mut second.linux().namespaces {
        let file = match namespace.kind {
            oci_spec::runtime::NamespaceKind::Network => "net",
            oci_spec::runtime::NamespaceKind::Pid => "pid",
            oci_spec::runtime::NamespaceKind::Ipc => "ipc",
            _ => continue,
        };
        namespace.path = format!("/proc/{}/ns/{file}", first.created.pid);
    }
    let output = second.run().output();
    let theirs = |name: &str| fs::read_link(format!("/proc/{}/ns/{name}", first.created.pid)).unwrap();
    let expected = ["net", "pid", "ipc"].map(|name| theirs(name).to_str().unwrap().to_owned());
    assert_eq!(output.lines().take(3).collect::<Vec<_>>(), expected);
    assert_ne!(output.lines().nth(3), Some("0"));
}

#[test]
fn a_folder_serves_as_root_file_system_too() {
    let stage = Stage::script("true");
    let (stdio, readers) = crate::stage::pipes();
    let mut created = stage.create_on_image(stdio, &mut |_| Ok(())).unwrap();
    created.start().unwrap();
    assert_eq!(crate::stage::gather(&created.pidfd, readers).output(), "");
    assert_eq!(fs::metadata(stage.image()).unwrap().uid(), 0);
}

#[test]
fn settings_of_links_outlast_the_making_of_links() {
    const SETTING: &str = "net/ipv6/conf/default/disable_ipv6";
    let mut stage = Stage::script(&format!("cat /proc/sys/{SETTING}"));
    stage.linux().sysctl.insert(SETTING.replace('/', "."), "1".to_owned());
    let (stdio, readers) = crate::stage::pipes();
    // As a caller does who makes links: sets it for a while, and puts it back late.
    let mut created = stage
        .create_on_image(stdio, &mut |newborn| {
            let status = format!("/proc/{}/status", newborn.pid);
            testing::wait::eventually("the child has come to where it waits for a word", || {
                fs::read_to_string(&status).unwrap().contains("(sleeping)")
            });
            let place = newborn.net_namespace()?;
            netlink::namespace::visit(place.as_fd(), || fs::write(format!("/proc/sys/{SETTING}"), "0"))??;
            Ok(())
        })
        .unwrap();
    created.start().unwrap();
    assert_eq!(crate::stage::gather(&created.pidfd, readers).output(), "1\n");
}

#[test]
fn a_privileged_container_may_do_what_the_host_may() {
    testing::needs!(CgroupV1);
    let script = "mount -t tmpfs x /tmp && touch /tmp/y && mknod /kmsg c 1 11 && dd if=/kmsg bs=1 count=0 2>/dev/null && \
        mkdir /sys/fs/cgroup/pids/inner && hostname renamed && hostname && cat /proc/self/attr/current | wc -c";
    let mut stage = Stage::script(script);
    stage.uses_filter = false;
    let all: Vec<String> = runtime::capability::names().collect();
    let sets = stage.process().capabilities.as_mut().unwrap();
    (sets.bounding, sets.effective, sets.permitted) = (all.clone(), all.clone(), all);
    for mount in &mut stage.spec.mounts {
        mount.options.retain(|option| option != "ro");
    }
    let linux = stage.linux();
    (linux.masked_paths, linux.readonly_paths) = (Vec::new(), Vec::new());
    linux.resources =
        Some(serde_json::from_str(r#"{"devices": [{"allow": true, "access": "rwm"}]}"#).unwrap());
    let outcome = stage.run();
    assert!(outcome.stdout.starts_with("renamed\n"), "{outcome:?}");
}

#[test]
fn on_v2_the_container_is_born_in_its_group_and_sees_it_as_the_root() {
    let host = cgroup::Layout::detect().unwrap();
    let Some(mountpoint) =
        host.unified.or_else(|| (host.version == cgroup::Version::V2).then(|| "/sys/fs/cgroup".into()))
    else {
        eprintln!("SKIPPED: needs a cgroup2 mount");
        return;
    };
    let mut stage = Stage::script(
        "grep '^0::' /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs | head -1; mkdir /sys/fs/cgroup/x 2>&1; \
         dd if=/kmsg bs=1 count=1 2>&1 | grep -c 'not permitted'",
    );
    stage.layout = cgroup::Layout {
        version: cgroup::Version::V2,
        hierarchies: vec![cgroup::Hierarchy { mountpoint, ..cgroup::Hierarchy::default() }],
        unified: None,
    };
    stage.linux().namespaces.push(serde_json::from_str(r#"{"type": "cgroup"}"#).unwrap());
    rustix::fs::mknodat(
        rustix::fs::CWD,
        stage.image().join("kmsg"),
        rustix::fs::FileType::CharacterDevice,
        0o666.into(),
        rustix::fs::makedev(1, 11),
    )
    .unwrap();
    let output = stage.run().stdout;
    assert_eq!(
        output,
        "0::/\n1\nmkdir: can't create directory '/sys/fs/cgroup/x': Read-only file system\n1\n"
    );
}

#[test]
fn mounts_of_the_host_reach_a_slave_bind_and_no_other() {
    std::thread::spawn(|| {
        use mount::tree::{attach, mount_simple};
        use sys::mount::{AttributeChange, Propagation, Reach, change_attributes, change_attributes_at};
        sys::process::unshare(sys::process::Namespaces::MOUNT).unwrap();
        let change =
            |propagation| AttributeChange { propagation: Some(propagation), ..AttributeChange::default() };
        change_attributes_at(rustix::fs::CWD, c"/", Reach::Tree, change(Propagation::Private)).unwrap();
        let mut stage = Stage::script("sleep 100");
        let base = stage.outside().join("base");
        fs::create_dir(&base).unwrap();
        let put = |place: &std::path::Path| {
            let tmpfs = mount_simple(c"tmpfs", (c"mode", c"755"), 0).unwrap();
            attach(
                std::os::fd::AsFd::as_fd(&tmpfs),
                std::os::fd::AsFd::as_fd(&fs::File::open(place).unwrap()),
            )
            .unwrap();
            tmpfs
        };
        let tmpfs = put(&base);
        change_attributes(std::os::fd::AsFd::as_fd(&tmpfs), Reach::One, change(Propagation::Shared)).unwrap();
        fs::create_dir(base.join("late")).unwrap();
        for (place, propagation) in [("/slave", "rslave"), ("/private", "rprivate")] {
            stage.mount(&format!(
                r#"{{"destination": "{place}", "source": "{}", "options": ["rbind", "{propagation}"]}}"#,
                base.display()
            ));
        }
        let container = stage.start();
        put(&base.join("late"));
        fs::write(base.join("late/new"), "").unwrap();
        assert_eq!(
            container.exec(&["ls", "/slave/late", "/private/late"]).output(),
            "/private/late:\n\n/slave/late:\nnew\n"
        );
    })
    .join()
    .unwrap();
}

#[test]
fn a_container_left_at_its_gate_begins_at_a_byte_and_not_before() {
    let stage = Stage::script("echo begun");
    let (stdio, readers) = pipes();
    let (gate, opener) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut created = stage.create_with(stdio, Some(gate), runtime::CreateOptions::default()).unwrap();
    created.leave().unwrap();
    assert!(matches!(created.start(), Err(runtime::CreateError::Gone)));
    // Only its streams and the gate are still open: no lock of its creator's, no root file system of the host's.
    let held = || fs::read_dir(format!("/proc/{}/fd", created.pid)).unwrap().count();
    testing::wait::eventually("the rest is closed", || held() == 4);
    let mut byte = [0];
    rustix::io::ioctl_fionbio(&readers[0], true).unwrap();
    assert_eq!(rustix::io::read(&readers[0], &mut byte), Err(rustix::io::Errno::AGAIN));
    rustix::io::ioctl_fionbio(&readers[0], false).unwrap();
    rustix::io::write(&opener, b"0").unwrap();
    // The gate closes with exec: nobody reads it any more.
    let mut watched = [rustix::event::PollFd::new(&opener, rustix::event::PollFlags::empty())];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut watched, Some(&limit)), Ok(1));
    let outcome = gather(&created.pidfd, readers);
    assert_eq!(outcome.output(), "begun\n");
    created.cgroup.unwrap().remove().unwrap();
}
