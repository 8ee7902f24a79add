//! The gas counter of one run.
//!
//! Knows: a limit and what was used of it. Does not know: what anything costs.

use crate::{Outcome, Trap};

/// What gas was used for, beside instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GasParts {
    /// Host functions, and methods of the system's contracts.
    pub host: u64,
    /// Bytes that were written.
    pub storage: u64,
}

/// Gas used against a limit. The injected counter of a running module and what host functions
/// charge are one and the same: this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gas {
    limit: u64,
    used: u64,
    parts: GasParts,
}

impl Gas {
    /// A fresh counter. Limits above `i64::MAX` count as `i64::MAX`, the most that the counter
    /// inside a module can hold.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit: limit.min(i64::MAX.unsigned_abs()), used: 0, parts: GasParts::default() }
    }

    /// Charges `amount` for something that the host does.
    ///
    /// # Errors
    /// [`Trap::OutOfGas`] when it does not fit; the counter then stands at its limit, so that
    /// whoever runs dry pays the whole limit.
    pub fn charge(&mut self, amount: u64) -> Result<(), Trap> {
        let before = self.used;
        let charged = self.take(amount);
        let taken = self.used.saturating_sub(before);
        self.parts.host = self.parts.host.saturating_add(taken);
        charged
    }

    fn take(&mut self, amount: u64) -> Result<(), Trap> {
        match self.used.checked_add(amount) {
            Some(used) if used <= self.limit => {
                self.used = used;
                Ok(())
            }
            _ => {
                self.used = self.limit;
                Err(Trap::OutOfGas)
            }
        }
    }

    /// Charges `len` bytes at `per_byte` gas each: what a [`crate::Host`] does for every value it
    /// writes.
    ///
    /// # Errors
    /// [`Trap::OutOfGas`], as [`Self::charge`].
    pub fn charge_bytes(&mut self, len: usize, per_byte: u32) -> Result<(), Trap> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let before = self.used;
        let charged = self.take(len.saturating_mul(u64::from(per_byte)));
        let taken = self.used.saturating_sub(before);
        self.parts.storage = self.parts.storage.saturating_add(taken);
        charged
    }

    /// Charges what a run used that had what remains here.
    ///
    /// # Errors
    /// [`Trap::OutOfGas`], as [`Self::charge`].
    pub fn charge_run(&mut self, run: &Outcome) -> Result<(), Trap> {
        self.parts.host = self.parts.host.saturating_add(run.gas_parts.host);
        self.parts.storage = self.parts.storage.saturating_add(run.gas_parts.storage);
        self.take(run.gas_used)
    }

    /// What of the used gas was not for instructions.
    #[must_use]
    pub fn parts(&self) -> GasParts {
        self.parts
    }

    /// What has been used so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// What may still be used.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes over what the module's own counter says is left; below zero means it ran dry.
    pub(crate) fn set_remaining(&mut self, remaining: i64) -> Result<(), Trap> {
        match u64::try_from(remaining) {
            Ok(remaining) => {
                self.used = self.limit.saturating_sub(remaining);
                Ok(())
            }
            Err(_) => {
                self.used = self.limit;
                Err(Trap::OutOfGas)
            }
        }
    }

    /// What the module's own counter has to show.
    pub(crate) fn remaining_i64(&self) -> i64 {
        i64::try_from(self.remaining()).unwrap_or(i64::MAX)
    }
}
