//! Sizes: `512m` in, `1.23kB` and `1.5GiB` out. The units of go-units.

/// Why a size was not understood. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// No number, or a negative one.
    #[error("invalid size: '{0}'")]
    Size(String),
    /// The number itself is malformed.
    #[error("strconv.ParseFloat: parsing \"{0}\": invalid syntax")]
    Number(String),
    /// A unit that is none.
    #[error("invalid suffix: '{0}'")]
    Suffix(String),
}

const UNITS: &str = "kmgtp";

/// Reads a size in bytes, with units of 1024: `64`, `512m`, `1.5GiB`, `5 mb`.
///
/// # Errors
/// [`SizeError`], in Docker's words.
pub fn parse(text: &str) -> Result<i64, SizeError> {
    parse_with(text, 1024.0)
}

/// Reads a size in bytes, with units of 1000, as `--storage-opt` and humans write disk sizes.
///
/// # Errors
/// [`SizeError`], in Docker's words.
pub fn parse_decimal(text: &str) -> Result<i64, SizeError> {
    parse_with(text, 1000.0)
}

fn parse_with(text: &str, base: f64) -> Result<i64, SizeError> {
    let invalid = || SizeError::Size(text.to_owned());
    let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(invalid)?;
    let number = if text.as_bytes()[end] == b' ' { &text[..end] } else { &text[..=end] };
    let suffix = text[end + 1..].to_ascii_lowercase();
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let value: f64 =
        number.parse().ok().filter(|_| plain).ok_or_else(|| SizeError::Number(number.to_owned()))?;
    if value < 0.0 {
        return Err(invalid());
    }
    let factor = factor(&suffix, base).ok_or(SizeError::Suffix(suffix))?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates at i64::MAX, far above any limit")]
    Ok((value * factor) as i64)
}

fn factor(suffix: &str, base: f64) -> Option<f64> {
    let Some(unit) = suffix.chars().next() else { return Some(1.0) };
    if suffix == "b" {
        return Some(1.0);
    }
    let power = u8::try_from(UNITS.find(unit)?).ok()? + 1;
    matches!(&suffix[1..], "" | "b" | "ib").then(|| base.powi(i32::from(power)))
}

/// Writes a size in units of 1000 with four significant digits: `1.234kB`, `74.75kB`.
#[must_use]
pub fn human(size: u64) -> String {
    human_with(size, 4)
}

/// Writes a size in units of 1000 with `digits` significant digits; `docker images` uses three: `118MB`.
#[must_use]
pub fn human_with(size: u64, digits: usize) -> String {
    scaled(size, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], digits)
}

/// Writes a size in units of 1024 with four significant digits: `1.5GiB`.
#[must_use]
pub fn binary(size: u64) -> String {
    scaled(size, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"], 4)
}

fn scaled(size: u64, base: f64, units: &[&str], digits: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a few significant digits are shown")]
    let mut value = size as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, digits), units[unit])
}

/// C's `%.{digits}g` for a value that is zero or at least one.
fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:.*e}", digits - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: usize = exponent.parse().unwrap_or(0);
    if exponent >= digits {
        return format!("{}e+{exponent:02}", trim_zeros(mantissa));
    }
    trim_zeros(&format!("{value:.*}", digits - 1 - exponent)).to_owned()
}

fn trim_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, bytes) in [
            ("64", 64),
            ("512m", 512 << 20),
            ("1.5g", 3 << 29),
            ("5 m", 5 << 20),
            ("1kib", 1024),
            ("2B", 2),
            ("1KB", 1024),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_decimal("1k"), Ok(1000));
    }

    #[test]
    fn refusals_have_dockers_words() {
        for (text, message) in [
            ("12x", "invalid suffix: 'x'"),
            ("-5", "invalid size: '-5'"),
            ("x", "invalid size: 'x'"),
            ("10e", "invalid suffix: 'e'"),
            ("1kk", "invalid suffix: 'kk'"),
            ("5mbb", "invalid suffix: 'mbb'"),
            ("", "invalid size: ''"),
            ("1.2.3", "strconv.ParseFloat: parsing \"1.2.3\": invalid syntax"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn sizes_are_written_as_docker_writes_them() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.234kB"),
            (74_750, "74.75kB"),
            (118_000_000, "118MB"),
            (999_999, "1000kB"),
        ] {
            assert_eq!(human(bytes), text);
        }
        assert_eq!(human_with(4_261_502, 3), "4.26MB");
        assert_eq!(human_with(999_900, 3), "1e+03kB");
        assert_eq!(binary(3 << 29), "1.5GiB");
        assert_eq!(binary(24_576 << 20), "24GiB");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_size_or_a_refusal(text in ".{0,12}") {
            let _ = parse(&text);
        }
    }
}
