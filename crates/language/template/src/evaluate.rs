//! Carries a template out on a value.

use serde_json::Value;

use crate::syntax::{Binding, Command, Node, Operand, Pipeline, Position, Term};
use crate::{Extras, MissingField, Template, TemplateError, functions, show};

/// How deep templates may call each other.
const DEEPEST: usize = 100;

/// What a list of nodes ended with.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    template: &'a Template,
    extras: Extras<'a>,
    variables: Vec<(String, Value)>,
    out: String,
    depth: usize,
}

pub(crate) fn run(template: &Template, value: &Value, extras: Extras<'_>) -> Result<String, TemplateError> {
    let variables = vec![(String::new(), value.clone())];
    let mut run = Run { template, extras, variables, out: String::new(), depth: 0 };
    run.nodes(&template.root, value)?;
    Ok(run.out)
}

fn failure(at: Position, expression: &impl ToString, message: impl Into<String>) -> TemplateError {
    TemplateError::Execution { at, expression: expression.to_string(), message: message.into() }
}

impl Run<'_> {
    /// Variables declared in the nodes end with them.
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, TemplateError> {
        let declared = self.variables.len();
        let mut flow = Flow::On;
        for node in nodes {
            flow = self.node(node, dot)?;
            if flow != Flow::On {
                break;
            }
        }
        self.variables.truncate(declared);
        Ok(flow)
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<Flow, TemplateError> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Action(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                if pipeline.variables.is_empty() {
                    // What prints as <nil> inside a list prints as <no value> on its own.
                    self.out.push_str(&if value.is_null() {
                        "<no value>".to_owned()
                    } else {
                        show::plain(&value)
                    });
                }
            }
            Node::If { condition, then, otherwise } => {
                return self.branch(condition, then, otherwise, dot, false);
            }
            Node::With { value, then, otherwise } => return self.branch(value, then, otherwise, dot, true),
            Node::Range { list, body, otherwise } => return self.range(list, body, otherwise, dot),
            Node::Call { name, argument, at } => self.call_template(name, argument.as_ref(), *at, dot)?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn branch(
        &mut self,
        head: &Pipeline,
        then: &[Node],
        otherwise: &[Node],
        dot: &Value,
        moves_dot: bool,
    ) -> Result<Flow, TemplateError> {
        let declared = self.variables.len();
        let value = self.pipeline(head, dot)?;
        let flow = if !functions::is_true(&value) {
            self.nodes(otherwise, dot)
        } else if moves_dot {
            self.nodes(then, &value)
        } else {
            self.nodes(then, dot)
        };
        self.variables.truncate(declared);
        flow
    }

    fn range(
        &mut self,
        list: &Pipeline,
        body: &[Node],
        otherwise: &[Node],
        dot: &Value,
    ) -> Result<Flow, TemplateError> {
        let declared = self.variables.len();
        let value = self.commands(list, dot)?;
        let items: Vec<(Value, Value)> = match value {
            Value::Null => Vec::new(),
            Value::Array(items) => {
                items.into_iter().enumerate().map(|(index, item)| (index.into(), item)).collect()
            }
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.into_iter().collect();
                fields.sort_by(|(first, _), (other, _)| first.cmp(other));
                fields.into_iter().map(|(name, field)| (name.into(), field)).collect()
            }
            Value::Number(count) if count.is_i64() => (0..count.as_i64().unwrap_or_default().min(1_000_000))
                .map(|index| (index.into(), index.into()))
                .collect(),
            other => {
                let first = list.commands.first().and_then(|command| command.operands.first());
                return Err(failure(
                    first.map_or(list.at, |operand| operand.at),
                    list,
                    format!("range can't iterate over {}", show::plain(&other)),
                ));
            }
        };
        if items.is_empty() {
            return self.nodes(otherwise, dot);
        }
        for (key, item) in items {
            self.bind_element(list, key, &item)?;
            let flow = self.nodes(body, &item)?;
            if list.binding == Binding::Declare {
                self.variables.truncate(declared);
            }
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn bind_element(&mut self, list: &Pipeline, key: Value, item: &Value) -> Result<(), TemplateError> {
        match list.variables.as_slice() {
            [] => Ok(()),
            [element] => self.bind(list, element, item.clone()),
            [index, element, ..] => {
                self.bind(list, index, key)?;
                self.bind(list, element, item.clone())
            }
        }
    }

    fn call_template(
        &mut self,
        name: &str,
        argument: Option<&Pipeline>,
        at: Position,
        dot: &Value,
    ) -> Result<(), TemplateError> {
        let argument = argument.map(|pipeline| self.pipeline(pipeline, dot)).transpose()?.unwrap_or_default();
        let template = self.template;
        let Some((_, body)) = template.definitions.iter().rev().find(|(defined, _)| defined == name) else {
            return Err(failure(
                at,
                &format!("{{{{template {name:?}}}}}"),
                format!("template {name:?} not defined"),
            ));
        };
        if self.depth == DEEPEST {
            return Err(failure(
                at,
                &format!("{{{{template {name:?}}}}}"),
                "exceeded maximum template depth",
            ));
        }
        self.depth += 1;
        let outer = std::mem::replace(&mut self.variables, vec![(String::new(), argument.clone())]);
        self.nodes(body, &argument)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn pipeline(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let value = self.commands(pipeline, dot)?;
        if let Some(name) = pipeline.variables.last() {
            self.bind(pipeline, name, value.clone())?;
        }
        Ok(value)
    }

    fn bind(&mut self, pipeline: &Pipeline, name: &str, value: Value) -> Result<(), TemplateError> {
        match pipeline.binding {
            Binding::Declare => self.variables.push((name.to_owned(), value)),
            Binding::Assign => {
                let Some(variable) = self.variables.iter_mut().rev().find(|(known, _)| known == name) else {
                    return Err(failure(pipeline.at, pipeline, format!("undefined variable: ${name}")));
                };
                variable.1 = value;
            }
        }
        Ok(())
    }

    fn commands(&mut self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut piped = None;
        for command in &pipeline.commands {
            piped = Some(self.command(command, piped, dot)?);
        }
        Ok(piped.unwrap_or_default())
    }

    /// Evaluates a command; the value before a pipe is its last argument.
    fn command(
        &mut self,
        command: &Command,
        piped: Option<Value>,
        dot: &Value,
    ) -> Result<Value, TemplateError> {
        let Some((first, others)) = command.operands.split_first() else { return Ok(Value::Null) };
        if let Term::Function(name) = &first.term {
            let mut arguments =
                others.iter().map(|operand| self.operand(operand, dot)).collect::<Result<Vec<_>, _>>()?;
            arguments.extend(piped);
            let value = self.call(name, arguments).map_err(|message| failure(first.at, command, message))?;
            return self.fields(first, value);
        }
        if let (Term::Dot, [name], Some(methods)) =
            (&first.term, first.fields.as_slice(), self.extras.methods)
            && (!others.is_empty() || piped.is_some())
        {
            let mut arguments =
                others.iter().map(|operand| self.operand(operand, dot)).collect::<Result<Vec<_>, _>>()?;
            arguments.extend(piped.clone());
            if let Some(value) = methods(name, &arguments) {
                return Ok(value);
            }
        }
        if !others.is_empty() || piped.is_some() {
            return Err(failure(first.at, command, format!("can't give argument to non-function {first}")));
        }
        if matches!(first.term, Term::Nil) {
            return Err(failure(first.at, command, "nil is not a command"));
        }
        self.operand(first, dot)
    }

    fn call(&self, name: &str, mut arguments: Vec<Value>) -> Result<Value, String> {
        let shapes_text =
            matches!(name, "json" | "split" | "join" | "title" | "lower" | "upper" | "truncate");
        if self.extras.is_header && shapes_text && !arguments.is_empty() {
            return Ok(arguments.swap_remove(0));
        }
        functions::call(name, &arguments)
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, TemplateError> {
        let value = match &operand.term {
            Term::Dot => return self.fields(operand, dot.clone()),
            Term::Variable(name) => match self.variables.iter().rev().find(|(known, _)| known == name) {
                Some((_, value)) => value.clone(),
                None => return Err(failure(operand.at, operand, format!("undefined variable: ${name}"))),
            },
            Term::Constant(value) => value.clone(),
            Term::Nil => Value::Null,
            Term::Function(name) => {
                functions::call(name, &[]).map_err(|message| failure(operand.at, operand, message))?
            }
            Term::Group(pipeline) => self.pipeline(pipeline, dot)?,
        };
        self.fields(operand, value)
    }

    fn fields(&self, operand: &Operand, value: Value) -> Result<Value, TemplateError> {
        operand.fields.iter().try_fold(value, |value, field| match value {
            Value::Object(mut fields) => match fields.swap_remove(field) {
                Some(value) => Ok(value),
                None if self.template.missing == MissingField::NoValue => Ok(Value::Null),
                None => Err(TemplateError::MissingField {
                    at: operand.at,
                    expression: operand.to_string(),
                    field: field.clone(),
                }),
            },
            Value::Null if self.template.missing == MissingField::NoValue => Ok(Value::Null),
            Value::Null => {
                Err(failure(operand.at, operand, format!("nil pointer evaluating interface {{}}.{field}")))
            }
            other => Err(failure(
                operand.at,
                operand,
                format!("can't evaluate field {field} in type {}", show::type_name(&other)),
            )),
        })
    }
}
