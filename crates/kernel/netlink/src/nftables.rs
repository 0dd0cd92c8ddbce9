//! nf_tables: transactions of tables, chains, rules, sets and maps. `linux/netfilter/nf_tables.h`.
//!
//! A [`Transaction`] is applied as a whole or not at all. Numbers are in network order, as everywhere in nf_tables.

use std::net::Ipv4Addr;

use crate::wire::{ACK, APPEND, Attributes, Body, CREATE, DUMP, EXCLUSIVE, Messages};
use crate::{Error, Socket};

mod expression;

pub use expression::{Expression, Field, Register, Target};

const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const NEWTABLE: u16 = 0;
const GETTABLE: u16 = 1;
const DELTABLE: u16 = 2;
const NEWCHAIN: u16 = 3;
const GETCHAIN: u16 = 4;
const NEWRULE: u16 = 6;
const GETRULE: u16 = 7;
const DELRULE: u16 = 8;
const NEWSET: u16 = 9;
const NEWSETELEM: u16 = 12;
const GETSETELEM: u16 = 13;
const DELSETELEM: u16 = 14;

/// The family whose packets a table sees: `ip`.
const FAMILY_IPV4: u8 = 2;

const fn kind(message: u16) -> u16 {
    SUBSYSTEM << 8 | message
}

/// `struct nfgenmsg`: family, version, resource (big endian).
fn generic_header(body: &mut Body<'_>, family: u8, resource: u16) {
    let [high, low] = resource.to_be_bytes();
    body.raw(&[family, 0, high, low]);
}

/// Where a base chain is called from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Before the routing decision.
    Prerouting = 0,
    /// Packets on their way through the host.
    Forward = 2,
    /// Packets made by the host.
    Output = 3,
    /// Before packets leave.
    Postrouting = 4,
}

/// What a base chain is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainKind {
    /// Passing and dropping.
    Filter,
    /// Address translation: sees only the first packet of a connection.
    Nat,
}

/// How a base chain is bound into the packet path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// What it is for.
    pub kind: ChainKind,
    /// Where it is called from.
    pub hook: Hook,
    /// Its place among the chains of the hook: lower comes first.
    pub priority: i32,
}

/// What a component of a set's key or value is; `nft` prints it accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// An IPv4 address, 4 bytes.
    Ipv4Address,
    /// A transport protocol, 1 byte.
    Protocol,
    /// A port, 2 bytes.
    Port,
    /// An interface's name, 16 bytes.
    InterfaceName,
}

impl Component {
    /// The type's number in `nft`'s list of types.
    const fn type_number(self) -> u32 {
        match self {
            Component::Ipv4Address => 7,
            Component::Protocol => 12,
            Component::Port => 13,
            Component::InterfaceName => 41,
        }
    }

    const fn length(self) -> usize {
        match self {
            Component::Ipv4Address => 4,
            Component::Protocol => 1,
            Component::Port => 2,
            Component::InterfaceName => 16,
        }
    }

    /// Inside a concatenation every component fills whole words.
    const fn padded(self) -> usize {
        (self.length() + 3) & !3
    }
}

/// The type of a key or value: `ipv4_addr . inet_service` is two components.
fn type_number(components: &[Component]) -> u32 {
    components.iter().fold(0, |number, component| number << 6 | component.type_number())
}

/// The length of a key or value.
fn type_length(components: &[Component]) -> usize {
    match components {
        [single] => single.length(),
        many => many.iter().map(|component| component.padded()).sum(),
    }
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A set, or a map if it has values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is looked up by.
    pub key: &'a [Component],
    /// What a map answers; empty for a set.
    pub value: &'a [Component],
    /// Whether elements are ranges.
    pub ranges: bool,
}

/// An element of a set or map; its bytes are made with [`Key`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Element {
    /// The key, or the first key of the range.
    pub key: Vec<u8>,
    /// The last key of the range, in a set of concatenated ranges.
    pub last: Option<Vec<u8>>,
    /// The value, in a map.
    pub value: Option<Vec<u8>>,
    /// Whether a range ends before this key, in a set of plain ranges.
    pub is_range_end: bool,
}

impl Element {
    /// A single key of a set.
    pub fn key(key: Key) -> Element {
        Element { key: key.0, last: None, value: None, is_range_end: false }
    }

    /// A key and its value in a map.
    pub fn entry(key: Key, value: Key) -> Element {
        Element { value: Some(value.0), ..Element::key(key) }
    }

    /// A range of keys in a set of concatenated ranges, both ends included.
    pub fn range(first: Key, last: Key) -> Element {
        Element { last: Some(last.0), ..Element::key(first) }
    }

    /// The end of a range in a set of plain ranges: the first key after it.
    pub fn range_end(after: Key) -> Element {
        Element { is_range_end: true, ..Element::key(after) }
    }
}

/// The bytes of a key or value, component by component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// Without components yet.
    pub fn new() -> Key {
        Key::default()
    }

    fn push(mut self, bytes: &[u8]) -> Key {
        self.0.extend_from_slice(bytes);
        self.0.resize((self.0.len() + 3) & !3, 0);
        self
    }

    /// Adds an IPv4 address.
    pub fn address(self, address: Ipv4Addr) -> Key {
        self.push(&address.octets())
    }

    /// Adds a protocol.
    pub fn protocol(self, number: u8) -> Key {
        self.push(&[number])
    }

    /// Adds a port.
    pub fn port(self, port: u16) -> Key {
        self.push(&port.to_be_bytes())
    }

    /// Adds an interface's name; what is beyond its 15 bytes is cut.
    pub fn interface(self, name: &str) -> Key {
        self.push(&interface_name(name))
    }
}

/// A name as packets are compared with it: 16 bytes, filled with zeros.
pub(crate) fn interface_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// Reads a key or value component by component.
#[derive(Debug, Clone, Copy)]
pub struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Reads these bytes.
    pub fn new(bytes: &'a [u8]) -> KeyReader<'a> {
        KeyReader(bytes)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let value = self.0.get(..length)?;
        self.0 = self.0.get((length + 3) & !3..).unwrap_or_default();
        Some(value)
    }

    /// The next component as an IPv4 address.
    pub fn address(&mut self) -> Option<Ipv4Addr> {
        Some(<[u8; 4]>::try_from(self.take(4)?).ok()?.into())
    }

    /// The next component as a protocol.
    pub fn protocol(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// The next component as a port.
    pub fn port(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// The next component as an interface's name.
    pub fn interface(&mut self) -> Option<&'a str> {
        let bytes = self.take(16)?;
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        std::str::from_utf8(&bytes[..end]).ok()
    }
}

/// Changes to packet rules that happen together or not at all.
#[derive(Debug)]
pub struct Transaction {
    messages: Messages,
    sets: u32,
}

const TABLE_NAME: u16 = 1;

const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const POLICY_DROP: u32 = 0;
const POLICY_ACCEPT: u32 = 1;

const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;

const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LENGTH: u16 = 5;
const SET_DATA_TYPE: u16 = 6;
const SET_DATA_LENGTH: u16 = 7;
const SET_DESCRIPTION: u16 = 9;
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
const DESCRIPTION_CONCATENATION: u16 = 2;
const FIELD_LENGTH: u16 = 1;
const SET_INTERVAL: u32 = 0x4;
const SET_MAP: u32 = 0x8;
const SET_CONCATENATION: u32 = 0x80;

const ELEMENTS_TABLE: u16 = 1;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS_LIST: u16 = 3;
pub(crate) const LIST_ELEMENT: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_FLAGS: u16 = 3;
const ELEMENT_KEY_END: u16 = 10;
const ELEMENT_INTERVAL_END: u32 = 1;
pub(crate) const DATA_VALUE: u16 = 1;

/// A list attribute's length has 16 bits, and an element takes at most 200 bytes.
const ELEMENTS_PER_MESSAGE: usize = 300;

impl Default for Transaction {
    fn default() -> Transaction {
        Transaction::new()
    }
}

impl Transaction {
    /// Without changes yet.
    pub fn new() -> Transaction {
        let mut messages = Messages::new();
        messages.add(BATCH_BEGIN, 0, |m| generic_header(m, 0, SUBSYSTEM));
        Transaction { messages, sets: 0 }
    }

    fn add(&mut self, message: u16, flags: u16, write: impl FnOnce(&mut Body<'_>)) {
        self.messages.add(kind(message), flags | ACK, |m| {
            generic_header(m, FAMILY_IPV4, 0);
            write(m);
        });
    }

    /// Makes the table; harmless if it is there.
    pub fn ensure_table(&mut self, table: &str) {
        self.add(NEWTABLE, CREATE, |m| m.text(TABLE_NAME, table));
    }

    /// Removes the table with everything in it.
    pub fn delete_table(&mut self, table: &str) {
        self.add(DELTABLE, 0, |m| m.text(TABLE_NAME, table));
    }

    /// Makes a chain; one without a base is called by rules only. A base chain accepts what it does not decide.
    pub fn add_chain(&mut self, table: &str, name: &str, base: Option<Base>) {
        self.add(NEWCHAIN, CREATE, |m| {
            m.text(CHAIN_TABLE, table);
            m.text(CHAIN_NAME, name);
            let Some(base) = base else { return };
            m.nest(CHAIN_HOOK, |hook| {
                hook.be32(HOOK_NUMBER, base.hook as u32);
                hook.be32(HOOK_PRIORITY, base.priority.cast_unsigned());
            });
            m.be32(CHAIN_POLICY, POLICY_ACCEPT);
            m.text(
                CHAIN_TYPE,
                match base.kind {
                    ChainKind::Filter => "filter",
                    ChainKind::Nat => "nat",
                },
            );
        });
    }

    /// Puts a rule at the end of a chain; `comment` is shown by `nft list`.
    pub fn add_rule(&mut self, table: &str, chain: &str, comment: &str, expressions: &[Expression<'_>]) {
        self.rule(APPEND, table, chain, comment, expressions);
    }

    /// Puts a rule at the beginning of a chain.
    pub fn insert_rule(&mut self, table: &str, chain: &str, comment: &str, expressions: &[Expression<'_>]) {
        self.rule(0, table, chain, comment, expressions);
    }

    fn rule(&mut self, place: u16, table: &str, chain: &str, comment: &str, expressions: &[Expression<'_>]) {
        self.add(NEWRULE, CREATE | place, |m| {
            m.text(RULE_TABLE, table);
            m.text(RULE_CHAIN, chain);
            m.nest(RULE_EXPRESSIONS, |list| {
                for expression in expressions {
                    list.nest(LIST_ELEMENT, |one| expression.write(one));
                }
            });
            // nft's own form of a comment: type 0, length with the final zero, text.
            if let Ok(length) = u8::try_from(comment.len() + 1) {
                let mut data = vec![0, length];
                data.extend_from_slice(comment.as_bytes());
                data.push(0);
                m.bytes(RULE_USERDATA, &data);
            }
        });
    }

    /// Removes one rule.
    pub fn delete_rule(&mut self, table: &str, chain: &str, handle: u64) {
        self.add(DELRULE, 0, |m| {
            m.text(RULE_TABLE, table);
            m.text(RULE_CHAIN, chain);
            m.bytes(RULE_HANDLE, &handle.to_be_bytes());
        });
    }

    /// Makes a set or map.
    pub fn add_set(&mut self, table: &str, set: &Set<'_>) {
        self.sets += 1;
        let id = self.sets;
        let mut flags = 0;
        if set.ranges {
            flags |= SET_INTERVAL;
        }
        if !set.value.is_empty() {
            flags |= SET_MAP;
        }
        if set.key.len() > 1 {
            flags |= SET_CONCATENATION;
        }
        self.add(NEWSET, CREATE, |m| {
            m.text(SET_TABLE, table);
            m.text(SET_NAME, set.name);
            m.be32(SET_FLAGS, flags);
            m.be32(SET_KEY_TYPE, type_number(set.key));
            m.be32(SET_KEY_LENGTH, word(type_length(set.key)));
            if !set.value.is_empty() {
                m.be32(SET_DATA_TYPE, type_number(set.value));
                m.be32(SET_DATA_LENGTH, word(type_length(set.value)));
            }
            if set.key.len() > 1 {
                m.nest(SET_DESCRIPTION, |description| {
                    description.nest(DESCRIPTION_CONCATENATION, |fields| {
                        for component in set.key {
                            fields.nest(LIST_ELEMENT, |field| {
                                field.be32(FIELD_LENGTH, word(component.length()))
                            });
                        }
                    });
                });
            }
            m.be32(SET_ID, id);
            if set.key == [Component::InterfaceName] {
                // nft's own note that keys are in the host's byte order: type 0, length 4, value 1.
                let [a, b, c, d] = 1_u32.to_ne_bytes();
                m.bytes(SET_USERDATA, &[0, 4, a, b, c, d]);
            }
        });
    }

    /// Adds elements; one that is there with another value is refused, one that is there alike is not.
    pub fn add_elements(&mut self, table: &str, set: &str, elements: &[Element]) {
        self.change_elements(NEWSETELEM, CREATE, table, set, elements);
    }

    /// Adds elements that must not be there yet.
    pub fn add_new_elements(&mut self, table: &str, set: &str, elements: &[Element]) {
        self.change_elements(NEWSETELEM, CREATE | EXCLUSIVE, table, set, elements);
    }

    /// Removes elements; each must be there.
    pub fn delete_elements(&mut self, table: &str, set: &str, elements: &[Element]) {
        self.change_elements(DELSETELEM, 0, table, set, elements);
    }

    fn change_elements(&mut self, message: u16, flags: u16, table: &str, set: &str, elements: &[Element]) {
        for some in elements.chunks(ELEMENTS_PER_MESSAGE) {
            self.add(message, flags, |m| {
                m.text(ELEMENTS_TABLE, table);
                m.text(ELEMENTS_SET, set);
                m.nest(ELEMENTS_LIST, |list| {
                    for element in some {
                        list.nest(LIST_ELEMENT, |one| write_element(one, element));
                    }
                });
            });
        }
    }

    /// Applies all changes, or none.
    pub fn commit(mut self, socket: &mut Socket) -> Result<(), Error> {
        if self.messages.count() == 1 {
            return Ok(());
        }
        self.messages.add(BATCH_END, 0, |m| generic_header(m, 0, SUBSYSTEM));
        socket.execute(self.messages)
    }
}

fn write_element(body: &mut Body<'_>, element: &Element) {
    if element.is_range_end {
        body.be32(ELEMENT_FLAGS, ELEMENT_INTERVAL_END);
    }
    body.nest(ELEMENT_KEY, |key| key.bytes(DATA_VALUE, &element.key));
    if let Some(last) = &element.last {
        body.nest(ELEMENT_KEY_END, |key| key.bytes(DATA_VALUE, last));
    }
    if let Some(value) = &element.value {
        body.nest(ELEMENT_DATA, |data| data.bytes(DATA_VALUE, value));
    }
}

/// The names of all `ip` tables.
pub fn list_tables(socket: &mut Socket) -> Result<Vec<String>, Error> {
    list(
        socket,
        GETTABLE,
        NEWTABLE,
        |_| {},
        |body| Some(Attributes::of(body, 4).text(TABLE_NAME)?.to_owned()),
    )
}

/// A base chain of any table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// The family of its table: `true` for `ip`, false for another, such as `inet`.
    pub is_ipv4: bool,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Whether it drops what its rules do not decide.
    pub drops: bool,
}

/// The chains of all tables that are called from this hook, of the families that see IPv4 packets.
pub fn list_base_chains(socket: &mut Socket, hook: Hook) -> Result<Vec<BaseChain>, Error> {
    const FAMILY_INET: u8 = 1;
    let mut all = Vec::new();
    for family in [FAMILY_IPV4, FAMILY_INET] {
        all.extend(list_of(
            socket,
            family,
            GETCHAIN,
            NEWCHAIN,
            |_| {},
            |body| {
                let attributes = Attributes::of(body, 4);
                let found = attributes.nested(CHAIN_HOOK).be32(HOOK_NUMBER)?;
                (found == hook as u32).then_some(())?;
                Some(BaseChain {
                    is_ipv4: family == FAMILY_IPV4,
                    table: attributes.text(CHAIN_TABLE)?.to_owned(),
                    name: attributes.text(CHAIN_NAME)?.to_owned(),
                    drops: attributes.be32(CHAIN_POLICY) == Some(POLICY_DROP),
                })
            },
        )?);
    }
    Ok(all)
}

/// The rules of a chain of an `ip` table: handle and comment.
pub fn list_comments(socket: &mut Socket, table: &str, chain: &str) -> Result<Vec<(u64, String)>, Error> {
    let ask = |m: &mut Body<'_>| {
        m.text(RULE_TABLE, table);
        m.text(RULE_CHAIN, chain);
    };
    list(socket, GETRULE, NEWRULE, ask, |body| {
        let attributes = Attributes::of(body, 4);
        let is_asked =
            (attributes.text(RULE_TABLE), attributes.text(RULE_CHAIN)) == (Some(table), Some(chain));
        is_asked.then_some(())?;
        let handle = u64::from_be_bytes(attributes.get(RULE_HANDLE)?.try_into().ok()?);
        Some((handle, read_comment(attributes.get(RULE_USERDATA).unwrap_or_default())))
    })
}

/// The comment among a rule's notes, each of which is type, length, value.
fn read_comment(mut notes: &[u8]) -> String {
    const COMMENT: u8 = 0;
    while let [kind, length, rest @ ..] = notes {
        let Some(value) = rest.get(..usize::from(*length)) else { break };
        if *kind == COMMENT {
            let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
            return String::from_utf8_lossy(text).into_owned();
        }
        notes = rest.get(usize::from(*length)..).unwrap_or_default();
    }
    String::new()
}

/// How many rules the table has in each chain, by name, in the order of the kernel's list.
pub fn list_rules(socket: &mut Socket, table: &str) -> Result<Vec<(String, usize)>, Error> {
    let chains = list(
        socket,
        GETRULE,
        NEWRULE,
        |m| m.text(RULE_TABLE, table),
        |body| {
            let attributes = Attributes::of(body, 4);
            (attributes.text(RULE_TABLE) == Some(table))
                .then(|| attributes.text(RULE_CHAIN).unwrap_or_default().to_owned())
        },
    )?;
    let mut counts: Vec<(String, usize)> = Vec::new();
    for chain in chains {
        match counts.iter_mut().find(|(name, _)| *name == chain) {
            Some((_, count)) => *count += 1,
            None => counts.push((chain, 1)),
        }
    }
    Ok(counts)
}

/// The elements of a set or map. A missing table or set is an error that [`Error::is_missing`] tells.
pub fn list_elements(socket: &mut Socket, table: &str, set: &str) -> Result<Vec<Element>, Error> {
    let ask = |m: &mut Body<'_>| {
        m.text(ELEMENTS_TABLE, table);
        m.text(ELEMENTS_SET, set);
    };
    Ok(list(socket, GETSETELEM, NEWSETELEM, ask, |body| Some(read_elements(body)))?
        .into_iter()
        .flatten()
        .collect())
}

fn read_elements(body: &[u8]) -> Vec<Element> {
    let elements = Attributes::of(body, 4).nested(ELEMENTS_LIST);
    elements
        .iter()
        .filter_map(|(_, bytes)| {
            let one = Attributes::of(bytes, 0);
            let value = |kind| one.nested(kind).get(DATA_VALUE).map(<[u8]>::to_vec);
            Some(Element {
                key: value(ELEMENT_KEY)?,
                last: value(ELEMENT_KEY_END),
                value: value(ELEMENT_DATA),
                is_range_end: one.be32(ELEMENT_FLAGS).unwrap_or_default() & ELEMENT_INTERVAL_END != 0,
            })
        })
        .collect()
}

fn list<T>(
    socket: &mut Socket,
    question: u16,
    answer: u16,
    ask: impl Fn(&mut Body<'_>),
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, Error> {
    list_of(socket, FAMILY_IPV4, question, answer, ask, read)
}

fn list_of<T>(
    socket: &mut Socket,
    family: u8,
    question: u16,
    answer: u16,
    ask: impl Fn(&mut Body<'_>),
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Vec<T>, Error> {
    for _ in 0..8 {
        let mut out = Messages::new();
        out.add(kind(question), DUMP, |m| {
            generic_header(m, family, 0);
            ask(m);
        });
        let mut found = Vec::new();
        let result = socket.transact(out, |message| {
            if message.kind == kind(answer) {
                found.extend(read(message.body));
            }
        });
        match result {
            Err(Error::Interrupted) => {}
            other => return other.map(|()| found),
        }
    }
    Err(Error::Interrupted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_pad_their_components() {
        let key = Key::new().address(Ipv4Addr::new(1, 2, 3, 4)).protocol(6).port(0x1f90);
        assert_eq!(key.0, [1, 2, 3, 4, 6, 0, 0, 0, 0x1f, 0x90, 0, 0]);
        let mut reader = KeyReader::new(&key.0);
        assert_eq!(reader.address(), Some(Ipv4Addr::new(1, 2, 3, 4)));
        assert_eq!((reader.protocol(), reader.port(), reader.port()), (Some(6), Some(0x1f90), None));
    }

    #[test]
    fn a_long_interface_name_is_cut() {
        let key = Key::new().interface("an-interface-with-a-long-name");
        assert_eq!(KeyReader::new(&key.0).interface(), Some("an-interface-wi"));
    }

    #[test]
    fn types_are_numbered_as_nft_does() {
        assert_eq!(type_number(&[Component::Ipv4Address, Component::Port]), 7 << 6 | 13);
        assert_eq!(type_length(&[Component::Protocol, Component::Port]), 8);
        assert_eq!(type_length(&[Component::Port]), 2);
    }

    #[test]
    fn many_elements_are_split_over_messages() {
        let mut transaction = Transaction::new();
        let elements: Vec<_> = (0..1000).map(|port| Element::key(Key::new().port(port))).collect();
        transaction.add_elements("t", "s", &elements);
        assert_eq!(transaction.messages.count(), 1 + 4);
        assert!(!transaction.messages.is_too_long());
    }

    #[test]
    fn comments_are_found_among_other_notes() {
        assert_eq!(read_comment(b"\x05\x02xx\x00\x03ab\0"), "ab");
        for wrong in [&b""[..], b"\x00", b"\x00\x09a", b"\x01\x01a"] {
            assert_eq!(read_comment(wrong), "");
        }
    }

    proptest! {
        #[test]
        fn reading_elements_never_panics(bytes in proptest::collection::vec(0_u8..48, 0..400)) {
            for element in read_elements(&bytes) {
                let mut reader = KeyReader::new(&element.key);
                let _ = (reader.interface(), reader.address(), reader.port(), reader.protocol());
            }
        }
    }
}
