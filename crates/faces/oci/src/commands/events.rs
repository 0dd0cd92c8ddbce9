//! `events`: what a container uses, again and again, and lacks of memory as they happen.

mod stats;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use cgroup::{Group, Heard};
use container::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::json;

use super::{Arguments, Command, name};
use crate::globals::Globals;
use crate::grammar::{Asked, Grammar, switch, text};
use crate::{Failure, output};

pub(crate) static COMMAND: Command = Command {
    name: "events",
    help: "display container events such as OOM notifications, cpu, memory, and IO usage statistics",
    usage: "<container-id>",
    grammar: Grammar {
        flags: &[
            text(&["interval"], "set the stats collection interval (default: 5s)"),
            switch(&["stats"], "display the container's stats then exit"),
        ],
        stops_at_word: false,
    },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| events(globals, asked),
};

fn events(globals: &Globals, asked: &Asked) -> Result<u8, Failure> {
    let id = name(asked)?;
    let container = globals.home().find(id)?;
    let interval = match asked.text("interval") {
        None => 5_000_000_000,
        Some(text) => units::duration::parse_go(text)?,
    };
    let interval = u64::try_from(interval)
        .ok()
        .filter(|interval| *interval > 0)
        .ok_or_else(|| Failure::new("duration interval must be greater than 0"))?;
    if container.status()? == Status::Stopped {
        return Err(Failure::new(format!("container with id {id} is not running")));
    }
    let group = container.group()?;
    if asked.is_on("stats") {
        show(id, &group)?;
        return Ok(0);
    }
    watch(id, &group, Duration::from_nanos(interval))?;
    Ok(0)
}

/// Until the group is gone. It is looked after at least once a second: not every kernel tells of its end.
fn watch(id: &str, group: &Group, interval: Duration) -> Result<(), Failure> {
    const LONGEST: Duration = Duration::from_secs(1);
    let mut watch = group.oom_watch()?;
    let mut due = Instant::now() + interval;
    loop {
        let wait = due.saturating_duration_since(Instant::now()).min(LONGEST);
        let limit = Timespec::try_from(wait).unwrap_or_default();
        let mut watched = [PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)];
        match poll(&mut watched, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        match watch.hear() {
            Heard::Gone => return Ok(()),
            Heard::OutOfMemory => output::text(&format!("{}\n", json!({"type": "oom", "id": id}))),
            Heard::Nothing => {}
        }
        if Instant::now() >= due {
            show(id, group)?;
            due += interval;
        }
    }
}

fn show(id: &str, group: &Group) -> Result<(), Failure> {
    let event = json!({"type": "stats", "id": id, "data": stats::shape(&group.stats())});
    output::text(&format!("{}\n", serde_json::to_string(&event)?));
    Ok(())
}
