//! Users and groups by the container's own files, as runc and Docker resolve them.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};

use mount::path::{self, Links};
use rustix::fs::{FileType, OFlags, fstat};

/// A resolved user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// Supplementary groups; the primary one is the first of them.
    pub additional_gids: Vec<u32>,
    /// Home folder; `/` when the files name none.
    pub home: String,
}

/// Why a user could not be resolved.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserError {
    /// No such name.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// No such group.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// An id outside 0 to 2147483647.
    #[error("uids and gids must be in range 0-2147483647")]
    OutOfRange,
}

/// No such file is larger; what is, counts as empty, lest a container eats the memory of its supervisor.
const LARGEST_FILE: u64 = 16 << 20;

/// Finds `user` (`name`, `uid`, `name:group`, `uid:gid` …; empty is root) and the additional groups in `/etc/passwd`
/// and `/etc/group` inside `root`. Numbers need no entry.
///
/// # Errors
/// See [`UserError`]; files that are missing, unreadable or too large count as empty.
pub fn resolve(root: BorrowedFd<'_>, user: &str, additional_groups: &[String]) -> Result<User, UserError> {
    resolve_in(&read(root, c"/etc/passwd"), &read(root, c"/etc/group"), user, additional_groups)
}

/// The home folder of a user id; `/` when the file names none.
#[must_use]
pub fn home_of(root: BorrowedFd<'_>, uid: u32) -> String {
    let passwd = read(root, c"/etc/passwd");
    let home = entries(&passwd).find(|entry| entry.number(2) == i64::from(uid)).map(|entry| entry.home());
    home.unwrap_or_else(|| "/".to_owned())
}

/// Reads a regular file inside the root; anything else is empty.
fn read(root: BorrowedFd<'_>, path: &std::ffi::CStr) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(file) = path::open(root, path, flags, Links::Follow) else { return String::new() };
    let is_regular =
        fstat(file.as_fd()).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    if !is_regular {
        return String::new();
    }
    let mut bytes = Vec::new();
    match std::fs::File::from(file).take(LARGEST_FILE + 1).read_to_end(&mut bytes) {
        Ok(length) if length as u64 <= LARGEST_FILE => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    }
}

/// A line of either file.
#[derive(Debug, Clone, Copy)]
struct Entry<'a>(&'a str);

impl<'a> Entry<'a> {
    fn field(self, index: usize) -> &'a str {
        self.0.split(':').nth(index).unwrap_or_default()
    }

    fn name(self) -> &'a str {
        self.field(0)
    }

    /// A number, 0 for anything else.
    fn number(self, index: usize) -> i64 {
        self.field(index).parse().unwrap_or_default()
    }

    fn home(self) -> String {
        let home = self.field(5);
        if home.is_empty() { "/".to_owned() } else { home.to_owned() }
    }
}

fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Entry)
}

/// The same from the texts of both files. Pure.
fn resolve_in(passwd: &str, group: &str, wanted: &str, additional: &[String]) -> Result<User, UserError> {
    let (user_part, group_part) = wanted.split_once(':').unwrap_or((wanted, ""));
    let user_number = user_part.parse::<i64>().ok();
    let found = entries(passwd).find(|entry| match (user_part, user_number) {
        ("", _) => entry.number(2) == 0,
        (_, Some(number)) => entry.number(2) == number,
        (name, None) => entry.name() == name,
    });
    let mut user = match (found, user_number) {
        (Some(entry), _) => User {
            uid: in_range(entry.number(2))?,
            gid: in_range(entry.number(3))?,
            additional_gids: Vec::new(),
            home: entry.home(),
        },
        (None, None) if !user_part.is_empty() => return Err(UserError::UnknownUser(user_part.to_owned())),
        (None, number) => User {
            uid: in_range(number.unwrap_or_default())?,
            gid: 0,
            additional_gids: Vec::new(),
            home: "/".to_owned(),
        },
    };
    if !group_part.is_empty() {
        user.gid = find_group(group, group_part, Some(UserError::UnknownGroup(group_part.to_owned())))?;
    } else if let Some(entry) = found {
        let member = |line: &Entry<'_>| line.field(3).split(',').any(|name| name == entry.name());
        for line in entries(group).filter(member) {
            user.additional_gids.push(in_range(line.number(2))?);
        }
    }
    for name in additional {
        let unknown = UserError::UnknownGroup(name.clone());
        let number = entries(group).find(|line| line.name() == name || line.field(2) == name);
        user.additional_gids.push(match number {
            Some(line) => in_range(line.number(2))?,
            None => in_range(name.parse().map_err(|_| unknown)?)?,
        });
    }
    // The primary group is one of the supplementary ones: without it, a file that denies the group could be opened.
    user.additional_gids.insert(0, user.gid);
    let mut seen = Vec::new();
    user.additional_gids.retain(|gid| {
        !seen.contains(gid) && {
            seen.push(*gid);
            true
        }
    });
    Ok(user)
}

fn find_group(group: &str, wanted: &str, unknown: Option<UserError>) -> Result<u32, UserError> {
    let number = wanted.parse::<i64>().ok();
    let found = entries(group).find(|line| match number {
        Some(number) => line.number(2) == number,
        None => line.name() == wanted,
    });
    match (found.map(|line| line.number(2)).or(number), unknown) {
        (Some(gid), _) => in_range(gid),
        (None, unknown) => Err(unknown.unwrap_or(UserError::OutOfRange)),
    }
}

fn in_range(number: i64) -> Result<u32, UserError> {
    i32::try_from(number).ok().and_then(|number| u32::try_from(number).ok()).ok_or(UserError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n\nweb:x:33:33::/var/www:/bin/false\nbad\n1000:x:7:7::/seven:\n";
    const GROUP: &str = "root:x:0:root\nwheel:x:10:root,web\nweb:x:33:\naudio:x:29:web,x\n";

    fn found(user: &str, additional: &[&str]) -> Result<User, UserError> {
        let additional: Vec<_> = additional.iter().map(ToString::to_string).collect();
        resolve_in(PASSWD, GROUP, user, &additional)
    }

    fn user(uid: u32, gid: u32, additional_gids: &[u32], home: &str) -> User {
        User { uid, gid, additional_gids: additional_gids.to_vec(), home: home.to_owned() }
    }

    #[test]
    fn names_numbers_and_groups_are_found() {
        assert_eq!(found("", &[]), Ok(user(0, 0, &[0, 10], "/root")));
        assert_eq!(found("web", &[]), Ok(user(33, 33, &[33, 10, 29], "/var/www")));
        assert_eq!(found("33", &[]), Ok(user(33, 33, &[33, 10, 29], "/var/www")));
        assert_eq!(found("web:wheel", &[]), Ok(user(33, 10, &[10], "/var/www")));
        assert_eq!(found("web:1234", &[]), Ok(user(33, 1234, &[1234], "/var/www")));
        assert_eq!(found(":wheel", &[]), Ok(user(0, 10, &[10], "/root")));
    }

    #[test]
    fn a_number_needs_no_entry_and_is_never_a_name() {
        assert_eq!(found("4711", &[]), Ok(user(4711, 0, &[0], "/")));
        assert_eq!(found("4711:4712", &[]), Ok(user(4711, 4712, &[4712], "/")));
        assert_eq!(found("1000", &[]), Ok(user(1000, 0, &[0], "/")));
    }

    #[test]
    fn additional_groups_are_names_or_numbers() {
        assert_eq!(found("4711", &["audio", "77", "33"]), Ok(user(4711, 0, &[0, 29, 77, 33], "/")));
        assert_eq!(found("4711", &["nogroup"]), Err(UserError::UnknownGroup("nogroup".to_owned())));
    }

    #[test]
    fn what_is_unknown_is_named_in_dockers_words() {
        let error = found("nobody2", &[]).unwrap_err().to_string();
        assert_eq!(error, "unable to find user nobody2: no matching entries in passwd file");
        let error = found("web:nogroup", &[]).unwrap_err().to_string();
        assert_eq!(error, "unable to find group nogroup: no matching entries in group file");
        for wrong in ["-1", "2147483648", "0:-1", "99999999999"] {
            assert_eq!(found(wrong, &[]), Err(UserError::OutOfRange), "{wrong}");
        }
    }

    #[test]
    fn special_files_and_links_out_of_the_root_count_as_empty() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", root.path().join("etc/passwd")).unwrap();
        let fifo = root.path().join("etc/group");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, 0o644.into(), 0).unwrap();
        let place = path::open_host_folder(root.path()).unwrap();
        assert_eq!(resolve(place.as_fd(), "5", &[]), Ok(user(5, 0, &[0], "/")));
        assert_eq!(resolve(place.as_fd(), "web", &[]), Err(UserError::UnknownUser("web".to_owned())));
        std::fs::write(root.path().join("etc/shadowed"), PASSWD).unwrap();
        std::fs::remove_file(root.path().join("etc/passwd")).unwrap();
        std::os::unix::fs::symlink("/etc/shadowed", root.path().join("etc/passwd")).unwrap();
        assert_eq!(home_of(place.as_fd(), 33), "/var/www");
    }

    proptest! {
        #[test]
        fn no_file_and_no_wish_panics(passwd in "[a-z0-9:,\n -]*", group in "[a-z0-9:,\n -]*", wish in ".{0,12}") {
            let _ = resolve_in(&passwd, &group, &wish, std::slice::from_ref(&wish));
        }
    }
}
