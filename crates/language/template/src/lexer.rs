//! Template text to words: text between actions, and the tokens inside them.

use serde_json::Value;

use crate::TemplateError;
use crate::syntax::Position;

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// `.Name`; whether white space stands before it decides if it belongs to the word before.
    Field(String),
    Dot,
    /// `$name`, without the dollar; empty for `$`.
    Variable(String),
    Constant(Value),
    /// A function, keyword, `true`, `false` or `nil`.
    Name(String),
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
}

/// A token, where it stands, and whether it follows the one before without a space.
#[derive(Debug, Clone)]
pub(crate) struct Word {
    pub(crate) token: Token,
    pub(crate) at: Position,
    pub(crate) glued: bool,
}

/// A piece of a template.
#[derive(Debug)]
pub(crate) enum Piece {
    Text(String),
    Action { words: Vec<Word>, at: Position },
}

/// Splits a template into text and actions; comments and trimmed space are gone.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut rest = 0;
    let mut trim_next = false;
    while let Some(found) = text[rest..].find("{{") {
        let open = rest + found;
        let mut before = &text[rest..open];
        if trim_next {
            before = before.trim_start();
        }
        let mut inside = open + 2;
        if text[inside..].starts_with('-') && text[inside + 1..].starts_with(char::is_whitespace) {
            before = before.trim_end();
            inside += 1;
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let comment = text[inside..].trim_start();
        if comment.starts_with("/*") {
            let start = text.len() - comment.len();
            (rest, trim_next) =
                end_of_comment(text, start).ok_or_else(|| syntax(text, open, "unclosed comment"))?;
            continue;
        }
        let mut lexer = Lexer { text, offset: inside, words: Vec::new() };
        trim_next = lexer.action(open)?;
        rest = lexer.offset;
        pieces.push(Piece::Action { words: lexer.words, at: position(text, inside) });
    }
    let tail = if trim_next { text[rest..].trim_start() } else { &text[rest..] };
    if !tail.is_empty() {
        pieces.push(Piece::Text(tail.to_owned()));
    }
    Ok(pieces)
}

fn end_of_comment(text: &str, start: usize) -> Option<(usize, bool)> {
    let end = start + text[start..].find("*/")? + 2;
    let after = &text[end..];
    let trimmed = after.trim_start();
    if let Some(tail) = trimmed.strip_prefix("-}}").filter(|_| trimmed.len() < after.len()) {
        return Some((text.len() - tail.len(), true));
    }
    after.starts_with("}}").then_some((end + 2, false))
}

pub(crate) fn position(text: &str, offset: usize) -> Position {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position { line: before.matches('\n').count() + 1, column: offset - start }
}

fn syntax(text: &str, offset: usize, message: &str) -> TemplateError {
    TemplateError::Syntax { at: position(text, offset), message: message.to_owned() }
}

struct Lexer<'a> {
    text: &'a str,
    offset: usize,
    words: Vec<Word>,
}

impl Lexer<'_> {
    /// Reads words until the action's end; true if the text behind it loses its leading space.
    fn action(&mut self, open: usize) -> Result<bool, TemplateError> {
        let mut end_of_last = usize::MAX;
        loop {
            let rest = &self.text[self.offset..];
            let trimmed = rest.trim_start();
            let spaced = trimmed.len() < rest.len();
            self.offset = self.text.len() - trimmed.len();
            if trimmed.starts_with("}}") {
                self.offset += 2;
                return Ok(false);
            }
            if spaced && trimmed.starts_with("-}}") {
                self.offset += 3;
                return Ok(true);
            }
            if trimmed.is_empty() {
                return Err(syntax(self.text, open, "unclosed action"));
            }
            let start = self.offset;
            let token = self.token(trimmed)?;
            let glued = start == end_of_last;
            self.words.push(Word { token, at: position(self.text, start), glued });
            end_of_last = self.offset;
        }
    }

    fn token(&mut self, rest: &str) -> Result<Token, TemplateError> {
        let first = rest.chars().next().unwrap_or_default();
        let simple = match first {
            '|' => Some((Token::Pipe, 1)),
            '(' => Some((Token::Open, 1)),
            ')' => Some((Token::Close, 1)),
            ',' => Some((Token::Comma, 1)),
            ':' if rest.starts_with(":=") => Some((Token::Declare, 2)),
            '=' => Some((Token::Assign, 1)),
            _ => None,
        };
        if let Some((token, length)) = simple {
            self.offset += length;
            return Ok(token);
        }
        match first {
            '"' => self.quoted(rest),
            '`' => self.raw(rest),
            '\'' => self.character(rest),
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let name = identifier(&rest[1..]);
                self.offset += 1 + name.len();
                Ok(if name.is_empty() { Token::Dot } else { Token::Field(name.to_owned()) })
            }
            '$' => {
                let name = identifier(&rest[1..]);
                self.offset += 1 + name.len();
                Ok(Token::Variable(name.to_owned()))
            }
            '+' | '-' | '.' | '0'..='9' => self.number(rest),
            c if c == '_' || c.is_alphabetic() => {
                let name = identifier(rest);
                self.offset += name.len();
                Ok(Token::Name(name.to_owned()))
            }
            c => Err(syntax(
                self.text,
                self.offset,
                &format!("unrecognized character in action: U+{:04X} {c:?}", u32::from(c)),
            )),
        }
    }

    fn quoted(&mut self, rest: &str) -> Result<Token, TemplateError> {
        let (value, length) = unquote(&rest[1..], '"')
            .ok_or_else(|| syntax(self.text, self.offset, "unterminated quoted string"))?;
        self.offset += 1 + length;
        Ok(Token::Constant(Value::String(value)))
    }

    fn raw(&mut self, rest: &str) -> Result<Token, TemplateError> {
        let end = rest[1..]
            .find('`')
            .ok_or_else(|| syntax(self.text, self.offset, "unterminated raw quoted string"))?;
        self.offset += end + 2;
        Ok(Token::Constant(Value::String(rest[1..=end].to_owned())))
    }

    fn character(&mut self, rest: &str) -> Result<Token, TemplateError> {
        let malformed = || syntax(self.text, self.offset, "malformed character constant");
        let (value, length) = unquote(&rest[1..], '\'').ok_or_else(malformed)?;
        let mut characters = value.chars();
        let (Some(character), None) = (characters.next(), characters.next()) else { return Err(malformed()) };
        self.offset += 1 + length;
        Ok(Token::Constant(u32::from(character).into()))
    }

    fn number(&mut self, rest: &str) -> Result<Token, TemplateError> {
        let end = rest.char_indices().position(|(index, c)| {
            let sign = (c == '+' || c == '-') && (index == 0 || rest[..index].ends_with(['e', 'E']));
            !(sign || c == '.' || c == '_' || c.is_alphanumeric())
        });
        let length = end.unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or(rest);
        let value = number(text)
            .ok_or_else(|| syntax(self.text, self.offset, &format!("bad number syntax: {text:?}")))?;
        self.offset += text.len();
        Ok(Token::Constant(value))
    }
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    &text[..end]
}

fn number(text: &str) -> Option<Value> {
    let (sign, digits): (i32, &str) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let plain = digits.replace('_', "").to_ascii_lowercase();
    let radix = match plain.get(..2) {
        Some("0x") => Some(16),
        Some("0o") => Some(8),
        Some("0b") => Some(2),
        _ => None,
    };
    let integer = match radix {
        Some(radix) => i64::from_str_radix(&plain[2..], radix).ok(),
        None if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| b.is_ascii_digit()) => {
            i64::from_str_radix(&plain, 8).ok()
        }
        None => plain.parse().ok(),
    };
    if let Some(integer) = integer.filter(|_| !plain.starts_with(['+', '-'])) {
        return Some((i64::from(sign) * integer).into());
    }
    let float: f64 =
        plain.parse().ok().filter(|_| plain.starts_with(|c: char| c.is_ascii_digit() || c == '.'))?;
    serde_json::Number::from_f64(f64::from(sign) * float).map(Value::Number)
}

/// Reads a Go string up to the closing quote: the value, and the bytes read with the quote.
fn unquote(text: &str, quote: char) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '\n' => return None,
            c if c == quote => return Some((value, index + 1)),
            '\\' => value.push(escape(&mut characters)?),
            c => value.push(c),
        }
    }
    None
}

fn escape(characters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let (_, kind) = characters.next()?;
    let mut code = |length: usize, radix: u32, first: u32| {
        (0..length)
            .try_fold(first, |code, _| Some(code.checked_mul(radix)? + characters.next()?.1.to_digit(radix)?))
    };
    match kind {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' | '\'' | '"' => Some(kind),
        'x' => char::from_u32(code(2, 16, 0)?),
        'u' => char::from_u32(code(4, 16, 0)?),
        'U' => char::from_u32(code(8, 16, 0)?),
        '0'..='7' => char::from_u32(code(2, 8, kind.to_digit(8)?)?),
        _ => None,
    }
}
