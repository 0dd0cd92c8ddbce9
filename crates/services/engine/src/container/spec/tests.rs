//! A whole plan for a plain container, and what each setting changes in it.

use std::time::UNIX_EPOCH;

use engine_api::container::{ContainerConfig, DeviceMapping, HostConfig, Ulimit};
use oci_spec::runtime::FileKind;

use super::devices::HostDevice;
use super::*;
use crate::container::intent::{BindMount, MountIntent, MountSource};
use crate::system::host::tests::capable;

struct Devices;

impl DeviceFacts for Devices {
    fn devices_at(&self, path: &str) -> Result<Vec<HostDevice>, DeviceError> {
        let missing = || DeviceError::Custom(path.to_owned(), "no such file or directory".to_owned());
        let device = HostDevice {
            path: path.to_owned(),
            kind: FileKind::Char,
            major: 10,
            minor: 200,
            mode: 0o600,
            uid: 0,
            gid: 0,
        };
        if path == "/dev/net/tun" { Ok(vec![device]) } else { Err(missing()) }
    }

    fn all(&self) -> Vec<HostDevice> {
        self.devices_at("/dev/net/tun").unwrap()
    }

    fn block_numbers(&self, _path: &str) -> Result<(i64, i64), DeviceError> {
        Ok((8, 0))
    }
}

fn intent() -> Intent {
    Intent {
        id: "ab".repeat(32),
        name: "web".into(),
        created: UNIX_EPOCH,
        image_id: String::new(),
        command: vec!["sh".into(), "-c".into(), "true".into()],
        config: ContainerConfig { hostname: "h".into(), ..ContainerConfig::default() },
        host_config: HostConfig {
            network_mode: "bridge".into(),
            ipc_mode: "private".into(),
            cgroupns_mode: "host".into(),
            shm_size: 64 << 20,
            masked_paths: Some(vec!["/proc/kcore".into()]),
            ..HostConfig::default()
        },
        endpoints: BTreeMap::new(),
        mounts: vec![],
    }
}

fn planned(change: impl Fn(&mut Intent)) -> Result<Spec, SpecError> {
    let mut intent = intent();
    change(&mut intent);
    let facts = Facts {
        host: &capable(),
        defaults: &ContainerDefaults {
            ulimits: vec![("nofile".into(), 5, 6)],
            ..ContainerDefaults::default()
        },
        name_files: Path::new("/root/containers/ab"),
        shared_memory: None,
        peers: Peers::default(),
        devices: &Devices,
    };
    plan(&intent, &facts)
}

fn kinds(spec: &Spec) -> Vec<NamespaceKind> {
    spec.linux.as_ref().unwrap().namespaces.iter().map(|namespace| namespace.kind).collect()
}

#[test]
fn a_plain_container_gets_dockers_defaults() {
    let spec = planned(|_| {}).unwrap();
    let process = spec.process.as_ref().unwrap();
    assert_eq!(process.args, ["sh", "-c", "true"]);
    assert_eq!(process.cwd, "/");
    assert_eq!(process.capabilities.as_ref().unwrap().bounding, capabilities::DEFAULT);
    assert_eq!(process.rlimits, [Rlimit { kind: "RLIMIT_NOFILE".into(), soft: 5, hard: 6 }]);
    let targets: Vec<&str> = spec.mounts.iter().map(|mount| mount.destination.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/proc",
            "/dev",
            "/dev/pts",
            "/sys",
            "/sys/fs/cgroup",
            "/dev/mqueue",
            "/dev/shm",
            "/etc/resolv.conf",
            "/etc/hostname",
            "/etc/hosts"
        ]
    );
    let linux = spec.linux.as_ref().unwrap();
    assert_eq!(linux.cgroups_path, format!("/docker/{}", "ab".repeat(32)));
    assert_eq!(linux.masked_paths, ["/proc/kcore"]);
    assert_eq!(linux.sysctl["net.ipv4.ip_unprivileged_port_start"], "0");
    use NamespaceKind::{Ipc, Mount, Network, Pid, Uts};
    assert_eq!(kinds(&spec), [Mount, Network, Uts, Pid, Ipc]);
}

#[test]
fn the_hosts_namespaces_are_left_out() {
    let spec = planned(|intent| {
        intent.host_config.network_mode = "host".into();
        intent.host_config.pid_mode = "host".into();
        intent.host_config.uts_mode = "host".into();
        intent.host_config.ipc_mode = "host".into();
    })
    .unwrap();
    assert_eq!(kinds(&spec), [NamespaceKind::Mount]);
    assert_eq!(spec.hostname, "");
    assert!(spec.linux.unwrap().sysctl.is_empty());
}

#[test]
fn privileged_lifts_masks_and_gives_devices() {
    let spec = planned(|intent| intent.host_config.privileged = true).unwrap();
    let linux = spec.linux.as_ref().unwrap();
    assert!(linux.masked_paths.is_empty());
    assert_eq!(linux.devices[0].path, "/dev/net/tun");
    assert_eq!(linux.resources.as_ref().unwrap().devices.len(), 1);
    let sys = spec.mounts.iter().find(|mount| mount.destination == "/sys").unwrap();
    assert!(sys.options.contains(&"rw".to_owned()));
}

#[test]
fn mounts_of_the_user_cover_ours_and_come_outer_first() {
    let bind = |target: &str| MountIntent {
        destination: target.into(),
        writable: false,
        mode: String::new(),
        what: MountSource::Bind(BindMount {
            source: "/src".into(),
            propagation: "rslave".into(),
            ..BindMount::default()
        }),
    };
    let spec = planned(|intent| intent.mounts = vec![bind("/a/b"), bind("/a"), bind("/etc/hosts")]).unwrap();
    let own: Vec<&str> = spec.mounts[7..].iter().map(|mount| mount.destination.as_str()).collect();
    assert_eq!(own, ["/a", "/a/b", "/etc/hosts", "/etc/resolv.conf", "/etc/hostname"]);
    assert_eq!(spec.mounts[7].options, ["rbind", "rslave", "rro"]);
    assert_eq!(spec.linux.unwrap().rootfs_propagation, "rslave");
}

#[test]
fn devices_and_limits_are_carried_over() {
    let device = DeviceMapping {
        path_on_host: "/dev/net/tun".into(),
        path_in_container: "/dev/tun".into(),
        cgroup_permissions: "rw".into(),
    };
    let spec = planned(|intent| {
        intent.host_config.devices = Some(vec![device.clone()]);
        intent.host_config.ulimits = Some(vec![Ulimit { name: "nofile".into(), soft: -1, hard: -1 }]);
    })
    .unwrap();
    let linux = spec.linux.as_ref().unwrap();
    assert_eq!(linux.devices[0].path, "/dev/tun");
    let last = linux.resources.as_ref().unwrap().devices.last().unwrap().clone();
    assert_eq!((last.major, last.minor, last.access.as_str()), (Some(10), Some(200), "rw"));
    assert_eq!(spec.process.unwrap().rlimits[0].soft, u64::MAX);

    let missing = DeviceMapping { path_on_host: "/dev/nope".into(), ..device.clone() };
    let error = planned(|intent| intent.host_config.devices = Some(vec![missing.clone()])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error gathering device information while adding custom device \"/dev/nope\": no such file or directory"
    );
}

#[test]
fn tmpfs_options_are_checked_and_follow_the_defaults() {
    let with = |options: &'static str| {
        planned(move |intent| intent.host_config.tmpfs = Some([("/t".to_owned(), options.to_owned())].into()))
    };
    let spec = with("size=64m,exec").unwrap();
    let mount = spec.mounts.iter().find(|mount| mount.destination == "/t").unwrap();
    assert_eq!(mount.options, ["noexec", "nosuid", "nodev", "rprivate", "size=64m", "exec"]);
    assert_eq!(with("nope=1").unwrap_err().to_string(), "Invalid tmpfs option [\"nope=1\"]");
}
