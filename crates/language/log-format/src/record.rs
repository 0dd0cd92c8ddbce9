//! One record: a line of JSON with `log`, `stream`, `attrs` (if any) and `time`, in this order.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::time;

/// Which of a process's outputs a record is from. With a terminal everything is [`Stream::Stdout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word in the record.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The text, with its newline unless it is a part of a longer line.
    pub log: String,
    /// Where it is from.
    pub stream: Stream,
    /// Nanoseconds since 1970.
    pub time: u64,
    /// Labels and variables that the container's owner wanted in each record.
    pub attributes: BTreeMap<String, String>,
}

/// A line that is no record: torn by a full disk or a crash, or written by something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record of a json-file log")]
pub struct Malformed;

/// Appends a record and its newline to `out`.
///
/// `attributes` is empty or what [`attributes_json`] made. Bytes that are no UTF-8 become U+FFFD each.
pub fn append_record(
    out: &mut Vec<u8>,
    text: &[u8],
    ends_line: bool,
    stream: Stream,
    attributes: &str,
    nanoseconds: u64,
) {
    out.push(b'{');
    if !text.is_empty() || ends_line {
        out.extend_from_slice(b"\"log\":\"");
        append_escaped(out, text, b"\\u0009");
        out.extend_from_slice(if ends_line { b"\\n\"," } else { b"\"," });
    }
    out.extend_from_slice(b"\"stream\":\"");
    out.extend_from_slice(stream.name().as_bytes());
    out.push(b'"');
    if !attributes.is_empty() {
        out.extend_from_slice(b",\"attrs\":");
        out.extend_from_slice(attributes.as_bytes());
    }
    out.extend_from_slice(b",\"time\":\"");
    time::append_rfc3339(out, nanoseconds);
    out.extend_from_slice(b"\"}\n");
}

/// The `attrs` of a log's records; empty if there are none.
pub fn attributes_json(attributes: &BTreeMap<String, String>) -> String {
    if attributes.is_empty() {
        return String::new();
    }
    let mut out = Vec::new();
    for (name, value) in attributes {
        out.push(if out.is_empty() { b'{' } else { b',' });
        out.push(b'"');
        append_escaped(&mut out, name.as_bytes(), b"\\t");
        out.extend_from_slice(b"\":\"");
        append_escaped(&mut out, value.as_bytes(), b"\\t");
        out.push(b'"');
    }
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads one line, with or without its newline.
pub fn parse_record(line: &[u8]) -> Result<Record, Malformed> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(default, borrow)]
        log: Cow<'a, str>,
        stream: Stream,
        #[serde(borrow)]
        time: Cow<'a, str>,
        #[serde(default)]
        attrs: BTreeMap<String, String>,
    }
    let wire: Wire<'_> = serde_json::from_slice(line).map_err(|_| Malformed)?;
    Ok(Record {
        log: wire.log.into_owned(),
        stream: wire.stream,
        time: time::parse_rfc3339(wire.time.as_bytes()).ok_or(Malformed)?,
        attributes: wire.attrs,
    })
}

/// Escapes as Docker's writer does: quotes, backslashes, control characters, `<`, `>`, `&` and the two line
/// separators of Unicode. The tab differs between records (`\u0009`) and attributes (`\t`).
fn append_escaped(out: &mut Vec<u8>, bytes: &[u8], tab: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid().as_bytes();
        let mut start = 0;
        for (at, &byte) in valid.iter().enumerate() {
            if !NEEDS_CARE[usize::from(byte)] {
                continue;
            }
            // U+2028 and U+2029 are E2 80 A8 and E2 80 A9.
            let separator = match valid[at..] {
                [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => Some(last),
                _ => None,
            };
            if byte == 0xe2 && separator.is_none() {
                continue;
            }
            out.extend_from_slice(&valid[start..at]);
            start = at + 1;
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(tab),
                0xe2 => {
                    out.extend_from_slice(b"\\u202");
                    out.push(if separator == Some(0xa8) { b'8' } else { b'9' });
                    start = at + 3;
                }
                _ => {
                    out.extend_from_slice(b"\\u00");
                    out.push(HEX[usize::from(byte >> 4)]);
                    out.push(HEX[usize::from(byte & 15)]);
                }
            }
        }
        out.extend_from_slice(&valid[start..]);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// Bytes at which copying as is may have to stop.
const NEEDS_CARE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    let special = b"\"\\<>&\xe2";
    let mut at = 0;
    while at < special.len() {
        table[special[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &[u8], ends_line: bool) -> String {
        let mut out = Vec::new();
        append_record(&mut out, text, ends_line, Stream::Stdout, "", 1_500_000_000);
        String::from_utf8(out).unwrap()
    }

    /// What Docker's reader would see: every byte that is no UTF-8 has become U+FFFD.
    fn lossy(bytes: &[u8]) -> String {
        let chunks = bytes.utf8_chunks();
        chunks.map(|chunk| chunk.valid().to_owned() + &"\u{fffd}".repeat(chunk.invalid().len())).collect()
    }

    #[test]
    fn records_are_byte_for_byte_dockers() {
        let rest = "\"stream\":\"stdout\",\"time\":\"1970-01-01T00:00:01.5Z\"}\n";
        for (text, ends_line, log) in [
            (&b"hello"[..], true, r#""log":"hello\n","#),
            (b"prompt> ", false, r#""log":"prompt\u003e ","#),
            (b"", true, r#""log":"\n","#),
            (b"", false, ""),
            (b"a\tb\r", true, r#""log":"a\u0009b\r\n","#),
            (
                b"<a href=\"x\\y\">&\x1b[0m\x7f",
                true,
                "\"log\":\"\\u003ca href=\\\"x\\\\y\\\"\\u003e\\u0026\\u001b[0m\x7f\\n\",",
            ),
            (
                "\u{2028}\u{2029}\u{2026}é😀\u{fffd}".as_bytes(),
                true,
                "\"log\":\"\\u2028\\u2029\u{2026}é😀\u{fffd}\\n\",",
            ),
            (b"\xff\xe2\x80", true, r#""log":"\ufffd\ufffd\ufffd\n","#),
        ] {
            assert_eq!(written(text, ends_line), format!("{{{log}{rest}"));
        }
    }

    #[test]
    fn attributes_stand_between_stream_and_time() {
        let attributes = BTreeMap::from([("b".into(), "1\t<".into()), ("a".into(), "\"".into())]);
        let mut out = Vec::new();
        append_record(&mut out, b"x", true, Stream::Stderr, &attributes_json(&attributes), 0);
        assert_eq!(
            String::from_utf8(out.clone()).unwrap(),
            "{\"log\":\"x\\n\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"\\\"\",\"b\":\"1\\t\\u003c\"},\"time\":\"1970-01-01T00:00:00Z\"}\n"
        );
        assert_eq!(parse_record(&out).unwrap().attributes, attributes);
    }

    proptest! {
        #[test]
        fn a_written_record_reads_back(
            text in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                ".{0,30}".prop_map(String::into_bytes),
                "[\u{2020}-\u{2030}<>&\\\\\"\t]{0,30}".prop_map(String::into_bytes),
            ],
            ends_line: bool,
            error: bool,
            time: u64,
            attributes in prop::collection::btree_map(".{1,5}", ".{0,5}", 0..3),
        ) {
            let stream = if error { Stream::Stderr } else { Stream::Stdout };
            let mut out = Vec::new();
            append_record(&mut out, &text, ends_line, stream, &attributes_json(&attributes), time);
            prop_assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
            let log = lossy(&text) + if ends_line { "\n" } else { "" };
            prop_assert_eq!(parse_record(&out), Ok(Record { log, stream, time, attributes }));
        }

        #[test]
        fn garbage_is_refused_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(parse_record(&line).is_err());
        }
    }
}
