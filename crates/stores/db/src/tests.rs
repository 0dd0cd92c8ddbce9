//! The store against a plain map, through reopening, torn writes, damage and concurrent committers.

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;

use super::*;

fn put(db: &Db, key: &str, value: &str) {
    db.commit(Batch::new().put("t", key, value)).unwrap();
}

/// Where the last frame ends: behind it the file is filled with zeros, and these tests' frames end with a letter.
fn end_of_frames(path: &std::path::Path) -> usize {
    fs::read(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap() + 1
}

fn text(db: &Db, key: &str) -> Option<String> {
    db.get("t", key).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[test]
fn a_committed_record_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    put(&db, "a", "1");
    put(&db, "a", "2");
    put(&db, "b", "3");
    db.commit(Batch::new().delete("t", "b").put("u", "c", "4")).unwrap();
    drop(db);
    let db = Db::open(dir.path()).unwrap();
    assert_eq!(text(&db, "a").as_deref(), Some("2"));
    assert_eq!(text(&db, "b"), None);
    assert_eq!(db.scan("u").len(), 1);
}

#[test]
fn a_commit_aside_is_in_the_file_before_it_is_durable_and_then_visible() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let commit = db.commit_aside(Batch::new().put("t", "a", "aside")).unwrap();
    assert!(fs::read(dir.path().join("intent.log")).unwrap().windows(5).any(|bytes| bytes == b"aside"));
    commit.finish().unwrap();
    assert_eq!(text(&db, "a").as_deref(), Some("aside"));
}

#[test]
fn commits_aside_and_others_share_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let db = db.clone();
            scope.spawn(move || {
                for number in 0..30 {
                    let batch = Batch::new().put("t", &format!("{thread}-{number}"), "v");
                    match thread % 2 {
                        0 => db.commit(batch).unwrap(),
                        _ => db.commit_aside(batch).unwrap().finish().unwrap(),
                    }
                }
            });
        }
    });
    drop(db);
    assert_eq!(Db::open(dir.path()).unwrap().scan("t").len(), 180);
}

#[test]
fn a_commit_aside_that_fails_is_told_and_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let commit = db.commit_aside(Batch::new().put("t", &"k".repeat(70_000), "v")).unwrap();
    assert!(matches!(commit.finish(), Err(DbError::Io { action: "encode", .. })));
}

#[test]
fn a_log_whose_reserve_is_used_up_gets_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let path = dir.path().join("intent.log");
    put(&db, "a", "1");
    let first = fs::metadata(&path).unwrap().len();
    put(&db, "b", "2");
    assert_eq!(fs::metadata(&path).unwrap().len(), first);
    put(&db, "c", &"x".repeat(200_000));
    assert!(fs::metadata(&path).unwrap().len() > first + 200_000);
    drop(db);
    assert_eq!(Db::open(dir.path()).unwrap().scan("t").len(), 3);
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _db = Db::open(dir.path()).unwrap();
    assert!(matches!(Db::open(dir.path()), Err(DbError::InUse { .. })));
}

#[test]
fn a_write_torn_at_any_byte_loses_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intent.log");
    let db = Db::open(dir.path()).unwrap();
    put(&db, "a", "kept");
    let kept = end_of_frames(&path);
    put(&db, "a", "torn");
    drop(db);
    let whole = fs::read(&path).unwrap();
    let torn = kept..end_of_frames(&path);
    assert!(torn.len() > 20);
    for (end, zeros) in torn.flat_map(|end| [(end, 0), (end, 500)]) {
        fs::write(&path, [&whole[..end], &vec![0; zeros]].concat()).unwrap();
        let db = Db::open(dir.path()).unwrap();
        assert_eq!(text(&db, "a").as_deref(), Some("kept"), "cut at {end}");
        put(&db, "b", "after");
        drop(db);
        assert_eq!(text(&Db::open(dir.path()).unwrap(), "b").as_deref(), Some("after"));
    }
}

#[test]
fn a_last_frame_of_zeros_counts_as_torn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intent.log");
    put(&Db::open(dir.path()).unwrap(), "a", "kept");
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([0; 4096]);
    fs::write(&path, bytes).unwrap();
    assert_eq!(text(&Db::open(dir.path()).unwrap(), "a").as_deref(), Some("kept"));
}

#[test]
fn damage_before_an_answered_write_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("intent.log");
    let db = Db::open(dir.path()).unwrap();
    put(&db, "a", "1");
    put(&db, "b", "2");
    drop(db);
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(Db::open(dir.path()), Err(DbError::Damaged { offset: 0, .. })));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_file_that_is_no_log_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("intent.log"), "something of yours").unwrap();
    assert!(matches!(Db::open(dir.path()), Err(DbError::Format { .. })));
    assert_eq!(fs::read(dir.path().join("intent.log")).unwrap(), b"something of yours");
}

#[test]
fn a_log_of_dead_records_is_rewritten_small() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    let large = "x".repeat(600_000);
    for _ in 0..20 {
        put(&db, "a", &large);
    }
    put(&db, "b", "small");
    assert!(fs::metadata(dir.path().join("intent.log")).unwrap().len() < 6 << 20);
    drop(db);
    let db = Db::open(dir.path()).unwrap();
    assert_eq!(text(&db, "a"), Some(large));
    assert_eq!(text(&db, "b").as_deref(), Some("small"));
}

#[test]
fn concurrent_committers_all_become_durable() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let db = db.clone();
            scope.spawn(move || (0..50).for_each(|n| put(&db, &format!("{thread}-{n}"), "v")));
        }
    });
    drop(db);
    assert_eq!(Db::open(dir.path()).unwrap().scan("t").len(), 400);
}

#[test]
fn a_batch_that_cannot_be_encoded_is_refused_and_the_store_stays_usable() {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(dir.path()).unwrap();
    put(&db, "a", "kept");
    let too_long = "k".repeat(70_000);
    assert!(matches!(
        db.commit(Batch::new().put("t", &too_long, "v")),
        Err(DbError::Io { action: "encode", .. })
    ));
    put(&db, "b", "after");
    assert_eq!(text(&db, "a").as_deref(), Some("kept"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_store_behaves_like_a_map(changes in prop::collection::vec(("[a-e]", prop::option::of(".{0,20}"), any::<bool>()), 0..30)) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = BTreeMap::new();
        let mut db = Db::open(dir.path()).unwrap();
        for (key, value, reopen) in changes {
            match value {
                Some(value) => { put(&db, &key, &value); model.insert(key, value); }
                None => { db.commit(Batch::new().delete("t", &key)).unwrap(); model.remove(&key); }
            }
            if reopen {
                drop(db);
                db = Db::open(dir.path()).unwrap();
            }
        }
        let stored: BTreeMap<String, String> =
            db.scan("t").into_iter().map(|(key, value)| (key, String::from_utf8(value.to_vec()).unwrap())).collect();
        prop_assert_eq!(stored, model);
    }

    #[test]
    fn arbitrary_bytes_never_decode_into_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = frame::decode(&bytes);
    }
}
