//! Stage two, as a holder: a request comes, this node executes it or says why not, and its receipt
//! goes back the way the request came. Once for each request, over restarts too.

use std::sync::Arc;

use bytes::Bytes;
use casper_types::PublicKey;
use girrona_assembly::{
    Cid, RequestId,
    message::{
        Decline, DeclineReason, Envelope, Execution, Payload, Receipt, payload::casper_key::Key,
    },
    run::{Ending, Start},
};
use girrona_workload::Canceller;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    keep::{self, Own, Standing, Started},
    metrics::Metrics,
    service::{Input, REQUESTS_MAX, Service, Trail},
    starting::Ended,
    talk::{Offer, Order, PART_MAX, Part, Reply, Say, encode},
};

/// An execution here.
#[derive(Debug)]
pub(super) struct Executing {
    pub(super) root: Cid,
    /// The request, for its receipt.
    pub(super) envelope: Envelope,
    /// Takes it back; `None` as long as it waits to be chosen.
    pub(super) cancel: Option<Canceller>,
    pub(super) deadline_ms: u64,
    pub(super) began: Instant,
}

impl Executing {
    /// It does not only wait to be chosen.
    pub(super) const fn is_running(&self) -> bool {
        self.cancel.is_some()
    }
}

impl Service {
    /// A request is here, by gossip or from a neighbour, or from this node's own door.
    pub(super) fn requested(
        &mut self,
        envelope: &Envelope,
        bytes: &[u8],
        from: Option<girrona_net::PeerId>,
        now: u64,
    ) {
        let (Payload::Execute(execution), Some(request)) =
            (&envelope.body.payload, envelope.request())
        else {
            return;
        };
        if execution.deadline_ms <= now {
            return;
        }
        let is_new = !self.trails.contains_key(&request);
        if is_new && self.trails.len() >= REQUESTS_MAX {
            debug!(%request, "too many requests at once");
            return;
        }
        let trail =
            self.trails.entry(request).or_insert_with(|| Trail::new(from, execution.deadline_ms));
        // After a restart it is known that there was one, but not from whom it came.
        if !self.runs.contains_key(&request) {
            trail.up = trail.up.or(from);
        }
        // Too long for gossip: neighbours pass it on, each once.
        if is_new && bytes.len() > girrona_assembly::message::Channel::Executions.size_max() {
            let say = Say::Envelope(bytes.to_vec());
            for peer in self.peers.iter().filter(|peer| Some(**peer) != from) {
                self.say(*peer, &say);
            }
        }
        if self.ready(&execution.root).is_none() {
            return;
        }
        let me = Key(self.shared.account.clone());
        let is_named = execution.executors.binary_search(&me).is_ok();
        if !execution.executors.is_empty() && !is_named {
            return;
        }
        let all = execution.n.is_none_or(|n| is_named && execution.executors.len() <= n.into());
        if all {
            self.start(request, envelope, now);
        } else {
            self.offer(request, envelope, execution);
        }
    }

    /// Only some shall execute it: says that this node could.
    fn offer(&mut self, request: RequestId, envelope: &Envelope, execution: &Execution) {
        if self.executing.contains_key(&request) || self.register.get(&request).is_some() {
            return;
        }
        let waiting = Executing {
            root: execution.root,
            envelope: envelope.clone(),
            cancel: None,
            deadline_ms: execution.deadline_ms,
            began: Instant::now(),
        };
        self.executing.insert(request, waiting);
        let offer = self.own_offer(request);
        if self.runs.contains_key(&request) {
            self.offered(offer, super::shared::now_ms());
        } else {
            self.send_up(&request, &Say::Offer(offer));
        }
    }

    /// What this node says when it waits to be chosen.
    pub(super) fn own_offer(&self, request: RequestId) -> Offer {
        let free_milli = u32::from(self.shared.runner.load().weight());
        Offer { request, executor: Key(self.shared.account.clone()), free_milli }
    }

    /// A node was chosen to execute: this one, or one behind it.
    pub(super) fn order_came(&mut self, order: &Order, bytes: &Bytes, now: u64) -> Reply {
        if order.executor.0 == self.shared.account {
            return self.ordered_to_run(order.request, now);
        }
        let down = self.trails.get(&order.request).and_then(|t| t.down.get(&order.executor.0));
        match down.copied() {
            Some(peer) => {
                self.pass_on(order.request, peer, bytes.clone());
                Reply::Taken
            }
            None => Reply::Refused,
        }
    }

    /// This node was chosen.
    pub(super) fn ordered_to_run(&mut self, request: RequestId, now: u64) -> Reply {
        let waiting = self.executing.get(&request).filter(|one| one.cancel.is_none());
        let Some(envelope) = waiting.map(|one| one.envelope.clone()) else {
            return Reply::Taken;
        };
        self.executing.remove(&request);
        self.start(request, &envelope, now);
        Reply::Taken
    }

    /// Executes a request, unless it was started before or something speaks against it.
    fn start(&mut self, request: RequestId, envelope: &Envelope, now: u64) {
        let Payload::Execute(execution) = &envelope.body.payload else { return };
        let author = envelope.body.author.clone();
        match self.register.start(request, &author, execution.deadline_ms, now) {
            Start::Run => {}
            Start::Ended(Ending::Receipt(_)) => {
                // Whoever asks again gets the same receipt.
                self.send_own(&request);
                return;
            }
            other => {
                debug!(%request, ?other, "not executed");
                return;
            }
        }
        if let Err(reason) = self.begin(request, envelope, execution, now) {
            self.decline(request, &author, execution.deadline_ms, reason, now);
        }
    }

    pub(super) fn decline(
        &mut self,
        request: RequestId,
        author: &PublicKey,
        deadline_ms: u64,
        reason: DeclineReason,
        now: u64,
    ) {
        info!(%request, %reason, "a request is declined");
        self.register.end(&request, Ending::Declined);
        self.keep_started(&request, author, deadline_ms, Some(Ending::Declined));
        Metrics::count(&self.shared.metrics.executions, "declined");
        self.shared.tell(&json!({ "ExecutionDeclined": { "request": request, "reason": reason } }));
        if self.runs.contains_key(&request) {
            self.count_decline(&request, &self.shared.account.clone(), &reason, now);
        } else {
            self.send_up(&request, &self.own_decline(request, reason));
        }
    }

    pub(super) fn own_decline(&self, request: RequestId, reason: DeclineReason) -> Say {
        Say::Envelope(self.shared.sign(Payload::Decline(Decline { request, reason })).bytes)
    }

    pub(super) fn keep_started(
        &self,
        request: &RequestId,
        author: &PublicKey,
        deadline_ms: u64,
        ending: Option<Ending>,
    ) -> bool {
        let started = Started { author: Key(author.clone()), deadline_ms, ending };
        let kept = self.shared.keep.started(request, &started);
        if let Err(error) = &kept {
            warn!(%error, %request, "that a request was started cannot be kept");
        }
        kept.is_ok()
    }

    /// An execution ended: signs its receipt, keeps it, sends it.
    pub(super) fn executed(&mut self, request: RequestId, ended: Ended, now: u64) {
        let Some(executing) = self.executing.remove(&request) else { return };
        let Ended { outcome, finished } = ended;
        let receipt = Receipt {
            request,
            outcome,
            stderr: Sha256::digest(&finished.stderr).into(),
            fuel: finished.fuel,
            wall_ms: u64::try_from(finished.elapsed.as_millis()).unwrap_or(u64::MAX),
            memory: finished.memory,
        };
        let signed = self.shared.sign(Payload::Receipt(receipt));
        let own = Own {
            receipt: signed.envelope.clone(),
            stdout: finished.stdout.to_vec(),
            stderr: finished.stderr.to_vec(),
            detail: finished.detail.unwrap_or_default(),
        };
        let ending = Ending::Receipt(signed.id);
        self.register.end(&request, ending);
        let author = &executing.envelope.body.author;
        self.keep_started(&request, author, executing.deadline_ms, Some(ending));
        let took = executing.began.elapsed();
        self.shared.metrics.execution_seconds.observe(took.as_secs_f64());
        let name = if outcome.is_result() { "result" } else { "stopped" };
        Metrics::count(&self.shared.metrics.executions, name);
        self.shared.tell(&json!({ "ExecutionFinished": {
            "request": request, "end": outcome.end, "fuel": finished.fuel,
            "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        }}));
        if self.runs.contains_key(&request) {
            self.count_own(&request, own, now);
            return;
        }
        let counted_elsewhere = "executed here; the node that it was brought to counts receipts";
        let mut result = keep::Result::new(executing.envelope, false, counted_elsewhere.to_owned());
        result.standing = Standing::Waiting;
        result.own = Some(own);
        if let Err(error) = self.shared.keep.put_result(&request, &result) {
            warn!(%error, %request, "a result is not kept");
        }
        self.send_own(&request);
    }

    /// Sends the receipt of this node's own execution, and what the program wrote.
    fn send_own(&self, request: &RequestId) {
        for say in self.own_says(request) {
            self.send_up(request, &say);
        }
    }

    /// The receipt of this node's own execution, and what the program wrote.
    pub(super) fn own_says(&self, request: &RequestId) -> Vec<Say> {
        let result = match self.shared.keep.result(request) {
            Ok(result) => result,
            Err(error) => {
                warn!(%error, %request, "a result cannot be read");
                None
            }
        };
        let Some(own) = result.and_then(|result| result.own) else { return Vec::new() };
        let mut says = vec![Say::Envelope(own.receipt.to_bytes())];
        for (is_stderr, bytes) in [(false, own.stdout), (true, own.stderr)] {
            let mut offset = 0_u64;
            for piece in bytes.chunks(PART_MAX) {
                let executor = Key(self.shared.account.clone());
                let (request, bytes) = (*request, piece.to_vec());
                says.push(Say::Output(Part { request, executor, is_stderr, offset, bytes }));
                offset = offset.saturating_add(piece.len() as u64);
            }
        }
        says
    }

    /// The requester takes a request back.
    pub(super) fn cancelled(&mut self, request: RequestId, author: &PublicKey, now: u64) {
        let is_running = self.register.cancel(request, author, now);
        let is_theirs =
            self.executing.get(&request).is_some_and(|one| one.envelope.body.author == *author);
        if is_theirs && let Some(executing) = self.executing.remove(&request) {
            if let Some(cancel) = &executing.cancel {
                cancel.cancel();
            }
            if is_running {
                let ending = Some(Ending::Cancelled);
                self.keep_started(&request, author, executing.deadline_ms, ending);
            }
            Metrics::count(&self.shared.metrics.executions, "cancelled");
            self.shared.tell(&json!({ "ExecutionCancelled": { "request": request } }));
        }
        self.run_cancelled(&request, author, now);
    }

    /// Sends something towards whoever asked.
    pub(super) fn send_up(&self, request: &RequestId, say: &Say) {
        let bytes = Bytes::from(encode(say));
        match self.trails.get(request).and_then(|trail| trail.up) {
            Some(peer) => self.pass_on(*request, peer, bytes),
            None => self.unsent(request, &bytes, std::collections::BTreeSet::new()),
        }
    }

    /// Sends something that belongs to a request to a peer; if it is not taken, others are tried.
    pub(super) fn pass_on(&self, request: RequestId, peer: girrona_net::PeerId, bytes: Bytes) {
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move {
            if let Err(error) = shared.net.ask(peer, bytes.clone()).await {
                debug!(%request, %peer, %error, "not sent; others are tried");
                let tried = [peer].into();
                shared.report(Input::Unsent { request, bytes, tried }).await;
            }
        });
    }

    /// The way back is gone: every neighbour is told, and passes it on by the way it knows.
    pub(super) fn unsent(
        &self,
        request: &RequestId,
        bytes: &Bytes,
        tried: std::collections::BTreeSet<girrona_net::PeerId>,
    ) {
        for peer in self.peers.iter().filter(|peer| !tried.contains(peer)) {
            let (shared, peer, bytes) = (Arc::clone(&self.shared), *peer, bytes.clone());
            let request = *request;
            self.shared.runtime.spawn(async move {
                if let Err(error) = shared.net.ask(peer, bytes).await {
                    debug!(%request, %peer, %error, "not sent");
                }
            });
        }
    }

    /// Waits to be chosen no longer than a request lives.
    pub(super) fn forget_unchosen(&mut self, now: u64) {
        self.executing.retain(|_, one| one.cancel.is_some() || one.deadline_ms > now);
    }
}
