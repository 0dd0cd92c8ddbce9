//! What a template says, as a tree.

use std::fmt;

use serde_json::Value;

/// A place in a template's text: line and byte of the line, counted as Go counts them (line from 1, byte from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The byte in the line, from 0.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.line, self.column)
    }
}

/// A piece of the template.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(String),
    /// `{{pipeline}}`; prints unless it declares or assigns.
    Action(Pipeline),
    If {
        condition: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    With {
        value: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        list: Pipeline,
        body: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// `{{template "name" pipeline}}`
    Call {
        name: String,
        argument: Option<Pipeline>,
        at: Position,
    },
    Break,
    Continue,
}

/// What the variables in front of a pipeline do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Declare,
    Assign,
}

/// `$x := command | command`
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    pub(crate) variables: Vec<String>,
    pub(crate) binding: Binding,
    pub(crate) commands: Vec<Command>,
    pub(crate) at: Position,
}

/// A function or value, and its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) operands: Vec<Operand>,
}

/// One word of a command.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) term: Term,
    /// `.A.B` behind the term.
    pub(crate) fields: Vec<String>,
    pub(crate) at: Position,
}

/// What an operand starts with.
#[derive(Debug, Clone)]
pub(crate) enum Term {
    Dot,
    Variable(String),
    Constant(Value),
    Nil,
    Function(String),
    Group(Box<Pipeline>),
}

impl fmt::Display for Operand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Dot if self.fields.is_empty() => out.write_str(".")?,
            Term::Dot => {}
            Term::Variable(name) => write!(out, "${name}")?,
            Term::Constant(value) => write!(out, "{value}")?,
            Term::Nil => out.write_str("nil")?,
            Term::Function(name) => out.write_str(name)?,
            Term::Group(pipeline) => write!(out, "({pipeline})")?,
        }
        self.fields.iter().try_for_each(|field| write!(out, ".{field}"))
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                out.write_str(" | ")?;
            }
            write!(out, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            write!(out, "{operand}")?;
        }
        Ok(())
    }
}

/// Adds the first field of each chain that starts at dot or `$`.
pub(crate) fn collect_fields(nodes: &[Node], found: &mut Vec<String>) {
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipeline) => collect_pipeline(pipeline, found),
            Node::Call { argument, .. } => {
                argument.iter().for_each(|pipeline| collect_pipeline(pipeline, found))
            }
            Node::If { condition: head, then: body, otherwise }
            | Node::With { value: head, then: body, otherwise }
            | Node::Range { list: head, body, otherwise } => {
                collect_pipeline(head, found);
                collect_fields(body, found);
                collect_fields(otherwise, found);
            }
        }
    }
}

fn collect_pipeline(pipeline: &Pipeline, found: &mut Vec<String>) {
    for operand in pipeline.commands.iter().flat_map(|command| &command.operands) {
        match &operand.term {
            Term::Group(inner) => collect_pipeline(inner, found),
            Term::Dot | Term::Variable(_) => found.extend(operand.fields.first().cloned()),
            Term::Constant(_) | Term::Nil | Term::Function(_) => {}
        }
    }
}
