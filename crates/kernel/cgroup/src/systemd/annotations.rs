//! Properties asked for by annotations: `org.systemd.property.TimeoutStopUSec: "uint64 5"`, in the text format of
//! GVariant as far as properties need it.

use std::collections::BTreeMap;

use super::properties::{Property, PropertyValue};
use crate::error::CgroupError;

const PREFIX: &str = "org.systemd.property.";

/// The properties in annotations.
pub(super) fn properties(annotations: &BTreeMap<String, String>) -> Result<Vec<Property>, CgroupError> {
    let asked = annotations.iter().filter_map(|(key, text)| Some((key, key.strip_prefix(PREFIX)?, text)));
    asked.map(|(key, name, text)| property(key, name, text)).collect()
}

fn property(key: &str, name: &str, text: &str) -> Result<Property, CgroupError> {
    let refuse = |what: &str| CgroupError::Unsupported(format!("annotation {key} name incorrect: {what}"));
    if name.len() < 3 {
        return Err(refuse("too short"));
    }
    if !name.bytes().all(|letter| letter.is_ascii_alphabetic()) {
        return Err(refuse("contains non-alphabetic character"));
    }
    let refuse =
        |why: &str| CgroupError::Unsupported(format!("annotation {key}={text} value parse error: {why}"));
    let value = parse(text).map_err(refuse)?;
    // Seconds in units are microseconds in the interface.
    let stem =
        name.strip_suffix("Sec").filter(|stem| stem.ends_with(|letter: char| letter.is_ascii_lowercase()));
    match stem {
        Some(stem) => {
            let value = PropertyValue::U64(microseconds(&value).ok_or_else(|| refuse("not a number"))?);
            Ok(Property::new(format!("{stem}USec"), value))
        }
        None => Ok(Property::new(name, value)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn microseconds(value: &PropertyValue) -> Option<u64> {
    let seconds = match *value {
        PropertyValue::Byte(number) => u64::from(number),
        PropertyValue::U16(number) => u64::from(number),
        PropertyValue::U32(number) => u64::from(number),
        PropertyValue::U64(number) => number,
        PropertyValue::I16(number) => u64::try_from(number).ok()?,
        PropertyValue::I32(number) => u64::try_from(number).ok()?,
        PropertyValue::I64(number) => u64::try_from(number).ok()?,
        PropertyValue::F64(number) => return Some((number * 1e6) as u64),
        _ => return None,
    };
    seconds.checked_mul(1_000_000)
}

/// A value in the text format: `true`, `5`, `uint64 5`, `@t 5`, `1.5`, `'text'`, `['a', "b"]`, `[byte 1, 2]`.
fn parse(text: &str) -> Result<PropertyValue, &'static str> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('[') {
        return list(rest.strip_suffix(']').ok_or("unterminated array")?);
    }
    scalar(text)
}

fn scalar(text: &str) -> Result<PropertyValue, &'static str> {
    match text {
        "true" => return Ok(PropertyValue::Bool(true)),
        "false" => return Ok(PropertyValue::Bool(false)),
        _ => {}
    }
    if text.starts_with(['\'', '"']) {
        let (text, rest) = quoted(text)?;
        return if rest.trim().is_empty() {
            Ok(PropertyValue::Text(text))
        } else {
            Err("text after the value")
        };
    }
    match text.split_once([' ', '\t']) {
        Some((kind, rest)) => typed(kind, rest.trim()),
        None if text.contains('.') => typed("double", text),
        None => typed("int32", text),
    }
}

fn typed(kind: &str, text: &str) -> Result<PropertyValue, &'static str> {
    let number = |text: &str| {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let parsed = match digits.strip_prefix("0x") {
            Some(digits) => i128::from_str_radix(digits, 16),
            None => digits.parse(),
        };
        parsed
            .ok()
            .filter(|_| !digits.starts_with(['+', '-']))
            .map(|number| sign * number)
            .ok_or("not a number")
    };
    let range = "number out of range";
    Ok(match kind {
        "byte" | "@y" => PropertyValue::Byte(number(text)?.try_into().map_err(|_| range)?),
        "int16" | "@n" => PropertyValue::I16(number(text)?.try_into().map_err(|_| range)?),
        "uint16" | "@q" => PropertyValue::U16(number(text)?.try_into().map_err(|_| range)?),
        "int32" | "@i" => PropertyValue::I32(number(text)?.try_into().map_err(|_| range)?),
        "uint32" | "@u" => PropertyValue::U32(number(text)?.try_into().map_err(|_| range)?),
        "int64" | "@x" => PropertyValue::I64(number(text)?.try_into().map_err(|_| range)?),
        "uint64" | "@t" => PropertyValue::U64(number(text)?.try_into().map_err(|_| range)?),
        "double" | "@d" => PropertyValue::F64(text.parse().map_err(|_| "not a number")?),
        "string" | "@s" | "boolean" | "@b" => scalar(text)?,
        "@as" | "@ay" | "@au" if text == "[]" => match kind {
            "@as" => PropertyValue::Texts(Vec::new()),
            "@ay" => PropertyValue::Bytes(Vec::new()),
            _ => PropertyValue::Numbers(Vec::new()),
        },
        "@as" | "@ay" | "@au" => parse(text)?,
        _ => return Err("unknown type"),
    })
}

/// The elements of an array; the first one's type is that of all.
fn list(text: &str) -> Result<PropertyValue, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Err("an empty array has no type");
    }
    if text.starts_with(['\'', '"']) {
        let mut texts = Vec::new();
        let mut rest = text;
        loop {
            let (element, after) = quoted(rest)?;
            texts.push(element);
            match after.trim().strip_prefix(',') {
                Some(more) => rest = more.trim(),
                None if after.trim().is_empty() => return Ok(PropertyValue::Texts(texts)),
                None => return Err("expected a comma"),
            }
        }
    }
    let mut elements = text.split(',').map(str::trim);
    let first = elements.next().unwrap_or_default();
    let kind = first.split_once(' ').map_or("uint32", |(kind, _)| kind);
    let bare = |element: &str| element.strip_prefix(kind).unwrap_or(element).trim().to_owned();
    let values = text.split(',').map(str::trim).map(|element| typed(kind, &bare(element)));
    let values = values.collect::<Result<Vec<_>, _>>()?;
    let bytes = values.iter().map(|value| match value {
        PropertyValue::Byte(byte) => Some(*byte),
        _ => None,
    });
    if let Some(bytes) = bytes.collect() {
        return Ok(PropertyValue::Bytes(bytes));
    }
    let numbers = values.iter().map(|value| match value {
        PropertyValue::U32(number) => Some(*number),
        _ => None,
    });
    numbers.collect::<Option<_>>().map(PropertyValue::Numbers).ok_or("unsupported type of array")
}

/// A text in quotes at the beginning, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut letters = text.char_indices();
    let Some((_, quote @ ('\'' | '"'))) = letters.next() else { return Err("expected a quoted text") };
    let mut content = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next().ok_or("unterminated text")?.1 {
                'n' => content.push('\n'),
                't' => content.push('\t'),
                other => content.push(other),
            },
            letter if letter == quote => {
                return Ok((content, text.get(at + 1..).unwrap_or_default()));
            }
            '\0' => return Err("zero byte"),
            letter => content.push(letter),
        }
    }
    Err("unterminated text")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_typed() {
        let texts = |list: &[&str]| PropertyValue::Texts(list.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(parse("true"), Ok(PropertyValue::Bool(true)));
        assert_eq!(parse(" 5 "), Ok(PropertyValue::I32(5)));
        assert_eq!(parse("uint64 0x10"), Ok(PropertyValue::U64(16)));
        assert_eq!(parse("@n -3"), Ok(PropertyValue::I16(-3)));
        assert_eq!(parse("1.5"), Ok(PropertyValue::F64(1.5)));
        assert_eq!(parse(r#"'it\'s "so"'"#), Ok(PropertyValue::Text("it's \"so\"".to_owned())));
        assert_eq!(parse("['a.service', \"b\"]"), Ok(texts(&["a.service", "b"])));
        assert_eq!(parse("[byte 1, 255]"), Ok(PropertyValue::Bytes(vec![1, 255])));
        assert_eq!(parse("[uint32 1, 2]"), Ok(PropertyValue::Numbers(vec![1, 2])));
        assert_eq!(parse("@as []"), Ok(texts(&[])));
        for bad in ["", "x", "'open", "byte 256", "['a' 'b']", "[]", "[1", "uint64 -1", "'a' b"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn seconds_become_microseconds() {
        let all = |key: &str, text: &str| properties(&BTreeMap::from([(key.to_owned(), text.to_owned())]));
        let one = |key: &str, text: &str| all(key, text).unwrap().remove(0);
        let stop = one("org.systemd.property.TimeoutStopSec", "2");
        assert_eq!((stop.name.as_str(), stop.value), ("TimeoutStopUSec", PropertyValue::U64(2_000_000)));
        let exact = one("org.systemd.property.TimeoutStopUSec", "uint64 7");
        assert_eq!((exact.name.as_str(), exact.value), ("TimeoutStopUSec", PropertyValue::U64(7)));
        let mode = one("org.systemd.property.CollectMode", "'inactive-or-failed'");
        assert_eq!(mode.value, PropertyValue::Text("inactive-or-failed".to_owned()));
        assert!(all("org.other", "nonsense").unwrap().is_empty());
        assert!(all("org.systemd.property.Xy", "1").is_err());
        assert!(all("org.systemd.property.Foo-Bar", "1").is_err());
        assert!(all("org.systemd.property.TimeoutStopSec", "'x'").is_err());
    }

    proptest! {
        #[test]
        fn no_text_is_fatal(text in "[ -~]{0,24}") {
            let _ = parse(&text);
        }
    }
}
