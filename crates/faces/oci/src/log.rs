//! The log: to stderr or a file, as text or JSON, in the form that callers of runc read.

use std::fs::File;
use std::io::{IsTerminal, Write};

use crate::output;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Format {
    /// `time="…" level=error msg="…"`.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Where the log goes.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) file: Option<File>,
    pub(crate) format: Format,
    pub(crate) is_debug: bool,
}

impl Log {
    /// Why the command failed; also on stderr where the log is elsewhere.
    pub(crate) fn fatal(&mut self, text: &str) {
        self.write("error", text);
        if self.file.is_some() {
            output::error(&format!("{text}\n"));
        }
    }

    /// What went wrong without being the command's end.
    pub(crate) fn warn(&mut self, text: &str) {
        self.write("warning", text);
    }

    /// What is of interest with `--debug` only.
    pub(crate) fn debug(&mut self, text: &str) {
        if self.is_debug {
            self.write("debug", text);
        }
    }

    fn write(&mut self, level: &str, text: &str) {
        let now = jiff::Timestamp::now();
        let time = now.strftime("%Y-%m-%dT%H:%M:%SZ");
        let line = match self.format {
            Format::Json => {
                format!("{{\"level\":\"{level}\",\"msg\":{},\"time\":\"{time}\"}}\n", quoted(text))
            }
            Format::Text if self.file.is_none() && std::io::stderr().is_terminal() => {
                format!("{:.4}[0000] {text} \n", level.to_uppercase())
            }
            Format::Text => format!("time=\"{time}\" level={level} msg={}\n", quoted(text)),
        };
        match &mut self.file {
            // There is no other place to say that it failed.
            Some(file) => {
                let _ = file.write_all(line.as_bytes());
            }
            None => output::error(&line),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use super::*;

    fn written(format: Format, is_debug: bool) -> String {
        let mut log = Log { file: Some(tempfile::tempfile().unwrap()), format, is_debug };
        log.debug("small");
        log.warn("a \"b\"\nc");
        let mut file = log.file.unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn lines_are_those_of_runc() {
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json, false)).unwrap();
        assert_eq!((json["level"].as_str(), json["msg"].as_str()), (Some("warning"), Some("a \"b\"\nc")));
        let text = written(Format::Text, true);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("time=\"2"), "{text}");
        assert!(lines[0].ends_with("Z\" level=debug msg=\"small\""), "{text}");
        assert!(lines[1].ends_with(r#"level=warning msg="a \"b\"\nc""#), "{text}");
    }
}
