//! Logs written by hand, rotated, compressed, torn, and followed through all of it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use log_format::{Stream, append_record};
use rustix::event::{PollFd, PollFlags, poll};

use super::*;

struct Log {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Log {
    fn new() -> Log {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c-json.log");
        Log { _dir: dir, path }
    }

    fn named(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.path.display()))
    }

    /// Records whose text and time are the numbers.
    fn bytes(numbers: std::ops::Range<u64>) -> Vec<u8> {
        let mut out = Vec::new();
        for number in numbers {
            append_record(&mut out, number.to_string().as_bytes(), true, Stream::Stdout, "", number);
        }
        out
    }

    fn append(&self, numbers: std::ops::Range<u64>) {
        self.append_raw(&Log::bytes(numbers));
    }

    fn append_raw(&self, bytes: &[u8]) {
        OpenOptions::new().append(true).create(true).open(&self.path).unwrap().write_all(bytes).unwrap();
    }

    fn rotate(&self) {
        if self.named(".1").exists() {
            fs::rename(self.named(".1"), self.named(".2")).unwrap();
        }
        fs::rename(&self.path, self.named(".1")).unwrap();
    }

    fn compress(&self) {
        let mut encoder =
            GzEncoder::new(fs::File::create(self.named(".1.gz")).unwrap(), Compression::default());
        encoder.write_all(&fs::read(self.named(".1")).unwrap()).unwrap();
        encoder.finish().unwrap();
        fs::remove_file(self.named(".1")).unwrap();
    }

    fn reader(&self, query: Query) -> Reader {
        Reader::open(&self.path, query).unwrap()
    }
}

fn drain(reader: &mut Reader) -> Vec<u64> {
    let mut numbers = Vec::new();
    while reader.read(|record| numbers.push(record.log.trim_end().parse().unwrap())).unwrap()
        == Progress::More
    {}
    numbers
}

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn files_are_read_from_the_oldest_on() {
    let log = Log::new();
    log.append(0..10);
    log.rotate();
    log.append(10..20);
    log.rotate();
    log.compress();
    log.append(20..30);
    assert_eq!(drain(&mut log.reader(Query::default())), numbers(0..30));
}

#[test]
fn a_log_that_was_never_written_is_empty() {
    let log = Log::new();
    let mut reader = log.reader(Query::default());
    assert_eq!(drain(&mut reader), numbers(0..0));
    log.append(0..3);
    assert_eq!(drain(&mut reader), numbers(0..3));
}

#[test]
fn the_tail_reaches_across_files_and_into_compressed_ones() {
    let log = Log::new();
    log.append(0..1000);
    log.rotate();
    log.append(1000..3000);
    for compressed in [false, true] {
        if compressed {
            log.compress();
        }
        for count in [0, 1, 1999, 2000, 2001, 2999, 3000, 9999] {
            let query = Query { tail: Some(count), ..Query::default() };
            let expected = numbers(3000_u64.saturating_sub(count as u64)..3000);
            assert_eq!(drain(&mut log.reader(query)), expected, "{count}, {compressed}");
        }
    }
}

#[test]
fn since_and_until_include_their_moments() {
    let log = Log::new();
    log.append(0..100);
    let query = Query { since: Some(20), until: Some(29), ..Query::default() };
    let mut reader = log.reader(query);
    assert_eq!(drain(&mut reader), numbers(20..30));
}

#[test]
fn a_follower_misses_nothing_through_rotations() {
    let log = Log::new();
    log.append(0..10);
    let mut reader = log.reader(Query::default());
    assert_eq!(drain(&mut reader), numbers(0..10));
    log.append(10..12);
    log.rotate();
    log.append(12..14);
    assert_eq!(drain(&mut reader), numbers(10..14));
    for start in [14, 24] {
        log.append(start..start + 5);
        log.rotate();
        log.append(start + 5..start + 10);
    }
    assert_eq!(drain(&mut reader), numbers(14..34));
}

#[test]
fn a_follower_finds_its_place_in_a_compressed_file() {
    let log = Log::new();
    log.append(0..10);
    let mut reader = log.reader(Query::default());
    assert_eq!(drain(&mut reader), numbers(0..10));
    log.append(10..15);
    log.rotate();
    log.compress();
    log.append(15..20);
    // What the reader holds has the records up to 14; its name is gone.
    assert_eq!(drain(&mut reader), numbers(10..20));
}

#[test]
fn a_follower_goes_on_in_a_file_that_was_emptied() {
    let log = Log::new();
    log.append(0..10);
    let mut reader = log.reader(Query::default());
    assert_eq!(drain(&mut reader), numbers(0..10));
    fs::write(&log.path, Log::bytes(10..12)).unwrap();
    assert_eq!(drain(&mut reader), numbers(10..12));
}

#[test]
fn garbage_and_torn_records_are_passed_over() {
    let log = Log::new();
    log.append(0..2);
    log.append_raw(b"{\"log\":\"to\n\xff\xfe\n\n{}\n");
    log.append_raw(&vec![b'x'; 3 << 20]);
    log.append_raw(b"\n");
    log.append(2..4);
    let half = Log::bytes(4..5);
    log.append_raw(&half[..20]);
    let mut reader = log.reader(Query::default());
    assert_eq!(drain(&mut reader), numbers(0..4));
    log.append_raw(&half[20..]);
    assert_eq!(drain(&mut reader), numbers(4..5));
}

#[test]
fn the_watch_wakes_a_follower_once_per_change() {
    let log = Log::new();
    let watch = Watch::new(&log.path).unwrap();
    let is_readable = |watch: &Watch| {
        poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&rustix::time::Timespec::default())).unwrap() == 1
    };
    assert!(!is_readable(&watch));
    log.append(0..1);
    assert!(is_readable(&watch));
    watch.drain().unwrap();
    assert!(!is_readable(&watch));
    log.rotate();
    assert!(is_readable(&watch));
}
