//! A whole network on one machine, as real processes.
//!
//! [`Layout`] is the network on disk: chainspec, keys, funded accounts and one folder per node.
//! [`Process`] is one node of it under way, [`Network`] all of them.
//!
//! Knows: files, ports, child processes, `girrona node run`. Does not know: what a node does with
//! its files, and who asks for the network; `girrona devnet`, `girrona demo` and the tests all use
//! this.

#![forbid(unsafe_code)]

pub mod config_text;
mod error;
pub mod key_folder;
mod layout;
mod network;
mod ports;
mod process;

pub use error::Error;
pub use key_folder::{Algorithm, KeyFolder};
pub use layout::{Layout, NodePlace, Spec, User};
pub use network::Network;
pub use ports::{NodePorts, Ports};
pub use process::Process;
