//! The words of a filter document that are understood: what `features` prints.

use sys::seccomp::{FLAG_LOG, FLAG_SPEC_ALLOW, FLAG_WAIT_KILLABLE_RECV, is_flag_known};

/// Flags by their names. There is one thread when a filter is installed, so that to synchronise is to do nothing.
const FLAGS: [(&str, u32); 4] = [
    ("SECCOMP_FILTER_FLAG_TSYNC", 0),
    ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", FLAG_SPEC_ALLOW),
    ("SECCOMP_FILTER_FLAG_LOG", FLAG_LOG),
    ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", FLAG_WAIT_KILLABLE_RECV),
];

/// The names of actions, sorted.
#[must_use]
pub fn actions() -> &'static [&'static str] {
    &[
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_KILL_THREAD",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP",
    ]
}

/// The names of comparisons, sorted.
#[must_use]
pub fn operators() -> &'static [&'static str] {
    &[
        "SCMP_CMP_EQ",
        "SCMP_CMP_GE",
        "SCMP_CMP_GT",
        "SCMP_CMP_LE",
        "SCMP_CMP_LT",
        "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE",
    ]
}

/// The names of architectures that documents may contain, sorted. Of those without a table every call is killed, which
/// changes nothing on a kernel that cannot make them.
#[must_use]
pub fn archs() -> &'static [&'static str] {
    &[
        "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_ARM",
        "SCMP_ARCH_LOONGARCH64",
        "SCMP_ARCH_MIPS",
        "SCMP_ARCH_MIPS64",
        "SCMP_ARCH_MIPS64N32",
        "SCMP_ARCH_MIPSEL",
        "SCMP_ARCH_MIPSEL64",
        "SCMP_ARCH_MIPSEL64N32",
        "SCMP_ARCH_PPC",
        "SCMP_ARCH_PPC64",
        "SCMP_ARCH_PPC64LE",
        "SCMP_ARCH_RISCV64",
        "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X86_64",
    ]
}

/// The names of flags.
#[must_use]
pub fn flags() -> Vec<&'static str> {
    FLAGS.map(|(name, _)| name).to_vec()
}

/// The names of flags that this kernel takes.
#[must_use]
pub fn supported_flags() -> Vec<&'static str> {
    FLAGS.iter().filter(|(_, flag)| *flag == 0 || is_flag_known(*flag)).map(|(name, _)| *name).collect()
}

/// A flag by its name.
pub(super) fn flag(name: &str) -> Option<u32> {
    FLAGS.iter().find(|(known, _)| *known == name).map(|(_, flag)| *flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{Action, Compare};

    #[test]
    fn each_known_word_is_one_that_documents_are_read_with() {
        for name in actions() {
            serde_json::from_value::<Action>((*name).into()).unwrap();
        }
        for name in operators() {
            serde_json::from_value::<Compare>((*name).into()).unwrap();
        }
        for arch in super::super::Arch::ALL {
            assert!(archs().contains(&arch.scmp()));
        }
        assert!([actions(), operators(), archs()].iter().all(|names| names.is_sorted()));
    }

    #[test]
    fn this_kernel_takes_the_old_flags() {
        assert!(
            supported_flags().starts_with(&["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"])
        );
        assert!(!is_flag_known(1 << 30));
    }
}
