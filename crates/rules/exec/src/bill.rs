//! How the cost of a deploy came about. It is told to whoever asks, and is no part of the result.

use casper_types::U512;
use girrona_vm::GasParts;

use crate::payment::motes_for;

/// What a deploy paid in, what it used, and where the motes went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Motes for one unit of gas.
    pub gas_price: u64,
    /// Motes that payment put in.
    pub offered: U512,
    /// What payment code used; standard payment uses nothing.
    pub payment: GasUse,
    /// Gas that payment code had.
    pub payment_limit: U512,
    /// What the session used.
    pub session: GasUse,
    /// Gas that the session had.
    pub session_limit: U512,
    /// Motes that were taken as the fee.
    pub fee: U512,
    /// Motes of the fee that nothing was used for: what failing or doing next to nothing costs.
    pub penalty: U512,
    /// Motes that were put in and came back.
    pub refund: U512,
    /// Motes that would have been enough, for a session that ran out of gas and ends with twenty
    /// times as much.
    pub needed: Option<U512>,
}

/// Gas by what it was used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GasUse {
    /// All of it.
    pub total: U512,
    /// Of it, for host functions and the system's contracts.
    pub host: U512,
    /// Of it, for bytes that were written.
    pub storage: U512,
}

impl GasUse {
    pub(crate) fn of(total: u64, parts: GasParts) -> Self {
        let (host, storage) = (parts.host.into(), parts.storage.into());
        Self { total: total.into(), host, storage }
    }

    /// What is left: for instructions.
    #[must_use]
    pub fn instructions(&self) -> U512 {
        self.total.saturating_sub(self.host).saturating_sub(self.storage)
    }
}

impl Bill {
    /// What so much gas costs at this deploy's price.
    pub(crate) fn motes(&self, gas: U512) -> U512 {
        motes_for(gas, self.gas_price).unwrap_or(U512::MAX)
    }

    /// What payment and session used, in motes.
    #[must_use]
    pub fn used(&self) -> U512 {
        self.motes(self.payment.total.saturating_add(self.session.total))
    }
}
