//! The keys that end an attachment and leave the process running: `ctrl-p,ctrl-q`.

/// Docker's default.
const DEFAULT: &[u8] = &[16, 17];

/// Reads a sequence such as `ctrl-p,ctrl-q` or `a,b`.
///
/// # Errors
/// A part that names no key.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>, String> {
    text.split(',').map(key).collect()
}

fn key(text: &str) -> Result<u8, String> {
    if let [byte] = text.as_bytes() {
        return Ok(*byte);
    }
    let unknown = || format!("Unknown character: '{text}'");
    let letter = text.strip_prefix("ctrl-").ok_or_else(unknown)?;
    match letter.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(letter - b'a' + 1),
        b"@" => Ok(0),
        b"[" => Ok(27),
        b"\\" => Ok(28),
        b"]" => Ok(29),
        b"^" => Ok(30),
        b"_" => Ok(31),
        _ => Err(unknown()),
    }
}

/// The sequence that `text` names; the default for none, and for one that names no keys.
pub(crate) fn keys(text: &str) -> Vec<u8> {
    if text.is_empty() { DEFAULT.to_vec() } else { parse(text).unwrap_or_else(|_| DEFAULT.to_vec()) }
}

/// Looks for the sequence in what is typed.
#[derive(Debug)]
pub(crate) struct Watch {
    keys: Vec<u8>,
    seen: usize,
}

impl Watch {
    /// Looks for `keys`; never finds an empty sequence.
    pub(crate) fn new(keys: Vec<u8>) -> Watch {
        Watch { keys, seen: 0 }
    }

    /// Takes what was typed; gives what to pass on, and whether the sequence is complete. The start of a sequence is
    /// held back until it is complete or broken.
    pub(crate) fn feed(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(typed.len());
        for byte in typed {
            if self.keys.get(self.seen) != Some(byte) {
                passed.extend_from_slice(&self.keys[..self.seen]);
                self.seen = 0;
            }
            if self.keys.get(self.seen) == Some(byte) {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return (passed, true);
                }
            } else {
                passed.push(*byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_letters_or_controls() {
        assert_eq!(parse("ctrl-p,ctrl-q").unwrap(), [16, 17]);
        assert_eq!(parse("a,ctrl-@,ctrl-_").unwrap(), [b'a', 0, 31]);
        assert_eq!(parse("ctrl-P").unwrap_err(), "Unknown character: 'ctrl-P'");
        assert_eq!(keys("bogus"), DEFAULT);
    }

    #[test]
    fn the_sequence_is_found_across_reads_and_its_start_is_held_back() {
        let mut watch = Watch::new(vec![16, 17]);
        assert_eq!(watch.feed(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(watch.feed(b"c\x10\x10"), (b"\x10c\x10".to_vec(), false));
        assert_eq!(watch.feed(b"\x11x"), (Vec::new(), true));
    }

    proptest::proptest! {
        #[test]
        fn without_the_sequence_everything_is_passed_on(parts in proptest::collection::vec("[abc]{0,4}", 0..6)) {
            let mut watch = Watch::new(vec![b'a', b'd']);
            let mut passed: Vec<u8> = parts.iter().flat_map(|part| watch.feed(part.as_bytes()).0).collect();
            passed.extend(watch.feed(b"c").0);
            proptest::prop_assert_eq!(passed, (parts.concat() + "c").into_bytes());
        }
    }
}
