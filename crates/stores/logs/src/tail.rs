//! Where the last N records begin.

use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::files::Source;
use crate::lines::Lines;

const CHUNK: usize = 64 << 10;

/// Drops the files before the last `count` records and moves the position of the file in which they begin; gives how many
/// records of that file are to be passed over, where its position cannot be moved.
pub(crate) fn keep_last(sources: &mut Vec<Source>, count: usize) -> io::Result<usize> {
    let mut missing = count;
    for at in (0..sources.len()).rev() {
        let source = &mut sources[at];
        let (found, pass_over) = if source.is_compressed {
            let there = count_lines(source)?;
            (there.min(missing), there.saturating_sub(missing))
        } else {
            (seek_last(source, missing)?, 0)
        };
        missing -= found;
        if missing == 0 {
            sources.drain(..at);
            return Ok(pass_over);
        }
    }
    Ok(0)
}

fn count_lines(source: &Source) -> io::Result<usize> {
    let mut lines = Lines::new(source.try_clone()?)?;
    let mut count = 0;
    while lines.next_line()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Moves the file's position to its last `count` lines, reading backwards; gives how many it has of them.
fn seek_last(source: &mut Source, count: usize) -> io::Result<usize> {
    let length = source.file.metadata()?.len();
    let mut block = vec![0; CHUNK];
    let mut end = length;
    let mut newlines = 0;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let size = usize::try_from(end - start).unwrap_or(CHUNK);
        source.file.read_exact_at(&mut block[..size], start)?;
        for at in (0..size).rev().filter(|at| block[*at] == b'\n') {
            if newlines == count {
                source.file.seek(SeekFrom::Start(start + at as u64 + 1))?;
                return Ok(count);
            }
            newlines += 1;
        }
        end = start;
    }
    source.file.rewind()?;
    Ok(newlines)
}
