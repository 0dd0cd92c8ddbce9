//! The name the program was called by, which its texts use.

use std::path::Path;

/// What the program is called as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `gantry`: hints are shown, an engine is started when needed.
    Gantry,
    /// `docker`: behaves as Docker's own client does.
    Docker,
}

impl Program {
    /// Reads the program's name from `argv[0]`.
    pub fn from_argument(argument: &str) -> Program {
        match Path::new(argument).file_name().and_then(|name| name.to_str()) {
            Some("docker") => Program::Docker,
            _ => Program::Gantry,
        }
    }

    /// The name in texts.
    pub fn name(self) -> &'static str {
        match self {
            Program::Gantry => "gantry",
            Program::Docker => "docker",
        }
    }
}
