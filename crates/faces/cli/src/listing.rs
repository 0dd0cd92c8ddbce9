//! Listings: rows with named fields, shown as a table, as JSON, or by the user's template.

use crate::failure::{Failure, fail};
use crate::table;
use engine_api::StringMap;
use serde_json::{Map, Value};
use template::{Extras, MissingField, Template, TemplateError};

/// What a listing is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sheet {
    /// The fields and their headers.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The name that Docker's errors give a row.
    pub(crate) row_type: &'static str,
}

/// One row: its fields, and the labels that `.Label "name"` looks up.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    fields: Value,
    labels: StringMap,
}

impl Row {
    /// A row of these fields.
    pub(crate) fn new<const N: usize>(fields: [(&str, Value); N], labels: StringMap) -> Row {
        let mut fields = fields.to_vec();
        fields.sort_by_key(|(name, _)| *name);
        let fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Row { fields: Value::Object(fields), labels }
    }
}

/// How a listing is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format(String);

impl Format {
    /// The format that the user's text means: `table`, `table TEMPLATE`, `json` or a template.
    pub(crate) fn new(text: impl Into<String>) -> Format {
        Format(text.into())
    }

    fn is_table(&self) -> bool {
        self.0.starts_with("table")
    }

    /// Whether the template shows the field, as Docker looks for it.
    pub(crate) fn contains(&self, part: &str) -> bool {
        self.0.contains(part)
    }

    /// The template's text, with `\t` and `\n` as people type them.
    fn template(&self) -> String {
        let text = match self.0.as_str() {
            "json" => "{{json .}}",
            table if self.is_table() => &table["table".len()..],
            other => other,
        };
        text.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n")
    }
}

/// Renders `rows`.
///
/// # Errors
/// The template is none, or asks for fields that rows do not have.
pub(crate) fn render(format: &Format, sheet: Sheet, rows: &[Row]) -> Result<String, Failure> {
    let text = format.template();
    let template = Template::parse(&text).map_err(|error| fail!("template parsing error: {error}"))?;
    let mut body = String::new();
    for row in rows {
        if text == "{{json .}}" {
            body.push_str(&go_json(&row.fields));
        } else {
            let shown = execute(&template, row)
                .map_err(|error| fail!("template parsing error: {}", describe(&error, sheet.row_type)))?;
            body.push_str(&shown);
        }
        body.push('\n');
    }
    if !format.is_table() {
        return Ok(body);
    }
    Ok(table::align(&format!("{}\n{body}", header(&template, sheet)), table::LISTING))
}

/// Tries `text` on an empty row, as `ps` does before it asks the daemon.
///
/// # Errors
/// The template is none, or asks for fields that rows do not have.
pub(crate) fn check(text: &str, sheet: Sheet) -> Result<Template, Failure> {
    let template = Template::parse(text).map_err(|error| fail!("failed to parse template: {error}"))?;
    let empty = sheet.headers.iter().map(|(name, _)| ((*name).to_owned(), Value::from("")));
    let row = Row { fields: Value::Object(empty.collect()), labels: StringMap::new() };
    match execute(&template, &row) {
        Ok(_) => Ok(template),
        Err(error) => Err(fail!("failed to execute template: {}", describe(&error, sheet.row_type))),
    }
}

fn headers(sheet: Sheet) -> Value {
    Value::Object(
        sheet.headers.iter().map(|(name, header)| ((*name).to_owned(), Value::from(*header))).collect(),
    )
}

fn execute(template: &Template, row: &Row) -> Result<String, TemplateError> {
    let methods = |name: &str, arguments: &[Value]| match (name, arguments) {
        ("Label", [Value::String(label)]) => {
            Some(Value::from(row.labels.get(label).cloned().unwrap_or_default()))
        }
        _ => None,
    };
    let mut fields = row.fields.clone();
    for field in fields.as_object_mut().into_iter().flat_map(Map::values_mut).filter(|field| field.is_null())
    {
        // Go prints a pointer to nothing.
        *field = Value::from("<nil>");
    }
    template.execute_with(&fields, Extras { methods: Some(&methods), is_header: false })
}

fn header(template: &Template, sheet: Sheet) -> String {
    let methods = |name: &str, arguments: &[Value]| match (name, arguments) {
        ("Label", [Value::String(label)]) => {
            let last = label.rsplit('.').next().unwrap_or(label);
            Some(Value::from(last.replace(['-', '_'], " ")))
        }
        _ => None,
    };
    let extras = Extras { methods: Some(&methods), is_header: true };
    let template = template.clone().missing_field(MissingField::NoValue);
    template.execute_with(&headers(sheet), extras).unwrap_or_default()
}

/// The error's text, with a missing field worded as Go does for a struct.
pub(crate) fn describe(error: &TemplateError, row_type: &str) -> String {
    match error {
        TemplateError::MissingField { at, expression, field } => {
            format!(
                "template: :{at}: executing \"\" at <{expression}>: can't evaluate field {field} in type {row_type}"
            )
        }
        other => other.to_string(),
    }
}

/// JSON as Go's `json.Marshal` writes it: `<`, `>` and `&` escaped.
pub(crate) fn go_json(value: &Value) -> String {
    value
        .to_string()
        .replace('&', "\\u0026")
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHEET: Sheet = Sheet {
        headers: &[("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Ports", "PORTS")],
        row_type: "*x.Row",
    };

    fn rows() -> Vec<Row> {
        let labels = StringMap::from([("team.tier-1".to_owned(), "gold".to_owned())]);
        vec![
            Row::new(
                [("Names", "web".into()), ("ID", "0123456789ab".into()), ("Ports", "1->2".into())],
                labels,
            ),
            Row::new(
                [("ID", "ba9876543210".into()), ("Names", "database".into()), ("Ports", "".into())],
                StringMap::new(),
            ),
        ]
    }

    fn show(format: &str) -> String {
        render(&Format::new(format), SHEET, &rows()).unwrap()
    }

    #[test]
    fn tables_have_headers_and_templates_have_none() {
        assert_eq!(
            show("table {{.ID}}\\t{{.Names}}"),
            "CONTAINER ID   NAMES\n0123456789ab   web\nba9876543210   database\n"
        );
        assert_eq!(show("{{.Names}}"), "web\ndatabase\n");
        assert_eq!(
            show("json").lines().next(),
            Some(r#"{"ID":"0123456789ab","Names":"web","Ports":"1-\u003e2"}"#)
        );
    }

    #[test]
    fn labels_have_columns() {
        let shown = show(r#"table {{.Names | upper}}\t{{.Label "team.tier-1"}}"#);
        assert_eq!(shown, "NAMES      tier 1\nWEB        gold\nDATABASE   \n");
    }

    #[test]
    fn unknown_fields_are_refused_in_dockers_words() {
        let error = render(&Format::new("{{.Foo}}"), SHEET, &rows()).unwrap_err();
        assert_eq!(
            error.text,
            "template parsing error: template: :1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *x.Row"
        );
        assert_eq!(render(&Format::new("table {{.Foo}}"), SHEET, &[]).unwrap(), "<no value>\n");
        assert!(check("{{", SHEET).unwrap_err().text.starts_with("failed to parse template: template: :1:"));
    }
}
