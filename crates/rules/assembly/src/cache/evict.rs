//! What is given up when there is no room: what matters least, never what is pinned or in use.

use serde::Serialize;
use thiserror::Error;

use crate::content::Cid;

/// Something that is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its root.
    pub root: Cid,
    /// Bytes that giving it up frees.
    pub size: u64,
    /// The owner said that it stays.
    pub is_pinned: bool,
    /// It is being executed or fetched.
    pub is_busy: bool,
    /// Its publisher took it back.
    pub is_withdrawn: bool,
    /// The score it would have today, from 0 to 1,000; see [`super::decide()`].
    pub score: u64,
    /// When it was last executed or served, in milliseconds since 1970.
    pub used_ms: u64,
}

/// It does not fit, whatever is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Error)]
#[error("{wanted} bytes are wanted, {free} are free and {evictable} may be evicted")]
pub struct NoRoom {
    /// What is to be put.
    pub wanted: u64,
    /// What is free.
    pub free: u64,
    /// What may be given up for it.
    pub evictable: u64,
}

/// How much relevance a day without use costs, in points of score.
const POINTS_A_DAY: u64 = 100;
const DAY_MS: u64 = 24 * 3_600_000;

impl Held {
    /// How much speaks for keeping it: its score, less for each day without use.
    fn worth(&self, now_ms: u64) -> u64 {
        let idle = now_ms.saturating_sub(self.used_ms);
        let lost = idle.saturating_mul(POINTS_A_DAY).checked_div(DAY_MS).unwrap_or_default();
        if self.is_withdrawn { 0 } else { self.score.saturating_sub(lost).saturating_add(1) }
    }

    const fn may_go(&self) -> bool {
        !self.is_pinned && !self.is_busy
    }
}

/// Bytes that may be given up for something with this score: what is worth less.
pub fn evictable(held: &[Held], score: u64, now_ms: u64) -> u64 {
    let sizes = held.iter().filter(|one| one.may_go() && one.worth(now_ms) <= score);
    sizes.fold(0, |sum, one| sum.saturating_add(one.size))
}

/// What has to go so that `wanted` bytes with this score fit into what is `free`: as little worth
/// as possible, and nothing that is worth more than what comes. Empty if it fits already.
///
/// # Errors
/// [`NoRoom`]; nothing goes then.
pub fn evict(
    held: &[Held],
    wanted: u64,
    free: u64,
    score: u64,
    now_ms: u64,
) -> Result<Vec<Cid>, NoRoom> {
    let mut missing = wanted.saturating_sub(free);
    let mut candidates: Vec<&Held> =
        held.iter().filter(|one| one.may_go() && one.worth(now_ms) <= score).collect();
    // The oldest of equals goes first; roots settle what is left.
    candidates.sort_by_key(|one| (one.worth(now_ms), one.used_ms, one.root));
    let mut gone: Vec<&Held> = Vec::new();
    for one in candidates {
        if missing == 0 {
            break;
        }
        missing = missing.saturating_sub(one.size);
        gone.push(one);
    }
    if missing > 0 {
        return Err(NoRoom { wanted, free, evictable: evictable(held, score, now_ms) });
    }
    // A large one at the end may have made small ones before it unnecessary; what is worth most
    // stays.
    gone.reverse();
    let total = gone.iter().fold(free, |sum, one| sum.saturating_add(one.size));
    let mut spare = total.saturating_sub(wanted);
    gone.retain(|one| match spare.checked_sub(one.size) {
        Some(rest) if one.size > 0 => {
            spare = rest;
            false
        }
        _ => one.size > 0,
    });
    Ok(gone.into_iter().rev().map(|one| one.root).collect())
}
