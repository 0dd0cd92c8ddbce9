//! `kill`.

use container::ContainerError;

use super::{Arguments, Command, name};
use crate::Failure;
use crate::grammar::{Grammar, switch};

pub(crate) static COMMAND: Command = Command {
    name: "kill",
    help: "kill sends the specified signal (default: SIGTERM) to the container's init process",
    usage: "<container-id> [signal]",
    // Obsolete, and of no effect where containers have their own PID namespace.
    grammar: Grammar { flags: &[switch(&["all", "a"], "")], stops_at_word: false },
    arguments: Arguments::Between(1, 2),
    run: |globals, asked, _| {
        let container = globals.home().find(name(asked)?)?;
        let wanted = asked.words.get(1).map_or("", String::as_str);
        let signal = number(if wanted.is_empty() { "SIGTERM" } else { wanted })?;
        match container.signal(signal) {
            Err(ContainerError::NotRunning) if asked.is_on("all") => Ok(0),
            other => Ok(other.map(|()| 0)?),
        }
    },
};

/// Linux's names (signal(7)), by number from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

fn number(text: &str) -> Result<i32, Failure> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let name = match name {
        "IOT" => "ABRT",
        "CLD" => "CHLD",
        "POLL" => "IO",
        other => other,
    };
    let found = NAMES.iter().zip(1..).find(|(known, _)| **known == name);
    found.map(|(_, number)| number).ok_or_else(|| Failure::new(format!("unknown signal {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers_and_names_in_any_case() {
        for (text, wanted) in [("9", 9), ("KILL", 9), ("sigterm", 15), ("WinCh", 28), ("SYS", 31), ("0", 0)] {
            assert_eq!(number(text).unwrap(), wanted, "{text}");
        }
        assert_eq!(number("sigfoo").unwrap_err().text, "unknown signal \"sigfoo\"");
    }
}
