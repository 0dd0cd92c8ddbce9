//! The shapes that cgroup files come in. A line that does not look as expected is passed over.

use std::collections::BTreeMap;

use super::{IoEntry, Pressure, PressureLine};

/// A single number; `max` is no limit, and a negative one (which some v1 files give) is zero.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.trim() {
        "max" => Some(u64::MAX),
        negative if negative.strip_prefix('-').is_some_and(|rest| rest.parse::<u64>().is_ok()) => Some(0),
        text => text.parse().ok(),
    }
}

/// Lines of `word number`.
pub(super) fn keyed(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (word, value) = line.split_once([' ', '\t'])?;
        Some((word.to_owned(), number(value)?))
    };
    text.lines().filter_map(pair).collect()
}

/// Numbers between blanks.
pub(super) fn numbers(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect()
}

/// Column `index` of lines of numbers, the heading left out.
pub(super) fn column(text: &str, index: usize) -> Vec<u64> {
    text.lines().skip(1).filter_map(|line| line.split(' ').nth(index)?.parse().ok()).collect()
}

/// A list of ranges: `0-2,4`. Longer than any machine is no list.
pub(super) fn ranges(text: &str) -> Vec<u16> {
    let mut all = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else { return Vec::new() };
        all.extend(first..=last);
    }
    all
}

/// Lines of `major:minor [operation] value` (v1), without the one of the sum.
pub(super) fn entries(text: &str) -> Vec<IoEntry> {
    let entry = |line: &str| {
        let (device, rest) = line.split_once(' ')?;
        let (major, minor) = device.split_once(':')?;
        let (operation, value) = rest.rsplit_once(' ').unwrap_or(("", rest));
        Some(IoEntry {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            operation: operation.to_owned(),
            value: value.trim().parse().ok()?,
        })
    };
    text.lines().filter_map(entry).collect()
}

/// Lines of `name key=value key=value…`.
pub(super) fn nested(text: &str) -> Vec<(&str, BTreeMap<&str, &str>)> {
    let line = |line| {
        let mut words = str::split_ascii_whitespace(line);
        let name = words.next()?;
        Some((name, words.filter_map(|word| word.split_once('=')).collect()))
    };
    text.lines().filter_map(line).collect()
}

/// Pressure stall information.
pub(super) fn pressure(text: &str) -> Pressure {
    let mut pressure = Pressure::default();
    for (name, values) in nested(text) {
        let share = |key| values.get(key).and_then(|value| value.parse().ok()).unwrap_or_default();
        let line = PressureLine {
            avg10: share("avg10"),
            avg60: share("avg60"),
            avg300: share("avg300"),
            total: values.get("total").and_then(|value| value.parse().ok()).unwrap_or_default(),
        };
        match name {
            "some" => pressure.some = line,
            "full" => pressure.full = line,
            _ => {}
        }
    }
    pressure
}

/// `hugepages-2048kB` as `2MB`.
pub(super) fn huge_page_size(folder: &str) -> Option<String> {
    let kibibytes: u64 = folder.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
    Some(match kibibytes {
        0..1024 => format!("{kibibytes}KB"),
        1024..1_048_576 => format!("{}MB", kibibytes >> 10),
        _ => format!("{}GB", kibibytes >> 20),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_and_their_absence() {
        assert_eq!(number("12\n"), Some(12));
        assert_eq!(number("max\n"), Some(u64::MAX));
        assert_eq!(number("-5\n"), Some(0));
        assert_eq!([number(""), number("-x"), number("1 2")], [None; 3]);
    }

    #[test]
    fn lists_are_read() {
        assert_eq!(keyed("cache 5\nrss 6\nodd\n"), BTreeMap::from([("cache".into(), 5), ("rss".into(), 6)]));
        assert_eq!(numbers("3 4 \n"), [3, 4]);
        assert_eq!(column("cpu user system\n0 5 6\n1 7 8\n", 1), [5, 7]);
        assert_eq!(ranges("0-2,7\n"), [0, 1, 2, 7]);
        assert!(ranges("\n").is_empty() && ranges("5-1").is_empty() && ranges("x").is_empty());
    }

    #[test]
    fn devices_have_one_value_or_several() {
        let text = "8:0 Read 100\n8:0 Total 120\nTotal 120\n8:16 7\n";
        let entry = |minor, operation: &str, value| IoEntry {
            major: 8,
            minor,
            operation: operation.to_owned(),
            value,
        };
        assert_eq!(entries(text), [entry(0, "Read", 100), entry(0, "Total", 120), entry(16, "", 7)]);
    }

    #[test]
    fn pressure_has_two_lines() {
        let text = "some avg10=1.71 avg60=2.36 avg300=2.57 total=230548833\n\
                    full avg10=0.00 avg60=0.00 avg300=0.01 total=157\n";
        let pressure = pressure(text);
        let some = PressureLine { avg10: 1.71, avg60: 2.36, avg300: 2.57, total: 230_548_833 };
        assert_eq!(pressure.some, some);
        assert_eq!(pressure.full, PressureLine { avg300: 0.01, total: 157, ..PressureLine::default() });
    }

    #[test]
    fn sizes_of_pages_are_spelt_as_the_kernel_does() {
        let sizes = ["hugepages-64kB", "hugepages-2048kB", "hugepages-1048576kB"].map(huge_page_size);
        assert_eq!(sizes.map(Option::unwrap), ["64KB", "2MB", "1GB"]);
        assert_eq!(huge_page_size("hugepages-5"), None);
    }

    proptest! {
        #[test]
        fn nothing_a_file_says_is_fatal(text in "[ -~\n]{0,80}") {
            let _ = (number(&text), keyed(&text), numbers(&text), column(&text, 2), ranges(&text));
            let _ = (entries(&text), pressure(&text), huge_page_size(&text));
        }
    }
}
