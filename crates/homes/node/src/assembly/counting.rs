//! Stage two, as the node that a request was brought to: it chooses who executes when not all
//! shall, counts receipts until enough are equal, and keeps what came of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use casper_types::PublicKey;
use girrona_assembly::{
    RequestId,
    message::{DeclineReason, Envelope, Payload, payload::casper_key::Key},
    run::{Agreement, Candidate, Evidence, Selection, Tally},
};
use girrona_net::PeerId;
use serde_json::json;
use tracing::{debug, info, warn};

use super::{
    keep::{self, Own, Standing},
    metrics::Metrics,
    run::{Outputs, Run},
    service::{Service, Trail},
    talk::{Offer, Order, Part, Reply, Say, encode},
};

/// How much longer than its limit of time an executor may take before another takes over, in
/// milliseconds.
const SLOW_MS: u64 = 3_000;
/// A node that was away asks this often what became of its requests, in milliseconds.
const AGAIN_EVERY_MS: u64 = 3_000;
/// So long it waits for those whom it chose before it was away, in milliseconds.
const CHOOSE_AGAIN_MS: u64 = 5_000;
/// After the deadline, receipts that are on their way still count as evidence, in milliseconds.
const LATE_MS: u64 = 2_000;

impl Service {
    /// A request was brought to this node's door: begins to count.
    pub(super) fn count(&mut self, request: RequestId, envelope: &Envelope, now: u64) {
        let Payload::Execute(execution) = &envelope.body.payload else { return };
        let Ok(tally) = Tally::new(envelope.clone(), self.shared.network) else { return };
        let waits = "receipts are awaited".to_owned();
        let run = Run::new(keep::Result::new(envelope.clone(), true, waits), tally, execution, now);
        self.keep_run(&request, &run);
        self.runs.insert(request, run);
    }

    /// A result from disk.
    pub(super) fn recall_run(&mut self, request: RequestId, result: keep::Result, now: u64) {
        let Payload::Execute(execution) = &result.request.body.payload else { return };
        let execution = execution.clone();
        let is_open = match result.standing {
            Standing::Waiting => true,
            Standing::Agreed => result.stdout.is_none(),
            Standing::Split | Standing::Failed | Standing::Cancelled => false,
        };
        if !result.is_counted_here
            || !is_open
            || execution.deadline_ms.saturating_add(LATE_MS) < now.saturating_sub(60_000)
        {
            return;
        }
        let Ok(mut tally) = Tally::new(result.request.clone(), self.shared.network) else { return };
        let mut answered = BTreeSet::new();
        for receipt in &result.receipts {
            answered.insert(receipt.body.author.clone());
            // It counted before.
            let _ = tally.add(receipt.clone());
        }
        let mut run = Run::new(result, tally, &execution, now);
        run.answered = answered;
        run.is_recalled = true;
        // Those who were chosen before are heard first.
        run.choose_ms = now.saturating_add(CHOOSE_AGAIN_MS);
        self.trails.insert(request, Trail::new(None, run.deadline_ms));
        self.runs.insert(request, run);
    }

    fn keep_run(&self, request: &RequestId, run: &Run) {
        if let Err(error) = self.shared.keep.put_result(request, &run.kept) {
            warn!(%error, %request, "a result is not kept");
        }
    }

    /// A receipt or a decline came: counted here, or passed on towards whoever asked.
    pub(super) fn answer_came(
        &mut self,
        envelope: &Envelope,
        bytes: &[u8],
        from: Option<PeerId>,
        now: u64,
    ) {
        let request = match &envelope.body.payload {
            Payload::Receipt(receipt) => receipt.request,
            Payload::Decline(decline) => decline.request,
            _ => return,
        };
        if !self.runs.contains_key(&request) {
            let up = self.trails.get(&request).and_then(|trail| trail.up);
            if let Some(peer) = up.filter(|up| Some(*up) != from) {
                let say = encode(&Say::Envelope(bytes.to_vec()));
                self.pass_on(request, peer, Bytes::from(say));
            }
            return;
        }
        match &envelope.body.payload {
            Payload::Receipt(_) => self.count_receipt(&request, envelope.clone(), now),
            Payload::Decline(decline) => {
                self.count_decline(&request, &envelope.body.author, &decline.reason, now);
            }
            _ => {}
        }
    }

    fn count_receipt(&mut self, request: &RequestId, envelope: Envelope, now: u64) {
        let Some(run) = self.runs.get_mut(request) else { return };
        let author = envelope.body.author.clone();
        if let Err(error) = run.tally.add(envelope.clone()) {
            debug!(%request, %error, "a receipt does not count");
            return;
        }
        if let Payload::Receipt(receipt) = &envelope.body.payload {
            run.outcomes.insert(receipt.outcome);
        }
        if run.is_recalled && run.n.is_some() {
            run.ordered.entry(author.clone()).or_insert(now);
        }
        // A second one that says something else is evidence; the first is shown.
        if run.answered.insert(author.clone()) {
            run.kept.receipts.push(envelope);
        }
        self.shared.tell(&json!({ "ReceiptReceived": { "request": request, "executor": author } }));
        self.decide_run(request, now);
    }

    /// This node's own receipt.
    pub(super) fn count_own(&mut self, request: &RequestId, own: Own, now: u64) {
        let receipt = own.receipt.clone();
        if let Some(run) = self.runs.get_mut(request) {
            let (stdout, stderr) = (own.stdout.clone(), own.stderr.clone());
            let outputs = Outputs { stdout: [(0, stdout)].into(), stderr: [(0, stderr)].into() };
            run.outputs.insert(receipt.body.author.clone(), outputs);
            run.kept.own = Some(own);
        }
        self.count_receipt(request, receipt, now);
    }

    pub(super) fn count_decline(
        &mut self,
        request: &RequestId,
        who: &PublicKey,
        reason: &DeclineReason,
        now: u64,
    ) {
        let Some(run) = self.runs.get_mut(request) else { return };
        if run.out.insert(who.clone()) {
            run.kept.declines.push((Key(who.clone()), reason.to_string()));
            run.kept.declines.truncate(256);
        }
        self.choose(request, now);
        self.decide_run(request, now);
    }

    /// A holder could execute: noted here, or passed on towards whoever asked.
    pub(super) fn offer_came(
        &mut self,
        offer: Offer,
        bytes: &Bytes,
        from: PeerId,
        now: u64,
    ) -> Reply {
        let Some(trail) = self.trails.get_mut(&offer.request) else { return Reply::Refused };
        if trail.down.len() >= 1_024 {
            return Reply::Refused;
        }
        trail.down.entry(offer.executor.0.clone()).or_insert(from);
        let up = trail.up;
        if self.runs.contains_key(&offer.request) {
            self.offered(offer, now);
        } else if let Some(peer) = up.filter(|up| *up != from) {
            self.pass_on(offer.request, peer, bytes.clone());
        }
        Reply::Taken
    }

    pub(super) fn offered(&mut self, offer: Offer, now: u64) {
        let Some(run) = self.runs.get_mut(&offer.request) else { return };
        if run.offers.len() >= 1_024 {
            return;
        }
        run.offers.insert(offer.executor.0, offer.free_milli);
        let root = run.root();
        let known = root.map_or(0, |root| self.census.holders(&root).count());
        let all = run.offers.len() >= known.max(1) && known > 0;
        if (all && !run.is_recalled) || now >= run.choose_ms {
            self.choose(&offer.request, now);
        }
    }

    /// Orders those who come first among the offers and are not out.
    fn choose(&mut self, request: &RequestId, now: u64) {
        let Some(run) = self.runs.get_mut(request) else { return };
        let Some(n) = run.n.filter(|_| !run.is_over && !run.offers.is_empty()) else { return };
        run.choose_ms = now;
        let candidates: Vec<Candidate> = run
            .offers
            .iter()
            .filter(|(key, _)| !run.out.contains(*key))
            .filter(|(key, _)| !run.is_recalled || !run.ordered.contains_key(*key))
            .map(|(key, free)| Candidate { key: key.clone(), free_milli: *free })
            .collect();
        let n = if run.is_recalled { run.lacking() } else { n };
        let chosen = Selection::new(request, &candidates, Some(n));
        let new: Vec<PublicKey> =
            chosen.asked().filter(|key| !run.ordered.contains_key(*key)).cloned().collect();
        for key in &new {
            run.ordered.insert(key.clone(), now);
        }
        for key in new {
            info!(%request, executor = %key, "chosen to execute");
            let order = Order { request: *request, executor: Key(key.clone()) };
            if key == self.shared.account {
                self.ordered_to_run(*request, now);
                continue;
            }
            let down = self.trails.get(request).and_then(|trail| trail.down.get(&key)).copied();
            if let Some(peer) = down {
                self.pass_on(*request, peer, Bytes::from(encode(&Say::Order(order))));
            }
        }
    }

    /// Part of an output came: kept here, or passed on towards whoever asked.
    pub(super) fn output_came(&mut self, part: Part, bytes: &Bytes, from: PeerId) -> Reply {
        let request = part.request;
        if let Some(run) = self.runs.get_mut(&request) {
            let is_taken = run.take_part(part);
            self.complete_output(&request);
            return if is_taken { Reply::Taken } else { Reply::Refused };
        }
        let up = self.trails.get(&request).and_then(|trail| trail.up);
        match up.filter(|up| *up != from) {
            Some(peer) => {
                self.pass_on(request, peer, bytes.clone());
                Reply::Taken
            }
            None => Reply::Refused,
        }
    }

    /// Looks whether the agreed output is here.
    fn complete_output(&mut self, request: &RequestId) {
        let Some(run) = self.runs.get_mut(request) else { return };
        if run.find_output() {
            run.changed.send_modify(|count| *count += 1);
            let run = self.runs.get(request);
            if let Some(run) = run {
                self.keep_run(request, run);
            }
        }
    }

    /// Where does a request stand now?
    fn decide_run(&mut self, request: &RequestId, now: u64) {
        let Some(run) = self.runs.get(request) else { return };
        let root = run.root();
        let holders: BTreeSet<PublicKey> =
            root.iter().flat_map(|root| self.census.holders(root)).cloned().collect();
        let outstanding = run.outstanding(&holders, now);
        let agreement = run.tally.agreement(outstanding);
        let may_split = now >= run.deadline_ms || run.all_known(&holders);
        let Some(run) = self.runs.get_mut(request) else { return };
        let before = run.kept.standing;
        match agreement {
            Agreement::Agreed(certificate) => run.agreed(&certificate),
            Agreement::Split(groups) if may_split && before == Standing::Waiting => {
                if groups.len() > 1 {
                    run.kept.standing = Standing::Split;
                    let counts: Vec<String> =
                        groups.iter().map(|(_, keys)| keys.len().to_string()).collect();
                    run.kept.reason = format!("receipts differ: {}", counts.join(" to "));
                } else {
                    run.kept.standing = Standing::Failed;
                    let have = groups.first().map_or(0, |(_, keys)| keys.len());
                    run.kept.reason = format!("{have} equal receipts came, {} are needed", run.k);
                }
            }
            Agreement::Split(_) | Agreement::Open => {}
        }
        let evidence = if run.outcomes.len() > 1 { run.tally.evidence() } else { Vec::new() };
        let is_new = evidence.len() > run.kept.evidence.len();
        run.kept.evidence = evidence.iter().map(Evidence::to_bytes).collect();
        run.find_output();
        run.changed.send_modify(|count| *count += 1);
        if before != run.kept.standing {
            let (standing, took) = (run.kept.standing, now.saturating_sub(run.arrived_ms));
            let name = super::view::standing_name(standing);
            Metrics::count(&self.shared.metrics.requests, name);
            self.shared.metrics.request_seconds.observe(took as f64 / 1_000.0);
            info!(%request, standing = name, millis = took, reason = run.kept.reason, "request");
            self.shared.tell(&json!({ "RequestDecided": {
                "request": request, "state": name, "millis": took, "reason": run.kept.reason,
            }}));
        }
        if is_new {
            for proof in &evidence {
                if let Ok(offender) = proof.verify(&self.shared.network) {
                    warn!(%request, %offender, "an executor is proven to lie");
                    self.shared.metrics.evidence.inc();
                    self.shared.tell(
                        &json!({ "EvidenceFound": { "request": request, "offender": offender } }),
                    );
                }
            }
        }
        if let Some(run) = self.runs.get(request) {
            self.keep_run(request, run);
        }
    }

    /// Deadlines, choices that are due, executors that are slow.
    pub(super) fn look_after_runs(&mut self, now: u64) {
        self.forget_unchosen(now);
        let mut due = Vec::new();
        let mut choose = Vec::new();
        let mut over = Vec::new();
        let mut late = Vec::new();
        let mut again = Vec::new();
        for (request, run) in &mut self.runs {
            if run.kept.standing == Standing::Waiting && now >= run.deadline_ms {
                due.push(*request);
            }
            let slow: Vec<PublicKey> = run
                .ordered
                .iter()
                .filter(|(key, since)| {
                    let patience = run.time_ms.saturating_add(SLOW_MS);
                    now > since.saturating_add(patience) && !run.answered.contains(*key)
                })
                .map(|(key, _)| key.clone())
                .filter(|key| !run.out.contains(key))
                .collect();
            let is_slow = !slow.is_empty();
            for key in slow {
                run.kept.declines.push((Key(key.clone()), "it took too long".to_owned()));
                run.out.insert(key);
            }
            let is_lacking = run.ordered.is_empty() || (run.is_recalled && run.lacking() > 0);
            let is_due = is_lacking && now >= run.choose_ms;
            if run.is_recalled && run.is_open() && now >= run.again_ms {
                run.again_ms = now.saturating_add(AGAIN_EVERY_MS);
                again.push(*request);
            }
            if run.n.is_some() && (is_slow || is_due) && !run.offers.is_empty() {
                choose.push(*request);
            }
            // Decided, and only standard error is missing: it is not waited for.
            if run.kept.certificate.is_some() && run.kept.stdout.is_none() {
                run.is_late = true;
                late.push(*request);
            }
            if now > run.deadline_ms.saturating_add(LATE_MS)
                && run.kept.standing != Standing::Waiting
            {
                over.push(*request);
            }
        }
        self.ask_again(&again);
        for request in choose {
            self.choose(&request, now);
        }
        for request in due {
            self.decide_run(&request, now);
            // Nobody came at all.
            if let Some(run) = self.runs.get_mut(&request)
                && run.kept.standing == Standing::Waiting
            {
                run.kept.standing = Standing::Failed;
                run.kept.reason = "no receipt came before the deadline".to_owned();
                Metrics::count(&self.shared.metrics.requests, "failed");
                run.changed.send_modify(|count| *count += 1);
                if let Some(run) = self.runs.get(&request) {
                    self.keep_run(&request, run);
                }
            }
        }
        for request in late {
            self.complete_output(&request);
        }
        for request in over {
            self.runs.remove(&request);
        }
    }

    pub(super) fn run_cancelled(&mut self, request: &RequestId, author: &PublicKey, now: u64) {
        let Some(run) = self.runs.get_mut(request) else { return };
        if run.kept.request.body.author != *author || run.kept.standing != Standing::Waiting {
            return;
        }
        run.kept.standing = Standing::Cancelled;
        run.kept.reason = "its requester took it back".to_owned();
        run.is_over = true;
        run.changed.send_modify(|count| *count += 1);
        debug!(%request, now, "cancelled");
        if let Some(run) = self.runs.get(request) {
            self.keep_run(request, run);
        }
    }
}
