//! Where the system contracts live.
//!
//! Their addresses are the same on every network and never change: blake2b-256 of a name that
//! starts with `girrona/system/`. So execution needs no registry; the registry in state is for
//! clients.

use std::sync::LazyLock;

use casper_types::{
    AccessRights, Digest, HashAddr, Key, PublicKey, URef, URefAddr, account::AccountHash, system,
};

/// One system contract's addresses.
#[derive(Clone, Copy, Debug)]
pub struct SystemContract {
    /// Its name in the registry.
    pub name: &'static str,
    /// The contract record.
    pub contract: HashAddr,
    /// The package record.
    pub package: HashAddr,
    /// Where a Wasm module would be; there is none, these contracts are native.
    pub wasm: HashAddr,
    /// Who holds this may change the package. Nobody does.
    pub access: URefAddr,
}

/// A system contract as something to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    /// The mint.
    Mint,
    /// Handle payment.
    HandlePayment,
    /// Standard payment.
    StandardPayment,
    /// The auction.
    Auction,
}

/// Everything of the system that has a fixed address.
#[derive(Clone, Copy, Debug)]
pub struct System {
    /// The mint: keeps the supply.
    pub mint: SystemContract,
    /// Handle payment: takes payments, pays fees and refunds.
    pub handle_payment: SystemContract,
    /// Standard payment: pays from the main purse.
    pub standard_payment: SystemContract,
    /// The auction: keeps the validators' stakes.
    pub auction: SystemContract,
    /// Holds the total supply, a `U512` in motes.
    pub total_supply: URefAddr,
    /// Holds the share of the supply that a round may mint, as (numerator, denominator).
    pub round_seigniorage_rate: URefAddr,
    /// Where payment code puts the payment; empty before and after each deploy.
    pub payment_purse: URefAddr,
    /// The account that pays fees out.
    pub account: AccountHash,
}

impl System {
    /// The contract that `casper_get_system_contract` means by `index`.
    pub const fn contract(&self, index: u32) -> Option<&SystemContract> {
        match index {
            0 => Some(&self.mint),
            1 => Some(&self.handle_payment),
            2 => Some(&self.standard_payment),
            3 => Some(&self.auction),
            _ => None,
        }
    }

    /// The system contract at a hash, if it is one.
    pub fn native(&self, hash: HashAddr) -> Option<Native> {
        let all = [
            (&self.mint, Native::Mint),
            (&self.handle_payment, Native::HandlePayment),
            (&self.standard_payment, Native::StandardPayment),
            (&self.auction, Native::Auction),
        ];
        all.into_iter().find(|(at, _)| at.contract == hash).map(|(_, native)| native)
    }

    /// All four, in the order of their index.
    pub const fn contracts(&self) -> [&SystemContract; 4] {
        [&self.mint, &self.handle_payment, &self.standard_payment, &self.auction]
    }

    /// The payment purse as payment code gets it: it may put motes in and look, never take out.
    pub const fn payment_purse_for_guests(&self) -> URef {
        URef::new(self.payment_purse, AccessRights::READ_ADD)
    }

    /// Where the payment purse's balance is stored.
    pub const fn payment_balance(&self) -> Key {
        Key::Balance(self.payment_purse)
    }

    /// Where the share of the supply that a round mints is stored.
    pub const fn round_seigniorage_key(&self) -> Key {
        Key::URef(URef::new(self.round_seigniorage_rate, AccessRights::READ_ADD_WRITE))
    }

    /// Where the total supply is stored.
    pub const fn total_supply_key(&self) -> Key {
        Key::URef(URef::new(self.total_supply, AccessRights::READ_ADD_WRITE))
    }
}

/// The addresses of the system.
pub static SYSTEM: LazyLock<System> = LazyLock::new(|| System {
    mint: contract(system::MINT, "mint"),
    handle_payment: contract(system::HANDLE_PAYMENT, "handle_payment"),
    standard_payment: contract(system::STANDARD_PAYMENT, "standard_payment"),
    auction: contract(system::AUCTION, "auction"),
    total_supply: named("mint/total_supply"),
    round_seigniorage_rate: named("mint/round_seigniorage_rate"),
    payment_purse: named("handle_payment/payment_purse"),
    account: AccountHash::from(&PublicKey::System),
});

fn contract(name: &'static str, path: &str) -> SystemContract {
    SystemContract {
        name,
        contract: named(path),
        package: named(&format!("{path}/package")),
        wasm: named(&format!("{path}/wasm")),
        access: named(&format!("{path}/access")),
    }
}

/// The address of a name.
pub(crate) fn named(path: &str) -> [u8; 32] {
    Digest::hash(format!("girrona/system/{path}")).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mint_is_where_its_name_says() {
        assert_eq!(SYSTEM.mint.contract, Digest::hash("girrona/system/mint").value());
        assert_eq!(
            hex::encode(SYSTEM.mint.contract),
            "30a5da5a0f1132ca2690525d6ffd7740c5ad95af95faa51ab8ed92f437799a08"
        );
    }
}
