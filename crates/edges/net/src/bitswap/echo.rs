//! Echoes: eight bytes to a peer and back, to see how long what is sent now is under way.
//!
//! Knows: streams and patience. Does not know: what follows from a round trip; `courtesy.rs`.

use std::time::{Duration, Instant};

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::{PeerId, Stream};
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::roll::Guest;
use crate::direct::Open;

/// From one echo's end to the next.
const PAUSE: Duration = Duration::from_millis(25);
/// An echo that is under way for so long says as much as one that came back.
const LATE: Duration = Duration::from_millis(250);
/// A stream without an answer for so long is given up.
const LOST: Duration = Duration::from_secs(10);
/// How long nothing may be sent before echoes end.
const QUIET: Duration = Duration::from_secs(1);
/// The least time between two answers to a peer, and how long one waits for its next.
const ANSWER_PAUSE: Duration = Duration::from_millis(5);
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Measures while content is sent; `false` if the peer knows no echoes, or is gone.
pub(super) async fn measure(guest: &Guest, peer: PeerId, opens: mpsc::Sender<Open>) -> bool {
    while let Some(mut stream) = open(peer, &opens).await {
        loop {
            if guest.idle_since().elapsed() > QUIET {
                return true;
            }
            if !once(guest, &mut stream).await {
                break;
            }
            sleep(PAUSE).await;
        }
        sleep(QUIET).await;
    }
    false
}

async fn open(peer: PeerId, opens: &mpsc::Sender<Open>) -> Option<Stream> {
    let (answer, stream) = oneshot::channel();
    opens.send(Open { peer, answer }).await.ok()?;
    timeout(LOST, stream).await.ok()?.ok()
}

/// One echo; `false` if the stream is of no more use.
async fn once(guest: &Guest, stream: &mut Stream) -> bool {
    let begin = Instant::now();
    let echo = async {
        stream.write_all(&[0; 8]).await?;
        stream.flush().await?;
        stream.read_exact(&mut [0; 8]).await
    };
    let mut echo = std::pin::pin!(echo);
    while begin.elapsed() < LOST {
        match timeout(LATE, &mut echo).await {
            Ok(Ok(())) => {
                guest.courtesy.echoed(begin.elapsed());
                return true;
            }
            Ok(Err(_)) => return false,
            Err(_) => guest.courtesy.echoed(begin.elapsed()),
        }
    }
    false
}

/// Answers a peer, no more often than it has use for.
pub(crate) async fn answer(mut stream: Stream) {
    let mut bytes = [0; 8];
    while let Ok(Ok(())) = timeout(ANSWER_WAIT, stream.read_exact(&mut bytes)).await {
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        if !matches!(timeout(LOST, written).await, Ok(Ok(()))) {
            return;
        }
        sleep(ANSWER_PAUSE).await;
    }
}
