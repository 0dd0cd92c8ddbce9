//! Unpacking a layer's archive into a folder that it cannot leave.
//!
//! Names are cleaned as text first (`..` stops at the root, as Docker's does after its chroot), then the
//! folder part is opened with openat2(2) `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`, and every call works on
//! that descriptor and one plain name without following a link. The descriptors of the last folders are kept;
//! they are forgotten whenever something that is not a plain file is replaced.
//!
//! Whiteouts become overlayfs's: `.wh.x` a character device 0/0 named `x`, `.wh..wh..opq` the attribute
//! `trusted.overlay.opaque` of its folder. Attributes of overlayfs itself are never taken from an archive.

mod path;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Dev, FileType, Gid, Mode, OFlags, RawDir, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::tar::{Entry, Kind, Reader, TarError};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const METADATA: &[u8] = b".wh..wh.";
const OPAQUE_ATTRIBUTE: &str = "trusted.overlay.opaque";
/// Folders whose descriptors are kept.
const KEPT_FOLDERS: usize = 16;
/// Bytes written between two looks at the free space.
const CHECK_EVERY: u64 = 32 * 1024 * 1024;
/// What stays free on the data root's file system, so that the store can still record a removal: so much,
/// but of a small one no more than this part.
const RESERVE: u64 = 64 * 1024 * 1024;
const SMALLEST_PART: u64 = 64;

/// Why a layer could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive is malformed or cut.
    #[error(transparent)]
    Archive(Box<dyn std::error::Error + Send + Sync>),
    /// An entry could not be made.
    #[error("{action} /{path}: {}", errno_text(*cause))]
    Entry {
        /// The system call's name, as Docker shows it.
        action: &'static str,
        /// The entry's path inside the layer.
        path: String,
        /// What the kernel said.
        cause: Errno,
    },
    /// An entry of a kind that no file system holds.
    #[error("unhandled tar header type {0}")]
    Kind(u8),
    /// The file system would be left with too little room.
    #[error("no space left on device")]
    Full,
}

impl From<TarError> for UnpackError {
    fn from(error: TarError) -> UnpackError {
        UnpackError::Archive(Box::new(error))
    }
}

/// Unpacks all entries into `root`. The answer is the bytes of all files.
pub(crate) fn unpack<R: BufRead>(reader: &mut Reader<R>, root: BorrowedFd<'_>) -> Result<u64, UnpackError> {
    let mut target = Target {
        root,
        kept: VecDeque::new(),
        times: HashMap::new(),
        bytes: 0,
        unchecked: 0,
        listing: Vec::with_capacity(8192),
    };
    while let Some(entry) = reader.next_entry()? {
        target.apply(&entry, reader)?;
    }
    target.set_folder_times();
    Ok(target.bytes)
}

struct Target<'a> {
    root: BorrowedFd<'a>,
    /// Folders by cleaned path, last used first.
    kept: VecDeque<(Vec<u8>, Rc<OwnedFd>)>,
    /// Folders get their times last: making entries in them changes these.
    times: HashMap<Vec<u8>, (i64, u32)>,
    bytes: u64,
    unchecked: u64,
    listing: Vec<u8>,
}

/// A place in the tree: an open folder and one name in it.
struct Place<'a> {
    folder: Folder<'a>,
    name: &'a [u8],
    path: &'a [u8],
}

enum Folder<'a> {
    Root(BorrowedFd<'a>),
    Kept(Rc<OwnedFd>),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Folder::Root(fd) => *fd,
            Folder::Kept(fd) => fd.as_fd(),
        }
    }
}

impl Place<'_> {
    fn error(&self, action: &'static str) -> impl FnOnce(Errno) -> UnpackError {
        entry_error(action, self.path)
    }
}

fn entry_error(action: &'static str, path: &[u8]) -> impl FnOnce(Errno) -> UnpackError {
    let path = String::from_utf8_lossy(path).into_owned();
    move |cause| UnpackError::Entry { action, path, cause }
}

fn errno_text(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

impl<'a> Target<'a> {
    fn apply<R: BufRead>(&mut self, entry: &Entry, reader: &mut Reader<R>) -> Result<(), UnpackError> {
        let path = path::clean(&entry.path);
        // The root folder itself keeps its owner and mode, as with Docker.
        let Some((folder, name)) = path::split(&path) else { return Ok(()) };
        if name == OPAQUE {
            let folder = self.folder(folder)?;
            return self.make_opaque(&folder, &path);
        }
        if name.starts_with(METADATA) {
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(entry_error("mknod", &path)(Errno::INVAL));
            }
            let place = Place { folder: self.folder(folder)?, name: hidden, path: &path };
            return whiteout(&place, entry);
        }
        let place = Place { folder: self.folder(folder)?, name, path: &path };
        match entry.kind {
            Kind::File => self.file(&place, entry, reader),
            Kind::Folder => self.make_folder(&place, entry),
            Kind::HardLink => self.hard_link(&place, entry),
            Kind::Symlink => {
                self.make(&place, "symlink", |place| {
                    rustix::fs::symlinkat(entry.link.as_slice(), &place.folder, place.name)
                })?;
                self.bytes += entry.link.len() as u64;
                finish_special(&place, entry)
            }
            Kind::CharDevice => self.node(&place, entry, FileType::CharacterDevice),
            Kind::BlockDevice => self.node(&place, entry, FileType::BlockDevice),
            Kind::Fifo => self.node(&place, entry, FileType::Fifo),
            Kind::Other(kind) => Err(UnpackError::Kind(kind)),
        }
    }

    fn file<R: BufRead>(
        &mut self,
        place: &Place<'_>,
        entry: &Entry,
        reader: &mut Reader<R>,
    ) -> Result<(), UnpackError> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.make(place, "open", |place| {
            rustix::fs::openat(&place.folder, place.name, flags, Mode::from_raw_mode(0o600))
        })?;
        match &entry.segments {
            None => self.copy(place, reader, &file, 0, entry.size)?,
            Some(segments) => {
                for (offset, length) in segments {
                    self.copy(place, reader, &file, *offset, *length)?;
                }
                rustix::fs::ftruncate(&file, entry.size).map_err(place.error("truncate"))?;
            }
        }
        self.bytes += entry.size;
        finish_open(place, entry, file.as_fd())?;
        rustix::fs::futimens(&file, &times(entry.modified)).map_err(place.error("chtimes"))
    }

    /// Copies the next `length` stored bytes to `offset` of `file`.
    fn copy<R: BufRead>(
        &mut self,
        place: &Place<'_>,
        reader: &mut Reader<R>,
        file: &OwnedFd,
        offset: u64,
        length: u64,
    ) -> Result<(), UnpackError> {
        let mut done = 0;
        while done < length {
            let chunk = reader.chunk(length - done)?;
            if chunk.is_empty() {
                return Err(TarError::Truncated.into());
            }
            let count = rustix::io::retry_on_intr(|| rustix::io::pwrite(file, chunk, offset + done))
                .map_err(place.error("write"))?;
            reader.consume(count);
            done += count as u64;
            self.unchecked += count as u64;
            if self.unchecked >= CHECK_EVERY {
                self.unchecked = 0;
                check_room(self.root)?;
            }
        }
        Ok(())
    }

    fn make_folder(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let mkdir = || rustix::fs::mkdirat(&place.folder, place.name, Mode::from_raw_mode(0o700));
        let mut was_hidden = false;
        match mkdir() {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                let found = stat(place).map_err(place.error("lstat"))?;
                if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                    was_hidden = is_whiteout(&found);
                    self.remove(place)?;
                    mkdir().map_err(place.error("mkdir"))?;
                }
            }
            Err(cause) => return Err(place.error("mkdir")(cause)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&place.folder, place.name, flags, Mode::empty())
            .map_err(place.error("open"))?;
        if was_hidden {
            // What lies below was deleted before the folder was made anew.
            self.make_opaque(&folder, place.path)?;
        }
        finish_open(place, entry, folder.as_fd())?;
        self.times.insert(place.path.to_vec(), entry.modified);
        self.keep(place.path, Rc::new(folder));
        Ok(())
    }

    fn hard_link(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
        let target = path::clean(&entry.link);
        let (folder, name) = path::split(&target).ok_or_else(|| place.error("link")(Errno::PERM))?;
        let folder = self.folder(folder)?;
        self.make(place, "link", |place| {
            rustix::fs::linkat(&folder, name, &place.folder, place.name, AtFlags::empty())
        })
    }

    fn node(&mut self, place: &Place<'_>, entry: &Entry, kind: FileType) -> Result<(), UnpackError> {
        let device: Dev = match kind {
            FileType::Fifo => 0,
            _ => rustix::fs::makedev(entry.device.0, entry.device.1),
        };
        self.make(place, "mknod", |place| {
            rustix::fs::mknodat(&place.folder, place.name, kind, Mode::from_raw_mode(0o600), device)
        })?;
        finish_special(place, entry)
    }

    /// Runs `create`, which must not replace; if something is there, that goes first.
    fn make<T>(
        &mut self,
        place: &Place<'_>,
        action: &'static str,
        create: impl Fn(&Place<'_>) -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        match create(place) {
            Err(Errno::EXIST) => {
                self.remove(place)?;
                create(place).map_err(place.error(action))
            }
            other => other.map_err(place.error(action)),
        }
    }

    /// Removes what is at `place`, a whole tree if need be.
    fn remove(&mut self, place: &Place<'_>) -> Result<(), UnpackError> {
        let found = stat(place).map_err(place.error("lstat"))?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            self.kept.clear();
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let top = rustix::fs::openat(&place.folder, place.name, flags, Mode::empty())
                .map_err(place.error("open"))?;
            self.empty(place, top)?;
            return rustix::fs::unlinkat(&place.folder, place.name, AtFlags::REMOVEDIR)
                .map_err(place.error("remove"));
        }
        if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
            self.kept.clear();
        }
        self.forget_bytes(&found);
        rustix::fs::unlinkat(&place.folder, place.name, AtFlags::empty()).map_err(place.error("remove"))
    }

    /// Empties a tree without recursion: a chain of open folders, however deep the archive made it.
    fn empty(&mut self, place: &Place<'_>, top: OwnedFd) -> Result<(), UnpackError> {
        let mut chain: Vec<(OwnedFd, Vec<u8>)> = vec![(top, Vec::new())];
        while let Some((folder, _)) = chain.last() {
            match self.remove_files(folder).map_err(place.error("remove"))? {
                Some(name) => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let next = rustix::fs::openat(folder, name.as_slice(), flags, Mode::empty())
                        .map_err(place.error("open"))?;
                    chain.push((next, name));
                }
                None => {
                    let done = chain.pop();
                    if let (Some((_, name)), Some((parent, _))) = (done, chain.last()) {
                        rustix::fs::unlinkat(parent, name.as_slice(), AtFlags::REMOVEDIR)
                            .map_err(place.error("remove"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes everything in a folder that is no folder; answers the first that is one.
    fn remove_files(&mut self, folder: &OwnedFd) -> Result<Option<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        let mut inner = None;
        rustix::fs::seek(folder, rustix::fs::SeekFrom::Start(0))?;
        let mut listing = std::mem::take(&mut self.listing);
        let mut entries = RawDir::new(folder, listing.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            match entry.file_type() {
                FileType::Directory => inner = Some(name.to_vec()),
                _ => names.push(name.to_vec()),
            }
        }
        self.listing = listing;
        for name in names {
            let found = rustix::fs::statat(folder, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
            self.forget_bytes(&found);
            rustix::fs::unlinkat(folder, name.as_slice(), AtFlags::empty())?;
        }
        Ok(inner)
    }

    fn forget_bytes(&mut self, found: &rustix::fs::Stat) {
        let kind = FileType::from_raw_mode(found.st_mode);
        if found.st_nlink == 1 && matches!(kind, FileType::RegularFile | FileType::Symlink) {
            self.bytes = self.bytes.saturating_sub(u64::try_from(found.st_size).unwrap_or(0));
        }
    }

    fn make_opaque(&self, folder: &impl AsFd, path: &[u8]) -> Result<(), UnpackError> {
        let set = |fd: BorrowedFd<'_>| rustix::fs::fsetxattr(fd, OPAQUE_ATTRIBUTE, b"y", XattrFlags::empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Descriptors of folders found by path are O_PATH, which takes no attribute.
        rustix::fs::openat(folder, ".", flags, Mode::empty())
            .and_then(|fd| set(fd.as_fd()))
            .map_err(entry_error("setxattr", path))
    }

    /// Opens the folder of a cleaned path, making what is missing.
    fn folder(&mut self, path: &[u8]) -> Result<Folder<'a>, UnpackError> {
        if path.is_empty() {
            return Ok(Folder::Root(self.root));
        }
        if let Some(at) = self.kept.iter().position(|(kept, _)| kept == path) {
            let entry = self.kept.remove(at);
            let folder = entry.map(|(_, fd)| fd).ok_or_else(|| entry_error("open", path)(Errno::NOENT))?;
            self.keep(path, Rc::clone(&folder));
            return Ok(Folder::Kept(folder));
        }
        let folder = match self.open_in_root(path) {
            Err(Errno::NOENT) => self.make_missing(path)?,
            other => other.map_err(entry_error("open", path))?,
        };
        let folder = Rc::new(folder);
        self.keep(path, Rc::clone(&folder));
        Ok(Folder::Kept(folder))
    }

    fn make_missing(&self, path: &[u8]) -> Result<OwnedFd, UnpackError> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain(std::iter::once(path.len())) {
            let part = &path[..end];
            match self.open_in_root(part) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(cause) => return Err(entry_error("open", part)(cause)),
            }
            let Some((above, name)) = path::split(part) else { continue };
            let made = match above.is_empty() {
                true => rustix::fs::mkdirat(self.root, name, Mode::from_raw_mode(0o755)),
                false => self
                    .open_in_root(above)
                    .and_then(|above| rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o755))),
            };
            made.map_err(entry_error("mkdir", part))?;
        }
        self.open_in_root(path).map_err(entry_error("open", path))
    }

    fn open_in_root(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..128 {
            // A rename anywhere on the machine can make the kernel ask for another try.
            match rustix::fs::openat2(self.root, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    fn keep(&mut self, path: &[u8], folder: Rc<OwnedFd>) {
        self.kept.retain(|(kept, _)| kept != path);
        self.kept.truncate(KEPT_FOLDERS - 1);
        self.kept.push_front((path.to_vec(), folder));
    }

    fn set_folder_times(&mut self) {
        for (path, modified) in std::mem::take(&mut self.times) {
            let Some((folder, name)) = path::split(&path) else { continue };
            // A later entry may have replaced the folder.
            let _ = match folder.is_empty() {
                true => rustix::fs::utimensat(self.root, name, &times(modified), AtFlags::SYMLINK_NOFOLLOW),
                false => self.open_in_root(folder).and_then(|folder| {
                    rustix::fs::utimensat(folder, name, &times(modified), AtFlags::SYMLINK_NOFOLLOW)
                }),
            };
        }
    }
}

fn whiteout(place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
    let made = rustix::fs::mknodat(
        &place.folder,
        place.name,
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o600),
        rustix::fs::makedev(0, 0),
    );
    match made {
        Ok(()) => chown(place, entry),
        // A whiteout hides what lower layers have; what this layer itself has stays.
        Err(Errno::EXIST) => Ok(()),
        Err(cause) => Err(place.error("mknod")(cause)),
    }
}

fn is_whiteout(found: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice && found.st_rdev == 0
}

fn stat(place: &Place<'_>) -> Result<rustix::fs::Stat, Errno> {
    rustix::fs::statat(&place.folder, place.name, AtFlags::SYMLINK_NOFOLLOW)
}

fn chown(place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    rustix::fs::chownat(&place.folder, place.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(place.error("lchown"))
}

/// Owner, attributes and mode of an open file or folder. Changing the owner clears capabilities and setuid:
/// it goes first.
fn finish_open(place: &Place<'_>, entry: &Entry, file: BorrowedFd<'_>) -> Result<(), UnpackError> {
    rustix::fs::fchown(file, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))
        .map_err(place.error("lchown"))?;
    for (name, value) in wanted_attributes(entry) {
        forgive(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()))
            .map_err(place.error("setxattr"))?;
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode)).map_err(place.error("chmod"))
}

/// The same for links, devices and pipes, which are not opened.
fn finish_special(place: &Place<'_>, entry: &Entry) -> Result<(), UnpackError> {
    chown(place, entry)?;
    let mut attributes = wanted_attributes(entry).peekable();
    if attributes.peek().is_some() {
        let folder = format!("/proc/self/fd/{}/", place.folder.as_fd().as_raw_fd());
        let path = [folder.as_bytes(), place.name].concat();
        for (name, value) in attributes {
            forgive(rustix::fs::lsetxattr(path.as_slice(), name, value, XattrFlags::empty()))
                .map_err(place.error("setxattr"))?;
        }
    }
    if entry.kind != Kind::Symlink {
        rustix::fs::chmodat(&place.folder, place.name, Mode::from_raw_mode(entry.mode), AtFlags::empty())
            .map_err(place.error("chmod"))?;
    }
    rustix::fs::utimensat(&place.folder, place.name, &times(entry.modified), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(place.error("chtimes"))
}

fn wanted_attributes(entry: &Entry) -> impl Iterator<Item = (&[u8], &[u8])> {
    let is_wanted =
        |name: &[u8]| !name.starts_with(b"trusted.overlay.") && !name.starts_with(b"user.overlay.");
    entry
        .xattrs
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()))
        .filter(move |(name, _)| is_wanted(name))
}

/// An attribute that this file system or machine does not know is left out, as Docker does.
fn forgive(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOTSUP | Errno::PERM) => Ok(()),
        other => other,
    }
}

/// Times before 1970 become 1970, as with Docker.
fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let time = match seconds {
        0.. => Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds) },
        _ => Timespec { tv_sec: 0, tv_nsec: 0 },
    };
    Timestamps { last_access: time, last_modification: time }
}

/// Refuses to go on when the file system is nearly full.
pub(crate) fn check_room(folder: BorrowedFd<'_>) -> Result<(), UnpackError> {
    let Ok(facts) = rustix::fs::fstatvfs(folder) else { return Ok(()) };
    let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
    match bytes(facts.f_bavail) < RESERVE.min(bytes(facts.f_blocks) / SMALLEST_PART) {
        true => Err(UnpackError::Full),
        false => Ok(()),
    }
}
