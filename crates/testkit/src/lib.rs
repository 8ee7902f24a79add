//! Real `girrona` processes for tests: started on free ports in a folder of their own, killed,
//! restarted, cut off, healed and read.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use girrona_testkit::{Net, SECOND};
//!
//! let net = Net::builder().validators(4).observers(1).start().await?;
//! let deploy = net.transfer("ana", "bo", 5_000_000_000)?;
//! let hash = net.node(0).put(deploy).await?;
//! net.wait_executed(hash, 20 * SECOND).await?;
//! net.kill9(2).await?;
//! net.restart(2).await?;
//! net.all_agree().await?;
//! net.end().await
//! # }
//! ```
//!
//! Every link between two nodes goes through a proxy of the kit, so a node can be cut off while it
//! lives. Networks of several tests take turns: on a small machine two at a time would measure each
//! other.

#![forbid(unsafe_code)]

mod frames;
mod links;
mod metrics;
mod net;
mod node;
pub mod program;
mod turn;

use std::time::Duration;

pub use frames::Frames;
pub use metrics::Metrics;
pub use net::{Builder, Net};
pub use node::Node;
pub use turn::Turn;

/// Unit of patience: `20 * SECOND`.
pub const SECOND: Duration = Duration::from_secs(1);
