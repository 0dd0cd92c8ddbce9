//! The folder of all containers, and one container in it.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cgroup::{Group, Layout};
use rustix::fs::{FlockOperation, flock};

use crate::error::ContainerError;
use crate::id;
use crate::record::{CONFIG, GATE, Record, STATE};
use crate::status::{Status, open_process};

/// The folder with a folder for each container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    folder: PathBuf,
}

/// A container that was created.
#[derive(Debug)]
pub struct Container {
    pub(crate) folder: PathBuf,
    /// What is written down about it.
    pub record: Record,
    /// Its control group, found in the host's hierarchies once: their table may be long.
    pub(crate) group: OnceCell<Group>,
}

/// Keeps others from changing a container; ends with its process at the latest.
#[derive(Debug)]
pub(crate) struct Lock {
    folder: File,
}

impl Home {
    /// Uses `folder` (absolute), which is made when the first container is.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder of the container with this name.
    pub(crate) fn place(&self, name: &str) -> Result<PathBuf, ContainerError> {
        id::check(name)?;
        Ok(self.folder.join(name))
    }

    /// Makes the folder of a new container, and locks it.
    pub(crate) fn claim(&self, name: &str) -> Result<(PathBuf, Lock), ContainerError> {
        let folder = self.place(name)?;
        let made = match make(&folder, 0o711) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                make_all(&self.folder).map_err(ContainerError::file("mkdir", &self.folder))?;
                make(&folder, 0o711)
            }
            other => other,
        };
        match made {
            Ok(()) => {}
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Err(ContainerError::Exists),
            Err(cause) => return Err(ContainerError::file("mkdir", &folder)(cause)),
        }
        let lock = Lock::take(&folder)?;
        Ok((folder, lock))
    }

    /// Finds a container.
    ///
    /// # Errors
    /// [`ContainerError::Missing`], [`ContainerError::InvalidId`]; [`ContainerError::Record`] for a spoilt record.
    pub fn find(&self, name: &str) -> Result<Container, ContainerError> {
        let folder = self.place(name)?;
        Container::read(folder, name)
    }

    /// The names of all folders, in order, with the owner's user id.
    ///
    /// # Errors
    /// When the folder of all cannot be read, for instance because it does not exist.
    pub fn names(&self) -> io::Result<Vec<(String, u32)>> {
        use std::os::unix::fs::MetadataExt;
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() && id::check(&name).is_ok() => {
                    names.push((name, metadata.uid()));
                }
                // Deleted meanwhile, or not ours.
                _ => {}
            }
        }
        names.sort();
        Ok(names)
    }
}

impl Container {
    fn read(folder: PathBuf, name: &str) -> Result<Self, ContainerError> {
        let path = folder.join(STATE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(ContainerError::Missing);
            }
            Err(cause) => return Err(ContainerError::file("open", path)(cause)),
        };
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|cause| ContainerError::Record { id: name.to_owned(), cause })?;
        Ok(Self { folder, record, group: OnceCell::new() })
    }

    /// What it is doing.
    ///
    /// # Errors
    /// When control groups cannot be looked at.
    pub fn status(&self) -> Result<Status, ContainerError> {
        if !self.record.is_ready {
            let is_being_made = Lock::is_taken(&self.folder);
            return Ok(if is_being_made { Status::Creating } else { Status::Stopped });
        }
        if self.process().is_none() {
            return Ok(Status::Stopped);
        }
        if self.group()?.is_frozen() {
            return Ok(Status::Paused);
        }
        Ok(if self.is_waiting() { Status::Created } else { Status::Running })
    }

    /// A handle on its first process, while that lives.
    #[must_use]
    pub fn process(&self) -> Option<OwnedFd> {
        open_process(self.record.init_process_pid, self.record.init_process_start)
    }

    /// Its control group.
    ///
    /// # Errors
    /// When the hierarchies cannot be found.
    pub fn group(&self) -> Result<Group, ContainerError> {
        if let Some(group) = self.group.get() {
            return Ok(group.clone());
        }
        let group = Group::from_paths(layout()?, &self.record.cgroup_paths)?;
        let group = match &self.record.cgroup_unit {
            Some(unit) => group.with_unit(unit),
            None => group,
        };
        Ok(self.group.get_or_init(|| group).clone())
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The document as it was at create.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn document(&self) -> Result<oci_spec::runtime::Spec, ContainerError> {
        let path = self.folder.join(CONFIG);
        let bytes = fs::read(&path).map_err(ContainerError::file("open", path))?;
        serde_json::from_slice(&bytes)
            .map_err(|cause| ContainerError::Record { id: self.record.id.clone(), cause })
    }

    /// The writer's end of its gate, if it waits there: somebody has to read on the other side.
    pub(crate) fn open_gate(&self) -> Option<OwnedFd> {
        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        open(self.folder.join(GATE), flags, Mode::empty()).ok()
    }

    fn is_waiting(&self) -> bool {
        self.open_gate().is_some()
    }

    /// The same as [`Container::lock`], but goes on without the lock when its holder hangs.
    pub(crate) fn lock_or_not(&self, limit: Duration) -> Result<(Option<Lock>, Self), ContainerError> {
        let lock = Lock::take_within(&self.folder, limit)?;
        Ok((lock, self.reread()?))
    }

    /// Keeps others from changing it, and reads what they wrote until now.
    pub(crate) fn lock(&self) -> Result<(Lock, Self), ContainerError> {
        let lock = Lock::take(&self.folder)?;
        Ok((lock, self.reread()?))
    }

    fn reread(&self) -> Result<Self, ContainerError> {
        // Deleted while we waited: then there is no record, or that of another container of the same name.
        let now = Self::read(self.folder.clone(), &self.record.id)?;
        if now.record.created != self.record.created {
            return Err(ContainerError::Missing);
        }
        // Where its group is does not change.
        Ok(Self { group: self.group.clone(), ..now })
    }
}

impl Lock {
    pub(crate) fn take(folder: &Path) -> Result<Self, ContainerError> {
        let file = match File::open(folder) {
            Ok(file) => file,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(ContainerError::Missing),
            Err(cause) => return Err(ContainerError::file("open", folder)(cause)),
        };
        loop {
            match flock(file.as_fd(), FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self { folder: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(ContainerError::file("lock", folder)(errno.into())),
            }
        }
    }

    /// Takes it if whoever has it lets go within `limit`.
    pub(crate) fn take_within(folder: &Path, limit: Duration) -> Result<Option<Self>, ContainerError> {
        const PAUSE: Duration = Duration::from_millis(5);
        let end = Instant::now() + limit;
        loop {
            let file = match File::open(folder) {
                Ok(file) => file,
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(ContainerError::Missing),
                Err(cause) => return Err(ContainerError::file("open", folder)(cause)),
            };
            match flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Some(Self { folder: file })),
                Err(_) if Instant::now() < end => std::thread::sleep(PAUSE),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Removes the folder at this path if it is the one that is locked: another of the same name may have come.
    pub(crate) fn remove(&self, folder: &Path) {
        use std::os::unix::fs::MetadataExt;
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let own = self.folder.metadata().map(identity);
        if let (Ok(own), Ok(there)) = (own, fs::symlink_metadata(folder).map(identity))
            && own == there
        {
            let _ = fs::remove_dir_all(folder);
        }
    }

    fn is_taken(folder: &Path) -> bool {
        File::open(folder)
            .is_ok_and(|file| flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive).is_err())
    }
}

/// The hierarchies of the host, looked for once in a process: a list of many containers asks for each.
fn layout() -> Result<&'static Layout, ContainerError> {
    static LAYOUT: OnceLock<Layout> = OnceLock::new();
    if let Some(layout) = LAYOUT.get() {
        return Ok(layout);
    }
    let found = Layout::detect()?;
    Ok(LAYOUT.get_or_init(|| found))
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not by closing alone: a container that was born under the lock has a copy of the descriptor.
        let _ = flock(self.folder.as_fd(), FlockOperation::Unlock);
    }
}

fn make(folder: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(mode).create(folder)
}

fn make_all(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)
}
