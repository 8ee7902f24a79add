//! How long to wait for what, and the names of the timers.

use std::time::Duration;

use girrona_types::{Height, Round};

/// What a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// The leader's proposal.
    Propose,
    /// More prevotes, once two thirds have come without agreeing.
    Prevote,
    /// More precommits, likewise.
    Precommit,
    /// Progress of any kind; then our last votes are sent again.
    Rebroadcast,
}

/// The name of a timer. A name that is set again replaces the timer that had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    /// The height that set it; it means nothing at another.
    pub height: Height,
    /// The round that set it.
    pub round: Round,
    /// What it waits for.
    pub kind: TimerKind,
}

/// How long validators wait. Every validator of a network should use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For the proposal of round 0, counted from the height's start: the time a leader takes on
    /// purpose (block time) belongs in it.
    pub propose: Duration,
    /// How much longer in each further round.
    pub propose_delta: Duration,
    /// For the last prevotes.
    pub prevote: Duration,
    /// How much longer in each further round.
    pub prevote_delta: Duration,
    /// For the last precommits.
    pub precommit: Duration,
    /// How much longer in each further round.
    pub precommit_delta: Duration,
    /// Until our votes are sent again when nothing moves.
    pub rebroadcast: Duration,
    /// No wait is longer than this, whatever the round.
    pub max: Duration,
}

impl Default for Timeouts {
    /// 1 s for a proposal, 500 ms for votes, 250 ms more per round.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_millis(500), Duration::from_millis(250))
    }
}

impl Timeouts {
    /// From the three settings of a chainspec: wait for a proposal, wait for votes, and by how
    /// much each further round waits longer.
    pub fn new(propose: Duration, vote: Duration, delta: Duration) -> Self {
        Self {
            propose,
            propose_delta: delta,
            prevote: vote,
            prevote_delta: delta,
            precommit: vote,
            precommit_delta: delta,
            rebroadcast: propose.saturating_add(vote).saturating_add(vote),
            max: Duration::from_secs(30).max(propose),
        }
    }

    /// How long a timer of this kind runs in this round.
    pub fn wait(&self, kind: TimerKind, round: Round) -> Duration {
        let (base, delta) = match kind {
            TimerKind::Propose => (self.propose, self.propose_delta),
            TimerKind::Prevote => (self.prevote, self.prevote_delta),
            TimerKind::Precommit => (self.precommit, self.precommit_delta),
            TimerKind::Rebroadcast => (
                self.rebroadcast,
                self.propose_delta
                    .saturating_add(self.prevote_delta)
                    .saturating_add(self.precommit_delta),
            ),
        };
        base.saturating_add(delta.saturating_mul(round.0)).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_rounds_wait_longer_but_not_for_ever() {
        let timeouts = Timeouts::default();
        let wait = |round| timeouts.wait(TimerKind::Propose, Round(round)).as_millis();
        assert_eq!((wait(0), wait(1), wait(4)), (1_000, 1_250, 2_000));
        assert_eq!(wait(u32::MAX), 30_000);
        assert_eq!(timeouts.wait(TimerKind::Precommit, Round(2)).as_millis(), 1_000);
    }
}
