//! Mount options as fstab(5), the OCI specification and Docker write them.

use std::ffi::{CString, NulError};

use sys::mount::{
    ATIME_FIELD, AttributeChange, NO_ATIME, NO_DEVICES, NO_DIR_ATIME, NO_EXEC, NO_SUID, NO_SYMFOLLOW,
    Propagation, READ_ONLY, Reach, STRICT_ATIME,
};

/// What a list of options means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountOptions {
    /// Whether it is a bind mount, and of how much.
    pub bind: Option<Bind>,
    /// Attributes of the one mount.
    pub attributes: AttributeChange,
    /// Attributes of the mount and all below (`rro` …).
    pub recursive: AttributeChange,
    /// Propagation, in the order given.
    pub propagation: Vec<(Propagation, Reach)>,
    /// Whether what the mount covers is copied into it (`tmpcopyup`).
    pub copies_up: bool,
    /// Whether ids are mapped (`idmap`), of the one mount or of all below it, too (`ridmap`).
    pub maps_ids: Option<Reach>,
    /// Flags of the whole file system (`sync`, `lazytime` …).
    pub superblock: Vec<CString>,
    /// What remains: options of the file system.
    pub data: Vec<(CString, Option<CString>)>,
}

/// Reach of a bind mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// The one mount.
    One,
    /// With all mounts below.
    Tree,
}

impl From<Bind> for Reach {
    fn from(bind: Bind) -> Self {
        match bind {
            Bind::One => Self::One,
            Bind::Tree => Self::Tree,
        }
    }
}

/// Reads a list of options; later ones win.
///
/// # Errors
/// An option with a NUL byte in it.
pub fn parse<S: AsRef<str>>(options: &[S]) -> Result<MountOptions, NulError> {
    let mut parsed = MountOptions::default();
    for option in options.iter().map(AsRef::as_ref) {
        if option == "atime" {
            // Takes `noatime` back; by itself it says nothing about a mount that is there already.
            parsed.attributes.set &= !NO_ATIME;
        } else if option == "ratime" {
            apply(&mut parsed.recursive, (ATIME_FIELD, 0));
        } else if let Some(change) = attribute(option) {
            apply(&mut parsed.attributes, change);
        } else if let Some(change) = option.strip_prefix('r').and_then(attribute) {
            apply(&mut parsed.recursive, change);
        } else if let Some(propagation) = propagation(option) {
            parsed.propagation.push((propagation, Reach::One));
        } else if let Some(propagation) = option.strip_prefix('r').and_then(propagation) {
            parsed.propagation.push((propagation, Reach::Tree));
        } else {
            match option {
                "bind" => parsed.bind = Some(Bind::One),
                "rbind" => parsed.bind = Some(Bind::Tree),
                "tmpcopyup" => parsed.copies_up = true,
                "idmap" => parsed.maps_ids = Some(Reach::One),
                "ridmap" => parsed.maps_ids = Some(Reach::Tree),
                // Of the superblock: the new mount API has words for them, and binds have no say in them.
                "sync" | "dirsync" | "lazytime" | "mand" => parsed.superblock.push(CString::new(option)?),
                // What the kernel does anyway, and what the new mount API has no word for.
                "" | "defaults" | "async" | "norelatime" | "nostrictatime" | "rnorelatime"
                | "rnostrictatime" | "loud" | "silent" | "remount" | "nomand" | "iversion" | "noiversion"
                | "nolazytime" => {}
                other => parsed.data.push(datum(other)?),
            }
        }
    }
    Ok(parsed)
}

/// Every word that means the same for each file system, in order; anything else is an option of the file system itself.
pub const WORDS: [&str; 62] = [
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "iversion",
    "lazytime",
    "loud",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "noiversion",
    "nolazytime",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "nosymfollow",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "silent",
    "slave",
    "strictatime",
    "suid",
    "symfollow",
    "sync",
    "tmpcopyup",
    "unbindable",
];

fn datum(option: &str) -> Result<(CString, Option<CString>), NulError> {
    Ok(match option.split_once('=') {
        Some((name, value)) => (CString::new(name)?, Some(CString::new(value)?)),
        None => (CString::new(option)?, None),
    })
}

/// Bits to clear, then bits to set.
type Bits = (u64, u64);

fn attribute(option: &str) -> Option<Bits> {
    Some(match option {
        "ro" => (0, READ_ONLY),
        "rw" => (READ_ONLY, 0),
        "nosuid" => (0, NO_SUID),
        "suid" => (NO_SUID, 0),
        "nodev" => (0, NO_DEVICES),
        "dev" => (NO_DEVICES, 0),
        "noexec" => (0, NO_EXEC),
        "exec" => (NO_EXEC, 0),
        "noatime" => (ATIME_FIELD, NO_ATIME),
        "strictatime" => (ATIME_FIELD, STRICT_ATIME),
        "relatime" => (ATIME_FIELD, 0),
        "nodiratime" => (0, NO_DIR_ATIME),
        "diratime" => (NO_DIR_ATIME, 0),
        "nosymfollow" => (0, NO_SYMFOLLOW),
        "symfollow" => (NO_SYMFOLLOW, 0),
        _ => return None,
    })
}

fn apply(change: &mut AttributeChange, (clear, set): Bits) {
    change.set = change.set & !clear | set;
    // The kernel wants the whole field of access time modes cleared, and no other bit both set and cleared.
    change.clear = change.clear & !(set & !ATIME_FIELD) | clear;
}

fn propagation(option: &str) -> Option<Propagation> {
    Some(match option {
        "private" => Propagation::Private,
        "shared" => Propagation::Shared,
        "slave" => Propagation::Slave,
        "unbindable" => Propagation::Unbindable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> MountOptions {
        parse(&text.split(',').collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_volume_of_docker_is_a_recursive_private_bind() {
        assert_eq!(
            parsed("rbind,ro,rprivate"),
            MountOptions {
                bind: Some(Bind::Tree),
                attributes: AttributeChange { set: READ_ONLY, clear: 0, propagation: None },
                propagation: vec![(Propagation::Private, Reach::Tree)],
                ..MountOptions::default()
            }
        );
    }

    #[test]
    fn recursive_attributes_are_told_from_plain_ones_and_from_propagation() {
        let options = parsed("rro,rnosuid,rslave,rw,relatime,rrelatime");
        assert_eq!(options.recursive.set, READ_ONLY | NO_SUID);
        assert_eq!(options.recursive.clear, ATIME_FIELD);
        assert_eq!(
            options.attributes,
            AttributeChange { set: 0, clear: READ_ONLY | ATIME_FIELD, propagation: None }
        );
        assert_eq!(options.propagation, [(Propagation::Slave, Reach::Tree)]);
    }

    #[test]
    fn the_last_of_two_opposites_wins() {
        assert_eq!(
            parsed("ro,rw").attributes,
            AttributeChange { set: 0, clear: READ_ONLY, propagation: None }
        );
        assert_eq!(
            parsed("rw,ro").attributes,
            AttributeChange { set: READ_ONLY, clear: 0, propagation: None }
        );
        assert_eq!(parsed("noatime,strictatime").attributes.set, STRICT_ATIME);
    }

    #[test]
    fn what_is_not_known_goes_to_the_file_system() {
        let options = parsed("nosuid,mode=755,size=65536k,inode32,tmpcopyup");
        let data = [
            (c"mode".to_owned(), Some(c"755".to_owned())),
            (c"size".to_owned(), Some(c"65536k".to_owned())),
            (c"inode32".to_owned(), None),
        ];
        assert_eq!(options.data, data);
        assert!(options.copies_up);
        assert!(parse(&["a\0b"]).is_err());
    }

    #[test]
    fn no_listed_word_goes_to_the_file_system_and_all_are_in_order() {
        for word in WORDS {
            assert!(parse(&[word]).unwrap().data.is_empty(), "{word}");
        }
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn every_word_of_the_specification_is_known() {
        let plain = [
            "async",
            "atime",
            "bind",
            "defaults",
            "dev",
            "diratime",
            "dirsync",
            "exec",
            "iversion",
            "lazytime",
            "loud",
            "noatime",
            "nodev",
            "nodiratime",
            "noexec",
            "noiversion",
            "nolazytime",
            "norelatime",
            "nostrictatime",
            "nosuid",
            "nosymfollow",
            "private",
            "relatime",
            "remount",
            "ro",
            "rw",
            "shared",
            "silent",
            "slave",
            "strictatime",
            "suid",
            "symfollow",
            "sync",
            "unbindable",
            "idmap",
            "tmpcopyup",
            "mand",
            "nomand",
        ];
        let recursive = [
            "rbind",
            "rprivate",
            "rshared",
            "rslave",
            "runbindable",
            "ratime",
            "rdev",
            "rdiratime",
            "rexec",
            "rnoatime",
            "rnodev",
            "rnodiratime",
            "rnoexec",
            "rnorelatime",
            "rnostrictatime",
            "rnosuid",
            "rnosymfollow",
            "rrelatime",
            "rro",
            "rrw",
            "rstrictatime",
            "rsuid",
            "rsymfollow",
            "ridmap",
        ];
        for word in plain.into_iter().chain(recursive) {
            assert_eq!(parsed(word).data, [], "{word}");
        }
        assert_eq!(parsed("sync,lazytime").superblock, [c"sync".to_owned(), c"lazytime".to_owned()]);
        assert_eq!(parsed("ridmap").maps_ids, Some(Reach::Tree));
    }
}
