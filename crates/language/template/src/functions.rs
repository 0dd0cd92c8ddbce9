//! The functions of a template: Go's, and those that Docker's client adds.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{printf, show};

const NAMES: [&str; 26] = [
    "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice", "print", "printf",
    "println", "html", "js", "urlquery", "json", "split", "join", "title", "lower", "upper", "pad",
    "truncate",
];

/// True if a template may call `name`.
pub(crate) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Calls a function; `and` and `or` get all their arguments evaluated, which makes no difference without side effects.
pub(crate) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    check_count(name, arguments.len())?;
    let text = |index: usize| string(name, arguments, index);
    Ok(match name {
        "and" => pick(arguments, false),
        "or" => pick(arguments, true),
        "not" => (!is_true(&arguments[0])).into(),
        "eq" => equal(arguments)?.into(),
        "ne" => (!equal(arguments)?).into(),
        "lt" => (order(name, arguments)? == Ordering::Less).into(),
        "le" => (order(name, arguments)? != Ordering::Greater).into(),
        "gt" => (order(name, arguments)? == Ordering::Greater).into(),
        "ge" => (order(name, arguments)? != Ordering::Less).into(),
        "len" => length(&arguments[0])?.into(),
        "index" => index(arguments)?,
        "slice" => slice(arguments)?,
        "print" => print(arguments).into(),
        "println" => println(arguments).into(),
        "printf" => printf::sprintf(&text(0)?, &arguments[1..]).into(),
        "html" => escape(&print(arguments), html_escape).into(),
        "js" => escape(&print(arguments), js_escape).into(),
        "urlquery" => url_query(&print(arguments)).into(),
        "json" => serde_json::to_string(&arguments[0]).map_err(|error| error.to_string())?.into(),
        "split" => text(0)?.split(&text(1)?).map(Value::from).collect::<Vec<_>>().into(),
        "join" => join(arguments)?.into(),
        "title" => title(&text(0)?).into(),
        "lower" => text(0)?.to_lowercase().into(),
        "upper" => text(0)?.to_uppercase().into(),
        "pad" => pad(&text(0)?, number(name, arguments, 1)?, number(name, arguments, 2)?).into(),
        "truncate" => text(0)?.chars().take(number(name, arguments, 1)?).collect::<String>().into(),
        _ => return Err(format!("function {name:?} not defined")),
    })
}

fn check_count(name: &str, given: usize) -> Result<(), String> {
    let (least, most) = match name {
        "print" | "println" | "html" | "js" | "urlquery" => (0, usize::MAX),
        "and" | "or" | "index" | "slice" | "printf" => (1, usize::MAX),
        "eq" => (2, usize::MAX),
        "not" | "len" | "json" | "title" | "lower" | "upper" => (1, 1),
        "pad" => (3, 3),
        _ => (2, 2),
    };
    if (least..=most).contains(&given) {
        return Ok(());
    }
    let want = if most == usize::MAX { format!("at least {least}") } else { least.to_string() };
    Err(format!("wrong number of args for {name}: want {want} got {given}"))
}

/// Go's truth: not zero, not empty, not nil.
pub(crate) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn pick(arguments: &[Value], wanted: bool) -> Value {
    arguments.iter().find(|value| is_true(value) == wanted).or(arguments.last()).cloned().unwrap_or_default()
}

fn equal(arguments: &[Value]) -> Result<bool, String> {
    let (first, others) = arguments.split_first().ok_or("missing argument for comparison")?;
    for other in others {
        let comparable = match (first, other) {
            (Value::Array(_) | Value::Object(_), Value::Null) | (Value::Null, _) | (_, Value::Null) => true,
            (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
                return Err(format!(
                    "error calling eq: non-comparable type {}: {}",
                    show::plain(first),
                    show::type_name(first)
                ));
            }
            (first, other) => std::mem::discriminant(first) == std::mem::discriminant(other),
        };
        if !comparable {
            return Err("error calling eq: incompatible types for comparison".to_owned());
        }
        if same(first, other) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same(first: &Value, other: &Value) -> bool {
    match (first.as_f64(), other.as_f64()) {
        (Some(first), Some(other)) => first.total_cmp(&other) == Ordering::Equal,
        _ => first == other,
    }
}

fn order(name: &str, arguments: &[Value]) -> Result<Ordering, String> {
    match (&arguments[0], &arguments[1]) {
        (Value::String(first), Value::String(other)) => Ok(first.cmp(other)),
        (Value::Number(first), Value::Number(other)) => match (first.as_i64(), other.as_i64()) {
            (Some(first), Some(other)) => Ok(first.cmp(&other)),
            _ => Ok(first.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default())),
        },
        (first, other) if std::mem::discriminant(first) == std::mem::discriminant(other) => {
            Err(format!("error calling {name}: invalid type for comparison"))
        }
        _ => Err(format!("error calling {name}: incompatible types for comparison")),
    }
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(fields) => Ok(fields.len()),
        Value::Null => Err("error calling len: len of nil pointer".to_owned()),
        other => Err(format!("error calling len: len of type {}", show::type_name(other))),
    }
}

fn index(arguments: &[Value]) -> Result<Value, String> {
    let fail = |message: String| format!("error calling index: {message}");
    arguments[1..].iter().try_fold(arguments[0].clone(), |value, key| match (&value, key) {
        (Value::Object(fields), Value::String(key)) => Ok(fields.get(key).cloned().unwrap_or_default()),
        (Value::Array(items), Value::Number(at)) => {
            let item = at.as_u64().and_then(|at| items.get(usize::try_from(at).ok()?));
            item.cloned().ok_or_else(|| fail(format!("index out of range: {at}")))
        }
        (Value::String(text), Value::Number(at)) => {
            let byte = at.as_u64().and_then(|at| text.as_bytes().get(usize::try_from(at).ok()?));
            byte.map(|byte| Value::from(*byte)).ok_or_else(|| fail(format!("index out of range: {at}")))
        }
        (Value::Null, _) => Err(fail("index of untyped nil".to_owned())),
        (Value::Object(_) | Value::Array(_) | Value::String(_), key) => {
            Err(fail(format!("cannot index slice/array with type {}", show::type_name(key))))
        }
        (other, _) => Err(fail(format!("can't index item of type {}", show::type_name(other)))),
    })
}

fn slice(arguments: &[Value]) -> Result<Value, String> {
    let whole = length(&arguments[0]).map_err(|_| {
        format!("error calling slice: can't slice item of type {}", show::type_name(&arguments[0]))
    })?;
    let bound = |index: usize, default: usize| match arguments.get(index) {
        None => Ok(default),
        Some(value) => value
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n <= whole)
            .ok_or_else(|| format!("error calling slice: index out of range: {value}")),
    };
    let (from, to) = (bound(1, 0)?, bound(2, whole)?);
    if from > to {
        return Err(format!("error calling slice: invalid slice index: {from} > {to}"));
    }
    match &arguments[0] {
        Value::Array(items) => Ok(items[from..to].to_vec().into()),
        Value::String(text) => Ok(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned().into()),
        other => Err(format!("error calling slice: can't slice item of type {}", show::type_name(other))),
    }
}

/// Go's `Sprint`: a space between two values that are both no strings.
fn print(arguments: &[Value]) -> String {
    let mut out = String::new();
    for (index, value) in arguments.iter().enumerate() {
        if index > 0 && !value.is_string() && !arguments[index - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&show::plain(value));
    }
    out
}

fn println(arguments: &[Value]) -> String {
    let words: Vec<String> = arguments.iter().map(show::plain).collect();
    words.join(" ") + "\n"
}

fn join(arguments: &[Value]) -> Result<String, String> {
    let separator = string("join", arguments, 1)?;
    match &arguments[0] {
        Value::Null => Ok(String::new()),
        Value::Array(items) => Ok(items.iter().map(show::plain).collect::<Vec<_>>().join(&separator)),
        other => Err(format!("error calling join: expected []string; got {}", show::type_name(other))),
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    let mut out = String::new();
    for character in text.chars() {
        if start {
            out.extend(character.to_uppercase())
        } else {
            out.push(character)
        }
        start = !(character.is_alphanumeric() || character == '_' || character == '\'');
    }
    out
}

fn pad(text: &str, before: usize, after: usize) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{}{text}{}", " ".repeat(before.min(4096)), " ".repeat(after.min(4096)))
    }
}

fn string(name: &str, arguments: &[Value], index: usize) -> Result<String, String> {
    match &arguments[index] {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Err(format!("error calling {name}: invalid value; expected string")),
        other => Err(format!("wrong type for value; expected string; got {}", show::type_name(other))),
    }
}

fn number(name: &str, arguments: &[Value], index: usize) -> Result<usize, String> {
    let number = arguments[index].as_u64().and_then(|number| usize::try_from(number).ok());
    number.ok_or_else(|| format!("error calling {name}: expected a number that is not negative"))
}

fn escape(text: &str, of: fn(char) -> Option<&'static str>) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match of(character) {
            Some(escaped) => out.push_str(escaped),
            None => out.push(character),
        }
    }
    out
}

fn html_escape(character: char) -> Option<&'static str> {
    Some(match character {
        '"' => "&#34;",
        '\'' => "&#39;",
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\0' => "\u{fffd}",
        _ => return None,
    })
}

fn js_escape(character: char) -> Option<&'static str> {
    Some(match character {
        '\\' => "\\\\",
        '\'' => "\\'",
        '"' => "\\\"",
        '<' => "\\u003C",
        '>' => "\\u003E",
        '&' => "\\u0026",
        '=' => "\\u003D",
        '\n' => "\\u000A",
        '\r' => "\\u000D",
        '\t' => "\\u0009",
        _ => return None,
    })
}

fn url_query(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}
