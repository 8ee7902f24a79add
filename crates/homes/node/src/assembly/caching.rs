//! Stage one: what is announced is decided about, fetched, compiled, held and said to be held.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use girrona_api::methods::assembly::Interests;
use girrona_assembly::{
    Cid, MessageId,
    cache::{self, Decision, Local, Refused, decide, distance, fetch_delay_ms},
    message::{Announcement, Content},
};
use girrona_net::{Fetch, FetchError, Progress};
use girrona_store::content::{ContentError, Reservation};
use serde_json::json;
use tokio::{sync::watch, task::AbortHandle};
use tracing::{debug, info, warn};

use super::{
    intake::providers,
    metrics::Metrics,
    sandbox::{self, SharedReady, Unfit},
    service::{Input, Service},
    shared::Shared,
};

/// Fetches under way at the same time; others wait.
const FETCHES: usize = 4;
/// How long nobody may have what is missing before a fetch is tried again later.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that a block may have beside those of files.
const FETCH_OVERHEAD: u64 = 320;
/// The longest wait between two tries, in milliseconds.
const AGAIN_MAX_MS: u64 = 60_000;

/// How far something is here.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// It is not wanted, or nobody decided yet.
    #[default]
    Absent,
    /// It will be fetched.
    Due { at_ms: u64 },
    /// It is being fetched.
    Fetching { progress: watch::Receiver<Progress>, job: AbortHandle },
    /// It is here and being compiled.
    Compiling,
    /// It can be executed.
    Ready(SharedReady),
    /// It is here and cannot be executed.
    Unfit(String),
}

/// What is known of a root on this node.
#[derive(Debug, Default)]
pub(super) struct Here {
    pub(super) decision: Option<Decision>,
    pub(super) phase: Phase,
    pub(super) tries: u32,
    /// What went wrong last.
    pub(super) fault: Option<String>,
    /// The announcement that it is fetched by.
    pub(super) by: Option<MessageId>,
    /// Announcements that turned out to be wrong about it; another author's may be right.
    pub(super) wrong: BTreeSet<MessageId>,
}

/// How a fetch ended.
#[derive(Debug)]
pub(crate) enum FetchEnd {
    Whole {
        bytes: u64,
        millis: u64,
        peers: usize,
        evicted: Vec<Cid>,
    },
    NoRoom(cache::NoRoom),
    Failed(String),
    /// It is no content that an assembly may have; trying again is of no use.
    Bad(String),
}

impl Service {
    /// Everything that can be executed.
    pub(super) fn ready_roots(&self) -> impl Iterator<Item = &Cid> {
        let ready = self.here.iter().filter(|(_, here)| matches!(here.phase, Phase::Ready(_)));
        ready.map(|(root, _)| root)
    }

    pub(super) fn ready(&self, root: &Cid) -> Option<&SharedReady> {
        match self.here.get(root).map(|here| &here.phase) {
            Some(Phase::Ready(ready)) => Some(ready),
            _ => None,
        }
    }

    /// Roots that may not be given up now.
    pub(super) fn busy(&self) -> BTreeSet<Cid> {
        let fetching = self
            .here
            .iter()
            .filter(|(_, here)| matches!(here.phase, Phase::Fetching { .. } | Phase::Compiling));
        let executing = self.executing.values().filter(|one| one.is_running()).map(|one| one.root);
        fetching.map(|(root, _)| *root).chain(executing).collect()
    }

    /// Decides about something that is announced, ordered or partly here.
    pub(super) fn consider(&mut self, root: &Cid, now: u64) {
        let is_ordered = self.ordered.contains(root);
        let busy = self.busy();
        let posts = self.believable(root);
        let held = self.shared.content.root(root);
        let Some((_, first)) = posts.first() else {
            // Nobody announces it any more; what is here stays, what is not is not fetched.
            if held.as_ref().is_some_and(|held| !held.is_whole && !is_ordered) {
                self.give_up(root, "nobody announces it any more");
            }
            return;
        };
        let node = self.shared.net.local_peer().to_bytes();
        let own = held.as_ref().filter(|held| held.is_whole).map_or(0, |held| held.weight);
        let mine = u32::from(self.census.holders(root).any(|key| *key == self.shared.account));
        let local = |replication: u32| Local {
            // What is here needs no room.
            room: self.shared.content.room(cache::decide::FULL, now, &busy).saturating_add(own),
            cpu_milli: self.shared.config.cpu_milli(),
            memory: self.shared.config.memory_bytes(),
            gpus: self.shared.config.gpus,
            copies: self.census.copies(root, replication).held.saturating_sub(mine),
            is_ordered,
            distance: distance(&node, root),
        };
        let mut decision = None;
        let mut by = None;
        for (message, announcement) in &posts {
            by = Some(*message);
            let local = local(announcement.replication);
            let decided = decide(announcement, &self.policy, &local);
            let is_yes = matches!(decided, Decision::Cache { .. });
            decision = Some(decided);
            if is_yes {
                break;
            }
        }
        let Some(decision) = decision else { return };
        let target = first.replication;
        let score = match &decision {
            Decision::Cache { score, .. } => *score,
            Decision::Refuse(Refused::Score { score, .. }) => *score,
            Decision::Refuse(_) => 0,
        };
        let here = self.here.entry(*root).or_default();
        if !matches!(here.phase, Phase::Fetching { .. } | Phase::Compiling) {
            here.by = by;
        }
        if here.decision.as_ref() != Some(&decision) {
            let outcome =
                if matches!(decision, Decision::Cache { .. }) { "cache" } else { "refuse" };
            Metrics::count(&self.shared.metrics.decisions, outcome);
            self.shared.tell(&json!({ "AssemblyDecided": {
                "root": root, "decision": decision, "reason": reason(&decision),
            }}));
            info!(%root, name = first.name, why = reason(&decision), "decided about an assembly");
        }
        let wanted = is_ordered || matches!(decision, Decision::Cache { .. });
        here.decision = Some(decision);
        if held.as_ref().is_some_and(|held| held.is_whole) {
            let note = note_of(first);
            let kept = self
                .shared
                .content
                .note(root, note, score)
                .and_then(|_| self.shared.content.withdraw(root, false));
            if let Err(error) = kept {
                warn!(%error, %root, "what is known of content is not kept");
            }
            if matches!(here.phase, Phase::Absent) {
                self.prepare(*root);
            }
            return;
        }
        match &here.phase {
            Phase::Absent if wanted => {
                let nodes = self.census.nodes().max(self.peers.len()).saturating_add(1) as u64;
                let distance = distance(&node, root);
                let delay = if is_ordered { 0 } else { fetch_delay_ms(distance, target, nodes) };
                here.phase = Phase::Due { at_ms: now.saturating_add(delay) };
            }
            Phase::Due { .. } if !wanted => here.phase = Phase::Absent,
            Phase::Fetching { job, .. } if !wanted => {
                job.abort();
                here.phase = Phase::Absent;
                self.drop_content(root);
            }
            _ => {}
        }
    }

    /// What this node wants, changed while it runs.
    pub(super) fn set_interests(&mut self, interests: Interests) {
        self.policy.tags = interests.tags;
        self.policy.refuse_tags = interests.refuse_tags;
        self.policy.groups = interests.groups;
    }

    /// Decides again about everything.
    pub(super) fn reconsider(&mut self, now: u64) {
        let roots: BTreeSet<Cid> =
            self.board.all().map(|post| post.announcement.content.root).collect();
        for root in roots {
            self.consider(&root, now);
        }
    }

    pub(super) fn start_due_fetches(&mut self, now: u64) {
        let is_fetching = |here: &&Here| matches!(here.phase, Phase::Fetching { .. });
        let mut free = FETCHES.saturating_sub(self.here.values().filter(is_fetching).count());
        let due: Vec<Cid> = self
            .here
            .iter()
            .filter(|(_, here)| matches!(here.phase, Phase::Due { at_ms } if at_ms <= now))
            .map(|(root, _)| *root)
            .collect();
        for root in due {
            if free == 0 {
                return;
            }
            free = free.saturating_sub(1);
            self.start_fetch(root, now);
        }
    }

    fn start_fetch(&mut self, root: Cid, now: u64) {
        let by = self.here.get(&root).and_then(|here| here.by);
        let posts = self.believable(&root);
        let chosen = posts.iter().find(|(message, _)| Some(*message) == by);
        let Some((message, announcement)) = chosen.or_else(|| posts.first()).cloned() else {
            self.give_up(&root, "nobody announces it any more");
            return;
        };
        let is_ordered = self.ordered.contains(&root);
        let score = match self.here.get(&root).and_then(|here| here.decision.as_ref()) {
            _ if is_ordered => cache::decide::FULL,
            Some(Decision::Cache { score, .. }) => *score,
            _ => 0,
        };
        let holders = self.census.holders(&root).filter_map(|key| self.places.get(key));
        let addresses = announcement.publishers.iter().cloned().chain(holders.flatten().cloned());
        let me = self.shared.net.local_peer();
        let (progress, shown) = watch::channel(Progress::default());
        let mut fetch = Fetch::new(root, providers(addresses, me));
        // Names and links come on top of the files' bytes.
        let Content { size, blocks, .. } = announcement.content;
        let bytes = size.saturating_add(blocks.saturating_mul(FETCH_OVERHEAD));
        fetch.limits.bytes_max = fetch.limits.bytes_max.min(bytes);
        fetch.limits.blocks_max = fetch.limits.blocks_max.min(blocks.saturating_add(1));
        fetch.patience = PATIENCE;
        fetch.progress = progress;
        let wanted = Reservation {
            root,
            size: announcement.content.size,
            blocks: announcement.content.blocks,
            score,
            note: note_of(&announcement),
        };
        let (shared, busy) = (Arc::clone(&self.shared), self.busy());
        let job = self.shared.runtime.spawn(async move {
            let end = fetch_whole(&shared, fetch, wanted, busy, now).await;
            shared.report(Input::Fetched { root, end }).await;
        });
        let here = self.here.entry(root).or_default();
        here.by = Some(message);
        here.phase = Phase::Fetching { progress: shown, job: job.abort_handle() };
    }

    pub(super) fn fetched(&mut self, root: Cid, end: FetchEnd, now: u64) {
        let Some(here) = self.here.get_mut(&root) else { return };
        if !matches!(here.phase, Phase::Fetching { .. }) {
            return;
        }
        let outcome = match end {
            FetchEnd::Whole { bytes, millis, peers, evicted } => {
                here.phase = Phase::Compiling;
                here.tries = 0;
                here.fault = None;
                self.shared.metrics.fetched_bytes.inc_by(bytes);
                self.shared.tell(&json!({ "AssemblyFetched": {
                    "root": root, "bytes": bytes, "millis": millis, "peers": peers,
                }}));
                info!(%root, bytes, millis, peers, "an assembly was fetched");
                if self.ordered.contains(&root)
                    && let Err(error) = self.shared.content.pin(&root, true)
                {
                    warn!(%error, %root, "not pinned");
                }
                for old in evicted {
                    self.evict(&old, "something worth more needed its room", now);
                }
                self.prepare(root);
                "whole"
            }
            FetchEnd::NoRoom(no_room) => {
                let refused = Refused::Room { size: no_room.wanted, room: no_room.free };
                here.decision = Some(Decision::Refuse(refused));
                here.phase = Phase::Absent;
                here.fault = Some(no_room.to_string());
                "no room"
            }
            FetchEnd::Failed(reason) => {
                here.tries = here.tries.saturating_add(1);
                let wait = 1_000_u64.saturating_mul(1 << here.tries.min(6)).min(AGAIN_MAX_MS);
                debug!(%root, reason, wait, "a fetch failed and is tried again");
                here.phase = Phase::Due { at_ms: now.saturating_add(wait) };
                here.fault = Some(reason);
                "failed"
            }
            FetchEnd::Bad(reason) => {
                self.not_as_announced(root, reason, now);
                "bad"
            }
        };
        Metrics::count(&self.shared.metrics.fetches, outcome);
    }

    /// Compiles what is here.
    pub(super) fn prepare(&mut self, root: Cid) {
        self.here.entry(root).or_default().phase = Phase::Compiling;
        let posts = self.believable(&root);
        let announced: Vec<Announcement> = posts.into_iter().map(|(_, said)| said).collect();
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn(async move {
            let with = Arc::clone(&shared);
            let work = move || {
                sandbox::prepare(&with.runner, &with.runtime, &with.content, &root, &announced)
            };
            let end = match tokio::task::spawn_blocking(work).await {
                Ok(end) => end.map(Arc::new),
                Err(error) => Err(Unfit::Tree(error.to_string())),
            };
            shared.report(Input::Prepared { root, end }).await;
        });
    }

    pub(super) fn prepared(&mut self, root: Cid, end: Result<SharedReady, Unfit>, now: u64) {
        let Some(here) = self.here.get_mut(&root) else { return };
        match end {
            Ok(ready) => {
                here.phase = Phase::Ready(ready);
                here.fault = None;
                self.shared.tell(&json!({ "AssemblyReady": { "root": root } }));
                info!(%root, "an assembly is ready");
                if let Some(old) = self.replaces.remove(&root) {
                    self.taken_back(&old, now);
                }
            }
            Err(unfit) if unfit.may_pass() => {
                here.fault = Some(unfit.to_string());
                here.phase = Phase::Due { at_ms: now.saturating_add(1_000) };
                return;
            }
            Err(unfit) => {
                self.not_as_announced(root, unfit.to_string(), now);
                return;
            }
        }
        self.shared.net.provide(root);
        self.evicted.remove(&root);
        self.say_soon(now);
    }

    /// What was announced of some content, by authors who were not found to be wrong about it.
    pub(super) fn believable(&self, root: &Cid) -> Vec<(MessageId, Announcement)> {
        let wrong = self.here.get(root).map(|here| &here.wrong);
        self.board
            .posts(root)
            .filter(|post| wrong.is_none_or(|wrong| !wrong.contains(&post.message)))
            .map(|post| (post.message, post.announcement.clone()))
            .collect()
    }

    /// Content is not what its announcement said, or cannot be executed: it is not kept, unless its
    /// owner wants it here. Another author's announcement may still be right about it.
    fn not_as_announced(&mut self, root: Cid, reason: String, now: u64) {
        warn!(%root, reason, "content is not what was announced");
        self.shared.tell(&json!({ "AssemblyUnfit": { "root": root, "reason": reason } }));
        let is_ordered = self.ordered.contains(&root);
        let here = self.here.entry(root).or_default();
        here.wrong.extend(here.by.take());
        here.fault = Some(reason.clone());
        here.phase = Phase::Unfit(reason);
        if is_ordered {
            return;
        }
        self.drop_content(&root);
        if !self.believable(&root).is_empty() {
            if let Some(here) = self.here.get_mut(&root) {
                here.phase = Phase::Absent;
            }
            self.consider(&root, now);
        }
    }

    /// Stops fetching something.
    pub(super) fn give_up(&mut self, root: &Cid, reason: &str) {
        let Some(here) = self.here.get_mut(root) else { return };
        if let Phase::Fetching { job, .. } = &here.phase {
            job.abort();
        }
        here.phase = Phase::Absent;
        here.fault = Some(reason.to_owned());
        self.drop_content(root);
    }

    pub(super) fn drop_content(&self, root: &Cid) {
        let (content, root) = (self.shared.content.clone(), *root);
        self.shared.runtime.spawn_blocking(move || {
            if let Err(error) = content.remove(&root) {
                warn!(%error, %root, "content is not removed");
            }
        });
    }
}

/// What is kept beside content, for when its announcement has expired: name and version.
fn note_of(announcement: &Announcement) -> Vec<u8> {
    let Announcement { name, version, replication, .. } = announcement;
    super::talk::encode(&(name, version, *replication))
}

/// What [`note_of`] says.
pub(super) fn noted(note: &[u8]) -> (String, String, u32) {
    super::talk::decode(note).unwrap_or_default()
}

/// A decision in words.
pub(super) fn reason(decision: &Decision) -> String {
    match decision {
        Decision::Cache { score, .. } => format!("its score is {score}"),
        Decision::Refuse(refused) => refused.to_string(),
    }
}

/// Reserves, fetches, completes.
async fn fetch_whole(
    shared: &Arc<Shared>,
    fetch: Fetch,
    wanted: Reservation,
    busy: BTreeSet<Cid>,
    now: u64,
) -> FetchEnd {
    let (root, announced) = (wanted.root, wanted.size);
    let content = shared.content.clone();
    let reserve = move || content.reserve(wanted, &busy, now);
    let evicted = match tokio::task::spawn_blocking(reserve).await {
        Ok(Ok(evicted)) => evicted,
        Ok(Err(ContentError::NoRoom(no_room))) => return FetchEnd::NoRoom(no_room),
        Ok(Err(error)) => return FetchEnd::Failed(error.to_string()),
        Err(error) => return FetchEnd::Failed(error.to_string()),
    };
    let fetched = match shared.net.fetch(fetch).await {
        Ok(fetched) => fetched,
        Err(FetchError::Content(failure)) => return FetchEnd::Bad(failure.to_string()),
        Err(error) => return FetchEnd::Failed(error.to_string()),
    };
    let content = shared.content.clone();
    let complete = move || content.complete(&root, now);
    match tokio::task::spawn_blocking(complete).await {
        Ok(Ok(info)) if info.size == announced => FetchEnd::Whole {
            bytes: fetched.progress.bytes,
            millis: u64::try_from(fetched.elapsed.as_millis()).unwrap_or(u64::MAX),
            peers: fetched.progress.by_peer.len(),
            evicted,
        },
        Ok(Ok(info)) => {
            FetchEnd::Bad(format!("it has {} bytes, {announced} were announced", info.size))
        }
        Ok(Err(ContentError::Walk(error))) => FetchEnd::Bad(error.to_string()),
        Ok(Err(error)) => FetchEnd::Failed(error.to_string()),
        Err(error) => FetchEnd::Failed(error.to_string()),
    }
}
