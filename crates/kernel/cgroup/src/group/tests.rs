//! Groups on ordinary folders that look like a hierarchy, which work on any host.

use super::*;
use crate::layout::Hierarchy;

#[test]
fn numbers_are_found_by_whole_words() {
    let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    assert_eq!(find_number(text, "oom_kill"), Some(3));
    assert_eq!(find_number(text, "oom"), None);
}

#[test]
fn a_group_is_found_again_by_its_paths() {
    let tree = |controllers: &[&str], place: &str| Hierarchy {
        controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        mountpoint: PathBuf::from(place),
        root: PathBuf::new(),
    };
    let layout = Layout {
        version: Version::V1,
        hierarchies: vec![tree(&["cpu", "cpuacct"], "/cg/cpu"), tree(&["memory"], "/cg/memory")],
        unified: None,
    };
    let group = Group::at(&layout, Path::new("/a/b")).unwrap();
    assert_eq!(group.paths()["cpuacct"], Path::new("/cg/cpu/a/b"));
    assert_eq!(Group::from_paths(&layout, &group.paths()).unwrap(), group);
    let text = serde_json::to_string(&group).unwrap();
    assert_eq!(serde_json::from_str::<Group>(&text).unwrap(), group);
    for hostile in ["/etc", "/cg/memory", "/cg/memory/../../etc", "relative"] {
        let paths = BTreeMap::from([("memory".to_owned(), PathBuf::from(hostile))]);
        assert!(Group::from_paths(&layout, &paths).is_err(), "{hostile}");
    }
}

/// A tree of v2 in a folder, with one group `box` whose files are there.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        fs::write(tree.0.path().join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        fs::create_dir(tree.folder()).unwrap();
        let usual = [
            ("cgroup.procs", ""),
            ("cgroup.freeze", "0\n"),
            ("cgroup.events", "populated 0\nfrozen 0\n"),
            ("cgroup.controllers", "cpu memory\n"),
        ];
        for (file, content) in usual.iter().chain(files) {
            fs::write(tree.folder().join(file), content).unwrap();
        }
        tree
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("box")
    }

    fn layout(&self) -> Layout {
        let tree = Hierarchy { mountpoint: self.0.path().to_owned(), ..Hierarchy::default() };
        Layout { version: Version::V2, hierarchies: vec![tree], unified: None }
    }

    fn group(&self) -> Group {
        Group::at(&self.layout(), Path::new("/box")).unwrap()
    }

    fn plan(&self, json: &str) -> Plan {
        let mut resources: oci_spec::runtime::Resources = serde_json::from_str(json).unwrap();
        // An ordinary folder takes no filter: none is needed when all devices are allowed.
        resources.devices.push(oci_spec::runtime::DeviceRule { allow: true, ..Default::default() });
        Plan::new(&self.layout(), Path::new("/box"), &resources).unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder().join(file)).unwrap()
    }
}

#[test]
fn limits_of_v2_arrive_in_their_files() {
    let tree = Tree::new(&[("memory.max", ""), ("memory.swap.max", ""), ("cpu.max", ""), ("pids.max", "")]);
    let json = r#"{"memory": {"limit": 4096, "swap": 8192}, "cpu": {"quota": 1000}, "pids": {"limit": 3}}"#;
    tree.plan(json).apply().unwrap();
    let files = ["memory.max", "memory.swap.max", "cpu.max", "pids.max"];
    assert_eq!(files.map(|file| tree.read(file)), ["4096", "4096", "1000 100000", "3"]);
}

#[test]
fn a_group_in_use_keeps_what_an_update_does_not_name() {
    let tree = Tree::new(&[("memory.max", ""), ("pids.max", "7"), ("memory.current", "5000\n")]);
    let update = |json: &str| tree.group().update(&serde_json::from_str(json).unwrap());
    update(r#"{"memory": {"limit": 9000}}"#).unwrap();
    assert_eq!((tree.read("memory.max").as_str(), tree.read("pids.max").as_str()), ("9000", "7"));
    let error = update(r#"{"memory": {"limit": 5000, "checkBeforeUpdate": true}}"#).unwrap_err();
    assert_eq!(error.to_string(), "rejecting memory limit 5000 <= usage 5000");
    let error = update(r#"{"memory": {"limit": 6000, "swap": 7000, "checkBeforeUpdate": true}}"#);
    error.unwrap();
    assert_eq!(tree.read("memory.max"), "6000");
}

#[test]
fn files_by_name_are_refused_in_runcs_words() {
    let tree = Tree::new(&[("memory.high", "")]);
    let refused = |json: &str| tree.plan(json).apply().unwrap_err().to_string();
    let expected = "unified resource \"hugetlb.2MB.max\" can't be set: controller \"hugetlb\" not available";
    assert_eq!(refused(r#"{"unified": {"hugetlb.2MB.max": "1"}}"#), expected);
}

#[test]
fn processes_and_frost_of_v2_are_seen() {
    let tree = Tree::new(&[("memory.events", "oom 1\noom_kill 2\n")]);
    let group = tree.group();
    assert_eq!((group.freeze_state(), group.oom_kills()), (Some(FreezeState::Thawed), Some(2)));
    fs::write(tree.folder().join("cgroup.procs"), "7\n5\n").unwrap();
    let below = tree.folder().join("below");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("cgroup.procs"), "6\n7\n").unwrap();
    assert_eq!((group.pids().unwrap(), group.pids_in(Reach::Own).unwrap()), (vec![5, 6, 7], vec![5, 7]));
    assert!(matches!(tree.plan("{}").apply(), Err(CgroupError::Busy(4))));
    fs::write(tree.folder().join("cgroup.freeze"), "1\n").unwrap();
    assert_eq!(group.freeze_state(), Some(FreezeState::Freezing));
    fs::write(tree.folder().join("cgroup.events"), "populated 1\nfrozen 1\n").unwrap();
    assert!(group.is_frozen());
    fs::write(tree.folder().join("cgroup.procs"), "").unwrap();
    fs::remove_dir_all(&below).unwrap();
    assert!(matches!(tree.plan("{}").apply(), Err(CgroupError::Frozen)));
}

#[test]
fn one_write_kills_where_the_kernel_can() {
    let tree = Tree::new(&[("cgroup.kill", "")]);
    tree.group().kill_all().unwrap();
    assert_eq!(tree.read("cgroup.kill"), "1");
}

#[test]
fn a_freeze_that_settles_is_waited_for() {
    let tree = Tree::new(&[]);
    fs::write(tree.folder().join("cgroup.events"), "frozen 1\n").unwrap();
    tree.group().freeze().unwrap();
    assert!(tree.read("cgroup.freeze").starts_with('1'));
    tree.group().thaw().unwrap();
    assert!(tree.read("cgroup.freeze").starts_with('0'));
}

#[test]
fn half_of_a_pair_is_completed_by_what_is_there() {
    let tree = Tree::new(&[("cpu.max", "50000 100000\n"), ("memory.max", "4096\n"), ("memory.swap.max", "")]);
    let update = |json: &str| tree.group().update(&serde_json::from_str(json).unwrap()).unwrap();
    update(r#"{"cpu": {"period": 200000}, "memory": {"swap": 8192}}"#);
    assert_eq!(tree.read("memory.swap.max").trim_end_matches('\0'), "4096");
    assert!(tree.read("cpu.max").starts_with("50000 200000"));
    update(r#"{"cpu": {"quota": 10000}}"#);
    assert!(tree.read("cpu.max").starts_with("10000 200000"));
}

#[test]
fn a_group_that_hands_controllers_down_is_entered_where_its_first_process_is() {
    let tree = Tree::new(&[("cgroup.subtree_control", "cpu pids\n")]);
    let own = std::process::id();
    assert_eq!(tree.group().beside(own), tree.group());
    fs::write(tree.folder().join("cgroup.subtree_control"), "cpu memory\n").unwrap();
    let text = fs::read_to_string("/proc/self/cgroup").unwrap();
    // At the top there is no other group to go to.
    let expected = match text.lines().find_map(|line| line.strip_prefix("0::/")) {
        Some("") | None => tree.folder(),
        Some(path) => tree.0.path().join(path),
    };
    assert_eq!(tree.group().beside(own).views()[0].folder, expected);
}
