//! From words to [`Typed`]: which flags were typed with which values, and what is left.

use crate::error::ParseError;
use crate::flag::{Flag, Kind};
use crate::value::{parse_bool, parse_duration, parse_int, parse_uint, split_csv};

/// Whether words after the first positional may still be flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positionals {
    /// `logs web -f`: flags may stand anywhere.
    Interspersed,
    /// `run IMAGE -x`: the first positional ends the flags.
    EndFlags,
}

/// The flags of one command, and where they may stand.
#[derive(Debug, Clone, Copy)]
pub struct Grammar<'t> {
    tables: &'t [&'static [Flag]],
    positionals: Positionals,
}

/// What was typed. Values passed their flag's check.
#[derive(Debug, Clone)]
pub struct Typed {
    tables: Vec<&'static [Flag]>,
    values: Vec<(&'static str, String)>,
    /// The words that are no flags, in order.
    pub positionals: Vec<String>,
    /// How many positionals stood before `--`, if it was typed.
    pub before_dashes: Option<usize>,
    /// `--help`, or `-h` where the letter is free.
    pub wants_help: bool,
    /// Lines for stderr, such as a deprecated flag's.
    pub notices: Vec<String>,
}

impl<'t> Grammar<'t> {
    /// The grammar of a command that has the flags of all `tables`.
    pub const fn new(tables: &'t [&'static [Flag]], positionals: Positionals) -> Grammar<'t> {
        Grammar { tables, positionals }
    }

    /// Reads `words`.
    ///
    /// # Errors
    /// The first word that does not fit, as Docker words it.
    pub fn parse<I>(&self, words: I) -> Result<Typed, ParseError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let mut typed = Typed {
            tables: self.tables.to_vec(),
            values: Vec::new(),
            positionals: Vec::new(),
            before_dashes: None,
            wants_help: false,
            notices: Vec::new(),
        };
        let mut words = words.into_iter().map(Into::into);
        while let Some(word) = words.next() {
            if word == "--" {
                typed.before_dashes = Some(typed.positionals.len());
                typed.positionals.extend(words);
                break;
            }
            if let Some(long) = word.strip_prefix("--") {
                self.long(&mut typed, long, &mut words)?;
            } else if word.len() > 1 && word.starts_with('-') {
                self.cluster(&mut typed, &word[1..], &mut words)?;
            } else {
                typed.positionals.push(word);
                if self.positionals == Positionals::EndFlags {
                    typed.positionals.extend(words);
                    break;
                }
            }
        }
        Ok(typed)
    }

    fn long(
        &self,
        typed: &mut Typed,
        word: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), ParseError> {
        if word.starts_with(['-', '=']) {
            return Err(ParseError::Syntax(format!("--{word}")));
        }
        let (name, glued) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
        let Some(flag) = find(self.tables, |flag| flag.name == name) else {
            return match name {
                "help" => typed.ask_for_help(glued),
                _ => Err(ParseError::Unknown(name.to_owned())),
            };
        };
        let value = match (glued, flag.kind) {
            (Some(value), _) => value.to_owned(),
            (None, Kind::Switch) => "true".to_owned(),
            (None, _) => rest.next().ok_or_else(|| ParseError::NoValue(format!("--{name}")))?,
        };
        typed.set(flag, value)
    }

    fn cluster(
        &self,
        typed: &mut Typed,
        mut letters: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), ParseError> {
        while let Some(letter) = letters.chars().next() {
            let after = &letters[letter.len_utf8()..];
            let Some(flag) = find(self.tables, |flag| flag.short == Some(letter)) else {
                if letter != 'h' {
                    return Err(ParseError::UnknownShort { letter, cluster: letters.to_owned() });
                }
                typed.notices.push("Flag shorthand -h has been deprecated, use --help".to_owned());
                typed.ask_for_help(None)?;
                letters = after;
                continue;
            };
            let glued = after.strip_prefix('=').filter(|value| !value.is_empty());
            let value = match (glued, flag.kind) {
                (Some(value), _) => value.to_owned(),
                (None, Kind::Switch) => {
                    typed.set(flag, "true".to_owned())?;
                    letters = after;
                    continue;
                }
                (None, _) if !after.is_empty() => after.to_owned(),
                (None, _) => rest
                    .next()
                    .ok_or_else(|| ParseError::NoValueShort { letter, cluster: letters.to_owned() })?,
            };
            return typed.set(flag, value);
        }
        Ok(())
    }
}

fn find(tables: &[&'static [Flag]], fits: impl Fn(&Flag) -> bool) -> Option<&'static Flag> {
    tables.iter().flat_map(|table| table.iter()).find(|flag| fits(flag))
}

impl Typed {
    fn ask_for_help(&mut self, value: Option<&str>) -> Result<(), ParseError> {
        const HELP: Flag = Flag::switch("help", "Print usage");
        let value = value.unwrap_or("true");
        check(&HELP, value)?;
        self.wants_help = parse_bool(value) == Ok(true);
        Ok(())
    }

    fn set(&mut self, flag: &'static Flag, value: String) -> Result<(), ParseError> {
        check(flag, &value)?;
        if flag.name == "help" {
            self.wants_help = parse_bool(&value) == Ok(true);
        }
        if let Some(advice) = flag.deprecated {
            self.notices.push(format!("Flag --{} has been deprecated, {advice}", flag.name));
        }
        self.values.push((flag.name, value));
        Ok(())
    }

    fn flag(&self, name: &str) -> &'static Flag {
        find(&self.tables, |flag| flag.name == name)
            .unwrap_or_else(|| panic!("flag --{name} is declared in the command's table"))
    }

    /// Whether the flag was typed at all, even with its default value.
    pub fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// The last value typed for the flag.
    pub fn given(&self, name: &str) -> Option<&str> {
        let name = self.flag(name).name;
        self.values.iter().rev().find(|(typed, _)| *typed == name).map(|(_, value)| value.as_str())
    }

    /// The last value typed for the flag, or its default.
    pub fn text(&self, name: &str) -> &str {
        self.given(name).unwrap_or(self.flag(name).default)
    }

    /// Whether a switch is on.
    pub fn is_on(&self, name: &str) -> bool {
        parse_bool(self.text(name)) == Ok(true)
    }

    /// The value of a number flag.
    pub fn int(&self, name: &str) -> i64 {
        parse_int(self.text(name)).unwrap_or(0)
    }

    /// The value of an unsigned number flag.
    pub fn uint(&self, name: &str) -> u64 {
        parse_uint(self.text(name), 64).unwrap_or(0)
    }

    /// The value of a duration flag, in nanoseconds.
    pub fn nanoseconds(&self, name: &str) -> i64 {
        parse_duration(self.text(name)).unwrap_or(0)
    }

    /// All values typed for the flag, in order; those of a `strings` flag split at commas.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let name = self.flag(name).name;
        self.values.iter().filter(|(typed, _)| *typed == name).map(|(_, value)| value.as_str()).collect()
    }

    /// All values typed for flags that are names of one thing, in the order in which they were typed.
    pub fn all_of(&self, names: &[&str]) -> Vec<&str> {
        let names: Vec<&str> = names.iter().map(|name| self.flag(name).name).collect();
        self.values
            .iter()
            .filter(|(typed, _)| names.contains(typed))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The values of a `strings` flag: each typed value split at its commas.
    pub fn strings(&self, name: &str) -> Vec<String> {
        self.all(name).into_iter().flat_map(|value| split_csv(value).unwrap_or_default()).collect()
    }

    /// The declarations of the flags that were typed, each once.
    pub fn flags(&self) -> Vec<&'static Flag> {
        let mut flags: Vec<&'static Flag> = Vec::new();
        for (name, _) in &self.values {
            if !flags.iter().any(|flag| flag.name == *name) {
                flags.push(self.flag(name));
            }
        }
        flags
    }
}

fn check(flag: &Flag, value: &str) -> Result<(), ParseError> {
    let checked = match flag.kind {
        Kind::Switch => parse_bool(value).map(drop),
        Kind::Text => Ok(()),
        Kind::Int => parse_int(value).map(drop),
        Kind::Uint(bits) => parse_uint(value, bits).map(drop),
        Kind::Duration => parse_duration(value).map(drop),
        Kind::Strings => split_csv(value).map(drop),
        Kind::Other(_, check) => check(value),
    };
    checked.map_err(|cause| ParseError::Invalid { value: value.to_owned(), label: flag.label(), cause })
}

#[cfg(test)]
mod tests;
