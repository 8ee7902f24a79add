//! What happens to assemblies and requests, as server-sent events.
//!
//! `/events/assemblies`: one JSON object an event. These are this node's own observations; they are
//! numbered from its start and not kept on disk. Whoever reads too slowly for [`crate::Assemblies`]'s
//! queue misses some, and is told how many.

use std::{fmt::Write as _, io, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, watch};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::{AssemblyEvent, server};

/// A stream of them as a body.
pub(super) fn body(
    events: broadcast::Receiver<AssemblyEvent>,
    place: OwnedSemaphorePermit,
    closing: watch::Receiver<bool>,
    keep_alive: Duration,
) -> Body {
    let (out, queue) = mpsc::channel(1);
    tokio::spawn(serve(events, out, closing, keep_alive, place));
    Body::from_stream(ReceiverStream::new(queue).map(Ok::<Bytes, io::Error>))
}

async fn serve(
    mut events: broadcast::Receiver<AssemblyEvent>,
    out: mpsc::Sender<Bytes>,
    mut closing: watch::Receiver<bool>,
    keep_alive: Duration,
    _place: OwnedSemaphorePermit,
) {
    loop {
        let text = tokio::select! {
            event = events.recv() => match event {
                Ok(event) => frame(&event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    Bytes::from(format!("data:{{\"Missed\":{missed}}}\n\n"))
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            () = server::closed(&mut closing) => Bytes::from_static(b"data:\"Shutdown\"\n\n"),
            () = out.closed() => return,
            () = tokio::time::sleep(keep_alive) => Bytes::from_static(b":\n\n"),
        };
        if out.send(text).await.is_err() || *closing.borrow() {
            return;
        }
    }
}

fn frame(event: &AssemblyEvent) -> Bytes {
    let mut text = String::from("data:");
    text.push_str(&String::from_utf8_lossy(&event.json));
    // Writing to a string does not fail.
    let _ = write!(text, "\nid:{}\n\n", event.id);
    Bytes::from(text)
}
