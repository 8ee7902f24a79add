//! Serves: wants in, answers out, in the order that the ledger finds fair.
//!
//! Knows: when to answer and how much may be under way. Does not know: who deserves what; that is
//! the `Ledger`.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use girrona_assembly::{
    Cid,
    fetch::{
        Ledger,
        ledger::{Config, Want},
        wire,
    },
};
use libp2p::PeerId;
use tokio::{sync::mpsc::Receiver, task::spawn_blocking, time::sleep};

use super::{
    Shared,
    writer::{Letter, Writers},
};

/// Bytes of answers that are made in one go, before new wants are looked at.
const ROUND: u64 = 4 << 20;
/// Bytes of answers to one peer that have not left: one is written, one is ready. What is here
/// cannot be taken back, and votes to the same peer share its connection.
const FLIGHT_MAX: u64 = 2 << 20;
/// Messages that are taken in one go.
const BATCH: usize = 64;
/// How long whoever had its share of this second waits at most.
const RETRY: Duration = Duration::from_millis(100);

/// What a peer wants.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) peer: PeerId,
    pub(super) is_full: bool,
    pub(super) wants: Vec<Want>,
    pub(super) cancels: Vec<Cid>,
    /// CIDs of kinds that we never have, as the peer wrote them.
    pub(super) foreign: Vec<Vec<u8>>,
}

/// The serving side's state; lives on blocking threads while it works.
#[derive(Debug)]
struct Desk {
    shared: Arc<Shared>,
    ledger: Ledger<PeerId>,
    begin: Instant,
    /// Who may want something.
    wanting: BTreeSet<PeerId>,
    /// Bytes of blocks in answers that have not left.
    flight: u64,
}

pub(super) async fn run(shared: Arc<Shared>, writers: Writers, mut asks: Receiver<Ask>) {
    let mut desk = Desk {
        shared,
        ledger: Ledger::new(Config { flight_max: FLIGHT_MAX, ..Config::default() }),
        begin: Instant::now(),
        wanting: BTreeSet::new(),
        flight: 0,
    };
    let mut is_round_full = false;
    loop {
        let mut batch = Vec::new();
        if !is_round_full {
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(ask) => batch.push(ask),
                    None => return,
                },
                () = desk.shared.notes.wait() => {}
                () = sleep(RETRY), if !desk.wanting.is_empty() => {}
            }
        }
        while batch.len() < BATCH
            && let Ok(ask) = asks.try_recv()
        {
            batch.push(ask);
        }
        let worked = spawn_blocking(move || {
            let answers = desk.work(batch);
            (desk, answers)
        });
        let Ok((back, answers)) = worked.await else { return };
        desk = back;
        is_round_full = answers.is_full;
        for (peer, bytes, weight) in answers.letters {
            if !writers.send(peer, Letter::Answer(bytes, weight)) {
                desk.sent(&peer, weight);
                if !desk.shared.roll.has(&peer) {
                    desk.ledger.gone(&peer);
                }
            }
        }
    }
}

#[derive(Default)]
struct Answers {
    letters: Vec<(PeerId, Vec<u8>, u64)>,
    /// There is more to do at once.
    is_full: bool,
}

impl Desk {
    fn sent(&mut self, peer: &PeerId, bytes: u64) {
        self.flight = self.flight.saturating_sub(bytes);
        self.ledger.sent(peer, bytes);
    }

    fn work(&mut self, asks: Vec<Ask>) -> Answers {
        for (peer, note) in self.shared.notes.take() {
            self.sent(&peer, note.sent);
            if note.received > 0 {
                self.ledger.received(&peer, note.received);
            }
            if note.is_gone {
                self.ledger.gone(&peer);
            }
        }
        let mut answers = Answers::default();
        for ask in asks {
            self.take(ask, &mut answers);
        }
        self.answer(&mut answers);
        answers
    }

    fn take(&mut self, ask: Ask, answers: &mut Answers) {
        let Ask { peer, is_full, wants, cancels, foreign } = ask;
        if !foreign.is_empty() {
            let foreign: Vec<&[u8]> = foreign.iter().map(Vec::as_slice).collect();
            let none = wire::answer(&[], &foreign, 0, &|_| None::<Bytes>);
            answers.letters.push((peer, none, 0));
        }
        if self.ledger.want(&peer, &wants, is_full).is_err() {
            self.shared.penalise(peer, "greedy wantlist");
        }
        self.ledger.cancel(&peer, &cancels);
        if self.ledger.open(&peer) > 0 {
            self.wanting.insert(peer);
        }
    }

    fn answer(&mut self, answers: &mut Answers) {
        let blocks = self.shared.content.blocks.clone();
        let max = self.shared.content.serving_max as u64;
        let mut made = 0;
        while self.flight < max {
            if made >= ROUND {
                answers.is_full = true;
                return;
            }
            let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
            let length = |cid: &Cid| blocks.size(cid).map(u64::from);
            let Some((peer, serves, bytes)) = self.ledger.next(&length, now) else {
                break;
            };
            self.flight = self.flight.saturating_add(bytes);
            made = made.saturating_add(bytes.max(1_024));
            if serves.is_empty() {
                continue;
            }
            let get = |cid: &Cid| match blocks.get(cid) {
                Ok(block) => block,
                Err(error) => {
                    tracing::warn!(%cid, %error, "a block cannot be read");
                    None
                }
            };
            let letter = wire::answer(&serves, &[], 0, &get);
            answers.letters.push((peer, letter, bytes));
        }
        // Those who have had enough for now.
        let ledger = &self.ledger;
        self.wanting.retain(|peer| ledger.open(peer) > 0);
    }
}
