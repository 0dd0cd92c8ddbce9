//! What can be wrong with typed words, in the words of Docker's client.

use crate::value::quote;

/// A command line that does not follow its table. The texts are those of Docker 28.5.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A long name that the table does not have.
    #[error("unknown flag: --{0}")]
    Unknown(String),
    /// A letter that the table does not have; `cluster` is the rest of the word from there on.
    #[error("unknown shorthand flag: '{letter}' in -{cluster}")]
    UnknownShort {
        /// The letter.
        letter: char,
        /// The letters from that one on.
        cluster: String,
    },
    /// A flag that needs a value stands last.
    #[error("flag needs an argument: {0}")]
    NoValue(String),
    /// The same for a letter.
    #[error("flag needs an argument: '{letter}' in -{cluster}")]
    NoValueShort {
        /// The letter.
        letter: char,
        /// The letters from that one on.
        cluster: String,
    },
    /// `--=x`, `---x`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// A value that its flag does not take.
    #[error("invalid argument {} for \"{label}\" flag: {cause}", quote(.value))]
    Invalid {
        /// What was typed.
        value: String,
        /// The flag as errors name it: `-m, --memory`.
        label: String,
        /// Why it cannot be taken.
        cause: String,
    },
}
