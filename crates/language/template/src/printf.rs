//! Go's `fmt.Sprintf` over JSON values.

use serde_json::Value;

use crate::show;

/// How one verb wants its value.
#[derive(Default)]
struct Layout {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Widths and precisions above this are cut, so that a short template cannot ask for gigabytes.
const WIDEST: usize = 4096;

/// Formats `values` by Go's verbs, mistakes included in the text as Go does.
pub(crate) fn sprintf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values_used = 0;
    let mut rest = format.chars().peekable();
    while let Some(character) = rest.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        let mut layout = Layout::default();
        while let Some(flag) = rest.next_if(|c| "-+# 0".contains(*c)) {
            match flag {
                '-' => layout.minus = true,
                '+' => layout.plus = true,
                '#' => layout.sharp = true,
                ' ' => layout.space = true,
                _ => layout.zero = true,
            }
        }
        layout.width = size(&mut rest, values, &mut values_used, &mut layout.minus);
        if rest.next_if_eq(&'.').is_some() {
            layout.precision = size(&mut rest, values, &mut values_used, &mut false).or(Some(0));
        }
        match rest.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match values.get(values_used) {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(value) => {
                    values_used += 1;
                    out.push_str(&one(verb, value, &layout));
                }
            },
        }
    }
    if values_used < values.len() {
        let extra: Vec<String> = values[values_used..]
            .iter()
            .map(|v| format!("{}={}", show::type_name(v), show::plain(v)))
            .collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

/// Reads a width or precision: digits, or `*` for the next value.
fn size(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    values: &[Value],
    used: &mut usize,
    minus: &mut bool,
) -> Option<usize> {
    if rest.next_if_eq(&'*').is_some() {
        let size = values.get(*used)?.as_i64()?;
        *used += 1;
        *minus |= size < 0;
        return usize::try_from(size.unsigned_abs()).ok().map(|size| size.min(WIDEST));
    }
    let mut size = None;
    while let Some(digit) = rest.next_if(char::is_ascii_digit).and_then(|c| c.to_digit(10)) {
        size = Some((size.unwrap_or(0) * 10 + digit as usize).min(WIDEST));
    }
    size
}

fn one(verb: char, value: &Value, layout: &Layout) -> String {
    let wrong = || format!("%!{verb}({}={})", show::type_name(value), show::plain(value));
    let text = match verb {
        'v' if layout.sharp => value.to_string(),
        'v' => show::plain(value),
        'T' => show::type_name(value).to_owned(),
        't' => match value {
            Value::Bool(flag) => flag.to_string(),
            _ => return wrong(),
        },
        's' | 'q' | 'x' | 'X' if value.is_string() => {
            string(verb, value.as_str().unwrap_or_default(), layout)
        }
        's' | 'q' if matches!(value, Value::Array(_)) => list(verb, value, layout),
        'd' | 'b' | 'o' | 'O' | 'x' | 'X' | 'c' | 'U' | 'q' => match integer(verb, value, layout) {
            Some(text) => text,
            None => return wrong(),
        },
        'f' | 'F' | 'e' | 'E' | 'g' | 'G' => match value {
            Value::Number(number) if number.is_f64() => {
                float(verb, number.as_f64().unwrap_or_default(), layout)
            }
            _ => return wrong(),
        },
        _ => return wrong(),
    };
    pad(&text, layout, value.is_number())
}

fn string(verb: char, text: &str, layout: &Layout) -> String {
    let cut: String = text.chars().take(layout.precision.unwrap_or(usize::MAX)).collect();
    match verb {
        'q' => show::quote(&cut),
        'x' => cut.bytes().map(|byte| format!("{byte:02x}")).collect(),
        'X' => cut.bytes().map(|byte| format!("{byte:02X}")).collect(),
        _ => cut,
    }
}

fn list(verb: char, value: &Value, layout: &Layout) -> String {
    let items: Vec<String> = value
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| one(verb, item, &Layout { precision: layout.precision, ..Layout::default() }))
        .collect();
    format!("[{}]", items.join(" "))
}

fn integer(verb: char, value: &Value, layout: &Layout) -> Option<String> {
    let number = value.as_i64()?;
    let magnitude = number.unsigned_abs();
    let digits = match verb {
        'd' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' => return char::from_u32(u32::try_from(number).ok()?).map(String::from),
        'U' => return Some(format!("U+{magnitude:04X}")),
        _ => return char::from_u32(u32::try_from(number).ok()?).map(|c| format!("'{c}'")),
    };
    let prefix = match verb {
        'O' => "0o",
        'x' if layout.sharp => "0x",
        'X' if layout.sharp => "0X",
        'o' if layout.sharp => "0",
        _ => "",
    };
    let sign = match () {
        () if number < 0 => "-",
        () if layout.plus => "+",
        () if layout.space => " ",
        () => "",
    };
    Some(format!("{sign}{prefix}{digits:0>width$}", width = layout.precision.unwrap_or(0)))
}

fn float(verb: char, value: f64, layout: &Layout) -> String {
    let text = match verb {
        'f' | 'F' => format!("{value:.*}", layout.precision.unwrap_or(6)),
        'e' | 'E' => {
            let scientific = format!("{value:.*e}", layout.precision.unwrap_or(6));
            let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
            let exponent: i32 = exponent.parse().unwrap_or_default();
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}{}{sign}{:02}", verb, exponent.unsigned_abs())
        }
        _ => serde_json::Number::from_f64(value).map(|number| show::number(&number)).unwrap_or_default(),
    };
    if layout.plus && value >= 0.0 { format!("+{text}") } else { text }
}

fn pad(text: &str, layout: &Layout, numeric: bool) -> String {
    let width = layout.width.unwrap_or(0);
    let missing = width.saturating_sub(text.chars().count());
    if layout.minus {
        return format!("{text}{}", " ".repeat(missing));
    }
    if layout.zero && numeric {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    format!("{}{text}", " ".repeat(missing))
}
