//! The bytes of netlink: messages of attributes, written and read. Reading never panics, whatever the bytes.
//!
//! ```text
//!   | length u32 | kind u16 | flags u16 | sequence u32 | port u32 | body: fixed header, then attributes |
//!   attribute: | length u16 | kind u16 | value | padding to four |      (lengths count their own header)
//! ```

/// The length of a message header.
pub(crate) const HEADER: usize = 16;

/// `NLM_F_REQUEST`: a question to the kernel.
pub const REQUEST: u16 = 1;
/// `NLM_F_ACK`: answer even when all is well.
pub const ACK: u16 = 4;
/// `NLM_F_EXCL`: refuse if the object is there.
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: make the object if it is not there.
pub const CREATE: u16 = 0x400;
/// `NLM_F_REPLACE`: change the object if it is there.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_APPEND`: put the object last.
pub const APPEND: u16 = 0x800;
/// `NLM_F_DUMP`: list them all.
pub const DUMP: u16 = 0x300;

/// `NLA_F_NESTED`: the value is attributes again.
const NESTED: u16 = 0x8000;
/// What remains of an attribute's kind without its two flag bits.
const KIND_MASK: u16 = 0x3fff;

const fn padded(length: usize) -> usize {
    (length + 3) & !3
}

/// Messages being written, to be sent in one go.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
    count: u32,
    overflow: bool,
}

impl Messages {
    /// No message yet.
    pub fn new() -> Messages {
        Messages::default()
    }

    /// Adds a message of `kind`; `write` fills its body. `REQUEST` is added to `flags`.
    ///
    /// The sequence number is the message's position, from 0; [`Socket`](crate::Socket) moves it when it sends.
    pub fn add(&mut self, kind: u16, flags: u16, write: impl FnOnce(&mut Body<'_>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&self.count.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        write(&mut Body { bytes: &mut self.bytes, overflow: &mut self.overflow });
        let length = self.bytes.len() - start;
        match u32::try_from(length) {
            Ok(length) => self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.overflow = true,
        }
        self.count += 1;
    }

    /// How many messages there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether something was written that no length field can hold.
    pub fn is_too_long(&self) -> bool {
        self.overflow
    }

    /// The bytes, with sequence numbers that start at `first`.
    pub(crate) fn numbered(mut self, first: u32) -> Vec<u8> {
        let mut at = 0;
        while let Some(header) = self.bytes.get(at..at + HEADER) {
            let length = word(header, 0) as usize;
            let sequence = word(header, 8).wrapping_add(first);
            self.bytes[at + 8..at + 12].copy_from_slice(&sequence.to_ne_bytes());
            at += padded(length).max(HEADER);
        }
        self.bytes
    }
}

/// The body of a message or of a nested attribute, being written.
#[derive(Debug)]
pub struct Body<'a> {
    bytes: &'a mut Vec<u8>,
    overflow: &'a mut bool,
}

impl Body<'_> {
    /// Appends raw bytes: the fixed header that comes before the attributes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// Appends an attribute of raw bytes.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |bytes| bytes.extend_from_slice(value));
    }

    /// Appends one byte.
    pub fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    /// Appends a number of 16 bits in the host's order.
    pub fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Appends a number of 32 bits in the host's order, as rtnetlink wants it.
    pub fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Appends a number of 32 bits in network order, as nf_tables wants it.
    pub fn be32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Appends a text with the zero that ends it.
    pub fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |bytes| {
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        });
    }

    /// Appends an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, write: impl FnOnce(&mut Body<'_>)) {
        let start = self.open(kind | NESTED);
        write(&mut Body { bytes: self.bytes, overflow: self.overflow });
        self.close(start);
    }

    fn attribute(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.open(kind);
        write(self.bytes);
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => *self.overflow = true,
        }
        self.pad();
    }

    fn pad(&mut self) {
        let padding = padded(self.bytes.len()) - self.bytes.len();
        self.bytes.extend_from_slice(&[0; 3][..padding]);
    }
}

/// Four bytes at `at` as a number of the host's order; 0 beyond the end.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
}

/// Two bytes at `at` as a number of the host's order; 0 beyond the end.
fn half(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_ne_bytes)
}

/// One message from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// What it is about.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// The number of the request that it answers.
    pub sequence: u32,
    /// Everything after the header.
    pub body: &'a [u8],
}

/// Iterates over the messages of one received datagram; a malformed rest ends it.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = word(rest.get(..HEADER)?, 0) as usize;
        if length < HEADER {
            return None;
        }
        let message = rest.get(..length)?;
        rest = rest.get(padded(length)..).unwrap_or_default();
        Some(Received {
            kind: half(message, 4),
            flags: half(message, 6),
            sequence: word(message, 8),
            body: &message[HEADER..],
        })
    })
}

/// The attributes of a message's body or of a nested attribute.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes of `body` after a fixed header of `skip` bytes.
    pub fn of(body: &'a [u8], skip: usize) -> Attributes<'a> {
        Attributes { bytes: body.get(padded(skip)..).unwrap_or_default() }
    }

    /// Kinds (flag bits taken off) and values, in order; a malformed rest ends it.
    pub fn iter(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let length = usize::from(half(rest.get(..4)?, 0));
            if length < 4 {
                return None;
            }
            let attribute = rest.get(..length)?;
            rest = rest.get(padded(length)..).unwrap_or_default();
            Some((half(attribute, 2) & KIND_MASK, &attribute[4..]))
        })
    }

    /// The first value of this kind.
    pub fn get(self, kind: u16) -> Option<&'a [u8]> {
        self.iter().find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// The attributes inside the first attribute of this kind; none if it is missing.
    pub fn nested(self, kind: u16) -> Attributes<'a> {
        Attributes { bytes: self.get(kind).unwrap_or_default() }
    }

    /// A number of 32 bits in the host's order.
    pub fn u32(self, kind: u16) -> Option<u32> {
        self.get(kind)?.get(..4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    /// A number of 32 bits in network order.
    pub fn be32(self, kind: u16) -> Option<u32> {
        self.get(kind)?.get(..4)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// A single byte.
    pub fn u8(self, kind: u16) -> Option<u8> {
        self.get(kind)?.first().copied()
    }

    /// A text up to the zero that ends it; `None` when it is not UTF-8.
    pub fn text(self, kind: u16) -> Option<&'a str> {
        let value = self.get(kind)?;
        let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
        std::str::from_utf8(&value[..end]).ok()
    }
}

/// What an `NLMSG_ERROR` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The error number; 0 for an acknowledgement.
    pub errno: i32,
    /// The kernel's own words.
    pub text: Option<String>,
}

impl Verdict {
    /// Reads the body of an `NLMSG_ERROR`; `None` if it is too short.
    pub fn read(message: &Received<'_>) -> Option<Verdict> {
        const CAPPED: u16 = 0x100;
        const WITH_ATTRIBUTES: u16 = 0x200;
        const TEXT: u16 = 1;
        let code = i32::from_ne_bytes(message.body.get(..4)?.try_into().ok()?);
        let echoed = word(message.body.get(4..4 + HEADER)?, 0) as usize;
        let skip = 4 + if message.flags & CAPPED != 0 { HEADER } else { echoed.max(HEADER) };
        let text = (message.flags & WITH_ATTRIBUTES != 0)
            .then(|| Attributes::of(message.body, skip).text(TEXT).map(str::to_owned))
            .flatten();
        Some(Verdict { errno: code.checked_neg().unwrap_or(i32::MAX), text })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_written_message_reads_back() {
        let mut out = Messages::new();
        out.add(16, CREATE, |m| {
            m.raw(&[9; 16]);
            m.text(3, "eth0");
            m.nest(18, |n| {
                n.u32(1, 7);
                n.be32(2, 0x0102_0304);
            });
            m.u8(5, 8);
        });
        out.add(17, 0, |_| {});
        assert_eq!(out.count(), 2);
        let bytes = out.numbered(40);
        let all: Vec<_> = messages(&bytes).collect();
        assert_eq!(
            all.iter().map(|m| (m.kind, m.flags, m.sequence)).collect::<Vec<_>>(),
            [(16, CREATE | REQUEST, 40), (17, REQUEST, 41)]
        );
        let attributes = Attributes::of(all[0].body, 16);
        assert_eq!(attributes.text(3), Some("eth0"));
        assert_eq!(attributes.nested(18).u32(1), Some(7));
        assert_eq!(attributes.nested(18).get(2), Some(&[1, 2, 3, 4][..]));
        assert_eq!(attributes.u8(5), Some(8));
        assert_eq!(attributes.get(6), None);
        assert!(all[1].body.is_empty());
    }

    #[test]
    fn an_attribute_too_long_for_its_length_field_is_noticed() {
        let mut out = Messages::new();
        out.add(1, 0, |m| m.bytes(1, &vec![0; 70_000]));
        assert!(out.is_too_long());
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() {
        let mut body = (-17_i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&[0; HEADER]);
        body.extend_from_slice(&[10, 0, 1, 0]);
        body.extend_from_slice(b"taken\0\0\0");
        let message = Received { kind: 2, flags: 0x300, sequence: 0, body: &body };
        assert_eq!(Verdict::read(&message), Some(Verdict { errno: 17, text: Some("taken".to_owned()) }));
    }

    fn walk(attributes: Attributes<'_>, depth: u32) {
        for (kind, _) in attributes.iter() {
            let _ = (attributes.text(kind), attributes.u32(kind), attributes.be32(kind), attributes.u8(kind));
            if depth > 0 {
                walk(attributes.nested(kind), depth - 1);
            }
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), skip in 0_usize..64) {
            for message in messages(&bytes) {
                let _ = Verdict::read(&message);
                walk(Attributes::of(message.body, skip), 3);
            }
            walk(Attributes::of(&bytes, skip), 3);
        }

        #[test]
        fn small_lengths_never_panic(bytes in proptest::collection::vec(0_u8..40, 0..300), skip in 0_usize..64) {
            for message in messages(&bytes) {
                let _ = Verdict::read(&message);
            }
            walk(Attributes::of(&bytes, skip), 3);
        }

        #[test]
        fn attributes_read_back(values in proptest::collection::vec((1_u16..100, proptest::collection::vec(any::<u8>(), 0..50)), 0..20)) {
            let mut out = Messages::new();
            out.add(1, 0, |m| for (kind, value) in &values { m.bytes(*kind, value) });
            let bytes = out.numbered(0);
            let message = messages(&bytes).next().unwrap();
            let read: Vec<_> = Attributes::of(message.body, 0).iter().map(|(k, v)| (k, v.to_vec())).collect();
            prop_assert_eq!(read, values);
        }
    }
}
