//! The files of a log, oldest first, opened together so that a rotation in between loses none.

use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How often a listing is tried again when the writer rotates meanwhile.
const TRIES: usize = 16;

/// Device and inode: which file it is, whatever its name.
pub(crate) type Identity = (u64, u64);

/// One file of a log.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: File,
    pub(crate) is_compressed: bool,
    identity: Identity,
}

impl Source {
    fn open(path: &Path, is_compressed: bool) -> io::Result<Source> {
        let file = File::open(path)?;
        let identity = identity(&file)?;
        Ok(Source { file, is_compressed, identity })
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        Some(self.identity)
    }

    /// The same file, from its beginning, with a position of its own.
    pub(crate) fn try_clone(&self) -> io::Result<Source> {
        // A duplicate would share the position; a descriptor opened anew through /proc does not.
        let link = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.file));
        let mut file = File::open(link)?;
        file.rewind()?;
        Ok(Source { file, is_compressed: self.is_compressed, identity: self.identity })
    }
}

fn identity(file: &File) -> io::Result<Identity> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Which file has the name now; none if there is none.
pub(crate) fn identity_at(path: &Path) -> io::Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens every file of the log at `path`, oldest first.
pub(crate) fn open_all(path: &Path) -> io::Result<Vec<Source>> {
    for _ in 0..TRIES {
        let before = identity_at(path)?;
        match open_listed(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
            // The newest name still means the same file: nothing moved between the listing and the opening.
            Ok(sources) if identity_at(path)? == before => return Ok(sources),
            Ok(_) => {}
        }
    }
    open_listed(path)
}

fn open_listed(path: &Path) -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for number in rotated(path)?.into_iter().rev() {
        sources.push(open_rotated(path, number)?);
    }
    match Source::open(path, false) {
        Ok(source) => sources.push(source),
        // Between a rename and the next write there is no newest file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(sources)
}

/// Plain before compressed: while both are there, the compressed one is a copy.
fn open_rotated(path: &Path, number: u32) -> io::Result<Source> {
    match Source::open(&numbered(path, number, ""), false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Source::open(&numbered(path, number, ".gz"), true)
        }
        other => other,
    }
}

fn numbered(path: &Path, number: u32, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}{suffix}"));
    name.into()
}

/// The numbers of the rotated files that are there, rising.
fn rotated(path: &Path) -> io::Result<Vec<u32>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut numbers: Vec<u32> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let found = entry.file_name();
            let number = found.to_str()?.strip_prefix(name)?.strip_prefix('.')?;
            number.strip_suffix(".gz").unwrap_or(number).parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
