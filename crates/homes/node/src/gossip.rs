//! Between the brain and the swarm: what goes out, what comes in, and who waits for which verdict.

pub mod answers;
pub mod check;
pub mod outside;
pub mod router;
pub mod tickets;

pub use outside::Outside;
