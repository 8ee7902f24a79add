//! The height queue: what has to be looked at when. Every record that waits is in it at least as
//! early as it is due; an entry that came too early, or twice, costs a look.
//!
//! A record knows the height of the entry that counts. When it becomes due later nothing is
//! written: the entry finds it too early and it is put in again.

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_types::{
    Height,
    market::{AccountId, Hash32, LeaseId, OrderId},
};

use crate::{
    session::{Done, Halt, Session},
    store::{Key, Store},
};

/// Entries in one record.
const PAGE: u64 = 64;

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Entry {
    Order(OrderId),
    Lease(LeaseId),
    Provider(AccountId),
    Executor(AccountId),
    /// That a request was paid may be forgotten.
    Paid(Hash32),
}

/// The next entry that the step looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Cursor {
    pub(crate) height: Height,
    pub(crate) index: u64,
}

impl<S: Store> Session<'_, S> {
    /// Makes sure that something is looked at when it is due; gives the height of the entry that
    /// counts.
    pub(crate) fn wait(
        &mut self,
        queued: Option<Height>,
        due: Option<Height>,
        entry: Entry,
    ) -> Done<Option<Height>, S> {
        let Some(due) = due else { return Ok(queued) };
        let at = due.max(self.queue_from);
        if queued.is_some_and(|queued| queued <= at) {
            return Ok(queued);
        }
        self.enqueue(at, entry)?;
        Ok(Some(at))
    }

    pub(crate) fn enqueue(&mut self, at: Height, entry: Entry) -> Done<(), S> {
        let length: u64 = self.get(&Key::QueueLength(at))?.unwrap_or_default();
        let key = Key::QueuePage(at, length.checked_div(PAGE).unwrap_or_default());
        let mut page: Vec<Entry> = self.get(&key)?.unwrap_or_default();
        page.push(entry);
        self.put(key, &page)?;
        let length = length.checked_add(1).ok_or(Halt::Broken("a queue has no end"))?;
        self.put(Key::QueueLength(at), &length)
    }

    /// A page of a height, and how many entries the height has.
    pub(crate) fn page(&mut self, cursor: Cursor) -> Done<(Vec<Entry>, u64), S> {
        let length = self.get(&Key::QueueLength(cursor.height))?.unwrap_or_default();
        if cursor.index >= length {
            return Ok((Vec::new(), length));
        }
        let number = cursor.index.checked_div(PAGE).unwrap_or_default();
        let page: Vec<Entry> =
            self.get(&Key::QueuePage(cursor.height, number))?.unwrap_or_default();
        let from = cursor.index.checked_rem(PAGE).unwrap_or_default();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok((page.into_iter().skip(from).collect(), length))
    }

    /// Forgets the pages that lie before the cursor; all of the height when it is done.
    pub(crate) fn forget(&mut self, cursor: Cursor, before: u64, done: bool) {
        let first = before.checked_div(PAGE).unwrap_or_default();
        let last = if done {
            cursor.index.div_ceil(PAGE)
        } else {
            cursor.index.checked_div(PAGE).unwrap_or_default()
        };
        for page in first..last {
            self.remove(Key::QueuePage(cursor.height, page));
        }
        if done {
            self.remove(Key::QueueLength(cursor.height));
        }
    }
}
