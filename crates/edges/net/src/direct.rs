//! Direct streams: ordered frames from one peer to another, without gossip in between.
//!
//! Each side writes on a stream that it opened and reads on the one that the other opened. A
//! stream is opened with the first frame, lives as long as the connection, and is opened again
//! after a failure.
//!
//! Delivery: in order, at most once as long as the connection lives. A frame that was being
//! written when a stream failed is written again on the next one, so around a failure a frame can
//! arrive twice or not at all; never out of order.
//!
//! Knows: peers, frames, queues. Does not know: what a frame says.

mod behaviour;
mod lane;
mod reader;

pub(crate) use behaviour::{Behaviour, Inbound};
pub(crate) use lane::{Lanes, Open};
pub(crate) use reader::{Incoming, read_frames};

/// The largest frame, in bytes.
pub const MAX_FRAME: usize = 4 << 20;

/// Frames waiting for one peer. When full the new frame is refused: whoever sends votes sends them
/// again, and what is older is due first.
pub(crate) const MAX_QUEUED: usize = 1_024;
/// Bytes waiting for one peer.
pub(crate) const MAX_QUEUED_BYTES: usize = 8 << 20;
