//! What is held here: said to everybody, looked after, given up.

use std::{collections::BTreeSet, sync::Arc};

use girrona_assembly::{
    Cid,
    cache::{Decision, Refused},
    message::{Holdings, Payload, payload::HOLDINGS_MAX},
};
use girrona_net::Topic;
use serde_json::json;
use tracing::{debug, info, warn};

use super::{
    caching::{Here, Phase},
    service::{Input, Service},
};

/// How often holdings are said although nothing changed, in milliseconds.
const HOLDINGS_EVERY_MS: u64 = 30_000;
/// A change waits this long for others, in milliseconds.
const HOLDINGS_SOON_MS: u64 = 50;
/// A root is read again after this long, in milliseconds: a day.
const CHECK_AFTER_MS: u64 = 24 * 3_600_000;
/// What was refused is looked at again in such numbers.
const AGAIN_AT_ONCE: usize = 64;

impl Service {
    /// A publisher took it back, or replaced it: it goes, unless the owner wants it, another
    /// publisher announces it, or it is in use; then it goes first when room is needed.
    pub(super) fn taken_back(&mut self, root: &Cid, now: u64) {
        self.ordered.remove(root);
        if self.board.posts(root).next().is_some() {
            return;
        }
        let is_pinned = self.shared.content.root(root).is_some_and(|known| known.is_pinned);
        if is_pinned || self.busy().contains(root) {
            if let Err(error) = self.shared.content.withdraw(root, true) {
                warn!(%error, %root, "that it was withdrawn is not kept");
            }
            return;
        }
        self.give_up(root, "its publisher took it back");
        self.evict(root, "its publisher took it back", now);
    }

    /// It is not held any more.
    pub(super) fn evict(&mut self, root: &Cid, reason: &str, now: u64) {
        info!(%root, reason, "content was given up");
        self.shared.tell(&json!({ "AssemblyEvicted": { "root": root, "reason": reason } }));
        self.shared.metrics.evicted.inc();
        self.shared.net.unprovide(*root);
        if let Some(here) = self.here.get_mut(root) {
            here.phase = Phase::Absent;
            here.fault = Some(reason.to_owned());
        }
        self.evicted.insert(*root);
        self.say_soon(now);
    }

    /// Content lost blocks: what is missing is fetched again.
    pub(super) fn broken(&mut self, roots: &[Cid], now: u64) {
        for root in roots {
            warn!(%root, "content is damaged; what is missing is fetched again");
            self.evict(root, "it is damaged", now);
            if let Some(here) = self.here.get_mut(root) {
                here.phase = Phase::Due { at_ms: now };
            }
        }
    }

    pub(super) fn say_soon(&mut self, now: u64) {
        self.say_holdings_ms = self.say_holdings_ms.min(now.saturating_add(HOLDINGS_SOON_MS));
    }

    /// Tells everybody what is held here.
    pub(super) fn say_holdings(&mut self, now: u64) {
        self.say_holdings_ms = now.saturating_add(HOLDINGS_EVERY_MS);
        let whole = self.shared.content.roots().into_iter().filter(|known| known.is_whole);
        let is_assembly = |root: &Cid| self.ready(root).is_some();
        let have: Vec<Cid> =
            whole.map(|known| known.root).filter(|root| is_assembly(root)).collect();
        let evicted: BTreeSet<Cid> =
            std::mem::take(&mut self.evicted).into_iter().filter(|r| !have.contains(r)).collect();
        let evicted: Vec<Cid> = evicted.into_iter().collect();
        let addresses = self.shared.addresses();
        let mut parts: Vec<Holdings> = have
            .chunks(HOLDINGS_MAX)
            .map(|have| Holdings {
                have: have.to_vec(),
                evicted: Vec::new(),
                addresses: addresses.clone(),
            })
            .collect();
        for gone in evicted.chunks(HOLDINGS_MAX) {
            match parts.last_mut() {
                Some(last) if last.have.len() + gone.len() <= HOLDINGS_MAX => {
                    last.evicted = gone.to_vec();
                }
                _ => parts.push(Holdings {
                    have: Vec::new(),
                    evicted: gone.to_vec(),
                    addresses: addresses.clone(),
                }),
            }
        }
        for holdings in parts {
            let signed = self.shared.sign(Payload::Holdings(holdings));
            let topic = Topic::Holdings;
            if !self.shared.net.publish(topic, signed.bytes.clone().into()) {
                debug!("the swarm is busy; holdings are said again in a minute");
            }
            if let Payload::Holdings(holdings) = &signed.envelope.body.payload {
                self.census.hear(&self.shared.account, holdings, now);
            }
            let id = signed.id;
            self.shelf.put(id, signed.bytes, signed.envelope.body.expires_ms, now);
            let me = self.shared.account.clone();
            self.places.insert(me.clone(), self.shared.addresses());
            if let Some(before) = self.words.insert(me, id) {
                self.shelf.remove(&before);
            }
        }
    }

    /// What was given up for something that came over the door.
    pub(super) fn notice_gone(&mut self, now: u64) {
        let gone: Vec<Cid> =
            self.ready_roots().filter(|root| !self.shared.content.holds(root)).copied().collect();
        for root in gone {
            self.evict(&root, "something worth more needed its room", now);
        }
        // What was in use when it was taken back.
        let known = self.shared.content.roots().into_iter();
        for known in known.filter(|known| known.is_withdrawn && !known.is_pinned) {
            self.taken_back(&known.root, now);
        }
    }

    /// Reads the root that was read longest ago, if that is long ago.
    pub(super) fn check_oldest(&self, now: u64) {
        let roots = self.shared.content.roots();
        let oldest = roots.iter().filter(|known| known.is_whole).min_by_key(|k| k.checked_ms);
        let Some(oldest) = oldest.filter(|k| k.checked_ms.saturating_add(CHECK_AFTER_MS) < now)
        else {
            return;
        };
        let (shared, root) = (Arc::clone(&self.shared), oldest.root);
        self.shared.runtime.spawn(async move {
            let content = shared.content.clone();
            let work = move || content.check(&root, now);
            match tokio::task::spawn_blocking(work).await {
                Ok(Ok(checked)) if !checked.broken.is_empty() => {
                    // Said to the service by the store itself as well; once is enough.
                    let broken = shared.content.take_broken();
                    shared.report(Input::Broken(broken)).await;
                }
                Ok(Err(error)) => warn!(%error, %root, "content cannot be checked"),
                _ => {}
            }
        });
    }

    /// Looks again at what was refused for reasons that pass: room, and how many copies there are.
    pub(super) fn look_again(&mut self, now: u64) {
        let board = &self.board;
        self.here.retain(|root, here| {
            !matches!(here.phase, Phase::Absent | Phase::Unfit(_))
                || board.posts(root).next().is_some()
        });
        let may_pass = |here: &Here| {
            let refused = here.decision.as_ref();
            matches!(here.phase, Phase::Absent)
                && matches!(
                    refused,
                    Some(Decision::Refuse(Refused::Room { .. } | Refused::Score { .. }))
                )
        };
        let refused = self.here.iter().filter(|(_, here)| may_pass(here)).map(|(root, _)| *root);
        let roots: Vec<Cid> = refused.take(AGAIN_AT_ONCE).collect();
        for root in roots {
            self.consider(&root, now);
        }
    }
}
