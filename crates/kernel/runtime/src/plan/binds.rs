//! What the options of a bind mount make of the mount that it shows.

use sys::mount::{
    ATIME_FIELD, AttributeChange, NO_ATIME, NO_DEVICES, NO_DIR_ATIME, NO_EXEC, NO_SUID, NO_SYMFOLLOW,
    READ_ONLY, STRICT_ATIME,
};

/// Attributes that the copy of a mount in a user namespace cannot lose.
const LOCKED: u64 = READ_ONLY | NO_SUID | NO_DEVICES | NO_EXEC;
const ATIME: u64 = ATIME_FIELD | NO_DIR_ATIME;

/// Attributes of a bind mount: those of its source where no option names any; else just those that are named, and the
/// source's mode of access times unless one is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BindAttributes {
    change: AttributeChange,
    /// What options switch off by name.
    named: u64,
    /// Whether the source's own stay, as a user namespace has it.
    keeps: bool,
}

impl BindAttributes {
    pub(crate) fn new(options: AttributeChange, has_user_namespace: bool) -> Self {
        let AttributeChange { set, clear, .. } = options;
        if (set, clear) == (0, 0) {
            return Self::default();
        }
        let names_atime = clear & ATIME_FIELD != 0 || set & ATIME != 0;
        let others = (LOCKED | NO_SYMFOLLOW) & !set;
        let clear_all = others | if names_atime { ATIME & !(set & NO_DIR_ATIME) } else { 0 };
        let change = AttributeChange { set, clear: clear_all, propagation: None };
        Self { change, named: clear & LOCKED, keeps: has_user_namespace }
    }

    /// The change for a source that has these attributes; none when it would take away what it cannot.
    pub(crate) fn on(self, source: u64) -> Option<AttributeChange> {
        let AttributeChange { set, clear, propagation } = self.change;
        if !self.keeps || (set, clear) == (0, 0) {
            return Some(self.change);
        }
        let names_atime = clear & ATIME_FIELD != 0;
        if source & self.named != 0 || names_atime && set & ATIME != source & ATIME {
            return None;
        }
        Some(AttributeChange { set: set & !ATIME, clear: clear & !ATIME & !(source & LOCKED), propagation })
    }

    /// Whether nothing changes, whatever the source.
    pub(crate) fn is_none(self) -> bool {
        self.change == AttributeChange::default()
    }

    /// Whether the answer depends on the source.
    pub(crate) fn asks_source(self) -> bool {
        self.keeps && !self.is_none()
    }
}

/// Attributes from the flags of `statvfs(3)`.
pub(crate) fn attributes_of(flags: u64) -> u64 {
    let pairs = [
        (0x1, READ_ONLY),
        (0x2, NO_SUID),
        (0x4, NO_DEVICES),
        (0x8, NO_EXEC),
        (0x400, NO_ATIME),
        (0x800, NO_DIR_ATIME),
        (0x2000, NO_SYMFOLLOW),
    ];
    // Neither never nor relatively: always.
    let atime = if flags & 0x1400 == 0 { STRICT_ATIME } else { 0 };
    pairs.iter().filter(|(flag, _)| flags & flag != 0).fold(atime, |bits, (_, bit)| bits | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(options: &str, has_user_namespace: bool) -> BindAttributes {
        let options = mount::options::parse(&options.split(',').collect::<Vec<_>>()).unwrap();
        BindAttributes::new(options.attributes, has_user_namespace)
    }

    /// What becomes of a source with these attributes.
    fn result(options: &str, has_user_namespace: bool, source: u64) -> Option<u64> {
        let change = parsed(options, has_user_namespace).on(source)?;
        assert_eq!(change.set & change.clear & !ATIME_FIELD, 0, "the kernel refuses that");
        assert!(change.clear & ATIME_FIELD == ATIME_FIELD || (change.set | change.clear) & ATIME_FIELD == 0);
        Some(source & !change.clear | change.set)
    }

    #[test]
    fn without_an_option_a_bind_is_as_its_source() {
        assert!(parsed("bind,rprivate", false).is_none());
        assert_eq!(result("bind", false, READ_ONLY | NO_SUID), Some(READ_ONLY | NO_SUID));
    }

    #[test]
    fn what_is_not_named_is_off_but_for_access_times() {
        assert_eq!(result("bind,nosuid", false, READ_ONLY | NO_EXEC | NO_ATIME), Some(NO_SUID | NO_ATIME));
        assert_eq!(result("bind,dev", false, READ_ONLY | NO_SYMFOLLOW | NO_DIR_ATIME), Some(NO_DIR_ATIME));
        assert_eq!(result("bind,atime", false, NO_ATIME), Some(NO_ATIME));
        assert_eq!(result("bind,relatime", false, NO_ATIME), Some(0));
        assert_eq!(result("bind,nodiratime", false, NO_ATIME), Some(NO_DIR_ATIME));
        assert_eq!(result("bind,nodiratime,strictatime", false, NO_ATIME), Some(NO_DIR_ATIME | STRICT_ATIME));
    }

    #[test]
    fn a_user_namespace_loses_nothing_of_its_source() {
        let source = READ_ONLY | NO_EXEC | NO_SYMFOLLOW | NO_ATIME;
        assert_eq!(result("bind,nosuid", true, source), Some(READ_ONLY | NO_EXEC | NO_SUID | NO_ATIME));
        assert_eq!(result("bind,rw", true, source), None);
        assert_eq!(result("bind,relatime", true, source), None);
        assert_eq!(result("bind,noatime,ro", true, source), Some(READ_ONLY | NO_EXEC | NO_ATIME));
        assert_eq!(result("bind,rw", true, NO_SUID), Some(NO_SUID));
    }

    #[test]
    fn flags_of_a_file_system_become_attributes() {
        assert_eq!(attributes_of(0x1000 | 0x1 | 0x8), READ_ONLY | NO_EXEC);
        assert_eq!(attributes_of(0x400 | 0x800), NO_ATIME | NO_DIR_ATIME);
        assert_eq!(attributes_of(0), STRICT_ATIME);
    }
}
