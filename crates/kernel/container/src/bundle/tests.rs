//! Any document is refused or planned, whatever is in it, without a look at the kernel: the fuzz target of the
//! configuration (`cargo xtask fuzz`).

use cgroup::{Hierarchy, Layout, OwnGroups, Plan, Version, systemd};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::groups;

/// Something of everything that the specification has.
const WHOLE: &str = include_str!("whole.json");

/// Reads, checks and plans.
fn plan(bytes: Vec<u8>) -> Result<(), String> {
    let bundle = Bundle::parse(Path::new("/bundle"), bytes).map_err(|error| error.to_string())?;
    runtime::check(&bundle.spec).map_err(|error| error.to_string())?;
    let resources = groups::resources(&bundle.spec);
    let linux = bundle.spec.linux.clone().unwrap_or_default();
    let tree = |name: &str| Hierarchy {
        controllers: vec![name.to_owned()],
        mountpoint: Path::new("/cg").join(name),
        ..Hierarchy::default()
    };
    let controllers =
        ["cpu", "cpuset", "memory", "devices", "pids", "blkio", "hugetlb", "net_cls", "net_prio", "rdma"];
    let v1 = Layout { version: Version::V1, hierarchies: controllers.map(tree).into(), unified: None };
    let unified = Hierarchy { mountpoint: "/cg".into(), ..Hierarchy::default() };
    let v2 = Layout { version: Version::V2, hierarchies: vec![unified], unified: None };
    for layout in [v1, v2] {
        let own = OwnGroups::from_text("0::/a/b\n1:cpu:/c\n");
        let path = linux.cgroups_path.as_str();
        Plan::for_container(&layout, &own, path, "id", &resources).map_err(|error| error.to_string())?;
        let annotations = &bundle.spec.annotations;
        let request = systemd::Request { cgroups_path: path, id: "id", annotations, resources: &resources };
        // The path is one of systemd's, or it is not.
        let _ = Plan::for_unit(&layout, &request);
    }
    if let Some(seccomp) = &linux.seccomp {
        runtime::seccomp::compile(seccomp).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Places of all values in a document.
fn places(value: &Value, place: &str, into: &mut Vec<String>) {
    into.push(place.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| places(value, &format!("{place}/{name}"), into));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| places(value, &format!("{place}/{index}"), into));
        }
        _ => {}
    }
}

/// Values that documents have, and that they should not have.
fn values() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just(String::new()),
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just("/../../x".to_owned()),
        Just("a\0b".to_owned()),
        Just("bind".to_owned()),
        Just("idmap".to_owned()),
        Just("0-99999999999".to_owned()),
        Just("x".repeat(70_000)),
        ".{0,12}",
        "[a-z_=:,./0-9-]{0,24}",
    ];
    let numbers = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2_i64..300).prop_map(Value::from),
        Just(json!(u32::MAX)),
        Just(json!(i32::MIN)),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        numbers,
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-zA-Z.]{1,8}", inside), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

#[test]
fn the_whole_document_is_planned() {
    assert_eq!(plan(WHOLE.as_bytes().to_vec()), Ok(()));
}

proptest! {
    #[test]
    fn a_document_with_strange_values_is_refused_or_planned(
        changes in prop::collection::vec((any::<prop::sample::Index>(), values()), 1..5),
    ) {
        let mut document: Value = serde_json::from_str(WHOLE).unwrap();
        for (place, value) in changes {
            let mut all = Vec::new();
            places(&document, "", &mut all);
            let place = place.get(&all).clone();
            if let Some(found) = document.pointer_mut(&place) {
                *found = value;
            }
        }
        if let Err(reason) = plan(serde_json::to_vec(&document).unwrap()) {
            prop_assert!(!reason.is_empty());
        }
    }

    #[test]
    fn bytes_that_were_a_document_are_refused_or_planned(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut bytes = WHOLE.as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if is_cut {
            bytes.truncate(end.index(WHOLE.len()));
        }
        let _ = plan(bytes);
    }
}
