//! All commands, and the way from words to one of them.

use crate::command::{Entry, Words};
use crate::commands;
use crate::failure::{Failure, USAGE, fail};
use crate::globals::{self, Globals};
use crate::help::{self, Support};
use crate::output;
use crate::program::Program;
use crate::session::Session;
use flags::{Flag, Grammar, ParseError, Positionals, Typed};
use std::time::SystemTime;

/// A group of commands on one kind of object.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// The groups.
pub(crate) const GROUPS: &[Group] = &[
    Group { name: "container", about: "Manage containers" },
    Group { name: "image", about: "Manage images" },
    Group { name: "network", about: "Manage networks" },
    Group { name: "system", about: "Manage Docker" },
    Group { name: "volume", about: "Manage volumes" },
];

/// The commands that the program's help shows first, in this order.
pub(crate) const COMMON: &[&str] =
    &["run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info"];

const fn entry(
    group: &'static str,
    name: &'static str,
    other_names: &'static [&'static str],
    command: &'static crate::command::Command,
) -> Entry {
    Entry { group, name, other_names, command }
}

/// Every command at every place where it can be called.
static ENTRIES: &[Entry] = &[
    entry("", "attach", &[], &commands::attach::ATTACH),
    entry("", "create", &[], &commands::create::CREATE),
    entry("", "events", &[], &commands::events::EVENTS),
    entry("", "exec", &[], &commands::exec::EXEC),
    entry("", "history", &[], &commands::history::HISTORY),
    entry("", "images", &[], &commands::images::IMAGES),
    entry("", "import", &[], &commands::import::IMPORT),
    entry("", "info", &[], &commands::info::INFO),
    entry("", "inspect", &[], &commands::inspect::INSPECT),
    entry("", "kill", &[], &commands::kill::KILL),
    entry("", "load", &[], &commands::load::LOAD),
    entry("", "logs", &[], &commands::logs::LOGS),
    entry("", "pause", &[], &commands::pause::PAUSE),
    entry("", "port", &[], &commands::port::PORT),
    entry("", "ps", &[], &commands::ps::PS),
    entry("", "pull", &[], &commands::pull::PULL),
    entry("", "rename", &[], &commands::rename::RENAME),
    entry("", "restart", &[], &commands::restart::RESTART),
    entry("", "rm", &[], &commands::rm::RM),
    entry("", "rmi", &[], &commands::rmi::RMI),
    entry("", "run", &[], &commands::run::RUN),
    entry("", "start", &[], &commands::start::START),
    entry("", "stop", &[], &commands::stop::STOP),
    entry("", "tag", &[], &commands::tag::TAG),
    entry("", "top", &[], &commands::top::TOP),
    entry("", "unpause", &[], &commands::unpause::UNPAUSE),
    entry("", "version", &[], &commands::version::VERSION),
    entry("", "wait", &[], &commands::wait::WAIT),
    entry("container", "attach", &[], &commands::attach::ATTACH),
    entry("container", "create", &[], &commands::create::CREATE),
    entry("container", "exec", &[], &commands::exec::EXEC),
    entry("container", "inspect", &[], &commands::container_inspect::CONTAINER_INSPECT),
    entry("container", "kill", &[], &commands::kill::KILL),
    entry("container", "logs", &[], &commands::logs::LOGS),
    entry("container", "ls", &["ps", "list"], &commands::ps::PS),
    entry("container", "pause", &[], &commands::pause::PAUSE),
    entry("container", "port", &[], &commands::port::PORT),
    entry("container", "rename", &[], &commands::rename::RENAME),
    entry("container", "restart", &[], &commands::restart::RESTART),
    entry("container", "rm", &["remove"], &commands::rm::RM),
    entry("container", "run", &[], &commands::run::RUN),
    entry("container", "start", &[], &commands::start::START),
    entry("container", "stop", &[], &commands::stop::STOP),
    entry("container", "top", &[], &commands::top::TOP),
    entry("container", "unpause", &[], &commands::unpause::UNPAUSE),
    entry("container", "wait", &[], &commands::wait::WAIT),
    entry("image", "history", &[], &commands::history::HISTORY),
    entry("image", "import", &[], &commands::import::IMPORT),
    entry("image", "inspect", &[], &commands::image_inspect::IMAGE_INSPECT),
    entry("image", "load", &[], &commands::load::LOAD),
    entry("image", "ls", &["list"], &commands::images::IMAGES),
    entry("image", "pull", &[], &commands::pull::PULL),
    entry("image", "rm", &["rmi", "remove"], &commands::rmi::RMI),
    entry("image", "tag", &[], &commands::tag::TAG),
    entry("network", "create", &[], &commands::network_create::NETWORK_CREATE),
    entry("network", "inspect", &[], &commands::network_inspect::NETWORK_INSPECT),
    entry("network", "ls", &["list"], &commands::network_ls::NETWORK_LS),
    entry("network", "rm", &["remove"], &commands::network_rm::NETWORK_RM),
    entry("system", "events", &[], &commands::events::EVENTS),
    entry("system", "info", &[], &commands::info::INFO),
    entry("volume", "create", &[], &commands::volume_create::VOLUME_CREATE),
    entry("volume", "inspect", &[], &commands::volume_inspect::VOLUME_INSPECT),
    entry("volume", "ls", &["list"], &commands::volume_ls::VOLUME_LS),
    entry("volume", "rm", &["remove"], &commands::volume_rm::VOLUME_RM),
];

/// The commands of `program`.
pub(crate) fn entries(_program: Program) -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter()
}

/// What a list of words asks for.
enum Found {
    Root,
    Group(&'static Group),
    Page(String),
    Command(&'static Entry, String, Vec<String>),
}

/// Runs what `words` ask for.
pub(crate) fn run(program: Program, words: Vec<String>, asked_at: SystemTime) -> Result<(), Failure> {
    let name = program.name();
    let mut tables: Vec<&'static [Flag]> = vec![globals::FLAGS];
    if program == Program::Gantry {
        tables.push(globals::GANTRY_FLAGS);
    }
    let root_usage = format!("{name} [OPTIONS] COMMAND [ARG...]");
    let refuse = |error: ParseError| usage_failure(&error.to_string(), &root_usage, name);
    let typed = Grammar::new(&tables, Positionals::EndFlags).parse(words).map_err(refuse)?;
    // "-H" may stand once only; Docker's client says so at the second.
    if let [_, second, ..] = typed.all("host").as_slice() {
        let text =
            format!("invalid argument {} for \"-H, --host\" flag: specify only one -H", flags::quote(second));
        return Err(usage_failure(&text, &root_usage, name));
    }
    show_notices(&typed);
    if typed.wants_help {
        output::text(&help::root(program));
        return Ok(());
    }
    if typed.is_on("version") {
        output::line(&commands::version::one_line(program));
        return Ok(());
    }
    let globals = Globals::resolve(program, &typed)?;
    match find(program, &typed.positionals)? {
        Found::Root => {
            output::error_text(&help::root(program));
            Ok(())
        }
        Found::Group(group) => {
            output::error_text(&help::group(program, group.name, group.about));
            Ok(())
        }
        Found::Page(page) => {
            output::text(&page);
            Ok(())
        }
        Found::Command(entry, called, words) => {
            let mut session = Session::new(program, globals, asked_at, entry.command.engine);
            session.path = entry.path(name);
            session.called = called;
            run_command(&session, entry, words)
        }
    }
}

fn run_command(session: &Session, entry: &Entry, words: Vec<String>) -> Result<(), Failure> {
    let command = entry.command;
    let name = session.program.name();
    let typed = Grammar::new(command.tables, command.positionals)
        .parse(words)
        .map_err(|error| usage_failure(&error.to_string(), &entry.usage(name), &entry.path(name)))?;
    show_notices(&typed);
    if typed.wants_help {
        output::text(&help::command(session.program, entry, &Support::of(session)));
        return Ok(());
    }
    check_words(session.program, entry, typed.positionals.len())?;
    session.check_support(&typed)?;
    (command.run)(session, &typed)
}

/// Finds the command; words that name none are an error in Docker's words.
fn find(program: Program, words: &[String]) -> Result<Found, Failure> {
    let name = program.name();
    let Some((first, rest)) = words.split_first() else { return Ok(Found::Root) };
    if first == "help" {
        return explain(program, rest);
    }
    if let Some(entry) = entries(program).find(|entry| entry.group.is_empty() && entry.is_called(first)) {
        return Ok(Found::Command(entry, first.clone(), rest.to_vec()));
    }
    let Some(group) = GROUPS.iter().find(|group| group.name == first) else {
        return Err(fail!(
            "{name}: unknown command: {name} {first}\n\nRun '{name} --help' for more information"
        ));
    };
    let path = format!("{name} {}", group.name);
    let (switches, words): (Vec<String>, Vec<String>) = {
        let stop = rest.iter().position(|word| !word.starts_with('-')).unwrap_or(rest.len());
        (rest[..stop].to_vec(), rest[stop..].to_vec())
    };
    let typed = Grammar::new(&[], Positionals::Interspersed)
        .parse(switches)
        .map_err(|error| usage_failure(&error.to_string(), &path, &path))?;
    show_notices(&typed);
    if typed.wants_help {
        return Ok(Found::Page(help::group(program, group.name, group.about)));
    }
    let Some((verb, rest)) = words.split_first() else { return Ok(Found::Group(group)) };
    match entries(program).find(|entry| entry.group == group.name && entry.is_called(verb)) {
        Some(entry) => Ok(Found::Command(entry, verb.clone(), rest.to_vec())),
        None => Err(fail!(
            "{name}: unknown command: {path} {verb}\n\nUsage:  {path}\n\nRun '{path} --help' for more information"
        )),
    }
}

/// `help run`: the page goes to stdout.
fn explain(program: Program, words: &[String]) -> Result<Found, Failure> {
    let page = match words {
        [] => Some(help::root(program)),
        [name] => match GROUPS.iter().find(|group| group.name == name) {
            Some(group) => Some(help::group(program, group.name, group.about)),
            None => find_page(program, "", name),
        },
        [group, name] => find_page(program, group, name),
        _ => None,
    };
    page.map(Found::Page).ok_or_else(|| fail!("unknown help topic: {}", words.join(" ")))
}

fn find_page(program: Program, group: &str, name: &str) -> Option<String> {
    let entry = entries(program).find(|entry| entry.group == group && entry.is_called(name))?;
    Some(help::command(program, entry, &Support::default()))
}

/// Lines about flags go to stdout, as in Docker's client.
fn show_notices(typed: &Typed) {
    for notice in &typed.notices {
        output::line(notice);
    }
}

fn usage_failure(text: &str, usage: &str, path: &str) -> Failure {
    fail!("{text}\n\nUsage:  {usage}\n\nRun '{path} --help' for more information").with_code(USAGE)
}

fn check_words(program: Program, entry: &Entry, count: usize) -> Result<(), Failure> {
    let plural = |number: usize| if number == 1 { "argument" } else { "arguments" };
    let mut advice = "Run";
    let complaint = match entry.command.words {
        Words::None if count > 0 => "accepts no arguments".to_owned(),
        Words::Exactly(number) if count != number => format!("requires {number} {}", plural(number)),
        Words::AtLeast(number) if count < number => {
            advice = "See";
            format!("requires at least {number} {}", plural(number))
        }
        Words::AtMost(number) if count > number => {
            // The slip is Docker 28.5's; scripts that compare texts see the same.
            advice = if program == Program::Docker { "SRun" } else { "Run" };
            format!("requires at most {number} {}", plural(number))
        }
        Words::Between(least, most) if count < least || count > most => {
            format!("requires at least {least} and at most {most} {}", plural(most))
        }
        _ => return Ok(()),
    };
    let name = program.name();
    let (path, usage) = (entry.path(name), entry.usage(name));
    Err(fail!(
        "{name}: '{path}' {complaint}\n\nUsage:  {usage}\n\n{advice} '{path} --help' for more information"
    ))
}

#[cfg(test)]
mod tests;
