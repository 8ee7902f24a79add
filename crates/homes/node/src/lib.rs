//! Assembles a node: which services run, what flows between them, how they stop.
//!
//! Start at [`run()`], the assembly page.

#![forbid(unsafe_code)]

mod assembly;
mod auction;
pub mod backend;
pub mod chain;
pub mod config;
pub mod endpoints;
pub mod error;
pub mod files;
pub mod gossip;
mod law_text;
pub mod peers;
pub mod phases;
pub mod run;
mod speculation;

pub use config::NodeConfig;
pub use endpoints::Endpoints;
pub use error::Error;
pub use files::{CheckReport, check};
pub use run::run;
