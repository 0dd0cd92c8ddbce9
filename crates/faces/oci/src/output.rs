//! The one writer to stdout and stderr.

use std::io::Write;

/// Writes to stdout; that nobody reads it is no failure.
pub(crate) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to stderr.
pub(crate) fn error(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
