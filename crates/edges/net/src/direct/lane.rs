//! The sending side: one queue and one writer per connected peer.
//!
//! Knows: frames, queue bounds, when to open a stream again. Does not know: libp2p's swarm; it asks
//! the task for streams.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{
    AsyncReadExt as _, AsyncWriteExt as _,
    io::{ReadHalf, WriteHalf},
};
use libp2p::{PeerId, Stream};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use super::{MAX_FRAME, MAX_QUEUED, MAX_QUEUED_BYTES};
use crate::frame;

/// Frames wait so long for a peer that has gone, so that a restart loses little.
const LINGER: Duration = Duration::from_secs(5);
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that takes no byte for so long gets a new stream.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// A writer asks for a stream.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) peer: PeerId,
    pub(crate) answer: oneshot::Sender<Stream>,
}

/// All lanes; shared by the handle (which fills them) and the task (which opens and closes them).
#[derive(Debug)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<PeerId, Arc<Lane>>>,
    opens: mpsc::Sender<Open>,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct Lane {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    lost: Option<Instant>,
    closed: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes {
    pub(crate) fn new(opens: mpsc::Sender<Open>, runtime: Handle) -> Self {
        Self { lanes: Mutex::default(), opens, runtime }
    }

    /// Queues a frame; `false` if the peer is gone, its queue full or the frame too long.
    pub(crate) fn send(&self, peer: &PeerId, frame: Bytes) -> bool {
        let Some(lane) = lock(&self.lanes).get(peer).cloned() else { return false };
        let mut queue = lock(&lane.queue);
        let full = queue.frames.len() >= MAX_QUEUED || queue.bytes + frame.len() > MAX_QUEUED_BYTES;
        if full || queue.closed || frame.len() > MAX_FRAME {
            return false;
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        drop(queue);
        lane.wake.notify_one();
        true
    }

    /// The first connection to a peer is up.
    pub(crate) fn connected(&self, peer: PeerId) {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get(&peer) {
            lock(&lane.queue).lost = None;
            lane.wake.notify_one();
            return;
        }
        let lane = Arc::new(Lane::default());
        lanes.insert(peer, lane.clone());
        self.runtime.spawn(write_frames(peer, lane, self.opens.clone()));
    }

    /// The last connection to a peer is gone.
    pub(crate) fn lost(&self, peer: &PeerId, now: Instant) {
        if let Some(lane) = lock(&self.lanes).get(peer) {
            lock(&lane.queue).lost = Some(now);
        }
    }

    /// Ends the lanes of peers that did not come back; answers how many frames went with them.
    pub(crate) fn sweep(&self, now: Instant) -> usize {
        let mut dropped = 0;
        lock(&self.lanes).retain(|_, lane| {
            let mut queue = lock(&lane.queue);
            let stay = queue.lost.is_none_or(|lost| now.saturating_duration_since(lost) < LINGER);
            if !stay {
                dropped += queue.close();
                lane.wake.notify_one();
            }
            stay
        });
        dropped
    }

    /// Ends every lane.
    pub(crate) fn close(&self) {
        for (_, lane) in lock(&self.lanes).drain() {
            lock(&lane.queue).close();
            lane.wake.notify_one();
        }
    }
}

impl Queue {
    fn close(&mut self) -> usize {
        self.closed = true;
        self.bytes = 0;
        std::mem::take(&mut self.frames).len()
    }
}

impl Lane {
    /// The oldest frame, which stays in the queue until [`Lane::written`]; `None` once closed.
    async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let queue = lock(&self.queue);
                if queue.closed {
                    return None;
                }
                if let Some(frame) = queue.frames.front() {
                    return Some(frame.clone());
                }
            }
            self.wake.notified().await;
        }
    }

    fn written(&self) {
        let mut queue = lock(&self.queue);
        if let Some(frame) = queue.frames.pop_front() {
            queue.bytes = queue.bytes.saturating_sub(frame.len());
        }
    }
}

async fn write_frames(peer: PeerId, lane: Arc<Lane>, opens: mpsc::Sender<Open>) {
    let mut stream: Option<(ReadHalf<Stream>, WriteHalf<Stream>)> = None;
    let (mut pause, mut ignored) = (FIRST_PAUSE, [0; 1]);
    loop {
        let frame = match &mut stream {
            None => lane.next().await,
            // Nobody writes to us on our own stream: if a read ends, the stream is dead, and
            // noticing it now saves the next frame.
            Some((read, _)) => tokio::select! {
                frame = lane.next() => frame,
                _ = read.read(&mut ignored) => { stream = None; continue }
            },
        };
        let Some(frame) = frame else { return };
        if stream.is_none() {
            stream = open(peer, &opens).await.map(Stream::split);
        }
        let Some((_, write)) = &mut stream else {
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(MAX_PAUSE),
                () = lane.wake.notified() => {}
            }
            continue;
        };
        let writing = async {
            frame::write(write, &frame, MAX_FRAME).await?;
            write.flush().await
        };
        match timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(())) => {
                pause = FIRST_PAUSE;
                lane.written();
            }
            _ => stream = None,
        }
    }
}

async fn open(peer: PeerId, opens: &mpsc::Sender<Open>) -> Option<Stream> {
    let (answer, stream) = oneshot::channel();
    opens.send(Open { peer, answer }).await.ok()?;
    timeout(OPEN_TIMEOUT, stream).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> (Lanes, mpsc::Receiver<Open>) {
        let (opens, asked) = mpsc::channel(16);
        (Lanes::new(opens, Handle::current()), asked)
    }

    #[tokio::test]
    async fn a_full_lane_refuses_the_new_frame_and_a_stranger_has_none() {
        let (lanes, _asked) = lanes();
        let peer = PeerId::random();
        assert!(!lanes.send(&peer, Bytes::from_static(b"x")));
        lanes.connected(peer);
        let taken = (0..2_000).filter(|_| lanes.send(&peer, Bytes::from_static(b"x"))).count();
        assert_eq!(taken, MAX_QUEUED);
        let other = PeerId::random();
        lanes.connected(other);
        assert!(!lanes.send(&other, Bytes::from(vec![0; MAX_FRAME + 1])));
        let large = Bytes::from(vec![0; 3 << 20]);
        assert_eq!((0..9).filter(|_| lanes.send(&other, large.clone())).count(), 2);
    }

    #[tokio::test]
    async fn frames_for_a_lost_peer_wait_a_moment_and_no_longer() {
        let (lanes, _asked) = lanes();
        let (peer, now) = (PeerId::random(), Instant::now());
        lanes.connected(peer);
        lanes.lost(&peer, now);
        assert!(lanes.send(&peer, Bytes::from_static(b"x")));
        assert_eq!(lanes.sweep(now + LINGER / 2), 0);
        lanes.connected(peer);
        assert_eq!(lanes.sweep(now + LINGER), 0, "it came back");
        lanes.lost(&peer, now);
        assert_eq!(lanes.sweep(now + LINGER), 1);
        assert!(!lanes.send(&peer, Bytes::from_static(b"x")));
    }
}
