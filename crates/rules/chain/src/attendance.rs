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
