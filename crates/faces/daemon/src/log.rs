//! The daemon's log on standard error, in the lines that people search Docker's log for.

use crate::settings::LogFormat;
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use units::time::rfc3339_nano;

/// The most verbose level that is written.
static LEVEL: AtomicU8 = AtomicU8::new(3);

fn rank(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Changes the level; also while the daemon runs.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(rank(level), Ordering::Relaxed);
    tracing::callsite::rebuild_interest_cache();
}

/// Sends everything that is logged from here on to standard error.
pub(crate) fn begin(level: Level, format: LogFormat) {
    set_level(level);
    let _ = tracing::subscriber::set_global_default(Log { format });
}

/// Events only; spans are not used.
struct Log {
    format: LogFormat,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && rank(*metadata.level()) <= LEVEL.load(Ordering::Relaxed)
    }

    fn max_level_hint(&self) -> Option<tracing::level_filters::LevelFilter> {
        // The level may rise later.
        None
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.others.sort();
        let line = line(self.format, &rfc3339_nano(SystemTime::now()), *event.metadata().level(), &fields);
        // One write a line: lines of different threads do not mix. A log that cannot be written cannot be reported.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What an event says.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.others.push((field.name(), format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.others.push((field.name(), value.to_owned()));
        }
    }
}

fn line(format: LogFormat, time: &str, level: Level, fields: &Fields) -> String {
    match format {
        LogFormat::Text => {
            let mut line = format!("time={time:?} level={} msg={}", name(level), quoted(&fields.message));
            for (name, value) in &fields.others {
                let _ = write!(line, " {name}={}", quoted(value));
            }
            line.push('\n');
            line
        }
        LogFormat::Json => {
            let mut members: Map<String, Value> = fields
                .others
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
                .collect();
            members.insert("level".to_owned(), name(level).into());
            members.insert("msg".to_owned(), fields.message.as_str().into());
            members.insert("time".to_owned(), time.into());
            members.sort_keys();
            format!("{}\n", Value::Object(members))
        }
    }
}

/// A value in quotes, unless it reads the same without.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) { value.to_owned() } else { format!("{value:?}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_look_like_dockers() {
        let fields = Fields {
            message: "API listen on x".to_owned(),
            others: vec![("a", "b c".to_owned()), ("path", "/x".to_owned())],
        };
        assert_eq!(
            line(LogFormat::Text, "2026-01-02T03:04:05Z", Level::INFO, &fields),
            "time=\"2026-01-02T03:04:05Z\" level=info msg=\"API listen on x\" a=\"b c\" path=/x\n"
        );
        assert_eq!(
            line(LogFormat::Json, "t", Level::WARN, &fields),
            "{\"a\":\"b c\",\"level\":\"warning\",\"msg\":\"API listen on x\",\"path\":\"/x\",\"time\":\"t\"}\n"
        );
    }
}
