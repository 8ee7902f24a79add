//! Bitswap 1.2.0: blocks to whoever wants them, blocks from whoever has them, within bounds.
//!
//! Knows: streams, messages, which thread does what. Does not know: who is asked for what and who
//! is served first; those are `girrona_assembly::fetch`'s `Session` and `Ledger`.
//!
//! The swarm's own task only opens streams and hands them over. Each stream of a peer has a reader
//! (`reader.rs`), each peer that is written to a writer (`writer.rs`). One loop fetches
//! (`client.rs`, `getter.rs`), one serves (`server.rs`); how fast a peer on another machine is sent
//! content follows from how long echoes take (`courtesy.rs`, `echo.rs`). Hashing, sessions, ledger and store run on
//! blocking threads.
//!
//! # Bounds
//!
//! | what | how much | when full |
//! |---|---|---|
//! | streams of a peer that are read | 32 | the new one is closed |
//! | a message of a peer that owes us nothing | 256 KiB | its sender is at fault |
//! | messages being read or waiting for the store | [`Content::reading_max`], 8 MiB of a peer that owes us blocks, 512 KiB of another | streams wait |
//! | answers in memory | [`Content::serving_max`], 2 MiB and an answer for one peer | wants wait in the ledger |
//! | wants of a peer | 1 024, and 1 024 too many in one message before it is at fault | the newest are dropped |
//! | our questions to a peer that are not written | 1 024 messages, 4 MiB | dropped; the session asks somebody else when nothing comes |
//! | fetches | 64 | refused |

mod client;
mod courtesy;
mod echo;
mod getter;
mod notes;
mod pace;
mod reader;
mod roll;
mod server;
mod writer;

use std::{sync::Arc, time::Duration};

use libp2p::{PeerId, Stream};
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::AbortHandle,
};

pub(crate) use self::echo::answer as answer_echoes;
use self::{client::Input, notes::Notes, pace::Pace, roll::Roll, server::Ask, writer::Writers};
use crate::{
    Content, Fetch, FetchError, Fetching,
    direct::Open,
    handle::{Command, Commands},
    metrics::Metrics,
};

/// Messages between the readers and the loops. When full the readers wait.
const INPUTS: usize = 64;
const ASKS: usize = 64;
/// Bytes of small messages, of peers that owe us nothing, all together.
const READING_SMALL: usize = 16 << 20;
/// What a permit of a semaphore stands for, in bytes.
const UNIT: usize = 1_024;

/// What the parts share.
#[derive(Debug)]
struct Shared {
    content: Content,
    roll: Roll,
    commands: Commands,
    metrics: Metrics,
    inputs: mpsc::Sender<Input>,
    asks: mpsc::Sender<Ask>,
    notes: Notes,
    reading: Arc<Semaphore>,
    reading_small: Arc<Semaphore>,
    download: Pace,
}

impl Shared {
    fn penalise(&self, peer: PeerId, reason: &'static str) {
        self.commands.submit(Command::Penalise { peer, reason });
    }
}

/// The exchange of content; clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Bitswap {
    shared: Arc<Shared>,
    loops: Arc<[AbortHandle; 2]>,
}

impl Bitswap {
    /// Starts both loops on the current runtime. `opens` asks the swarm for streams, `echoes` for
    /// those of echoes.
    pub(crate) fn start(
        content: Content,
        commands: Commands,
        metrics: Metrics,
        opens: mpsc::Sender<Open>,
        echoes: mpsc::Sender<Open>,
    ) -> Self {
        let (inputs, inputs_out) = mpsc::channel(INPUTS);
        let (asks, asks_out) = mpsc::channel(ASKS);
        let upload = Pace::new(content.upload);
        let shared = Arc::new(Shared {
            reading: Arc::new(Semaphore::new(content.reading_max / UNIT)),
            reading_small: Arc::new(Semaphore::new(READING_SMALL / UNIT)),
            download: Pace::new(content.download),
            content,
            roll: Roll::default(),
            commands,
            metrics,
            inputs,
            asks,
            notes: Notes::default(),
        });
        let writers = Writers::new(shared.clone(), opens, echoes, upload);
        let client = tokio::spawn(client::run(shared.clone(), writers.clone(), inputs_out));
        let server = tokio::spawn(server::run(shared.clone(), writers, asks_out));
        let loops = Arc::new([client.abort_handle(), server.abort_handle()]);
        Self { shared, loops }
    }

    pub(crate) fn fetch(&self, fetch: Fetch) -> Fetching {
        let (sender, end) = oneshot::channel();
        let fetching = Fetching { end, dropped: self.shared.roll.changed.clone() };
        let input = Input::Fetch { fetch: Box::new(fetch), end: sender };
        if let Err(mpsc::error::TrySendError::Full(Input::Fetch { end, .. })) =
            self.shared.inputs.try_send(input)
        {
            let _ = end.send(Err(FetchError::Busy));
        }
        fetching
    }

    /// A peer has opened a stream to us.
    pub(crate) fn accept(&self, peer: PeerId, stream: Stream) {
        let Some(guest) = self.shared.roll.guest(&peer) else { return };
        match guest.enter() {
            Some(seat) => {
                tokio::spawn(reader::read_messages(self.shared.clone(), peer, seat, stream));
            }
            None => self.shared.metrics.dropped("content streams", 1),
        }
    }

    /// The first connection to a peer is up; `is_far` if it is on another machine.
    pub(crate) fn connected(&self, peer: PeerId, is_far: bool) {
        self.shared.roll.connected(peer, is_far);
    }

    /// A ping of a connected peer took so long.
    pub(crate) fn pinged(&self, peer: &PeerId, rtt: Duration) {
        if let Some(guest) = self.shared.roll.guest(peer) {
            guest.courtesy.heard(rtt);
        }
    }

    /// A connected peer is one of our network, and so no js-libp2p node.
    pub(crate) fn is_member(&self, peer: PeerId) {
        self.shared.roll.is_member(peer);
    }

    /// The last connection to a peer is gone.
    pub(crate) fn lost(&self, peer: &PeerId) {
        self.shared.roll.lost(peer);
    }

    /// Ends both loops; fetches under way hear that the network is stopped.
    pub(crate) fn stop(&self) {
        self.loops.iter().for_each(AbortHandle::abort);
    }
}
