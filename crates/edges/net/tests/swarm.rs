//! Real swarms over loopback sockets: what the node relies on, and what strangers may try.

#[path = "swarm/content.rs"]
mod content;
#[path = "swarm/direct.rs"]
mod direct;
#[path = "swarm/faults.rs"]
mod faults;
#[path = "swarm/gossip.rs"]
mod gossip;
#[path = "swarm/hostile.rs"]
mod hostile;
#[path = "swarm/leeches.rs"]
mod leeches;
#[path = "swarm/nodes.rs"]
mod nodes;
#[path = "swarm/peers.rs"]
mod peers;
#[path = "swarm/raw.rs"]
mod raw;
#[path = "swarm/requests.rs"]
mod requests;
