//! Documents that are wrong or hostile: refused by the field's name, and nothing is left behind.

use std::fs;

use serde_json::{Value, json};

use crate::stage::Stage;

/// A place in the document, what is put there, and what the complaint names.
fn cases() -> Vec<(&'static str, Value, &'static str)> {
    let deep = (0..200).fold(json!([]), |inside, _| json!([inside]));
    let long = "x".repeat(1 << 20);
    vec![
        // Wrong types.
        ("/ociVersion", json!(1), "ociVersion"),
        ("/process", json!("sh"), "process"),
        ("/process/args", json!("sh"), "process.args"),
        ("/process/args", json!([1]), "process.args[0]"),
        ("/process/user/uid", json!(-1), "process.user.uid"),
        ("/process/user/uid", json!(4_294_967_296_u64), "process.user.uid"),
        ("/process/user/gid", json!("root"), "process.user.gid"),
        ("/process/user/additionalGids", json!([1.5]), "process.user.additionalGids[0]"),
        ("/process/env", json!({"A": "b"}), "process.env"),
        ("/process/rlimits/0/soft", json!("many"), "process.rlimits[0].soft"),
        ("/process/oomScoreAdj", json!(1e30), "process.oomScoreAdj"),
        ("/mounts", json!({}), "mounts"),
        ("/mounts/0/options", json!("ro"), "mounts[0].options"),
        ("/mounts/0/destination", Value::Null, "mounts[0]"),
        ("/linux/namespaces/0/type", json!("moon"), "linux.namespaces[0].type"),
        ("/linux/maskedPaths", json!([true]), "linux.maskedPaths[0]"),
        ("/linux/resources/pids", json!({"limit": "ten"}), "linux.resources.pids.limit"),
        ("/linux/resources/cpu", json!({"shares": -5}), "linux.resources.cpu.shares"),
        ("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_DANCE"}), "linux.seccomp.defaultAction"),
        ("/linux/devices", json!([{"path": "/dev/x", "type": "q"}]), "linux.devices[0].type"),
        ("/hooks", json!({"poststart": [{"args": ["x"]}]}), "hooks.poststart[0]"),
        ("/hooks", deep, "hooks"),
        // Missing or empty.
        ("/process", Value::Null, "process property must not be empty"),
        ("/process/args", json!([]), "args must not be empty"),
        ("/process/cwd", json!(""), "Cwd property must not be empty"),
        ("/process/cwd", json!("tmp"), "Cwd must be an absolute path"),
        ("/root", Value::Null, "root must be specified"),
        ("/root/path", json!(""), "root.path"),
        ("/ociVersion", json!("7.0"), "ociVersion"),
        // Values that mean nothing, or lead elsewhere.
        ("/root/path", json!("nowhere"), "nowhere"),
        ("/root/path", json!("roo\0tfs"), "root.path"),
        ("/process/args", json!(["sh", "a\0b"]), "NUL"),
        ("/process/rlimits/0/type", json!("RLIMIT_DREAMS"), "RLIMIT_DREAMS"),
        ("/process/selinuxLabel", json!("system_u:system_r:container_t:s0"), "selinux"),
        ("/mounts/0", json!({"destination": "/x", "type": "nosuchfs", "source": "x"}), "/x"),
        (
            "/mounts/0",
            json!({"destination": "/x", "source": "/no/such/place", "options": ["bind"]}),
            "/no/such/place",
        ),
        ("/linux/rootfsPropagation", json!("sideways"), "rootfsPropagation"),
        (
            "/linux/namespaces/1",
            json!({"type": "network", "path": "/no/such/namespace"}),
            "/no/such/namespace",
        ),
        ("/linux/namespaces/0", json!({"type": "ipc"}), "ipc"),
        ("/linux/cgroupsPath", json!("/"), "cgroup"),
        ("/linux/resources/cpu", json!({"shares": 1}), "cpu-shares"),
        ("/linux/resources/memory", json!({"limit": 10, "swap": 5}), "memory"),
        ("/linux/sysctl", json!({"../../../etc/passwd": "x"}), "sysctl"),
        ("/linux/sysctl", json!({"kernel.hostname": "x"}), "sysctl"),
        ("/linux/devices", json!([{"path": "/dev/..", "type": "c"}]), "/dev/.."),
        ("/linux/personality", json!({"domain": "PLAN9"}), "PLAN9"),
        ("/linux/intelRdt", json!({"closID": "../x"}), "bandwidth control"),
        ("/hostname", json!(long), "hostname"),
    ]
}

#[test]
fn every_bad_document_is_refused_by_name_and_leaves_nothing() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "true");
        let path = stage.bundle().join("config.json");
        let good: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut wrong = Vec::new();
        for (place, value, name) in cases() {
            // Where shares become a weight, any number of them is one.
            if name == "cpu-shares" && testing::Needs::CgroupV1.missing().is_some() {
                continue;
            }
            let mut document = good.clone();
            put(&mut document, place, value.clone());
            fs::write(&path, serde_json::to_vec(&document).unwrap()).unwrap();
            for words in [["run", "-b", "bundle", "one"], ["create", "-b", "bundle", "one"]] {
                let ran = stage.raw(&words);
                let shown = if value.to_string().len() < 200 { value.to_string() } else { String::new() };
                if ran.code != 1 || !ran.stderr.to_lowercase().contains(&name.to_lowercase()) {
                    let said: String = ran.stderr.chars().take(300).collect();
                    wrong.push(format!("{} {place} {shown}: {} {said}", words[0], ran.code));
                }
                let left = stage.leftovers();
                if !left.is_empty() {
                    wrong.push(format!("{} {place} {shown} left {left:?}", words[0]));
                    stage.run("delete", &["-f", "one"]);
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn what_is_no_document_is_refused() {
    testing::on_host(&[], |host| {
        let stage = Stage::new(host, "true");
        let path = stage.bundle().join("config.json");
        for (bytes, name) in [
            (&b""[..], "JSON"),
            (b"{", "JSON"),
            (b"null", "invalid"),
            (b"[]", "invalid"),
            (b"\xff\xfe{}", "JSON"),
            (b"{}", "ociVersion"),
            (b"{\"ociVersion\": \"1.0.0\"} trailing", "JSON"),
        ] {
            fs::write(&path, bytes).unwrap();
            stage.run("run", &["-b", "bundle", "one"]).code(1).complains(name);
        }
        fs::write(&path, "[".repeat(1 << 20)).unwrap();
        stage.run("run", &["-b", "bundle", "one"]).code(1);
        let huge = fs::File::create(&path).unwrap();
        huge.set_len(1 << 33).unwrap();
        stage.run("run", &["-b", "bundle", "one"]).code(1).complains("longer than");
        fs::remove_file(&path).unwrap();
        stage.run("run", &["-b", "bundle", "one"]).code(1).complains("config.json not found");
        stage.run("run", &["-b", "nowhere", "one"]).code(1).complains("nowhere");
        stage.is_clean();
    });
}

/// Puts a value at a place; `null` takes the field away.
fn put(document: &mut Value, place: &str, value: Value) {
    let (parent, name) = place.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match (parent, name.parse::<usize>()) {
        (Value::Array(list), Ok(index)) => list[index] = value,
        (Value::Object(fields), _) if value.is_null() => drop(fields.remove(name)),
        (Value::Object(fields), _) => drop(fields.insert(name.to_owned(), value)),
        (other, _) => panic!("{place} is in {other}"),
    }
}
