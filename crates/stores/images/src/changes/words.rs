//! Words of an instruction: quotes, escapes, `$NAME`, `${NAME:-default}`, `name=value` pairs.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::ChangeError;

/// Splits at blanks that are neither quoted nor escaped; quotes and escapes stay in the words.
pub(super) fn split_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, None) if letter.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            ('\\', None | Some('"')) => {
                word.push(letter);
                word.extend(letters.next());
                continue;
            }
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            _ => {}
        }
        word.push(letter);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The pairs of `ENV` and `LABEL`: `a=b c=d`, or the old form `a rest of line`.
pub(super) fn pairs(rest: &str, name: &'static str) -> Result<Vec<(String, String)>, ChangeError> {
    let words = split_words(rest);
    let Some(first) = words.first() else { return Err(ChangeError::NoArgument(name)) };
    let pairs = if first.contains('=') {
        words.iter().map(|word| pair(word)).collect::<Result<Vec<_>, _>>()?
    } else {
        let value = rest[first.len()..].trim();
        if value.is_empty() {
            return Err(ChangeError::NoValue(name));
        }
        vec![(first.clone(), value.to_owned())]
    };
    match pairs.iter().any(|(key, _)| key.is_empty()) {
        true => Err(ChangeError::Blank(name)),
        false => Ok(pairs),
    }
}

fn pair(word: &str) -> Result<(String, String), ChangeError> {
    let (key, value) = word.split_once('=').ok_or_else(|| ChangeError::NoEquals(word.to_owned()))?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Takes quotes and escapes away and puts variables in.
pub(super) fn expand(text: &str, environment: &BTreeMap<String, String>) -> Result<String, ChangeError> {
    expand_at(text, environment, DEEPEST)
}

/// Variables in defaults of variables that are followed.
const DEEPEST: usize = 16;

fn expand_at(
    text: &str,
    environment: &BTreeMap<String, String>,
    depth: usize,
) -> Result<String, ChangeError> {
    let mut out = String::new();
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            (letter, Some('\'')) if letter != '\'' => out.push(letter),
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None) => out.extend(letters.next()),
            ('\\', Some(_)) => match letters.next() {
                Some(next @ ('"' | '$' | '\\')) => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            ('$', _) => out.push_str(&variable(&mut letters, environment, depth)?),
            _ => out.push(letter),
        }
    }
    match quote {
        None => Ok(out),
        Some(_) => Err(ChangeError::Word("unexpected end of statement while looking for matching quote")),
    }
}

/// The same, but blanks in a variable's value divide words.
pub(super) fn expand_to_words(
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<String>, ChangeError> {
    Ok(expand(text, environment)?.split_whitespace().map(str::to_owned).collect())
}

fn variable(
    letters: &mut Peekable<Chars<'_>>,
    environment: &BTreeMap<String, String>,
    depth: usize,
) -> Result<String, ChangeError> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let value_of = |name: &str| environment.get(name).cloned();
    if letters.peek() != Some(&'{') {
        let mut name = String::new();
        while let Some(letter) = letters.next_if(|letter| is_name(*letter)) {
            name.push(letter);
        }
        return Ok(match name.is_empty() {
            true => "$".to_owned(),
            false => value_of(&name).unwrap_or_default(),
        });
    }
    letters.next();
    let mut body = String::new();
    let mut open = 1_i32;
    for letter in letters.by_ref() {
        open += match letter {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if open == 0 {
            break;
        }
        body.push(letter);
    }
    if open != 0 {
        return Err(ChangeError::Word("syntax error: missing '}'"));
    }
    let end = body.find(|letter| !is_name(letter)).unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    if name.is_empty() {
        return Err(ChangeError::Word("syntax error: bad substitution"));
    }
    let value = value_of(name);
    let filled = value.clone().filter(|value| !value.is_empty());
    let (operator, word) = rest.split_at(rest.len().min(if rest.starts_with(':') { 2 } else { 1 }));
    if depth == 0 {
        return Err(ChangeError::Word("bad substitution: nested too deeply"));
    }
    match operator {
        "" => Ok(value.unwrap_or_default()),
        ":-" => filled.map_or_else(|| expand_at(word, environment, depth - 1), Ok),
        "-" => value.map_or_else(|| expand_at(word, environment, depth - 1), Ok),
        ":+" => {
            if filled.is_some() {
                expand_at(word, environment, depth - 1)
            } else {
                Ok(String::new())
            }
        }
        "+" => {
            if value.is_some() {
                expand_at(word, environment, depth - 1)
            } else {
                Ok(String::new())
            }
        }
        _ => Err(ChangeError::Word("unsupported modifier in substitution")),
    }
}
