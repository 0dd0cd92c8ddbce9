//! The bytes of one durable group of changes.
//!
//! ```text
//! frame   = magic "GNTYTX01" · sequence u64 · length u32 · crc32 u32 (of sequence, length, payload) · payload
//! payload = operation*
//! put     = 1 · table length u8 · key length u16 · value length u32 · table · key · value
//! delete  = 2 · table length u8 · key length u16 · table · key
//! ```
//! Integers are little endian. The magic and the rising sequence tell a torn last write from damage in the middle.

use crate::batch::Operation;

pub(crate) const MAGIC: &[u8; 8] = b"GNTYTX01";
pub(crate) const HEADER: usize = 24;

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// Encodes a frame, or `None` when a name or value exceeds what the format holds.
pub(crate) fn encode(sequence: u64, operations: &[Operation]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    for operation in operations {
        match operation {
            Operation::Put { table, key, value } => {
                bytes.push(PUT);
                bytes.push(u8::try_from(table.len()).ok()?);
                bytes.extend(u16::try_from(key.len()).ok()?.to_le_bytes());
                bytes.extend(u32::try_from(value.len()).ok()?.to_le_bytes());
                bytes.extend(table.as_bytes());
                bytes.extend(key.as_bytes());
                bytes.extend(value.iter());
            }
            Operation::Delete { table, key } => {
                bytes.push(DELETE);
                bytes.push(u8::try_from(table.len()).ok()?);
                bytes.extend(u16::try_from(key.len()).ok()?.to_le_bytes());
                bytes.extend(table.as_bytes());
                bytes.extend(key.as_bytes());
            }
        }
    }
    let length = u32::try_from(bytes.len() - HEADER).ok()?;
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
    bytes[16..20].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(&bytes[8..20], &bytes[HEADER..]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    Some(bytes)
}

/// A frame read back.
pub(crate) struct Frame {
    pub(crate) sequence: u64,
    pub(crate) operations: Vec<Operation>,
    /// Its length in bytes, header included.
    pub(crate) size: usize,
}

/// Decodes the frame at the beginning of `bytes`; `None` if it is incomplete or does not match its checksum.
pub(crate) fn decode(bytes: &[u8]) -> Option<Frame> {
    let header = bytes.get(..HEADER)?;
    if &header[..8] != MAGIC {
        return None;
    }
    let sequence = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let length = usize::try_from(u32::from_le_bytes(header[16..20].try_into().ok()?)).ok()?;
    let crc = u32::from_le_bytes(header[20..24].try_into().ok()?);
    let size = HEADER.checked_add(length)?;
    let payload = bytes.get(HEADER..size)?;
    if checksum(&header[8..20], payload) != crc {
        return None;
    }
    Some(Frame { sequence, operations: decode_payload(payload)?, size })
}

fn decode_payload(mut rest: &[u8]) -> Option<Vec<Operation>> {
    let mut operations = Vec::new();
    while let Some((&kind, after)) = rest.split_first() {
        rest = after;
        let table_length = usize::from(*take(&mut rest, 1)?.first()?);
        let key_length = usize::from(u16::from_le_bytes(take(&mut rest, 2)?.try_into().ok()?));
        let value_length = match kind {
            PUT => Some(usize::try_from(u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?)).ok()?),
            DELETE => None,
            _ => return None,
        };
        let table = text(take(&mut rest, table_length)?)?;
        let key = text(take(&mut rest, key_length)?)?;
        operations.push(match value_length {
            Some(length) => Operation::Put { table, key, value: take(&mut rest, length)?.into() },
            None => Operation::Delete { table, key },
        });
    }
    Some(operations)
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}
