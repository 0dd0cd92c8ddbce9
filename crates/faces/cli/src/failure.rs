//! Why a command failed: a text, perhaps a hint, and the exit code.

use crate::output;
use crate::program::Program;

/// Exit code of a command whose words were wrong, and of `run` when the daemon fails.
pub(crate) const USAGE: u8 = 125;
/// Exit code of `run` when the command is there and cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// Exit code of `run` when the command is not there.
pub(crate) const NOT_FOUND: u8 = 127;

/// A command's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For stderr; empty if everything was said already.
    pub(crate) text: String,
    /// What the daemon advises; shown by `gantry`.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) code: u8,
}

impl Failure {
    /// A failure with the exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), hint: None, code: 1 }
    }

    /// Nothing to say: the process of a container ended with `code`.
    pub(crate) fn exit(code: i64) -> Failure {
        // What a shell would see of a code beyond a byte.
        let code = u8::try_from(code & 0xff).unwrap_or(1);
        Failure { text: String::new(), hint: None, code }
    }

    /// The same failure with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Failure {
        Failure { code, ..self }
    }

    /// One failure for several, each on a line of its own; none if all went well.
    pub(crate) fn join(failures: Vec<Failure>) -> Result<(), Failure> {
        if failures.is_empty() {
            return Ok(());
        }
        let text: Vec<&str> = failures.iter().map(|failure| failure.text.as_str()).collect();
        let hints: Vec<&str> = failures.iter().filter_map(|failure| failure.hint.as_deref()).collect();
        let hint = (!hints.is_empty()).then(|| hints.join("\n"));
        Err(Failure { text: text.join("\n"), hint, code: 1 })
    }

    /// Writes it to stderr.
    pub(crate) fn show(&self, program: Program) {
        if !self.text.is_empty() {
            output::error_line(&self.text);
        }
        if let (Some(hint), Program::Gantry) = (&self.hint, program) {
            output::error_line(&format!("hint: {hint}"));
        }
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Failure {
        Failure { text: error.to_string(), hint: error.hint().map(str::to_owned), code: 1 }
    }
}

/// A [`Failure`] with a formatted text.
macro_rules! fail {
    ($($text:tt)*) => { $crate::failure::Failure::new(format!($($text)*)) };
}
pub(crate) use fail;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_bytes() {
        assert_eq!(Failure::exit(7).code, 7);
        assert_eq!(Failure::exit(-1).code, 255);
        assert_eq!(Failure::exit(3_221_225_786).code, 58);
    }

    #[test]
    fn several_failures_become_one() {
        assert_eq!(Failure::join(Vec::new()), Ok(()));
        let hinted = Failure { hint: Some("try".to_owned()), ..Failure::new("b") };
        let joined = Failure::join(vec![Failure::new("a"), hinted]).unwrap_err();
        assert_eq!((joined.text.as_str(), joined.hint.as_deref(), joined.code), ("a\nb", Some("try"), 1));
    }
}
