//! Connection tracking: making the kernel forget. `linux/netfilter/nfnetlink_conntrack.h`.

use std::net::Ipv4Addr;

use crate::wire::{ACK, Messages};

const SUBSYSTEM: u16 = 1;
const DELETE: u16 = 2;

const FAMILY_IPV4: u8 = 2;

const TUPLE_ORIGINAL: u16 = 1;
const FILTER: u16 = 25;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTOCOL: u16 = 2;
const IP_DESTINATION: u16 = 2;
const PROTOCOL_NUMBER: u16 = 1;
const PROTOCOL_DESTINATION_PORT: u16 = 3;
const FILTER_ORIGINAL_FLAGS: u16 = 1;
const FILTER_REPLY_FLAGS: u16 = 2;

/// Compares the destination address, the protocol and the destination port.
const BY_DESTINATION: u32 = 1 << 1 | 1 << 3 | 1 << 5;

/// Adds: forget all connections that were opened towards this address and port.
///
/// The kernel walks its whole table for it. Older kernels than Linux 6.11 refuse the message with `EINVAL`.
pub fn forget(out: &mut Messages, protocol: u8, address: Ipv4Addr, port: u16) {
    out.add(SUBSYSTEM << 8 | DELETE, ACK, |m| {
        m.raw(&[FAMILY_IPV4, 0, 0, 0]);
        m.nest(TUPLE_ORIGINAL, |tuple| {
            tuple.nest(TUPLE_IP, |ip| ip.bytes(IP_DESTINATION, &address.octets()));
            tuple.nest(TUPLE_PROTOCOL, |transport| {
                transport.u8(PROTOCOL_NUMBER, protocol);
                transport.bytes(PROTOCOL_DESTINATION_PORT, &port.to_be_bytes());
            });
        });
        m.nest(FILTER, |filter| {
            filter.u32(FILTER_ORIGINAL_FLAGS, BY_DESTINATION);
            filter.u32(FILTER_REPLY_FLAGS, 0);
        });
    });
}
