//! The bytes of a json-file log record, written by the shim and read by the logs store; does no I/O.
//!
//! ```text
//! {"log":"hello\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}
//! {"log":"no newline yet","stream":"stdout","attrs":{"tag":"web"},"time":"2026-01-02T03:04:05.7Z"}
//! ```
//!
//! Byte for byte what Docker writes: [`lines`] cuts a stream into records as Docker's copier does,
//! [`record`] writes and reads one of them, [`time`] its time.

pub mod lines;
pub mod record;
pub mod time;

pub use lines::{LINE_LIMIT, Lines, Piece};
pub use record::{Malformed, Record, Stream, append_record, attributes_json, parse_record};

/// What stands in the extra field of a compressed file's gzip head: the time of its last record.
pub fn gzip_extra(last: u64) -> Vec<u8> {
    let mut out = b"{\"lastTime\":\"".to_vec();
    time::append_rfc3339(&mut out, last);
    out.extend_from_slice(b"\"}");
    out
}

/// Reads [`gzip_extra`]; `None` if it is somebody else's.
pub fn parse_gzip_extra(extra: &[u8]) -> Option<u64> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Extra {
        last_time: String,
    }
    let extra: Extra = serde_json::from_slice(extra).ok()?;
    time::parse_rfc3339(extra.last_time.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gzip_extra_field_reads_back() {
        assert_eq!(gzip_extra(1_500_000_000), b"{\"lastTime\":\"1970-01-01T00:00:01.5Z\"}");
        assert_eq!(parse_gzip_extra(&gzip_extra(1_500_000_000)), Some(1_500_000_000));
        assert_eq!(parse_gzip_extra(b"PK"), None);
    }
}
