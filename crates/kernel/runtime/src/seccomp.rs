//! System call filters: a profile is resolved for a container, compiled to classic BPF, and kept by its hash.
//!
//! profile (moby's JSON) → [`Profile::resolve`] → OCI rules → [`compile()`] → [`Program`] → `seccomp(2)`.
//! [`Cache`] hands a compiled filter to another process.

mod assemble;
mod cache;
mod compile;
mod condition;
pub mod known;
mod listener;
mod profile;
mod syscalls;

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use sys::seccomp::Instruction;

pub use cache::Cache;
pub use compile::compile;
pub use listener::Listener;
pub use profile::{Host, Profile};
pub use syscalls::Arch;

/// A compiled filter, ready to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub(crate) instructions: Vec<Instruction>,
    pub(crate) flags: u32,
}

/// Why a filter cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// The profile is not the JSON it should be.
    #[error("Decoding seccomp profile failed: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The profile contradicts itself or asks for what is not supported.
    #[error("{0}")]
    Invalid(String),
    /// A compiled filter could not be read.
    #[error("cannot read compiled seccomp filter {}", path.display())]
    Cache {
        /// The file.
        path: std::path::PathBuf,
        /// The reason.
        #[source]
        cause: std::io::Error,
    },
}

/// First bytes of a compiled filter in a file; changes with the compiler.
const MAGIC: &[u8; 8] = b"gtryscf2";

impl Program {
    /// How many instructions it has; the kernel takes up to 4096.
    #[must_use]
    pub fn len(&self) -> usize {
        self.instructions.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instructions.is_empty()
    }

    /// The flags of `seccomp(2)` that it is installed with.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Installs it on the calling thread, for ever. Gives the listener that [`Action::Notify`] asks for.
    ///
    /// [`Action::Notify`]: oci_spec::runtime::Action::Notify
    ///
    /// # Errors
    /// See [`sys::seccomp::install`].
    pub fn install(&self) -> Result<Option<OwnedFd>, Errno> {
        sys::seccomp::install(&self.instructions, self.flags)
    }

    /// The bytes for a file or a message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16 + self.instructions.len() * 8);
        bytes.extend(MAGIC);
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(u32::try_from(self.instructions.len()).unwrap_or(u32::MAX).to_le_bytes());
        for one in &self.instructions {
            bytes.extend(one.code.to_le_bytes());
            bytes.extend([one.jump_true, one.jump_false]);
            bytes.extend(one.operand.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Program::to_bytes`] wrote; nothing for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (flags, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (instructions, []) = rest.as_chunks::<8>() else { return None };
        if u32::try_from(instructions.len()).ok()? != u32::from_le_bytes(*count) || instructions.is_empty() {
            return None;
        }
        let read = |[low, high, jump_true, jump_false, operand @ ..]: &[u8; 8]| Instruction {
            code: u16::from_le_bytes([*low, *high]),
            jump_true: *jump_true,
            jump_false: *jump_false,
            operand: u32::from_le_bytes(*operand),
        };
        Some(Self {
            instructions: instructions.iter().map(read).collect(),
            flags: u32::from_le_bytes(*flags),
        })
    }

    /// Reads a file that [`Cache`] wrote.
    ///
    /// # Errors
    /// [`SeccompError::Cache`], also for a file that is something else.
    pub fn load(path: &std::path::Path) -> Result<Self, SeccompError> {
        let failed = |cause| SeccompError::Cache { path: path.to_owned(), cause };
        let bytes = std::fs::read(path).map_err(failed)?;
        Self::from_bytes(&bytes).ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))
    }
}
