//! A bounded queue of progress lines between work and one reader: what a slow reader has not seen yet of a
//! layer's counting is replaced by the newer count, everything else is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::progress::{ProgressDetail, ProgressLine};
use images::{Event, LayerStep, Progress};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::Error;

/// Work that tells how it goes; dropping it stops the work. A failure after the first line is the last line.
pub struct ProgressStream {
    feed: Feed,
    work: Option<AbortHandle>,
}

/// The queue's two ends. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Feed {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    lines: VecDeque<ProgressLine>,
    outcome: Option<Result<(), Error>>,
}

impl Feed {
    /// Adds a line. A count replaces the count of the same layer that still waits.
    pub(super) fn send(&self, line: ProgressLine) {
        let mut state = self.state();
        let is_count = |line: &ProgressLine| !line.progress.is_empty();
        let waiting = state.lines.iter_mut().rev().find(|old| old.id == line.id);
        match waiting.filter(|old| is_count(old) && is_count(&line) && old.status == line.status) {
            Some(old) => *old = line,
            None => state.lines.push_back(line),
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Tells how the work ended.
    pub(super) fn finish(&self, outcome: Result<(), Error>) {
        self.state().outcome = Some(outcome);
        self.shared.changed.notify_one();
    }

    /// Waits for a first line or for the end; a failure before any line is the answer.
    pub(super) async fn begun(&self) -> Result<(), Error> {
        loop {
            {
                let mut state = self.state();
                if !state.lines.is_empty() {
                    return Ok(());
                }
                if let Some(outcome) = state.outcome.take() {
                    state.outcome = Some(Ok(()));
                    return outcome;
                }
            }
            self.shared.changed.notified().await;
        }
    }

    /// The reader's end.
    pub(super) fn into_stream(self, work: Option<AbortHandle>) -> ProgressStream {
        ProgressStream { feed: self, work }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgressStream {
    /// The next line; nothing at the end.
    pub async fn next(&mut self) -> Option<ProgressLine> {
        loop {
            {
                let mut state = self.feed.state();
                if let Some(line) = state.lines.pop_front() {
                    return Some(line);
                }
                match state.outcome.take() {
                    None => {}
                    Some(outcome) => {
                        state.outcome = Some(Ok(()));
                        return outcome.err().map(|error| ProgressLine::error(error.message));
                    }
                }
            }
            self.feed.shared.changed.notified().await;
        }
    }
}

impl Drop for ProgressStream {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

impl Progress for Feed {
    fn report(&self, event: Event) {
        self.send(line(event));
    }
}

/// An event as Docker's clients expect it.
fn line(event: Event) -> ProgressLine {
    match event {
        Event::PullingFrom { version, repository } => {
            ProgressLine::message(version, format!("Pulling from {repository}"))
        }
        Event::Layer { id, step } => layer_line(id, step),
        Event::Digest(digest) => ProgressLine::message("", format!("Digest: {digest}")),
        Event::Pulled { reference, is_newer: true } => {
            ProgressLine::message("", format!("Status: Downloaded newer image for {reference}"))
        }
        Event::Pulled { reference, is_newer: false } => {
            ProgressLine::message("", format!("Status: Image is up to date for {reference}"))
        }
        Event::Warning(text) => ProgressLine::message("", format!("WARNING: {text}")),
    }
}

fn layer_line(id: String, step: LayerStep) -> ProgressLine {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (current, total) = step.bytes().unwrap_or_default();
    let detail =
        ProgressDetail { current: signed(current), total: signed(total), ..ProgressDetail::default() };
    ProgressLine { progress: bar(current, total), ..ProgressLine::layer(id, step.status(), detail) }
}

/// The bar that Docker's daemon draws for clients that do not: `[====>      ]  1.2MB/3MB`.
fn bar(current: u64, total: u64) -> String {
    let human = |bytes| format!("{:>8}", units::bytes::human(bytes));
    if total == 0 {
        return if current == 0 { String::new() } else { human(current) };
    }
    let filled = usize::try_from(current.saturating_mul(50) / total).unwrap_or(50).min(50);
    let counts = match current > total {
        true => human(current),
        false => format!("{}/{}", human(current), units::bytes::human(total)),
    };
    format!("[{}>{}] {counts}", "=".repeat(filled), " ".repeat(50 - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(current: u64) -> Event {
        Event::Layer { id: "abc".to_owned(), step: LayerStep::Downloading { current, total: 100 } }
    }

    #[tokio::test]
    async fn a_slow_reader_sees_the_last_count_and_every_other_line() {
        let feed = Feed::default();
        (1..=100).for_each(|current| feed.report(step(current)));
        feed.report(Event::Layer { id: "abc".to_owned(), step: LayerStep::Complete });
        feed.finish(Err(Error::system("broken")));
        let mut stream = feed.into_stream(None);
        let mut seen = Vec::new();
        while let Some(line) = stream.next().await {
            seen.push((line.status, line.progress_detail.map(|detail| detail.current), line.error));
        }
        let text = |text: &str| text.to_owned();
        assert_eq!(
            seen,
            [
                (text("Downloading"), Some(100), text("")),
                (text("Pull complete"), Some(0), text("")),
                (text(""), None, text("broken")),
            ]
        );
    }

    #[tokio::test]
    async fn a_failure_before_any_line_is_an_answer() {
        let feed = Feed::default();
        feed.finish(Err(Error::not_found("nope")));
        assert_eq!(feed.begun().await.unwrap_err().message, "nope");
        assert_eq!(feed.into_stream(None).next().await, None);
    }

    #[test]
    fn bars_look_like_dockers() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(32, 1000), format!("[=>{}]      32B/1kB", " ".repeat(49)));
        assert_eq!(bar(1000, 1000), format!("[{}>]      1kB/1kB", "=".repeat(50)));
        assert_eq!(bar(1500, 0), "   1.5kB");
    }
}
