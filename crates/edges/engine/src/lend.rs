//! Lends a guest to a store for the time of one run.
//!
//! A store of wasmtime may only hold data that borrows nothing, while a [`Guest`] borrows its host.
//! This is the one place of the crate with `unsafe`, and it is safe for whatever is around it:
//!
//! - the pointer is in the cell only while [`lend`] is on this thread's stack, and `lend` holds the
//!   only reference to the guest for that time; its last act, also when it unwinds, is to empty the
//!   cell, so whoever kept a [`Lent`] has nothing;
//! - the cell is counted with `Rc`, so no other thread ever sees it;
//! - [`Lent::with`] empties the cell for the time in which it hands the guest out, so there are
//!   never two references to it, however the calls nest;
//! - what it calls must work for a guest of any lifetime, so nothing of the guest's can be kept
//!   under the made-up one.

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use girrona_vm::abi::Guest;

type Place = Cell<Option<NonNull<Guest<'static>>>>;

/// A guest on loan: there while the loan lasts.
#[derive(Clone, Debug)]
pub(crate) struct Lent(Rc<Place>);

/// Sets the cell when it goes.
struct Then<'c>(&'c Place, Option<NonNull<Guest<'static>>>);

impl Drop for Then<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Lends `guest` to `borrower` until it returns.
pub(crate) fn lend<R>(guest: &mut Guest<'_>, borrower: impl FnOnce(Lent) -> R) -> R {
    let pointer = NonNull::new(ptr::from_mut(guest).cast::<Guest<'static>>());
    let lent = Lent(Rc::new(Cell::new(pointer)));
    let place = Rc::clone(&lent.0);
    let _over = Then(&place, None);
    borrower(lent)
}

impl Lent {
    /// Calls `user` with the guest; `None` when the loan is over or the guest is in use.
    pub(crate) fn with<R>(&self, user: impl for<'g> FnOnce(&mut Guest<'g>) -> R) -> Option<R> {
        let mut pointer = self.0.take()?;
        let _back = Then(&self.0, Some(pointer));
        // SAFETY: as the head of this file says: the guest lives, on this thread, and nobody else
        // has a reference to it before `_back` puts the pointer back.
        #[expect(unsafe_code, reason = "a store cannot hold what borrows")]
        let guest = unsafe { pointer.as_mut() };
        Some(user(guest))
    }
}
