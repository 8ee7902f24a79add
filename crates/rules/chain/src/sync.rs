//! Keeping up with the others: peers, certificates, catch-up, and the exchange of digests.
//!
//! Catch-up is pipelined: several ranges of blocks are under way at once, from several peers, and
//! are applied in order. Every block's certificate is verified before it is executed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casper_types::{Deploy, DeployHash, Digest, Timestamp};
use girrona_consensus::verify_certificate;
use girrona_types::{CommitCertificate, Height, Proposal};

use crate::{
    chain::{Chain, Fatal, Output, Peer, RequestId, Verdict},
    disk::Disk,
    judge::DEPLOYS_PER_REQUEST,
    message::{self, DecidedBlock, Gossip, HASHES_MAX, Request, Response},
};

/// Ranges that are under way at once.
const RANGES_MAX: usize = 4;
/// Ranges that one peer is asked for at once.
const RANGES_PER_PEER: usize = 2;
/// Blocks in one range.
const RANGE_BLOCKS: u64 = 16;
/// How far ahead of the tip blocks are fetched.
const AHEAD_BLOCKS: u64 = 96;
/// Bytes of fetched blocks that may wait; nothing is asked for beyond.
const READY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long the height after the tip may be known to be decided before it is asked for.
const PATIENCE_MILLIS: u64 = 400;
/// How long a validator waits for somebody else to tell the world about a decision.
const ECHO_MILLIS: u64 = 400;
/// How often peers are asked where they are.
const STATUS_MILLIS: u64 = 2_000;
/// How often one peer is asked what waits there, beyond the time of connecting.
const DIGEST_MILLIS: u64 = 10_000;

/// What is known about the others, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    /// Connected peers and how far each says it is.
    peers: BTreeMap<Peer, Height>,
    /// The furthest height that anybody says is decided.
    pub(crate) target: Height,
    /// Since when the target is ahead of the tip.
    behind_since: Option<Timestamp>,
    next_request: RequestId,
    asked: BTreeMap<RequestId, (Peer, Request)>,
    ready: BTreeMap<Height, Ready>,
    ready_bytes: usize,
    asked_status: Option<Timestamp>,
    asked_digest: Option<Timestamp>,
    /// Takes turns among peers.
    turn: u64,
}

impl Sync {
    /// A peer says, or shows, that it is this far.
    pub(crate) fn saw(&mut self, peer: Peer, height: Height) {
        if let Some(known) = self.peers.get_mut(&peer) {
            *known = (*known).max(height);
            self.target = self.target.max(height);
        }
    }

    /// What a peer really gave overrides what it said.
    fn corrected(&mut self, peer: Peer, height: Height) {
        if let Some(known) = self.peers.get_mut(&peer) {
            *known = height;
        }
        self.retarget();
    }

    fn retarget(&mut self) {
        self.target = self.peers.values().copied().max().unwrap_or_default();
    }

    fn take_ready(&mut self, height: Height) -> Option<Ready> {
        let ready = self.ready.remove(&height)?;
        self.ready_bytes = self.ready_bytes.saturating_sub(ready.size);
        Some(ready)
    }

    /// The tip moved: what is at or below it is of no use, and patience starts anew.
    pub(crate) fn advanced(&mut self, tip: Height) {
        while let Some((height, _)) = self.ready.first_key_value()
            && *height <= tip
        {
            let height = *height;
            self.take_ready(height);
        }
        self.behind_since = None;
    }
}

/// A block that was fetched and waits for its turn.
#[derive(Debug)]
struct Ready {
    block: DecidedBlock,
    from: Peer,
    size: usize,
}

impl<D: Disk> Chain<D> {
    pub(crate) fn on_connected(&mut self, peer: Peer) {
        self.sync.peers.insert(peer, Height::GENESIS);
        self.request_from(Some(peer), Request::Status);
        self.request_from(Some(peer), Request::Pending);
    }

    pub(crate) fn on_disconnected(&mut self, peer: Peer) {
        self.sync.peers.remove(&peer);
        self.sync.retarget();
    }

    /// Asks this peer, or the next in turn.
    pub(crate) fn request_from(&mut self, peer: Option<Peer>, request: Request) {
        let known = peer.filter(|peer| self.sync.peers.contains_key(peer));
        let Some(peer) = known.or_else(|| self.next_peer()) else { return };
        let id = self.sync.next_request;
        self.sync.next_request = id.saturating_add(1);
        self.sync.asked.insert(id, (peer, request.clone()));
        self.outputs.push(Output::Request { id, peer, request });
    }

    fn next_peer(&mut self) -> Option<Peer> {
        self.sync.turn = self.sync.turn.wrapping_add(1);
        let count = self.sync.peers.len();
        let index = usize::try_from(self.sync.turn).ok()?.checked_rem(count)?;
        self.sync.peers.keys().nth(index).copied()
    }

    pub(crate) fn on_answer(
        &mut self,
        id: RequestId,
        response: Option<Response>,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        let Some((peer, request)) = self.sync.asked.remove(&id) else { return Ok(()) };
        match (request, response) {
            (Request::Status, Some(Response::Status(height))) => {
                self.sync.corrected(peer, height);
                self.pump_sync(now);
            }
            (Request::Pending, Some(Response::Pending(hashes))) => {
                self.on_digest(peer, &hashes)?;
            }
            (Request::Deploys(asked), Some(Response::Deploys(deploys))) => {
                self.on_deploys(peer, &asked, deploys, now)?;
            }
            (Request::Proposal(hash), Some(Response::Proposal(Some(proposal)))) => {
                let fits = proposal.height == self.tip.height.next()
                    && proposal.hash() == hash
                    && self.fits_a_block(&proposal);
                if fits && self.step.is_none() {
                    self.hold(hash, *proposal, None, Some(peer), now)?;
                }
            }
            (Request::Blocks { from, .. }, Some(Response::Blocks(blocks))) => {
                self.on_blocks(peer, from, blocks, now);
            }
            (Request::Finality { from, count }, Some(Response::Finality(signatures))) => {
                if let Some(reason) = self.on_finality_answer(from, count, signatures)? {
                    self.outputs.push(Output::Blame { peer, reason });
                }
            }
            (Request::Blocks { from, .. }, None) => {
                self.sync.corrected(peer, from.previous().unwrap_or_default());
            }
            // No answer: whoever needs it asks again with the next tick.
            (_, None) | (Request::Proposal(_), Some(Response::Proposal(None))) => {}
            (_, Some(_)) => {
                let reason = "answer to another question";
                self.outputs.push(Output::Blame { peer, reason });
            }
        }
        Ok(())
    }

    /// Pulls the deploys that wait at a peer and not here.
    fn on_digest(&mut self, peer: Peer, hashes: &[[u8; 32]]) -> Result<(), Fatal> {
        let mut missing = Vec::new();
        for hash in hashes.iter().take(HASHES_MAX) {
            if self.disk.fate(&DeployHash::new(Digest::from(*hash)))?.is_none() {
                missing.push(*hash);
            }
        }
        for part in missing.chunks(DEPLOYS_PER_REQUEST) {
            self.request_from(Some(peer), Request::Deploys(part.to_vec()));
        }
        Ok(())
    }

    /// Deploys came: some for a proposal, the others for the buffer.
    fn on_deploys(
        &mut self,
        peer: Peer,
        asked: &[[u8; 32]],
        deploys: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        let asked: BTreeSet<_> = asked.iter().copied().collect();
        let lacking: BTreeSet<DeployHash> =
            self.held.values().flat_map(|held| held.missing.iter().copied()).collect();
        let mut bodies = Vec::new();
        let mut others = Vec::new();
        let mut received = BTreeSet::new();
        for bytes in deploys {
            let Ok(deploy) = message::decode_deploy(&bytes) else {
                self.outputs.push(Output::Blame { peer, reason: "malformed deploy in an answer" });
                return Ok(());
            };
            let hash = *deploy.hash();
            if !asked.contains(&message::raw(&hash)) || deploy.has_valid_hash().is_err() {
                self.outputs.push(Output::Blame { peer, reason: "deploy that was not asked for" });
                return Ok(());
            }
            received.insert(message::raw(&hash));
            if lacking.contains(&hash) {
                bodies.push(Arc::new(deploy));
            } else {
                others.push(bytes);
            }
        }
        // An answer has a limit; what did not fit is asked for again, from the same peer as long
        // as it gives something.
        let rest: Vec<_> = asked.difference(&received).copied().collect();
        if !received.is_empty() && !rest.is_empty() {
            self.request_from(Some(peer), Request::Deploys(rest));
        }
        if !others.is_empty() {
            self.outputs.push(Output::Check { peer, deploys: others });
        }
        if bodies.is_empty() { Ok(()) } else { self.on_bodies(bodies, now) }
    }

    /// A range of blocks came.
    fn on_blocks(&mut self, peer: Peer, from: Height, blocks: Vec<DecidedBlock>, now: Timestamp) {
        let mut expected = from;
        for block in blocks {
            if block.proposal.height != expected || block.certificate.height != expected {
                self.outputs.push(Output::Blame { peer, reason: "blocks out of order" });
                break;
            }
            expected = expected.next();
            if block.proposal.height > self.tip.height
                && !self.sync.ready.contains_key(&block.proposal.height)
            {
                let size = block.deploys.iter().fold(0_usize, |sum, deploy| {
                    sum.saturating_add(deploy.len()).saturating_add(512)
                });
                self.sync.ready_bytes = self.sync.ready_bytes.saturating_add(size);
                self.sync.ready.insert(block.proposal.height, Ready { block, from: peer, size });
            }
        }
        if expected == from {
            self.sync.corrected(peer, from.previous().unwrap_or_default());
        }
        self.pump_sync(now);
    }

    /// Asks for what is missing, within the limits.
    pub(crate) fn pump_sync(&mut self, now: Timestamp) {
        if is_due(&mut self.sync.asked_status, now, STATUS_MILLIS) {
            let some: Vec<_> = self.sync.peers.keys().copied().take(8).collect();
            for peer in some {
                self.request_from(Some(peer), Request::Status);
            }
        }
        if is_due(&mut self.sync.asked_digest, now, DIGEST_MILLIS) {
            self.request_from(None, Request::Pending);
        }
        let next = self.tip.height.next();
        if self.sync.target < next {
            self.sync.behind_since = None;
            return;
        }
        let since = *self.sync.behind_since.get_or_insert(now);
        let patient = now.millis().saturating_sub(since.millis()) < PATIENCE_MILLIS;
        if self.sync.target == next && patient {
            return;
        }
        while self.ask_for_range(next) {}
    }

    /// Asks one peer for one more range; says whether there was one to ask for.
    fn ask_for_range(&mut self, next: Height) -> bool {
        let under_way: Vec<(Peer, u64, u64)> = self
            .sync
            .asked
            .values()
            .filter_map(|(peer, request)| match request {
                Request::Blocks { from, count } => Some((*peer, from.0, *count)),
                _ => None,
            })
            .collect();
        if under_way.len() >= RANGES_MAX || self.sync.ready_bytes > READY_BYTES_MAX {
            return false;
        }
        let last = self.sync.target.0.min(next.0.saturating_add(AHEAD_BLOCKS));
        let is_open = |height: u64| {
            !self.sync.ready.contains_key(&Height(height))
                && !under_way
                    .iter()
                    .any(|(_, from, count)| height >= *from && height < from.saturating_add(*count))
        };
        let Some(from) = (next.0..=last).find(|height| is_open(*height)) else { return false };
        let mut count = 0_u64;
        while count < RANGE_BLOCKS
            && from.saturating_add(count) <= last
            && is_open(from.saturating_add(count))
        {
            count = count.saturating_add(1);
        }
        let able: Vec<Peer> = self
            .sync
            .peers
            .iter()
            .filter(|(peer, height)| {
                height.0 >= from
                    && under_way.iter().filter(|(other, ..)| other == *peer).count()
                        < RANGES_PER_PEER
            })
            .map(|(peer, _)| *peer)
            .collect();
        self.sync.turn = self.sync.turn.wrapping_add(1);
        let turn = usize::try_from(self.sync.turn).unwrap_or(0);
        let Some(peer) = turn.checked_rem(able.len()).and_then(|index| able.get(index)) else {
            return false;
        };
        self.request_from(Some(*peer), Request::Blocks { from: Height(from), count });
        true
    }

    /// Whether a peer is being asked for finality signatures.
    pub(crate) fn is_asking_for_finality(&self) -> bool {
        self.sync.asked.values().any(|(_, request)| matches!(request, Request::Finality { .. }))
    }

    /// Whether a fetched block can be applied now.
    pub(crate) fn can_apply_synced(&self) -> bool {
        self.begun && self.step.is_none() && self.has_next_synced()
    }

    /// Whether the block after the tip was fetched.
    pub(crate) fn has_next_synced(&self) -> bool {
        self.sync.ready.contains_key(&self.tip.height.next())
    }

    /// Applies the next fetched block.
    pub(crate) fn apply_synced(&mut self, now: Timestamp) -> Result<(), Fatal> {
        if !self.can_apply_synced() {
            return Ok(());
        }
        let next = self.tip.height.next();
        let Some(Ready { block, from, .. }) = self.sync.take_ready(next) else { return Ok(()) };
        let DecidedBlock { proposal, certificate, deploys } = block;
        let proven =
            verify_certificate(&self.network, &certificate, &self.validators, self.scheme.as_ref());
        let bodies = bodies_of(&proposal, &certificate, deploys);
        let (Some(bodies), Ok(())) = (bodies, proven) else {
            self.outputs.push(Output::Blame { peer: from, reason: "block that proves nothing" });
            self.sync.corrected(from, self.tip.height);
            self.pump_sync(now);
            return Ok(());
        };
        let hash = certificate.proposal;
        if !self.held.contains_key(&hash) {
            self.hold(hash, proposal, None, None, now)?;
        }
        self.on_bodies(bodies, now)?;
        if self.step.is_none() && self.begun {
            self.take_certificate(certificate, now)?;
        }
        self.pump_sync(now);
        Ok(())
    }

    /// Somebody says that a height was decided.
    pub(crate) fn on_commit(
        &mut self,
        from: Peer,
        certificate: CommitCertificate,
        ticket: Option<u64>,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        let next = self.tip.height.next();
        let known = certificate.height < next
            || self.step.is_some()
            || self.decided.as_ref().is_some_and(|known| known.height == certificate.height);
        let validators = if known { None } else { self.validators_at(certificate.height)? };
        let good = validators.as_ref().is_some_and(|validators| {
            verify_certificate(&self.network, &certificate, validators, self.scheme.as_ref())
                .is_ok()
        });
        let verdict = match (known, good) {
            // Passed on as well: it is how the others learn that the echo is not needed.
            (true, _) if self.was_decided(&certificate)? => Verdict::Accept,
            (true, _) => Verdict::Ignore,
            (false, true) => Verdict::Accept,
            // Of an era that is not settled here: it cannot be checked, but may well be true.
            (false, false) if validators.is_none() => Verdict::Ignore,
            (false, false) => Verdict::Reject,
        };
        if !known && validators.is_none() {
            self.sync.saw(from, certificate.height);
        }
        if let Some(ticket) = ticket {
            self.outputs.push(Output::Judged { ticket, verdict });
        }
        if self.echo.as_ref().is_some_and(|(_, ours)| ours.height <= certificate.height)
            && verdict == Verdict::Accept
        {
            self.echo = None;
        }
        if !good {
            return Ok(());
        }
        self.sync.saw(from, certificate.height);
        if certificate.height == next {
            self.decided = Some(certificate);
            // Others are done with this height; a slow clock here is no reason to wait for it.
            self.begin(now)?;
            self.apply_decided(now)?;
            self.fetch_missing(now);
        }
        self.pump_sync(now);
        Ok(())
    }

    fn was_decided(&self, certificate: &CommitCertificate) -> Result<bool, Fatal> {
        Ok(self.tip.certificate.as_ref().is_some_and(|ours| {
            ours.height == certificate.height && ours.proposal == certificate.proposal
        }))
    }

    /// Uses the certificate of the height in work once the proposal is whole.
    pub(crate) fn apply_decided(&mut self, now: Timestamp) -> Result<(), Fatal> {
        if !self.begun || self.step.is_some() {
            return Ok(());
        }
        let Some(certificate) = self.decided.clone() else { return Ok(()) };
        let whole =
            self.held.get(&certificate.proposal).is_some_and(|held| held.missing.is_empty());
        if whole { self.take_certificate(certificate, now) } else { Ok(()) }
    }

    /// Gives consensus a verified certificate whose proposal is here and whole.
    fn take_certificate(
        &mut self,
        certificate: CommitCertificate,
        now: Timestamp,
    ) -> Result<(), Fatal> {
        let hash = certificate.proposal;
        if let Some(held) = self.held.get(&hash) {
            let proposal = Arc::clone(&held.proposal);
            let bodies: Vec<Arc<Deploy>> = held.bodies.values().cloned().collect();
            self.check_parent(&proposal, &certificate)?;
            for deploy in &bodies {
                self.disk.keep_body(deploy)?;
            }
            self.disk.put_proposal(&hash, &proposal)?;
            self.dirty = true;
        }
        self.decided = None;
        self.drive(girrona_consensus::Input::Synced { certificate, valid: true }, now)
    }

    /// Who leads the deciding round tells the world; the others do it if nobody else does.
    pub(crate) fn plan_echo(&mut self, certificate: &CommitCertificate, now: Timestamp) {
        let Some(me) = self.scheme.public_key() else { return };
        if self.validators.weight(me).is_none() {
            return;
        }
        if self.leaders.leader(certificate.height, certificate.round) == me {
            self.outputs.push(Output::Gossip(Gossip::Commit(certificate.clone())));
        } else {
            let at = Timestamp::from(now.millis().saturating_add(ECHO_MILLIS));
            self.echo = Some((at, certificate.clone()));
        }
    }

    pub(crate) fn echo_commit(&mut self, now: Timestamp) {
        if self.echo.as_ref().is_some_and(|(at, _)| *at <= now)
            && let Some((_, certificate)) = self.echo.take()
        {
            self.outputs.push(Output::Gossip(Gossip::Commit(certificate)));
        }
    }
}

/// Whether something is due that was last done at `last`; if so, it is done now.
pub(crate) fn is_due(last: &mut Option<Timestamp>, now: Timestamp, every_millis: u64) -> bool {
    let due = last.is_none_or(|last| now.millis().saturating_sub(last.millis()) >= every_millis);
    if due {
        *last = Some(now);
    }
    due
}

/// The deploys of a fetched block, if all of it belongs together.
fn bodies_of(
    proposal: &Proposal,
    certificate: &CommitCertificate,
    deploys: Vec<Vec<u8>>,
) -> Option<Vec<Arc<Deploy>>> {
    if proposal.hash() != certificate.proposal {
        return None;
    }
    let mut bodies = Vec::with_capacity(deploys.len());
    for (bytes, signed) in deploys.iter().zip(proposal.all_deploys()) {
        let deploy = message::decode_deploy(bytes).ok()?;
        if *deploy.hash() != signed.hash || deploy.has_valid_hash().is_err() {
            return None;
        }
        bodies.push(Arc::new(deploy));
    }
    (bodies.len() == proposal.all_deploys().count()).then_some(bodies)
}
