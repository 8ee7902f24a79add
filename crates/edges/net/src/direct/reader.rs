//! The receiving side: reads the frames of one peer's stream, as fast as the owner takes them.
//!
//! Knows: a frame's bounds, a rate, a shared byte budget. Does not know: what a frame says.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::Bytes;
use libp2p::{PeerId, Stream};
use tokio::{sync::mpsc, time::timeout};

use super::MAX_FRAME;
use crate::{
    frame,
    limits::{Budget, TokenBucket},
};

/// From a frame's length to its last byte.
const FRAME_TIMEOUT: Duration = Duration::from_secs(30);

/// What a reader reports.
#[derive(Debug)]
pub(crate) enum Incoming {
    Frame(PeerId, Bytes),
    Fault(PeerId, &'static str),
}

/// Reads until the stream ends, fails or misbehaves. `bucket` is `None` for peers on loopback,
/// `budget` is `None` for protected peers.
pub(crate) async fn read_frames(
    peer: PeerId,
    mut stream: Stream,
    frames: mpsc::Sender<Incoming>,
    mut bucket: Option<TokenBucket>,
    budget: Option<Budget>,
) {
    loop {
        let len = match frame::read_len(&mut stream, MAX_FRAME).await {
            Ok(Some(len)) => len,
            Ok(None) => return,
            Err(error) => {
                if error.kind() == ErrorKind::InvalidData {
                    let _ = frames.send(Incoming::Fault(peer, "oversize direct frame")).await;
                }
                return;
            }
        };
        let body = frame::read_body(&mut stream, len, budget.as_ref());
        let Ok(Ok(body)) = timeout(FRAME_TIMEOUT, body).await else { return };
        if let Some(bucket) = &mut bucket {
            tokio::time::sleep(bucket.borrow(1.0, Instant::now())).await;
        }
        if frames.send(Incoming::Frame(peer, body.into())).await.is_err() {
            return;
        }
    }
}
