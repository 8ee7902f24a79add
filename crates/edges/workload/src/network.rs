//! What a component may reach on the network: the public addresses of names that it was allowed.
//!
//! A guest asks for a name, and gets the addresses that are public; those, at the ports that were
//! allowed for the name, are what it may connect to. It connects to an address and never to a name,
//! so the address that was checked is the one that is used, however often a name server changes its
//! mind in between.

use std::{
    collections::BTreeSet,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use futures::future::BoxFuture;
use girrona_assembly::Permissions;

use crate::host::lock;

/// Addresses that one execution may reach in the end.
const REACHED_MAX: usize = 256;
/// Sockets that one execution may make, closed ones included.
pub(crate) const SOCKETS_MAX: u32 = 64;

/// Finds the addresses of a name.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// All of them, in the order of preference.
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Whether an address is one that anybody on the internet may be asked at: not this machine, not a
/// network around it, not a service that clouds put beside it.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        // Shared by carriers; some clouds have their metadata there.
        || (a == 100 && b & 0b1100_0000 == 64)
        // For protocols, old relays of IPv6, measurements; the rest is reserved, broadcast included.
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0b1111_1110 == 18)
        || a >= 240
        // A metadata service outside every such range.
        || address.octets() == [168, 63, 129, 16])
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // 2000::/3 is what was given out; in it are tunnels that carry any IPv4 address, and what is
    // for documents, measurements and identifiers.
    a & 0xe000 == 0x2000
        && a != 0x2002
        && !(a == 0x2001 && b < 0x0200)
        && !(a == 0x2001 && b == 0x0db8)
        && !(a == 0x3fff && b < 0x1000)
}

/// What one execution may reach.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    permissions: Permissions,
    resolver: Arc<dyn Resolve>,
    opened: Arc<Vec<SocketAddr>>,
    /// What was found so far, and may be connected to.
    reached: Arc<Mutex<BTreeSet<SocketAddr>>>,
}

/// Why a name has no addresses for a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// It may not reach that name, or only addresses that nobody may reach.
    Denied,
    /// Nobody knows it.
    Unknown,
}

impl Network {
    pub(crate) fn new(
        permissions: Permissions,
        resolver: Arc<dyn Resolve>,
        opened: Arc<Vec<SocketAddr>>,
    ) -> Self {
        Self { permissions, resolver, opened, reached: Arc::default() }
    }

    /// Whether there is anything to reach.
    pub(crate) fn is_open(&self) -> bool {
        !self.permissions.network.is_empty()
    }

    /// The addresses of `host` that the guest may use.
    pub(crate) async fn resolve(self, host: String) -> Result<Vec<IpAddr>, NoAddress> {
        let origins = self.permissions.network.iter();
        let ports: BTreeSet<u16> = origins.filter_map(|one| one.port_of(&host)).collect();
        if ports.is_empty() {
            return Err(NoAddress::Denied);
        }
        let found = self.resolver.resolve(host).await.map_err(|_| NoAddress::Unknown)?;
        let mut reached = lock(&self.reached);
        let mut addresses = Vec::new();
        for address in found.into_iter().map(|address| address.to_canonical()) {
            for port in &ports {
                let socket = SocketAddr::new(address, *port);
                let is_allowed = is_public(address) || self.opened.contains(&socket);
                if is_allowed && reached.len() < REACHED_MAX {
                    reached.insert(socket);
                    if !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
            }
        }
        if addresses.is_empty() { Err(NoAddress::Denied) } else { Ok(addresses) }
    }

    /// Whether the guest may connect to exactly this.
    pub(crate) fn may_connect(&self, to: SocketAddr) -> bool {
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        lock(&self.reached).contains(&to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_a_node_is_not_public() {
        for near in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(near.parse().unwrap()), "{near}");
        }
        for far in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(far.parse().unwrap()), "{far}");
        }
    }

    /// Says another thing each time.
    #[derive(Debug, Default)]
    struct Rebinding(Mutex<Vec<IpAddr>>);

    impl Resolve for Rebinding {
        fn resolve(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
            let next = lock(&self.0).pop();
            Box::pin(async move { Ok(next.into_iter().collect()) })
        }
    }

    fn network(origins: &[&str], answers: &[&str]) -> Network {
        let network = origins.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().rev().map(|text| text.parse().unwrap()).collect();
        let resolver = Arc::new(Rebinding(Mutex::new(answers)));
        Network::new(Permissions { network }, resolver, Arc::default())
    }

    fn ask(network: &Network, host: &str) -> Result<Vec<IpAddr>, NoAddress> {
        futures::executor::block_on(network.clone().resolve(host.to_owned()))
    }

    #[test]
    fn a_name_that_moves_home_leads_nowhere() {
        let network = network(&["http://a.org"], &["1.1.1.1", "127.0.0.1", "::ffff:10.0.0.1"]);
        let public = "1.1.1.1:80".parse().unwrap();
        assert!(!network.may_connect(public));
        assert_eq!(ask(&network, "a.org").unwrap(), ["1.1.1.1".parse::<IpAddr>().unwrap()]);
        // The name leads home now; what is connected to is still what was looked at.
        assert_eq!(ask(&network, "a.org"), Err(NoAddress::Denied));
        assert_eq!(ask(&network, "a.org"), Err(NoAddress::Denied));
        assert!(network.may_connect(public));
        for bad in
            ["127.0.0.1:80", "10.0.0.1:80", "1.1.1.1:81", "1.1.1.2:80", "[::ffff:127.0.0.1]:80"]
        {
            assert!(!network.may_connect(bad.parse().unwrap()), "{bad}");
        }
    }

    #[test]
    fn only_names_that_were_allowed_are_looked_up() {
        let network = network(&["https://*.a.org", "http://b.org/v1"], &["1.1.1.1"]);
        assert_eq!(ask(&network, "a.org"), Err(NoAddress::Denied));
        // A path cannot be held to on a bare connection.
        assert_eq!(ask(&network, "b.org"), Err(NoAddress::Denied));
        assert_eq!(ask(&network, "evil.example"), Err(NoAddress::Denied));
        assert!(ask(&network, "x.a.org").is_ok());
        assert!(network.may_connect("1.1.1.1:443".parse().unwrap()));
        assert_eq!(ask(&network, "y.a.org"), Err(NoAddress::Denied));
    }

    #[test]
    fn an_operator_may_open_what_is_beside_the_node() {
        let resolver = Arc::new(Rebinding(Mutex::new(vec!["127.0.0.1".parse().unwrap()])));
        let opened = Arc::new(vec!["127.0.0.1:8080".parse().unwrap()]);
        let origins =
            vec!["http://db.local:8080".parse().unwrap(), "http://db.local".parse().unwrap()];
        let network = Network::new(Permissions { network: origins }, resolver, opened);
        assert!(ask(&network, "db.local").is_ok());
        assert!(network.may_connect("127.0.0.1:8080".parse().unwrap()));
        assert!(!network.may_connect("127.0.0.1:80".parse().unwrap()));
    }
}
