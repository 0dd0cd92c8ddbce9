//! One process as `/proc` shows it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// What `/proc/PID/stat` and its neighbours say; times in clock ticks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) name: String,
    pub(super) state: char,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    pub(super) terminal: u32,
    pub(super) foreground: i32,
    pub(super) cpu_ticks: u64,
    pub(super) priority: i64,
    pub(super) nice: i64,
    pub(super) threads: u32,
    pub(super) start_ticks: u64,
    pub(super) virtual_bytes: u64,
    pub(super) resident_pages: u64,
    pub(super) processor: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Its command line; its name in brackets for a process without one.
    pub(super) command: String,
}

/// What the columns need beside the processes: the clock and the host's names.
#[derive(Debug, Clone, Default)]
pub(super) struct Snapshot {
    /// Seconds since 1970.
    pub(super) now: u64,
    /// When the host booted, seconds since 1970.
    pub(super) booted: u64,
    pub(super) memory_kilobytes: u64,
    pub(super) users: BTreeMap<u32, String>,
    pub(super) groups: BTreeMap<u32, String>,
}

/// Clock ticks a second; the kernel shows all times of processes in hundredths.
pub(super) const TICKS: u64 = 100;

impl Snapshot {
    pub(super) fn take() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Self {
            now: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs()),
            booted: field("/proc/stat", "btime"),
            memory_kilobytes: field("/proc/meminfo", "MemTotal:"),
            users: names("/etc/passwd"),
            groups: names("/etc/group"),
        }
    }
}

/// Number to name, from the third and first field of each line.
fn names(file: &str) -> BTreeMap<u32, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        let name = fields.next().unwrap_or_default();
        if let Some(number) = fields.nth(1).and_then(|field| field.parse().ok()) {
            all.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    all
}

/// Reads a process; nothing when it is gone.
pub(super) fn read_process(pid: u32) -> Option<Process> {
    let folder = format!("/proc/{pid}");
    let stat = fs::read_to_string(format!("{folder}/stat")).ok()?;
    let mut process = parse_stat(&stat)?;
    let owner = fs::metadata(&folder).ok()?;
    (process.uid, process.gid) = (owner.uid(), owner.gid());
    let words = fs::read(format!("{folder}/cmdline")).unwrap_or_default();
    process.command = command_line(&words).unwrap_or_else(|| format!("[{}]", process.name));
    Some(process)
}

/// Reads `/proc/PID/stat`; the name in brackets may itself hold brackets and blanks. `proc_pid_stat(5)`.
fn parse_stat(text: &str) -> Option<Process> {
    let (front, back) = (text.find('(')?, text.rfind(')')?);
    let fields: Vec<&str> = text.get(back + 1..)?.split_whitespace().collect();
    // Field 3 of the manual is the first one here.
    let field = |number: usize| fields.get(number - 3).copied();
    let unsigned = |number: usize| field(number).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let small = |number: usize| u32::try_from(unsigned(number)).unwrap_or(0);
    let signed = |number: usize| field(number).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
    Some(Process {
        pid: text.get(..front)?.trim().parse().ok()?,
        name: text.get(front + 1..back)?.to_owned(),
        state: field(3)?.chars().next()?,
        parent: small(4),
        group: small(5),
        session: small(6),
        terminal: u32::try_from(signed(7)).unwrap_or(0),
        foreground: i32::try_from(signed(8)).unwrap_or(-1),
        cpu_ticks: unsigned(14) + unsigned(15),
        priority: signed(18),
        nice: signed(19),
        threads: small(20),
        start_ticks: unsigned(22),
        virtual_bytes: unsigned(23),
        resident_pages: unsigned(24),
        processor: small(39),
        ..Process::default()
    })
}

fn command_line(words: &[u8]) -> Option<String> {
    let words = words.strip_suffix(&[0]).unwrap_or(words);
    let text = String::from_utf8_lossy(words).replace('\0', " ");
    // One process is one line, whatever its arguments hold.
    let text: String = text.chars().map(|one| if one.is_control() { '?' } else { one }).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let line = "42 (a) b (c) S 1 42 42 34816 42 4194304 10 0 0 0 150 50 0 0 20 0 3 0 999 8192 256 18446744073709551615";
        let process = parse_stat(line).unwrap();
        assert_eq!((process.pid, process.name.as_str(), process.state), (42, "a) b (c", 'S'));
        assert_eq!((process.parent, process.terminal, process.cpu_ticks), (1, 34816, 200));
        assert_eq!((process.threads, process.start_ticks, process.virtual_bytes), (3, 999, 8192));
    }

    #[test]
    fn this_process_can_be_read() {
        let own = read_process(std::process::id()).unwrap();
        assert_eq!(own.pid, std::process::id());
        assert!(!own.command.is_empty() && own.threads > 0);
    }
}
