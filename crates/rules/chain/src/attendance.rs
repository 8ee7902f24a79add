//! What the chain itself records of its validators: who missed their turn to lead, and who was
//! caught contradicting themselves.
//!
//! A proposal carries the certificate of the height before it: its round says who led in vain, its
//! signatures say who is there. Both are committed data, so every node draws the same leaders.

use std::{collections::BTreeSet, sync::Arc};

use casper_types::{Digest, PublicKey};
use girrona_consensus::{Leaders, Validators};
use girrona_types::{Chainspec, CommitCertificate, Height, Proposal, Round};

/// Who was absent lately and who was caught, within one era.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendance {
    absent: BTreeSet<PublicKey>,
    /// Who led a block of this era or signed for one.
    present: BTreeSet<PublicKey>,
    caught: BTreeSet<PublicKey>,
    /// The leaders of the height whose certificate comes next.
    last: Option<Arc<Leaders>>,
}

impl Attendance {
    /// Takes note of a committed proposal and of who led its height; gives the leaders of the
    /// next one, among its `validators`. `seed` is the block's accumulated seed. Each era begins
    /// with a clean sheet.
    #[must_use]
    pub fn after(
        &mut self,
        law: &Chainspec,
        validators: &Validators,
        height: Height,
        proposal: Option<&Proposal>,
        led_by: Option<Arc<Leaders>>,
        seed: Digest,
    ) -> Arc<Leaders> {
        if let Some(proposal) = proposal {
            self.note(proposal);
        }
        if law.is_switch_block(height) {
            self.absent.clear();
            self.present.clear();
            self.caught.clear();
            self.last = None;
        } else {
            self.last = led_by;
        }
        Arc::new(Leaders::new(validators.clone(), seed, self.absent.clone()))
    }

    /// Takes note of what a proposal says about the validators of its era.
    pub(crate) fn note(&mut self, proposal: &Proposal) {
        if let (Some(certificate), Some(leaders)) =
            (proposal.last_commit.as_ref(), self.last.as_ref())
        {
            self.absent.extend(missed(leaders, certificate));
            for (present, _) in &certificate.signatures {
                self.absent.remove(present);
                self.present.insert(present.clone());
            }
        }
        self.present.insert(proposal.proposer.clone());
        self.caught.extend(offenders(proposal));
    }

    /// Who missed a turn to lead and was not there at any time of the era.
    pub(crate) fn inactive(&self) -> impl Iterator<Item = &PublicKey> {
        self.absent.difference(&self.present)
    }

    /// Who counts as absent.
    pub fn absent(&self) -> &BTreeSet<PublicKey> {
        &self.absent
    }

    /// Whom evidence in this era's blocks has convicted.
    pub fn caught(&self) -> &BTreeSet<PublicKey> {
        &self.caught
    }
}

/// Whom a proposal's evidence accuses.
fn offenders(proposal: &Proposal) -> impl Iterator<Item = PublicKey> {
    proposal.evidence.iter().map(|evidence| evidence.offender.clone())
}

/// The leaders of the rounds before the one that decided.
fn missed(leaders: &Leaders, certificate: &CommitCertificate) -> Vec<PublicKey> {
    let rounds = u32::try_from(leaders.validators().count()).unwrap_or(u32::MAX);
    (0..certificate.round.0.min(rounds))
        .map(|round| leaders.leader(certificate.height, Round(round)).clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use casper_types::{BlockHash, EraId, SecretKey, Signature, Timestamp};
    use girrona_types::{NetworkId, ProposalHash};

    use super::*;

    fn key(number: u8) -> PublicKey {
        PublicKey::from(&SecretKey::ed25519_from_bytes([number; 32]).unwrap())
    }

    fn proposal(
        height: u64,
        proposer: &PublicKey,
        signers: Option<(u32, &[PublicKey])>,
    ) -> Proposal {
        let signature = Signature::System;
        Proposal {
            network: NetworkId([0; 32]),
            height: Height(height),
            era: EraId::new(1),
            parent: BlockHash::default(),
            timestamp: Timestamp::from(height),
            proposer: proposer.clone(),
            seed_signature: signature,
            last_commit: signers.map(|(round, signers)| CommitCertificate {
                height: Height(height - 1),
                round: Round(round),
                proposal: ProposalHash::default(),
                signatures: signers.iter().map(|signer| (signer.clone(), signature)).collect(),
            }),
            deploys: Vec::new(),
            transfers: Vec::new(),
            evidence: Vec::new(),
        }
    }

    /// Two heights: the first leader of height 1 missed its turn, the second one led instead.
    fn missed_turn() -> (Attendance, Arc<Leaders>, [PublicKey; 2]) {
        let law = Chainspec::default();
        let validators = Validators::new([(key(1), 1), (key(2), 1)].into()).unwrap();
        let mut attendance = Attendance::default();
        let seed = Digest::default();
        let leaders = attendance.after(&law, &validators, Height(0), None, None, seed);
        let [first, second] = [0, 1].map(|round| leaders.leader(Height(1), Round(round)).clone());
        let one = proposal(1, &second, None);
        let leaders =
            attendance.after(&law, &validators, Height(1), Some(&one), Some(leaders), seed);
        let two = proposal(2, &second, Some((1, std::slice::from_ref(&second))));
        let leaders =
            attendance.after(&law, &validators, Height(2), Some(&two), Some(leaders), seed);
        (attendance, leaders, [first, second])
    }

    fn inactive(attendance: &Attendance) -> Vec<&PublicKey> {
        attendance.inactive().collect()
    }

    #[test]
    fn who_misses_a_turn_and_is_never_there_is_inactive() {
        let (attendance, _, [first, _]) = missed_turn();
        assert_eq!(inactive(&attendance), [&first]);
    }

    #[test]
    fn one_block_or_one_signature_is_being_there() {
        let (mut attendance, _, [first, second]) = missed_turn();
        let mut leading = attendance.clone();
        leading.note(&proposal(3, &first, Some((0, std::slice::from_ref(&second)))));
        assert!(inactive(&leading).is_empty());
        attendance.note(&proposal(3, &second, Some((0, &[first, second.clone()]))));
        assert!(inactive(&attendance).is_empty());
    }

    #[test]
    fn each_era_begins_with_a_clean_sheet() {
        let (mut attendance, leaders, [_, second]) = missed_turn();
        let law = Chainspec::default();
        let last = proposal(60, &second, None);
        let validators = leaders.validators().clone();
        let seed = Digest::default();
        let _ = attendance.after(&law, &validators, Height(60), Some(&last), Some(leaders), seed);
        assert_eq!(attendance, Attendance::default());
    }
}
