//! Moves an interface into another network namespace, with its lasting addresses.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{
    GETADDR, IFA_ADDRESS, IFA_BROADCAST, IFA_LOCAL, IFF_UP, IFLA_IFNAME, IFLA_NET_NS_FD, NEWADDR, SETLINK,
    find_link, link_header, list, list_links, set_up,
};
use crate::namespace::visit;
use crate::wire::{ACK, Attributes, CREATE, Messages, REPLACE};
use crate::{Error, Socket, Subsystem};

const IFA_FLAGS: u16 = 8;
/// `IFA_F_PERMANENT`: neither learned nor leased.
const PERMANENT: u32 = 0x80;
/// `RT_SCOPE_UNIVERSE`.
const GLOBAL: u8 = 0;

/// Why an interface did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// There is no such interface here.
    #[error("no network device {0:?}")]
    Missing(String),
    /// There is one of that name there.
    #[error("a network device {0:?} exists already")]
    Present(String),
    /// The kernel refused a step.
    #[error("cannot {step}")]
    Refused {
        /// What was attempted.
        step: &'static str,
        /// Its reason.
        #[source]
        cause: Error,
    },
}

/// An address of any family, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lasting {
    family: u8,
    prefix: u8,
    index: u32,
    /// Kind and value of what is set again.
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Lasting {
    /// An address that was set by somebody and holds everywhere; others belong to the place that is left.
    fn read(body: &[u8]) -> Option<Lasting> {
        let [family, prefix, flags, scope, ..] = *body else { return None };
        let attributes = Attributes::of(body, 8);
        let flags = attributes.u32(IFA_FLAGS).unwrap_or(flags.into());
        let keep = [IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST];
        (flags & PERMANENT != 0 && scope == GLOBAL).then(|| Lasting {
            family,
            prefix,
            index: body.get(4..8).and_then(|word| word.try_into().ok()).map_or(0, u32::from_ne_bytes),
            attributes: keep
                .into_iter()
                .filter_map(|kind| Some((kind, attributes.get(kind)?.to_owned())))
                .collect(),
        })
    }

    fn add(&self, out: &mut Messages, index: u32) {
        out.add(NEWADDR, CREATE | REPLACE | ACK, |m| {
            let mut header = [self.family, self.prefix, 0, GLOBAL, 0, 0, 0, 0];
            header[4..8].copy_from_slice(&index.to_ne_bytes());
            m.raw(&header);
            for (kind, value) in &self.attributes {
                m.bytes(*kind, value);
            }
        });
    }
}

/// Moves the interface `name` of the calling thread's namespace into `namespace`, where it is called `new_name` (`%d` in
/// it is replaced by the kernel), has its lasting addresses again, and is up.
///
/// # Errors
/// See [`MoveError`]. An interface that was moved is not moved back.
pub fn move_link(name: &str, namespace: BorrowedFd<'_>, new_name: &str) -> Result<(), MoveError> {
    let refused = |step| move |cause| MoveError::Refused { step, cause };
    let mut here = Socket::open(Subsystem::Route).map_err(refused("open netlink"))?;
    let there = visit(namespace, || Socket::open(Subsystem::Route)).map_err(Error::from);
    let mut there = there.and_then(|socket| socket).map_err(refused("open netlink in the namespace"))?;
    let link = find_link(&mut here, name).map_err(refused("find the network device"))?;
    let link = link.ok_or_else(|| MoveError::Missing(name.to_owned()))?;
    let before = list_links(&mut there).map_err(refused("list network devices"))?;
    if before.iter().any(|other| other.name == new_name) {
        return Err(MoveError::Present(new_name.to_owned()));
    }
    let mut addresses = list(&mut here, GETADDR, NEWADDR, &[0; 8], Lasting::read)
        .map_err(refused("list the addresses of the network device"))?;
    addresses.retain(|address| address.index == link.index);
    let mut out = Messages::new();
    out.add(SETLINK, ACK, |m| {
        link_header(m, 0, link.index, 0, IFF_UP);
        m.text(IFLA_IFNAME, new_name);
        m.u32(IFLA_NET_NS_FD, namespace.as_raw_fd().cast_unsigned());
    });
    here.execute(out).map_err(refused("move the network device"))?;
    let after = list_links(&mut there).map_err(refused("list network devices"))?;
    let arrived = after.iter().find(|link| before.iter().all(|other| other.index != link.index));
    let arrived = arrived.ok_or_else(|| MoveError::Missing(new_name.to_owned()))?;
    let mut out = Messages::new();
    for address in &addresses {
        address.add(&mut out, arrived.index);
    }
    set_up(&mut out, arrived.index);
    there.execute(out).map_err(refused("set up the moved network device"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_were_learned_or_hold_on_the_link_only_stay_behind() {
        let read = |flags, scope| Lasting::read(&[2, 24, flags, scope, 7, 0, 0, 0]);
        assert_eq!(read(0x80, 0).unwrap().index, u32::from_ne_bytes([7, 0, 0, 0]));
        assert_eq!(read(0, 0), None);
        assert_eq!(read(0x80, 253), None);
        assert_eq!(Lasting::read(&[2, 24]), None);
    }
}
