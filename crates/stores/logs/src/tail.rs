//! Where the last lines of a file begin.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::files::LogFile;
use crate::lines::Lines;

const BLOCK: u64 = 64 * 1024;

/// The last lines of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Where they begin; 0 in a compressed file.
    pub(crate) start: u64,
    /// How many lines to skip from there.
    pub(crate) skip: u64,
    /// How many lines they are: as many as wanted, or all that there are.
    pub(crate) lines: u64,
}

/// Finds the last `wanted` lines; empty lines do not count. None wanted gives where the next one will begin.
pub(crate) fn find(file: &LogFile, wanted: u64) -> io::Result<Tail> {
    if file.is_compressed { find_forwards(file, wanted) } else { find_backwards(&file.file, wanted) }
}

/// Reads blocks from the end. A last line without newline is being written and does not count yet.
fn find_backwards(file: &File, wanted: u64) -> io::Result<Tail> {
    let mut end = file.metadata()?.len();
    let mut lines = 0;
    // The newline nearest behind what is looked at; a line lies between two of them.
    let mut newline: Option<u64> = None;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        block.resize(usize::try_from(end - start).unwrap_or(0), 0);
        file.read_exact_at(&mut block, start)?;
        for at in memchr::memrchr_iter(b'\n', &block) {
            let at = start + u64::try_from(at).unwrap_or(0);
            if wanted == 0 {
                return Ok(Tail { start: at + 1, skip: 0, lines });
            }
            if newline.is_some_and(|next| next > at + 1) {
                lines += 1;
                if lines == wanted {
                    return Ok(Tail { start: at + 1, skip: 0, lines });
                }
            }
            newline = Some(at);
        }
        end = start;
    }
    lines += u64::from(newline.is_some_and(|next| next > 0));
    Ok(Tail { start: 0, skip: 0, lines })
}

/// Counts the lines of what cannot be read backwards.
fn find_forwards(file: &LogFile, wanted: u64) -> io::Result<Tail> {
    let copy = LogFile { file: file.file.try_clone()?, identity: file.identity, is_compressed: true };
    let mut all = 0;
    let mut lines = Lines::new(copy.into_source(0, u64::MAX)?);
    while let Some(line) = lines.next_line()? {
        all += u64::from(!line.is_empty());
    }
    // The copy shares its position with the original.
    io::Seek::rewind(&mut &file.file)?;
    Ok(Tail { start: 0, skip: all.saturating_sub(wanted), lines: all.min(wanted) })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn tail_of(text: &[u8], wanted: u64) -> Tail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        find_backwards(&file, wanted).unwrap()
    }

    #[test]
    fn the_last_lines_are_found_across_blocks() {
        let line = [vec![b'x'; 50_000], b"\n".to_vec()].concat();
        let text = line.repeat(5);
        assert_eq!(tail_of(&text, 2), Tail { start: 3 * 50_001, skip: 0, lines: 2 });
        assert_eq!(tail_of(&text, 5), Tail { start: 0, skip: 0, lines: 5 });
        assert_eq!(tail_of(&text, 9), Tail { start: 0, skip: 0, lines: 5 });
        assert_eq!(tail_of(b"", 9), Tail { start: 0, skip: 0, lines: 0 });
        assert_eq!(tail_of(b"a\ntorn", 0), Tail { start: 2, skip: 0, lines: 0 });
        assert_eq!(tail_of(b"torn", 9), Tail { start: 0, skip: 0, lines: 0 });
    }

    proptest! {
        #[test]
        fn a_tail_holds_as_many_lines_as_are_wanted(text in "[ab\n]{0,40}", wanted in 1..6_u64) {
            let tail = tail_of(text.as_bytes(), wanted);
            let finished = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
            let count = |text: &str| u64::try_from(text.lines().filter(|line| !line.is_empty()).count()).unwrap();
            prop_assert_eq!(tail.lines, count(finished).min(wanted));
            let start = usize::try_from(tail.start).unwrap();
            prop_assert_eq!(count(finished.get(start..).unwrap_or_default()), tail.lines);
        }
    }
}
