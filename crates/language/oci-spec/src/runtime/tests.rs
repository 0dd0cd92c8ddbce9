//! Runtime documents read and written back.

use super::*;

const DOCUMENT: &str = r#"{
  "ociVersion": "1.2.1",
  "process": {"terminal": true, "user": {"uid": 1, "gid": 2, "additionalGids": [3]}, "args": ["sh"], "env": null,
    "cwd": "/", "capabilities": {"bounding": ["CAP_CHOWN"]}, "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}],
    "execCPUAffinity": {"initial": "0", "final": "1"}, "oomScoreAdj": 0, "someday": 1},
  "root": {"path": "rootfs", "readonly": true},
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
  "linux": {
    "resources": {"devices": [{"allow": false, "access": "rwm"}], "memory": {"limit": 4194304, "disableOOMKiller": true},
      "blockIO": {"throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 5}]}},
    "namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/1/ns/net"}],
    "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["clone"], "action": "SCMP_ACT_ALLOW",
      "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}]}]}
  },
  "future": {"a": [1, 2]}
}"#;

#[test]
fn a_document_survives_reading_and_writing_with_its_unknown_fields() {
    let before: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
    let spec: Spec = serde_json::from_str(DOCUMENT).unwrap();
    let mut after = serde_json::to_value(&spec).unwrap();
    // `null` is read as empty and not written back.
    after["process"]["env"] = serde_json::Value::Null;
    assert_eq!(before, after);
}

#[test]
fn known_fields_land_where_they_belong() {
    let spec: Spec = serde_json::from_str(DOCUMENT).unwrap();
    let linux = spec.linux.unwrap();
    let process = spec.process.unwrap();
    assert_eq!(process.exec_cpu_affinity.unwrap().last, "1");
    assert_eq!(process.oom_score_adj, Some(0));
    assert_eq!(linux.find_namespace(NamespaceKind::Network).unwrap().path, "/proc/1/ns/net");
    assert!(linux.find_namespace(NamespaceKind::User).is_none());
    let resources = linux.resources.unwrap();
    assert_eq!(resources.memory.unwrap().disable_oom_killer, Some(true));
    assert_eq!(resources.block_io.unwrap().throttle_read_iops_device[0].rate, 5);
    assert_eq!(linux.seccomp.unwrap().syscalls[0].args[0].op, Compare::MaskedEqual);
    assert!(spec.extra.contains_key("future"));
}

#[test]
fn a_document_without_version_or_with_wrong_types_is_refused() {
    assert!(serde_json::from_str::<Spec>("{}").is_err());
    assert!(serde_json::from_str::<Spec>(r#"{"ociVersion": "1.2", "mounts": [1]}"#).is_err());
}

#[test]
fn an_error_names_the_field() {
    let refused = |json: &str| Spec::from_slice(json.as_bytes()).unwrap_err().to_string();
    let field = |name: &str, text: &str| {
        let message = refused(text);
        assert!(message.starts_with(&format!("invalid field {name}: ")), "{message}");
    };
    field(
        "mounts[1].options",
        r#"{"ociVersion": "1.2", "mounts": [{"destination": "/"}, {"destination": "/", "options": 3}]}"#,
    );
    field(
        "linux.namespaces[0].type",
        r#"{"ociVersion": "1.2", "linux": {"namespaces": [{"type": "moon"}]}}"#,
    );
    field("process.user.uid", r#"{"ociVersion": "1.2", "process": {"cwd": "/", "user": {"uid": -1}}}"#);
    field(
        "process.scheduler.nice",
        r#"{"ociVersion": "1.2", "process": {"cwd": "/", "scheduler": {"policy": "x", "nice": 1e40}}}"#,
    );
    field("process", r#"{"ociVersion": "1.2", "process": {}}"#);
    field(".", "[]");
    assert!(refused("{").starts_with("invalid JSON: "));
    assert!(refused(r#"{"ociVersion": "1.2"} x"#).starts_with("invalid JSON: "));
    assert!(refused(&"[".repeat(100_000)).starts_with("invalid field .: "));
    assert!(Process::from_slice(br#"{"cwd": "/"}"#).is_ok());
}

#[test]
fn every_part_of_1_3_survives() {
    let text = r#"{
      "ociVersion": "1.3.0", "domainname": "d", "hostname": "h",
      "process": {"cwd": "/", "user": {"uid": 0, "gid": 0, "umask": 18}, "selinuxLabel": "s", "apparmorProfile": "a",
        "noNewPrivileges": true, "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "scheduler": {"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RESET_ON_FORK"], "runtime": 1, "deadline": 2, "period": 3}},
      "mounts": [{"destination": "/x", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 2}],
        "gidMappings": [{"containerID": 0, "hostID": 1, "size": 2}]}],
      "hooks": {"prestart": [{"path": "/a", "args": ["a"], "env": ["b=c"], "timeout": 3}], "poststop": [{"path": "/b"}]},
      "annotations": {"k": "v"},
      "linux": {
        "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
        "namespaces": [{"type": "time"}, {"type": "user", "path": "/p"}],
        "timeOffsets": {"monotonic": {"secs": -3, "nanosecs": 5}},
        "netDevices": {"eth0": {"name": "inside"}, "eth1": {}},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "personality": {"domain": "LINUX32", "flags": ["X"]},
        "intelRdt": {"closID": "c", "schemata": ["L3:0=f"], "enableMonitoring": true},
        "rootfsPropagation": "rslave", "mountLabel": "m", "maskedPaths": ["/a"], "readonlyPaths": ["/b"],
        "seccomp": {"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/l", "listenerMetadata": "m"}
      }
    }"#;
    let before: serde_json::Value = serde_json::from_str(text).unwrap();
    let after = serde_json::to_value(Spec::from_slice(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(before, after);
}

#[test]
fn the_size_of_huge_pages_is_found_under_both_spellings() {
    for name in ["pageSize", "pagesize"] {
        let limits: Resources =
            serde_json::from_str(&format!(r#"{{"hugepageLimits": [{{"{name}": "2MB", "limit": 4}}]}}"#))
                .unwrap();
        assert_eq!(limits.hugepage_limits[0].page_size, "2MB");
    }
    // A limit that is left out is none.
    let limits: Resources = serde_json::from_str(r#"{"pids": {}}"#).unwrap();
    assert_eq!(limits.pids.map(|pids| pids.limit), Some(0));
}
