//! The board: which assemblies are announced, by whom.
//!
//! Messages arrive in any order and more than once; an author's nonces say which is the latest.
//! An announcement belongs to the key that signed it: nobody else updates or withdraws it.

use std::collections::BTreeMap;

use casper_types::PublicKey;

use super::{
    envelope::Envelope,
    payload::{Announcement, Payload},
};
use crate::{content::Cid, ids::MessageId};

/// Announcements of one author that are kept.
pub const PER_AUTHOR_MAX: usize = 256;
/// Announcements that are kept.
pub const POSTS_MAX: usize = 8_192;
/// How long a withdrawal is remembered after it was made: no announcement that it could meet
/// lives longer.
const WITHDRAWN_MS: u64 = 24 * 3_600_000;

/// What a message changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something new may be cached.
    Announced {
        /// Its root.
        root: Cid,
        /// The version it replaces, if that was here.
        replaces: Option<Cid>,
        /// The message of the replaced version, which is of no use any more.
        stale: Vec<MessageId>,
    },
    /// Something may be dropped from the cache.
    Withdrawn {
        /// Who took it back; it counts for what this key announced.
        author: PublicKey,
        /// Its root.
        root: Cid,
        /// The message that announced it, if it was here.
        stale: Vec<MessageId>,
    },
    /// A later message was here before.
    Nothing,
    /// There is no room for another.
    Full,
}

/// An announcement that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Who announced it.
    pub author: PublicKey,
    /// What was announced.
    pub announcement: Announcement,
    /// The message it came in.
    pub message: MessageId,
    /// When that message expires, in milliseconds since 1970. The assembly does not.
    pub expires_ms: u64,
}

#[derive(Clone, Debug)]
enum Slot {
    Post { nonce: u64, post: Box<Post> },
    Withdrawn { nonce: u64, until_ms: u64 },
}

impl Slot {
    const fn nonce(&self) -> u64 {
        match self {
            Self::Post { nonce, .. } | Self::Withdrawn { nonce, .. } => *nonce,
        }
    }

    const fn until_ms(&self) -> u64 {
        match self {
            Self::Post { post, .. } => post.expires_ms,
            Self::Withdrawn { until_ms, .. } => *until_ms,
        }
    }
}

/// Announcements by author and root.
#[derive(Clone, Debug, Default)]
pub struct Board {
    slots: BTreeMap<(PublicKey, Cid), Slot>,
    per_author: BTreeMap<PublicKey, usize>,
}

impl Board {
    /// Nothing is announced.
    pub const fn new() -> Self {
        Self { slots: BTreeMap::new(), per_author: BTreeMap::new() }
    }

    /// Takes a message in whose signature and time are checked; others than announcements, updates
    /// and withdrawals change nothing.
    pub fn apply(&mut self, envelope: &Envelope, message: MessageId, now_ms: u64) -> Change {
        let body = &envelope.body;
        let (author, nonce) = (&body.author, body.nonce);
        let post = |announcement: &Announcement| Post {
            author: author.clone(),
            announcement: announcement.clone(),
            message,
            expires_ms: body.expires_ms,
        };
        match &body.payload {
            Payload::Announce(announcement) => {
                self.announce(post(announcement), None, nonce, now_ms)
            }
            Payload::Update(update) => {
                let replaces = Some(update.replaces);
                self.announce(post(&update.announcement), replaces, nonce, now_ms)
            }
            Payload::Withdraw(withdrawal) => {
                let until_ms = body.created_ms.saturating_add(WITHDRAWN_MS);
                self.withdraw(author, withdrawal.root, nonce, until_ms, now_ms)
            }
            _ => Change::Nothing,
        }
    }

    /// The announcements of a root that hold, one per author.
    pub fn posts(&self, root: &Cid) -> impl Iterator<Item = &Post> {
        self.all().filter(move |post| post.announcement.content.root == *root)
    }

    /// All announcements that hold.
    pub fn all(&self) -> impl Iterator<Item = &Post> {
        self.slots.values().filter_map(|slot| match slot {
            Slot::Post { post, .. } => Some(&**post),
            Slot::Withdrawn { .. } => None,
        })
    }

    /// Forgets what has expired.
    pub fn expire(&mut self, now_ms: u64) {
        let over: Vec<_> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.until_ms() <= now_ms)
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            self.remove(&key);
        }
    }

    fn announce(&mut self, post: Post, replaces: Option<Cid>, nonce: u64, now_ms: u64) -> Change {
        let root = post.announcement.content.root;
        let key = (post.author.clone(), root);
        if self.slots.get(&key).is_some_and(|slot| slot.nonce() >= nonce) {
            return Change::Nothing;
        }
        let mut stale = Vec::new();
        let mut replaced = None;
        if let Some(old) = replaces {
            let old_key = (post.author.clone(), old);
            if let Some(Slot::Post { nonce: before, post: old_post }) = self.slots.get(&old_key)
                && *before < nonce
            {
                stale.push(old_post.message);
                replaced = Some(old);
                self.remove(&old_key);
            }
            // The old version may arrive after the new one.
            if !self.slots.contains_key(&old_key) {
                let until_ms = now_ms.saturating_add(WITHDRAWN_MS);
                self.put(old_key, Slot::Withdrawn { nonce, until_ms }, now_ms);
            }
        }
        if let Some(Slot::Post { post: before, .. }) = self.slots.get(&key) {
            stale.push(before.message);
        }
        if self.put(key, Slot::Post { nonce, post: Box::new(post) }, now_ms) {
            Change::Announced { root, replaces: replaced, stale }
        } else {
            Change::Full
        }
    }

    fn withdraw(
        &mut self,
        author: &PublicKey,
        root: Cid,
        nonce: u64,
        until_ms: u64,
        now_ms: u64,
    ) -> Change {
        let key = (author.clone(), root);
        let stale = match self.slots.get(&key) {
            Some(slot) if slot.nonce() >= nonce => return Change::Nothing,
            Some(Slot::Post { post, .. }) => vec![post.message],
            _ => Vec::new(),
        };
        if self.put(key, Slot::Withdrawn { nonce, until_ms }, now_ms) {
            Change::Withdrawn { author: author.clone(), root, stale }
        } else {
            Change::Full
        }
    }

    /// Puts a slot; `false` when there is no room.
    fn put(&mut self, key: (PublicKey, Cid), slot: Slot, now_ms: u64) -> bool {
        let mine = |board: &Self| board.per_author.get(&key.0).copied().unwrap_or_default();
        let is_full =
            |board: &Self| board.slots.len() >= POSTS_MAX || mine(board) >= PER_AUTHOR_MAX;
        if !self.slots.contains_key(&key) {
            if is_full(self) {
                self.expire(now_ms);
                if is_full(self) {
                    return false;
                }
            }
            let count = mine(self).saturating_add(1);
            self.per_author.insert(key.0.clone(), count);
        }
        self.slots.insert(key, slot);
        true
    }

    fn remove(&mut self, key: &(PublicKey, Cid)) {
        if self.slots.remove(key).is_some()
            && let Some(count) = self.per_author.get_mut(&key.0)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_author.remove(&key.0);
            }
        }
    }
}
