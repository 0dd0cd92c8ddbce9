//! Which address of a network is handed out next.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::Ipv4Net;

/// The lowest address of `range` that is free: not in `taken`, and not one of the two that [`reserved`] names.
pub fn next_free(subnet: Ipv4Net, range: Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let (low, high) = (range.first().to_bits(), range.last().to_bits());
    // A free one is found after as many steps as there are taken ones, at most.
    (low..=high)
        .map(Ipv4Addr::from_bits)
        .find(|address| !is_reserved(subnet, *address) && !taken.contains(address))
}

/// Whether the address names the network or everyone on it. A network of two addresses has no such (RFC 3021).
pub fn is_reserved(subnet: Ipv4Net, address: Ipv4Addr) -> bool {
    subnet.prefix() < 31 && (address == subnet.first() || address == subnet.last())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_handed_out_from_the_lowest_free_one() {
        let subnet = net("172.17.0.0/16");
        let mut taken = BTreeSet::from([Ipv4Addr::new(172, 17, 0, 1)]);
        for last in 2..=5 {
            let address = next_free(subnet, subnet, &taken).unwrap();
            assert_eq!(address, Ipv4Addr::new(172, 17, 0, last));
            taken.insert(address);
        }
        taken.remove(&Ipv4Addr::new(172, 17, 0, 3));
        assert_eq!(next_free(subnet, subnet, &taken), Some(Ipv4Addr::new(172, 17, 0, 3)));
    }

    #[test]
    fn a_range_narrows_the_choice_and_ends() {
        let (subnet, range) = (net("10.1.0.0/16"), net("10.1.2.0/31"));
        let mut taken = BTreeSet::new();
        for expected in [Some(Ipv4Addr::new(10, 1, 2, 0)), Some(Ipv4Addr::new(10, 1, 2, 1)), None] {
            assert_eq!(next_free(subnet, range, &taken), expected);
            taken.extend(expected);
        }
    }

    #[test]
    fn the_networks_ends_are_not_handed_out() {
        let small = net("10.0.0.0/30");
        let taken = BTreeSet::from([Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
        assert_eq!(next_free(small, small, &taken), None);
        let pair = net("10.0.0.0/31");
        assert_eq!(next_free(pair, pair, &BTreeSet::new()), Some(Ipv4Addr::new(10, 0, 0, 0)));
        let top = net("255.255.255.0/24");
        assert_eq!(next_free(top, top, &BTreeSet::new()), Some(Ipv4Addr::new(255, 255, 255, 1)));
    }

    proptest! {
        #[test]
        fn what_is_handed_out_was_free_and_inside(prefix in 24_u8..=32, taken in proptest::collection::btree_set(0_u32..256, 0..256)) {
            let subnet = net(&format!("10.0.0.0/{prefix}")).network();
            let taken: BTreeSet<_> = taken.into_iter().map(|n| Ipv4Addr::from_bits(0x0a00_0000 + n)).collect();
            if let Some(address) = next_free(subnet, subnet, &taken) {
                prop_assert!(subnet.contains(address) && !taken.contains(&address) && !is_reserved(subnet, address));
            }
        }
    }
}
