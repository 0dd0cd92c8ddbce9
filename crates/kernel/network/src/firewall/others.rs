//! Chains of other tables that would drop our packets: Docker and ufw set the policy of iptables' `FORWARD` to drop.
//!
//! A packet must be accepted by every table, so ours cannot overrule them. In iptables' own chains two rules per
//! bridge go to the front, in the form that `iptables` itself writes and lists; they open nothing, since our table
//! still decides. Rules that somebody wrote for `nft` are left alone and reported.

use netlink::nftables::{self, BaseChain, Expression as Do, Field, Hook, Register, Target, Transaction};
use netlink::{Error, Socket};

use crate::NetworkError;
use crate::firewall::Firewall;

/// Where iptables keeps its rules when it uses nftables.
const IPTABLES: (&str, &str) = ("filter", "FORWARD");

/// A chain that drops what it does not know, and that we do not touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocking {
    /// Its table, with the family: `inet filter`.
    pub table: String,
    /// Its name.
    pub chain: String,
}

impl Firewall {
    /// Lets packets from and to exactly these bridges of ours pass chains of other tables that drop by default.
    ///
    /// # Errors
    /// When the kernel refuses. What could not be opened because it is not iptables' is the answer.
    pub fn admit(&self, bridges: &[String]) -> Result<Vec<Blocking>, NetworkError> {
        self.sockets.with(|socket| {
            self.admit_all(socket, bridges)
                .map_err(NetworkError::kernel("let containers pass the packet rules of others"))
        })
    }

    fn admit_all(&self, socket: &mut Socket, bridges: &[String]) -> Result<Vec<Blocking>, Error> {
        let mut blocking = Vec::new();
        for chain in nftables::list_base_chains(socket, Hook::Forward)? {
            let is_iptables = chain.is_ipv4 && (chain.table.as_str(), chain.name.as_str()) == IPTABLES;
            if is_iptables {
                self.admit_in(socket, &chain, bridges)?;
            } else if chain.drops {
                let family = if chain.is_ipv4 { "ip" } else { "inet" };
                blocking.push(Blocking { table: format!("{family} {}", chain.table), chain: chain.name });
            }
        }
        Ok(blocking)
    }

    fn admit_in(&self, socket: &mut Socket, chain: &BaseChain, bridges: &[String]) -> Result<(), Error> {
        let there = nftables::list_comments(socket, &chain.table, &chain.name)?;
        let own: Vec<_> = there.into_iter().filter(|(_, comment)| self.owns(comment)).collect();
        let mut wanted: Vec<String> = Vec::new();
        if chain.drops {
            wanted.extend(
                bridges.iter().flat_map(|bridge| [self.comment("to", bridge), self.comment("from", bridge)]),
            );
        }
        if own.iter().map(|(_, comment)| comment).eq(wanted.iter().rev()) {
            return Ok(());
        }
        let mut change = Transaction::new();
        for (handle, _) in &own {
            change.delete_rule(&chain.table, &chain.name, *handle);
        }
        if chain.drops {
            for bridge in bridges {
                // The name with its zero, as iptables compares it.
                let name = format!("{bridge}\0");
                for (field, direction) in [(Field::OutputInterface, "to"), (Field::InputInterface, "from")] {
                    change.insert_rule(
                        &chain.table,
                        &chain.name,
                        &self.comment(direction, bridge),
                        &[
                            Do::Load(field, Register(0)),
                            Do::Equal(Register(0), name.as_bytes()),
                            Do::Count,
                            Do::Go(Target::Accept),
                        ],
                    );
                }
            }
        }
        change.commit(socket)
    }

    fn comment(&self, direction: &str, bridge: &str) -> String {
        format!("{}: {direction} {bridge}", self.table)
    }

    fn owns(&self, comment: &str) -> bool {
        comment.strip_prefix(&self.table).is_some_and(|rest| rest.starts_with(": "))
    }
}
