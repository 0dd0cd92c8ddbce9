//! Words to tree.

use crate::TemplateError;
use crate::lexer::{self, Piece, Token, Word};
use crate::syntax::{Binding, Command, Node, Operand, Pipeline, Position, Term};

/// How deep groups and blocks may be nested, so that no text exhausts the stack.
const DEEPEST: usize = 100;

type Definitions = Vec<(String, Vec<Node>)>;

/// Reads a template: its nodes, and the templates that it defines by name.
pub(crate) fn parse(text: &str) -> Result<(Vec<Node>, Definitions), TemplateError> {
    let pieces = lexer::split(text)?;
    let mut parser = Parser { pieces: pieces.into_iter(), definitions: Vec::new(), depth: 0, loops: 0 };
    let (nodes, end) = parser.block()?;
    match end {
        Closed::Text => Ok((nodes, parser.definitions)),
        Closed::Else { at, .. } => Err(syntax(at, "unexpected {{else}}")),
        Closed::Ended { at } => Err(syntax(at, "unexpected {{end}}")),
    }
}

/// What closed a block.
enum Closed {
    Text,
    Ended {
        at: Position,
    },
    /// `{{else}}`, or `{{else if …}}` with the words behind it.
    Else {
        words: Words,
        at: Position,
    },
}

type Words = std::iter::Peekable<std::vec::IntoIter<Word>>;

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    definitions: Definitions,
    depth: usize,
    loops: usize,
}

fn syntax(at: Position, message: impl Into<String>) -> TemplateError {
    TemplateError::Syntax { at, message: message.into() }
}

impl Parser {
    fn block(&mut self) -> Result<(Vec<Node>, Closed), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let (words, at) = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action { words, at } => (words, at),
            };
            let keyword = match words.first() {
                Some(Word { token: Token::Name(name), .. }) => name.clone(),
                Some(_) => String::new(),
                None => return Err(syntax(at, "missing value for command")),
            };
            let mut words = words.into_iter().peekable();
            if is_keyword(&keyword) {
                words.next();
            }
            match keyword.as_str() {
                "end" => return Ok((nodes, Closed::Ended { at })),
                "else" => return Ok((nodes, Closed::Else { words, at })),
                "define" => self.define(words, at)?,
                _ => nodes.push(self.statement(&keyword, words, at)?),
            }
        }
        Ok((nodes, Closed::Text))
    }

    fn statement(&mut self, keyword: &str, mut words: Words, at: Position) -> Result<Node, TemplateError> {
        match keyword {
            "if" | "with" | "range" => self.control(keyword, words, at),
            "block" => {
                let name = self.define_named(&mut words, at)?;
                let argument = Some(self.pipeline(&mut words, at, Until::Action)?);
                let body = self.closed_block(at)?;
                self.definitions.push((name.clone(), body));
                Ok(Node::Call { name, argument, at })
            }
            "template" => {
                let name = self.define_named(&mut words, at)?;
                let argument = if words.peek().is_some() {
                    Some(self.pipeline(&mut words, at, Until::Action)?)
                } else {
                    None
                };
                Ok(Node::Call { name, argument, at })
            }
            "break" | "continue" if self.loops == 0 => {
                Err(syntax(at, format!("{{{{{keyword}}}}} outside {{{{range}}}}")))
            }
            "break" => Ok(Node::Break),
            "continue" => Ok(Node::Continue),
            _ => Ok(Node::Action(self.pipeline(&mut words, at, Until::Action)?)),
        }
    }

    fn define(&mut self, mut words: Words, at: Position) -> Result<(), TemplateError> {
        let name = self.define_named(&mut words, at)?;
        let body = self.closed_block(at)?;
        self.definitions.push((name, body));
        Ok(())
    }

    fn define_named(&mut self, words: &mut Words, at: Position) -> Result<String, TemplateError> {
        match words.next().map(|word| word.token) {
            Some(Token::Constant(serde_json::Value::String(name))) => Ok(name),
            _ => Err(syntax(at, "expected a template name in quotes")),
        }
    }

    fn closed_block(&mut self, at: Position) -> Result<Vec<Node>, TemplateError> {
        self.deeper(at)?;
        let (nodes, end) = self.block()?;
        self.depth -= 1;
        match end {
            Closed::Ended { .. } => Ok(nodes),
            Closed::Else { at, .. } => Err(syntax(at, "unexpected {{else}}")),
            Closed::Text => Err(syntax(at, "unexpected EOF")),
        }
    }

    fn control(&mut self, keyword: &str, mut words: Words, at: Position) -> Result<Node, TemplateError> {
        self.deeper(at)?;
        let head = self.pipeline(&mut words, at, Until::Action)?;
        if keyword != "range" && head.variables.len() > 1 {
            return Err(syntax(at, format!("too many declarations in {keyword}")));
        }
        self.loops += usize::from(keyword == "range");
        let (body, end) = self.block()?;
        self.loops -= usize::from(keyword == "range");
        let otherwise = match end {
            Closed::Ended { .. } => Vec::new(),
            Closed::Text => return Err(syntax(at, "unexpected EOF")),
            Closed::Else { mut words, at } => match words.next().map(|word| word.token) {
                None => {
                    let (nodes, end) = self.block()?;
                    match end {
                        Closed::Ended { .. } => nodes,
                        Closed::Else { at, .. } => return Err(syntax(at, "expected end; found {{else}}")),
                        Closed::Text => return Err(syntax(at, "unexpected EOF")),
                    }
                }
                // `{{else if}}` shares the {{end}} of the outer block.
                Some(Token::Name(next)) if (next == "if" || next == "with") && keyword != "range" => {
                    vec![self.control(&next, words, at)?]
                }
                Some(_) => return Err(syntax(at, "unexpected word in {{else}}")),
            },
        };
        self.depth -= 1;
        Ok(match keyword {
            "if" => Node::If { condition: head, then: body, otherwise },
            "with" => Node::With { value: head, then: body, otherwise },
            _ => Node::Range { list: head, body, otherwise },
        })
    }

    fn deeper(&mut self, at: Position) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(syntax(at, "nested too deeply")) } else { Ok(()) }
    }

    fn pipeline(&mut self, words: &mut Words, at: Position, until: Until) -> Result<Pipeline, TemplateError> {
        self.deeper(at)?;
        let (variables, binding) = bindings(words)?;
        let mut commands = Vec::new();
        loop {
            let (command, end) = self.command(words, at)?;
            commands.push(command);
            match (end, until) {
                (Some(Token::Pipe), _) => {}
                (None, Until::Action) | (Some(Token::Close), Until::Group) => break,
                (None, Until::Group) => return Err(syntax(at, "unclosed left paren")),
                (Some(_), _) => return Err(syntax(at, "unexpected right paren")),
            }
        }
        self.depth -= 1;
        check_stages(&commands, at)?;
        Ok(Pipeline { variables, binding, commands, at })
    }

    /// Reads operands up to a pipe, a closing paren (both consumed and returned) or the end of the action.
    fn command(
        &mut self,
        words: &mut Words,
        at: Position,
    ) -> Result<(Command, Option<Token>), TemplateError> {
        let mut operands: Vec<Operand> = Vec::new();
        let end = loop {
            let Some(word) = words.next() else { break None };
            let term = match word.token {
                Token::Pipe | Token::Close => break Some(word.token),
                Token::Field(name) => {
                    match operands.last_mut().filter(|_| word.glued) {
                        Some(operand) => {
                            // Go places a chain where its second link begins.
                            if operand.fields.len() == usize::from(matches!(operand.term, Term::Dot)) {
                                operand.at = word.at;
                            }
                            operand.fields.push(name);
                        }
                        None => operands.push(Operand { term: Term::Dot, fields: vec![name], at: word.at }),
                    }
                    continue;
                }
                Token::Dot => Term::Dot,
                Token::Variable(name) => Term::Variable(name),
                Token::Constant(value) => Term::Constant(value),
                Token::Name(name) => name_term(name, word.at)?,
                Token::Open => Term::Group(Box::new(self.pipeline(words, word.at, Until::Group)?)),
                Token::Comma | Token::Declare | Token::Assign => {
                    return Err(syntax(word.at, "unexpected word in command"));
                }
            };
            operands.push(Operand { term, fields: Vec::new(), at: word.at });
        };
        if operands.is_empty() {
            return Err(syntax(at, "missing value for command"));
        }
        Ok((Command { operands }, end))
    }
}

/// What ends a pipeline.
#[derive(Clone, Copy)]
enum Until {
    Action,
    Group,
}

fn is_keyword(name: &str) -> bool {
    matches!(
        name,
        "if" | "with" | "range" | "end" | "else" | "define" | "block" | "template" | "break" | "continue"
    )
}

fn name_term(name: String, at: Position) -> Result<Term, TemplateError> {
    Ok(match name.as_str() {
        "true" => Term::Constant(true.into()),
        "false" => Term::Constant(false.into()),
        "nil" => Term::Nil,
        _ if crate::functions::is_known(&name) => Term::Function(name),
        _ => return Err(syntax(at, format!("function {name:?} not defined"))),
    })
}

/// Reads `$x :=`, `$x =` or `$i, $x :=` if the pipeline begins so.
fn bindings(words: &mut Words) -> Result<(Vec<String>, Binding), TemplateError> {
    let mut ahead = words.clone();
    let mut variables = Vec::new();
    while let Some(Word { token: Token::Variable(name), at, .. }) = ahead.next() {
        variables.push(name);
        let binding = match ahead.next().map(|word| word.token) {
            Some(Token::Comma) if variables.len() < 2 => continue,
            Some(Token::Comma) => return Err(syntax(at, "too many declarations")),
            Some(Token::Declare) => Binding::Declare,
            Some(Token::Assign) => Binding::Assign,
            _ => break,
        };
        *words = ahead;
        return Ok((variables, binding));
    }
    Ok((Vec::new(), Binding::Declare))
}

/// Only functions take the value that a pipe hands on.
fn check_stages(commands: &[Command], at: Position) -> Result<(), TemplateError> {
    for (index, command) in commands.iter().enumerate().skip(1) {
        let Some(first) = command.operands.first() else { continue };
        let callable =
            matches!(first.term, Term::Function(_) | Term::Group(_) | Term::Dot | Term::Variable(_));
        if !callable {
            return Err(syntax(at, format!("non executable command in pipeline stage {}", index + 1)));
        }
    }
    Ok(())
}
