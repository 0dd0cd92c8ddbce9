//! The local time zone, from `TZ` or `/etc/localtime`, without the C library.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const ZONES: &str = "/usr/share/zoneinfo";

/// How far the local clock is ahead of UTC at a moment, and what the zone is called then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Seconds east of UTC.
    pub(crate) seconds: i32,
    /// `UTC`, `CEST`.
    pub(crate) name: String,
}

/// The local offset at `moment`.
pub(crate) fn offset_at(moment: SystemTime) -> Offset {
    let utc = Offset { seconds: 0, name: "UTC".to_owned() };
    let Some(zone) = read(std::env::var("TZ").ok().as_deref()) else { return utc };
    let Ok(stamp) = Timestamp::try_from(moment) else { return utc };
    let info = zone.to_offset_info(stamp);
    Offset { seconds: info.offset().seconds(), name: info.abbreviation().to_owned() }
}

fn read(variable: Option<&str>) -> Option<TimeZone> {
    let path = match variable.map(|text| text.strip_prefix(':').unwrap_or(text)) {
        None => PathBuf::from("/etc/localtime"),
        Some("" | "UTC") => return None,
        Some(name) if name.contains("..") => return None,
        Some(name) => Path::new(ZONES).join(name),
    };
    let bytes = std::fs::read(path).ok()?;
    TimeZone::tzif("local", &bytes).ok()
}

/// Writes `moment` as Go's RFC 3339 with nine digits does in the local zone: `2026-11-21T03:17:00.000000000+01:00`.
pub(crate) fn rfc3339_nano_fixed(moment: SystemTime) -> String {
    let offset = offset_at(moment);
    let shifted = shift(moment, offset.seconds);
    let text = units::time::rfc3339_nano_fixed(shifted);
    text.trim_end_matches('Z').to_owned() + &suffix(offset.seconds)
}

/// Writes `moment` as Go's RFC 3339 does in the local zone.
pub(crate) fn rfc3339(moment: SystemTime) -> String {
    let text = rfc3339_nano_fixed(moment);
    let (seconds, rest) = text.split_at(19);
    format!("{seconds}{}", &rest[10..])
}

/// Writes `moment` as Go's `time.Time` prints: `2026-11-21 03:17:00 +0100 CET`.
pub(crate) fn go_string(moment: SystemTime) -> String {
    let offset = offset_at(moment);
    units::time::go_string(moment, offset.seconds, &offset.name)
}

fn shift(moment: SystemTime, seconds: i32) -> SystemTime {
    let distance = std::time::Duration::from_secs(u64::from(seconds.unsigned_abs()));
    if seconds < 0 { moment - distance } else { moment + distance }
}

fn suffix(seconds: i32) -> String {
    if seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn offsets_are_written_as_go_does() {
        assert_eq!(suffix(0), "Z");
        assert_eq!(suffix(5400), "+01:30");
        assert_eq!(suffix(-3600), "-01:00");
        let moment = UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(shift(moment, -60), UNIX_EPOCH + Duration::from_secs(999_940));
    }

    #[test]
    fn a_zone_that_is_not_there_is_utc() {
        assert!(read(Some("Nowhere/Land")).is_none());
        assert!(read(Some("../../etc/passwd")).is_none());
    }
}
