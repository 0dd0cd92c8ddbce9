//! The Go template language of `--format`, over JSON values; knows no command and no API.
//!
//! ```
//! let template = template::Template::parse("{{.Name}}: {{range .Ports}}{{.}} {{end}}").unwrap();
//! let value = serde_json::json!({"Name": "web", "Ports": [80, 443]});
//! assert_eq!(template.execute(&value).unwrap(), "web: 80 443 ");
//! ```
//!
//! The language is Go's `text/template`, with the functions that Docker's client adds (`json`, `split`, `join`, `title`,
//! `lower`, `upper`, `pad`, `truncate`). Objects print as Go prints maps, since JSON does not tell a struct from a map.

mod evaluate;
mod functions;
mod lexer;
mod parser;
mod printf;
mod show;
mod syntax;

use serde_json::Value;

pub use syntax::Position;

/// Why a template was refused or could not be carried out. The text is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template is no template.
    #[error("template: :{}: {message}", at.line)]
    Syntax {
        /// Where.
        at: Position,
        /// What is wrong.
        message: String,
    },
    /// A field was asked for that its object does not have.
    #[error("template: :{at}: executing \"\" at <{expression}>: map has no entry for key \"{field}\"")]
    MissingField {
        /// Where.
        at: Position,
        /// The expression as written.
        expression: String,
        /// The name of the field.
        field: String,
    },
    /// Something else went wrong while it was carried out.
    #[error("template: :{at}: executing \"\" at <{expression}>: {message}")]
    Execution {
        /// Where.
        at: Position,
        /// The expression as written.
        expression: String,
        /// What is wrong.
        message: String,
    },
}

/// What an absent field of an object gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingField {
    /// [`TemplateError::MissingField`], as Docker's `inspect` and listings have it.
    #[default]
    Refused,
    /// `<no value>`, as a plain Go template over a map has it.
    NoValue,
}

/// Calls `.Name argument…` on the top value; `None` if there is no such method.
pub type Methods<'a> = &'a dyn Fn(&str, &[Value]) -> Option<Value>;

/// What the user of a template adds for one execution.
#[derive(Clone, Copy, Default)]
pub struct Extras<'a> {
    /// Fields of the top value that take arguments, such as `{{.Label "tier"}}` in a listing.
    pub methods: Option<Methods<'a>>,
    /// The line of column names above a listing is wanted: functions that shape a text leave the name as it is.
    pub is_header: bool,
}

/// A template, ready to be carried out on any number of values.
#[derive(Debug, Clone)]
pub struct Template {
    root: Vec<syntax::Node>,
    definitions: Vec<(String, Vec<syntax::Node>)>,
    missing: MissingField,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`], in Go's words where they are short.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let (root, definitions) = parser::parse(text)?;
        Ok(Template { root, definitions, missing: MissingField::default() })
    }

    /// Chooses what an absent field gives.
    #[must_use]
    pub fn missing_field(mut self, missing: MissingField) -> Template {
        self.missing = missing;
        self
    }

    /// Carries the template out on `value`.
    ///
    /// # Errors
    /// [`TemplateError::MissingField`] and [`TemplateError::Execution`].
    pub fn execute(&self, value: &Value) -> Result<String, TemplateError> {
        self.execute_with(value, Extras::default())
    }

    /// Carries the template out on `value`, with what its user adds.
    ///
    /// # Errors
    /// [`TemplateError::MissingField`] and [`TemplateError::Execution`].
    pub fn execute_with(&self, value: &Value, extras: Extras<'_>) -> Result<String, TemplateError> {
        evaluate::run(self, value, extras)
    }

    /// Names the first field of each chain that starts at the top value (`.Size` in `{{json .Size}}`), so that a listing asks for costly columns
    /// only when they are shown. Fields inside `range` and `with` are named too.
    #[must_use]
    pub fn top_fields(&self) -> Vec<String> {
        let mut fields = Vec::new();
        syntax::collect_fields(&self.root, &mut fields);
        fields
    }
}

#[cfg(test)]
mod tests;
