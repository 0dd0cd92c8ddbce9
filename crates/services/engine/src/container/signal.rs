//! Signals by name and number, as Docker writes them.

/// The numbers of x86-64 and aarch64; `RTMIN` is what libc leaves to programs.
const NAMES: &[(&str, i32)] = &[
    ("ABRT", 6),
    ("ALRM", 14),
    ("BUS", 7),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("FPE", 8),
    ("HUP", 1),
    ("ILL", 4),
    ("INT", 2),
    ("IO", 29),
    ("IOT", 6),
    ("KILL", 9),
    ("PIPE", 13),
    ("POLL", 29),
    ("PROF", 27),
    ("PWR", 30),
    ("QUIT", 3),
    ("SEGV", 11),
    ("STKFLT", 16),
    ("STOP", 19),
    ("SYS", 31),
    ("TERM", 15),
    ("TRAP", 5),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("USR1", 10),
    ("USR2", 12),
    ("VTALRM", 26),
    ("WINCH", 28),
    ("XCPU", 24),
    ("XFSZ", 25),
];

const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// SIGKILL.
pub(crate) const KILL: i32 = 9;
/// SIGTERM.
pub(crate) const TERM: i32 = 15;

/// What a client typed for a signal is none. The text is Docker's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignalError {
    /// No name and no number.
    #[error("invalid signal: {0}")]
    Invalid(String),
    /// A number that Linux does not have.
    #[error("the linux daemon does not support signal {0}")]
    Unsupported(i64),
}

/// Reads a signal that shall be sent.
///
/// # Errors
/// [`SignalError`], in Docker's words.
pub(crate) fn parse_to_send(text: &str) -> Result<i32, SignalError> {
    match text.parse::<i64>() {
        Ok(0) => Err(SignalError::Invalid(text.to_owned())),
        Ok(number) => parse(text).ok_or(SignalError::Unsupported(number)),
        Err(_) => parse(text).ok_or_else(|| SignalError::Invalid(text.to_owned())),
    }
}

/// Reads `KILL`, `SIGKILL`, `sigkill`, `9`, `RTMIN+3`, `SIGRTMAX-2`; nothing for what is no signal.
#[must_use]
pub(crate) fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some((_, number)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(*number);
    }
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(""), _) => RTMIN,
        (Some(rest), _) => RTMIN + rest.strip_prefix('+')?.parse::<i32>().ok()?,
        (_, Some("")) => RTMAX,
        (_, Some(rest)) => RTMAX - rest.strip_prefix('-')?.parse::<i32>().ok()?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_numbers_and_real_time_signals() {
        let known =
            [("KILL", 9), ("SIGTERM", 15), ("sighup", 1), ("9", 9), ("RTMIN", 34), ("SIGRTMIN+3", 37)];
        for (text, number) in known.into_iter().chain([("RTMAX-2", 62), ("64", 64)]) {
            assert_eq!(parse(text), Some(number), "{text}");
        }
        for wrong in ["", "0", "65", "-9", "SIG", "FOO", "RTMIN+31", "RTMIN-1", "RTMAX+1", "SIGRTMIN+x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
