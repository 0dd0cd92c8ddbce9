//! The list of wrong calls (`contracts/wrong-calls.txt`) as values.

use crate::http::Request;

const VERSION: &str = "/v1.51";

/// One wrong call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A request over the socket.
    Api {
        /// The line of the list, which names the call.
        line: String,
        /// `GET`, `POST`…
        method: String,
        /// Path and query as written, not yet encoded.
        path: String,
        /// Body as written.
        body: String,
        /// `Content-Type`, or none at all.
        content_type: Option<String>,
        /// Letters to put for `%FILL%`.
        fill: usize,
        /// A `Content-Length` that is not true.
        claimed_length: Option<usize>,
        /// Further header lines.
        headers: Vec<String>,
    },
    /// A line of shell that calls `docker`.
    Command {
        /// The line of the list.
        line: String,
    },
}

/// A line of the list that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The line.
    pub line: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::fmt::Display for CallError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.reason, self.line)
    }
}

impl std::error::Error for CallError {}

/// Reads the list; comments, headings and empty lines are left out.
///
/// # Errors
/// Names the first line that is neither a request nor a command, or that stands there twice.
pub fn parse(list: &str) -> Result<Vec<Call>, CallError> {
    let mut seen = std::collections::HashSet::new();
    let mut calls = Vec::new();
    for line in list.lines().map(str::trim_end) {
        if line.is_empty() || line.starts_with('#') || line.starts_with("==") {
            continue;
        }
        if !seen.insert(line) {
            return Err(CallError { line: line.to_owned(), reason: "stands there twice".to_owned() });
        }
        calls.push(parse_line(line)?);
    }
    Ok(calls)
}

fn parse_line(line: &str) -> Result<Call, CallError> {
    let fail = |reason: &str| CallError { line: line.to_owned(), reason: reason.to_owned() };
    if line == "docker" || line.starts_with("docker ") {
        return Ok(Call::Command { line: line.to_owned() });
    }
    let (method, rest) = line.split_once(' ').ok_or_else(|| fail("neither a request nor a command"))?;
    if !matches!(method, "GET" | "HEAD" | "POST" | "PUT" | "DELETE") {
        return Err(fail("unknown method"));
    }
    let (path, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut content_type = Some("application/json".to_owned());
    let (mut fill, mut claimed_length, mut headers) = (0, None, Vec::new());
    while let Some(word) = rest.strip_prefix('!') {
        let (word, after) = word.split_once(' ').unwrap_or((word, ""));
        rest = after;
        let (name, value) = word.split_once('=').ok_or_else(|| fail("directive without a value"))?;
        match name {
            "type" => content_type = (value != "none").then(|| value.to_owned()),
            "fill" => fill = value.parse().map_err(|_| fail("number"))?,
            "length" => claimed_length = Some(value.parse().map_err(|_| fail("number"))?),
            "header" => headers.push(value.replacen(':', ": ", 1)),
            _ => return Err(fail("unknown directive")),
        }
    }
    Ok(Call::Api {
        line: line.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        body: rest.to_owned(),
        content_type,
        fill,
        claimed_length,
        headers,
    })
}

impl Call {
    /// The line that names the call.
    pub fn line(&self) -> &str {
        match self {
            Self::Api { line, .. } | Self::Command { line } => line,
        }
    }

    /// The request to send, with `{name}` replaced by what `value_of` knows; none for a command.
    pub fn request(&self, value_of: impl Fn(&str) -> String) -> Option<Request> {
        let Self::Api { method, path, body, content_type, fill, claimed_length, headers, .. } = self else {
            return None;
        };
        let filling = "a".repeat(*fill);
        let is_versioned = path.strip_prefix("/v").is_some_and(|rest| {
            rest.starts_with(|letter: char| letter.is_ascii_digit()) || rest.starts_with("x/")
        });
        let version = if is_versioned || path == "/_ping" { "" } else { VERSION };
        let path = value_of(&path.replace("%FILL%", &filling));
        let mut request = Request::new(method, &format!("{version}{}", encode(&path)));
        request.body = body.replace("%FILL%", &filling).into_bytes();
        request.claimed_length = *claimed_length;
        request.headers.clone_from(headers);
        if let Some(content_type) = content_type
            && !request.body.is_empty()
        {
            request.headers.push(format!("Content-Type: {content_type}"));
        }
        Some(request)
    }
}

/// Escapes what may not stand in a request line; `%` stays, since the list writes escapes itself.
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'"' | b'{' | b'}' | b'[' | b']' | b' ' | b'<' | b'>' => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_becomes_a_request() {
        let calls =
            parse("# note\n== part\nPOST /a?f={\"x\":[1]} !type=text/plain !fill=3 {\"n\":\"%FILL%\"}\n")
                .unwrap();
        let request = calls[0].request(str::to_owned).unwrap();
        assert_eq!(request.path, "/v1.51/a?f=%7B%22x%22:%5B1%5D%7D");
        assert_eq!(request.body, b"{\"n\":\"aaa\"}");
        assert_eq!(request.headers, ["Content-Type: text/plain"]);
    }

    #[test]
    fn a_line_that_is_no_call_is_named() {
        assert_eq!(parse("dokcer ps").unwrap_err().reason, "unknown method");
        assert_eq!(parse("docker ps\ndocker ps").unwrap_err().reason, "stands there twice");
    }
}
