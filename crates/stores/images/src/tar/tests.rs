//! Dialects, extensions, limits; and that no bytes at all make the reader panic or run away.

use proptest::prelude::*;

use super::build::{Item, archive, open_archive, seal};
use super::*;

fn read(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut reader = Reader::new(bytes);
    let mut list = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        loop {
            let chunk = reader.chunk(7)?;
            if chunk.is_empty() {
                break;
            }
            data.extend_from_slice(chunk);
            let count = chunk.len();
            reader.consume(count);
        }
        list.push((entry, data));
    }
    Ok(list)
}

fn one(item: Item) -> (Entry, Vec<u8>) {
    read(&archive(&[item])).unwrap().remove(0)
}

#[test]
fn plain_entries_are_read_as_written() {
    let items = [
        Item::folder("d/"),
        Item::file("d/f", b"hello").mode(0o4755).owner(7, 8),
        Item::symlink("d/s", "../f"),
        Item::hard_link("h", "d/f"),
        Item::device(b'3', "null", (1, 3)),
        Item::device(b'6', "fifo", (0, 0)),
    ];
    let list = read(&archive(&items)).unwrap();
    let kinds: Vec<Kind> = list.iter().map(|(entry, _)| entry.kind).collect();
    assert_eq!(
        kinds,
        [Kind::Folder, Kind::File, Kind::Symlink, Kind::HardLink, Kind::CharDevice, Kind::Fifo]
    );
    let (file, data) = &list[1];
    assert_eq!((file.mode, file.uid, file.gid, data.as_slice()), (0o4755, 7, 8, &b"hello"[..]));
    assert_eq!(file.modified, (1_700_000_000, 0));
    assert_eq!(list[2].0.link, b"../f");
    assert_eq!(list[4].0.device, (1, 3));
}

#[test]
fn long_names_and_records_win_over_the_header() {
    let long = "x/".repeat(200) + "end";
    assert_eq!(one(Item::file(&long, b"")).0.path, long.as_bytes());
    let link = "y/".repeat(300);
    assert_eq!(one(Item::symlink("s", &link)).0.link, link.as_bytes());
    let (entry, data) = one(Item::file("short", b"12")
        .record("path", b"other/name")
        .record("mtime", b"12.000000345")
        .record("uid", b"3000000000")
        .record("SCHILY.xattr.user.k", b"v\0\n=w"));
    assert_eq!(
        (entry.path.as_slice(), entry.modified, entry.uid),
        (&b"other/name"[..], (12, 345), 3_000_000_000)
    );
    assert_eq!(entry.xattrs, [(b"user.k".to_vec(), b"v\0\n=w".to_vec())]);
    assert_eq!(data, b"12");
}

#[test]
fn a_size_record_moves_the_next_header() {
    let mut inner = archive(&[Item::file("smuggled", b"")]);
    inner.truncate(512);
    let mut item = Item::file("outer", b"").record("size", inner.len().to_string().as_bytes());
    item.data = Vec::new();
    let mut bytes = open_archive(&[item]);
    bytes.extend_from_slice(&inner);
    bytes.extend_from_slice(&[0; 1024]);
    let list = read(&bytes).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].1, inner);
}

#[test]
fn numbers_may_be_in_base_256() {
    let mut bytes = archive(&[Item::file("f", b"abc")]);
    bytes[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0xb2, 0xd0, 0x5e, 0]);
    bytes[136..148].copy_from_slice(&[0xff; 12]);
    seal(&mut bytes);
    let list = read(&bytes).unwrap();
    assert_eq!((list[0].0.uid, list[0].0.modified), (3_000_000_000, (-1, 0)));
}

#[test]
fn prefixes_are_joined() {
    let mut bytes = archive(&[Item::file("name", b"")]);
    bytes[345..351].copy_from_slice(b"a/long");
    seal(&mut bytes);
    assert_eq!(read(&bytes).unwrap()[0].0.path, b"a/long/name");
}

#[test]
fn sparse_files_come_in_four_forms() {
    let expected = Some(vec![(0, 4), (1024, 3)]);
    let old = {
        let mut bytes = archive(&[Item { kind: b'S', ..Item::file("f", b"headend") }]);
        bytes[257..265].copy_from_slice(b"ustar  \0");
        for (at, number) in [(386, 0), (398, 4), (410, 1024), (422, 3), (483, 2048)] {
            bytes[at..at + 12].copy_from_slice(format!("{number:011o}\0").as_bytes());
        }
        seal(&mut bytes);
        read(&bytes).unwrap().remove(0)
    };
    let zero_zero = one(Item::file("f", b"headend")
        .record("GNU.sparse.size", b"2048")
        .record("GNU.sparse.offset", b"0")
        .record("GNU.sparse.numbytes", b"4")
        .record("GNU.sparse.offset", b"1024")
        .record("GNU.sparse.numbytes", b"3"));
    let zero_one = one(Item::file("GNUSparseFile.0/f", b"headend")
        .record("GNU.sparse.size", b"2048")
        .record("GNU.sparse.name", b"f")
        .record("GNU.sparse.map", b"0,4,1024,3"));
    let mut data = b"2\n0\n4\n1024\n3\n".to_vec();
    data.resize(512, 0);
    data.extend_from_slice(b"headend");
    let one_zero = one(Item::file("GNUSparseFile.0/f", &data)
        .record("GNU.sparse.major", b"1")
        .record("GNU.sparse.minor", b"0")
        .record("GNU.sparse.name", b"f")
        .record("GNU.sparse.realsize", b"2048"));
    for (entry, data) in [old, zero_zero, zero_one, one_zero] {
        assert_eq!((entry.path.as_slice(), entry.size), (&b"f"[..], 2048));
        assert_eq!(entry.segments, expected);
        assert_eq!(data, b"headend");
    }
}

#[test]
fn a_sparse_map_must_fit_its_file() {
    for map in ["0,4,2,3", "0,4,2046,3", "0,4", "0", "9223372036854775807,7"] {
        let item = Item::file("f", b"headend")
            .record("GNU.sparse.size", b"2048")
            .record("GNU.sparse.map", map.as_bytes());
        assert!(matches!(read(&archive(&[item])), Err(TarError::Header)), "{map}");
    }
}

#[test]
fn damage_is_told_from_an_early_end() {
    let good = archive(&[Item::file("f", &[7; 2000])]);
    let mut damaged = good.clone();
    damaged[3] = b'!';
    assert!(matches!(read(&damaged), Err(TarError::Header)));
    for cut in [100, 600, 1500, 2500] {
        assert!(matches!(read(&good[..cut]), Err(TarError::Truncated)), "{cut}");
    }
    assert_eq!(read(&good[..512 + 2048]).unwrap().len(), 1);
    assert_eq!(read(&[]).unwrap().len(), 0);
    assert!(matches!(read(b"this is no archive"), Err(TarError::Truncated)));
    assert!(matches!(read(&[b'x'; 1024]), Err(TarError::Header)));
}

#[test]
fn a_special_header_is_bounded() {
    let mut bytes = archive(&[Item::new(b'x', "PaxHeaders/x")]);
    bytes[124..136].copy_from_slice(b"77777777777\0");
    seal(&mut bytes);
    assert!(matches!(read(&bytes), Err(TarError::Header)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        let _ = read(&bytes);
    }

    #[test]
    fn any_damage_is_read_or_refused(
        places in prop::collection::vec((0_usize..3072, any::<u8>()), 1..40),
        fixed in any::<bool>(),
    ) {
        let items = [
            Item::file("a", b"12345").record("path", b"b").record("GNU.sparse.map", b"0,5").record("GNU.sparse.size", b"5"),
            Item { kind: b'S', ..Item::file("c", b"xyz") },
        ];
        let mut bytes = archive(&items);
        for (at, value) in places {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if fixed {
            for at in (0..bytes.len()).step_by(512).filter(|at| [0, 1024, 2048].contains(at)) {
                seal(&mut bytes[at..at + 512]);
            }
        }
        let _ = read(&bytes);
    }

    #[test]
    fn what_is_written_is_read(
        path in "[a-z/]{1,300}", data in prop::collection::vec(any::<u8>(), 0..2000), mode in 0_u32..0o10000,
    ) {
        let (entry, read) = one(Item::file(&path, &data).mode(mode));
        prop_assert_eq!((entry.path, entry.mode, entry.size), (path.into_bytes(), mode, data.len() as u64));
        prop_assert_eq!(read, data);
    }
}
