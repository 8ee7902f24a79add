//! Malformed, forged, foreign, repeated and far too much: at JSON-RPC, at the event streams and in
//! the swarm of real nodes; in what is said about assemblies, in their content and by their guests.
//! Each gets a clear refusal, and the nodes stay up, answer and stay small while the chain goes on.

#[path = "hostile/assembly.rs"]
mod assembly;
#[path = "hostile/author.rs"]
mod author;
#[path = "hostile/content.rs"]
mod content;
#[path = "hostile/events.rs"]
mod events;
#[path = "hostile/guests.rs"]
mod guests;
#[path = "hostile/peer.rs"]
mod peer;
#[path = "hostile/rpc.rs"]
mod rpc;
#[path = "hostile/stranger.rs"]
mod stranger;
#[path = "hostile/swarm.rs"]
mod swarm;
#[path = "hostile/watch.rs"]
mod watch;
