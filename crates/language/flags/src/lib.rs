//! Docker's command-line grammar and help layout, from tables of flags; knows no command.
//!
//! A command declares its flags once, as `const` tables of [`Flag`]. From the tables come the parser ([`Grammar`]),
//! the error texts ([`ParseError`]) and the help page ([`Page`]). The grammar is the one of the `pflag` library that
//! Docker's own client uses: clusters of shorthands (`-itd`), glued values (`-p8080:80`), `--flag=value`, booleans that
//! take a value only after `=`, and an optional end of flags at the first positional (`docker run IMAGE -x`).
//!
//! ```
//! use flags::{Flag, Grammar, Positionals};
//! const RUN: &[Flag] = &[
//!     Flag::switch("interactive", "Keep STDIN open").short('i'),
//!     Flag::switch("tty", "Allocate a pseudo-TTY").short('t'),
//!     Flag::list("publish", "Publish a port").short('p'),
//! ];
//! let typed = Grammar::new(&[RUN], Positionals::EndFlags).parse(["-itp8080:80", "web", "-x"]).unwrap();
//! assert!(typed.is_on("tty"));
//! assert_eq!(typed.all("publish"), ["8080:80"]);
//! assert_eq!(typed.positionals, ["web", "-x"]);
//! ```

mod error;
mod flag;
mod grammar;
mod help;
mod value;

pub use error::ParseError;
pub use flag::{Check, Flag, Kind};
pub use grammar::{Grammar, Positionals, Typed};
pub use help::{Page, Section, options_text};
pub use value::{check_duration, parse_bool, parse_duration, parse_int, parse_uint, quote, split_csv};
