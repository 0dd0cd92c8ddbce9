//! Writing small archives for tests, honest and hostile ones.

const BLOCK: usize = 512;

/// An entry to write; start from one of the constructors.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) path: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: u64,
    pub(crate) device: (u32, u32),
    pub(crate) data: Vec<u8>,
    pub(crate) records: Vec<(String, Vec<u8>)>,
}

impl Item {
    pub(crate) fn new(kind: u8, path: &str) -> Item {
        Item {
            path: path.as_bytes().to_vec(),
            link: Vec::new(),
            kind,
            mode: 0o644,
            owner: (0, 0),
            modified: 1_700_000_000,
            device: (0, 0),
            data: Vec::new(),
            records: Vec::new(),
        }
    }

    pub(crate) fn file(path: &str, data: &[u8]) -> Item {
        Item { data: data.to_vec(), ..Item::new(b'0', path) }
    }

    pub(crate) fn folder(path: &str) -> Item {
        Item { mode: 0o755, ..Item::new(b'5', path) }
    }

    pub(crate) fn symlink(path: &str, target: &str) -> Item {
        Item { link: target.as_bytes().to_vec(), mode: 0o777, ..Item::new(b'2', path) }
    }

    pub(crate) fn hard_link(path: &str, target: &str) -> Item {
        Item { link: target.as_bytes().to_vec(), ..Item::new(b'1', path) }
    }

    pub(crate) fn device(kind: u8, path: &str, device: (u32, u32)) -> Item {
        Item { device, ..Item::new(kind, path) }
    }

    pub(crate) fn mode(self, mode: u32) -> Item {
        Item { mode, ..self }
    }

    pub(crate) fn owner(self, uid: u32, gid: u32) -> Item {
        Item { owner: (uid, gid), ..self }
    }

    pub(crate) fn record(mut self, key: &str, value: &[u8]) -> Item {
        self.records.push((key.to_owned(), value.to_vec()));
        self
    }
}

/// The bytes of an archive with these entries and the two zero blocks.
pub(crate) fn archive(items: &[Item]) -> Vec<u8> {
    let mut bytes = open_archive(items);
    bytes.extend_from_slice(&[0; 2 * BLOCK]);
    bytes
}

/// The same without an end.
pub(crate) fn open_archive(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for item in items {
        if !item.records.is_empty() {
            let data = item.records.iter().flat_map(|(key, value)| record(key, value)).collect();
            let header = Item { kind: b'x', data, records: Vec::new(), ..Item::new(b'x', "PaxHeaders/x") };
            write(&header, &mut bytes);
        }
        for (kind, text) in [(b'L', &item.path), (b'K', &item.link)] {
            if text.len() > 100 {
                let data = [text.as_slice(), b"\0"].concat();
                write(&Item { data, ..Item::new(kind, "././@LongLink") }, &mut bytes);
            }
        }
        write(item, &mut bytes);
    }
    bytes
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn write(item: &Item, bytes: &mut Vec<u8>) {
    let mut block = [0; BLOCK];
    let copy = |field: &mut [u8], text: &[u8]| {
        let count = text.len().min(field.len());
        field[..count].copy_from_slice(&text[..count]);
    };
    copy(&mut block[..100], &item.path);
    copy(&mut block[100..107], format!("{:07o}", item.mode).as_bytes());
    copy(&mut block[108..115], format!("{:07o}", item.owner.0).as_bytes());
    copy(&mut block[116..123], format!("{:07o}", item.owner.1).as_bytes());
    copy(&mut block[124..135], format!("{:011o}", item.data.len()).as_bytes());
    copy(&mut block[136..147], format!("{:011o}", item.modified).as_bytes());
    block[156] = item.kind;
    copy(&mut block[157..257], &item.link);
    copy(&mut block[257..265], b"ustar\x0000");
    copy(&mut block[329..336], format!("{:07o}", item.device.0).as_bytes());
    copy(&mut block[337..344], format!("{:07o}", item.device.1).as_bytes());
    seal(&mut block);
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(&item.data);
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
}

/// Writes the checksum of a header.
pub(crate) fn seal(block: &mut [u8]) {
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block[..BLOCK].iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}
