//! Which address of a network is handed out next.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::Ipv4Net;

/// The lowest address of `range` that is free: not in `taken`, and neither first nor last of `subnet`.
pub fn next_free(subnet: Ipv4Net, range: Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let (low, high) = (range.first().to_bits(), range.last().to_bits());
    (low..=high)
        .map(Ipv4Addr::from_bits)
        .find(|address| *address != subnet.first() && *address != subnet.last() && !taken.contains(address))
}
