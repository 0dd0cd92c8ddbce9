//! The query of a request, read as Docker reads forms.

use crate::error::ApiError;
use http::StatusCode;
use percent_encoding::percent_decode_str;

/// Names and values in their order; a name may occur more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URL behind `?`.
    pub(crate) fn parse(text: &str) -> Result<Query, ApiError> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return Err(ApiError::bad_request("invalid semicolon separator in query"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((unescape(name)?, unescape(value)?));
        }
        Ok(Query(pairs))
    }

    /// The first value of a name; empty when there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(have, _)| have == name).map_or("", |(_, value)| value)
    }

    /// All values of a name.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(have, _)| have == name).map(|(_, value)| value.clone()).collect()
    }

    /// Whether the name occurs.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(have, _)| have == name)
    }

    /// A yes-or-no value: everything but nothing, `0`, `no`, `false` and `none` is yes.
    pub(crate) fn flag(&self, name: &str) -> bool {
        !matches!(self.text(name).trim().to_ascii_lowercase().as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// A yes-or-no value with a default for a name that does not occur.
    pub(crate) fn flag_or(&self, name: &str, default: bool) -> bool {
        if self.has(name) { self.flag(name) } else { default }
    }

    /// A number. Docker answers 500 to a wrong one, in the words of its library.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        let well_formed = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                let why = if well_formed { "value out of range" } else { "invalid syntax" };
                let message = format!("strconv.Atoi: parsing {text:?}: {why}");
                Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message))
            }
        }
    }

    /// A terminal's `height` or `width`.
    pub(crate) fn terminal_size(&self, name: &str, what: &str) -> Result<u32, ApiError> {
        let text = self.text(name);
        let digits = text.strip_prefix('-').unwrap_or(text);
        let well_formed = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().map_err(|_| {
            let why = if well_formed { "value out of range" } else { "invalid syntax" };
            ApiError::bad_request(format!("invalid resize {what} {text:?}: {why}"))
        })
    }
}

/// Undoes URL escapes, with `+` for a space.
fn unescape(text: &str) -> Result<String, ApiError> {
    check_escapes(text)?;
    let spaced = text.replace('+', " ");
    Ok(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// Refuses a `%` that two hexadecimal digits do not follow.
pub(crate) fn check_escapes(text: &str) -> Result<(), ApiError> {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('%') {
        let digits = bytes.get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let shown = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 3)]);
            return Err(ApiError::bad_request(format!("invalid URL escape {shown:?}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_read_as_docker_reads_them() {
        let query = Query::parse("a=1&b=no&c=+x%2Fy&d&a=2&t=abc&big=99999999999999999999&n=-5").unwrap();
        assert!(query.flag("a") && !query.flag("b") && !query.flag("d") && !query.flag("zz"));
        assert!(query.flag_or("zz", true) && !query.flag_or("d", true));
        assert_eq!(query.text("c"), " x/y");
        assert_eq!(query.all("a"), ["1", "2"]);
        assert_eq!(query.number("n").unwrap(), Some(-5));
        assert_eq!(query.number("zz").unwrap(), None);
        let refusal = query.number("t").unwrap_err();
        assert_eq!(refusal.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(refusal.body.message, r#"strconv.Atoi: parsing "abc": invalid syntax"#);
        let refusal = query.number("big").unwrap_err().body.message;
        assert_eq!(refusal, r#"strconv.Atoi: parsing "99999999999999999999": value out of range"#);
    }

    #[test]
    fn sizes_and_escapes_are_refused_in_dockers_words() {
        let query = Query::parse("h=-1&w=x").unwrap();
        let words = |name, what| query.terminal_size(name, what).unwrap_err().body.message;
        assert_eq!(words("h", "height"), r#"invalid resize height "-1": value out of range"#);
        assert_eq!(words("w", "width"), r#"invalid resize width "x": invalid syntax"#);
        assert_eq!(words("none", "width"), r#"invalid resize width "": invalid syntax"#);
        assert_eq!(Query::parse("a=%zz").unwrap_err().body.message, r#"invalid URL escape "%zz""#);
        assert_eq!(Query::parse("a;b").unwrap_err().body.message, "invalid semicolon separator in query");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "\\PC{0,60}") {
            let _ = Query::parse(&text);
        }
    }
}
