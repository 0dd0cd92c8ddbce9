//! Numbers of system calls by name and architecture.

use std::collections::HashMap;

/// `name`, then the number on each architecture of [`Arch::column`].
const TABLE: &str = include_str!("syscalls.tsv");

/// Architectures whose calls can be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    X86,
    /// 32-bit pointers on 64-bit x86.
    X32,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// The architecture this program was built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The architecture this program was built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// By the name in documents (`SCMP_ARCH_X86_64`); nothing for those without a table.
    #[must_use]
    pub fn from_scmp(name: &str) -> Option<Self> {
        Some(match name {
            "SCMP_ARCH_X86_64" => Self::X86_64,
            "SCMP_ARCH_X86" => Self::X86,
            "SCMP_ARCH_X32" => Self::X32,
            "SCMP_ARCH_AARCH64" => Self::Aarch64,
            _ => return None,
        })
    }

    /// The name in documents.
    #[must_use]
    pub fn scmp(self) -> &'static str {
        match self {
            Self::X86_64 => "SCMP_ARCH_X86_64",
            Self::X86 => "SCMP_ARCH_X86",
            Self::X32 => "SCMP_ARCH_X32",
            Self::Aarch64 => "SCMP_ARCH_AARCH64",
        }
    }

    /// The name in a profile's `includes` and `excludes`.
    #[must_use]
    pub fn go_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::X86 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "arm64",
        }
    }

    /// What the kernel shows a filter (`AUDIT_ARCH_…`, linux/audit.h); x32 shares that of x86-64.
    #[must_use]
    pub fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    fn column(self) -> usize {
        match self {
            Self::X86_64 => 0,
            Self::X86 => 1,
            Self::X32 => 2,
            Self::Aarch64 => 3,
        }
    }

    /// All numbers by name; those of x32 without its bit.
    #[must_use]
    pub fn numbers(self) -> HashMap<&'static str, u32> {
        let line = |line: &'static str| {
            let mut fields = line.split('\t');
            let name = fields.next()?;
            Some((name, fields.nth(self.column())?.parse().ok()?))
        };
        TABLE.lines().filter(|text| !text.starts_with('#')).filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_calls_have_their_numbers() {
        let number = |arch: Arch, name: &str| arch.numbers().get(name).copied();
        assert_eq!(number(Arch::X86_64, "read"), Some(0));
        assert_eq!(number(Arch::X86_64, "execve"), Some(59));
        assert_eq!(number(Arch::X86, "execve"), Some(11));
        assert_eq!(number(Arch::X32, "execve"), Some(520));
        assert_eq!(number(Arch::Aarch64, "execve"), Some(221));
        assert_eq!(number(Arch::Aarch64, "open"), None);
        assert_eq!(number(Arch::X86, "mseal"), Some(462));
    }
}
