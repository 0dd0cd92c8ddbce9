//! Reading logs as a writer leaves them: rotated, compressed, torn, and while they grow.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use flate2::{Compression, GzBuilder};
use log_format::{append_record, gzip_extra};
use logs::{Next, Query, Reader, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Writes and rotates a log as the shim does; record n says `n` and is n seconds old in 1970.
struct Writer {
    path: PathBuf,
    number: u64,
}

impl Writer {
    fn write(&mut self, count: u64) {
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path).unwrap();
        for _ in 0..count {
            let mut out = Vec::new();
            let text = self.number.to_string();
            append_record(&mut out, text.as_bytes(), true, Stream::Stdout, "", self.number * 1_000_000_000);
            file.write_all(&out).unwrap();
            self.number += 1;
        }
    }

    fn older(&self, number: u32, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}.{number}{suffix}", self.path.display()))
    }

    fn rotate(&self, suffix: &str) {
        for number in (1..4).rev() {
            let _ = std::fs::rename(self.older(number, suffix), self.older(number + 1, suffix));
        }
        std::fs::rename(&self.path, self.older(1, "")).unwrap();
        File::create(&self.path).unwrap();
        if suffix == ".gz" {
            let text = std::fs::read(self.older(1, "")).unwrap();
            let extra = gzip_extra((self.number - 1) * 1_000_000_000);
            let target = File::create(self.older(1, ".gz")).unwrap();
            let mut encoder = GzBuilder::new().extra(extra).write(target, Compression::fast());
            encoder.write_all(&text).unwrap();
            encoder.finish().unwrap();
            std::fs::remove_file(self.older(1, "")).unwrap();
        }
    }
}

fn writer(dir: &Path) -> Writer {
    Writer { path: dir.join("x-json.log"), number: 0 }
}

/// The numbers of the records that are there now.
fn read(reader: &mut Reader) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Next::Record(record) = reader.next().unwrap() {
        seen.push(record.log.trim_end().parse().unwrap());
    }
    seen
}

fn query(path: &Path, query: Query) -> Vec<u64> {
    let mut reader = Reader::open(path, query).unwrap();
    let seen = read(&mut reader);
    assert_eq!(reader.next().unwrap(), Next::End);
    seen
}

/// A log of three files: 0 to 9, 10 to 19, 20 to 24.
fn three_files(dir: &Path, suffix: &str) -> Writer {
    let mut writer = writer(dir);
    writer.write(10);
    writer.rotate(suffix);
    writer.write(10);
    writer.rotate(suffix);
    writer.write(5);
    writer
}

#[test]
fn all_records_are_read_from_the_oldest_file_to_the_newest() {
    for suffix in ["", ".gz"] {
        let dir = tempfile::tempdir().unwrap();
        let writer = three_files(dir.path(), suffix);
        assert_eq!(query(&writer.path, Query::default()), (0..25).collect::<Vec<_>>());
    }
}

#[test]
fn a_tail_reaches_back_into_older_files() {
    for suffix in ["", ".gz"] {
        let dir = tempfile::tempdir().unwrap();
        let writer = three_files(dir.path(), suffix);
        for wanted in [0, 1, 5, 6, 15, 16, 25, 100] {
            let seen = query(&writer.path, Query { tail: Some(wanted), ..Query::default() });
            assert_eq!(seen, (25 - wanted.min(25)..25).collect::<Vec<_>>(), "tail {wanted}");
        }
    }
}

#[test]
fn since_and_until_are_both_inclusive_and_come_after_the_tail() {
    let dir = tempfile::tempdir().unwrap();
    let writer = three_files(dir.path(), ".gz");
    let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let between = |tail, since, until| {
        query(&writer.path, Query { tail, since: at(since), until: at(until), follow: false })
    };
    assert_eq!(between(None, 8, 21), (8..=21).collect::<Vec<_>>());
    assert_eq!(between(None, 30, 40), Vec::<u64>::new());
    assert_eq!(between(Some(10), 8, 16), [15, 16]);
}

#[test]
fn a_log_that_was_never_written_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(query(&dir.path().join("x-json.log"), Query::default()), Vec::<u64>::new());
}

#[test]
fn lines_that_are_no_records_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer.write(1);
    let mut file = OpenOptions::new().append(true).open(&writer.path).unwrap();
    file.write_all(b"{\"log\":\"torn\n\n\0\0\0\0\n\xff\xfe\n{}\n").unwrap();
    writer.write(1);
    file.write_all(b"{\"log\":\"cut off").unwrap();
    assert_eq!(query(&writer.path, Query::default()), [0, 1]);
}

#[test]
fn a_bounded_reading_ends_where_the_log_ended_when_it_began() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    writer.write(2);
    let mut reader = Reader::open(&writer.path, Query::default()).unwrap();
    writer.write(2);
    writer.rotate("");
    writer.write(2);
    assert_eq!(read(&mut reader), [0, 1]);
}

#[test]
fn a_follower_sees_every_record_once_across_rotations() {
    for suffix in ["", ".gz"] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(dir.path());
        writer.write(3);
        let follow = Query { follow: true, ..Query::default() };
        let mut reader = Reader::open(&writer.path, follow).unwrap();
        assert_eq!(read(&mut reader), [0, 1, 2]);
        writer.write(2);
        writer.rotate(suffix);
        writer.write(2);
        writer.rotate(suffix);
        writer.write(1);
        assert_eq!(read(&mut reader), [3, 4, 5, 6, 7], "with suffix {suffix:?}");
        writer.write(1);
        assert_eq!(read(&mut reader), [8]);
        reader.stop_following();
        assert_eq!(reader.next().unwrap(), Next::End);
    }
}

#[test]
fn a_follower_begins_at_the_end_when_no_tail_is_wanted_even_before_the_first_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let none = Query { tail: Some(0), follow: true, ..Query::default() };
    let mut early = Reader::open(&writer.path, none).unwrap();
    assert_eq!(read(&mut early), Vec::<u64>::new());
    writer.write(3);
    let mut late = Reader::open(&writer.path, none).unwrap();
    assert_eq!(read(&mut late), Vec::<u64>::new());
    writer.write(1);
    assert_eq!(read(&mut early), [0, 1, 2, 3]);
    assert_eq!(read(&mut late), [3]);
}

#[test]
fn a_record_that_arrives_in_pieces_is_given_once_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x-json.log");
    let mut record = Vec::new();
    append_record(&mut record, b"7", true, Stream::Stderr, "", 1);
    let mut file = File::create(&path).unwrap();
    let mut reader = Reader::open(&path, Query { follow: true, ..Query::default() }).unwrap();
    for byte in &record[..record.len() - 1] {
        file.write_all(&[*byte]).unwrap();
        assert_eq!(reader.next().unwrap(), Next::Pending);
    }
    file.write_all(b"\n").unwrap();
    assert_eq!(read(&mut reader), [7]);
}

#[test]
fn a_follower_that_waits_on_its_descriptor_misses_nothing_of_a_busy_writer() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path());
    let path = writer.path.clone();
    let mut reader = Reader::open(&path, Query { follow: true, ..Query::default() }).unwrap();
    let thread = std::thread::spawn(move || {
        for _ in 0..40 {
            writer.write(50);
            writer.rotate("");
        }
        writer.write(1);
    });
    // Four older files are kept, so a reader that keeps up within 200 records loses none; give it that by joining
    // what was seen to what must have been.
    let mut seen: Vec<u64> = Vec::new();
    while seen.last() != Some(&2000) {
        match reader.next().unwrap() {
            Next::Record(record) => seen.push(record.log.trim_end().parse().unwrap()),
            Next::Pending => {
                let limit = Timespec { tv_sec: 10, tv_nsec: 0 };
                let changed = reader.descriptor().unwrap();
                assert_eq!(poll(&mut [PollFd::new(&changed, PollFlags::IN)], Some(&limit)), Ok(1));
            }
            Next::End => panic!("a follower has no end"),
        }
    }
    thread.join().unwrap();
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "records came twice or out of order");
}
