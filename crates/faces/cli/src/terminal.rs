//! The terminal: whether there is one, its size, and raw mode with its restoration on every way out.

use rustix::termios::{self, OptionalActions, Termios};
use std::os::fd::AsFd;
use std::sync::Mutex;

/// The mode that the terminal had before it was made raw.
static COOKED: Mutex<Option<Termios>> = Mutex::new(None);

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
}

/// Whether stdin is a terminal.
pub(crate) fn is_stdin() -> bool {
    termios::isatty(rustix::stdio::stdin())
}

/// Whether stdout is a terminal.
pub(crate) fn is_stdout() -> bool {
    termios::isatty(rustix::stdio::stdout())
}

/// Whether stderr is a terminal.
pub(crate) fn is_stderr() -> bool {
    termios::isatty(rustix::stdio::stderr())
}

fn size_of(stream: impl AsFd) -> Option<Size> {
    let size = termios::tcgetwinsize(stream).ok()?;
    Some(Size { rows: size.ws_row, columns: size.ws_col })
}

/// The size of the terminal on stdout, if there is one.
pub(crate) fn size() -> Option<Size> {
    is_stdout().then(|| size_of(rustix::stdio::stdout())).flatten()
}

/// The columns that help is wrapped for: those of the terminal on stdin, or 80.
pub(crate) fn help_columns() -> usize {
    size_of(rustix::stdio::stdin()).map_or(80, |size| usize::from(size.columns))
}

/// The columns that progress bars may use: those of the terminal on stdout, or plenty.
pub(crate) fn progress_columns() -> usize {
    size_of(rustix::stdio::stdout()).map_or(200, |size| usize::from(size.columns))
}

/// Passes every key on as it is typed, if stdin is a terminal; [`restore`] undoes it.
///
/// # Errors
/// The terminal refuses the mode.
pub(crate) fn make_raw() -> Result<(), rustix::io::Errno> {
    let terminal = rustix::stdio::stdin();
    if !termios::isatty(terminal) {
        return Ok(());
    }
    let before = termios::tcgetattr(terminal)?;
    let mut raw = before.clone();
    raw.make_raw();
    if let Ok(mut cooked) = COOKED.lock() {
        cooked.get_or_insert(before);
    }
    termios::tcsetattr(terminal, OptionalActions::Now, &raw)
}

/// Gives the terminal the mode that it had before [`make_raw`]; harmless otherwise.
pub(crate) fn restore() {
    let before = COOKED.lock().ok().and_then(|mut cooked| cooked.take());
    if let Some(before) = before {
        // A terminal that has gone needs no mode.
        let _ = termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &before);
    }
}

/// Makes a panic restore the terminal before it says what is wrong.
pub(crate) fn restore_on_panic() {
    let shown = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        shown(panic);
    }));
}
