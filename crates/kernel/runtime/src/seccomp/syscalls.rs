//! Numbers of system calls by name and architecture: a table that the compiler builds, found by hash.

/// `name`, then the number on each architecture of [`Arch::column`]; a dash where there is none.
const SOURCE: &str = include_str!("syscalls.tsv");

/// Stands for a dash.
const NONE: u16 = u16::MAX;

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

    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::X86_64, Self::X86, Self::X32, Self::Aarch64];

    /// By the name in documents (`SCMP_ARCH_X86_64`); nothing for those without a table.
    #[must_use]
    pub fn from_scmp(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.scmp() == name)
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

    /// Whether arguments have 32 bits: the upper half that a filter sees is zero.
    pub(crate) fn is_narrow(self) -> bool {
        self == Self::X86
    }

    fn column(self) -> usize {
        match self {
            Self::X86_64 => 0,
            Self::X86 => 1,
            Self::X32 => 2,
            Self::Aarch64 => 3,
        }
    }
}

/// A system call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Syscall {
    name: &'static str,
    numbers: [u16; 4],
}

impl Syscall {
    /// By name; nothing for those that no kernel known here has.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        let mut slot = hash(name.as_bytes()) as usize % SLOTS;
        loop {
            let call = CALLS.get(usize::from(*INDEX.get(slot)?))?;
            if call.name == name {
                return Some(call);
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// Its number; that of x32 without its bit.
    pub(crate) fn number(&self, arch: Arch) -> Option<u32> {
        self.numbers.get(arch.column()).filter(|number| **number != NONE).map(|number| u32::from(*number))
    }
}

const COUNT: usize = {
    let bytes = SOURCE.as_bytes();
    let mut count = 0;
    let mut at = 0;
    let mut is_start = true;
    while at < bytes.len() {
        if is_start && bytes[at] != b'#' {
            count += 1;
        }
        is_start = bytes[at] == b'\n';
        at += 1;
    }
    count
};

static CALLS: [Syscall; COUNT] = read_table();

/// Twice as many as calls, and more: most are found at the first look.
const SLOTS: usize = 1024;

/// Where in [`CALLS`] a call is, by the hash of its name; the next free slot when that is taken.
static INDEX: [u16; SLOTS] = {
    let mut index = [NONE; SLOTS];
    let mut number = 0;
    while number < COUNT {
        let mut slot = hash(CALLS[number].name.as_bytes()) as usize % SLOTS;
        while index[slot] != NONE {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = small(number);
        number += 1;
    }
    index
};

/// FNV-1a.
const fn hash(bytes: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

#[allow(clippy::cast_possible_truncation, reason = "checked, when this is compiled")]
const fn small(number: usize) -> u16 {
    assert!(number < NONE as usize);
    number as u16
}

const fn read_table() -> [Syscall; COUNT] {
    let mut calls = [Syscall { name: "", numbers: [NONE; 4] }; COUNT];
    let mut rest = SOURCE.as_bytes();
    let mut count = 0;
    while let Some((line, after)) = cut(rest, b'\n') {
        rest = after;
        if line[0] == b'#' {
            continue;
        }
        let Some((name, mut fields)) = cut(line, b'\t') else { panic!("a line without numbers") };
        let Ok(name) = std::str::from_utf8(name) else { panic!("a name that is no text") };
        calls[count].name = name;
        let mut column = 0;
        while column < 4 {
            let (field, after) = match cut(fields, b'\t') {
                Some(parts) => parts,
                None => (fields, fields),
            };
            fields = after;
            if field[0] != b'-' {
                calls[count].numbers[column] = decimal(field);
            }
            column += 1;
        }
        count += 1;
    }
    calls
}

/// What stands before the first `border`, and after it.
const fn cut(bytes: &[u8], border: u8) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == border {
            let (before, after) = bytes.split_at(at);
            return Some((before, after.split_at(1).1));
        }
        at += 1;
    }
    None
}

const fn decimal(digits: &[u8]) -> u16 {
    let mut number = 0;
    let mut at = 0;
    while at < digits.len() {
        number = number * 10 + (digits[at] - b'0') as usize;
        at += 1;
    }
    small(number)
}

/// All calls of an architecture.
#[cfg(test)]
pub(crate) fn all(arch: Arch) -> impl Iterator<Item = (&'static str, u32)> {
    CALLS.iter().filter_map(move |call| Some((call.name, call.number(arch)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(arch: Arch, name: &str) -> Option<u32> {
        Syscall::find(name)?.number(arch)
    }

    #[test]
    fn well_known_calls_have_their_numbers() {
        assert_eq!(number(Arch::X86_64, "read"), Some(0));
        assert_eq!(number(Arch::X86_64, "execve"), Some(59));
        assert_eq!(number(Arch::X86, "execve"), Some(11));
        assert_eq!(number(Arch::X32, "execve"), Some(520));
        assert_eq!(number(Arch::Aarch64, "execve"), Some(221));
        assert_eq!(number(Arch::Aarch64, "open"), None);
        assert_eq!(number(Arch::X86, "mseal"), Some(462));
        assert_eq!(number(Arch::X86_64, "no_such_call"), None);
        assert_eq!(number(Arch::X86_64, ""), None);
    }

    #[test]
    fn every_line_of_the_source_is_found() {
        let lines: Vec<_> = SOURCE.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines.len(), COUNT);
        for line in lines {
            let fields: Vec<_> = line.split('\t').collect();
            for arch in Arch::ALL {
                assert_eq!(number(arch, fields[0]), fields[1 + arch.column()].parse().ok(), "{line}");
            }
        }
    }

    #[test]
    fn x32_has_the_numbers_of_x86_64_below_512() {
        for (name, own) in all(Arch::X32).filter(|(_, own)| *own < 512) {
            assert_eq!(number(Arch::X86_64, name), Some(own), "{name}");
        }
    }
}
