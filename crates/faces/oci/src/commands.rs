//! The commands, one a file.

mod checkpoint;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod kill;
mod launch;
mod list;
mod pause;
mod ps;
mod run;
mod spec;
mod start;
mod state;
mod update;

use crate::Failure;
use crate::globals::Globals;
use crate::grammar::{Asked, Grammar};
use crate::log::Log;

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// One line on what it does.
    pub(crate) help: &'static str,
    /// Its words.
    pub(crate) usage: &'static str,
    pub(crate) grammar: Grammar,
    pub(crate) arguments: Arguments,
    pub(crate) run: fn(&Globals, &Asked, &mut Log) -> Result<u8, Failure>,
}

/// How many words a command takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arguments {
    Exactly(usize),
    AtLeast(usize),
    Between(usize, usize),
}

impl Arguments {
    pub(crate) fn check(self, count: usize) -> Result<(), String> {
        match self {
            Self::Exactly(wanted) if count != wanted => Err(format!("requires exactly {wanted} argument(s)")),
            Self::AtLeast(least) | Self::Between(least, _) if count < least => {
                Err(format!("requires a minimum of {least} argument(s)"))
            }
            Self::Between(_, most) if count > most => {
                Err(format!("requires a maximum of {most} argument(s)"))
            }
            _ => Ok(()),
        }
    }
}

/// All of them, in the order of the help.
pub(crate) static ALL: &[&Command] = &[
    &checkpoint::CHECKPOINT,
    &create::COMMAND,
    &delete::COMMAND,
    &events::COMMAND,
    &exec::COMMAND,
    &kill::COMMAND,
    &list::COMMAND,
    &pause::PAUSE,
    &ps::COMMAND,
    &checkpoint::RESTORE,
    &pause::RESUME,
    &run::COMMAND,
    &spec::COMMAND,
    &start::COMMAND,
    &state::COMMAND,
    &update::COMMAND,
    &features::COMMAND,
];

pub(crate) fn find(name: &str) -> Option<&'static Command> {
    ALL.iter().find(|command| command.name == name).copied()
}

/// The first word, which names a container.
pub(crate) fn name(asked: &Asked) -> Result<&str, Failure> {
    match asked.words.first().map(String::as_str) {
        None | Some("") => Err(Failure::new("container id cannot be empty")),
        Some(name) => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::globals::Globals;

    proptest! {
        #[test]
        fn any_words_are_read_or_refused(words in prop::collection::vec("-{0,3}[a-z=0-9 ä-]{0,12}", 0..6)) {
            for command in ALL {
                if let Ok(asked) = command.grammar.parse(&words) {
                    prop_assert!(asked.words.len() <= words.len());
                    let _ = command.arguments.check(asked.words.len());
                }
            }
            let _ = Globals::parse(&words);
        }
    }

    #[test]
    fn every_command_is_found_by_its_name_once_and_has_help() {
        for command in ALL {
            assert_eq!(find(command.name).map(|found| found.name), Some(command.name));
            assert_eq!(ALL.iter().filter(|other| other.name == command.name).count(), 1);
            let help = crate::help::command(command);
            assert!(help.starts_with(&format!("NAME:\n   runc {} - ", command.name)), "{help}");
            for flag in command.grammar.flags {
                let known: Vec<_> =
                    flag.names.iter().filter(|name| help.contains(&format!("-{name}"))).collect();
                assert_eq!(known.len(), if flag.help.is_empty() { 0 } else { flag.names.len() }, "{flag:?}");
            }
        }
    }
}
