//! Whether a deploy may wait here for a block.
//!
//! Cheap before expensive: [`check`] needs nothing but the deploy, the law and a clock, and runs
//! on any thread; [`Chain::accept`] then asks the state. The texts are casper-node 1.5.8's.

use std::sync::Arc;

use casper_types::{BlockHash, Deploy, Digest, Timestamp};
use girrona_exec::{Signed, admission, admission::AdmissionError};
use girrona_types::{Chainspec, Event, Height, deploy};
use thiserror::Error;

use crate::{
    chain::{Chain, Fatal, Output, Peer},
    disk::{Disk, Fate, Phase},
    message::Gossip,
};

/// Where a deploy came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client, over JSON-RPC.
    Client,
    /// A peer, over gossip or in an answer.
    Peer(Peer),
}

/// A deploy that passed [`check`].
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The deploy.
    pub deploy: Arc<Deploy>,
    /// Its length in bytes.
    pub size: usize,
    /// Who brought it.
    pub source: Source,
    /// Chosen by the caller; comes back with the verdict.
    pub ticket: u64,
}

/// What happened to a deploy that was brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It waits here now.
    New,
    /// It was here already; bringing it again changes nothing.
    Known,
}

/// Why a deploy may not wait here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is no valid deploy of this network, whatever the state.
    #[error("{}", .0.message())]
    Fault(deploy::Fault),
    /// It came too late.
    #[error("deploy received by the node expired at {expired} with node's time at {now}")]
    Expired {
        /// The last instant at which it could have been in a block.
        expired: Timestamp,
        /// This node's clock.
        now: Timestamp,
    },
    /// The account may not send it, or its code is not there.
    #[error("{0}")]
    State(String),
    /// No room.
    #[error("node is busy: too many deploys wait for a block; try again in a few seconds")]
    Busy,
}

impl Refusal {
    /// Whether any node can see the fault, so that a peer who passed the deploy on is to blame.
    pub const fn is_senders_fault(&self) -> bool {
        match self {
            Self::Fault(fault) => !fault.may_pass(),
            Self::Expired { .. } | Self::State(_) | Self::Busy => false,
        }
    }
}

/// Everything that can be said without state: form first, then signatures.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(deploy: &Deploy, law: &Chainspec, now: Timestamp) -> Result<(), Refusal> {
    deploy::check_form(deploy, law, now).map_err(Refusal::Fault)?;
    let expired = deploy::expires_at(deploy);
    if expired < now {
        return Err(Refusal::Expired { expired, now });
    }
    deploy::check_crypto(deploy).map_err(Refusal::Fault)
}

/// The block whose state judged a deploy, for the refusal's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JudgedAt {
    pub(crate) root: Digest,
    pub(crate) block: BlockHash,
    pub(crate) height: Height,
}

impl<D: Disk> Chain<D> {
    /// Judges deploys that passed [`check`] against the state of the tip, stores the good ones,
    /// tells the world, and gives every caller a verdict.
    pub(crate) fn accept(&mut self, incoming: Vec<Incoming>, now: Timestamp) -> Result<(), Fatal> {
        let mut fresh: Vec<Incoming> = Vec::new();
        let mut verdicts = Vec::new();
        for item in incoming {
            let hash = *item.deploy.hash();
            let verdict = if fresh.iter().any(|other| *other.deploy.hash() == hash) {
                Ok(Accepted::Known)
            } else {
                self.judge_incoming(&item, now)?
            };
            verdicts.push((item.ticket, verdict.clone()));
            if verdict == Ok(Accepted::New) {
                fresh.push(item);
            }
        }
        if !fresh.is_empty() {
            let deploys: Vec<_> = fresh.iter().map(|item| Arc::clone(&item.deploy)).collect();
            let ids = self.disk.accept(&deploys, now)?;
            for (item, id) in fresh.iter().zip(ids) {
                let hash = *item.deploy.hash();
                self.buffer.insert(Arc::clone(&item.deploy), item.size);
                self.note(hash, Phase::Received, now);
                self.outputs.push(Output::Announce(id, Event::DeployAccepted(hash)));
            }
            for deploy in &deploys {
                self.note(*deploy.hash(), Phase::Gossiped, now);
            }
            self.outputs.push(Output::Gossip(Gossip::Deploys(deploys)));
        }
        for (ticket, verdict) in verdicts {
            self.outputs.push(Output::Verdict { ticket, verdict });
        }
        Ok(())
    }

    fn judge_incoming(
        &mut self,
        item: &Incoming,
        now: Timestamp,
    ) -> Result<Result<Accepted, Refusal>, Fatal> {
        let deploy = &item.deploy;
        if let Some(Fate::Pending | Fate::Executed(_)) = self.disk.fate(deploy.hash())? {
            return Ok(Ok(Accepted::Known));
        }
        // Checked again: the deploy may have waited for this thread.
        let expired = deploy::expires_at(deploy);
        if expired < now {
            return Ok(Err(Refusal::Expired { expired, now }));
        }
        if !self.buffer.has_room_for(item.size) {
            return Ok(Err(Refusal::Busy));
        }
        let at = self.tip.judged_at();
        let signed = Signed::new(deploy, deploy.approvals());
        let judged = self.admit(&signed)?;
        Ok(match judged {
            Ok(()) => Ok(Accepted::New),
            Err(refusal) => Err(Refusal::State(refusal.message(&at.root, &at.block, at.height))),
        })
    }

    /// Whether account and code of a deploy will do, on the state of the tip.
    pub(crate) fn admit(
        &mut self,
        signed: &Signed<'_>,
    ) -> Result<Result<(), AdmissionError>, Fatal> {
        let read = |source| Fatal::Admission { height: self.tip.height, source };
        if let Err(refusal) =
            admission::check_account(signed, &self.disk, &self.law).map_err(read)?
        {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = admission::check_code(signed, &self.disk, &self.law).map_err(read)? {
            return Ok(Err(refusal));
        }
        Ok(admission::check_modules(signed, &self.law, self.code.as_mut()))
    }

    /// Ends the wait of deploys whose time is over.
    ///
    /// A deploy in a proposal that is being voted on gets a second more: it may have made it.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Result<(), Fatal> {
        const GRACE_MILLIS: u64 = 1_000;
        let mut over = self.buffer.expired(now);
        over.retain(|hash| {
            let expires = self.buffer.get(hash).map_or(now, |waiting| waiting.expires);
            let waited = now.millis().saturating_sub(expires.millis());
            waited > GRACE_MILLIS || !self.is_in_work(hash)
        });
        if over.is_empty() {
            return Ok(());
        }
        let ids = self.disk.expire(&over, now)?;
        for (hash, id) in over.iter().zip(ids) {
            self.buffer.remove(hash);
            self.note(*hash, Phase::Expired, now);
            self.phases.remove(hash);
            self.outputs.push(Output::Announce(id, Event::DeployExpired(*hash)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
