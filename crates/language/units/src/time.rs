//! Points in time as Docker writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Go's zero time, which Docker shows for "never".
pub const ZERO: &str = "0001-01-01T00:00:00Z";

/// Writes a time as Go's RFC 3339 with nanoseconds: trailing zeros dropped, always UTC.
#[must_use]
pub fn rfc3339_nano(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| ZERO.to_owned(), |stamp| stamp.to_string())
}

/// Writes a time with all nine digits of its fraction, as `docker logs --timestamps` does.
#[must_use]
pub fn rfc3339_nano_fixed(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| ZERO.to_owned(), |stamp| format!("{stamp:.9}"))
}

/// Reads an RFC 3339 time; Go's zero time and anything else unreadable gives `None`.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    if text == ZERO {
        return None;
    }
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

/// Seconds since 1970, negative before.
#[must_use]
pub fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// Nanoseconds since 1970, 0 before.
#[must_use]
pub fn unix_nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |after| i64::try_from(after.as_nanos()).unwrap_or(i64::MAX))
}

/// Reads the API's `since` and `until`: seconds since 1970 with an optional fraction, `1136073845.000000001`.
#[must_use]
pub fn parse_unix(text: &str) -> Option<SystemTime> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: u64 = seconds.parse().ok()?;
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanoseconds: u32 = format!("{fraction:0<9}").parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}

/// Writes a time for the API's `since` and `until`.
#[must_use]
pub fn format_unix(time: SystemTime) -> String {
    let after = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", after.as_secs(), after.subsec_nanos())
}

/// Reads what people type for `--since` and `--until`: a duration back from `now`, a date, a date and time with or without
/// zone (then in the zone `offset_seconds` east of UTC), or seconds since 1970.
///
/// # Errors
/// The text in the words that Docker's client uses.
pub fn parse_moment(text: &str, now: SystemTime, offset_seconds: i32) -> Result<SystemTime, String> {
    if let Ok(nanoseconds) = crate::duration::parse_go(text) {
        let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
        let moment = if nanoseconds < 0 { now.checked_add(distance) } else { now.checked_sub(distance) };
        return moment.ok_or_else(|| format!("failed to parse value as time or duration: {text:?}"));
    }
    if let Some(moment) = parse_unix(text) {
        return Ok(moment);
    }
    if let Ok(stamp) = text.parse::<Timestamp>() {
        return Ok(stamp.into());
    }
    let padded = match text.len() {
        13 => format!("{text}:00"),
        _ => text.trim_end_matches('Z').to_owned(),
    };
    let offset = if text.ends_with('Z') { 0 } else { offset_seconds };
    let civil: Option<DateTime> = padded.parse().ok();
    let offset = Offset::from_seconds(offset).ok();
    let stamp = civil.zip(offset).and_then(|(civil, offset)| offset.to_timestamp(civil).ok());
    stamp.map(SystemTime::from).ok_or_else(|| format!("failed to parse value as time or duration: {text:?}"))
}

/// Writes a time as `docker ps --format {{.CreatedAt}}` does, in the zone `offset_seconds` east of UTC: `2026-11-21 03:17:00 +0000 UTC`.
#[must_use]
pub fn go_string(time: SystemTime, offset_seconds: i32, zone: &str) -> String {
    let Ok(stamp) = Timestamp::try_from(time) else { return ZERO.to_owned() };
    let Ok(offset) = Offset::from_seconds(offset_seconds) else { return ZERO.to_owned() };
    let civil = offset.to_datetime(stamp);
    let (sign, distance) = if offset_seconds < 0 { ('-', -offset_seconds) } else { ('+', offset_seconds) };
    format!(
        "{} {sign}{:02}{:02} {zone}",
        civil.strftime("%Y-%m-%d %H:%M:%S"),
        distance / 3600,
        distance / 60 % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanoseconds: u32) -> SystemTime {
        UNIX_EPOCH + Duration::new(seconds, nanoseconds)
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(rfc3339_nano(at(1_136_214_245, 0)), "2006-01-02T15:04:05Z");
        assert_eq!(rfc3339_nano(at(1_136_214_245, 120_000_000)), "2006-01-02T15:04:05.12Z");
        assert_eq!(rfc3339_nano_fixed(at(1_136_214_245, 120_000_000)), "2006-01-02T15:04:05.120000000Z");
        assert_eq!(go_string(at(1_136_214_245, 5), 3600, "CET"), "2006-01-02 16:04:05 +0100 CET");
        assert_eq!(parse_rfc3339("2006-01-02T15:04:05.12Z"), Some(at(1_136_214_245, 120_000_000)));
        assert_eq!(parse_rfc3339(ZERO), None);
        assert_eq!(format_unix(at(5, 7)), "5.000000007");
        assert_eq!(parse_unix("5.000000007"), Some(at(5, 7)));
        assert_eq!(parse_unix("5.x"), None);
    }

    #[test]
    fn moments_are_read_as_people_type_them() {
        let now = at(1_136_214_245, 0);
        for (text, seconds) in [
            ("10m", 1_136_214_245 - 600),
            ("5", 5),
            ("2006-01-02T15:04:05Z", 1_136_214_245),
            ("2006-01-02T16:04:05+01:00", 1_136_214_245),
            ("2006-01-02T15:04:05", 1_136_214_245),
            ("2006-01-02T15:04", 1_136_214_240),
            ("2006-01-02T15", 1_136_214_000),
            ("2006-01-02", 1_136_160_000),
        ] {
            assert_eq!(parse_moment(text, now, 0), Ok(at(seconds, 0)), "{text}");
        }
        assert_eq!(parse_moment("2006-01-02T16:04:05", now, 3600), Ok(now));
        assert!(parse_moment("tomorrow", now, 0).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_moment_or_a_refusal(text in ".{0,24}") {
            let _ = parse_moment(&text, UNIX_EPOCH, 0);
        }
    }
}
