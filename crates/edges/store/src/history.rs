//! Past states.
//!
//! The tree holds the state of the tip only. For every block, what its keys held before it is kept
//! as `path, height -> old value`. So the value at an earlier height is the old value in the first
//! entry above that height, or the tip's if there is none.
//!
//! A reader looks at the tree first and at the entries second, and a commit writes its entries
//! before it changes the tree: whichever of the two a reader meets in between, it finds the value
//! of its height.

use std::sync::{Arc, atomic::Ordering};

use casper_types::{Key, StoredValue};
use fjall::OwnedWriteBatch;
use girrona_chain::disk::{DiskError, DiskResult};
use girrona_state::{Leaves, Reader, Unreadable, commitment, is_record};
use girrona_types::{
    Height,
    keys::{Path, normalised},
};
use thiserror::Error;

use crate::{
    reader::Shared,
    tables::{Doing as _, Tables, caspers, fault, height_key, meta},
};

/// A commit forgets at most this many old heights, so that a smaller `state_history_blocks` does
/// not make one block slow.
const FORGOTTEN_AT_ONCE: u64 = 4;

/// The state of a height was forgotten while it was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the state of height {height} is no longer kept, the lowest that is kept is {lowest}")]
pub struct StateGone {
    /// The height that was asked for.
    pub height: Height,
    /// The lowest height whose state can be read.
    pub lowest: Height,
}

/// The state after one block.
#[derive(Clone, Debug)]
pub struct StateAt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) height: Height,
}

impl StateAt {
    /// The block's height.
    pub const fn height(&self) -> Height {
        self.height
    }

    fn bytes(&self, path: Path) -> DiskResult<Option<Vec<u8>>> {
        let at_tip = self.shared.tree.read(path).doing(|| "read the state tree")?;
        let entries = self
            .shared
            .tables
            .history
            .range(entry_key(&path, self.height.next())..=entry_key(&path, Height(u64::MAX)))
            .next();
        let value = match entries {
            None => at_tip,
            Some(entry) => {
                let old = entry.value().doing(|| "read a past value")?;
                old_value(&old)?
            }
        };
        // Checked last: what is forgotten by now may have been missed.
        let lowest = Height(self.shared.history_from.load(Ordering::Acquire));
        if self.height < lowest {
            let gone = StateGone { height: self.height, lowest };
            return Err(DiskError { doing: "read a past state".to_owned(), source: gone.into() });
        }
        Ok(value)
    }
}

impl Reader for StateAt {
    /// The value of a key after the block.
    ///
    /// # Errors
    /// With [`StateGone`] as the source's source when the state was forgotten in the meantime.
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        if is_record(key) {
            return Ok(None);
        }
        let path = commitment::path(&normalised(key))?;
        let read = || -> DiskResult<_> {
            let Some(bytes) = self.bytes(path)? else { return Ok(None) };
            Ok(Some(Arc::new(caspers::<StoredValue>("value", &bytes)?)))
        };
        read().map_err(|error| Unreadable(error.into()))
    }
}

/// Puts what a block's paths held before it into its batch.
pub(crate) fn remember(
    tables: &Tables,
    batch: &mut OwnedWriteBatch,
    height: Height,
    old_values: &Leaves,
) {
    let mut paths = Vec::with_capacity(old_values.len().saturating_mul(32));
    for (path, old) in old_values {
        let value = match old {
            None => vec![0],
            Some(bytes) => [&[1], bytes.as_slice()].concat(),
        };
        batch.insert(&tables.history, entry_key(path, height), value);
        paths.extend_from_slice(path);
    }
    if !paths.is_empty() {
        batch.insert(&tables.touched, height_key(height), paths);
    }
}

/// Removes in the batch of block `tip` what only states below the last `blocks` ones need. Returns
/// the lowest height whose state can be read from then on.
pub(crate) fn forget(
    tables: &Tables,
    batch: &mut OwnedWriteBatch,
    lowest: Height,
    tip: Height,
    blocks: u64,
) -> DiskResult<Height> {
    let wanted = tip.0.saturating_add(1).saturating_sub(blocks.max(1));
    let mut lowest = lowest;
    for _ in 0..FORGOTTEN_AT_ONCE {
        if lowest.0 >= wanted {
            break;
        }
        lowest = lowest.next();
        let paths = tables
            .touched
            .get(height_key(lowest))
            .doing(|| "read the changed paths of a height")?;
        let Some(paths) = paths else { continue };
        for path in paths.chunks_exact(32).filter_map(|path| path.first_chunk::<32>()) {
            batch.remove(&tables.history, entry_key(path, lowest));
        }
        batch.remove(&tables.touched, height_key(lowest));
    }
    batch.insert(&tables.meta, meta::HISTORY_FROM, height_key(lowest));
    Ok(lowest)
}

fn old_value(bytes: &[u8]) -> DiskResult<Option<Vec<u8>>> {
    match bytes.split_first() {
        Some((0, [])) => Ok(None),
        Some((1, value)) => Ok(Some(value.to_vec())),
        _ => Err(fault("understand a past value", "it is neither absent nor a value")),
    }
}

fn entry_key(path: &Path, height: Height) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(path);
    key[32..].copy_from_slice(&height_key(height));
    key
}
