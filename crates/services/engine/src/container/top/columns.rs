//! The words of `ps` that choose columns, and how each column shows a process. Pure.

use super::process::{Process, Snapshot, TICKS};
use crate::error::Error;

/// Columns with their titles.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Format {
    columns: Vec<(Column, String)>,
}

/// One column of `ps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    User,
    Uid,
    Group,
    Gid,
    Pid,
    Parent,
    ProcessGroup,
    Session,
    CpuShare,
    Cpu,
    Memory,
    Virtual,
    Resident,
    Terminal,
    State,
    StateFlags,
    Start,
    Time,
    ShortTime,
    Elapsed,
    ElapsedSeconds,
    Nice,
    Priority,
    Processor,
    Threads,
    Name,
    Command,
}

/// Names of `-o`, the column and its title, as `ps` documents them.
const NAMES: &[(&[&str], Column, &str)] = &[
    (&["user", "euser", "uname"], Column::User, "USER"),
    (&["ruser"], Column::User, "RUSER"),
    (&["uid", "euid"], Column::Uid, "UID"),
    (&["group", "egroup"], Column::Group, "GROUP"),
    (&["gid", "egid"], Column::Gid, "GID"),
    (&["pid", "tgid"], Column::Pid, "PID"),
    (&["ppid"], Column::Parent, "PPID"),
    (&["pgid", "pgrp"], Column::ProcessGroup, "PGID"),
    (&["sid", "sess", "session"], Column::Session, "SID"),
    (&["c"], Column::Cpu, "C"),
    (&["pcpu", "%cpu"], Column::CpuShare, "%CPU"),
    (&["pmem", "%mem"], Column::Memory, "%MEM"),
    (&["vsz", "vsize"], Column::Virtual, "VSZ"),
    (&["rss", "rssize", "rsz"], Column::Resident, "RSS"),
    (&["tty", "tname"], Column::Terminal, "TTY"),
    (&["tt"], Column::Terminal, "TT"),
    (&["s", "state"], Column::State, "S"),
    (&["stat"], Column::StateFlags, "STAT"),
    (&["stime"], Column::Start, "STIME"),
    (&["start", "start_time", "bsdstart"], Column::Start, "START"),
    (&["time", "cputime"], Column::Time, "TIME"),
    (&["bsdtime"], Column::ShortTime, "TIME"),
    (&["etime"], Column::Elapsed, "ELAPSED"),
    (&["etimes"], Column::ElapsedSeconds, "ELAPSED"),
    (&["ni", "nice"], Column::Nice, "NI"),
    (&["pri"], Column::Priority, "PRI"),
    (&["psr"], Column::Processor, "PSR"),
    (&["nlwp", "thcount"], Column::Threads, "NLWP"),
    (&["comm", "ucmd", "ucomm"], Column::Name, "COMMAND"),
    (&["cmd"], Column::Command, "CMD"),
    (&["args", "command"], Column::Command, "COMMAND"),
];

impl Format {
    /// Reads the words of `ps` that a client sent.
    pub(super) fn parse(words: &str) -> Result<Self, Error> {
        let mut format = Self::of("pid,tty,time,cmd");
        let mut own: Vec<(Column, String)> = Vec::new();
        let mut words = words.split(' ').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if word.starts_with("--") {
                return Err(failed("error: unknown gnu long option"));
            }
            let letters = word.strip_prefix('-').unwrap_or(word);
            for (index, letter) in letters.char_indices() {
                match letter {
                    'o' | 'O' => {
                        let rest = &letters[index + 1..];
                        let list = if rest.is_empty() { words.next().unwrap_or_default() } else { rest };
                        own.extend(parse_list(list)?);
                        break;
                    }
                    'f' | 'F' => format = Self::full(),
                    'u' => format = Self::user_oriented(),
                    'l' => format = Self::of("s,uid,pid,ppid,c,pri,ni,vsz,tty,time,cmd"),
                    'j' => format = Self::of("pid,pgid,sid,tty,time,cmd"),
                    // What chooses processes or only how lines are cut.
                    'e' | 'A' | 'a' | 'x' | 'w' | 'd' | 'y' | 'H' => {}
                    _ => return Err(failed("error: unsupported SysV option")),
                }
            }
        }
        if !own.is_empty() {
            format = Self { columns: own };
        }
        match format.columns.iter().any(|(_, title)| title == "PID") {
            true => Ok(format),
            false => Err(Error::system("Couldn't find PID field in ps output")),
        }
    }

    fn of(list: &str) -> Self {
        Self { columns: parse_list(list).unwrap_or_default() }
    }

    /// `-f`.
    fn full() -> Self {
        let mut format = Self::of("user,pid,ppid,c,stime,tty,time,cmd");
        format.columns[0].1 = "UID".to_owned();
        format
    }

    /// `u`.
    fn user_oriented() -> Self {
        Self::of("user,pid,pcpu,pmem,vsz,rss,tty,stat,start,bsdtime,command")
    }

    pub(super) fn titles(&self) -> Vec<String> {
        self.columns.iter().map(|(_, title)| title.clone()).collect()
    }

    pub(super) fn row(&self, process: &Process, snapshot: &Snapshot) -> Vec<String> {
        self.columns.iter().map(|(column, _)| show(*column, process, snapshot)).collect()
    }
}

fn failed(text: &str) -> Error {
    Error::system(format!("ps: {text}"))
}

/// Reads `pid,user=WHO,args`: names, the last one perhaps with a title of its own.
fn parse_list(list: &str) -> Result<Vec<(Column, String)>, Error> {
    let columns = list.split(',').filter(|name| !name.is_empty()).map(|name| {
        let (name, title) = name.split_once('=').map_or((name, None), |(name, title)| (name, Some(title)));
        let known = NAMES.iter().find(|(names, ..)| names.contains(&name));
        let (_, column, default) =
            known.ok_or_else(|| failed("error: unknown user-defined format specifier"))?;
        let title = title.unwrap_or(default);
        if title.starts_with("PID") && *column != Column::Pid {
            return Err(Error::system(format!("specifying \"{name}={title}\" is not allowed")));
        }
        Ok((*column, title.to_owned()))
    });
    columns.collect()
}

fn show(column: Column, process: &Process, snapshot: &Snapshot) -> String {
    let named = |names: &std::collections::BTreeMap<u32, String>, id: u32| {
        names.get(&id).cloned().unwrap_or_else(|| id.to_string())
    };
    let cpu_seconds = process.cpu_ticks / TICKS;
    match column {
        Column::User => named(&snapshot.users, process.uid),
        Column::Uid => process.uid.to_string(),
        Column::Group => named(&snapshot.groups, process.gid),
        Column::Gid => process.gid.to_string(),
        Column::Pid => process.pid.to_string(),
        Column::Parent => process.parent.to_string(),
        Column::ProcessGroup => process.group.to_string(),
        Column::Session => process.session.to_string(),
        Column::Cpu => (cpu_permille(process, snapshot) / 10).min(99).to_string(),
        Column::CpuShare => tenths(cpu_permille(process, snapshot)),
        Column::Memory => tenths(process.resident_pages * 4 * 1000 / snapshot.memory_kilobytes.max(1)),
        Column::Virtual => (process.virtual_bytes / 1024).to_string(),
        Column::Resident => (process.resident_pages * 4).to_string(),
        Column::Terminal => terminal(process.terminal),
        Column::State => process.state.to_string(),
        Column::StateFlags => state_flags(process),
        Column::Start => start(process, snapshot),
        Column::Time => clock(cpu_seconds),
        Column::ShortTime => format!("{}:{:02}", cpu_seconds / 60, cpu_seconds % 60),
        Column::Elapsed => elapsed(age(process, snapshot)),
        Column::ElapsedSeconds => age(process, snapshot).to_string(),
        Column::Nice => process.nice.to_string(),
        Column::Priority => (39 - process.priority).to_string(),
        Column::Processor => process.processor.to_string(),
        Column::Threads => process.threads.to_string(),
        Column::Name => process.name.clone(),
        Column::Command => process.command.clone(),
    }
}

/// Seconds since it began.
fn age(process: &Process, snapshot: &Snapshot) -> u64 {
    snapshot.now.saturating_sub(snapshot.booted + process.start_ticks / TICKS)
}

fn cpu_permille(process: &Process, snapshot: &Snapshot) -> u64 {
    process.cpu_ticks * 1000 / TICKS / age(process, snapshot).max(1)
}

fn tenths(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn elapsed(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        3600..86400 => clock(seconds),
        _ => format!("{}-{}", seconds / 86400, clock(seconds % 86400)),
    }
}

/// `14:05` within a day, the date before that; in UTC, the only zone the daemon knows.
fn start(process: &Process, snapshot: &Snapshot) -> String {
    let began = snapshot.booted + process.start_ticks / TICKS;
    if age(process, snapshot) < 86400 {
        return format!("{:02}:{:02}", began / 3600 % 24, began / 60 % 60);
    }
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(began);
    let text = units::time::rfc3339_nano(moment);
    let month = text.get(5..7).and_then(|month| month.parse::<usize>().ok()).unwrap_or(1);
    format!("{}{}", MONTHS[(month - 1).min(11)], text.get(8..10).unwrap_or_default())
}

/// `pts/0`, `tty1`, `?`, from the device number.
fn terminal(number: u32) -> String {
    let major = number >> 8 & 0xfff;
    let minor = (number & 0xff) | (number >> 12 & 0xf_ff00);
    match major {
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 if minor < 64 => format!("tty{minor}"),
        4 => format!("ttyS{}", minor - 64),
        _ => "?".to_owned(),
    }
}

fn state_flags(process: &Process) -> String {
    let in_front = i64::from(process.foreground) == i64::from(process.group);
    let flags = [
        (process.nice < 0, '<'),
        (process.nice > 0, 'N'),
        (process.session == process.pid, 's'),
        (process.threads > 1, 'l'),
        (in_front, '+'),
    ];
    std::iter::once(process.state)
        .chain(flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| *flag))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> Process {
        Process {
            pid: 7,
            parent: 1,
            name: "sleep".into(),
            command: "sleep 5".into(),
            state: 'S',
            session: 7,
            group: 7,
            foreground: -1,
            threads: 1,
            terminal: 136 << 8,
            cpu_ticks: 6150,
            start_ticks: 0,
            uid: 0,
            ..Process::default()
        }
    }

    fn snapshot() -> Snapshot {
        let users = [(0, "root".to_owned())].into();
        Snapshot { now: 50_000, booted: 49_000, memory_kilobytes: 1000, users, ..Snapshot::default() }
    }

    fn row(words: &str) -> (String, String) {
        let format = Format::parse(words).unwrap();
        (format.titles().join(" "), format.row(&process(), &snapshot()).join("|"))
    }

    #[test]
    fn the_usual_forms_have_the_usual_columns() {
        let full = "UID PID PPID C STIME TTY TIME CMD".to_owned();
        assert_eq!(row("-ef"), (full, "root|7|1|6|13:36|pts/0|00:01:01|sleep 5".to_owned()));
        let (titles, line) = row("aux");
        assert_eq!(titles, "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND");
        assert_eq!(line, "root|7|6.1|0.0|0|0|pts/0|Ss|13:36|1:01|sleep 5");
        assert_eq!(row("-eo pid,comm").0, "PID COMMAND");
        assert_eq!(row("-o pid -o user=WHO"), ("PID WHO".to_owned(), "7|root".to_owned()));
        assert_eq!(row("x").0, "PID TTY TIME CMD");
    }

    #[test]
    fn what_ps_does_not_know_fails_as_ps_does() {
        let refused = |words: &str| Format::parse(words).unwrap_err().message;
        assert_eq!(refused("--nope"), "ps: error: unknown gnu long option");
        assert_eq!(refused("-o comm"), "Couldn't find PID field in ps output");
        assert_eq!(refused("-o pid,nope"), "ps: error: unknown user-defined format specifier");
        assert_eq!(refused("-o pid,comm=PID2"), "specifying \"comm=PID2\" is not allowed");
    }
}
