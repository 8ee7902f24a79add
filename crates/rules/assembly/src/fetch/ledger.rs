//! What others want of us, within bounds, and who is served first.
//!
//! Whoever gave us more in proportion to what it took is served first, so that a crowd that only
//! takes does not push out those who share. Nobody is refused for having nothing to give: new
//! nodes have nothing.

use std::collections::BTreeMap;

use thiserror::Error;

use super::WantKind;
use crate::content::Cid;

/// Wants of one peer that are remembered.
pub const WANTS_MAX: usize = 1_024;
/// Wants beyond that in one message before the peer is at fault.
pub const OVERFLOW_MAX: usize = 1_024;
/// Bytes after which an answer takes nothing more.
pub const ANSWER_MAX: u64 = 1024 * 1024;

/// One line of a peer's wantlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which block.
    pub cid: Cid,
    /// Its bytes, or whether it is here.
    pub kind: WantKind,
    /// Whether to say so if it is not here.
    pub send_dont_have: bool,
}

/// Something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serve {
    /// The block's bytes.
    Block(Cid),
    /// That it is here.
    Have(Cid),
    /// That it is not.
    DontHave(Cid),
}

/// A peer wants far too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} wants at once, {WANTS_MAX} are allowed")]
pub struct Greedy(pub usize);

/// How fast one peer is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Peers that are remembered.
    pub peers_max: usize,
    /// Bytes on their way to one peer.
    pub flight_max: u64,
    /// Bytes a second for one peer, over the last second.
    pub rate_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { peers_max: 1_024, flight_max: 4 * MIB, rate_max: 512 * MIB }
    }
}

#[derive(Clone, Debug, Default)]
struct Account {
    wants: BTreeMap<Cid, (WantKind, bool)>,
    /// Bytes that we sent and that we received, ever.
    sent: u64,
    received: u64,
    flight: u64,
    /// The second that is running, and what was sent in it.
    second: u64,
    sent_in_second: u64,
    /// Everybody's turn comes: the number of answers before the last one.
    turn: u64,
}

impl Account {
    /// Compares debts, `sent / (received + 1)`, the smaller first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let cross = |a: &Self, b: &Self| {
            u128::from(a.sent).saturating_mul(u128::from(b.received).saturating_add(1))
        };
        cross(self, other).cmp(&cross(other, self)).then(self.turn.cmp(&other.turn))
    }

    fn may_send(&self, config: &Config, now_ms: u64) -> bool {
        let spent = if self.second == now_ms / 1_000 { self.sent_in_second } else { 0 };
        self.flight < config.flight_max && spent < config.rate_max
    }
}

/// Accounts of all peers; `P` is a peer.
#[derive(Debug)]
pub struct Ledger<P> {
    accounts: BTreeMap<P, Account>,
    config: Config,
    turn: u64,
}

impl<P: Ord + Clone> Ledger<P> {
    /// Nobody wants anything.
    pub const fn new(config: Config) -> Self {
        Self { accounts: BTreeMap::new(), config, turn: 0 }
    }

    /// A peer sent its wants: all of them if `is_full`, else more. Those beyond the limit are
    /// dropped, the oldest known ones stay.
    ///
    /// # Errors
    /// [`Greedy`] when it wants so much that it is at fault; nothing is remembered then.
    pub fn want(&mut self, peer: &P, wants: &[Want], is_full: bool) -> Result<(), Greedy> {
        if wants.len() > WANTS_MAX.saturating_add(OVERFLOW_MAX) {
            return Err(Greedy(wants.len()));
        }
        let Some(account) = self.account(peer) else { return Ok(()) };
        if is_full {
            account.wants.clear();
        }
        for want in wants {
            if account.wants.len() < WANTS_MAX || account.wants.contains_key(&want.cid) {
                account.wants.insert(want.cid, (want.kind, want.send_dont_have));
            }
        }
        Ok(())
    }

    /// A peer takes wants back.
    pub fn cancel(&mut self, peer: &P, cids: &[Cid]) {
        if let Some(account) = self.accounts.get_mut(peer) {
            for cid in cids {
                account.wants.remove(cid);
            }
        }
    }

    /// We received a block that we wanted.
    pub fn received(&mut self, peer: &P, bytes: u64) {
        if let Some(account) = self.account(peer) {
            account.received = account.received.saturating_add(bytes);
        }
    }

    /// An answer of so many bytes left, or will never.
    pub fn sent(&mut self, peer: &P, bytes: u64) {
        if let Some(account) = self.accounts.get_mut(peer) {
            account.flight = account.flight.saturating_sub(bytes);
        }
    }

    /// A peer is gone; what it gave and took is remembered while there is room.
    pub fn gone(&mut self, peer: &P) {
        if let Some(account) = self.accounts.get_mut(peer) {
            account.wants.clear();
            account.flight = 0;
        }
    }

    /// The next answer: to whom, what, and how many bytes of blocks are in it. `length` says how
    /// long a block is that is here. `None` when there is nothing to send now.
    pub fn next(
        &mut self,
        length: &dyn Fn(&Cid) -> Option<u64>,
        now_ms: u64,
    ) -> Option<(P, Vec<Serve>, u64)> {
        let config = self.config;
        let (peer, _) = self
            .accounts
            .iter()
            .filter(|(_, account)| !account.wants.is_empty() && account.may_send(&config, now_ms))
            .min_by(|(_, a), (_, b)| a.cmp(b))?;
        let peer = peer.clone();
        let account = self.accounts.get_mut(&peer)?;
        let (mut answer, mut bytes) = (Vec::new(), 0_u64);
        while bytes < ANSWER_MAX
            && let Some((cid, (kind, send_dont_have))) = account.wants.pop_first()
        {
            match (length(&cid), kind) {
                (Some(length), WantKind::Block) => {
                    bytes = bytes.saturating_add(length);
                    answer.push(Serve::Block(cid));
                }
                (Some(_), WantKind::Have) => answer.push(Serve::Have(cid)),
                (None, _) if send_dont_have => answer.push(Serve::DontHave(cid)),
                (None, _) => {}
            }
        }
        self.turn = self.turn.saturating_add(1);
        account.turn = self.turn;
        account.sent = account.sent.saturating_add(bytes);
        account.flight = account.flight.saturating_add(bytes);
        let second = now_ms / 1_000;
        if account.second != second {
            (account.second, account.sent_in_second) = (second, 0);
        }
        account.sent_in_second = account.sent_in_second.saturating_add(bytes);
        Some((peer, answer, bytes))
    }

    /// Bytes sent to and received from a peer.
    pub fn balance(&self, peer: &P) -> (u64, u64) {
        self.accounts.get(peer).map_or((0, 0), |account| (account.sent, account.received))
    }

    /// How many wants of a peer are open.
    pub fn open(&self, peer: &P) -> usize {
        self.accounts.get(peer).map_or(0, |account| account.wants.len())
    }

    /// A peer's account; `None` when there is no room for another. Who wants nothing and has the
    /// largest debt makes room first.
    fn account(&mut self, peer: &P) -> Option<&mut Account> {
        if !self.accounts.contains_key(peer) && self.accounts.len() >= self.config.peers_max {
            let idle = |account: &Account| account.wants.is_empty() && account.flight == 0;
            let (worst, _) = self
                .accounts
                .iter()
                .filter(|(_, account)| idle(account))
                .max_by(|(_, a), (_, b)| a.cmp(b))?;
            let worst = worst.clone();
            self.accounts.remove(&worst);
        }
        Some(self.accounts.entry(peer.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Codec;

    fn cid(n: u32) -> Cid {
        Cid::of(Codec::Raw, &n.to_le_bytes())
    }

    fn wants(range: std::ops::Range<u32>) -> Vec<Want> {
        range.map(|n| Want { cid: cid(n), kind: WantKind::Block, send_dont_have: true }).collect()
    }

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_wantlist_is_bounded_and_a_million_entries_are_an_offence() {
        let mut ledger = Ledger::new(Config::default());
        ledger.want(&"ana", &wants(0..1_500), false).unwrap();
        ledger.want(&"ana", &wants(2_000..3_000), false).unwrap();
        assert_eq!(ledger.open(&"ana"), WANTS_MAX);
        let greedy = vec![wants(0..1)[0]; 1_000_000];
        assert_eq!(ledger.want(&"bo", &greedy, false), Err(Greedy(1_000_000)));
        assert_eq!(ledger.open(&"bo"), 0);
        ledger.want(&"ana", &wants(0..2), true).unwrap();
        assert_eq!(ledger.open(&"ana"), 2);
        ledger.cancel(&"ana", &[cid(0)]);
        assert_eq!(ledger.open(&"ana"), 1);
    }

    #[test]
    fn whoever_shares_is_served_before_whoever_only_takes() {
        let mut ledger = Ledger::new(Config { flight_max: u64::MAX, ..Config::default() });
        ledger.received(&"shares", 10 * MIB);
        for peer in ["takes", "shares"] {
            ledger.want(&peer, &wants(0..40), false).unwrap();
        }
        let mut order = Vec::new();
        while let Some((peer, answer, bytes)) = ledger.next(&|_| Some(MIB), 0) {
            assert_eq!((answer.len(), bytes), (1, MIB));
            order.push(peer);
        }
        assert_eq!(order.len(), 80);
        let early = order.iter().take(40).filter(|peer| **peer == "shares").count();
        assert!(early >= 38, "{early}");
    }

    #[test]
    fn equals_take_turns_and_what_is_on_its_way_is_bounded() {
        let mut ledger = Ledger::new(Config { flight_max: 2 * MIB, ..Config::default() });
        for peer in ["ana", "bo", "cy"] {
            ledger.want(&peer, &wants(0..10), false).unwrap();
        }
        let mut counts = BTreeMap::new();
        while let Some((peer, _, _)) = ledger.next(&|_| Some(MIB), 0) {
            *counts.entry(peer).or_insert(0) += 1;
        }
        assert_eq!(counts, BTreeMap::from([("ana", 2), ("bo", 2), ("cy", 2)]));
        ledger.sent(&"bo", MIB);
        assert_eq!(ledger.next(&|_| Some(MIB), 0).unwrap().0, "bo");
    }

    #[test]
    fn an_answer_says_what_is_not_here_only_if_asked() {
        let mut ledger = Ledger::new(Config::default());
        let mut list = wants(0..3);
        list[1].send_dont_have = false;
        list[2].kind = WantKind::Have;
        ledger.want(&"ana", &list, false).unwrap();
        let (_, answer, bytes) = ledger.next(&|c| (*c == cid(2)).then_some(5), 0).unwrap();
        assert_eq!(bytes, 0);
        assert!(answer.contains(&Serve::DontHave(cid(0))) && answer.contains(&Serve::Have(cid(2))));
        assert_eq!(answer.len(), 2);
        assert_eq!(ledger.next(&|_| None, 0), None);
    }

    #[test]
    fn accounts_are_bounded_and_the_deepest_in_debt_goes_first() {
        let mut ledger = Ledger::new(Config { peers_max: 2, ..Config::default() });
        ledger.want(&1, &wants(0..1), false).unwrap();
        ledger.next(&|_| Some(MIB), 0).unwrap();
        ledger.sent(&1, MIB);
        ledger.received(&2, 5);
        ledger.received(&3, 7);
        assert_eq!(ledger.balance(&1), (0, 0));
        assert_eq!(ledger.balance(&2), (0, 5));
        assert_eq!(ledger.balance(&3), (0, 7));
    }
}
