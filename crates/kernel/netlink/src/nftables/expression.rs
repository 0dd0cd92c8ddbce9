//! What a rule does with a packet: load a field into a register, look at it, decide.

use crate::nftables::{DATA_VALUE, LIST_ELEMENT, interface_name};
use crate::wire::Body;

/// One of the kernel's sixteen registers of four bytes, by number from 0. Wider values take several in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register(pub u8);

impl Register {
    /// `NFT_REG32_00` is number 8.
    fn number(self) -> u32 {
        8 + u32::from(self.0)
    }
}

/// Something about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The IPv4 source address, 4 bytes.
    SourceAddress,
    /// The IPv4 destination address, 4 bytes.
    DestinationAddress,
    /// The destination port of any transport, 2 bytes.
    DestinationPort,
    /// The transport protocol, 1 byte.
    Protocol,
    /// The name of the interface that the packet came in by, 16 bytes.
    InputInterface,
    /// The name of the interface that the packet leaves by, 16 bytes.
    OutputInterface,
    /// The kind of the interface that the packet came in by (`bridge`), 16 bytes. Linux 5.3.
    InputKind,
    /// The kind of the interface that the packet leaves by, 16 bytes. Linux 5.3.
    OutputKind,
    /// The state of its connection, bits, 4 bytes in the host's order.
    ConnectionState,
    /// What was done to its connection, bits, 4 bytes in the host's order.
    ConnectionStatus,
    /// What the destination address is to this host (`RTN_LOCAL` is 2), 4 bytes in the host's order.
    DestinationType,
}

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// On, as far as this chain is concerned.
    Accept,
    /// Nowhere.
    Drop,
    /// Back to the calling chain; the end of a base chain.
    Return,
    /// To another chain, for good.
    Goto(&'a str),
}

/// One step of a rule. A step that does not match ends the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expression<'a> {
    /// Loads a field.
    Load(Field, Register),
    /// Goes on if the register holds these bytes.
    Equal(Register, &'a [u8]),
    /// Goes on if the register does not hold these bytes.
    NotEqual(Register, &'a [u8]),
    /// Goes on if the register holds this interface name or kind.
    IsName(Register, &'a str),
    /// Goes on if the register does not hold this interface name or kind.
    IsNotName(Register, &'a str),
    /// Keeps the bits of the register that `mask` has.
    Mask(Register, &'a [u8]),
    /// Goes on if the set has what starts at the register.
    InSet(Register, &'a str),
    /// Goes on if the set does not have what starts at the register.
    NotInSet(Register, &'a str),
    /// Goes on if the map has what starts at the first register; puts its value at the second.
    Map(Register, &'a str, Register),
    /// Counts packets and bytes.
    Count,
    /// Sends the connection to the address and port in these registers.
    DestinationNat(Register, Register),
    /// Gives the connection the address of the interface that it leaves by.
    Masquerade,
    /// Decides.
    Go(Target<'a>),
}

const NAME: u16 = 1;
const DATA: u16 = 2;

const LOOKUP_INVERTED: u32 = 1;
const CMP_EQUAL: u32 = 0;
const CMP_NOT_EQUAL: u32 = 1;

/// `NFT_REG_VERDICT`.
const VERDICT_REGISTER: u32 = 0;
const DATA_VERDICT: u16 = 2;
const NAT_DESTINATION: u32 = 1;
const NAT_FAMILY_IPV4: u32 = 2;

impl Expression<'_> {
    pub(super) fn write(self, out: &mut Body<'_>) {
        match self {
            Expression::Load(field, to) => load(out, field, to),
            Expression::Equal(register, bytes) => compare(out, register, CMP_EQUAL, bytes),
            Expression::NotEqual(register, bytes) => compare(out, register, CMP_NOT_EQUAL, bytes),
            Expression::IsName(register, name) => compare(out, register, CMP_EQUAL, &interface_name(name)),
            Expression::IsNotName(register, name) => {
                compare(out, register, CMP_NOT_EQUAL, &interface_name(name))
            }
            Expression::Mask(register, mask) => named(out, "bitwise", |data| {
                data.be32(1, register.number());
                data.be32(2, register.number());
                data.be32(3, u32::try_from(mask.len()).unwrap_or(u32::MAX));
                data.nest(4, |value| value.bytes(DATA_VALUE, mask));
                data.nest(5, |value| value.bytes(DATA_VALUE, &vec![0; mask.len()]));
            }),
            Expression::InSet(register, set) => lookup(out, register, set, None, 0),
            Expression::NotInSet(register, set) => lookup(out, register, set, None, LOOKUP_INVERTED),
            Expression::Map(register, set, to) => lookup(out, register, set, Some(to), 0),
            Expression::Count => named(out, "counter", |_| {}),
            Expression::DestinationNat(address, port) => named(out, "nat", |data| {
                data.be32(1, NAT_DESTINATION);
                data.be32(2, NAT_FAMILY_IPV4);
                data.be32(3, address.number());
                data.be32(5, port.number());
            }),
            Expression::Masquerade => named(out, "masq", |_| {}),
            Expression::Go(target) => named(out, "immediate", |data| {
                data.be32(1, VERDICT_REGISTER);
                data.nest(2, |value| value.nest(DATA_VERDICT, |verdict| write_target(verdict, target)));
            }),
        }
    }
}

fn named(out: &mut Body<'_>, name: &str, write: impl FnOnce(&mut Body<'_>)) {
    out.text(NAME, name);
    out.nest(DATA, write);
}

fn load(out: &mut Body<'_>, field: Field, to: Register) {
    const NETWORK_HEADER: u32 = 1;
    const TRANSPORT_HEADER: u32 = 2;
    let payload = |out: &mut Body<'_>, base, offset, length| {
        named(out, "payload", |data| {
            data.be32(1, to.number());
            data.be32(2, base);
            data.be32(3, offset);
            data.be32(4, length);
        });
    };
    let keyed = |out: &mut Body<'_>, name, key| {
        named(out, name, |data| {
            data.be32(1, to.number());
            data.be32(2, key);
        });
    };
    match field {
        Field::SourceAddress => payload(out, NETWORK_HEADER, 12, 4),
        Field::DestinationAddress => payload(out, NETWORK_HEADER, 16, 4),
        Field::DestinationPort => payload(out, TRANSPORT_HEADER, 2, 2),
        Field::Protocol => keyed(out, "meta", 16),
        Field::InputInterface => keyed(out, "meta", 6),
        Field::OutputInterface => keyed(out, "meta", 7),
        Field::InputKind => keyed(out, "meta", 26),
        Field::OutputKind => keyed(out, "meta", 27),
        Field::ConnectionState => keyed(out, "ct", 0),
        Field::ConnectionStatus => keyed(out, "ct", 2),
        Field::DestinationType => named(out, "fib", |data| {
            data.be32(1, to.number());
            data.be32(2, 3);
            data.be32(3, 2);
        }),
    }
}

fn compare(out: &mut Body<'_>, register: Register, operation: u32, bytes: &[u8]) {
    named(out, "cmp", |data| {
        data.be32(1, register.number());
        data.be32(2, operation);
        data.nest(3, |value| value.bytes(DATA_VALUE, bytes));
    });
}

fn lookup(out: &mut Body<'_>, register: Register, set: &str, to: Option<Register>, flags: u32) {
    named(out, "lookup", |data| {
        data.text(1, set);
        data.be32(2, register.number());
        if let Some(to) = to {
            data.be32(3, to.number());
        }
        data.be32(5, flags);
    });
}

fn write_target(out: &mut Body<'_>, target: Target<'_>) {
    let (code, chain): (i32, Option<&str>) = match target {
        Target::Drop => (0, None),
        Target::Accept => (1, None),
        Target::Goto(chain) => (-4, Some(chain)),
        Target::Return => (-5, None),
    };
    out.be32(1, code.cast_unsigned());
    if let Some(chain) = chain {
        out.text(LIST_ELEMENT + 1, chain);
    }
}
