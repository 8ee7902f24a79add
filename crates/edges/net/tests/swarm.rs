//! Real swarms over loopback sockets: what the node relies on, and what strangers may try.

#[path = "swarm/direct.rs"]
mod direct;
#[path = "swarm/gossip.rs"]
mod gossip;
#[path = "swarm/hostile.rs"]
mod hostile;
#[path = "swarm/nodes.rs"]
mod nodes;
#[path = "swarm/peers.rs"]
mod peers;
#[path = "swarm/requests.rs"]
mod requests;
