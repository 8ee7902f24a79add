//! The brain at work: its thread, its mailbox, its timers, its metrics.

pub mod mailbox;
pub mod metrics;
pub mod task;
pub mod timers;
