//! What happened, told to whoever listens: a bounded bus with a short memory.
//!
//! A reader that falls behind by more than [`BACKLOG`] messages loses the oldest and is told how many by one
//! message of type `daemon`, action `missed`; the bus never waits for a reader and never grows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use engine_api::StringMap;
use engine_api::event::{EventActor, EventMessage};
use engine_api::filters::Filters;
use reference::Reference;
use tokio::sync::broadcast::{self, error::RecvError};
use units::time;

use crate::error::Error;
use crate::moment;

/// How many messages a reader may fall behind.
const BACKLOG: usize = 1024;
/// How many past messages `since` can bring back.
const MEMORY: usize = 256;

/// The bus. Cheap to clone.
#[derive(Clone)]
pub struct Events {
    shared: Arc<Bus>,
}

struct Bus {
    past: Mutex<VecDeque<EventMessage>>,
    live: broadcast::Sender<EventMessage>,
    readers: AtomicUsize,
}

/// What kind of object a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// The daemon itself.
    Daemon,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Daemon => "daemon",
        }
    }
}

/// The query of `GET /events`; empty texts mean "not given".
#[derive(Debug, Clone, Default)]
pub struct EventsOptions {
    /// From this time on: seconds, or RFC 3339.
    pub since: String,
    /// Up to this time.
    pub until: String,
    /// Docker's filters.
    pub filters: Filters,
}

/// A reader of the bus.
pub struct EventStream {
    past: VecDeque<EventMessage>,
    live: Option<broadcast::Receiver<EventMessage>>,
    until: Option<tokio::time::Instant>,
    filters: Filters,
    bus: Arc<Bus>,
}

impl Events {
    pub(crate) fn new() -> Self {
        let (live, _) = broadcast::channel(BACKLOG);
        let past = Mutex::new(VecDeque::with_capacity(MEMORY));
        Self { shared: Arc::new(Bus { past, live, readers: AtomicUsize::new(0) }) }
    }

    /// Tells that `action` happened to the object `id`.
    pub(crate) fn publish(
        &self,
        subject: Subject,
        action: impl Into<String>,
        id: impl Into<String>,
        attributes: StringMap,
    ) {
        let now = SystemTime::now();
        let message = EventMessage {
            kind: subject.name().to_owned(),
            action: action.into(),
            actor: EventActor { id: id.into(), attributes },
            scope: "local".to_owned(),
            time: time::unix_seconds(now),
            time_nano: time::unix_nanoseconds(now),
            ..EventMessage::default()
        }
        .with_legacy_fields();
        // Sent under the lock, so that a reader that subscribes meanwhile sees each message exactly once.
        let mut past = self.shared.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.len() == MEMORY {
            past.pop_front();
        }
        past.push_back(message.clone());
        let _ = self.shared.live.send(message);
    }

    /// How many listen now.
    pub(crate) fn reader_count(&self) -> usize {
        self.shared.readers.load(Ordering::Relaxed)
    }

    /// Begins to listen; `since` brings back what the bus remembers.
    ///
    /// # Errors
    /// `InvalidParameter` when a time cannot be read, or `since` is after `until`.
    pub(crate) fn subscribe(&self, options: EventsOptions) -> Result<EventStream, Error> {
        let now = SystemTime::now();
        let since = moment::parse(&options.since)?;
        let until = moment::parse(&options.until)?;
        if let (Some(since), Some(until)) = (since, until)
            && until < since
        {
            return Err(Error::invalid(format!(
                "`since` time ({}) cannot be after `until` time ({})",
                options.since, options.until
            )));
        }
        let only_past = until.is_some_and(|until| until < now);
        let memory = self.shared.past.lock().unwrap_or_else(PoisonError::into_inner);
        let live = (!only_past).then(|| self.shared.live.subscribe());
        let past = match (since, until) {
            (None, None) => VecDeque::new(),
            (None, Some(_)) if !only_past => VecDeque::new(),
            _ => memory.iter().filter(|message| is_within(message, since, until)).cloned().collect(),
        };
        drop(memory);
        let until = until
            .filter(|_| !only_past)
            .map(|until| tokio::time::Instant::now() + until.duration_since(now).unwrap_or_default());
        self.shared.readers.fetch_add(1, Ordering::Relaxed);
        Ok(EventStream { past, live, until, filters: options.filters, bus: self.shared.clone() })
    }
}

impl EventStream {
    /// The next message that the filters let through; nothing once `until` is over.
    pub async fn next(&mut self) -> Option<EventMessage> {
        while let Some(message) = self.past.pop_front() {
            if is_wanted(&self.filters, &message) {
                return Some(message);
            }
        }
        loop {
            let message = self.receive().await?;
            if is_wanted(&self.filters, &message) || message.action == "missed" {
                return Some(message);
            }
        }
    }

    async fn receive(&mut self) -> Option<EventMessage> {
        let live = self.live.as_mut()?;
        let far = Duration::from_secs(365 * 24 * 3600);
        let until = self.until.unwrap_or_else(|| tokio::time::Instant::now() + far);
        match tokio::time::timeout_at(until, live.recv()).await {
            Ok(Ok(message)) => Some(message),
            Ok(Err(RecvError::Lagged(count))) => Some(missed(count)),
            Ok(Err(RecvError::Closed)) | Err(_) => None,
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.bus.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn missed(count: u64) -> EventMessage {
    let now = SystemTime::now();
    EventMessage {
        kind: Subject::Daemon.name().to_owned(),
        action: "missed".to_owned(),
        actor: EventActor {
            id: String::new(),
            attributes: StringMap::from([("count".to_owned(), count.to_string())]),
        },
        scope: "local".to_owned(),
        time: time::unix_seconds(now),
        time_nano: time::unix_nanoseconds(now),
        ..EventMessage::default()
    }
}

fn is_within(message: &EventMessage, since: Option<SystemTime>, until: Option<SystemTime>) -> bool {
    let at = message.time_nano;
    since.is_none_or(|since| at >= time::unix_nanoseconds(since))
        && until.is_none_or(|until| at <= time::unix_nanoseconds(until))
}

/// Whether a message passes Docker's filters. Names and ids match by prefix; `exec_create: …` does too when asked for by its verb.
fn is_wanted(filters: &Filters, message: &EventMessage) -> bool {
    let verbs = ["health_status", "exec_create", "exec_start"];
    let by_verb = filters.get("event").any(|wanted| verbs.contains(&wanted));
    let event = if by_verb {
        matches_prefix(filters, "event", &message.action)
    } else {
        filters.exact("event", &message.action)
    };
    let named = ["daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config"];
    let name = message.actor.attributes.get("name").map_or("", String::as_str);
    event
        && filters.exact("type", &message.kind)
        && filters.exact("scope", &message.scope)
        && named.iter().all(|filter| {
            matches_prefix(filters, filter, &message.actor.id) || matches_prefix(filters, filter, name)
        })
        && matches_image(filters, message)
        && filters.labels("label", &message.actor.attributes)
}

fn matches_prefix(filters: &Filters, filter: &str, text: &str) -> bool {
    filters.exact(filter, text) || filters.get(filter).any(|wanted| text.starts_with(wanted))
}

fn matches_image(filters: &Filters, message: &EventMessage) -> bool {
    if !filters.contains("image") {
        return true;
    }
    let attribute = if message.kind == "image" { "name" } else { "image" };
    let name = message.actor.attributes.get(attribute).map_or("", String::as_str);
    [message.actor.id.as_str(), name].iter().any(|text| {
        let bare = Reference::parse(text).map(|reference| reference.familiar_name());
        filters.exact("image", text) || bare.is_ok_and(|bare| filters.exact("image", &bare))
    })
}

impl crate::Engine {
    /// `GET /events`: listens to what happens from now on, after what the bus remembers since `since`.
    ///
    /// # Errors
    /// `InvalidParameter` when a time cannot be read, or `since` is after `until`.
    pub fn events(&self, options: EventsOptions) -> Result<EventStream, Error> {
        self.shared.events.subscribe(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(events: &Events, action: &str, id: &str) {
        let attributes = StringMap::from([
            ("name".to_owned(), "web".to_owned()),
            ("image".to_owned(), "busybox:1".to_owned()),
        ]);
        events.publish(Subject::Container, action, id, attributes);
    }

    fn options(filters: &str) -> EventsOptions {
        EventsOptions { filters: Filters::parse(filters).unwrap(), ..EventsOptions::default() }
    }

    #[tokio::test]
    async fn a_reader_gets_what_it_asked_for_from_now_on() {
        let events = Events::new();
        publish(&events, "create", "c1");
        let mut stream = events.subscribe(options(r#"{"event":["start"],"container":["we"]}"#)).unwrap();
        publish(&events, "attach", "c1");
        publish(&events, "start", "c1");
        let message = stream.next().await.unwrap();
        assert_eq!((message.action.as_str(), message.from.as_str()), ("start", "busybox:1"));
        assert_eq!(events.reader_count(), 1);
        drop(stream);
        assert_eq!(events.reader_count(), 0);
    }

    #[tokio::test]
    async fn since_and_until_replay_the_past_and_end() {
        let events = Events::new();
        for number in 0..300 {
            publish(&events, "create", &format!("c{number}"));
        }
        let until = time::format_unix(SystemTime::now());
        let options = EventsOptions { since: "1".to_owned(), until, ..EventsOptions::default() };
        let mut stream = events.subscribe(options).unwrap();
        let mut seen = Vec::new();
        while let Some(message) = stream.next().await {
            seen.push(message.actor.id);
        }
        assert_eq!((seen.len(), seen[0].as_str(), seen[255].as_str()), (256, "c44", "c299"));
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed() {
        let events = Events::new();
        let mut stream = events.subscribe(EventsOptions::default()).unwrap();
        for _ in 0..BACKLOG + 10 {
            publish(&events, "create", "c");
        }
        let message = stream.next().await.unwrap();
        assert_eq!(message.action, "missed");
        assert_eq!(message.actor.attributes["count"], "10");
        assert_eq!(stream.next().await.unwrap().action, "create");
    }

    #[test]
    fn wrong_times_are_refused() {
        let events = Events::new();
        let options = |since: &str, until: &str| EventsOptions {
            since: since.to_owned(),
            until: until.to_owned(),
            ..EventsOptions::default()
        };
        assert!(events.subscribe(options("yesterday", "")).is_err());
        let error = events.subscribe(options("20", "10")).err().unwrap();
        assert_eq!(error.message, "`since` time (20) cannot be after `until` time (10)");
    }

    #[test]
    fn filters_match_images_without_tag_and_exec_verbs() {
        let filters = Filters::parse(r#"{"image":["busybox"],"event":["exec_create"]}"#).unwrap();
        let mut message = EventMessage {
            kind: "container".to_owned(),
            action: "exec_create: sh -c true".to_owned(),
            scope: "local".to_owned(),
            ..EventMessage::default()
        };
        message.actor.attributes.insert("image".to_owned(), "busybox:1.36".to_owned());
        assert!(is_wanted(&filters, &message));
        message.actor.attributes.insert("image".to_owned(), "debian".to_owned());
        assert!(!is_wanted(&filters, &message));
    }
}
