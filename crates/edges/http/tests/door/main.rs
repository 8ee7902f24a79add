//! The door over real sockets, with a backend in memory behind it.

mod assemblies;
mod auction;
mod browser;
mod client;
mod discover;
mod errors;
mod events;
mod golden;
mod hostile;
mod memory;
mod metrics;
mod raw;
mod rest;
mod server;
mod speculate;
