//! What a node caches ahead of time, when it begins to fetch it, what it gives up for it, and
//! what it knows of others' copies.

pub mod census;
pub mod decide;
pub mod delay;
pub mod evict;

pub use census::Census;
pub use decide::{Decision, Factor, Local, Policy, Refused, decide};
pub use delay::{distance, fetch_delay_ms};
pub use evict::{Held, NoRoom, evict};
