//! What a command is: its names, its flags, how many words it takes, and what it does.

use crate::failure::Failure;
use crate::session::Session;
use flags::{Flag, Positionals, Typed};

/// How many words a command takes besides flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    /// None.
    None,
    /// As many as that.
    Exactly(usize),
    /// That many or more.
    AtLeast(usize),
    /// That many or fewer.
    AtMost(usize),
    /// From the first to the second.
    Between(usize, usize),
}

/// Whether an engine is started when none answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The command makes sense with an engine that has nothing yet: `run`, `pull`.
    StartIfAbsent,
    /// The command is about what an engine has: `ps`, `stop`.
    MustRun,
}

/// One command.
pub(crate) struct Command {
    /// What follows the command's name in the usage line: `[OPTIONS] CONTAINER`.
    pub(crate) usage: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// The same at length, if it differs.
    pub(crate) details: &'static str,
    /// All names of the command after the program's, separated by `, `: `container ls, ps`.
    pub(crate) aliases: &'static str,
    /// Its flags.
    pub(crate) tables: &'static [&'static [Flag]],
    /// Whether flags may stand behind the first word.
    pub(crate) positionals: Positionals,
    /// How many words it takes.
    pub(crate) words: Words,
    /// Whether it starts an engine.
    pub(crate) engine: Engine,
    /// Does it.
    pub(crate) run: fn(&Session, &Typed) -> Result<(), Failure>,
}

impl Command {
    /// A command without flags that takes its words anywhere; the base of all declarations.
    pub(crate) const fn new(
        usage: &'static str,
        about: &'static str,
        words: Words,
        run: fn(&Session, &Typed) -> Result<(), Failure>,
    ) -> Command {
        Command {
            usage,
            about,
            details: "",
            aliases: "",
            tables: &[],
            positionals: Positionals::Interspersed,
            words,
            engine: Engine::MustRun,
            run,
        }
    }

    /// Adds the flags.
    pub(crate) const fn flags(mut self, tables: &'static [&'static [Flag]]) -> Command {
        self.tables = tables;
        self
    }

    /// Names all ways to call it.
    pub(crate) const fn aliases(mut self, aliases: &'static str) -> Command {
        self.aliases = aliases;
        self
    }

    /// Ends the flags at the first word.
    pub(crate) const fn flags_first(mut self) -> Command {
        self.positionals = Positionals::EndFlags;
        self
    }

    /// Starts an engine when none answers.
    pub(crate) const fn starts_engine(mut self) -> Command {
        self.engine = Engine::StartIfAbsent;
        self
    }

    /// Describes it at length.
    pub(crate) const fn details(mut self, details: &'static str) -> Command {
        self.details = details;
        self
    }
}

/// A command's place: its group (empty at the top), its name there, and its other names there.
pub(crate) struct Entry {
    /// `container`, or empty.
    pub(crate) group: &'static str,
    /// `ls`.
    pub(crate) name: &'static str,
    /// `list`, `ps`.
    pub(crate) other_names: &'static [&'static str],
    /// The command.
    pub(crate) command: &'static Command,
}

impl Entry {
    /// The path that usages show: `docker container ls`.
    pub(crate) fn path(&self, program: &str) -> String {
        match self.group {
            "" => format!("{program} {}", self.name),
            group => format!("{program} {group} {}", self.name),
        }
    }

    /// The usage line: `docker container ls [OPTIONS]`.
    pub(crate) fn usage(&self, program: &str) -> String {
        let path = self.path(program);
        if self.command.usage.is_empty() { path } else { format!("{path} {}", self.command.usage) }
    }

    /// Whether `word` is one of its names.
    pub(crate) fn is_called(&self, word: &str) -> bool {
        self.name == word || self.other_names.contains(&word)
    }
}
