//! What we may dial, and whose neighbour an address is.
//!
//! Knows: multiaddresses of TCP and QUIC. Does not know: peers' conduct, sockets.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener},
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

/// The address without a trailing `/p2p/<id>`, and that id.
pub(crate) fn split_peer(mut address: Multiaddr) -> (Multiaddr, Option<PeerId>) {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => {
            address.pop();
            (address, Some(peer))
        }
        _ => (address, None),
    }
}

/// Whether an address without its peer id is `host/tcp/port` or `host/udp/port/quic-v1`, the two
/// transports of this swarm, with a host and port that can be dialled.
pub(crate) fn is_dialable(address: &Multiaddr) -> bool {
    let parts: Vec<_> = address.iter().take(4).collect();
    let host = match parts.first() {
        Some(Protocol::Ip4(ip)) => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        Some(Protocol::Ip6(ip)) => !ip.is_unspecified() && !ip.is_multicast(),
        Some(Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_)) => true,
        _ => false,
    };
    let transport = match parts.get(1..) {
        Some([Protocol::Tcp(port)]) => *port != 0,
        Some([Protocol::Udp(port), Protocol::QuicV1]) => *port != 0,
        _ => false,
    };
    host && transport && address.len() <= 256
}

/// Whether the TCP port of an address to listen on is free. The transport shares its ports (so that
/// it can dial from them), and without this a second node on the same port would start and get
/// every other connection of the first.
pub(crate) fn check_free(address: &Multiaddr) -> io::Result<()> {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) if port != 0 => {
            TcpListener::bind((ip, port)).map(drop)
        }
        (Some(Protocol::Ip6(ip)), Some(Protocol::Tcp(port))) if port != 0 => {
            TcpListener::bind((ip, port)).map(drop)
        }
        _ => Ok(()),
    }
}

pub(crate) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)),
        _ => None,
    }
}

pub(crate) fn is_loopback(address: &Multiaddr) -> bool {
    ip(address).is_some_and(|ip| ip.is_loopback())
}

/// How far an address can be reached from: a peer met on a wide net must not make us dial into
/// our own machine or house.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    Machine,
    House,
    World,
}

pub(crate) fn reach(address: &Multiaddr) -> Reach {
    match ip(address) {
        Some(ip) if ip.is_loopback() => Reach::Machine,
        Some(IpAddr::V4(ip)) if ip.is_private() || ip.is_link_local() => Reach::House,
        Some(IpAddr::V6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => Reach::House,
        _ => Reach::World,
    }
}

/// Addresses that are counted as one neighbour: an IPv4 address, a /64 of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Neighbour {
    V4(Ipv4Addr),
    V6(u64),
}

/// `None` for loopback (all of a devnet lives there) and for addresses without an IP.
pub(crate) fn neighbour(address: &Multiaddr) -> Option<Neighbour> {
    match ip(address)? {
        ip if ip.is_loopback() => None,
        IpAddr::V4(ip) => Some(Neighbour::V4(ip)),
        IpAddr::V6(ip) => Some(Neighbour::V6(prefix(ip))),
    }
}

fn prefix(ip: Ipv6Addr) -> u64 {
    (ip.to_bits() >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn only_tcp_and_quic_on_real_hosts_and_ports_are_dialled() {
        for good in [
            "/ip4/10.0.0.1/tcp/34553",
            "/ip6/2001:db8::1/udp/34553/quic-v1",
            "/dns4/boot.example/tcp/1",
        ] {
            assert!(is_dialable(&address(good)), "{good}");
        }
        for bad in [
            "/ip4/0.0.0.0/tcp/34553",
            "/ip4/10.0.0.1/tcp/0",
            "/ip4/10.0.0.1",
            "/ip4/10.0.0.1/udp/9",
            "/ip4/224.0.0.1/tcp/9",
            "/ip4/10.0.0.1/tcp/9/ws",
            "/unix/tmp",
        ] {
            assert!(!is_dialable(&address(bad)), "{bad}");
        }
    }

    #[test]
    fn a_peer_id_is_split_from_its_address() {
        let peer = PeerId::random();
        let plain = address("/ip4/10.0.0.1/tcp/9");
        let full = plain.clone().with(Protocol::P2p(peer));
        assert_eq!(split_peer(full), (plain.clone(), Some(peer)));
        assert_eq!(split_peer(plain.clone()), (plain, None));
    }

    #[test]
    fn neighbours_are_counted_by_address_and_loopback_is_not() {
        assert_eq!(neighbour(&address("/ip4/127.0.0.1/tcp/9")), None);
        assert_eq!(
            neighbour(&address("/ip6/2001:db8::1/tcp/9")),
            neighbour(&address("/ip6/2001:db8::ffff/tcp/1"))
        );
        assert_ne!(
            neighbour(&address("/ip4/10.0.0.1/tcp/9")),
            neighbour(&address("/ip4/10.0.0.2/tcp/9"))
        );
        assert_eq!(reach(&address("/ip4/192.168.0.1/tcp/9")), Reach::House);
        assert!(Reach::Machine < Reach::House && Reach::House < Reach::World);
    }
}
