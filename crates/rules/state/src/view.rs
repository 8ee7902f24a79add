//! What one deploy reads, writes and adds.
//!
//! A view never changes what is below it. It records three sets, which are all that another deploy
//! can conflict with: keys whose value below was looked at, keys that got a new value, and keys
//! that got something added without being looked at.
//!
//! A deploy has phases, and a failed one leaves nothing behind: [`View::checkpoint`] before it,
//! [`View::rollback`] after it. What was looked at stays recorded, because the failure may follow
//! from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
};

use casper_types::{Key, StoredValue, execution::execution_result_v1::ExecutionEffect};
use girrona_types::keys::normalised;

use crate::{Delta, Error, Reader, effects, is_record};

/// Room for the changes of a native transfer, the most frequent deploy.
const USUAL_CHANGES: usize = 8;
/// Room for the operations that its effects list.
const USUAL_OPERATIONS: usize = 16;

/// One step of a deploy, as shown to clients in the effects of its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// The value was looked at and there was one.
    Read,
    /// A new value.
    Write(Arc<StoredValue>),
    /// An addition.
    Add(Delta),
    /// The key was removed.
    Prune,
}

/// Everything that one deploy did to the state, for [`crate::BlockState::apply`].
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Keys whose value before this deploy was looked at; also by phases that were rolled back.
    pub reads: BTreeSet<Key>,
    /// New values; `None` removes the key.
    pub writes: BTreeMap<Key, Option<Arc<StoredValue>>>,
    /// Additions to keys that were not looked at.
    pub deltas: BTreeMap<Key, Delta>,
    /// Records that are kept beside the state; see [`is_record`].
    pub records: BTreeMap<Key, Arc<StoredValue>>,
}

/// A moment in a view's history, to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    undo: usize,
    journal: usize,
}

/// What a view holds about one key.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// The value below, once it was looked at.
    seen: Option<Option<Arc<StoredValue>>>,
    /// Where in the journal the key is first listed as read; out of date after a rollback.
    listed_at: Option<usize>,
    now: Now,
}

/// What a view made of one key.
#[derive(Clone, Debug, Default)]
enum Now {
    #[default]
    Untouched,
    Value(Option<Arc<StoredValue>>),
    Pending(Delta),
}

/// The state as one deploy sees it.
///
/// All methods that return [`Error::Unreadable`] do so only when the state below cannot be read.
pub struct View<'a> {
    below: &'a dyn Reader,
    slots: BTreeMap<Key, Slot>,
    /// What keys were before each change, oldest first.
    undo: Vec<(Key, Now)>,
    journal: Vec<(Key, Operation)>,
    unlisted: bool,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("slots", &self.slots)
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    /// A view of a state in which nothing happened yet.
    pub fn new(below: &'a dyn Reader) -> Self {
        Self {
            below,
            slots: BTreeMap::new(),
            undo: Vec::with_capacity(USUAL_CHANGES),
            journal: Vec::with_capacity(USUAL_OPERATIONS),
            unlisted: false,
        }
    }

    /// The value of a key now; a value that is there is listed in the effects, once per key.
    ///
    /// # Errors
    /// [`Error::Unreadable`]; or the error of an earlier [`View::add`] to this key that could not
    /// be found out before.
    pub fn read(&mut self, key: &Key) -> Result<Option<Arc<StoredValue>>, Error> {
        let key = normalised(key);
        let value = self.current(&key)?;
        if value.is_some() {
            self.list_read(key);
        }
        Ok(value)
    }

    /// [`View::read`] that is not listed in the effects. It is recorded in the read set all the
    /// same.
    ///
    /// # Errors
    /// As [`View::read`].
    pub fn peek(&mut self, key: &Key) -> Result<Option<Arc<StoredValue>>, Error> {
        self.current(&normalised(key))
    }

    /// Gives a key a new value.
    pub fn write(&mut self, key: Key, value: impl Into<Arc<StoredValue>>) {
        let key = normalised(&key);
        let value = value.into();
        self.change(key, Now::Value(Some(Arc::clone(&value))));
        self.note(key, Operation::Write(value));
    }

    /// Removes a key.
    pub fn prune(&mut self, key: Key) {
        let key = normalised(&key);
        self.change(key, Now::Value(None));
        self.note(key, Operation::Prune);
    }

    /// Adds to a key without looking at it, if it was not looked at or written before.
    ///
    /// Use it where the caller knows that the target exists and takes the delta, as with a credit
    /// to a purse. Otherwise what is wrong is only found when the key is read or the changes are
    /// applied; [`View::add_checked`] finds it at once.
    ///
    /// # Errors
    /// What is wrong, where it can be known without looking; the key is then as it was. Two
    /// deltas that cannot be made one are settled by looking at the key.
    pub fn add(&mut self, key: Key, delta: Delta) -> Result<(), Error> {
        let key = normalised(&key);
        let slot = self.slots.entry(key).or_default();
        let next = match &slot.now {
            Now::Value(value) => Some(Now::Value(Some(delta.apply(&key, value.clone())?))),
            Now::Untouched => match &slot.seen {
                Some(value) => Some(Now::Value(Some(delta.apply(&key, value.clone())?))),
                None => Some(Now::Pending(delta.clone())),
            },
            Now::Pending(earlier) => earlier.then(&delta).map(Now::Pending),
        };
        let next = match next {
            Some(next) => next,
            None => Now::Value(Some(delta.apply(&key, self.current(&key)?)?)),
        };
        self.change(key, next);
        self.note(key, Operation::Add(delta));
        Ok(())
    }

    /// Adds to a key after looking at it, so that every error is found now. For additions that a
    /// guest asks for.
    ///
    /// # Errors
    /// [`Error::Absent`], [`Error::Mismatch`], [`Error::Overflow`], [`Error::Unreadable`]; the key
    /// is then as it was.
    pub fn add_checked(&mut self, key: Key, delta: Delta) -> Result<(), Error> {
        self.peek(&key)?;
        self.add(key, delta)
    }

    /// A mark of this moment.
    pub const fn checkpoint(&self) -> Mark {
        Mark { undo: self.undo.len(), journal: self.journal.len() }
    }

    /// Undoes every write, addition and removal since the mark, and takes everything that was
    /// listed since out of the effects. Marks that were taken after this one are void.
    pub fn rollback(&mut self, mark: Mark) {
        while self.undo.len() > mark.undo {
            let Some((key, before)) = self.undo.pop() else { break };
            if let Some(slot) = self.slots.get_mut(&key) {
                slot.now = before;
            }
        }
        self.journal.truncate(mark.journal);
    }

    /// Lists an operation in the effects without doing it.
    pub fn note(&mut self, key: Key, operation: Operation) {
        if !self.unlisted {
            self.journal.push((normalised(&key), operation));
        }
    }

    /// Whether the operations that follow are listed in the effects (they are, at first). Returns
    /// what it was before.
    pub const fn set_listed(&mut self, listed: bool) -> bool {
        !mem::replace(&mut self.unlisted, !listed)
    }

    /// What is listed so far, in order.
    pub fn journal(&self) -> &[(Key, Operation)] {
        &self.journal
    }

    /// The effects that a deploy's result shows to clients, in Casper 1.5's form.
    pub fn effects(&self) -> ExecutionEffect {
        effects::effects(&self.journal)
    }

    /// Everything this deploy did.
    pub fn into_changes(self) -> Changes {
        let mut changes = Changes::default();
        for (key, slot) in self.slots {
            if slot.seen.is_some() && !is_record(&key) {
                changes.reads.insert(key);
            }
            match slot.now {
                Now::Untouched => {}
                Now::Value(Some(value)) if is_record(&key) => {
                    changes.records.insert(key, value);
                }
                Now::Value(None) if is_record(&key) => {}
                Now::Value(value) => {
                    changes.writes.insert(key, value);
                }
                Now::Pending(delta) => {
                    changes.deltas.insert(key, delta);
                }
            }
        }
        changes
    }

    /// The value of a normalised key now. Looks below if it has to, and settles pending additions.
    fn current(&mut self, key: &Key) -> Result<Option<Arc<StoredValue>>, Error> {
        let slot = self.slots.entry(*key).or_default();
        if let Now::Value(value) = &slot.now {
            return Ok(value.clone());
        }
        let seen = match &slot.seen {
            Some(value) => value.clone(),
            None => {
                let value = if is_record(key) { None } else { self.below.read(key)? };
                slot.seen = Some(value.clone());
                value
            }
        };
        if let Now::Pending(delta) = &slot.now {
            let value = Some(delta.apply(key, seen)?);
            let before = mem::replace(&mut slot.now, Now::Value(value.clone()));
            self.undo.push((*key, before));
            return Ok(value);
        }
        Ok(seen)
    }

    fn change(&mut self, key: Key, now: Now) {
        let slot = self.slots.entry(key).or_default();
        self.undo.push((key, mem::replace(&mut slot.now, now)));
    }

    /// Lists a read once per key: a loop that reads one key a million times is one line.
    fn list_read(&mut self, key: Key) {
        if self.unlisted {
            return;
        }
        let slot = self.slots.entry(key).or_default();
        let listed = slot.listed_at.and_then(|at| self.journal.get(at));
        if matches!(listed, Some((at, Operation::Read)) if *at == key) {
            return;
        }
        slot.listed_at = Some(self.journal.len());
        self.journal.push((key, Operation::Read));
    }
}
