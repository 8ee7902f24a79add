//! A binary Merkle trie in memory, with the nodes and so the root of NOMT's.
//!
//! Persistent: an update shares what it does not touch, so trying out changes costs only the
//! paths that they touch.

use std::sync::Arc;

use girrona_types::keys::Path;
use nomt_core::{
    hasher::{Blake3Hasher, NodeHasher},
    trie::{InternalData, LeafData, TERMINATOR},
};

/// blake3 of a value's bytes.
pub(crate) type ValueHash = [u8; 32];

/// A subtree. One leaf alone is its own subtree, wherever it is.
#[derive(Clone, Debug, Default)]
pub(crate) enum Node {
    #[default]
    Empty,
    Leaf {
        path: Path,
        value: ValueHash,
        hash: [u8; 32],
    },
    Internal {
        hash: [u8; 32],
        children: Arc<(Self, Self)>,
    },
}

impl Node {
    /// The hash that stands for this subtree; at the top, the root.
    pub(crate) const fn hash(&self) -> [u8; 32] {
        match self {
            Self::Empty => TERMINATOR,
            Self::Leaf { hash, .. } | Self::Internal { hash, .. } => *hash,
        }
    }

    /// The subtree after changes, which are ordered by path; `None` removes. `depth` is how many
    /// bits of the paths lead here.
    pub(crate) fn updated(&self, depth: u32, changes: &[(Path, Option<ValueHash>)]) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        match self {
            Self::Empty => Self::built(depth, &present(changes)),
            Self::Leaf { path, value, .. } => {
                let mut leaves = present(changes);
                if changes.binary_search_by(|(changed, _)| changed.cmp(path)).is_err() {
                    let at = leaves.partition_point(|(leaf, _)| leaf < path);
                    leaves.insert(at, (*path, *value));
                }
                Self::built(depth, &leaves)
            }
            Self::Internal { children, .. } => {
                let middle = changes.partition_point(|(path, _)| !bit(path, depth));
                let (left, right) = changes.split_at(middle);
                let below = depth.saturating_add(1);
                Self::joined(children.0.updated(below, left), children.1.updated(below, right))
            }
        }
    }

    fn built(depth: u32, leaves: &[(Path, ValueHash)]) -> Self {
        match leaves {
            [] => Self::Empty,
            [(path, value)] => Self::Leaf {
                path: *path,
                value: *value,
                hash: Blake3Hasher::hash_leaf(&LeafData { key_path: *path, value_hash: *value }),
            },
            _ => {
                let middle = leaves.partition_point(|(path, _)| !bit(path, depth));
                let (left, right) = leaves.split_at(middle);
                let below = depth.saturating_add(1);
                Self::joined(Self::built(below, left), Self::built(below, right))
            }
        }
    }

    fn joined(left: Self, right: Self) -> Self {
        match (&left, &right) {
            (Self::Empty, Self::Empty | Self::Leaf { .. }) => right,
            (Self::Leaf { .. }, Self::Empty) => left,
            _ => Self::Internal {
                hash: Blake3Hasher::hash_internal(&InternalData {
                    left: left.hash(),
                    right: right.hash(),
                }),
                children: Arc::new((left, right)),
            },
        }
    }
}

fn present(changes: &[(Path, Option<ValueHash>)]) -> Vec<(Path, ValueHash)> {
    changes.iter().filter_map(|(path, value)| value.map(|value| (*path, value))).collect()
}

/// The bit of a path that decides at a depth; the first is the highest of the first byte.
fn bit(path: &Path, depth: u32) -> bool {
    let byte = path.get((depth >> 3) as usize).copied().unwrap_or_default();
    byte & 0x80_u8.wrapping_shr(depth & 7) != 0
}
