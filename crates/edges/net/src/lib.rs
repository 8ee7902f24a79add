//! The one libp2p swarm of a node: gossip, direct streams, requests, content, peers and limits.
//!
//! Knows: libp2p, topics and their sizes, rates, scores, addresses. Bytes in, bytes out.
//! Does not know: deploys, blocks, votes, validators, chains. Whether bytes are *good* is for the
//! owner to say, with [`Net::judge`] and [`Net::penalise`].
//!
//! Start at [`Net::start`]; everything that arrives is an [`Event`]; the loop is `task.rs`.
//!
//! # What may be lost, and when
//!
//! | queue | length | when full |
//! |---|---|---|
//! | commands of the owner to the swarm | 8 192 commands, 64 MiB | `publish`, `send_response` say `false`; `request` says busy; a verdict counts as "ignore" |
//! | gossip without a subscribed peer | 1 024 messages, 16 MiB, 10 s | the oldest is dropped |
//! | events for the owner | 8 192 events, 64 MiB | gossip is ignored (it is not forwarded, and not seen again for 120 s: the owner's digests heal it), requests are refused, direct streams wait (backpressure up to the sender) |
//! | direct frames per peer | 1 024 frames, 8 MiB, kept 5 s after the connection is lost | the new frame is refused: `send` says `false` |
//! | gossipsub per peer | 2 000 messages, 5 s own, 1 s forwarded | gossipsub drops and lowers the peer's score as slow |
//! | requests in flight | 64 per connection, 512 in all | `request` says busy |
//!
//! Every refusal is counted in `net_drops_total{queue}`.
//!
//! # Frames towards js-libp2p over TCP
//!
//! js-libp2p puts a whole send window into one yamux frame and ours refuses frames above 1 MiB, so
//! a js peer must never be asked for more than 512 KiB in flight, or one block. Our own protocols
//! are not spoken by such peers (they are never reported as [`Event::Connected`]), and what *we*
//! write is cut into 16 KiB frames by yamux. Bitswap is spoken by them: whoever has not said that
//! it is of our network is asked for little at once, and by one fetch at a time (`bitswap/getter.rs`).
//!
//! # Content beside votes
//!
//! Both share a connection and a link. On a connection, streams take turns in frames of 16 KiB; on
//! a link that content would fill, it gives way by itself (`bitswap/courtesy.rs`), and
//! [`Content::upload`] and [`Content::download`] are limits on top of that. What of content is under way is in `bitswap.rs`.

#![forbid(unsafe_code)]

mod address;
mod batch;
mod bitswap;
mod book;
mod conduct;
mod config;
mod content;
mod dialer;
mod direct;
mod frame;
mod gate;
mod handle;
mod inbox;
mod key;
mod limits;
mod metrics;
mod outbox;
mod records;
mod spread;
mod swarm;
mod sync;
mod task;
mod topic;

pub use config::{Config, Error};
pub use content::{
    Blocks, Content, Fetch, FetchError, Fetched, Fetching, NoBlocks, Progress, Provider, PutError,
};
pub use girrona_assembly::{Cid, fetch::Offence};
pub use handle::{Event, MessageToken, Net, PeerInfo, Verdict};
pub use key::{Identity, KeyError};
pub use libp2p::{Multiaddr, PeerId};
pub use limits::Limits;
pub use spread::{Arrivals, Spread};
pub use sync::{MAX_ANSWER, MAX_ASK, MAX_REQUEST, MAX_RESPONSE, Reply, RequestError};
pub use topic::{Route, Topic};

/// The largest frame that [`Net::send`] takes and a peer may send, in bytes.
pub use direct::MAX_FRAME;

/// The decoders that meet bytes of strangers, public so that fuzz targets reach them.
pub mod wire {
    pub use crate::batch::{BatchError, MAX_ITEMS, decode as decode_batch, encode as encode_batch};
    pub use crate::book::{Record, decode as decode_book, encode as encode_book};
    pub use crate::frame::{read as read_frame, write as write_frame};
    pub use crate::limits::Budget;
    pub use crate::sync::SyncCodec;
}
