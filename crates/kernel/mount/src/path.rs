//! Paths inside a root that strangers filled: links and `..` never lead out of it.
//!
//! Nothing here allocates, so that a child between clone and exec may use it.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, readlinkat_raw};
use rustix::io::Errno;

use crate::defence::Defence;

/// The kernel's limit of a path, its NUL included.
const PATH_MAX: usize = 4096;

/// As many links as the kernel itself would follow.
const MAX_LINKS: usize = 40;

/// What to create where a path leads to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A folder.
    Folder,
    /// An empty file.
    File,
}

/// How links in a path are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Followed, inside the root.
    Follow,
    /// An error (`ELOOP`), wherever they stand in the path.
    Refuse,
}

/// Opens `path` strictly inside `root`; absolute paths and links start at `root`. `openat2(2)`, Linux 5.6.
///
/// # Errors
/// The kernel's; AGAIN when renames raced with it again and again.
pub fn open(root: BorrowedFd<'_>, path: &CStr, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
    let mut resolve = ResolveFlags::empty();
    if Defence::InRoot.is_on() {
        resolve |= ResolveFlags::IN_ROOT;
    }
    if Defence::MagicLinks.is_on() {
        resolve |= ResolveFlags::NO_MAGICLINKS;
    }
    if links == Links::Refuse {
        resolve |= ResolveFlags::NO_SYMLINKS;
    }
    let path = if path.is_empty() { c"." } else { path };
    // Links only shall lead out, in a test without this defence.
    let path = if Defence::InRoot.is_on() { path } else { relative(path) };
    for _ in 0..64 {
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// The same path without its leading slashes.
fn relative(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    let start = bytes.iter().position(|byte| *byte != b'/').unwrap_or(0);
    match bytes.get(start..).and_then(|rest| CStr::from_bytes_with_nul(rest).ok()) {
        Some(rest) if !rest.is_empty() => rest,
        _ => c".",
    }
}

/// Opens `path` as the calling process sees it, once its own root is the stranger's: through no link that the kernel
/// invents, since those of `/proc` could lead back out. `openat2(2)`, Linux 5.6.
///
/// # Errors
/// The kernel's; LOOP for such a link.
pub fn open_from_inside(path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = match Defence::MagicLinks.is_on() {
        true => ResolveFlags::NO_MAGICLINKS,
        false => ResolveFlags::empty(),
    };
    openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// Opens what `path` names inside `root` as a place only (`O_PATH`), creating it and the folders on the way.
///
/// A dangling link is followed: what it points to is created, inside the root.
///
/// # Errors
/// NOTDIR when a file stands in the way, LOOP for a circle of links, NAMETOOLONG, ROFS …
pub fn ensure(root: BorrowedFd<'_>, path: &CStr, target: Target) -> Result<OwnedFd, Errno> {
    let mut walk = PathText::new(path.to_bytes())?;
    for _ in 0..MAX_LINKS {
        match open(root, walk.as_cstr(walk.length)?, OFlags::PATH, Links::Follow) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        if let Some(found) = create_missing(root, &mut walk, target)? {
            return Ok(found);
        }
    }
    Err(Errno::LOOP)
}

/// Creates what is missing of `walk`; gives nothing when `walk` was changed or raced with, and has to be tried again.
fn create_missing(
    root: BorrowedFd<'_>,
    walk: &mut PathText,
    target: Target,
) -> Result<Option<OwnedFd>, Errno> {
    let mut parent = open(root, c".", OFlags::PATH | OFlags::DIRECTORY, Links::Follow)?;
    let mut position = 0;
    while let Some((start, end)) = walk.component_after(position) {
        position = end;
        match open(root, walk.as_cstr(end)?, OFlags::PATH, Links::Follow) {
            Ok(found) => {
                parent = found;
                continue;
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        let mut name = [0u8; 256];
        let name = copy_name(walk.slice(start, end), &mut name)?;
        let mut link = [0u8; PATH_MAX];
        match readlinkat_raw(&parent, name, &mut link) {
            Ok(length) => {
                walk.replace_component(start, end, link.get(..length).unwrap_or_default())?;
                return Ok(None);
            }
            Err(Errno::NOENT) => {}
            Err(Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        let is_last = walk.component_after(end).is_none();
        let made = if is_last && target == Target::File {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        } else {
            mkdirat(&parent, name, Mode::from_raw_mode(0o755))
        };
        match made {
            Ok(()) => {}
            Err(Errno::EXIST) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        parent = openat(&parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    }
    Ok(Some(parent))
}

fn copy_name<'a>(name: &[u8], buffer: &'a mut [u8; 256]) -> Result<&'a CStr, Errno> {
    buffer.get_mut(..name.len()).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(name);
    let with_nul = buffer.get(..=name.len()).ok_or(Errno::NAMETOOLONG)?;
    CStr::from_bytes_with_nul(with_nul).map_err(|_| Errno::INVAL)
}

/// A path in a fixed buffer, relative to the root, with room for a NUL anywhere.
struct PathText {
    bytes: [u8; PATH_MAX],
    length: usize,
    scratch: [u8; PATH_MAX],
}

impl PathText {
    fn new(path: &[u8]) -> Result<Self, Errno> {
        let mut text = Self { bytes: [0; PATH_MAX], length: 0, scratch: [0; PATH_MAX] };
        text.append(path)?;
        Ok(text)
    }

    fn append(&mut self, part: &[u8]) -> Result<(), Errno> {
        let end = self.length + part.len();
        self.bytes.get_mut(self.length..end).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(part);
        self.length = end;
        if end == PATH_MAX { Err(Errno::NAMETOOLONG) } else { Ok(()) }
    }

    fn slice(&self, start: usize, end: usize) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// The first `end` bytes as a C string.
    fn as_cstr(&mut self, end: usize) -> Result<&CStr, Errno> {
        let source = self.bytes.get(..end).ok_or(Errno::NAMETOOLONG)?;
        self.scratch.get_mut(..end).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(source);
        *self.scratch.get_mut(end).ok_or(Errno::NAMETOOLONG)? = 0;
        CStr::from_bytes_until_nul(&self.scratch).map_err(|_| Errno::INVAL)
    }

    /// Where the next component begins and ends, from `position` on.
    fn component_after(&self, position: usize) -> Option<(usize, usize)> {
        let rest = self.slice(position, self.length);
        let start = position + rest.iter().position(|byte| *byte != b'/')?;
        let rest = self.slice(start, self.length);
        let end = rest.iter().position(|byte| *byte == b'/').map_or(self.length, |length| start + length);
        Some((start, end))
    }

    /// Puts what a link says in place of the component that is the link.
    fn replace_component(&mut self, start: usize, end: usize, link: &[u8]) -> Result<(), Errno> {
        let mut rest = [0u8; PATH_MAX];
        let rest_length = self.length - end;
        rest[..rest_length].copy_from_slice(self.slice(end, self.length));
        self.length = if link.first() == Some(&b'/') { 0 } else { start };
        self.append(link)?;
        self.append(&rest[..rest_length])
    }
}

/// Opens a folder of the host as a place (`O_PATH`), following links.
///
/// # Errors
/// The kernel's.
pub fn open_host_folder(path: &std::path::Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use super::*;

    /// A root with a neighbour that must never be touched.
    struct Yard {
        _folder: tempfile::TempDir,
        root: PathBuf,
        outside: PathBuf,
    }

    fn yard() -> Yard {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let outside = folder.path().join("outside");
        fs::create_dir(&root).unwrap();
        fs::create_dir(&outside).unwrap();
        Yard { root, outside, _folder: folder }
    }

    impl Yard {
        fn ensure(&self, path: &CStr, target: Target) -> Result<PathBuf, Errno> {
            let root = open_host_folder(&self.root).unwrap();
            let found = ensure(root.as_fd(), path, target)?;
            let place = fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&found)));
            Ok(place.unwrap().strip_prefix(fs::canonicalize(&self.root).unwrap()).unwrap().to_owned())
        }

        fn is_outside_untouched(&self) -> bool {
            fs::read_dir(&self.outside).unwrap().next().is_none()
        }
    }

    #[test]
    fn missing_folders_and_files_are_created() {
        let yard = yard();
        assert_eq!(yard.ensure(c"/a//b/./c", Target::Folder).as_deref(), Ok(Path::new("a/b/c")));
        assert_eq!(yard.ensure(c"a/b/file", Target::File).as_deref(), Ok(Path::new("a/b/file")));
        assert!(yard.root.join("a/b/file").is_file());
        assert_eq!(yard.ensure(c"/", Target::Folder).as_deref(), Ok(Path::new("")));
        assert_eq!(yard.ensure(c"a/b/file/x", Target::Folder), Err(Errno::NOTDIR));
    }

    #[test]
    fn links_lead_to_places_inside_the_root_only() {
        let yard = yard();
        symlink(&yard.outside, yard.root.join("absolute")).unwrap();
        symlink("../outside", yard.root.join("relative")).unwrap();
        symlink("/../../../../outside", yard.root.join("dots")).unwrap();
        for path in [c"absolute/x/y", c"relative/x/y", c"dots/x/y", c"/../outside/x", c"relative"] {
            let place = yard.ensure(path, Target::Folder).unwrap();
            assert!(yard.root.join(&place).is_dir(), "{place:?}");
        }
        assert!(yard.is_outside_untouched());
    }

    #[test]
    fn a_dangling_link_is_followed_to_what_it_names() {
        let yard = yard();
        fs::create_dir(yard.root.join("var")).unwrap();
        symlink("/run", yard.root.join("var/run")).unwrap();
        assert_eq!(
            yard.ensure(c"/var/run/app/socket", Target::File).as_deref(),
            Ok(Path::new("run/app/socket"))
        );
        symlink("../elsewhere/deep", yard.root.join("var/lib")).unwrap();
        assert_eq!(yard.ensure(c"/var/lib/x", Target::Folder).as_deref(), Ok(Path::new("elsewhere/deep/x")));
    }

    #[test]
    fn a_circle_of_links_ends() {
        let yard = yard();
        symlink("b", yard.root.join("a")).unwrap();
        symlink("a", yard.root.join("b")).unwrap();
        assert_eq!(yard.ensure(c"a/x", Target::Folder), Err(Errno::LOOP));
        symlink("far/self", yard.root.join("self")).unwrap();
        symlink("../self", yard.root.join("far")).unwrap();
        assert!(yard.ensure(c"self", Target::Folder).is_err());
        assert!(yard.is_outside_untouched());
    }

    #[test]
    fn links_can_be_refused_altogether() {
        let yard = yard();
        symlink("/etc", yard.root.join("proc")).unwrap();
        let root = open_host_folder(&yard.root).unwrap();
        assert_eq!(open(root.as_fd(), c"/proc", OFlags::PATH, Links::Refuse).map(drop), Err(Errno::LOOP));
    }

    #[test]
    fn too_long_paths_and_names_are_refused() {
        let yard = yard();
        let long_name = std::ffi::CString::new("x".repeat(300)).unwrap();
        assert_eq!(yard.ensure(&long_name, Target::Folder), Err(Errno::NAMETOOLONG));
        let long_path = std::ffi::CString::new("x/".repeat(3000)).unwrap();
        assert_eq!(yard.ensure(&long_path, Target::Folder), Err(Errno::NAMETOOLONG));
        symlink("y/".repeat(1500), yard.root.join("l")).unwrap();
        let path = std::ffi::CString::new(format!("l/{}", "z/".repeat(1000))).unwrap();
        assert_eq!(yard.ensure(&path, Target::Folder), Err(Errno::NAMETOOLONG));
    }
}
