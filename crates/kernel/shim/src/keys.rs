//! The keys that let go of a terminal without ending anything.

/// ctrl-p ctrl-q.
const DEFAULT: [u8; 2] = [16, 17];

/// Watches one client's input for its detach keys.
#[derive(Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were seen last and are held back.
    matched: usize,
}

impl DetachKeys {
    /// Watches for `keys`, or for the default ones if there are none.
    pub(crate) fn new(keys: Vec<u8>) -> Self {
        Self { keys: if keys.is_empty() { DEFAULT.to_vec() } else { keys }, matched: 0 }
    }

    /// Appends to `out` what is meant for the container; answers whether the keys were typed.
    /// What follows them is dropped.
    pub(crate) fn filter(&mut self, input: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in input {
            if byte != self.keys[self.matched] {
                self.release(out);
            }
            if byte != self.keys[self.matched] {
                out.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == self.keys.len() {
                self.matched = 0;
                return true;
            }
        }
        false
    }

    /// Appends what was held back in the hope of more.
    pub(crate) fn release(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.keys[..self.matched]);
        self.matched = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(keys: &[u8], reads: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut watch = DetachKeys::new(keys.to_vec());
        let mut out = Vec::new();
        let detached = reads.iter().any(|read| watch.filter(read, &mut out));
        watch.release(&mut out);
        (out, detached)
    }

    #[test]
    fn the_keys_are_found_across_reads_and_kept_from_the_container() {
        assert_eq!(filter(&[], &[b"ls\n\x10", b"\x11more"]), (b"ls\n".to_vec(), true));
        assert_eq!(filter(b"xyz", &[b"axyz"]), (b"a".to_vec(), true));
    }

    #[test]
    fn half_of_the_keys_reaches_the_container_when_the_rest_does_not_come() {
        assert_eq!(filter(&[], &[b"\x10", b"a"]), (b"\x10a".to_vec(), false));
        assert_eq!(filter(&[], &[b"a\x10"]), (b"a\x10".to_vec(), false));
        assert_eq!(filter(&[], &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
    }

    proptest! {
        #[test]
        fn input_without_the_last_key_passes_unchanged(input in prop::collection::vec(14_u8..17, 0..40), cut in 1..7_usize) {
            prop_assert_eq!(filter(&[], &input.chunks(cut).collect::<Vec<_>>()), (input, false));
        }
    }
}
