//! How options are written: as Go's `flag` package reads them, and in any place before `--` where a command allows that.

use std::collections::BTreeMap;

/// One option.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Its name and its short name.
    pub(crate) names: &'static [&'static str],
    /// What it takes.
    pub(crate) takes: Takes,
    /// One line for the help; empty hides it.
    pub(crate) help: &'static str,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing; `=false` switches it off.
    Nothing,
    /// A text.
    Text,
    /// A whole number.
    Number,
}

/// Options of a command.
#[derive(Debug)]
pub(crate) struct Grammar {
    pub(crate) flags: &'static [Flag],
    /// Whether the first word that is no option ends the options.
    pub(crate) stops_at_word: bool,
}

/// What was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    values: BTreeMap<&'static str, Vec<String>>,
    /// What is no option.
    pub(crate) words: Vec<String>,
    /// Whether help is wanted.
    pub(crate) help: bool,
}

/// An option without a value.
pub(crate) const fn switch(names: &'static [&'static str], help: &'static str) -> Flag {
    Flag { names, takes: Takes::Nothing, help }
}

/// An option with a text.
pub(crate) const fn text(names: &'static [&'static str], help: &'static str) -> Flag {
    Flag { names, takes: Takes::Text, help }
}

/// An option with a whole number.
pub(crate) const fn number(names: &'static [&'static str], help: &'static str) -> Flag {
    Flag { names, takes: Takes::Number, help }
}

impl Asked {
    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.values.get(name).and_then(|values| values.last()).is_some_and(|value| value == "true")
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The last value of an option, if it is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str).filter(|text| !text.is_empty())
    }

    /// The last value, even if empty.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// All values of an option.
    pub(crate) fn list(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// A number that was checked when it was read; 0 when not given.
    pub(crate) fn number(&self, name: &str) -> i64 {
        self.text(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

impl Grammar {
    /// Reads words.
    pub(crate) fn parse(&self, words: &[String]) -> Result<Asked, String> {
        let mut asked = Asked::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                asked.words.extend(rest.cloned());
                break;
            }
            let Some(body) =
                word.strip_prefix("--").or(word.strip_prefix('-')).filter(|body| !body.is_empty())
            else {
                asked.words.push(word.clone());
                if self.stops_at_word {
                    asked.words.extend(rest.cloned());
                    break;
                }
                continue;
            };
            let (name, value) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            let Some(flag) = self.flags.iter().find(|flag| flag.names.contains(&name)) else {
                if name == "help" || name == "h" {
                    asked.help = true;
                    continue;
                }
                // Behind a word it is a word itself, as a negative number may be.
                if !asked.words.is_empty() {
                    asked.words.push(word.clone());
                    continue;
                }
                return Err(format!("flag provided but not defined: -{name}"));
            };
            let value = flag.read(name, value, &mut rest)?;
            asked.values.entry(flag.names[0]).or_default().push(value);
        }
        Ok(asked)
    }
}

impl Flag {
    fn read<'a>(
        &self,
        name: &str,
        value: Option<String>,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<String, String> {
        match (self.takes, value) {
            (Takes::Nothing, None) => Ok("true".to_owned()),
            (Takes::Nothing, Some(value)) => match truth(&value) {
                Some(truth) => Ok(truth.to_string()),
                None => Err(format!("invalid boolean value {value:?} for -{name}: parse error")),
            },
            (takes, value) => {
                let value = match value {
                    Some(value) => value,
                    None => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: -{name}"))?,
                };
                if takes == Takes::Number && value.parse::<i64>().is_err() {
                    return Err(format!("invalid value {value:?} for flag -{name}: parse error"));
                }
                Ok(value)
            }
        }
    }
}

/// A truth value as Go reads it.
pub(crate) fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] =
        &[switch(&["force", "f"], "x"), text(&["bundle", "b"], "x"), number(&["fds"], "x")];

    fn parse(stops_at_word: bool, line: &str) -> Result<Asked, String> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Grammar { flags: FLAGS, stops_at_word }.parse(&words)
    }

    #[test]
    fn options_stand_before_or_behind_words() {
        for line in ["-f --bundle x id", "id --force=1 -b=x", "-b x id -f"] {
            let asked = parse(false, line).unwrap();
            assert_eq!((asked.is_on("force"), asked.text("bundle")), (true, Some("x")), "{line}");
            assert_eq!(asked.words, ["id"]);
        }
    }

    #[test]
    fn a_command_to_execute_keeps_its_options() {
        let asked = parse(true, "-f id ls -b x").unwrap();
        assert_eq!(asked.words, ["id", "ls", "-b", "x"]);
        assert!(!asked.has("bundle"));
    }

    #[test]
    fn nonsense_is_refused_in_gos_words() {
        assert_eq!(parse(false, "--no id").unwrap_err(), "flag provided but not defined: -no");
        assert_eq!(parse(false, "id -b").unwrap_err(), "flag needs an argument: -b");
        assert!(parse(false, "--fds=x").unwrap_err().contains("invalid value \"x\" for flag -fds"));
        assert_eq!(parse(false, "id -9").unwrap().words, ["id", "-9"]);
    }
}
