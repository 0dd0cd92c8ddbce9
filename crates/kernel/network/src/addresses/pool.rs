//! Which subnet a new network gets.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::Ipv4Net;

/// A range that is cut into subnets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pool {
    /// The whole range.
    pub base: Ipv4Net,
    /// The prefix of each subnet cut from it.
    pub size: u8,
}

/// Docker's own pools: 172.17.0.0 to 172.31.0.0 by the /16, then 192.168.0.0/16 by the /20.
pub fn default_pools() -> Vec<Pool> {
    let pool =
        |a, b, prefix, size| Ipv4Net::new(Ipv4Addr::new(a, b, 0, 0), prefix).map(|base| Pool { base, size });
    [
        pool(172, 17, 16, 16),
        pool(172, 18, 16, 16),
        pool(172, 19, 16, 16),
        pool(172, 20, 14, 16),
        pool(172, 24, 14, 16),
        pool(172, 28, 14, 16),
        pool(192, 168, 16, 20),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A pool that cannot be cut. Displays as Docker's answer to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPool {
    /// The base is no network.
    #[error("invalid base pool {base:?}: {cause}")]
    Base {
        /// What was given.
        base: String,
        /// Why.
        cause: crate::addresses::InvalidNet,
    },
    /// The subnets would be larger than the base, or have no address.
    #[error("network at index {index} ({base}) has a smaller prefix (/{}) than the target size of that pool (/{size})", .base.prefix())]
    Size {
        /// Which pool.
        index: usize,
        /// Its base.
        base: Ipv4Net,
        /// The wanted prefix.
        size: u8,
    },
}

/// Reads pools as the daemon's options give them, sorted; a pool inside an earlier one is left out, as Docker does.
pub fn parse_pools(given: &[(String, u8)]) -> Result<Vec<Pool>, InvalidPool> {
    let mut pools = Vec::new();
    for (index, (text, size)) in given.iter().enumerate() {
        let base: Ipv4Net = text.parse().map_err(|cause| InvalidPool::Base { base: text.clone(), cause })?;
        if *size < base.prefix() || *size > 32 {
            return Err(InvalidPool::Size { index, base, size: *size });
        }
        pools.push(Pool { base: base.network(), size: *size });
    }
    pools.sort();
    let mut kept: Vec<Pool> = Vec::new();
    for pool in pools {
        if !kept.iter().any(|earlier| earlier.base.overlaps(pool.base)) {
            kept.push(pool);
        }
    }
    Ok(kept)
}

/// The first subnet of `pools` that overlaps none of `used`.
pub fn next_subnet(pools: &[Pool], used: &[Ipv4Net]) -> Option<Ipv4Net> {
    pools.iter().find_map(|pool| first_free(*pool, used))
}

fn first_free(pool: Pool, used: &[Ipv4Net]) -> Option<Ipv4Net> {
    let mut candidate = Ipv4Net::new(pool.base.first(), pool.size)?;
    loop {
        // The furthest end of what is in the way; the next candidate starts behind it.
        let Some(blocked) = used.iter().filter(|net| net.overlaps(candidate)).map(|net| net.last()).max()
        else {
            return Some(candidate);
        };
        let next = blocked.max(candidate.last()).to_bits().checked_add(1)?;
        let aligned = Ipv4Net::new(Ipv4Addr::from_bits(next), pool.size)?.network();
        let start = if aligned.first().to_bits() < next {
            Ipv4Addr::from_bits(aligned.last().to_bits().checked_add(1)?)
        } else {
            aligned.first()
        };
        candidate = Ipv4Net::new(start, pool.size)?;
        if !pool.base.contains(start) {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn networks_get_dockers_subnets_one_after_the_other() {
        let pools = default_pools();
        let mut used = Vec::new();
        while let Some(subnet) = next_subnet(&pools, &used) {
            used.push(subnet);
        }
        let texts: Vec<_> = used.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 15 + 16);
        assert_eq!(texts[..4], ["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16", "172.20.0.0/16"]);
        assert_eq!(texts[14..17], ["172.31.0.0/16", "192.168.0.0/20", "192.168.16.0/20"]);
        assert_eq!(texts.last().unwrap(), "192.168.240.0/20");
    }

    #[test]
    fn what_the_host_uses_is_stepped_over() {
        let used = [net("172.17.0.0/16"), net("172.18.5.1/32"), net("172.16.0.0/12")];
        assert_eq!(next_subnet(&default_pools(), &used[..2]), Some(net("172.19.0.0/16")));
        assert_eq!(next_subnet(&default_pools(), &used), Some(net("192.168.0.0/20")));
        let pool = [Pool { base: net("10.0.0.0/8"), size: 24 }];
        assert_eq!(
            next_subnet(&pool, &[net("10.0.0.0/9"), net("10.128.0.77/32")]),
            Some(net("10.128.1.0/24"))
        );
    }

    #[test]
    fn pools_are_read_sorted_and_without_overlap() {
        let given = [
            ("10.20.0.0/16".to_owned(), 24),
            ("10.10.0.0/16".to_owned(), 24),
            ("10.10.4.0/24".to_owned(), 28),
        ];
        let bases: Vec<_> = parse_pools(&given).unwrap().iter().map(|pool| pool.base.to_string()).collect();
        assert_eq!(bases, ["10.10.0.0/16", "10.20.0.0/16"]);
        assert!(matches!(parse_pools(&[("10.0.0.0/16".to_owned(), 8)]), Err(InvalidPool::Size { .. })));
        assert!(matches!(parse_pools(&[("nope".to_owned(), 8)]), Err(InvalidPool::Base { .. })));
    }

    proptest! {
        #[test]
        fn a_new_subnet_is_inside_a_pool_and_overlaps_nothing(
            base in any::<u32>(), prefix in 0_u8..=24, extra in 0_u8..=8,
            used in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..20),
        ) {
            let pool = Pool { base: Ipv4Net::new(Ipv4Addr::from_bits(base), prefix).unwrap().network(), size: prefix + extra };
            let used: Vec<_> = used
                .into_iter()
                .map(|(bits, prefix)| Ipv4Net::new(Ipv4Addr::from_bits(bits), prefix).unwrap().network())
                .collect();
            if let Some(subnet) = next_subnet(&[pool], &used) {
                prop_assert_eq!(subnet, subnet.network());
                prop_assert_eq!(subnet.prefix(), pool.size);
                prop_assert!(pool.base.contains(subnet.first()) && pool.base.contains(subnet.last()));
                prop_assert!(!used.iter().any(|net| net.overlaps(subnet)));
            } else {
                // Nothing was overlooked: each of the pool's subnets is blocked by something.
                let count = 1_u32 << extra.min(8);
                for n in 0..count {
                    let step = 1_u64 << (32 - u32::from(pool.size));
                    let start = u64::from(pool.base.first().to_bits()) + u64::from(n) * step;
                    let Ok(start) = u32::try_from(start) else { continue };
                    let subnet = Ipv4Net::new(Ipv4Addr::from_bits(start), pool.size).unwrap();
                    prop_assert!(used.iter().any(|net| net.overlaps(subnet)));
                }
            }
        }
    }
}
