//! Lines of a file, a block at a time.

use std::io::{self, Read};

/// How much is read at once.
const BLOCK: usize = 64 * 1024;

/// The longest line that is looked at. A record holds 16 KiB of text, at six bytes each in the worst case,
/// and its attributes; what is longer is no record.
pub const LONGEST: usize = 1024 * 1024;

/// Cuts what a source gives into lines. At the source's end it may be asked again later: a file grows.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer has not been handed out.
    start: usize,
    /// Up to where the buffer has been searched.
    searched: usize,
    /// Whether the rest of a line that is too long is being skipped.
    skips: bool,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), start: 0, searched: 0, skips: false }
    }

    /// The next line, without its newline; `None` when no whole line is there (yet).
    pub(crate) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let (from, to) = (self.start, self.searched + at);
                self.start = to + 1;
                self.searched = to + 1;
                if std::mem::take(&mut self.skips) {
                    continue;
                }
                return Ok(Some(&self.buffer[from..to]));
            }
            self.searched = self.buffer.len();
            if self.searched - self.start > LONGEST {
                self.start = self.searched;
                self.skips = true;
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    /// What is left when the source will give no more: a line that was never finished.
    pub(crate) fn take_rest(&mut self) -> Option<&[u8]> {
        let from = self.start;
        self.start = self.buffer.len();
        self.searched = self.start;
        let rest = &self.buffer[from..];
        (!rest.is_empty() && !self.skips).then_some(rest)
    }

    fn fill(&mut self) -> io::Result<usize> {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + BLOCK, 0);
        let outcome = loop {
            match self.source.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + outcome.as_ref().copied().unwrap_or(0));
        outcome
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives its bytes in pieces of the given size.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            (&mut self.0).take(u64::try_from(most).unwrap()).read(buffer)
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_in_bounded_memory() {
        let text = [b"a\n".to_vec(), vec![b'x'; 3 * LONGEST], b"\nb\n".to_vec()].concat();
        let mut lines = Lines::new(&text[..]);
        assert_eq!(lines.next_line().unwrap(), Some(&b"a"[..]));
        assert_eq!(lines.next_line().unwrap(), Some(&b"b"[..]));
        assert!(lines.buffer.capacity() < 2 * LONGEST + 2 * BLOCK);
    }

    proptest! {
        #[test]
        fn lines_are_those_of_the_text(text in "[ab\n]{0,60}", piece in 1..20_usize) {
            let mut lines = Lines::new(Slow(text.as_bytes(), piece));
            let mut seen = Vec::new();
            while let Some(line) = lines.next_line().unwrap() {
                seen.push(line.to_vec());
            }
            seen.extend(lines.take_rest().map(<[u8]>::to_vec));
            prop_assert_eq!(seen, text.lines().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}
