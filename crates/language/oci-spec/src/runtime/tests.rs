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
