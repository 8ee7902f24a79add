//! Which ports the nodes of one machine listen on.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

use crate::error::Error;

/// Where free ports are looked for.
const FREE_FROM: u16 = 10_000;
const FREE_TO: u16 = 32_000;
/// How often, for each port.
const TRIES: usize = 1_000;

/// How ports are picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Node `i` listens on the default ports + 100 × `i`.
    Default,
    /// Whatever is free.
    Free,
    /// The default ports if all of them are free, else whatever is.
    Auto,
}

/// The ports of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePorts {
    /// JSON-RPC.
    pub rpc: u16,
    /// Trying deploys out.
    pub speculative: u16,
    /// REST and metrics.
    pub rest: u16,
    /// Events.
    pub events: u16,
    /// The swarm, TCP and UDP.
    pub swarm: u16,
}

impl NodePorts {
    /// Node 0's ports by default.
    pub const BASE: Self =
        Self { rpc: 7777, speculative: 7778, rest: 8888, events: 9999, swarm: 34_553 };

    /// The most nodes that fit between the default ports and the end of the port range.
    pub const NODES_MAX: usize = 300;

    /// Node `index`'s ports by default; `None` beyond the port range.
    pub fn of_node(index: usize) -> Option<Self> {
        let step = u16::try_from(index.checked_mul(100)?).ok()?;
        let Self { rpc, speculative, rest, events, swarm } = Self::BASE;
        Some(Self {
            rpc: rpc.checked_add(step)?,
            speculative: speculative.checked_add(step)?,
            rest: rest.checked_add(step)?,
            events: events.checked_add(step)?,
            swarm: swarm.checked_add(step)?,
        })
    }

    /// All of them.
    fn all(self) -> [u16; 5] {
        [self.rpc, self.speculative, self.rest, self.events, self.swarm]
    }
}

impl Ports {
    /// Ports for so many nodes.
    ///
    /// # Errors
    /// When a default port is taken, or the system has none left.
    pub(crate) fn pick(self, nodes: usize) -> Result<Vec<NodePorts>, Error> {
        match self {
            Self::Default => default_ports(nodes),
            Self::Free => free_ports(nodes),
            Self::Auto => match default_ports(nodes) {
                Err(Error::PortTaken { .. }) => free_ports(nodes),
                other => other,
            },
        }
    }
}

/// The default ports, if nobody listens there.
fn default_ports(nodes: usize) -> Result<Vec<NodePorts>, Error> {
    let too_many = || {
        Error::Spec(format!(
            "{nodes} nodes do not fit into the port range; at most {} do",
            NodePorts::NODES_MAX
        ))
    };
    let mut picked = Vec::new();
    for index in 0..nodes {
        let ports = NodePorts::of_node(index).ok_or_else(too_many)?;
        for port in ports.all() {
            let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err()
                || (port == ports.swarm && UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err());
            if taken {
                return Err(Error::PortTaken { port });
            }
        }
        picked.push(ports);
    }
    Ok(picked)
}

/// Ports that nobody listens on, below those that systems give to outgoing connections: a node that
/// comes back has to find its port free.
fn free_ports(nodes: usize) -> Result<Vec<NodePorts>, Error> {
    let mut held = Vec::new();
    let mut next = || -> Result<u16, Error> {
        for _ in 0..TRIES {
            let random = RandomState::new().build_hasher().finish();
            let offset = u16::try_from(random % u64::from(FREE_TO - FREE_FROM)).unwrap_or(0);
            let address = (Ipv4Addr::LOCALHOST, FREE_FROM + offset);
            // All are held until the last is found, so no two are the same.
            if let (Ok(tcp), Ok(udp)) = (TcpListener::bind(address), UdpSocket::bind(address)) {
                held.push((tcp, udp));
                return Ok(address.1);
            }
        }
        Err(Error::Spec(format!("no port between {FREE_FROM} and {FREE_TO} is free")))
    };
    (0..nodes)
        .map(|_| {
            Ok(NodePorts {
                rpc: next()?,
                speculative: next()?,
                rest: next()?,
                events: next()?,
                swarm: next()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn node_i_listens_on_the_default_ports_plus_a_hundred_times_i() {
        assert_eq!(
            NodePorts::of_node(3),
            Some(NodePorts {
                rpc: 8077,
                speculative: 8078,
                rest: 9188,
                events: 10_299,
                swarm: 34_853
            })
        );
        assert!(NodePorts::of_node(NodePorts::NODES_MAX).is_some());
        assert_eq!(NodePorts::of_node(400), None);
    }

    #[test]
    fn default_ports_of_many_nodes_never_meet() {
        let all: Vec<u16> = (0..NodePorts::NODES_MAX)
            .flat_map(|index| NodePorts::of_node(index).unwrap().all())
            .collect();
        let distinct: BTreeSet<u16> = all.iter().copied().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn free_ports_are_all_different() {
        let picked = Ports::Free.pick(5).unwrap();
        let distinct: BTreeSet<u16> = picked.iter().flat_map(|ports| ports.all()).collect();
        assert_eq!(distinct.len(), 25);
    }
}
