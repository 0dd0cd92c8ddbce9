//! The productions of the grammar as predicates over bytes; each is linear in the text's length.

/// One path component: lower-case letters and digits with single separators between them.
pub(crate) fn is_component(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_alnum = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut at = 0;
    loop {
        let start = at;
        while at < bytes.len() && is_alnum(bytes[at]) {
            at += 1;
        }
        if at == start {
            return false;
        }
        if at == bytes.len() {
            return true;
        }
        at += match bytes[at] {
            b'.' => 1,
            b'_' if bytes.get(at + 1) == Some(&b'_') => 2,
            b'_' => 1,
            b'-' => bytes[at..].iter().take_while(|byte| **byte == b'-').count(),
            _ => return false,
        };
    }
}

/// One or more components, divided by slashes.
pub(crate) fn is_path(text: &str) -> bool {
    text.split('/').all(is_component)
}

/// A host with an optional port.
pub(crate) fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.is_empty() || !address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':') {
                return false;
            }
            match port.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if port.is_empty() => (None, None),
                None => return false,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    host.is_none_or(|host| host.split('.').all(is_label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A tag: a word character, then at most 127 word characters, dots and dashes.
pub(crate) fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = text.as_bytes();
    (1..=128).contains(&bytes.len())
        && is_word(bytes[0])
        && bytes.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b'-'))
}

/// The looser shape that a reference's digest must have before its algorithm is looked at.
pub(crate) fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_part)
        && hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}
