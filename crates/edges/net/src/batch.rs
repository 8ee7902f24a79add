//! Small messages travel together: many items in one gossip message.
//!
//! Knows: items, 64 KiB, 20 ms, a four-byte big-endian length before each item.
//! Does not know: what an item is. Time arrives as an argument.

use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// A batch is sent when the next item would make it longer than this, in bytes. An item that is
/// longer by itself is a batch of one.
pub(crate) const TARGET: usize = 64 << 10;

/// A batch is sent this long after its first item at the latest.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);

/// The most items in a batch.
pub const MAX_ITEMS: usize = 4_096;

/// Bytes before each item.
pub(crate) const PREFIX: usize = 4;

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// There is nothing in it.
    #[error("an empty batch")]
    Empty,
    /// It ends within an item or a length.
    #[error("a batch that is cut off")]
    Truncated,
    /// An item of no bytes.
    #[error("a batch with an empty item")]
    EmptyItem,
    /// More than [`MAX_ITEMS`].
    #[error("a batch of more than {MAX_ITEMS} items")]
    TooMany,
}

/// Items waiting for company.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    body: BytesMut,
    items: usize,
    since: Option<Instant>,
}

impl Batch {
    /// Adds an item; answers the batch that had to leave to make room for it, if any.
    pub(crate) fn push(&mut self, item: &[u8], now: Instant) -> Option<Bytes> {
        let full = self.body.len() + PREFIX + item.len() > TARGET || self.items >= MAX_ITEMS;
        let leaving = if full { self.take() } else { None };
        push_item(&mut self.body, item);
        self.items += 1;
        self.since.get_or_insert(now);
        leaving
    }

    /// When the batch has to leave, if there is one.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.body.len() >= TARGET { self.since } else { self.since.map(|at| at + PATIENCE) }
    }

    /// Everything that waits.
    pub(crate) fn take(&mut self) -> Option<Bytes> {
        self.since = None;
        self.items = 0;
        if self.body.is_empty() { None } else { Some(self.body.split().freeze()) }
    }
}

fn push_item(body: &mut BytesMut, item: &[u8]) {
    // An item above 4 GiB does not exist: the handle refuses what passes a topic's size.
    body.put_u32(u32::try_from(item.len()).unwrap_or(u32::MAX));
    body.put_slice(item);
}

/// One batch of these items, in their order.
pub fn encode<T: AsRef<[u8]>>(items: &[T]) -> Bytes {
    let mut body = BytesMut::new();
    for item in items {
        push_item(&mut body, item.as_ref());
    }
    body.freeze()
}

/// The items of a batch, without copying them.
///
/// # Errors
/// It is empty, cut off, has an empty item or too many items.
pub fn decode(mut batch: Bytes) -> Result<Vec<Bytes>, BatchError> {
    if batch.is_empty() {
        return Err(BatchError::Empty);
    }
    let mut items = Vec::new();
    while !batch.is_empty() {
        if items.len() >= MAX_ITEMS {
            return Err(BatchError::TooMany);
        }
        if batch.len() < PREFIX {
            return Err(BatchError::Truncated);
        }
        let len = batch.get_u32() as usize;
        if len == 0 {
            return Err(BatchError::EmptyItem);
        }
        if batch.len() < len {
            return Err(BatchError::Truncated);
        }
        items.push(batch.split_to(len));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_wait_for_company_until_size_or_patience_ends() {
        let now = Instant::now();
        let mut batch = Batch::default();
        assert_eq!(batch.deadline(), None);
        let mut left = Vec::new();
        for i in 0..70u8 {
            left.extend(batch.push(&[i; 1_000], now));
        }
        assert_eq!(left.len(), 1);
        assert!(left[0].len() <= TARGET);
        assert_eq!(decode(left.remove(0)).unwrap().len(), 65);
        assert_eq!(batch.deadline(), Some(now + PATIENCE));
        assert_eq!(decode(batch.take().unwrap()).unwrap().len(), 5);
        assert_eq!(batch.take(), None);
        assert_eq!(batch.deadline(), None);
    }

    #[test]
    fn an_item_longer_than_a_batch_leaves_alone_and_at_once() {
        let now = Instant::now();
        let mut batch = Batch::default();
        assert_eq!(batch.push(b"small", now), None);
        let small = batch.push(&[1; 1 << 20], now).unwrap();
        assert_eq!(decode(small).unwrap(), [Bytes::from_static(b"small")]);
        assert_eq!(batch.deadline(), Some(now));
        assert_eq!(decode(batch.take().unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn the_bytes_of_a_batch_are_these() {
        let wire = encode(&[b"ab".as_slice(), b"c"]);
        assert_eq!(hex::encode(&wire), "0000000261620000000163");
    }

    #[test]
    fn damaged_batches_are_refused_each_with_its_reason() {
        let refused = |bytes: &[u8]| decode(Bytes::copy_from_slice(bytes)).unwrap_err();
        assert_eq!(refused(b""), BatchError::Empty);
        assert_eq!(refused(&[0, 0]), BatchError::Truncated);
        assert_eq!(refused(&[0, 0, 0, 2, 1]), BatchError::Truncated);
        assert_eq!(refused(&[0xff; 64]), BatchError::Truncated);
        assert_eq!(refused(&[0, 0, 0, 0]), BatchError::EmptyItem);
        let many = vec![[1]; MAX_ITEMS + 1];
        assert_eq!(decode(encode(&many)).unwrap_err(), BatchError::TooMany);
        assert_eq!(decode(encode(&many[1..])).unwrap().len(), MAX_ITEMS);
    }
}
