//! Overlay file systems as detached mounts: the host's mount table never shows them.
//!
//! Two ways: since Linux 6.5 each layer is one `lowerdir+` option of a file system context. Before, all layers
//! stand in one option of at most a page; there a child in a private mount namespace mounts the overlay by short names
//! (links in a tmpfs attached nowhere), clones the mount and hands the clone over.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, symlinkat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsOpenFlags, MountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsopen,
    mount as mount_classic,
};
use rustix::process::{WaitId, WaitIdOptions, fchdir, waitid};
use serde::{Deserialize, Serialize};
use sys::mount::{AttributeChange, Propagation, Reach, change_attributes_at};
use sys::process::{Birth, Namespaces, clone_process};

use crate::tree::{self, NewFilesystem};

/// An overlay to mount: folders that exist already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Read-only layers, the topmost first; at least one, at least two without `upper`.
    pub lower: Vec<PathBuf>,
    /// The writable layer; absent makes the whole read-only.
    pub upper: Option<PathBuf>,
    /// The work folder, on the same file system as `upper`.
    pub work: Option<PathBuf>,
    /// Whether the writable layer is thrown away afterwards, so that nothing needs to be synced.
    pub volatile: bool,
}

/// Why an overlay could not be mounted.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount overlay: {what}")]
pub struct OverlayError {
    /// The step or folder that failed.
    pub what: String,
    /// The kernel's reason.
    #[source]
    pub errno: Errno,
}

/// fsconfig(2) takes strings of up to this many bytes, the NUL included.
const LONGEST_VALUE: usize = 256;

/// Options that keep the writable layer plain: no redirects, no bare metadata, no index, as a later diff wants it.
const PLAIN: [(&str, &str); 3] = [("index", "off"), ("redirect_dir", "off"), ("metacopy", "off")];

impl Overlay {
    /// Mounts it; the mount is attached nowhere and vanishes with the last descriptor.
    ///
    /// # Errors
    /// Names the folder or option the kernel refused.
    pub fn mount(&self) -> Result<OwnedFd, OverlayError> {
        self.forget_volatile_mark();
        let fits = self.folders().all(|(_, folder)| folder.as_os_str().len() < LONGEST_VALUE);
        if !fits {
            return self.mount_in_private_namespace();
        }
        match self.mount_by_context() {
            // `lowerdir+` is unknown before Linux 6.5, whose overlay only reads its options when it is made.
            Err(error)
                if error.errno == Errno::INVAL
                    && (error.what.starts_with("lowerdir+") || error.what == "create") =>
            {
                self.mount_in_private_namespace()
            }
            other => other,
        }
    }

    /// A volatile overlay leaves a mark that refuses the next mount, lest data lost in a crash goes unnoticed. A layer
    /// that is mounted volatile again is thrown away all the same.
    fn forget_volatile_mark(&self) {
        if let (true, Some(work)) = (self.volatile, &self.work) {
            let mark = work.join("work/incompat/volatile");
            let _ = unlinkat(CWD, mark.join("dirty"), AtFlags::empty());
            let _ = unlinkat(CWD, mark, AtFlags::REMOVEDIR);
        }
    }

    /// All folders with the option they belong to.
    fn folders(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let lower = self.lower.iter().map(|folder| ("lowerdir+", folder.as_path()));
        let upper = self.upper.iter().map(|folder| ("upperdir", folder.as_path()));
        let work = self.work.iter().map(|folder| ("workdir", folder.as_path()));
        lower.chain(upper).chain(work)
    }

    fn mount_by_context(&self) -> Result<OwnedFd, OverlayError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |errno| OverlayError { what, errno }
        };
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed("fsopen"))?;
        for (option, folder) in self.folders() {
            fsconfig_set_string(context.as_fd(), option, folder)
                .map_err(|errno| OverlayError { what: format!("{option} {}", folder.display()), errno })?;
        }
        for (option, value) in PLAIN {
            fsconfig_set_string(context.as_fd(), option, value).map_err(failed(option))?;
        }
        if self.volatile {
            fsconfig_set_flag(context.as_fd(), "volatile").map_err(failed("volatile"))?;
        }
        fsconfig_create(context.as_fd()).map_err(failed("create"))?;
        tree::finish(context.as_fd(), 0).map_err(failed("fsmount"))
    }

    /// The way for kernels before 6.5, and for folders with long names.
    fn mount_in_private_namespace(&self) -> Result<OwnedFd, OverlayError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |errno| OverlayError { what, errno }
        };
        let names =
            NewFilesystem { kind: c"tmpfs".to_owned(), source: None, options: Vec::new(), attributes: 0 };
        let names = names.mount().map_err(failed("folder of short names"))?;
        for (index, (option, folder)) in self.folders().enumerate() {
            symlinkat(folder, &names, index.to_string())
                .map_err(|errno| OverlayError { what: format!("{option} {}", folder.display()), errno })?;
        }
        let data = self.short_data().map_err(|_| failed("options")(Errno::INVAL))?;
        let (ours, theirs) = sys::socket::message_pair().map_err(failed("socket"))?;
        let birth = Birth { namespaces: Namespaces::MOUNT, ..Birth::default() };
        let child = clone_process(birth, || {
            let mounted = mount_short(names.as_fd(), &data);
            let sent = match &mounted {
                Ok(mount) => sys::socket::send(theirs.as_fd(), &[0; 4], &[mount.as_fd()]),
                Err(errno) => sys::socket::send(theirs.as_fd(), &errno.raw_os_error().to_ne_bytes(), &[]),
            };
            i32::from(sent.is_err())
        })
        .map_err(failed("clone"))?;
        drop(theirs);
        let mut errno = [0; 4];
        let mut mount = None;
        let received = sys::socket::receive(ours.as_fd(), &mut errno, |fd| mount = Some(fd));
        let _ = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
        received.map_err(failed("socket"))?;
        let errno = Errno::from_raw_os_error(i32::from_ne_bytes(errno).max(1));
        mount.ok_or(OverlayError { what: "mount".to_owned(), errno })
    }

    /// The options by short names: folder n of [`Self::folders`] is called `n`.
    fn short_data(&self) -> Result<CString, std::ffi::NulError> {
        let mut text = String::from("lowerdir=");
        for (index, (option, _)) in self.folders().enumerate() {
            match option {
                "lowerdir+" if index == 0 => text.push('0'),
                "lowerdir+" => text.push_str(&format!(":{index}")),
                other => text.push_str(&format!(",{other}={index}")),
            }
        }
        for (option, value) in PLAIN {
            text.push_str(&format!(",{option}={value}"));
        }
        if self.volatile {
            text.push_str(",volatile");
        }
        CString::new(text)
    }
}

/// The child's part: in its own mount namespace, which the host hears nothing of.
fn mount_short(names: BorrowedFd<'_>, data: &CStr) -> Result<OwnedFd, Errno> {
    let private = AttributeChange { propagation: Some(Propagation::Private), ..AttributeChange::default() };
    match change_attributes_at(CWD, c"/", Reach::Tree, private) {
        Err(Errno::NOSYS) => rustix::mount::mount_change(
            c"/",
            rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC,
        )?,
        other => other?,
    }
    fchdir(names)?;
    // Any folder serves as the place in a namespace that nobody else sees, if no layer lies below it.
    let place = c"/sys";
    mount_classic(c"overlay", place, c"overlay", MountFlags::empty(), Some(data))?;
    tree::clone_cstr(place, Reach::One)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_keep_many_layers_within_a_page() {
        let overlay = Overlay {
            lower: (0..500).map(|n| PathBuf::from(format!("/{}/{n}", "long".repeat(50)))).collect(),
            upper: Some("/u".into()),
            work: Some("/w".into()),
            volatile: true,
        };
        let data = overlay.short_data().unwrap();
        let text = data.to_str().unwrap();
        assert!(text.starts_with("lowerdir=0:1:2:"), "{text}");
        assert!(
            text.ends_with(":499,upperdir=500,workdir=501,index=off,redirect_dir=off,metacopy=off,volatile")
        );
        assert!(text.len() < 4096);
    }
}
