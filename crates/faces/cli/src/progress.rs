//! Progress streams: one line for each message, or on a terminal one line for each layer that is rewritten in place.

use crate::failure::Failure;
use crate::output::Channel;
use crate::terminal;
use engine_api::progress::{ProgressDetail, ProgressLine};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::time::{SystemTime, UNIX_EPOCH};

/// Columns that a bar needs.
const BAR_COLUMNS: usize = 110;
const BAR: usize = 50;

/// Shows a progress stream on `to` until it ends.
///
/// # Errors
/// The error that the stream reports, or its breaking off.
pub(crate) fn show(stream: impl Read, to: Channel, on_aux: &mut dyn FnMut(&Value)) -> Result<(), Failure> {
    let is_terminal = match to {
        Channel::Out => terminal::is_stdout(),
        Channel::Error => terminal::is_stderr(),
        Channel::Nowhere => false,
    };
    let columns = if is_terminal { terminal::progress_columns() } else { 200 };
    let mut screen = Screen { is_terminal, columns, lines: Vec::new() };
    let mut reader = BufReader::new(stream);
    let mut text = Vec::new();
    loop {
        text.clear();
        let size = reader.read_until(b'\n', &mut text).map_err(|error| Failure::new(error.to_string()))?;
        if size == 0 {
            return Ok(());
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: ProgressLine =
            engine_api::json::decode(&text).map_err(|error| Failure::new(error.to_string()))?;
        if let Some(aux) = &line.aux {
            on_aux(aux);
            continue;
        }
        to.write(&screen.render(&line));
        if let Some(error) = line.error_detail.map(|detail| detail.message).or_else(|| some(line.error)) {
            return Err(Failure::new(error));
        }
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// What is on the screen: the layers whose lines are rewritten, in order.
struct Screen {
    is_terminal: bool,
    columns: usize,
    lines: Vec<String>,
}

impl Screen {
    /// What to write for `line`.
    fn render(&mut self, line: &ProgressLine) -> String {
        let mut out = String::new();
        let mut distance = 0;
        let has_progress = line.progress_detail.is_some() || !line.progress.is_empty();
        if !line.id.is_empty() && has_progress {
            let index = match self.lines.iter().position(|id| *id == line.id) {
                Some(index) => index,
                None => {
                    self.lines.push(line.id.clone());
                    if self.is_terminal {
                        out.push('\n');
                    }
                    self.lines.len() - 1
                }
            };
            distance = self.lines.len() - index;
            if self.is_terminal {
                out.push_str(&format!("\x1b[{distance}A"));
            }
        } else {
            // Lines of an earlier operation are not rewritten any more.
            self.lines.clear();
        }
        out.push_str(&self.message(line));
        if self.is_terminal && !line.id.is_empty() {
            out.push_str(&down(distance));
        }
        out
    }

    fn message(&self, line: &ProgressLine) -> String {
        if line.error_detail.is_some() || !line.error.is_empty() {
            return String::new();
        }
        let bar = line.progress_detail.as_ref().map(|detail| bar(detail, self.columns, now()));
        let (clear, end) = match &bar {
            Some(_) if self.is_terminal && line.stream.is_empty() => ("\x1b[2K\r", "\r"),
            // Without a terminal, only messages without figures are shown.
            Some(bar) if !bar.is_empty() => return String::new(),
            _ => ("", ""),
        };
        let id = if line.id.is_empty() { String::new() } else { format!("{}: ", line.id) };
        let from = if line.from.is_empty() { String::new() } else { format!("(from {}) ", line.from) };
        let body = match bar {
            Some(bar) if self.is_terminal => format!("{} {bar}{end}", line.status),
            _ if !line.progress.is_empty() => format!("{} {}{end}", line.status, line.progress),
            _ if !line.stream.is_empty() => format!("{}{end}", line.stream),
            _ => format!("{}{end}\n", line.status),
        };
        format!("{clear}{id}{from}{body}")
    }
}

fn down(distance: usize) -> String {
    if distance == 0 { String::new() } else { format!("\x1b[{distance}B") }
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|age| i64::try_from(age.as_secs()).ok())
        .unwrap_or(0)
}

/// `[====>   ]  1.2MB/3.4MB 5s`.
fn bar(detail: &ProgressDetail, columns: usize, now: i64) -> String {
    let (current, total) = (detail.current, detail.total);
    if current <= 0 && total <= 0 {
        return String::new();
    }
    let size = |bytes: i64| units::bytes::human(u64::try_from(bytes).unwrap_or(0));
    if total <= 0 {
        return match detail.units.as_str() {
            "" => format!("{:>8}", size(current)),
            unit => format!("{current} {unit}"),
        };
    }
    let percent = i128::from(current) * 100 / i128::from(total) / 2;
    let filled = usize::try_from(percent).unwrap_or(0).min(BAR);
    let mut shown = String::new();
    if columns > BAR_COLUMNS {
        shown.push_str(&format!("[{}>{}] ", "=".repeat(filled), " ".repeat(BAR - filled)));
    }
    if !detail.hide_counts {
        shown.push_str(&match (detail.units.as_str(), current > total) {
            ("", false) => format!("{:>8}/{}", size(current), size(total)),
            ("", true) => format!("{:>8}", size(current)),
            (unit, false) => format!("{current}/{total} {unit}"),
            (unit, true) => format!("{current} {unit}"),
        });
    }
    if columns > 50 && current > 0 && detail.start > 0 && filled < BAR {
        let spent = now.saturating_sub(detail.start).max(0).saturating_mul(1_000_000_000);
        let left = (spent / current).saturating_mul(total - current);
        let seconds = (left + 500_000_000) / 1_000_000_000;
        shown.push_str(&format!(" {}", units::duration::format_go(seconds.saturating_mul(1_000_000_000))));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(current: i64, total: i64) -> ProgressDetail {
        ProgressDetail { current, total, ..ProgressDetail::default() }
    }

    fn lines() -> Vec<ProgressLine> {
        vec![
            ProgressLine::message("latest", "Pulling from library/x"),
            ProgressLine::layer("aaa", "Pulling fs layer", ProgressDetail::default()),
            ProgressLine::layer("bbb", "Pulling fs layer", ProgressDetail::default()),
            ProgressLine::layer("aaa", "Downloading", detail(512, 1024)),
            ProgressLine::message("", "Status: Downloaded newer image for x:latest"),
        ]
    }

    fn shown(is_terminal: bool, columns: usize) -> String {
        let mut screen = Screen { is_terminal, columns, lines: Vec::new() };
        lines().iter().map(|line| screen.render(line)).collect()
    }

    #[test]
    fn without_a_terminal_there_is_a_line_for_each_step() {
        assert_eq!(
            shown(false, 200),
            "latest: Pulling from library/x\naaa: Pulling fs layer\nbbb: Pulling fs layer\nStatus: Downloaded newer image for x:latest\n"
        );
    }

    #[test]
    fn on_a_terminal_lines_are_rewritten_in_place() {
        assert_eq!(
            shown(true, 80),
            "latest: Pulling from library/x\n\
             \n\x1b[1A\x1b[2K\raaa: Pulling fs layer \r\x1b[1B\
             \n\x1b[1A\x1b[2K\rbbb: Pulling fs layer \r\x1b[1B\
             \x1b[2A\x1b[2K\raaa: Downloading     512B/1.024kB\r\x1b[2B\
             Status: Downloaded newer image for x:latest\n"
        );
    }

    #[test]
    fn bars_need_room() {
        assert_eq!(bar(&detail(512, 1024), 80, 0), "    512B/1.024kB");
        let wide = bar(&detail(512, 1024), 200, 0);
        assert_eq!(wide, format!("[{}>{}]     512B/1.024kB", "=".repeat(25), " ".repeat(25)));
        assert_eq!(bar(&detail(0, 0), 200, 0), "");
        assert_eq!(bar(&detail(2048, 0), 200, 0), " 2.048kB");
        let started = ProgressDetail { start: 100, ..detail(10, 100) };
        assert_eq!(bar(&started, 80, 110), "     10B/100B 1m30s");
    }

    #[test]
    fn an_error_ends_the_stream() {
        let stream =
            b"{\"status\":\"x\"}\n{\"errorDetail\":{\"message\":\"no space\"},\"error\":\"no space\"}\n";
        let failure = show(&stream[..], Channel::Nowhere, &mut |_| {}).unwrap_err();
        assert_eq!(failure.text, "no space");
    }

    proptest::proptest! {
        #[test]
        fn no_figures_make_a_bar_panic(current: i64, total: i64, start: i64, columns in 0..300_usize) {
            let detail = ProgressDetail { current, total, start, ..ProgressDetail::default() };
            let _ = bar(&detail, columns, 1_700_000_000);
        }
    }
}
