//! `events`, `system events`: what happens, as it happens.

use super::{FILTER, filters, logs};
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format;
use crate::inspect;
use crate::listing;
use crate::output;
use crate::session::Session;
use crate::zone;
use engine_api::event::EventMessage;
use flags::{Flag, Typed};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::time::{Duration, UNIX_EPOCH};
use template::{MissingField, Template, TemplateError};

/// `events`.
pub(crate) static EVENTS: Command =
    Command::new("[OPTIONS]", "Get real time events from the server", Words::None, run)
        .aliases("system events, events")
        .flags(&[&[
            FILTER,
            Flag::text("format", format::INSPECT_HELP),
            Flag::text("since", "Show all events created since timestamp"),
            Flag::text("until", "Stream events until this timestamp"),
        ]]);

/// Exit code for a template that is none.
const BAD_TEMPLATE: u8 = 64;
/// The name that Docker's errors give an event.
const EVENT_TYPE: &str = "*events.Message";

fn template(text: &str) -> Result<Option<Template>, Failure> {
    let text = match text {
        "" => return Ok(None),
        "json" => "{{json .}}",
        own => own,
    };
    let refused = |error: String| fail!("Error parsing format: {error}").with_code(BAD_TEMPLATE);
    let template = Template::parse(text).map_err(|error| refused(error.to_string()))?;
    if let Err(error) = template.execute(&fields(&EventMessage::default(), Value::Null))
        && let TemplateError::MissingField { expression, field, .. } = &error
        && !inspect::is_map_key(expression, field, &["Attributes"])
    {
        return Err(refused(listing::describe(&error, EVENT_TYPE)));
    }
    // An attribute that an event lacks is no value.
    Ok(Some(template.missing_field(MissingField::NoValue)))
}

/// The fields that a template sees: those of Go's type, under its names.
fn fields(event: &EventMessage, raw: Value) -> Value {
    let mut fields = serde_json::json!({
        "Status": event.status,
        "ID": event.id,
        "From": event.from,
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.actor.id, "Attributes": event.actor.attributes},
        "Scope": event.scope,
        "Time": event.time,
        "TimeNano": event.time_nano,
    });
    if let (Value::Object(fields), Value::Object(raw)) = (&mut fields, raw) {
        // Names that only the document has.
        for (name, value) in raw {
            fields.entry(name).or_insert(value);
        }
    }
    fields
}

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let text = typed.text("format");
    let template = template(text)?;
    let is_json = matches!(text, "json" | "{{json .}}");
    let call = session
        .client()?
        .get("/events")
        .query_some("since", logs::moment(typed.text("since")).map_err(Failure::new)?)
        .query_some("until", logs::moment(typed.text("until")).map_err(Failure::new)?)
        .query_some("filters", filters(typed).to_json());
    for line in BufReader::new(call.send()?.into_body()).lines() {
        let line = line.map_err(|error| Failure::new(error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        if is_json {
            output::line(&line);
            continue;
        }
        let event: EventMessage =
            engine_api::json::decode(line.as_bytes()).map_err(|error| Failure::new(error.to_string()))?;
        match &template {
            None => output::line(&pretty(&event)),
            Some(template) => {
                let raw = serde_json::from_str(&line).unwrap_or_default();
                let shown = template.execute(&fields(&event, raw));
                output::line(&shown.map_err(|error| Failure::new(error.to_string()))?);
            }
        }
    }
    Ok(())
}

/// `TIME TYPE ACTION ID (KEY=VALUE, …)`
fn pretty(event: &EventMessage) -> String {
    let moment = match (event.time_nano, event.time) {
        (0, 0) => None,
        (0, seconds) => Some(format::moment(seconds)),
        (nanoseconds, _) => Some(UNIX_EPOCH + Duration::from_nanos(nanoseconds.unsigned_abs())),
    };
    let time = moment.map(|moment| zone::rfc3339_nano_fixed(moment) + " ").unwrap_or_default();
    let attributes: Vec<String> =
        event.actor.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let attributes =
        if attributes.is_empty() { String::new() } else { format!(" ({})", attributes.join(", ")) };
    format!("{time}{} {} {}{attributes}", event.kind, event.action, event.actor.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line() {
        let event = EventMessage {
            kind: "container".to_owned(),
            action: "die".to_owned(),
            actor: engine_api::event::EventActor {
                id: "abc".to_owned(),
                attributes: [("name", "web"), ("exitCode", "0")]
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .into(),
            },
            ..EventMessage::default()
        };
        assert_eq!(pretty(&event), "container die abc (exitCode=0, name=web)");
        let shown = template("{{.Type}} {{.Action}} {{.Actor.ID}}")
            .unwrap()
            .unwrap()
            .execute(&fields(&event, Value::Null));
        assert_eq!(shown.unwrap(), "container die abc");
    }

    #[test]
    fn a_bad_template_is_refused_before_the_daemon_is_asked() {
        let refused = template("{{.x}}").unwrap_err();
        assert_eq!(refused.code, 64);
        assert_eq!(
            refused.text,
            "Error parsing format: template: :1:2: executing \"\" at <.x>: can't evaluate field x in type *events.Message"
        );
    }
}
