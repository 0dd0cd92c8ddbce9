//! A small writer of tar archives (POSIX ustar), for images made by tests: hostile ones too, so it writes
//! every name exactly as given.

/// What stands in an archive under one name.
#[derive(Clone, Debug)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file with these bytes.
    File(Vec<u8>),
    /// A symbolic link to this text.
    Symlink(String),
    /// A hard link to another name in the archive.
    Hardlink(String),
    /// A character device.
    CharDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// An archive being written.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
}

/// Owner and mode of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Ownership {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Owned by root with the given mode.
pub const fn root(mode: u32) -> Ownership {
    Ownership { mode, uid: 0, gid: 0 }
}

fn octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let text = format!("{value:0width$o}");
    field[..width].copy_from_slice(text.as_bytes());
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry. Names longer than 100 bytes get a GNU long-name record.
    #[must_use]
    pub fn with(mut self, name: &str, owner: Ownership, node: &Node) -> Self {
        if name.len() > 100 {
            let mut long = name.as_bytes().to_vec();
            long.push(0);
            self.entry("././@LongLink", root(0), b'L', "", &long, (0, 0));
        }
        let (kind, link, data, device): (u8, &str, &[u8], (u32, u32)) = match node {
            Node::Folder => (b'5', "", &[], (0, 0)),
            Node::File(bytes) => (b'0', "", bytes, (0, 0)),
            Node::Symlink(target) => (b'2', target, &[], (0, 0)),
            Node::Hardlink(target) => (b'1', target, &[], (0, 0)),
            Node::CharDevice(major, minor) => (b'3', "", &[], (*major, *minor)),
            Node::Fifo => (b'6', "", &[], (0, 0)),
        };
        self.entry(name, owner, kind, link, data, device);
        self
    }

    /// Adds a folder of root's.
    #[must_use]
    pub fn folder(self, name: &str, mode: u32) -> Self {
        self.with(name, root(mode), &Node::Folder)
    }

    /// Adds a file of root's.
    #[must_use]
    pub fn file(self, name: &str, mode: u32, bytes: impl Into<Vec<u8>>) -> Self {
        self.with(name, root(mode), &Node::File(bytes.into()))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, name: &str, target: &str) -> Self {
        self.with(name, root(0o777), &Node::Symlink(target.to_owned()))
    }

    fn entry(&mut self, name: &str, owner: Ownership, kind: u8, link: &str, data: &[u8], device: (u32, u32)) {
        let mut head = [0_u8; 512];
        let shown = &name.as_bytes()[..name.len().min(100)];
        head[..shown.len()].copy_from_slice(shown);
        octal(&mut head[100..108], u64::from(owner.mode));
        octal(&mut head[108..116], u64::from(owner.uid));
        octal(&mut head[116..124], u64::from(owner.gid));
        octal(&mut head[124..136], data.len() as u64);
        octal(&mut head[136..148], 1_700_000_000);
        head[148..156].fill(b' ');
        head[156] = kind;
        let target = &link.as_bytes()[..link.len().min(100)];
        head[157..157 + target.len()].copy_from_slice(target);
        head[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut head[329..337], u64::from(device.0));
        octal(&mut head[337..345], u64::from(device.1));
        let sum: u64 = head.iter().map(|byte| u64::from(*byte)).sum();
        octal(&mut head[148..155], sum);
        self.bytes.extend(head);
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tar_reads_what_is_written() {
        let long = "d/".repeat(60) + "file";
        let bytes = Archive::new()
            .folder("etc/", 0o755)
            .file("etc/motd", 0o644, "hello\n")
            .symlink("etc/link", "motd")
            .with("etc/hard", root(0o644), &Node::Hardlink("etc/motd".to_owned()))
            .file(&long, 0o600, "deep")
            .finish();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let listed = crate::program::shell(&format!("tar tf {}", file.path().display())).ok();
        assert_eq!(listed.lines(), ["etc/", "etc/motd", "etc/link", "etc/hard", long.as_str()]);
    }
}
