//! Values as Go's `strconv`, `time` and `encoding/csv` read them, with their error texts.

use std::fmt::Write as _;

/// Reads `1 t T TRUE true True` and their opposites.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("strconv.ParseBool: parsing {}: invalid syntax", quote(text))),
    }
}

/// Reads a signed 64-bit number in Go's literal syntax.
pub fn parse_int(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let magnitude = magnitude(digits).map_err(|why| number_error("ParseInt", text, why))?;
    let signed = if negative { -i128::from(magnitude) } else { i128::from(magnitude) };
    i64::try_from(signed).map_err(|_| number_error("ParseInt", text, OUT_OF_RANGE))
}

/// Reads an unsigned number of `bits` bits in Go's literal syntax.
pub fn parse_uint(text: &str, bits: u32) -> Result<u64, String> {
    let number = magnitude(text).map_err(|why| number_error("ParseUint", text, why))?;
    if bits < 64 && number >> bits != 0 {
        return Err(number_error("ParseUint", text, OUT_OF_RANGE));
    }
    Ok(number)
}

const SYNTAX: &str = "invalid syntax";
const OUT_OF_RANGE: &str = "value out of range";

fn number_error(function: &str, text: &str, why: &str) -> String {
    format!("strconv.{function}: parsing {}: {why}", quote(text))
}

/// Digits with an optional base prefix; `_` may stand between digits when there is a prefix.
fn magnitude(text: &str) -> Result<u64, &'static str> {
    let (base, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', _, ..] => (8, &text[1..]),
        _ => (10, text),
    };
    let clean: String = if base == 10 { digits.to_owned() } else { digits.replace('_', "") };
    if clean.is_empty() || !clean.chars().all(|c| c.is_digit(base)) {
        return Err(SYNTAX);
    }
    u64::from_str_radix(&clean, base).map_err(|_| OUT_OF_RANGE)
}

/// Reads a Go duration (`1h30m`, `1.5s`, `-2ms`, `0`) as nanoseconds.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
        let (digits, after) = rest.split_at(number);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) || whole.len() > 19 {
            return Err(invalid());
        }
        let unit_end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let scale: i128 = match unit {
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text))),
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        let fraction = &fraction[..fraction.len().min(18)];
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| invalid())? };
        let divisor = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        total += whole * scale + part * scale / divisor;
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| invalid())
}

/// Tells whether a value is a Go duration; a [`Check`](crate::Check).
pub fn check_duration(text: &str) -> Result<(), String> {
    parse_duration(text).map(drop)
}

/// Quotes as Go's `%q` does.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            c if u32::from(c) < 0x80 && c.is_control() => drop(write!(quoted, "\\x{:02x}", u32::from(c))),
            c if c.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Splits one line of comma-separated values as Go's `encoding/csv` does: `a,"b,c"` has two fields.
///
/// # Errors
/// A stray or missing quote, in Go's words.
pub fn split_csv(line: &str) -> Result<Vec<String>, String> {
    let refuse = |rest: &str, what: &str| {
        let column = line.len() - rest.len() + 1;
        Err(format!("parse error on line 1, column {column}: {what}"))
    };
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => match split_quoted(quoted) {
                Ok(split) => split,
                Err(at) => return refuse(at, "extraneous or missing \" in quoted-field"),
            },
            None => {
                let (field, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                if let Some(at) = field.find('"') {
                    return refuse(&rest[at..], "bare \" in non-quoted-field");
                }
                (field.to_owned(), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// Reads a quoted field from after its opening quote; gives the field and what follows the closing quote, or the
/// place of the wrong quote.
fn split_quoted(text: &str) -> Result<(String, &str), &str> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once('"') else {
            return Err("");
        };
        field.push_str(before);
        if let Some(next) = after.strip_prefix('"') {
            field.push('"');
            rest = next;
        } else if after.is_empty() || after.starts_with(',') {
            return Ok((field, after));
        } else {
            return Err(&rest[before.len()..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_go() {
        assert_eq!(parse_int("-12"), Ok(-12));
        assert_eq!(parse_int("0x10"), Ok(16));
        assert_eq!(parse_int("010"), Ok(8));
        assert_eq!(parse_int("abc"), Err("strconv.ParseInt: parsing \"abc\": invalid syntax".to_owned()));
        assert_eq!(
            parse_uint("65536", 16),
            Err("strconv.ParseUint: parsing \"65536\": value out of range".to_owned())
        );
        assert!(parse_uint("-1", 64).is_err());
    }

    #[test]
    fn durations_follow_go() {
        assert_eq!(parse_duration("1m30s"), Ok(90_000_000_000));
        assert_eq!(parse_duration("1.5h"), Ok(5_400_000_000_000));
        assert_eq!(parse_duration("-2ms"), Ok(-2_000_000));
        assert_eq!(parse_duration("5"), Err("time: missing unit in duration \"5\"".to_owned()));
        assert_eq!(parse_duration("5d"), Err("time: unknown unit \"d\" in duration \"5d\"".to_owned()));
        assert_eq!(parse_duration("x"), Err("time: invalid duration \"x\"".to_owned()));
    }

    #[test]
    fn comma_separated_fields_may_be_quoted() {
        assert_eq!(split_csv("a,b").unwrap(), ["a", "b"]);
        assert_eq!(split_csv("\"a,b\",c").unwrap(), ["a,b", "c"]);
        assert_eq!(split_csv("\"a\"\"b\"").unwrap(), ["a\"b"]);
        assert_eq!(split_csv("").unwrap(), [""]);
        assert!(split_csv("a\"b").is_err());
        assert!(split_csv("\"a").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,40}") {
            let _ = (parse_bool(&text), parse_int(&text), parse_uint(&text, 16), parse_duration(&text), split_csv(&text));
        }
    }
}
