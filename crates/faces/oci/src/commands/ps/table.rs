//! The table of `ps -ef`, from `/proc`. Times of day are UTC.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Ticks of `/proc/pid/stat` in a second: the same on every Linux (`USER_HZ`).
const TICKS: u64 = 100;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// One process.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    user: String,
    pid: u32,
    parent: u32,
    /// Percent of one processor since its start.
    load: u64,
    /// Seconds since 1970.
    start: u64,
    terminal: String,
    /// Seconds of processor time.
    time: u64,
    command: String,
}

/// The table of these processes; those that have ended meanwhile are left out.
pub(super) fn of(pids: &[u32]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let uptime = fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime: u64 = uptime.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let read = |pid: u32, file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
    let rows = pids.iter().filter_map(|pid| {
        let stat = String::from_utf8_lossy(&read(*pid, "stat")?).into_owned();
        let status = String::from_utf8_lossy(&read(*pid, "status")?).into_owned();
        Row::new(*pid, &stat, &status, &read(*pid, "cmdline")?, &users, now - uptime.min(now), now)
    });
    let head = "UID          PID    PPID  C STIME TTY          TIME CMD\n".to_owned();
    std::iter::once(head).chain(rows.map(|row| row.line(now))).collect()
}

impl Row {
    fn new(
        pid: u32,
        stat: &str,
        status: &str,
        arguments: &[u8],
        users: &str,
        boot: u64,
        now: u64,
    ) -> Option<Self> {
        let (before, rest) = stat.rsplit_once(')')?;
        let name = before.split_once('(')?.1;
        // Field 3 of proc_pid_stat(5) is the first here.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place - 3)?.parse::<u64>().ok();
        let uid =
            status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().next()?;
        let start = boot + number(22)? / TICKS;
        let time = (number(14)? + number(15)?) / TICKS;
        let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
        let command = match arguments {
            [] => format!("[{name}]"),
            _ => String::from_utf8_lossy(arguments).replace('\0', " "),
        };
        Some(Self {
            user: user(users, uid),
            pid,
            parent: u32::try_from(number(4)?).ok()?,
            load: (time * 100).checked_div(now.saturating_sub(start)).unwrap_or(0).min(99),
            start,
            terminal: terminal(number(7)?),
            time,
            // A container must not move our cursor about.
            command: command.chars().map(|char| if char.is_control() { '?' } else { char }).collect(),
        })
    }

    fn line(&self, now: u64) -> String {
        let (hours, minutes, seconds) = (self.time / 3600, self.time / 60 % 60, self.time % 60);
        format!(
            "{:<8} {:>7} {:>7} {:>2} {} {:<8} {hours:02}:{minutes:02}:{seconds:02} {}\n",
            self.user,
            self.pid,
            self.parent,
            self.load,
            moment(self.start, now),
            self.terminal,
            self.command,
        )
    }
}

/// The name of a user, or the number where it has none or too long a one.
fn user(users: &str, uid: &str) -> String {
    let mut rows = users.lines().map(|line| line.split(':'));
    let found = rows.find_map(|mut row| {
        let name = row.next()?;
        (row.nth(1)? == uid).then_some(name)
    });
    found.filter(|name| name.len() <= 8).unwrap_or(uid).to_owned()
}

/// The name of a terminal by its device number.
fn terminal(number: u64) -> String {
    let (major, minor) = (number >> 8 & 0xfff, number & 0xff | number >> 12 & 0xf_ff00);
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}

/// The time of a start: of the day for the last one, else the day.
fn moment(start: u64, now: u64) -> String {
    let shape = if now / DAY == start / DAY { "%H:%M" } else { "%b%d" };
    let start = i64::try_from(start).ok().and_then(|start| jiff::Timestamp::from_second(start).ok());
    start.map_or_else(|| "?".to_owned(), |start| start.strftime(shape).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "17 (a) b) S 5 17 17 34816 17 4194304 1 0 0 0 250 50 0 0 20 0 1 0 6000 1 1";

    #[test]
    fn a_row_is_read_from_the_files_of_proc() {
        let users = "root:x:0:0::/:\nweb:x:33:33::/:\nlongusername:x:7:7::/:\n";
        let row = |uid: &str, arguments: &[u8]| {
            Row::new(17, STAT, &format!("Name:\ta\nUid:\t{uid}\t0\t0\t0\n"), arguments, users, 86_400, 86_490)
        };
        let wanted = Row {
            user: "web".to_owned(),
            pid: 17,
            parent: 5,
            load: 10,
            start: 86_460,
            terminal: "pts/0".to_owned(),
            time: 3,
            command: "sleep 1 ?[2J".to_owned(),
        };
        assert_eq!(row("33", b"sleep\x001 \x1b[2J\0"), Some(wanted));
        assert_eq!(
            row("7", b"").map(|row| (row.user, row.command)),
            Some(("7".to_owned(), "[a) b]".to_owned()))
        );
        assert_eq!(Row::new(17, "17 (a", "", b"", users, 0, 0), None);
    }

    #[test]
    fn columns_are_those_of_ps() {
        let row = Row {
            user: "root".to_owned(),
            pid: 1,
            parent: 0,
            load: 0,
            start: 86_400 * 59,
            terminal: "?".to_owned(),
            time: 3_723,
            command: "init".to_owned(),
        };
        assert_eq!(row.line(86_400 * 59 + 5), "root           1       0  0 00:00 ?        01:02:03 init\n");
        assert!(row.line(86_400 * 70).contains(" Mar01 "));
    }
}
