//! Help pages, in Docker's layout.

use crate::command::Entry;
use crate::globals;
use crate::program::Program;
use crate::session::Session;
use crate::terminal;
use crate::tree::{self, GROUPS};
use client::Ping;
use engine_api::version::ApiVersion;
use flags::{Flag, Page, Section};

const HELP_FLAG: &[Flag] = &[Flag::switch("help", "Print usage")];

/// What is known of the engine that a page is for; nothing if none answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Support {
    ping: Option<Ping>,
    version: Option<ApiVersion>,
}

impl Support {
    /// What the engine at the session's address understands.
    pub(crate) fn of(session: &Session) -> Support {
        // Help must not fail, nor start an engine, for want of one.
        let Ok(client) = session.quiet_client() else { return Support::default() };
        let ping = client.ping().ok().cloned();
        let version = ping.is_some().then(|| client.version()).and_then(|version| version.parse().ok());
        Support { ping, version }
    }

    fn has(&self, flag: &Flag) -> bool {
        let Some(ping) = &self.ping else { return true };
        let is_old = flag.since.and_then(|since| since.parse::<ApiVersion>().ok()).zip(self.version);
        flag.os.is_none_or(|os| ping.os.is_empty() || ping.os == os)
            && (!flag.experimental || ping.experimental)
            && (!flag.swarm || ping.swarm.is_empty() || ping.swarm.ends_with("/manager"))
            && is_old.is_none_or(|(since, ours)| ours >= since)
    }
}

/// The page of one command.
pub(crate) fn command(program: Program, entry: &Entry, support: &Support) -> String {
    let name = program.name();
    let usage = entry.usage(name);
    let aliases: Vec<String> = entry
        .command
        .aliases
        .split(", ")
        .filter(|path| !path.is_empty())
        .map(|path| format!("{name} {path}"))
        .collect();
    let mut tables = entry.command.tables.to_vec();
    // A command that uses -h for itself lists the long form.
    if tables.iter().any(|table| table.iter().any(|flag| flag.short == Some('h'))) {
        tables.push(HELP_FLAG);
    }
    let about = if entry.command.details.is_empty() { entry.command.about } else { entry.command.details };
    let page = Page {
        usage: &usage,
        about,
        aliases: &aliases.join(", "),
        options_title: "Options",
        tables: &tables,
        shows: Some(&|flag| support.has(flag)),
        ..Page::default()
    };
    page.render(terminal::help_columns())
}

/// The page of a group of commands.
pub(crate) fn group(program: Program, group: &str, about: &str) -> String {
    let path = format!("{} {group}", program.name());
    let mut commands: Vec<(&str, &str)> = tree::entries(program)
        .filter(|entry| entry.group == group)
        .map(|entry| (entry.name, entry.command.about))
        .collect();
    commands.sort_unstable();
    let page = Page {
        usage: &format!("{path} COMMAND"),
        about,
        sections: vec![Section { title: "Commands", commands }],
        options_title: "Options",
        footers: vec![format!("Run '{path} COMMAND --help' for more information on a command.")],
        ..Page::default()
    };
    page.render(terminal::help_columns())
}

/// The page of the program.
pub(crate) fn root(program: Program) -> String {
    let name = program.name();
    let top = |entry: &&Entry| entry.group.is_empty();
    let is_common = |entry: &Entry| tree::COMMON.contains(&entry.name);
    let about = |name: &str| {
        tree::entries(program).filter(top).find(|entry| entry.name == name).map(|entry| entry.command.about)
    };
    let common = tree::COMMON.iter().filter_map(|name| Some((*name, about(name)?))).collect();
    let mut groups: Vec<(&str, &str)> = GROUPS.iter().map(|group| (group.name, group.about)).collect();
    groups.sort_unstable();
    let mut others: Vec<(&str, &str)> = tree::entries(program)
        .filter(top)
        .filter(|entry| !is_common(entry))
        .map(|entry| (entry.name, entry.command.about))
        .collect();
    if program == Program::Gantry {
        others.push(("daemon", "Run the engine in the foreground"));
    }
    others.sort_unstable();
    let mut tables: Vec<&'static [Flag]> = vec![globals::FLAGS];
    if program == Program::Gantry {
        tables.push(globals::GANTRY_FLAGS);
    }
    let mut footers = vec![format!("Run '{name} COMMAND --help' for more information on a command.")];
    footers.push(match program {
        Program::Docker => {
            "For more help on how to use Docker, head to https://docs.docker.com/go/guides/".to_owned()
        }
        Program::Gantry => "Try 'gantry run hello'.".to_owned(),
    });
    let page = Page {
        usage: &format!("{name} [OPTIONS] COMMAND"),
        about: "A self-sufficient runtime for containers",
        sections: vec![
            Section { title: "Common Commands", commands: common },
            Section { title: "Management Commands", commands: groups },
            Section { title: "Commands", commands: others },
        ],
        options_title: "Global Options",
        tables: &tables,
        defaults: &globals::defaults(),
        footers,
        ..Page::default()
    };
    page.render(terminal::help_columns())
}
