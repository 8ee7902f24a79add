//! When a node begins to fetch what it decided to cache.
//!
//! If all began at once, all would ask the publisher. So each waits by the distance between its id
//! and the content's: about as many as copies are wished for begin at once, the others find them.

use sha2::{Digest, Sha256};

use crate::content::Cid;

/// The longest wait, in milliseconds.
pub const DELAY_MAX_MS: u64 = 500;

/// The first 64 bits of the XOR distance between a node's id and a content's. Ids are hashed, so
/// that distances are spread evenly whatever ids look like.
pub fn distance(node: &[u8], root: &Cid) -> u64 {
    let node: [u8; 32] = Sha256::digest(node).into();
    let content: [u8; 32] = Sha256::digest(root.to_bytes()).into();
    let first = |hash: &[u8; 32]| hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    first(&node) ^ first(&content)
}

/// How long a node at this distance waits, where `nodes` may be interested and `target` copies
/// are wished for.
pub fn fetch_delay_ms(distance: u64, target: u32, nodes: u64) -> u64 {
    // Of `nodes` evenly spread distances about `target` lie below this.
    let first = u128::from(u64::MAX)
        .saturating_mul(u128::from(target))
        .checked_div(u128::from(nodes.max(1)))
        .unwrap_or_default();
    let first = u64::try_from(first).unwrap_or(u64::MAX);
    let Some(beyond) = distance.checked_sub(first) else { return 0 };
    let scaled = u128::from(beyond).saturating_mul(u128::from(DELAY_MAX_MS));
    let rest = u128::from(u64::MAX.saturating_sub(first));
    let delay = scaled.checked_div(rest).unwrap_or_default();
    u64::try_from(delay).unwrap_or(DELAY_MAX_MS).min(DELAY_MAX_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Codec;

    #[test]
    fn about_as_many_as_are_wished_for_begin_at_once() {
        let root = Cid::of(Codec::DagPb, b"assembly");
        let delays: Vec<u64> = (0..1_000_u32)
            .map(|node| fetch_delay_ms(distance(&node.to_le_bytes(), &root), 50, 1_000))
            .collect();
        let at_once = delays.iter().filter(|delay| **delay == 0).count();
        // 50 with a standard deviation of 7, and those of the first millisecond.
        assert!((25..85).contains(&at_once), "{at_once}");
        let late = delays.iter().filter(|delay| **delay > 250).count();
        assert!((400..600).contains(&late), "{late}");
        assert!(delays.iter().all(|delay| *delay <= DELAY_MAX_MS));
    }

    #[test]
    fn where_all_are_needed_nobody_waits() {
        for distance in [0, 1, u64::MAX / 2, u64::MAX] {
            assert_eq!(fetch_delay_ms(distance, 10, 10), 0);
            assert_eq!(fetch_delay_ms(distance, 10, 0), 0);
        }
        assert_eq!(fetch_delay_ms(u64::MAX, 0, 10), DELAY_MAX_MS);
    }
}
