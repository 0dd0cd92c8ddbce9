//! Times in records: RFC 3339 with up to nine digits of fraction, as Go's `RFC3339Nano` writes them.
//!
//! A time is a count of nanoseconds since 1970; it lasts until the year 2554.

const DAY: u64 = 86_400;
const SECOND: u64 = 1_000_000_000;

/// Appends `nanoseconds` in UTC, without the trailing zeros of the fraction.
pub fn append_rfc3339(out: &mut Vec<u8>, nanoseconds: u64) {
    let (seconds, fraction) = (nanoseconds / SECOND, nanoseconds % SECOND);
    let (year, month, day) = civil_from_days(seconds / DAY);
    let rest = seconds % DAY;
    digits(out, year, 4);
    for (mark, value) in
        [(b'-', month), (b'-', day), (b'T', rest / 3600), (b':', rest / 60 % 60), (b':', rest % 60)]
    {
        out.push(mark);
        digits(out, value, 2);
    }
    if fraction != 0 {
        out.push(b'.');
        digits(out, fraction, 9);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
}

/// Reads what [`append_rfc3339`] writes, and other zones; `None` for anything else, and for times before 1970.
pub fn parse_rfc3339(text: &[u8]) -> Option<u64> {
    let (head, mut rest) = text.split_at_checked(19)?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|&(at, mark)| head[at] != mark) {
        return None;
    }
    let [year, month, day] = [number(&head[..4])?, number(&head[5..7])?, number(&head[8..10])?];
    let [hour, minute, second] = [number(&head[11..13])?, number(&head[14..16])?, number(&head[17..19])?];
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix(b".") {
        let length = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&length) {
            return None;
        }
        fraction = number(&after[..length])? * 10_u64.pow(9 - u32::try_from(length).ok()?);
        rest = &after[length..];
    }
    let ahead = offset_seconds(rest)?;
    let local = days_from_civil(year, month, day)? * DAY + hour * 3600 + minute * 60 + second;
    local.checked_add_signed(-ahead)?.checked_mul(SECOND)?.checked_add(fraction)
}

/// Seconds that a zone (`Z`, `+01:00`) is ahead of UTC.
fn offset_seconds(zone: &[u8]) -> Option<i64> {
    if zone == b"Z" {
        return Some(0);
    }
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = zone else { return None };
    let seconds = i64::try_from(number(&[*h1, *h2])? * 3600 + number(&[*m1, *m2])? * 60).ok()?;
    Some(if *sign == b'-' { -seconds } else { seconds })
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, byte| Some(sum * 10 + u64::from(char::from(*byte).to_digit(10)?)))
}

fn digits(out: &mut Vec<u8>, mut value: u64, count: usize) {
    let start = out.len();
    out.resize(start + count, b'0');
    for slot in out[start..].iter_mut().rev() {
        *slot = b"0123456789"[usize::try_from(value % 10).unwrap_or(0)];
        value /= 10;
    }
}

/// The day of the Gregorian calendar that is `days` after 1970-01-01. Years begin in March here, so that the
/// leap day is a year's last (Hinnant, "chrono-compatible low-level date algorithms").
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(nanoseconds: u64) -> String {
        let mut out = Vec::new();
        append_rfc3339(&mut out, nanoseconds);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_go_writes_them() {
        assert_eq!(written(0), "1970-01-01T00:00:00Z");
        assert_eq!(written(1_136_214_245_120_000_000), "2006-01-02T15:04:05.12Z");
        assert_eq!(written(1_709_164_800_000_000_001), "2024-02-29T00:00:00.000000001Z");
        assert_eq!(written(u64::MAX), "2554-07-21T23:34:33.709551615Z");
    }

    #[test]
    fn other_zones_are_read() {
        assert_eq!(parse_rfc3339(b"1970-01-01T01:00:00.5+01:00"), Some(500_000_000));
        assert_eq!(parse_rfc3339(b"1969-12-31T23:59:59Z"), None);
        assert_eq!(parse_rfc3339(b"0001-01-01T00:00:00Z"), None);
        assert_eq!(parse_rfc3339(b"9999-12-31T23:59:59Z"), None);
    }

    proptest! {
        #[test]
        fn a_written_time_reads_back(nanoseconds: u64) {
            prop_assert_eq!(parse_rfc3339(written(nanoseconds).as_bytes()), Some(nanoseconds));
        }

        #[test]
        fn garbage_never_panics(text in prop::collection::vec(any::<u8>(), 0..40)) {
            parse_rfc3339(&text);
        }
    }
}
