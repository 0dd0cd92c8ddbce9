//! Signals that a command passes on to a container's process, or acts upon itself.

use crate::terminal;
use client::Client;
use std::sync::Arc;
use sys::signal::Signals;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGTERM: i32 = 15;
const SIGWINCH: i32 = 28;

/// Names by number, without those that a program raises in itself (SIGSEGV, SIGPIPE, …), that nobody can catch, or
/// that say something of the client's own children.
const FORWARDED: &[(i32, &str)] = &[
    (SIGHUP, "HUP"),
    (SIGINT, "INT"),
    (SIGQUIT, "QUIT"),
    (10, "USR1"),
    (12, "USR2"),
    (14, "ALRM"),
    (SIGTERM, "TERM"),
    (16, "STKFLT"),
    (18, "CONT"),
    (20, "TSTP"),
    (21, "TTIN"),
    (22, "TTOU"),
    (24, "XCPU"),
    (25, "XFSZ"),
    (26, "VTALRM"),
    (27, "PROF"),
    (SIGWINCH, "WINCH"),
    (29, "IO"),
    (30, "PWR"),
];

/// The process that a terminal's size is for.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// A container's first process.
    Container(String),
    /// A process that `exec` started.
    Exec(String),
}

impl Target {
    fn resize_path(&self) -> String {
        match self {
            Target::Container(id) => format!("/containers/{id}/resize"),
            Target::Exec(id) => format!("/exec/{id}/resize"),
        }
    }
}

/// What happens to signals while a process is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handling {
    /// They go to the container's first process.
    Forward,
    /// Those that end a program end this one, with the terminal restored.
    End,
}

/// Signals collected since [`collect`], to be handled by [`Watch::start`].
#[derive(Debug)]
pub(crate) struct Watch(Option<Signals>);

/// Collects signals from now on, before the process exists that they are for.
pub(crate) fn collect(handling: Handling) -> Watch {
    let numbers: Vec<i32> = match handling {
        Handling::Forward => FORWARDED.iter().map(|(number, _)| *number).collect(),
        Handling::End => vec![SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH],
    };
    Watch(Signals::collect(&numbers).ok())
}

impl Watch {
    /// Handles the collected signals in a thread, until the program ends. With `resizes`, a new size of the terminal
    /// goes to the target.
    pub(crate) fn start(self, client: &Arc<Client>, target: Target, handling: Handling, resizes: bool) {
        let Some(signals) = self.0 else { return };
        let client = client.clone();
        std::thread::spawn(move || {
            while let Ok(number) = signals.wait() {
                match (number, handling, &target) {
                    (SIGWINCH, ..) if resizes => drop(resize(&client, &target)),
                    (SIGWINCH, Handling::End, _) => {}
                    (_, Handling::Forward, Target::Container(id)) => forward(&client, id, number),
                    _ => {
                        terminal::restore();
                        std::process::exit(128 + number);
                    }
                }
            }
        });
    }
}

/// Sends the signal to the container; one that is gone needs none.
fn forward(client: &Client, id: &str, number: i32) {
    if let Some((_, name)) = FORWARDED.iter().find(|(known, _)| *known == number) {
        drop(client.post(&format!("/containers/{id}/kill")).query("signal", *name).send());
    }
}

/// Gives the target the terminal's size.
///
/// # Errors
/// The daemon refuses: the process has not started, or is gone.
pub(crate) fn resize(client: &Client, target: &Target) -> Result<(), client::Error> {
    let Some(size) = terminal::size() else { return Ok(()) };
    resize_to(client, target, size.rows, size.columns)
}

/// Gives the target a size.
///
/// # Errors
/// The daemon refuses: the process has not started, or is gone.
pub(crate) fn resize_to(
    client: &Client,
    target: &Target,
    rows: u16,
    columns: u16,
) -> Result<(), client::Error> {
    if rows == 0 && columns == 0 {
        return Ok(());
    }
    let call =
        client.post(&target.resize_path()).query("h", rows.to_string()).query("w", columns.to_string());
    call.send()?.bytes().map(drop)
}

/// Gives the target the terminal's first size, again and again while it is not ready for it.
pub(crate) fn resize_first(client: &Arc<Client>, target: &Target) {
    if resize(client, target).is_ok() {
        return;
    }
    let (client, target) = (client.clone(), target.clone());
    std::thread::spawn(move || {
        for attempt in 1..=10 {
            std::thread::sleep(std::time::Duration::from_millis(attempt * 10));
            if resize(&client, &target).is_ok() {
                return;
            }
        }
        crate::output::error_line("failed to resize tty, using default size");
    });
}
