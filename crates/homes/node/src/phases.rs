//! When deploys reached which phase on this node, for those that are not on disk with it yet.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use casper_types::{DeployHash, Timestamp};
use girrona_chain::disk::{Phase, Phases};

/// Deploys that are remembered; when full, the oldest is forgotten. What was executed is on disk.
const REMEMBERED_MAX: usize = 100_000;

#[derive(Debug, Default)]
struct Log {
    phases: BTreeMap<DeployHash, Phases>,
    order: VecDeque<DeployHash>,
}

/// A bounded memory of phases.
#[derive(Debug, Default)]
pub struct PhaseLog {
    log: Mutex<Log>,
}

impl PhaseLog {
    /// Notes that deploys reached a phase; only the first time counts.
    pub fn reached(&self, phase: Phase, at: Timestamp, hashes: Vec<DeployHash>) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let at = at.millis();
        for hash in hashes {
            if !log.phases.contains_key(&hash) {
                log.order.push_back(hash);
                if log.order.len() > REMEMBERED_MAX
                    && let Some(oldest) = log.order.pop_front()
                {
                    log.phases.remove(&oldest);
                }
            }
            log.phases.entry(hash).or_default().at.entry(phase).or_insert(at);
        }
    }

    /// What is remembered of a deploy.
    pub fn get(&self, hash: &DeployHash) -> Option<Phases> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.phases.get(hash).cloned()
    }
}
