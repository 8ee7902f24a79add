//! The second guard against signing twice: the last thing signed, kept beside the write-ahead log.
//!
//! The log alone is enough when it is whole. The guard is for the day it is not: restored from a
//! backup, deleted, or cut by a disk that lied. It knows nothing of rounds' rules, only that
//! signatures move forward and never contradict.
//!
//! "Forward" is judged between steps, not within one: the engine decides its votes in order, but
//! may come back to sign one after it has signed for a later round in the same step. A crash
//! there leaves a log that knows the later vote and not the earlier one; replaying a log that
//! reaches as far as the guard may therefore sign behind the guard as well.

use std::{collections::BTreeMap, fmt};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::Digest;
use girrona_types::{Height, Round};

use crate::message::put;

/// The first byte of a guard record.
const VERSION: u8 = 1;

/// What is signed in a round, in this order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Step {
    /// A leader's proposal.
    Propose,
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Propose => "proposal",
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
        })
    }
}

/// The place of a signature; places are ordered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct Slot {
    pub(crate) height: Height,
    pub(crate) round: Round,
    pub(crate) step: Step,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} of height {}, round {}", self.step, self.height, self.round)
    }
}

/// Why the guard refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// The stored record is not one of ours; signing without it would be blind.
    #[error("the guard's record cannot be read: {0}")]
    Unreadable(String),
    /// Something else was signed for the same slot.
    #[error("{0} was signed before, with other content")]
    Contradiction(String),
    /// Something later was signed already.
    #[error("{asked} is behind {last}, which was signed already")]
    WentBack {
        /// What was to be signed.
        asked: String,
        /// What was signed last.
        last: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Last {
    slot: Slot,
    digest: [u8; 32],
}

/// What was signed last, and what in this step.
#[derive(Debug)]
pub(crate) struct Guard {
    /// The highest slot ever signed.
    last: Option<Last>,
    /// Nothing at or below this may be signed any more, except the same again.
    floor: Option<Last>,
    /// What was signed since the floor was set.
    fresh: BTreeMap<Slot, [u8; 32]>,
    unsaved: bool,
}

impl Guard {
    /// Goes on where the record left off.
    pub(crate) fn load(record: Option<&[u8]>) -> Result<Self, GuardError> {
        let unreadable = |text: String| GuardError::Unreadable(text);
        let last = match record.map(<[u8]>::split_first) {
            None => None,
            Some(Some((&VERSION, body))) => {
                Some(borsh::from_slice(body).map_err(|e| unreadable(e.to_string()))?)
            }
            Some(_) => return Err(unreadable("not a record of this version".to_owned())),
        };
        Ok(Self { last, floor: last, fresh: BTreeMap::new(), unsaved: false })
    }

    /// A step begins: from now on, what was signed before it is behind.
    pub(crate) fn begin_step(&mut self) {
        self.floor = self.last;
        self.fresh.clear();
    }

    /// The replay of `height`'s log begins, in which we signed these. If the log reaches as far
    /// as the guard, nothing was lost and the replay may say everything again.
    pub(crate) fn begin_replay(&mut self, height: Height, signed: BTreeMap<Slot, [u8; 32]>) {
        self.begin_step();
        let Some(last) = self.last else { return };
        if last.slot.height == height && signed.get(&last.slot) == Some(&last.digest) {
            self.floor = None;
            self.fresh = signed;
        }
    }

    /// Whether these bytes may be signed for this slot. If so, nothing else ever may.
    pub(crate) fn permit(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), GuardError> {
        let digest = digest(bytes);
        let before = match self.floor {
            Some(floor) if slot == floor.slot => Some(floor.digest),
            Some(floor) if slot < floor.slot => {
                return Err(GuardError::WentBack {
                    asked: slot.to_string(),
                    last: floor.slot.to_string(),
                });
            }
            _ => self.fresh.get(&slot).copied(),
        };
        if before.is_some_and(|before| before != digest) {
            return Err(GuardError::Contradiction(slot.to_string()));
        }
        self.fresh.insert(slot, digest);
        if self.last.is_none_or(|last| slot > last.slot) {
            self.last = Some(Last { slot, digest });
            self.unsaved = true;
        }
        Ok(())
    }

    /// Whether something that was signed before may be sent again.
    pub(crate) fn permit_again(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), GuardError> {
        if self.floor.is_some_and(|floor| slot < floor.slot) {
            return Ok(());
        }
        self.permit(slot, bytes)
    }

    /// The record to make durable before anything that was signed is sent, if it changed.
    pub(crate) fn unsaved_record(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.unsaved) {
            return None;
        }
        let mut record = vec![VERSION];
        put(&mut record, self.last.as_ref()?);
        Some(record)
    }
}

/// How the guard remembers what was signed.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Digest::hash(bytes).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 3] = [Step::Propose, Step::Prevote, Step::Precommit];

    fn slot(height: u64, round: u32, step: Step) -> Slot {
        Slot { height: Height(height), round: Round(round), step }
    }

    fn slots() -> Vec<Slot> {
        let mut slots = vec![];
        for height in 1..=3 {
            for round in 0..3 {
                slots.extend(STEPS.map(|step| slot(height, round, step)));
            }
        }
        slots
    }

    #[test]
    fn every_pair_of_slots_is_judged_by_its_order() {
        for (i, first) in slots().into_iter().enumerate() {
            for (j, second) in slots().into_iter().enumerate() {
                for same_content in [true, false] {
                    let mut guard = Guard::load(None).unwrap();
                    guard.permit(first, b"A").unwrap();
                    let record = guard.unsaved_record().unwrap();
                    let mut guard = Guard::load(Some(&record)).unwrap();
                    let content: &[u8] = if same_content { b"A" } else { b"B" };
                    let answer = guard.permit(second, content);
                    let again = Guard::load(Some(&record)).unwrap().permit_again(second, content);
                    if j > i {
                        assert_eq!(answer, Ok(()));
                        assert!(guard.unsaved_record().is_some());
                    } else if j == i && same_content {
                        assert_eq!(answer, Ok(()));
                        assert!(guard.unsaved_record().is_none());
                    } else if j == i {
                        assert!(matches!(answer, Err(GuardError::Contradiction(_))));
                        assert!(guard.unsaved_record().is_none());
                    } else {
                        assert!(matches!(answer, Err(GuardError::WentBack { .. })));
                        assert!(guard.unsaved_record().is_none());
                    }
                    assert_eq!(again.is_ok(), j != i || same_content);
                }
            }
        }
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let mut guard = Guard::load(None).unwrap();
        guard.permit(slot(2, 1, Step::Prevote), b"A").unwrap();
        guard.begin_step();
        guard.permit(slot(2, 1, Step::Prevote), b"B").unwrap_err();
        guard.permit(slot(2, 0, Step::Precommit), b"A").unwrap_err();
        assert_eq!(guard.permit(slot(2, 1, Step::Prevote), b"A"), Ok(()));
    }

    #[test]
    fn within_a_step_the_order_is_free_but_the_content_is_not() {
        let mut guard = Guard::load(None).unwrap();
        guard.begin_step();
        guard.permit(slot(2, 1, Step::Prevote), b"A").unwrap();
        guard.permit(slot(2, 3, Step::Prevote), b"B").unwrap();
        guard.permit(slot(2, 2, Step::Precommit), b"C").unwrap();
        let changed = guard.permit(slot(2, 1, Step::Prevote), b"D");
        assert!(matches!(changed, Err(GuardError::Contradiction(_))));
        guard.begin_step();
        let behind = guard.permit(slot(2, 2, Step::Precommit), b"C");
        assert!(matches!(behind, Err(GuardError::WentBack { .. })));
        assert_eq!(guard.permit(slot(2, 3, Step::Prevote), b"B"), Ok(()));
    }

    #[test]
    fn a_replay_may_sign_behind_the_guard_only_with_a_log_that_reaches_it() {
        let (early, late) = (slot(2, 1, Step::Prevote), slot(2, 3, Step::Prevote));
        let mut guard = Guard::load(None).unwrap();
        guard.permit(late, b"B").unwrap();
        let record = guard.unsaved_record().unwrap();
        let replay = |signed: &[(Slot, &[u8])]| {
            let mut guard = Guard::load(Some(&record)).unwrap();
            let signed = signed.iter().map(|(slot, bytes)| (*slot, digest(bytes))).collect();
            guard.begin_replay(Height(2), signed);
            guard
        };
        assert_eq!(replay(&[(late, b"B")]).permit(early, b"A"), Ok(()));
        let with_early = &[(early, &b"A"[..]), (late, b"B")];
        assert!(replay(with_early).permit(early, b"X").is_err());
        assert!(replay(with_early).permit(late, b"X").is_err());
        assert!(replay(&[(early, b"A")]).permit(early, b"A").is_err());
        assert!(replay(&[(late, b"X")]).permit(early, b"A").is_err());
        assert!(replay(&[]).permit(early, b"A").is_err());
        let mut after = replay(&[(late, b"B")]);
        after.begin_step();
        assert!(after.permit(early, b"A").is_err());
    }

    #[test]
    fn a_record_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        for record in [&b""[..], b"\x02", b"\x01", b"\x01short", &[1; 100]] {
            assert!(matches!(Guard::load(Some(record)), Err(GuardError::Unreadable(_))));
        }
    }

    #[test]
    fn the_bytes_of_a_record_are_fixed() {
        let mut guard = Guard::load(None).unwrap();
        guard.permit(slot(258, 3, Step::Precommit), b"A").unwrap();
        assert_eq!(hex::encode(guard.unsaved_record().unwrap()), GOLDEN);
    }

    const GOLDEN: &str = "010201000000000000030000000\
        2a3a0081351bb785d0758ddf68076a95ffd3f10b88bbc9911e9fea4d793c06414";
}
