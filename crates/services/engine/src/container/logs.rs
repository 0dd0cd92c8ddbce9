//! `GET /containers/{id}/logs`.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use log_format::{Record, Stream};
use logs::{Next, Query, Reader};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use units::time;

use super::life::Phase;
use super::view::View;
use crate::engine::{Shared, blocking};
use crate::error::Error;
use crate::{Engine, moment};

/// The query as typed; empty texts mean "not given".
#[derive(Debug, Clone, Default)]
pub struct LogsOptions {
    /// Show standard output.
    pub stdout: bool,
    /// Show standard error.
    pub stderr: bool,
    /// Wait for more.
    pub follow: bool,
    /// Put a time before each line.
    pub timestamps: bool,
    /// Put the attributes (labels, env, tag) before each line.
    pub details: bool,
    /// From this time on: seconds since 1970, with a fraction perhaps.
    pub since: String,
    /// Up to this time.
    pub until: String,
    /// The last so many lines; all when empty or `all`.
    pub tail: String,
}

/// A log on its way: blocks of bytes, framed (8-byte heads) unless the container has a terminal.
pub struct LogStream {
    /// Whether blocks carry the frames of two streams.
    pub multiplexed: bool,
    /// Between two reads; nothing after the end.
    reader: Option<Reader>,
    look: Look,
    /// What wakes a follower.
    follow: Option<Follow>,
}

/// How records are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) timestamps: bool,
    pub(super) details: bool,
    pub(super) multiplexed: bool,
}

struct Follow {
    /// Readable when the log has grown or was rotated.
    news: AsyncFd<OwnedFd>,
    views: watch::Receiver<Arc<View>>,
    /// How many runs had ended when following began.
    ends: u64,
    until: Option<SystemTime>,
}

/// A block ends after about this many bytes.
const BLOCK: usize = 64 << 10;

/// Why a block ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is full.
    More,
    /// There is nothing more yet.
    Pending,
    /// There is nothing more.
    End,
}

impl LogStream {
    /// The next block; nothing at the end of the log, or, when following, of the container.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, Error>> {
        loop {
            let mut reader = self.reader.take()?;
            // What a run wrote is in the file when its end is told: the rest, and then the end.
            if self.follow.as_ref().is_some_and(Follow::is_over) {
                self.follow = None;
                reader.stop_following();
            }
            let look = self.look;
            let (block, state) = match blocking(move || read(reader, look)).await {
                Ok((reader, block, state)) => {
                    self.reader = Some(reader).filter(|_| state != State::End);
                    (block, state)
                }
                Err(error) => return Some(Err(error)),
            };
            if !block.is_empty() {
                return Some(Ok(block));
            }
            if let (State::Pending, Some(follow)) = (state, &mut self.follow) {
                follow.wait().await;
            }
        }
    }
}

fn read(mut reader: Reader, look: Look) -> Result<(Reader, Vec<u8>, State), Error> {
    let mut block = Vec::new();
    while block.len() < BLOCK {
        match reader.next().map_err(|error| Error::from_cause("cannot read the log", &error))? {
            Next::Record(record) => show(&record, look, &mut block),
            Next::Pending => return Ok((reader, block, State::Pending)),
            Next::End => return Ok((reader, block, State::End)),
        }
    }
    Ok((reader, block, State::More))
}

impl Follow {
    fn is_over(&self) -> bool {
        let view = self.views.borrow();
        let is_down = view.life.past.ends > self.ends || view.pid().is_none();
        is_down || self.until.is_some_and(|until| until <= SystemTime::now())
    }

    /// Waits until the file, or the container, changes, or the time is over.
    async fn wait(&mut self) {
        let until = self.until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default());
        let time_over = async {
            match until {
                Some(rest) => tokio::time::sleep(rest).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.news.readable() => {
                if let Ok(mut ready) = ready {
                    ready.clear_ready();
                }
            }
            _ = self.views.changed() => {}
            () = time_over => {}
        }
    }
}

impl Engine {
    /// Opens a container's log.
    ///
    /// # Errors
    /// `InvalidParameter` without a stream; `NotImplemented` for a log driver that cannot be read.
    pub async fn container_logs(&self, id: &str, options: LogsOptions) -> Result<LogStream, Error> {
        if !options.stdout && !options.stderr {
            return Err(Error::invalid("Bad parameters: you must choose at least one stream"));
        }
        let handle = self.shared.containers.find(id)?;
        let view = handle.view();
        if matches!(view.life.phase, Phase::Removing | Phase::Dead | Phase::Removed) {
            return Err(Error::conflict(
                "can not get logs from container which is dead or marked for removal",
            ));
        }
        if view.intent.host_config.log_config.kind != "json-file" {
            return Err(Error::not_implemented("configured logging driver does not support reading"));
        }
        let mut query = parse_query(&options)?;
        query.follow = options.follow && view.pid().is_some();
        let multiplexed = !view.intent.has_terminal();
        let look = Look {
            stdout: options.stdout,
            stderr: options.stderr,
            timestamps: options.timestamps,
            details: options.details,
            multiplexed,
        };
        let reader = open(log_path(&self.shared, &view), query).await?;
        let follow =
            query.follow.then(|| watch_log(&reader, handle.watch(), &view, query.until)).transpose()?;
        Ok(LogStream { multiplexed, reader: Some(reader), look, follow })
    }
}

async fn open(path: PathBuf, query: Query) -> Result<Reader, Error> {
    blocking(move || {
        Reader::open(&path, query).map_err(|error| Error::from_cause("cannot read the log", &error))
    })
    .await
}

fn watch_log(
    reader: &Reader,
    views: watch::Receiver<Arc<View>>,
    view: &View,
    until: Option<SystemTime>,
) -> Result<Follow, Error> {
    let failed = |error: std::io::Error| Error::from_cause("cannot follow the log", &error);
    // What was found unsound is that a type may lie about its descriptor; `OwnedFd` does not, and the constructor
    // that replaces this one is unsafe.
    let descriptor = reader.descriptor().ok_or_else(|| std::io::Error::other("it is not watched"));
    let descriptor = descriptor.and_then(|fd| fd.try_clone_to_owned()).map_err(failed)?;
    #[expect(deprecated, reason = "the only safe constructor")]
    let news = AsyncFd::new(descriptor).map_err(failed)?;
    Ok(Follow { news, views, ends: view.life.past.ends, until })
}

/// The log as it is now, in one piece after the other; for `attach` with `logs`.
pub(super) async fn replay(shared: &Shared, view: &View, look: Look) -> Result<LogStream, Error> {
    let reader = open(log_path(shared, view), Query::default()).await?;
    Ok(LogStream { multiplexed: look.multiplexed, reader: Some(reader), look, follow: None })
}

fn log_path(shared: &Shared, view: &View) -> PathBuf {
    shared.container_folder(view.id()).join(format!("{}-json.log", view.id()))
}

fn parse_query(options: &LogsOptions) -> Result<Query, Error> {
    let until = if options.until == "0" { "" } else { &options.until };
    Ok(Query {
        since: moment::parse(&options.since)?,
        until: moment::parse(until)?,
        // What is no number means all, as with Docker.
        tail: options.tail.parse().ok(),
        follow: false,
    })
}

/// One record as the client sees it.
fn show(record: &Record, look: Look, out: &mut Vec<u8>) {
    let (number, wanted) = match record.stream {
        Stream::Stdout => (1, look.stdout),
        Stream::Stderr => (2, look.stderr),
    };
    if !wanted {
        return;
    }
    let mut line = Vec::with_capacity(record.log.len() + 32);
    if look.timestamps {
        let at = super::launch::from_nanoseconds(record.time);
        line.extend_from_slice(time::rfc3339_nano_fixed(at).as_bytes());
        line.push(b' ');
    }
    if look.details {
        let attributes =
            record.attributes.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
        line.extend_from_slice(attributes.collect::<Vec<_>>().join(",").as_bytes());
        line.push(b' ');
    }
    line.extend_from_slice(record.log.as_bytes());
    if look.multiplexed {
        let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&[number, 0, 0, 0]);
        out.extend_from_slice(&length.to_be_bytes());
    }
    out.extend_from_slice(&line);
}

/// Percent-escapes as Go's `url.QueryEscape`.
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => out.push_str(&format!("%{other:02X}")),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_framed_and_dressed() {
        let record = Record {
            log: "hi\n".to_owned(),
            stream: Stream::Stderr,
            time: 1_700_000_000_000_000_001,
            attributes: [("a b".to_owned(), "c/d".to_owned())].into(),
        };
        let look = Look { stdout: true, stderr: true, timestamps: true, details: true, multiplexed: true };
        let mut out = Vec::new();
        show(&record, look, &mut out);
        assert_eq!(out[..8], [2, 0, 0, 0, 0, 0, 0, 44]);
        assert_eq!(String::from_utf8_lossy(&out[8..]), "2023-11-14T22:13:20.000000001Z a+b=c%2Fd hi\n");
        out.clear();
        show(&record, Look { stderr: false, ..look }, &mut out);
        assert!(out.is_empty());
        show(&record, Look { timestamps: false, details: false, multiplexed: false, ..look }, &mut out);
        assert_eq!(out, b"hi\n");
    }

    #[test]
    fn what_is_no_tail_is_all() {
        let query =
            |tail: &str| parse_query(&LogsOptions { tail: tail.into(), ..LogsOptions::default() }).unwrap();
        assert_eq!((query("all").tail, query("").tail, query("-1").tail), (None, None, None));
        assert_eq!(query("0").tail, Some(0));
    }
}
