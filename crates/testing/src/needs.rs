//! What a test needs from the machine: where it lacks that, the test says so and passes.

use std::path::Path;

/// What a test needs from the machine; without it the test is skipped, and says so.
///
/// What the development machine lacks is there in the virtual machine: `cargo xtask test --vm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Controllers on hierarchies of their own.
    CgroupV1,
    /// Controllers on the unified hierarchy.
    CgroupV2,
    /// AppArmor, active, and the parser of its profiles.
    AppArmor,
    /// A tmpfs that can be mounted with other ids: Linux 6.3.
    MappedTmpfs,
    /// systemd as the first program.
    Systemd,
}

impl Needs {
    /// What is missing, if it is.
    #[must_use]
    pub fn missing(self) -> Option<&'static str> {
        let reads =
            |file: &str, text: &str| std::fs::read_to_string(file).is_ok_and(|all| all.contains(text));
        let is_v2 = || reads("/sys/fs/cgroup/cgroup.controllers", "memory");
        let (is_there, reason) = match self {
            Self::CgroupV1 => (!is_v2(), "needs cgroup v1"),
            Self::CgroupV2 => (is_v2(), "needs cgroup v2"),
            Self::AppArmor => (reads("/sys/module/apparmor/parameters/enabled", "Y"), "needs AppArmor"),
            Self::MappedTmpfs => (kernel() >= Some((6, 3)), "needs Linux 6.3"),
            Self::Systemd => (Path::new("/run/systemd/system").exists(), "needs systemd"),
        };
        (!is_there).then_some(reason)
    }
}

/// The kernel's version, as 6 and 18 of `6.18.44-x`.
fn kernel() -> Option<(u32, u32)> {
    let uname = rustix::system::uname();
    let release = uname.release().to_str().ok()?;
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Ends the calling test where the machine lacks something: `needs!(CgroupV2, AppArmor);`
#[macro_export]
macro_rules! needs {
    ($($need:ident),+) => {
        if let Some(reason) = [$($crate::Needs::$need),+].into_iter().find_map($crate::Needs::missing) {
            eprintln!("SKIPPED: {reason}");
            return;
        }
    };
}
