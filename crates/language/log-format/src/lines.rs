//! Cuts an output stream into pieces: lines, and parts of lines that are too long for one record.

/// A part of a line this long is recorded without waiting for the rest.
pub const LINE_LIMIT: usize = 16 * 1024;

/// What becomes one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes, without a newline.
    pub text: &'a [u8],
    /// Whether a newline follows.
    pub ends_line: bool,
    /// When it, or the first part of its line, was complete; nanoseconds since 1970.
    pub time: u64,
}

/// The state between two reads of one stream: at most [`LINE_LIMIT`] bytes of an unfinished line.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
    /// The time of the first part, if parts of the line at hand have been handed out.
    part_time: Option<u64>,
}

impl Lines {
    /// Takes what was read at `now`, hands out what is complete.
    pub fn feed(&mut self, mut bytes: &[u8], now: u64, mut take: impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            let window = &bytes[..bytes.len().min(LINE_LIMIT - self.held.len())];
            if let Some(end) = memchr::memchr(b'\n', window) {
                let time = self.part_time.take().unwrap_or(now);
                self.hand_out(&window[..end], true, time, &mut take);
                bytes = &bytes[end + 1..];
            } else if self.held.len() + window.len() == LINE_LIMIT {
                let time = *self.part_time.get_or_insert(now);
                self.hand_out(window, false, time, &mut take);
                bytes = &bytes[window.len()..];
            } else {
                self.held.extend_from_slice(window);
                bytes = &[];
            }
        }
    }

    /// Hands out what is left when the stream has ended.
    pub fn finish(&mut self, now: u64, mut take: impl FnMut(Piece<'_>)) {
        if !self.held.is_empty() {
            let time = self.part_time.take().unwrap_or(now);
            self.hand_out(&[], false, time, &mut take);
        }
    }

    fn hand_out(&mut self, more: &[u8], ends_line: bool, time: u64, take: &mut impl FnMut(Piece<'_>)) {
        if self.held.is_empty() {
            take(Piece { text: more, ends_line, time });
        } else {
            self.held.extend_from_slice(more);
            take(Piece { text: &self.held, ends_line, time });
            self.held = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The pieces of a stream that is read in the given cuts, the n-th at time n.
    fn pieces(reads: &[&[u8]]) -> Vec<(Vec<u8>, bool, u64)> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut now = 0;
        for read in reads {
            now += 1;
            lines.feed(read, now, |piece| seen.push((piece.text.to_vec(), piece.ends_line, piece.time)));
        }
        lines.finish(now + 1, |piece| seen.push((piece.text.to_vec(), piece.ends_line, piece.time)));
        seen
    }

    #[test]
    fn a_line_is_handed_out_when_its_newline_comes() {
        assert_eq!(
            pieces(&[b"ab", b"c\n\nd", b"e"]),
            [(b"abc".to_vec(), true, 2), (b"".to_vec(), true, 2), (b"de".to_vec(), false, 4)]
        );
    }

    #[test]
    fn parts_of_a_long_line_share_the_time_of_the_first() {
        let long = vec![b'x'; LINE_LIMIT];
        assert_eq!(
            pieces(&[&long, &long[1..], b"y\n", b"z\n"]),
            [
                (long.clone(), false, 1),
                ([&long[1..], b"y"].concat(), false, 1),
                (b"".to_vec(), true, 1),
                (b"z".to_vec(), true, 4)
            ]
        );
    }

    #[test]
    fn the_longest_whole_line_has_a_byte_less_than_the_limit() {
        let long = vec![b'x'; LINE_LIMIT - 1];
        assert_eq!(pieces(&[&long, b"\n"]), [(long.clone(), true, 2)]);
    }

    proptest! {
        #[test]
        fn pieces_do_not_depend_on_the_cuts(
            line_lengths in prop::collection::vec(prop_oneof![0..9_usize, 16_380..16_390_usize, 32_760..32_780_usize], 0..5),
            cut in prop_oneof![1..50_usize, 1_000..40_000_usize],
        ) {
            let text: Vec<u8> = line_lengths.iter().flat_map(|n| [vec![b'x'; *n], b"\n".to_vec()].concat()).collect();
            let whole = pieces(&[&text]);
            let cut = pieces(&text.chunks(cut).collect::<Vec<_>>());
            let shape = |list: &[(Vec<u8>, bool, u64)]| list.iter().map(|(t, e, _)| (t.clone(), *e)).collect::<Vec<_>>();
            prop_assert_eq!(shape(&whole), shape(&cut));
            let joined: Vec<u8> = whole.iter().flat_map(|(t, e, _)| [t.clone(), if *e { b"\n".to_vec() } else { vec![] }].concat()).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
