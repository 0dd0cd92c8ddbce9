//! The log of real output.

use shim::{JsonFile, LogPolicy};

use crate::harness::{Place, launch};

#[test]
fn a_log_stays_within_its_bounds_whatever_is_written() {
    let place = Place::new();
    let mut plan = place.script("yes some text of a line | head -c 3000000");
    plan.log = LogPolicy::JsonFile(JsonFile {
        max_size: Some(1_000_000),
        max_files: 3,
        ..JsonFile::bounded(place.log.clone())
    });
    let mut running = launch(&plan);
    assert_eq!(running.wait().exit_code, 0);
    let size =
        |suffix: &str| std::fs::metadata(format!("{}{suffix}", place.log.display())).map(|meta| meta.len());
    for suffix in [".1", ".2"] {
        assert!((1_000_000..1_000_200).contains(&size(suffix).unwrap()), "{suffix}: {:?}", size(suffix));
    }
    assert!(size("").unwrap() < 1_000_200);
    assert!(size(".3").is_err());
}

#[test]
fn logging_keeps_pace_with_a_program_that_writes_a_lot() {
    let place = Place::new();
    let mut plan = place.script("yes 0123456789012345678901234567890123456789 | head -c 50000000");
    plan.log = LogPolicy::JsonFile(JsonFile { max_size: None, ..JsonFile::bounded(place.log.clone()) });
    let mut running = launch(&plan);
    assert_eq!(running.wait().exit_code, 0);
    let text = std::fs::read(&place.log).unwrap();
    assert_eq!(memchr::memchr_iter(b'\n', &text).count(), 50_000_000_usize.div_ceil(41));
}

#[test]
fn without_a_log_nothing_is_written() {
    let place = Place::new();
    let mut plan = place.script("echo x");
    plan.log = LogPolicy::None;
    launch(&plan).wait();
    assert!(!place.log.exists());
}
