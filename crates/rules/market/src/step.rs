//! What happens at the end of every block, without anybody asking: orders are matched, deadlines
//! pass, money runs out. It costs what is due, and no more than the law's `max_step_ops`: what is
//! left is done first in the next block, with the same money as if it had been done in time.

use girrona_types::{
    Height, NetworkId,
    market::{Hash32, MarketLaw},
};

use crate::{
    queue::{Cursor, Entry},
    session::{Done, Halt, Outcome, Session},
    store::{Key, Store},
};

/// The block that ends.
#[derive(Clone, Copy, Debug)]
pub struct Block<'b> {
    /// The network.
    pub network: NetworkId,
    /// Its height.
    pub height: Height,
    /// Its time, in milliseconds since 1970.
    pub time_ms: u64,
    /// Its accumulated seed: it decides between bids that are as good as each other.
    pub seed: Hash32,
    /// The chainspec's `[market]`.
    pub law: &'b MarketLaw,
}

/// Does what is due at the end of a block.
///
/// # Errors
/// [`Halt::Store`] and [`Halt::Broken`] only: a step refuses nothing.
pub fn step<S: Store>(store: &mut S, block: &Block<'_>) -> Done<Outcome, S> {
    let mut session = Session::new(store, block.law, block.height, block.time_ms);
    session.queue_from = block.height.next();
    match session.step(block) {
        Err(Halt::Refused(_)) => Err(Halt::Broken("a step refused something")),
        Err(halt) => Err(halt),
        Ok(()) => session.finish(),
    }
}

impl<S: Store> Session<'_, S> {
    fn step(&mut self, block: &Block<'_>) -> Done<(), S> {
        let first = Cursor { height: block.height, index: 0 };
        let mut cursor: Cursor = self.get(&Key::Cursor)?.unwrap_or(first);
        let mut left = u64::from(self.law.max_step_ops);
        while cursor.height <= block.height && left > 0 {
            let before = cursor.index;
            let (page, length) = self.page(cursor)?;
            for entry in page {
                if left == 0 {
                    break;
                }
                let cost = self.look_at(entry, cursor.height, block)?;
                left = left.saturating_sub(cost);
                cursor.index = cursor.index.saturating_add(1);
            }
            let done = cursor.index >= length;
            self.forget(cursor, before, done);
            if done {
                cursor = Cursor { height: cursor.height.next(), index: 0 };
            }
        }
        self.put(Key::Cursor, &cursor)?;
        self.end_period()
    }

    /// Does what one entry stands for; gives what that cost.
    fn look_at(&mut self, entry: Entry, queued: Height, block: &Block<'_>) -> Done<u64, S> {
        match entry {
            Entry::Order(id) => self.order_due(id, queued, block.seed),
            Entry::Lease(id) => self.lease_due(id, queued).map(|()| 1),
            Entry::Provider(account) => self.provider_due(account, queued).map(|()| 1),
            Entry::Executor(account) => self.executor_due(account, queued).map(|()| 1),
            Entry::Paid(request) => {
                self.remove(Key::Paid(request));
                Ok(1)
            }
        }
    }
}
