//! The command line of an OCI runtime, called as `runc` or `gantry runtime`, with runc's options, output and exit codes;
//! knows no engine. What happens is the `container` library's.
//!
//! ```text
//! words ─ globals ─ command ─ its options (grammar) ─ one file in `commands` ─ Outcome ─ exit code, log
//! ```

mod commands;
mod console;
mod foreground;
mod globals;
mod grammar;
mod help;
mod log;
mod notify;
mod output;
mod table;

use std::ffi::OsString;
use std::process::ExitCode;

use globals::Globals;
use log::Log;

/// The version of runc whose command line this is.
pub(crate) const RUNC_VERSION: &str = "1.3.6";

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the log says.
    pub(crate) text: String,
    /// What the process ends with.
    pub(crate) code: u8,
}

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// The same with words in front.
    pub(crate) fn within(self, what: &str) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }

    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let any: &dyn std::any::Any = &error;
        let system = match any.downcast_ref::<rustix::io::Errno>() {
            Some(errno) => Some(runtime::error::reason(&(*errno).into())),
            None => any.downcast_ref().map(runtime::error::reason),
        };
        Self::new(system.unwrap_or_else(|| error.to_string()))
    }
}

/// Runs the command line, the first word being the program's name.
pub fn main(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let program = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let mut log = Log::default();
    match run(&program, &words, &mut log) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            log.fatal(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}

fn run(program: &str, words: &[String], log: &mut Log) -> Result<u8, Failure> {
    let (globals, rest) = match Globals::parse(words) {
        Ok(parsed) => parsed,
        Err(complaint) => {
            output::text(&format!("Incorrect Usage. {complaint}\n\n{}", help::program()));
            return Err(Failure::new(complaint));
        }
    };
    if globals.version {
        output::text(&help::version());
        return Ok(0);
    }
    let Some((name, arguments)) = rest.split_first().filter(|_| !globals.help) else {
        output::text(&help::program());
        return Ok(0);
    };
    if name == "help" || name == "h" {
        return help::topic(arguments.first().map(String::as_str));
    }
    let Some(command) = commands::find(name) else {
        return Err(Failure { text: format!("No help topic for '{name}'"), code: 3 });
    };
    let globals = globals.settle(log)?;
    let asked = match command.grammar.parse(arguments) {
        Ok(asked) => asked,
        Err(complaint) => {
            output::text(&format!("Incorrect Usage: {complaint}\n\n{}", help::command(command)));
            return Err(Failure::new(complaint));
        }
    };
    if asked.help {
        output::text(&help::command(command));
        return Ok(0);
    }
    if let Err(complaint) = command.arguments.check(asked.words.len()) {
        output::text(&format!("Incorrect Usage.\n\n{}", help::command(command)));
        return Err(Failure::new(format!("{program}: {:?} {complaint}", command.name)));
    }
    // A process of ours enters the container: it must not show the way to the host's file.
    if matches!(command.name, "create" | "run" | "exec")
        && let Err(errno) = runtime::sealed::go_on_sealed()
    {
        log.debug(&format!("running from a file that could be written to: {errno}"));
    }
    log.debug(&format!("{} {}", command.name, asked.words.join(" ")));
    (command.run)(&globals, &asked, log)
}
