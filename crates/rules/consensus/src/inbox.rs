//! Messages that came too early: other validators may be a height ahead while we still execute.
//!
//! Bounded by [`HEIGHTS_AHEAD`] heights; per height [`PER_VALIDATOR`] messages of each validator
//! we know and [`STRANGERS`] of all others together, who may be validators of the next era. When
//! full, the newest is dropped: votes are sent again, and decisions can be fetched.

use std::collections::BTreeMap;

use casper_types::PublicKey;
use girrona_types::Height;

use crate::message::{HEIGHTS_AHEAD, Message};

/// A round has three messages of a validator; this is room for a few rounds.
const PER_VALIDATOR: usize = 8;
/// Messages of signers who are not validators now.
const STRANGERS: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Inbox(BTreeMap<Height, Early>);

#[derive(Debug, Default)]
struct Early {
    known: BTreeMap<PublicKey, Vec<Message>>,
    strangers: Vec<Message>,
}

impl Inbox {
    /// Whether there is room for this message and it is new. Asked before its signature is
    /// checked, because that costs more.
    pub(crate) fn has_room(&self, message: &Message, known: bool) -> bool {
        let Some(signer) = message.signer() else { return false };
        let Some(early) = self.0.get(&message.height()) else { return true };
        let (kept, limit) = if known {
            (early.known.get(signer).map(Vec::as_slice).unwrap_or_default(), PER_VALIDATOR)
        } else {
            (early.strangers.as_slice(), STRANGERS)
        };
        kept.len() < limit && !kept.contains(message)
    }

    /// Keeps a message for which there is room and whose signature is good.
    pub(crate) fn keep(&mut self, message: Message, known: bool) {
        let Some(signer) = message.signer().cloned() else { return };
        let early = self.0.entry(message.height()).or_default();
        if known {
            early.known.entry(signer).or_default().push(message);
        } else {
            early.strangers.push(message);
        }
    }

    /// The messages kept for this height; those of earlier heights are forgotten.
    pub(crate) fn take(&mut self, height: Height) -> Vec<Message> {
        self.0 = self.0.split_off(&height);
        let Some(early) = self.0.remove(&height) else { return vec![] };
        early.known.into_values().flatten().chain(early.strangers).collect()
    }

    /// Whether a message of `height` may be kept while `current` is decided.
    pub(crate) fn is_near(current: Height, height: Height) -> bool {
        height > current && height.0 <= current.0.saturating_add(HEIGHTS_AHEAD)
    }
}

#[cfg(test)]
mod tests {
    use casper_types::{SecretKey, Signature};
    use girrona_types::Round;

    use super::*;
    use crate::message::{Signed, Vote, VoteKind};

    fn vote(seed: u8, height: u64, round: u32) -> Message {
        let signer = PublicKey::from(&SecretKey::ed25519_from_bytes([seed; 32]).unwrap());
        let (height, round) = (Height(height), Round(round));
        let body = Vote { kind: VoteKind::Prevote, height, round, value: None, signer };
        Message::Vote(Signed { body, signature: Signature::System })
    }

    fn offer(inbox: &mut Inbox, message: Message, known: bool) -> bool {
        let room = inbox.has_room(&message, known);
        if room {
            inbox.keep(message, known);
        }
        room
    }

    #[test]
    fn messages_wait_for_their_height_and_older_ones_are_forgotten() {
        let mut inbox = Inbox::default();
        for height in 2..=4 {
            assert!(offer(&mut inbox, vote(1, height, 0), true));
        }
        assert_eq!(inbox.take(Height(3)), vec![vote(1, 3, 0)]);
        assert_eq!(inbox.take(Height(3)), vec![]);
        assert_eq!(inbox.take(Height(2)), vec![]);
        assert_eq!(inbox.take(Height(4)), vec![vote(1, 4, 0)]);
    }

    #[test]
    fn a_flood_fills_only_the_senders_own_room() {
        let mut inbox = Inbox::default();
        let kept = (0..1_000).filter(|round| offer(&mut inbox, vote(1, 2, *round), true)).count();
        assert_eq!(kept, PER_VALIDATOR);
        assert!(offer(&mut inbox, vote(2, 2, 0), true));
        assert!(!offer(&mut inbox, vote(2, 2, 0), true), "the same again");
        let kept = (0..1_000).filter(|round| offer(&mut inbox, vote(3, 2, *round), false)).count();
        assert_eq!(kept, STRANGERS);
        assert!(offer(&mut inbox, vote(4, 2, 0), true));
    }

    #[test]
    fn only_the_next_ten_heights_are_near() {
        let near: Vec<_> =
            (0..30).filter(|height| Inbox::is_near(Height(5), Height(*height))).collect();
        assert_eq!(near, (6..=15).collect::<Vec<_>>());
        assert!(Inbox::is_near(Height(u64::MAX - 1), Height(u64::MAX)));
        assert!(!Inbox::is_near(Height(u64::MAX), Height(u64::MAX)));
    }
}
