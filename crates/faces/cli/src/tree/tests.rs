//! Every command's table is sound, and wrong words are refused as Docker does.

use super::*;
use crate::command::Command;
use flags::Kind;

fn commands() -> impl Iterator<Item = (&'static Entry, &'static Command)> {
    ENTRIES.iter().map(|entry| (entry, entry.command))
}

fn all_flags(command: &Command) -> Vec<&'static Flag> {
    command.tables.iter().flat_map(|table| table.iter()).collect()
}

#[test]
fn no_command_declares_a_name_or_a_letter_twice() {
    for (entry, command) in commands() {
        let flags = all_flags(command);
        for (index, flag) in flags.iter().enumerate() {
            for other in &flags[index + 1..] {
                assert_ne!(flag.name, other.name, "{} {}", entry.group, entry.name);
                assert!(
                    flag.short.is_none() || flag.short != other.short,
                    "{}: -{:?}",
                    entry.name,
                    flag.short
                );
            }
        }
    }
}

#[test]
fn every_default_is_a_value_of_its_flag() {
    for (entry, command) in commands() {
        for flag in all_flags(command) {
            let fits = match flag.kind {
                Kind::Switch => flags::parse_bool(flag.default).is_ok(),
                Kind::Int => flags::parse_int(flag.default).is_ok(),
                Kind::Uint(bits) => flags::parse_uint(flag.default, bits).is_ok(),
                Kind::Duration => flags::parse_duration(flag.default).is_ok(),
                Kind::Text | Kind::Strings | Kind::Other(..) => true,
            };
            assert!(fits, "{} --{}: {}", entry.name, flag.name, flag.default);
        }
    }
}

#[test]
fn every_alias_leads_to_the_command() {
    for (entry, command) in commands() {
        for alias in command.aliases.split(", ").filter(|alias| !alias.is_empty()) {
            let words: Vec<String> = alias.split(' ').map(str::to_owned).collect();
            match find(Program::Docker, &words) {
                Ok(Found::Command(found, ..)) => assert!(std::ptr::eq(found.command, command), "{alias}"),
                _ => panic!("{alias} of {} is no command", entry.name),
            }
        }
    }
}

fn failure(program: Program, words: &[&str]) -> Failure {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    run(program, words, SystemTime::now()).unwrap_err()
}

#[test]
fn wrong_words_are_refused_in_dockers_words() {
    let docker = |words: &[&str]| failure(Program::Docker, words);
    let unknown = docker(&["foo"]);
    assert_eq!(
        unknown.text,
        "docker: unknown command: docker foo\n\nRun 'docker --help' for more information"
    );
    assert_eq!(unknown.code, 1);
    assert_eq!(
        docker(&["image", "foo"]).text,
        "docker: unknown command: docker image foo\n\nUsage:  docker image\n\nRun 'docker image --help' for more information"
    );
    let flag = docker(&["ps", "-z"]);
    assert_eq!(
        flag.text,
        "unknown shorthand flag: 'z' in -z\n\nUsage:  docker ps [OPTIONS]\n\nRun 'docker ps --help' for more information"
    );
    assert_eq!(flag.code, 125);
    assert_eq!(
        docker(&["ps", "a"]).text,
        "docker: 'docker ps' accepts no arguments\n\nUsage:  docker ps [OPTIONS]\n\nRun 'docker ps --help' for more information"
    );
    assert_eq!(
        docker(&["container", "run"]).text,
        "docker: 'docker container run' requires at least 1 argument\n\nUsage:  docker container run [OPTIONS] IMAGE [COMMAND] [ARG...]\n\nSee 'docker container run --help' for more information"
    );
    assert!(
        docker(&["-H", "a", "-H", "b", "ps"])
            .text
            .starts_with("invalid argument \"b\" for \"-H, --host\" flag: specify only one -H\n")
    );
    assert_eq!(docker(&["-l", "foo", "ps"]).text, "Unable to parse logging level: foo");
    assert_eq!(docker(&["help", "foo"]).text, "unknown help topic: foo");
}

#[test]
fn texts_name_the_program_that_was_called() {
    assert!(
        failure(Program::Gantry, &["images", "a", "b"])
            .text
            .ends_with("\n\nRun 'gantry images --help' for more information")
    );
    assert!(help::root(Program::Gantry).contains("  daemon      Run the engine in the foreground\n"));
    assert!(!help::root(Program::Docker).contains("gantry"));
}
