//! The words and numbers that several listings show.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SHORT_ID: usize = 12;

/// The help text of `--format` in listings.
pub(crate) const LIST_HELP: &str = "Format output using a custom template:\n\
'table':            Print output in table format with column headers (default)\n\
'table TEMPLATE':   Print output in table format using the given Go template\n\
'json':             Print in JSON format\n\
'TEMPLATE':         Print output using the given Go template.\n\
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";

/// The help text of `--format` in `inspect`, `info`, `version` and `events`.
pub(crate) const INSPECT_HELP: &str = "Format output using a custom template:\n\
'json':             Print in JSON format\n\
'TEMPLATE':         Print output using the given Go template.\n\
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";

/// The first twelve digits of an ID, without its algorithm.
pub(crate) fn short_id(id: &str) -> &str {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.get(..SHORT_ID).unwrap_or(digits)
}

/// The moment `seconds` after 1970.
pub(crate) fn moment(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

/// How long ago: `4 weeks ago`.
pub(crate) fn ago(moment: SystemTime) -> String {
    let age = SystemTime::now().duration_since(moment).unwrap_or_default();
    format!("{} ago", units::duration::human(age))
}

/// A size in units of 1000 with three digits; negative ones as zero.
pub(crate) fn size(bytes: i64) -> String {
    units::bytes::human_with(u64::try_from(bytes).unwrap_or(0), 3)
}

/// `key=value` pairs, separated by commas.
pub(crate) fn labels(labels: &engine_api::StringMap) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn host_and_port(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Orders texts with the numbers in them by value: `web2` before `web10`.
pub(crate) fn natural_order(one: &str, other: &str) -> std::cmp::Ordering {
    let (mut a, mut b) = (one.as_bytes(), other.as_bytes());
    while let (Some(x), Some(y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (left, right) = (digits(a), digits(b));
            let (left_value, right_value) = (significant(left), significant(right));
            let order = (left_value.len(), left_value).cmp(&(right_value.len(), right_value));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[left.len()..], &b[right.len()..]);
        } else if x != y {
            return x.cmp(y);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
    (a.len(), one).cmp(&(b.len(), other))
}

fn digits(text: &[u8]) -> &[u8] {
    &text[..text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len())]
}

fn significant(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().position(|byte| *byte != b'0').unwrap_or(digits.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut() {
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_id("abc"), "abc");
    }

    #[test]
    fn numbers_in_names_count_by_value() {
        let mut names = ["web10", "web2", "web", "web02", "db1", "web2a"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["db1", "web", "web02", "web2", "web2a", "web10"]);
    }
}
