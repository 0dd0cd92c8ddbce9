//! What typed flags mean in the request.

use super::*;
use flags::{Grammar, Positionals};
use serde_json::{Value, json};

fn wish(words: &[&str]) -> Result<Wish, String> {
    const MORE: &[Flag] = &[];
    let mut tables = TABLES.to_vec();
    tables.push(MORE);
    let words = words.iter().copied().chain(["image", "cmd", "-x"]);
    let typed =
        Grammar::new(&tables, Positionals::EndFlags).parse(words).map_err(|error| error.to_string())?;
    parse(&typed, &[])
}

/// The part of the request that a line of words means.
fn part(line: &str, pointer: &str) -> Value {
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let request = serde_json::to_value(wish(&words).unwrap().request("1.43".parse().ok())).unwrap();
    request.pointer(pointer).cloned().unwrap_or_default()
}

fn refused(line: &str) -> String {
    wish(&line.split(' ').collect::<Vec<_>>()).unwrap_err()
}

#[test]
fn flags_land_in_their_fields() {
    let table: &[(&str, &str, Value)] = &[
        ("", "/Cmd", json!(["cmd", "-x"])),
        ("", "/Image", json!("image")),
        ("", "/AttachStdout", json!(true)),
        ("", "/HostConfig/NetworkMode", json!("default")),
        ("", "/HostConfig/RestartPolicy", json!({"Name": "no", "MaximumRetryCount": 0})),
        ("-it", "/StdinOnce", json!(true)),
        ("-a stdin -a STDERR", "/AttachStderr", json!(true)),
        ("-a stdin", "/AttachStdout", json!(false)),
        ("--entrypoint=", "/Entrypoint", json!([""])),
        ("-e A=1 -e B=2 -e A=3", "/Env", json!(["A=3", "B=2"])),
        ("-e NOT_SET_ANYWHERE", "/Env", json!(["NOT_SET_ANYWHERE"])),
        ("-l a=1 --label b", "/Labels", json!({"a": "1", "b": ""})),
        ("-u 1:2 -w /tmp -h web", "/User", json!("1:2")),
        ("-h web", "/Hostname", json!("web")),
        ("--stop-timeout 3", "/StopTimeout", json!(3)),
        ("-m 512m", "/HostConfig/Memory", json!(536_870_912)),
        ("--memory-swap -1", "/HostConfig/MemorySwap", json!(-1)),
        ("--cpus 1.5", "/HostConfig/NanoCpus", json!(1_500_000_000_u64)),
        ("-c 512", "/HostConfig/CpuShares", json!(512)),
        ("--pids-limit -1", "/HostConfig/PidsLimit", json!(-1)),
        ("--shm-size 1g", "/HostConfig/ShmSize", json!(1_073_741_824)),
        ("--blkio-weight 300", "/HostConfig/BlkioWeight", json!(300)),
        (
            "--blkio-weight-device /dev/sda:20",
            "/HostConfig/BlkioWeightDevice",
            json!([{"Path": "/dev/sda", "Weight": 20}]),
        ),
        (
            "--device-read-bps /dev/sda:1mb",
            "/HostConfig/BlkioDeviceReadBps",
            json!([{"Path": "/dev/sda", "Rate": 1_048_576}]),
        ),
        (
            "--device-write-iops /dev/sda:5",
            "/HostConfig/BlkioDeviceWriteIOps",
            json!([{"Path": "/dev/sda", "Rate": 5}]),
        ),
        (
            "--ulimit nofile=1:2 --ulimit core=-1",
            "/HostConfig/Ulimits",
            json!([{"Name": "core", "Hard": -1, "Soft": -1}, {"Name": "nofile", "Hard": 2, "Soft": 1}]),
        ),
        (
            "--device /dev/a --device /dev/b:/c:r",
            "/HostConfig/Devices",
            json!([
            {"PathOnHost": "/dev/a", "PathInContainer": "/dev/a", "CgroupPermissions": "rwm"},
            {"PathOnHost": "/dev/b", "PathInContainer": "/c", "CgroupPermissions": "r"}]),
        ),
        ("--device vendor.com/class=x", "/HostConfig/DeviceRequests/0/Driver", json!("cdi")),
        (
            "--gpus all",
            "/HostConfig/DeviceRequests",
            json!([
            {"Driver": "", "Count": -1, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": {}}]),
        ),
        (
            "--cap-add net_raw --cap-add CAP_CHOWN --cap-add NET_RAW",
            "/HostConfig/CapAdd",
            json!(["CAP_CHOWN", "CAP_NET_RAW"]),
        ),
        ("--cap-drop all", "/HostConfig/CapDrop", json!(["ALL"])),
        ("--security-opt systempaths=unconfined", "/HostConfig/MaskedPaths", json!([])),
        ("--security-opt no-new-privileges", "/HostConfig/SecurityOpt", json!(["no-new-privileges"])),
        ("--sysctl net.x=1", "/HostConfig/Sysctls", json!({"net.x": "1"})),
        ("--pid host --uts host", "/HostConfig/PidMode", json!("host")),
        (
            "--log-driver json-file --log-opt max-size=1m",
            "/HostConfig/LogConfig",
            json!({"Type": "json-file", "Config": {"max-size": "1m"}}),
        ),
        (
            "--restart on-failure:3",
            "/HostConfig/RestartPolicy",
            json!({"Name": "on-failure", "MaximumRetryCount": 3}),
        ),
        (
            "--health-cmd true --health-interval 1m30s",
            "/Healthcheck",
            json!({"Test": ["CMD-SHELL", "true"], "Interval": 90_000_000_000_u64}),
        ),
        ("--no-healthcheck", "/Healthcheck", json!({"Test": ["NONE"]})),
        ("-v /a -v /b:/c:ro -v named:/d", "/HostConfig/Binds", json!(["/b:/c:ro", "named:/d"])),
        ("-v /a -v /b:/c", "/Volumes", json!({"/a": {}})),
        ("--tmpfs /run:size=1m --tmpfs /tmp", "/HostConfig/Tmpfs", json!({"/run": "size=1m", "/tmp": ""})),
        (
            "--mount type=bind,src=/a,dst=/b,ro,bind-propagation=rslave",
            "/HostConfig/Mounts",
            json!([
            {"Type": "bind", "Source": "/a", "Target": "/b", "ReadOnly": true, "BindOptions": {"Propagation": "rslave"}}]),
        ),
        (
            "--mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770",
            "/HostConfig/Mounts/0/TmpfsOptions",
            json!({"SizeBytes": 1_048_576, "Mode": 0o1770}),
        ),
        (
            "-p 8080:80 -p 127.0.0.1::53/udp",
            "/HostConfig/PortBindings",
            json!({
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": ""}], "80/tcp": [{"HostIp": "", "HostPort": "8080"}]}),
        ),
        (
            "-p published=1,target=2,protocol=udp --expose 7-8",
            "/ExposedPorts",
            json!({"2/udp": {}, "7/tcp": {}, "8/tcp": {}}),
        ),
        ("-P", "/HostConfig/PublishAllPorts", json!(true)),
        ("--dns ::0:1 --dns-opt a --dns-option b --dns-search x.y.", "/HostConfig/Dns", json!(["::1"])),
        ("--dns-opt a --dns-option b", "/HostConfig/DnsOptions", json!(["a", "b"])),
        (
            "--add-host a=[::1] --add-host b:host-gateway",
            "/HostConfig/ExtraHosts",
            json!(["a:::1", "b:host-gateway"]),
        ),
        ("--network host", "/NetworkingConfig/EndpointsConfig", json!({})),
        ("--net none", "/HostConfig/NetworkMode", json!("none")),
        (
            "--network a --network-alias x --ip 10.0.0.2",
            "/NetworkingConfig/EndpointsConfig/a/IPAMConfig",
            json!({"IPv4Address": "10.0.0.2"}),
        ),
        (
            "--network name=a,alias=x,alias=y,gw-priority=3",
            "/NetworkingConfig/EndpointsConfig/a/Aliases",
            json!(["x", "y"]),
        ),
        ("--mac-address 02:42:ac:11:00:02", "/MacAddress", json!("02:42:ac:11:00:02")),
    ];
    for (line, pointer, expected) in table {
        assert_eq!(&part(line, pointer), expected, "{line} at {pointer}");
    }
}

#[test]
fn newer_versions_do_not_get_what_they_dropped() {
    let wish = wish(&["--kernel-memory", "4m", "--mac-address", "02:42:ac:11:00:02"]).unwrap();
    let sent = |version: &str| {
        let request = wish.request(version.parse().ok());
        (request.host_config.unwrap().kernel_memory, request.config.mac_address)
    };
    assert_eq!(sent("1.41"), (4_194_304, "02:42:ac:11:00:02".to_owned()));
    assert_eq!(sent("1.51"), (0, String::new()));
}

#[test]
fn contradictions_are_refused_in_dockers_words() {
    let table = [
        ("--rm --restart always", "conflicting options: cannot specify both --restart and --rm"),
        ("--memory-swappiness 101", "invalid value: 101. Valid memory swappiness range is 0-100"),
        ("-p 99999", "Invalid containerPort: 99999"),
        ("-p x=1,y", "invalid publish opts format (should be name=value but got 'y')"),
        ("--expose 80:81", "invalid port format for --expose: 80:81"),
        (
            "--expose a",
            "invalid range format for --expose: a, error: strconv.ParseUint: parsing \"a\": invalid syntax",
        ),
        ("--device x", "x is not an absolute path"),
        ("--device /a:/b:q", "bad mode specified: q"),
        ("-v aa:bb:cc:dd", "invalid spec: aa:bb:cc:dd: too many colons"),
        ("-v aa::cc", "invalid spec: aa::cc: empty section between colons"),
        ("--pid foo", "--pid: invalid PID mode"),
        ("--restart :3", "invalid restart policy format: no policy provided before colon"),
        ("--log-driver none --log-opt a=b", "invalid logging opts for driver none"),
        ("--security-opt foo", "Invalid --security-opt: \"foo\""),
        ("--storage-opt x", "invalid storage option"),
        ("--no-healthcheck --health-cmd x", "--no-healthcheck conflicts with --health-* options"),
        ("--health-interval -1s", "--health-interval cannot be negative"),
        ("--mac-address x", "x is not a valid mac address"),
        (
            "--network host --network-alias x",
            "network-scoped aliases are only supported for user-defined networks",
        ),
        ("--network a --network a", "network \"a\" is specified multiple times"),
        (
            "--network name=x,ip=1 --ip 2",
            "conflicting options: cannot specify both --ip and per-network IPv4 address",
        ),
        (
            "--mount foo",
            "invalid argument \"foo\" for \"--mount\" flag: invalid field 'foo' must be a key=value pair",
        ),
        ("--gpus a=b", "invalid argument \"a=b\" for \"--gpus\" flag: unexpected key 'a' in 'a=b'"),
        (
            "--ulimit nofile=3:1",
            "invalid argument \"nofile=3:1\" for \"--ulimit\" flag: ulimit soft limit must be less than or equal to hard limit: 3 > 1",
        ),
        (
            "--add-host foo",
            "invalid argument \"foo\" for \"--add-host\" flag: bad format for add-host: \"foo\"",
        ),
        ("--dns-search -x", "invalid argument \"-x\" for \"--dns-search\" flag: -x is not a valid domain"),
        ("--env-file /nowhere/x", "open /nowhere/x: no such file or directory"),
        (
            "-a foo",
            "invalid argument \"foo\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
        ),
    ];
    for (line, expected) in table {
        assert_eq!(refused(line), expected, "{line}");
    }
}

proptest::proptest! {
    #[test]
    fn no_values_make_it_panic(value in "[a-z0-9:=,./\\[\\]-]{0,12}", flag in 0..TABLES.concat().len()) {
        let flag = &TABLES.concat()[flag];
        let _ = wish(&[&format!("--{}={value}", flag.name)]);
    }
}
