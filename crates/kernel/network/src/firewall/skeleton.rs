//! The fixed part of the table: sets, chains and rules.

use netlink::nftables::{
    Base, ChainKind, Component, Expression as Do, Field, Hook, Register, Set, Target, Transaction,
};

use Component::{InterfaceName, Ipv4Address, Port, Protocol};

pub(super) const BRIDGES: &str = "bridges";
pub(super) const INTERNAL: &str = "internal";
pub(super) const OWN: &str = "own";
pub(super) const TALKING: &str = "talking";
pub(super) const MASQUERADED: &str = "masqueraded";
pub(super) const PUBLISHED: &str = "published";
pub(super) const PUBLISHED_ANY: &str = "published_any";

/// Every set and map of the table.
pub(super) const SETS: [Set<'static>; 7] = [
    Set { name: BRIDGES, key: &[InterfaceName], value: &[], ranges: false },
    Set { name: INTERNAL, key: &[InterfaceName], value: &[], ranges: false },
    Set { name: OWN, key: &[InterfaceName, Ipv4Address], value: &[], ranges: true },
    Set { name: TALKING, key: &[InterfaceName, InterfaceName], value: &[], ranges: false },
    Set { name: MASQUERADED, key: &[Ipv4Address], value: &[], ranges: true },
    Set { name: PUBLISHED, key: &[Ipv4Address, Protocol, Port], value: &[Ipv4Address, Port], ranges: false },
    Set { name: PUBLISHED_ANY, key: &[Protocol, Port], value: &[Ipv4Address, Port], ranges: false },
];

// Priorities of `nft`: raw, dstnat, filter, srcnat.
const RAW: i32 = -300;
const DSTNAT: i32 = -100;
const FILTER: i32 = 0;
const SRCNAT: i32 = 100;

const R0: Register = Register(0);
const R1: Register = Register(1);
const R2: Register = Register(2);
/// The second field of a concatenation that starts with an interface's name.
const AFTER_NAME: Register = Register(4);
/// Where a map puts a container's address, and behind it the port.
const TO_ADDRESS: Register = Register(8);
const TO_PORT: Register = Register(9);

/// `RTN_LOCAL`: one of the host's own addresses.
const LOCAL: [u8; 4] = 2_u32.to_ne_bytes();
/// Established (2) or related (4).
const KNOWN_CONNECTION: [u8; 4] = 6_u32.to_ne_bytes();
/// `IPS_DST_NAT`: sent somewhere else than it was addressed to.
const REDIRECTED: [u8; 4] = 32_u32.to_ne_bytes();
const ZERO: [u8; 4] = [0; 4];

/// Goes on if the field is in `127.0.0.0/8`.
const fn is_loopback(field: Field) -> [Do<'static>; 3] {
    [Do::Load(field, R0), Do::Mask(R0, &[255, 0, 0, 0]), Do::Equal(R0, &[127, 0, 0, 0])]
}

/// Goes on if the packet is addressed to the host.
const TO_HOST: [Do<'static>; 2] = [Do::Load(Field::DestinationType, R0), Do::Equal(R0, &LOCAL)];

const IS_REDIRECTED: [Do<'static>; 3] =
    [Do::Load(Field::ConnectionStatus, R0), Do::Mask(R0, &REDIRECTED), Do::NotEqual(R0, &ZERO)];

/// A rule: its chain, what `nft list` says about it, its steps.
type Rule = (&'static str, &'static str, Vec<Do<'static>>);

const GUARD: &str = "guard";
const INCOMING: &str = "incoming";
const HOST: &str = "host";
const PUBLISH: &str = "publish";
const OUTGOING: &str = "outgoing";
const FORWARDING: &str = "forwarding";
const ARRIVING: &str = "arriving";

const CHAINS: [(&str, Option<Base>); 7] = [
    (PUBLISH, None),
    (ARRIVING, None),
    (GUARD, Some(Base { kind: ChainKind::Filter, hook: Hook::Prerouting, priority: RAW })),
    (INCOMING, Some(Base { kind: ChainKind::Nat, hook: Hook::Prerouting, priority: DSTNAT })),
    (HOST, Some(Base { kind: ChainKind::Nat, hook: Hook::Output, priority: DSTNAT })),
    (FORWARDING, Some(Base { kind: ChainKind::Filter, hook: Hook::Forward, priority: FILTER })),
    (OUTGOING, Some(Base { kind: ChainKind::Nat, hook: Hook::Postrouting, priority: SRCNAT })),
];

fn rules(guard_forwarding: bool) -> Vec<Rule> {
    let from = |set| [Do::Load(Field::InputInterface, R0), Do::InSet(R0, set)];
    let to = |set| [Do::Load(Field::OutputInterface, R0), Do::InSet(R0, set)];
    let leaving_by_own = [
        Do::Load(Field::OutputInterface, R0),
        Do::Load(Field::SourceAddress, AFTER_NAME),
        Do::InSet(R0, OWN),
    ];
    let go = |target| [Do::Count, Do::Go(target)];
    let mut rules = vec![
        (GUARD, "the host's loopback is the host's", {
            [&from(BRIDGES)[..], &is_loopback(Field::DestinationAddress), &go(Target::Drop)].concat()
        }),
        (INCOMING, "ports on the loopback are for the host", {
            [&is_loopback(Field::DestinationAddress)[..], &[Do::Go(Target::Return)]].concat()
        }),
        (INCOMING, "addressed to the host", [&TO_HOST[..], &[Do::Go(Target::Goto(PUBLISH))]].concat()),
        (HOST, "addressed to the host by itself", [&TO_HOST[..], &[Do::Go(Target::Goto(PUBLISH))]].concat()),
        (
            PUBLISH,
            "ports of one host address",
            vec![
                Do::Load(Field::DestinationAddress, R0),
                Do::Load(Field::Protocol, R1),
                Do::Load(Field::DestinationPort, R2),
                Do::Map(R0, PUBLISHED, TO_ADDRESS),
                Do::Count,
                Do::DestinationNat(TO_ADDRESS, TO_PORT),
            ],
        ),
        (
            PUBLISH,
            "ports of every host address",
            vec![
                Do::Load(Field::Protocol, R0),
                Do::Load(Field::DestinationPort, R1),
                Do::Map(R0, PUBLISHED_ANY, TO_ADDRESS),
                Do::Count,
                Do::DestinationNat(TO_ADDRESS, TO_PORT),
            ],
        ),
        (
            FORWARDING,
            "answers",
            vec![
                Do::Load(Field::ConnectionState, R0),
                Do::Mask(R0, &KNOWN_CONNECTION),
                Do::NotEqual(R0, &ZERO),
                Do::Go(Target::Accept),
            ],
        ),
        (FORWARDING, "towards containers", {
            [&to(BRIDGES)[..], &[Do::Go(Target::Goto(ARRIVING))]].concat()
        }),
        (FORWARDING, "an internal network has no way out", {
            [&from(INTERNAL)[..], &go(Target::Drop)].concat()
        }),
        (
            ARRIVING,
            "containers of one network",
            vec![
                Do::Load(Field::InputInterface, R0),
                Do::Load(Field::OutputInterface, AFTER_NAME),
                Do::InSet(R0, TALKING),
                Do::Go(Target::Accept),
            ],
        ),
        (ARRIVING, "an internal network has no way out", [&from(INTERNAL)[..], &go(Target::Drop)].concat()),
        (ARRIVING, "an internal network has no way in", [&to(INTERNAL)[..], &go(Target::Drop)].concat()),
        (ARRIVING, "published ports", [&IS_REDIRECTED[..], &[Do::Go(Target::Accept)]].concat()),
        (ARRIVING, "nothing else", go(Target::Drop).to_vec()),
        (OUTGOING, "the host's loopback to containers", {
            [&is_loopback(Field::SourceAddress)[..], &to(BRIDGES), &[Do::Masquerade]].concat()
        }),
        (OUTGOING, "containers to ports of their own network", {
            [&leaving_by_own[..], &IS_REDIRECTED, &[Do::Masquerade]].concat()
        }),
        (OUTGOING, "inside one network", [&leaving_by_own[..], &[Do::Go(Target::Return)]].concat()),
        (
            OUTGOING,
            "containers to the outside",
            vec![Do::Load(Field::SourceAddress, R0), Do::InSet(R0, MASQUERADED), Do::Count, Do::Masquerade],
        ),
    ];
    if guard_forwarding {
        rules.push((
            FORWARDING,
            "forwarding is on for bridges only",
            vec![
                Do::Load(Field::InputKind, R0),
                Do::IsNotName(R0, "bridge"),
                Do::Load(Field::OutputKind, R0),
                Do::IsNotName(R0, "bridge"),
                Do::Count,
                Do::Go(Target::Drop),
            ],
        ));
    }
    rules
}

/// Writes sets, chains and rules into an empty table.
pub(super) fn write(out: &mut Transaction, table: &str, guard_forwarding: bool) {
    for set in &SETS {
        out.add_set(table, set);
    }
    for (name, base) in CHAINS {
        out.add_chain(table, name, base);
    }
    for (chain, comment, steps) in rules(guard_forwarding) {
        out.add_rule(table, chain, comment, &steps);
    }
}

/// Whether the rules of each chain are as many as they should be, and whether forwarding is guarded; `None` if not.
pub(super) fn recognise(found: &[(String, usize)]) -> Option<bool> {
    let fits = |guard| {
        let expected = rules(guard);
        let count = |chain: &str| expected.iter().filter(|(name, ..)| *name == chain).count();
        CHAINS.iter().all(|(chain, _)| {
            found.iter().find(|(name, _)| name == chain).map_or(0, |(_, count)| *count) == count(chain)
        })
    };
    [false, true].into_iter().find(|guard| fits(*guard))
}
