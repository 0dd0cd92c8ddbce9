//! `--detach-keys`: `ctrl-p,ctrl-q` as the bytes that a terminal sends. Pure.

/// The bytes; nothing in them for an empty text (the supervisor knows the default), `None` for what is no key.
pub(crate) fn parse(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() {
        return Some(vec![]);
    }
    text.split(',').map(parse_key).collect()
}

fn parse_key(key: &str) -> Option<u8> {
    if let [byte] = key.as_bytes() {
        return Some(*byte);
    }
    match key.strip_prefix("ctrl-")?.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        [b'@'] => Some(0),
        [b'['] => Some(27),
        [b'\\'] => Some(28),
        [b']'] => Some(29),
        [b'^'] => Some(30),
        [b'_'] => Some(31),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn keys_become_bytes() {
        assert_eq!(parse("ctrl-p,ctrl-q"), Some(vec![16, 17]));
        assert_eq!(parse("a,ctrl-@,ctrl-["), Some(vec![b'a', 0, 27]));
        assert_eq!(parse(""), Some(vec![]));
        for wrong in ["ctrl-nope", "a,,b", "ctrl-", "DEL", "ctrl-A"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
