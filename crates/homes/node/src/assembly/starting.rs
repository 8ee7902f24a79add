//! An execution from its decision to its end: what is run, kept on disk before it runs, and what
//! its files become.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use girrona_assembly::{
    Cid, RequestId,
    content::{Block, Built, FileBuilder, Limits as ContentLimits, Shape, TreeBuilder},
    message::{DeclineReason, Envelope, Execution},
    run::Outcome,
};
use girrona_store::content::Reservation;
use girrona_workload::{Caller, Finished, Job};
use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    executing::Executing,
    sandbox::SharedReady,
    service::{Input, Service},
    shared::Shared,
};

/// How close a deadline may be when an execution begins, in milliseconds.
const DEADLINE_NEAR_MS: u64 = 20;
/// The score of files that an execution left: they go before what is announced.
const OUTPUT_SCORE: u64 = 200;

/// An execution that is about to begin.
#[derive(Debug)]
pub(super) struct Starting {
    request: RequestId,
    root: Cid,
    entry: String,
    /// The request, for its receipt.
    envelope: Envelope,
    deadline_ms: u64,
    job: Job,
}

/// What an execution came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) finished: Finished,
}

impl Service {
    pub(super) fn begin(
        &mut self,
        request: RequestId,
        envelope: &Envelope,
        execution: &Execution,
        now: u64,
    ) -> Result<(), DeclineReason> {
        let ready = self.ready(&execution.root).cloned().ok_or(DeclineReason::NotHeld)?;
        let left = execution.deadline_ms.saturating_sub(now);
        if left < DEADLINE_NEAR_MS {
            return Err(DeclineReason::Deadline);
        }
        let job = self.job(request, envelope, execution, &ready, left)?;
        // Before anything is done: what was started is never started again.
        let author = &envelope.body.author;
        if !self.keep_started(&request, author, execution.deadline_ms, None) {
            return Err(DeclineReason::Resources);
        }
        let (root, entry) = (execution.root, execution.entry.clone());
        let (envelope, deadline_ms) = (envelope.clone(), execution.deadline_ms);
        self.starting.push(Starting { request, root, entry, envelope, deadline_ms, job });
        Ok(())
    }

    /// Starts what was to be started, once it is on disk that it was: after a loss of power nothing
    /// is executed a second time. One write serves all that came together.
    pub(super) fn start_what_is_kept(&mut self, now: u64) {
        let starting = std::mem::take(&mut self.starting);
        let synced = self.shared.keep.sync();
        if let Err(error) = &synced {
            warn!(%error, "that requests were started cannot be kept");
        }
        for one in starting {
            // Its author may have taken it back meanwhile.
            if self.register.get(&one.request) != Some(None) {
                continue;
            }
            let (request, author) = (one.request, one.envelope.body.author.clone());
            let deadline_ms = one.deadline_ms;
            let started = match synced {
                Ok(()) => self.run(one, now),
                Err(_) => Err(DeclineReason::Resources),
            };
            if let Err(reason) = started {
                self.decline(request, &author, deadline_ms, reason, now);
            }
        }
    }

    fn run(&mut self, one: Starting, now: u64) -> Result<(), DeclineReason> {
        let Starting { request, root, entry, envelope, deadline_ms, job } = one;
        let running = self.shared.runner.execute(job).map_err(|_| DeclineReason::Busy)?;
        let cancel = Some(running.canceller());
        let executing = Executing { root, envelope, cancel, deadline_ms, began: Instant::now() };
        self.executing.insert(request, executing);
        if let Err(error) = self.shared.content.touch(&root, now) {
            debug!(%error, "when content was used last is not kept");
        }
        self.shared.tell(&json!({ "ExecutionStarted": {
            "request": request, "root": root, "entry": entry,
        }}));
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move {
            let finished = running.await;
            let ended = Box::new(with_output(&shared, finished, now).await);
            shared.report(Input::Executed { request, ended }).await;
        });
        Ok(())
    }

    /// What is to be run. Nothing in it depends on this node, or honest nodes would differ.
    fn job(
        &self,
        request: RequestId,
        envelope: &Envelope,
        execution: &Execution,
        ready: &SharedReady,
        left_ms: u64,
    ) -> Result<Job, DeclineReason> {
        let manifest = &ready.manifest;
        let entry = manifest.entry(&execution.entry).ok_or(DeclineReason::Entry)?;
        let artefact = ready.entries.get(&execution.entry).ok_or(DeclineReason::Entry)?;
        let config = &self.shared.config;
        let wanted = manifest.permissions.narrowed_by(&execution.permissions);
        // With less than it asks for it would do something else here than elsewhere.
        if wanted.narrowed_by(&config.permissions) != wanted {
            return Err(DeclineReason::Policy);
        }
        let limits = manifest.limits.narrowed_by(&execution.limits);
        if limits.narrowed_by(&config.limits) != limits {
            return Err(DeclineReason::Resources);
        }
        Ok(Job {
            artefact: artefact.clone(),
            entry: entry.name.clone(),
            args: entry.args.iter().chain(&execution.args).cloned().collect(),
            stdin: Bytes::from(execution.stdin.clone()),
            env: entry.env_with(&execution.env),
            input: ready.tree.clone(),
            limits,
            permissions: wanted,
            seed: request.0,
            // Part of the request, so that it is the same in every envelope.
            time_ms: execution.deadline_ms.saturating_sub(limits.time_ms),
            caller: Caller(envelope.body.author.to_account_hash().value()),
            deadline: Some(std::time::Instant::now() + Duration::from_millis(left_ms)),
        })
    }
}

/// Makes content of the files that an execution left, and the outcome of it all.
async fn with_output(shared: &Arc<Shared>, finished: Finished, now: u64) -> Ended {
    if finished.output.is_empty() {
        return Ended { outcome: finished.outcome(None), finished };
    }
    let with = Arc::clone(shared);
    let output = finished.output.clone();
    let keep = move || {
        let mut blocks: Vec<Block> = Vec::new();
        let built = build(&output, &mut |block| blocks.push(block))?;
        let wanted = Reservation {
            root: built.cid,
            size: built.size,
            blocks: built.blocks,
            score: OUTPUT_SCORE,
            note: super::talk::encode(&("output".to_owned(), String::new(), 0_u32)),
        };
        let content = &with.content;
        let kept =
            content.reserve(wanted, &std::collections::BTreeSet::new(), now).and_then(|_| {
                blocks.iter().try_for_each(|block| content.put(&block.cid, &block.bytes))?;
                content.complete(&built.cid, now)
            });
        // The receipt names them all the same; whoever wants them asks another executor.
        if let Err(error) = kept {
            warn!(%error, root = %built.cid, "the files that an execution left are not kept");
        } else {
            with.net.provide(built.cid);
        }
        Some(built.cid)
    };
    let output = tokio::task::spawn_blocking(keep).await.ok().flatten();
    Ended { outcome: finished.outcome(output), finished }
}

/// Files as a directory.
fn build(files: &BTreeMap<String, Bytes>, out: &mut dyn FnMut(Block)) -> Option<Built> {
    let mut tree = TreeBuilder::new(ContentLimits::default());
    for (path, bytes) in files {
        let mut file = FileBuilder::new(Shape::HELIA);
        file.push(bytes, out);
        let built = file.finish(out);
        // The sandbox takes no name that content would not.
        if let Err(error) = tree.add(path, built) {
            warn!(%error, "a file that an execution left has no place");
        }
    }
    tree.finish(out).ok()
}
