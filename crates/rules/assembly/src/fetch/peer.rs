//! What a fetch knows of one peer: how much it may be asked at once, and how long it takes.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Config;
use crate::content::Cid;

/// Blocks that a peer may be asked for at once, however small they are. Others remember 1,024
/// wants of a peer.
const WANTS_MAX: usize = 512;

/// Bytes that a peer may be asked for before it has delivered anything.
const FIRST_MAX: u64 = 1024 * 1024;

/// Bytes that a peer may be asked for at least, however little is left for all.
const SHARE_MIN: u64 = 2 * 1024 * 1024;

/// How long a peer may deliver nothing at all while others do.
const DEAD_MS: u64 = 500;

/// How much longer than four times what it usually takes a peer is silent before what it owes is
/// asked of one who has nothing to do: a busy processor is no offence.
const QUIET_MS: u64 = 25;

/// A block that a peer was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    since_ms: u64,
    size: u64,
    /// Counts what the peer was asked for.
    number: u64,
}

/// What is known of whether a peer has the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was asked whether it has the root.
    Probed,
    /// It has at least part of it.
    Holder,
    /// It said that it has nothing.
    Without,
}

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) standing: Standing,
    /// Bytes that it may be asked for at once.
    window: u64,
    window_max: u64,
    pub(super) flight: BTreeMap<Cid, Asked>,
    flight_bytes: u64,
    asked: u64,
    /// When it was first asked for a block.
    first_asked_ms: Option<u64>,
    /// Blocks that it said it has not.
    pub(super) lacks: BTreeSet<Cid>,
    /// Blocks that it was asked for once and no longer is; they may still come.
    pub(super) released: BTreeSet<Cid>,
    /// Mean time from asking to arrival and its deviation, in milliseconds; `None` before the
    /// first block.
    mean: Option<(u64, u64)>,
    /// The shortest time from asking to arrival: what is beyond it was spent waiting in a queue.
    shortest_ms: u64,
    /// Mean time between two blocks while it owes some, in sixteenths of a millisecond.
    gap: u64,
    /// It delivered a block since it was last idle.
    is_under_way: bool,
    /// The last time at which it delivered something.
    progress_ms: u64,
    /// Times in a row that it was late.
    pub(super) strikes: u32,
    pub(super) unasked: u32,
    /// It fell silent at the end, and what others have of what it owed was asked of them; nothing
    /// came from it since.
    pub(super) is_relieved: bool,
    /// It was named as one who does not deliver.
    pub(super) is_named: bool,
    /// It is asked only when nobody else can be: until then it is out.
    pub(super) resting_until_ms: u64,
}

impl Peer {
    pub(super) fn new(standing: Standing, is_large: bool, config: &Config, now_ms: u64) -> Self {
        let mut peer = Self {
            standing,
            window: config.window_small,
            window_max: config.window_small,
            flight: BTreeMap::new(),
            flight_bytes: 0,
            asked: 0,
            first_asked_ms: None,
            lacks: BTreeSet::new(),
            released: BTreeSet::new(),
            mean: None,
            shortest_ms: u64::MAX,
            gap: 0,
            is_under_way: false,
            progress_ms: now_ms,
            strikes: 0,
            unasked: 0,
            is_relieved: false,
            is_named: false,
            resting_until_ms: 0,
        };
        if is_large {
            peer.widen(config);
        }
        peer
    }

    /// It is known to take large windows.
    pub(super) fn widen(&mut self, config: &Config) {
        self.window = self.window.max(config.window_start);
        self.window_max = config.window_max;
    }

    /// Whether another block of this size may be asked for, when `share` is what everybody may owe
    /// of what is left. One always may: blocks may be larger than the window.
    pub(super) fn has_room(&self, size: u64, share: u64) -> bool {
        // Who has delivered nothing yet is not trusted with much.
        let window = if self.mean.is_none() { self.window.min(FIRST_MAX) } else { self.window };
        // Enough that it is never idle: twice what it sends until it hears of the next want.
        let busy = self.on_its_way().saturating_add(1).saturating_mul(2).saturating_mul(size);
        let window = window.min(share.max(busy).max(SHARE_MIN));
        let fits = self.flight_bytes.saturating_add(size) <= window;
        self.flight.is_empty() || (fits && self.flight.len() < WANTS_MAX)
    }

    /// How busy it is, in thousandths of its window.
    pub(super) fn business(&self) -> u64 {
        let scaled = self.flight_bytes.saturating_mul(1_000);
        scaled.checked_div(self.window).unwrap_or(u64::MAX)
    }

    pub(super) fn ask(&mut self, cid: Cid, size: u64, now_ms: u64) {
        if self.flight.is_empty() {
            // It owed nothing, so it was not late until now, and the way there is no gap.
            self.progress_ms = now_ms;
            self.is_under_way = false;
        }
        self.asked = self.asked.saturating_add(1);
        self.first_asked_ms.get_or_insert(now_ms);
        self.flight.insert(cid, Asked { since_ms: now_ms, size, number: self.asked });
        self.flight_bytes = self.flight_bytes.saturating_add(size);
        self.released.remove(&cid);
    }

    /// It is no longer asked for a block.
    pub(super) fn release(&mut self, cid: &Cid) -> Option<Asked> {
        let asked = self.flight.remove(cid)?;
        self.flight_bytes = self.flight_bytes.saturating_sub(asked.size);
        self.released.insert(*cid);
        Some(asked)
    }

    /// A block that it was asked for came.
    pub(super) fn deliver(&mut self, cid: &Cid, config: &Config, now_ms: u64) {
        let gap = now_ms.saturating_sub(self.progress_ms).saturating_mul(16);
        self.progress_ms = now_ms;
        self.strikes = 0;
        self.is_relieved = false;
        self.resting_until_ms = 0;
        let Some(asked) = self.release(cid) else { return };
        self.released.remove(cid);
        if std::mem::replace(&mut self.is_under_way, true) {
            self.gap = self.gap.saturating_mul(7).saturating_add(gap) / 8;
        }
        let sample = now_ms.saturating_sub(asked.since_ms);
        self.learn(sample);
        // As long as blocks do not queue up on their way it may have more; then less, so that its
        // queue is not where the last blocks of the content wait.
        let queued = sample.saturating_sub(self.shortest_ms);
        self.window = if queued <= config.queue_ms {
            self.window.saturating_add(asked.size).min(self.window_max)
        } else {
            let least = config.window_start.min(self.window_max);
            self.window.saturating_sub(asked.size / 4).max(least)
        };
    }

    /// How long what it owes will take, in milliseconds.
    pub(super) fn remaining_ms(&self) -> u64 {
        self.gap.saturating_mul(self.flight.len() as u64) / 16
    }

    /// Blocks that it sends in a round trip; unknown counts as many.
    fn on_its_way(&self) -> u64 {
        let round_trip = self.shortest_ms.saturating_mul(16);
        round_trip.checked_div(self.gap).unwrap_or(u64::MAX)
    }

    /// When it will have been silent for so long that somebody with nothing to do had better be
    /// asked for what it owes: four times what a block takes it. `None` while it owes nothing, and
    /// before its first block: it may just be far away.
    pub(super) fn quiet_at_ms(&self) -> Option<u64> {
        let usual = self.shortest_ms()?.max(self.gap / 16);
        let patience = usual.saturating_mul(4).saturating_add(QUIET_MS);
        let owes = !self.flight.is_empty() && !self.is_relieved;
        owes.then(|| self.progress_ms.saturating_add(patience))
    }

    /// Half of what it owes and will not have sent before it hears that it need not, the last
    /// asked first.
    pub(super) fn spare(&self) -> Vec<Cid> {
        let on_its_way = usize::try_from(self.on_its_way()).unwrap_or(usize::MAX);
        let half = self.flight.len().saturating_sub(on_its_way) / 2;
        let mut owed: Vec<_> = self.flight.iter().collect();
        owed.sort_by_key(|(_, asked)| std::cmp::Reverse(asked.number));
        owed.into_iter().take(half).map(|(cid, _)| *cid).collect()
    }

    /// It answered, if only that it has not what was asked.
    pub(super) const fn answered(&mut self, now_ms: u64) {
        self.progress_ms = now_ms;
    }

    /// It was late: it is asked for less and trusted for longer.
    pub(super) fn strike(&mut self, config: &Config, now_ms: u64) {
        self.strikes = self.strikes.saturating_add(1);
        self.window = (self.window / 2).max(config.window_small.min(self.window_max));
        self.progress_ms = now_ms;
        let rest = config
            .late_max_ms
            .min(config.late_min_ms.saturating_mul(1_u64.wrapping_shl(self.strikes.min(10))));
        self.resting_until_ms = now_ms.saturating_add(rest);
    }

    /// Weighs in how long a block took.
    fn learn(&mut self, sample: u64) {
        self.shortest_ms = self.shortest_ms.min(sample);
        self.mean = Some(match self.mean {
            None => (sample, sample / 2),
            Some((mean, deviation)) => {
                let off = mean.abs_diff(sample);
                let deviation = deviation.saturating_mul(3).saturating_add(off) / 4;
                let mean = mean.saturating_mul(7).saturating_add(sample) / 8;
                (mean, deviation)
            }
        });
    }

    /// Its mean time for a block, once it is known.
    pub(super) fn mean_ms(&self) -> Option<u64> {
        self.mean.map(|(mean, _)| mean)
    }

    /// Its shortest time for a block, once it delivered one.
    pub(super) fn shortest_ms(&self) -> Option<u64> {
        self.mean.map(|_| self.shortest_ms)
    }

    /// How long it may deliver nothing before it is late. Before its first block, the others'
    /// times say what can be expected.
    pub(super) fn patience_ms(
        &self,
        others_ms: Option<u64>,
        is_tail: bool,
        config: &Config,
    ) -> u64 {
        let expected = match (self.mean, others_ms) {
            (Some((mean, deviation)), _) => mean.saturating_add(deviation.saturating_mul(4)),
            // It may just be far away. As long as others have enough to do, waiting costs nothing.
            (None, Some(others)) if is_tail => others.saturating_mul(4),
            (None, Some(others)) => others.saturating_mul(4).max(DEAD_MS),
            (None, None) => config.late_start_ms,
        };
        // Each time that it was late it gets twice as long, should its way just be slow.
        let factor = 1_u64.wrapping_shl(self.strikes.min(10));
        expected.max(config.late_min_ms).saturating_mul(factor).min(config.late_max_ms)
    }

    /// When it will be late if nothing comes: with everything, or with one block that it leaves
    /// out again and again.
    pub(super) fn late_at_ms(&self, patience_ms: u64) -> Option<u64> {
        let oldest = self.flight.values().map(|asked| asked.since_ms).min()?;
        let silent = self.progress_ms.saturating_add(patience_ms);
        let skipped = oldest.saturating_add(patience_ms.saturating_mul(8));
        Some(silent.min(skipped))
    }

    /// When it has been silent for so long since it was first asked that it cannot just be far
    /// away; `None` once it delivered, or is named, or was never late.
    pub(super) fn dead_at_ms(&self) -> Option<u64> {
        let is_suspect = self.mean.is_none() && self.strikes > 0 && !self.is_named;
        self.first_asked_ms.filter(|_| is_suspect).map(|first| first.saturating_add(DEAD_MS))
    }

    pub(super) const fn is_resting(&self, now_ms: u64) -> bool {
        self.resting_until_ms > now_ms
    }
}
