//! The loop that fetches: what peers say and what the owner wants in, messages out.
//!
//! Knows: channels, timers, which work may block. Does not know: sessions; those are in
//! `getter.rs`, which lives on blocking threads while it works.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use girrona_assembly::Cid;
use libp2p::PeerId;
use tokio::{
    sync::{mpsc::Receiver, oneshot},
    task::spawn_blocking,
    time::sleep_until,
};

use super::{
    Shared,
    getter::{Getter, Out},
    reader::Room,
    writer::{Letter, Writers},
};
use crate::{Fetch, FetchError, Fetched, handle::Command};

/// Messages that are worked on in one go.
const BATCH: usize = 16;

pub(super) type End = oneshot::Sender<Result<Fetched, FetchError>>;

/// What the client is told.
#[derive(Debug)]
pub(super) enum Input {
    /// The owner wants content.
    Fetch {
        /// Which.
        fetch: Box<Fetch>,
        /// Where its end is told.
        end: End,
    },
    /// A peer answered.
    Said(Said),
    /// A peer takes no messages.
    Deaf(PeerId),
    /// The DHT named providers for a fetch.
    Found(u64, Vec<PeerId>),
}

/// What a peer answered; the hashes have been taken.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) peer: PeerId,
    pub(super) blocks: Vec<(Cid, Bytes)>,
    pub(super) has: Vec<Cid>,
    pub(super) lacks: Vec<Cid>,
    /// Given back when the blocks are stored.
    pub(super) _room: Room,
}

pub(super) async fn run(shared: Arc<Shared>, writers: Writers, mut inputs: Receiver<Input>) {
    let mut getter = Getter::new(&shared.content);
    let changed = shared.roll.changed.clone();
    loop {
        let next = getter.next();
        let mut batch = Vec::new();
        tokio::select! {
            input = inputs.recv() => match input {
                Some(input) => batch.push(input),
                None => return,
            },
            () = changed.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
        }
        while batch.len() < BATCH
            && let Ok(input) = inputs.try_recv()
        {
            batch.push(input);
        }
        let everybody = shared.roll.all();
        let worked = spawn_blocking(move || {
            let outs = getter.work(batch, everybody, Instant::now());
            (getter, outs)
        });
        let Ok((back, outs)) = worked.await else { return };
        getter = back;
        for out in outs {
            carry_out(&shared, &writers, out);
        }
    }
}

fn carry_out(shared: &Arc<Shared>, writers: &Writers, out: Out) {
    match out {
        // What is not taken is late, and then asked of somebody else.
        Out::Ask { peer, message } => drop(writers.send(peer, Letter::Ask(message))),
        Out::Blame { peer, reason } => shared.penalise(peer, reason),
        Out::Received { peer, bytes } => shared.notes.add(peer, |note| note.received += bytes),
        Out::Wasted(bytes) => shared.metrics.wasted(bytes),
        Out::Ended(outcome) => shared.metrics.fetched(outcome),
        Out::Dial { peer, address } => {
            shared.commands.submit(Command::Dial { peer, address });
        }
        Out::Find { fetch, root } => {
            let (reply, found) = oneshot::channel();
            if shared.commands.submit(Command::FindProviders { root, reply }) {
                let shared = shared.clone();
                tokio::spawn(async move {
                    if let Ok(peers) = found.await {
                        let _ = shared.inputs.send(Input::Found(fetch, peers)).await;
                    }
                });
            }
        }
    }
}
