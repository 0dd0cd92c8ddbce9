//! The table: field, value, effect.

use serde_json::{Value, json};
use testing::daemon::Daemon;

use super::See::{Group, Inspects, Later, Nothing, Prints, Refused, Scene, Warns};
use super::{Field, field, output};

fn host(settings: Value) -> Value {
    json!({ "HostConfig": settings })
}

fn on_net1(endpoint: Value) -> Value {
    json!({ "HostConfig": { "NetworkMode": "net1" }, "NetworkingConfig": { "EndpointsConfig": { "net1": endpoint } } })
}

fn mount(mount: Value) -> Value {
    host(json!({ "Mounts": [mount] }))
}

pub(super) fn fields() -> Vec<Field> {
    [config(), limits(), host_config(), names_and_namespaces(), networking(), mounts()]
        .into_iter()
        .flatten()
        .collect()
}

fn config() -> Vec<Field> {
    vec![
        field("ContainerConfig.Hostname", json!({ "Hostname": "h" }), Prints("hostname", "h\n")),
        field(
            "ContainerConfig.Domainname",
            json!({ "Domainname": "d.org" }),
            Prints("cat /proc/sys/kernel/domainname", "d.org\n"),
        ),
        field("ContainerConfig.User", json!({ "User": "1000:1001" }), Prints("id -u; id -g", "1000\n1001\n")),
        field(
            "ContainerConfig.AttachStdin",
            json!({ "AttachStdin": true }),
            Inspects("/Config/AttachStdin", json!(true)),
        ),
        field(
            "ContainerConfig.AttachStdout",
            json!({ "AttachStdout": true }),
            Inspects("/Config/AttachStdout", json!(true)),
        ),
        field(
            "ContainerConfig.AttachStderr",
            json!({ "AttachStderr": true }),
            Inspects("/Config/AttachStderr", json!(true)),
        ),
        field(
            "ContainerConfig.ExposedPorts",
            json!({ "ExposedPorts": { "81/tcp": {} } }),
            Scene(exposed_port_is_listed),
        ),
        field("ContainerConfig.Tty", json!({ "Tty": true }), Prints("tty", "/dev/pts/0\n")),
        field(
            "ContainerConfig.OpenStdin",
            json!({ "OpenStdin": true }),
            Prints("test -p /dev/stdin && echo pipe", "pipe\n"),
        ),
        field(
            "ContainerConfig.StdinOnce",
            json!({ "OpenStdin": true, "StdinOnce": true }),
            Inspects("/Config/StdinOnce", json!(true)),
        ),
        field("ContainerConfig.Env", json!({ "Env": ["A=1"] }), Prints("echo $A", "1\n")),
        field("ContainerConfig.Cmd", json!({ "Cmd": ["echo", "hi"] }), Prints("", "hi\n")),
        field(
            "ContainerConfig.Healthcheck",
            json!({ "Healthcheck": { "Test": ["CMD", "true"] } }),
            Later("Healthcheck"),
        ),
        field(
            "ContainerConfig.Healthcheck",
            json!({ "Healthcheck": { "Test": ["NONE"] } }),
            Inspects("/Config/Healthcheck/Test", json!(["NONE"])),
        ),
        field("ContainerConfig.ArgsEscaped", json!({}), Nothing("Windows only")),
        field(
            "ContainerConfig.Image",
            json!({ "Image": "t/busybox" }),
            Inspects("/Config/Image", json!("t/busybox")),
        ),
        field(
            "ContainerConfig.Volumes",
            json!({ "Volumes": { "/data": {} } }),
            Prints("grep -c ' /data ' /proc/mounts", "1\n"),
        ),
        field("ContainerConfig.WorkingDir", json!({ "WorkingDir": "/tmp" }), Prints("pwd", "/tmp\n")),
        field(
            "ContainerConfig.Entrypoint",
            json!({ "Entrypoint": ["echo", "hi"], "Cmd": ["there"] }),
            Prints("", "hi there\n"),
        ),
        field(
            "ContainerConfig.NetworkDisabled",
            json!({ "NetworkDisabled": true }),
            Prints("ls /sys/class/net", "lo\n"),
        ),
        field(
            "ContainerConfig.MacAddress",
            json!({ "MacAddress": "02:42:ac:11:00:99" }),
            Prints("cat /sys/class/net/eth0/address", "02:42:ac:11:00:99\n"),
        ),
        field(
            "ContainerConfig.OnBuild",
            json!({ "OnBuild": ["RUN true"] }),
            Inspects("/Config/OnBuild", json!(["RUN true"])),
        ),
        field(
            "ContainerConfig.Labels",
            json!({ "Labels": { "a": "b" } }),
            Inspects("/Config/Labels/a", json!("b")),
        ),
        field(
            "ContainerConfig.StopSignal",
            json!({ "StopSignal": "USR1", "Cmd": ["sh", "-c", "trap 'echo got; exit 0' USR1; echo up; while :; do sleep 0.05; done"] }),
            Scene(stop_sends_its_signal),
        ),
        field(
            "ContainerConfig.StopTimeout",
            json!({ "StopTimeout": 1, "Cmd": ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"] }),
            Scene(stop_waits_its_time),
        ),
        field(
            "ContainerConfig.Shell",
            json!({ "Shell": ["/bin/sh"] }),
            Inspects("/Config/Shell", json!(["/bin/sh"])),
        ),
    ]
}

fn limits() -> Vec<Field> {
    let loop0 = |rate: u64| json!([{ "Path": "/dev/loop0", "Rate": rate }]);
    vec![
        field("HostConfig.CpuShares", host(json!({ "CpuShares": 512 })), Group("cpu", "cpu.shares", "512")),
        field(
            "HostConfig.Memory",
            host(json!({ "Memory": 67108864 })),
            Group("memory", "memory.limit_in_bytes", "67108864"),
        ),
        field(
            "HostConfig.CgroupParent",
            host(json!({ "CgroupParent": "/parent" })),
            Scene(group_is_under_parent),
        ),
        field("HostConfig.BlkioWeight", host(json!({ "BlkioWeight": 300 })), Warns("Block I/O weight")),
        field(
            "HostConfig.BlkioWeightDevice",
            host(json!({ "BlkioWeightDevice": [{ "Path": "/dev/loop0", "Weight": 300 }] })),
            Warns("Block I/O weight_device"),
        ),
        field(
            "HostConfig.BlkioDeviceReadBps",
            host(json!({ "BlkioDeviceReadBps": loop0(1048576) })),
            Group("blkio", "blkio.throttle.read_bps_device", "7:0 1048576"),
        ),
        field(
            "HostConfig.BlkioDeviceWriteBps",
            host(json!({ "BlkioDeviceWriteBps": loop0(1048577) })),
            Group("blkio", "blkio.throttle.write_bps_device", "7:0 1048577"),
        ),
        field(
            "HostConfig.BlkioDeviceReadIOps",
            host(json!({ "BlkioDeviceReadIOps": loop0(100) })),
            Group("blkio", "blkio.throttle.read_iops_device", "7:0 100"),
        ),
        field(
            "HostConfig.BlkioDeviceWriteIOps",
            host(json!({ "BlkioDeviceWriteIOps": loop0(101) })),
            Group("blkio", "blkio.throttle.write_iops_device", "7:0 101"),
        ),
        field(
            "HostConfig.CpuPeriod",
            host(json!({ "CpuPeriod": 50000 })),
            Group("cpu", "cpu.cfs_period_us", "50000"),
        ),
        field(
            "HostConfig.CpuQuota",
            host(json!({ "CpuQuota": 25000 })),
            Group("cpu", "cpu.cfs_quota_us", "25000"),
        ),
        field(
            "HostConfig.CpuRealtimePeriod",
            host(json!({ "CpuRealtimePeriod": 1000000 })),
            Scene(real_time_is_set_or_refused),
        ),
        field(
            "HostConfig.CpuRealtimeRuntime",
            host(json!({ "CpuRealtimeRuntime": 1000 })),
            Scene(real_time_is_set_or_refused),
        ),
        field(
            "HostConfig.CpusetCpus",
            host(json!({ "CpusetCpus": "0" })),
            Group("cpuset", "cpuset.cpus", "0\n"),
        ),
        field(
            "HostConfig.CpusetMems",
            host(json!({ "CpusetMems": "0" })),
            Group("cpuset", "cpuset.mems", "0\n"),
        ),
        field(
            "HostConfig.Devices",
            host(
                json!({ "Devices": [{ "PathOnHost": "/dev/zero", "PathInContainer": "/dev/mine", "CgroupPermissions": "rwm" }] }),
            ),
            Prints("head -c 3 /dev/mine | wc -c", "3\n"),
        ),
        field(
            "HostConfig.DeviceCgroupRules",
            host(json!({ "DeviceCgroupRules": ["c 42:* rmw"] })),
            Group("devices", "devices.list", "c 42:* rwm"),
        ),
        field(
            "HostConfig.DeviceRequests",
            host(json!({ "DeviceRequests": [{ "Count": -1, "Capabilities": [["gpu"]] }] })),
            Refused(400, "could not select device driver"),
        ),
        field(
            "HostConfig.KernelMemoryTCP",
            host(json!({ "KernelMemoryTCP": 67108864 })),
            Group("memory", "memory.kmem.tcp.limit_in_bytes", "67108864"),
        ),
        field(
            "HostConfig.MemoryReservation",
            host(json!({ "MemoryReservation": 33554432 })),
            Group("memory", "memory.soft_limit_in_bytes", "33554432"),
        ),
        field(
            "HostConfig.MemorySwap",
            host(json!({ "Memory": 67108864, "MemorySwap": 100663296 })),
            Inspects("/HostConfig/MemorySwap", json!(100663296)),
        ),
        field(
            "HostConfig.MemorySwappiness",
            host(json!({ "MemorySwappiness": 10 })),
            Group("memory", "memory.swappiness", "10"),
        ),
        field(
            "HostConfig.NanoCpus",
            host(json!({ "NanoCpus": 500000000 })),
            Group("cpu", "cpu.cfs_quota_us", "50000"),
        ),
        field(
            "HostConfig.OomKillDisable",
            host(json!({ "OomKillDisable": true })),
            Group("memory", "memory.oom_control", "oom_kill_disable 1"),
        ),
        field("HostConfig.Init", host(json!({ "Init": true })), Later("Init")),
        field("HostConfig.PidsLimit", host(json!({ "PidsLimit": 50 })), Group("pids", "pids.max", "50")),
        field(
            "HostConfig.Ulimits",
            host(json!({ "Ulimits": [{ "Name": "nofile", "Soft": 100, "Hard": 200 }] })),
            Prints("ulimit -n; ulimit -Hn", "100\n200\n"),
        ),
        field("HostConfig.CpuCount", json!({}), Nothing("Windows only")),
        field("HostConfig.CpuPercent", json!({}), Nothing("Windows only")),
        field("HostConfig.IOMaximumIOps", json!({}), Nothing("Windows only")),
        field("HostConfig.IOMaximumBandwidth", json!({}), Nothing("Windows only")),
        field(
            "HostConfig.OomScoreAdj",
            host(json!({ "OomScoreAdj": 500 })),
            Prints("cat /proc/self/oom_score_adj", "500\n"),
        ),
        field(
            "HostConfig.ShmSize",
            host(json!({ "ShmSize": 1048576 })),
            Prints("df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2", "1024\n"),
        ),
        field(
            "HostConfig.Sysctls",
            host(json!({ "Sysctls": { "net.ipv4.ip_default_ttl": "42" } })),
            Prints("cat /proc/sys/net/ipv4/ip_default_ttl", "42\n"),
        ),
    ]
}

fn host_config() -> Vec<Field> {
    vec![
        field(
            "HostConfig.Binds",
            host(json!({ "Binds": ["/run/test/shared:/data:ro"] })),
            Prints("cat /data/file; touch /data/x 2>&1 | grep -o Read-only", "bound\nRead-only\n"),
        ),
        field(
            "HostConfig.ContainerIDFile",
            host(json!({ "ContainerIDFile": "/x" })),
            Inspects("/HostConfig/ContainerIDFile", json!("/x")),
        ),
        field(
            "HostConfig.LogConfig",
            host(json!({ "LogConfig": { "Type": "none" } })),
            Inspects("/LogPath", json!("")),
        ),
        field(
            "HostConfig.LogConfig",
            host(
                json!({ "LogConfig": { "Type": "json-file", "Config": { "max-size": "1k", "max-file": "2" } } }),
            ),
            Scene(log_is_rotated),
        ),
        field(
            "HostConfig.RestartPolicy",
            json!({ "Cmd": ["false"], "HostConfig": { "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 2 } } }),
            Scene(restarts_twice),
        ),
        field(
            "HostConfig.AutoRemove",
            json!({ "Cmd": ["true"], "HostConfig": { "AutoRemove": true } }),
            Scene(removes_itself),
        ),
        field(
            "HostConfig.VolumeDriver",
            json!({ "Volumes": { "/data": {} }, "HostConfig": { "VolumeDriver": "nope" } }),
            Refused(404, "error looking up volume plugin nope"),
        ),
        field(
            "HostConfig.VolumesFrom",
            host(json!({ "VolumesFrom": ["source"] })),
            Prints("cat /from/file", "seen\n"),
        ),
        field(
            "HostConfig.Mounts",
            mount(json!({ "Type": "bind", "Source": "/run/test/shared", "Target": "/data" })),
            Prints("cat /data/file", "bound\n"),
        ),
        field(
            "HostConfig.ConsoleSize",
            json!({ "Tty": true, "HostConfig": { "ConsoleSize": [30, 100] } }),
            Prints("stty size", "30 100\n"),
        ),
        field(
            "HostConfig.Annotations",
            host(json!({ "Annotations": { "a": "b" } })),
            Inspects("/HostConfig/Annotations", json!({ "a": "b" })),
        ),
        field(
            "HostConfig.CapAdd",
            host(json!({ "CapAdd": ["NET_ADMIN"] })),
            Prints("grep CapEff /proc/self/status", "CapEff:\t00000000a80435fb\n"),
        ),
        field(
            "HostConfig.CapDrop",
            host(json!({ "CapDrop": ["ALL"] })),
            Prints("grep CapEff /proc/self/status", "CapEff:\t0000000000000000\n"),
        ),
        field(
            "HostConfig.GroupAdd",
            host(json!({ "GroupAdd": ["33", "mongo"] })),
            Prints("id -G", "0 33 999\n"),
        ),
        field(
            "HostConfig.Privileged",
            host(json!({ "Privileged": true })),
            Prints("test -e /dev/loop0 && grep -c ' /sys sysfs rw' /proc/mounts", "1\n"),
        ),
        field(
            "HostConfig.ReadonlyRootfs",
            host(json!({ "ReadonlyRootfs": true })),
            Prints("touch /x 2>&1 | grep -o Read-only", "Read-only\n"),
        ),
        field(
            "HostConfig.SecurityOpt",
            host(json!({ "SecurityOpt": ["no-new-privileges"] })),
            Prints("grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"),
        ),
        field(
            "HostConfig.SecurityOpt",
            host(json!({ "SecurityOpt": ["seccomp=unconfined"] })),
            Prints("grep Seccomp: /proc/self/status", "Seccomp:\t0\n"),
        ),
        field(
            "HostConfig.StorageOpt",
            host(json!({ "StorageOpt": { "size": "1G" } })),
            Refused(500, "--storage-opt is supported only for"),
        ),
        field(
            "HostConfig.Tmpfs",
            host(json!({ "Tmpfs": { "/t": "size=64k,mode=700" } })),
            Prints("df -k /t | tail -n 1 | tr -s ' ' | cut -d' ' -f2; stat -c %a /t", "64\n700\n"),
        ),
        field(
            "HostConfig.Runtime",
            host(json!({ "Runtime": "runc" })),
            Inspects("/HostConfig/Runtime", json!("runc")),
        ),
        field(
            "HostConfig.Isolation",
            host(json!({ "Isolation": "hyperv" })),
            Refused(400, "invalid isolation"),
        ),
        field(
            "HostConfig.MaskedPaths",
            host(json!({ "MaskedPaths": [] })),
            Prints("grep -c ' /proc/kcore ' /proc/mounts", "0\n"),
        ),
        field(
            "HostConfig.ReadonlyPaths",
            host(json!({ "ReadonlyPaths": [] })),
            Prints("grep -c ' /proc/sys ' /proc/mounts", "0\n"),
        ),
        field("HostConfig.Cgroup", host(json!({ "Cgroup": "x" })), Later("Cgroup")),
        field("HostConfig.Links", host(json!({ "Links": ["source:s"] })), Later("Links")),
    ]
}

fn names_and_namespaces() -> Vec<Field> {
    vec![
        field(
            "HostConfig.CgroupnsMode",
            host(json!({ "CgroupnsMode": "private" })),
            Prints("grep -v -c ':/$' /proc/self/cgroup", "0\n"),
        ),
        field(
            "HostConfig.IpcMode",
            host(json!({ "IpcMode": "none" })),
            Prints("grep -c /dev/shm /proc/mounts", "0\n"),
        ),
        field(
            "HostConfig.IpcMode",
            host(json!({ "IpcMode": "host" })),
            Scene(|daemon, id| shares(daemon, id, "ipc")),
        ),
        field(
            "HostConfig.PidMode",
            host(json!({ "PidMode": "host" })),
            Scene(|daemon, id| shares(daemon, id, "pid")),
        ),
        field(
            "HostConfig.UTSMode",
            host(json!({ "UTSMode": "host" })),
            Scene(|daemon, id| shares(daemon, id, "uts")),
        ),
        field(
            "HostConfig.UsernsMode",
            host(json!({ "UsernsMode": "host" })),
            Scene(|daemon, id| shares(daemon, id, "user")),
        ),
        field(
            "HostConfig.Dns",
            host(json!({ "Dns": ["192.0.2.1"] })),
            Prints("grep ^nameserver /etc/resolv.conf", "nameserver 192.0.2.1\n"),
        ),
        field(
            "HostConfig.DnsOptions",
            host(json!({ "DnsOptions": ["ndots:3"] })),
            Prints("grep ^options /etc/resolv.conf", "options ndots:3\n"),
        ),
        field(
            "HostConfig.DnsSearch",
            host(json!({ "DnsSearch": ["example.org"] })),
            Prints("grep ^search /etc/resolv.conf", "search example.org\n"),
        ),
        field(
            "HostConfig.ExtraHosts",
            host(json!({ "ExtraHosts": ["name:192.0.2.7"] })),
            Prints("grep name$ /etc/hosts", "192.0.2.7\tname\n"),
        ),
    ]
}

fn networking() -> Vec<Field> {
    let answers = [
        "EndpointSettings.NetworkID",
        "EndpointSettings.EndpointID",
        "EndpointSettings.Gateway",
        "EndpointSettings.IPAddress",
        "EndpointSettings.IPPrefixLen",
        "EndpointSettings.GlobalIPv6Address",
        "EndpointSettings.GlobalIPv6PrefixLen",
        "EndpointSettings.IPv6Gateway",
        "EndpointSettings.DNSNames",
    ];
    let mut all = vec![
        field(
            "HostConfig.NetworkMode",
            host(json!({ "NetworkMode": "none" })),
            Prints("ls /sys/class/net", "lo\n"),
        ),
        field(
            "HostConfig.PortBindings",
            json!({ "ExposedPorts": { "80/tcp": {} }, "HostConfig": { "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }] } } }),
            Inspects("/NetworkSettings/Ports/80~1tcp/0/HostPort", json!("8080")),
        ),
        field(
            "HostConfig.PublishAllPorts",
            json!({ "ExposedPorts": { "81/tcp": {} }, "HostConfig": { "PublishAllPorts": true } }),
            Scene(all_ports_are_published),
        ),
        field(
            "EndpointSettings.IPAMConfig",
            on_net1(json!({ "IPAMConfig": { "IPv4Address": "10.77.0.9" } })),
            Prints("ip -o -4 addr show eth0 | grep -o 10.77.0.9/24", "10.77.0.9/24\n"),
        ),
        field(
            "EndpointSettings.MacAddress",
            on_net1(json!({ "MacAddress": "02:42:0a:4d:00:99" })),
            Prints("cat /sys/class/net/eth0/address", "02:42:0a:4d:00:99\n"),
        ),
        field("EndpointSettings.Aliases", on_net1(json!({ "Aliases": ["other"] })), Later("aliases")),
        field(
            "EndpointSettings.DriverOpts",
            on_net1(
                json!({ "DriverOpts": { "com.docker.network.endpoint.sysctls": "net.ipv4.conf.IFNAME.log_martians=1" } }),
            ),
            Later("driver options"),
        ),
        field(
            "EndpointSettings.GwPriority",
            on_net1(json!({ "GwPriority": 5 })),
            Inspects("/NetworkSettings/Networks/net1/GwPriority", json!(5)),
        ),
        field("EndpointSettings.Links", on_net1(json!({ "Links": ["source:s"] })), Later("links")),
    ];
    all.extend(answers.map(|name| field(name, json!({}), Nothing("told in answers, not asked for"))));
    all
}

fn mounts() -> Vec<Field> {
    let shared = "/run/test/shared";
    vec![
        field(
            "Mount.Type",
            mount(json!({ "Type": "tmpfs", "Target": "/t" })),
            Prints("grep -c ' /t tmpfs ' /proc/mounts", "1\n"),
        ),
        field(
            "Mount.Source",
            mount(json!({ "Type": "volume", "Source": "vol9", "Target": "/data" })),
            Inspects("/Mounts/0/Name", json!("vol9")),
        ),
        field(
            "Mount.Target",
            mount(json!({ "Type": "bind", "Source": shared, "Target": "/elsewhere" })),
            Prints("cat /elsewhere/file", "bound\n"),
        ),
        field(
            "Mount.ReadOnly",
            mount(json!({ "Type": "bind", "Source": shared, "Target": "/data", "ReadOnly": true })),
            Prints("touch /data/x 2>&1 | grep -o Read-only", "Read-only\n"),
        ),
        field(
            "Mount.Consistency",
            mount(json!({ "Type": "bind", "Source": shared, "Target": "/data", "Consistency": "cached" })),
            Nothing("a hint for Docker Desktop"),
        ),
        field(
            "Mount.BindOptions",
            mount(
                json!({ "Type": "bind", "Source": "/run/test/made", "Target": "/data", "BindOptions": { "CreateMountpoint": true } }),
            ),
            Prints("ls -d /data", "/data\n"),
        ),
        field(
            "Mount.BindOptions",
            mount(
                json!({ "Type": "bind", "Source": shared, "Target": "/data", "BindOptions": { "Propagation": "private" } }),
            ),
            Inspects("/Mounts/0/Propagation", json!("private")),
        ),
        field(
            "Mount.VolumeOptions",
            mount(json!({ "Type": "volume", "Target": "/bin", "VolumeOptions": { "NoCopy": true } })),
            Scene(volume_is_not_filled),
        ),
        field(
            "Mount.ImageOptions",
            mount(
                json!({ "Type": "image", "Source": "t/busybox", "Target": "/image", "ImageOptions": { "Subpath": "etc" } }),
            ),
            Refused(400, ""),
        ),
        field(
            "Mount.TmpfsOptions",
            mount(
                json!({ "Type": "tmpfs", "Target": "/t", "TmpfsOptions": { "SizeBytes": 65536, "Mode": 448 } }),
            ),
            Prints("df -k /t | tail -n 1 | tr -s ' ' | cut -d' ' -f2; stat -c %a /t", "64\n700\n"),
        ),
    ]
}

// Scenes: what takes more than one look.

fn start(daemon: &Daemon, id: &str) -> Result<(), String> {
    let answer = daemon.post(&format!("/containers/{id}/start"), &Value::Null);
    if answer.status == 204 { Ok(()) } else { Err(answer.to_string()) }
}

fn claim(is_so: bool, what: impl std::fmt::Display) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(what.to_string()) }
}

fn inspect(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&format!("/containers/{id}/json")).json()
}

fn wait(daemon: &Daemon, id: &str) {
    daemon.post(&format!("/containers/{id}/wait"), &Value::Null);
}

fn is_up(daemon: &Daemon, id: &str) -> Result<(), String> {
    start(daemon, id)?;
    testing::wait::eventually("it is up", || output(daemon, id, false).contains("up"));
    Ok(())
}

fn exposed_port_is_listed(daemon: &Daemon, id: &str) -> Result<(), String> {
    start(daemon, id)?;
    let list = daemon.get("/containers/json").json();
    let ports = list
        .as_array()
        .into_iter()
        .flatten()
        .find(|entry| entry["Id"] == id)
        .map(|entry| entry["Ports"].clone());
    claim(ports == Some(json!([{ "PrivatePort": 81, "Type": "tcp" }])), format!("{ports:?}"))
}

fn stop_sends_its_signal(daemon: &Daemon, id: &str) -> Result<(), String> {
    is_up(daemon, id)?;
    daemon.post(&format!("/containers/{id}/stop"), &Value::Null);
    claim(output(daemon, id, false).contains("got"), "the signal did not come")
}

fn stop_waits_its_time(daemon: &Daemon, id: &str) -> Result<(), String> {
    is_up(daemon, id)?;
    let asked = std::time::Instant::now();
    daemon.post(&format!("/containers/{id}/stop"), &Value::Null);
    let took = asked.elapsed().as_secs_f64();
    claim((0.9..2.5).contains(&took), format!("stop took {took} s"))
}

fn group_is_under_parent(daemon: &Daemon, id: &str) -> Result<(), String> {
    start(daemon, id)?;
    let group = format!("/sys/fs/cgroup/memory/parent/{id}");
    claim(std::path::Path::new(&group).is_dir(), format!("no {group}"))
}

/// The kernel gives real time only below a parent that has some: refused as runc refuses it, or set.
fn real_time_is_set_or_refused(daemon: &Daemon, id: &str) -> Result<(), String> {
    let answer = daemon.post(&format!("/containers/{id}/start"), &Value::Null);
    let is_set = std::path::Path::new("/sys/fs/cgroup/cpu/docker").join(id).join("cpu.rt_period_us").exists();
    claim(answer.status == 500 || is_set, answer)
}

fn log_is_rotated(daemon: &Daemon, id: &str) -> Result<(), String> {
    // The line's own script sleeps: an exec would not reach the log, so another container shows it.
    let _ = id;
    let body = json!({ "Image": "busybox", "Cmd": ["seq", "1000"], "HostConfig": { "LogConfig": {
        "Type": "json-file", "Config": { "max-size": "1k", "max-file": "2" } } } });
    let other = daemon.post("/containers/create", &body).expect(201).json()["Id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    start(daemon, &other)?;
    wait(daemon, &other);
    let path = inspect(daemon, &other)["LogPath"].as_str().unwrap_or_default().to_owned();
    let size = |path: &str| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let (now, before) = (size(&path), size(&format!("{path}.1")));
    let is_gone = size(&format!("{path}.2")) == 0;
    daemon.delete(&format!("/containers/{other}?force=1"));
    claim(
        (1..2048).contains(&now) && (1..2048).contains(&before) && is_gone,
        format!("{now} and {before} bytes"),
    )
}

fn restarts_twice(daemon: &Daemon, id: &str) -> Result<(), String> {
    start(daemon, id)?;
    testing::wait::eventually("it gives up", || {
        let container = inspect(daemon, id);
        container["RestartCount"] == 2 && container["State"]["Status"] == "exited"
    });
    Ok(())
}

fn removes_itself(daemon: &Daemon, id: &str) -> Result<(), String> {
    start(daemon, id)?;
    testing::wait::eventually("it is gone", || daemon.get(&format!("/containers/{id}/json")).status == 404);
    Ok(())
}

fn all_ports_are_published(daemon: &Daemon, id: &str) -> Result<(), String> {
    start(daemon, id)?;
    let ports = inspect(daemon, id)["NetworkSettings"]["Ports"].clone();
    let port = ports["81/tcp"][0]["HostPort"].as_str().and_then(|port| port.parse::<u16>().ok());
    claim(port.is_some_and(|port| port >= 32768), ports)
}

fn volume_is_not_filled(daemon: &Daemon, id: &str) -> Result<(), String> {
    let place = inspect(daemon, id)["Mounts"][0]["Source"].as_str().unwrap_or_default().to_owned();
    let is_empty = std::fs::read_dir(&place).is_ok_and(|mut entries| entries.next().is_none());
    claim(is_empty, format!("{place:?} was filled from the image"))
}

/// Whether the container's first process is in the daemon's namespace of this kind.
fn shares(daemon: &Daemon, id: &str, kind: &str) -> Result<(), String> {
    start(daemon, id)?;
    let namespace = |pid: String| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
    let inside = namespace(inspect(daemon, id)["State"]["Pid"].to_string());
    claim(inside.is_some() && inside == namespace("self".to_owned()), format!("{inside:?}"))
}
