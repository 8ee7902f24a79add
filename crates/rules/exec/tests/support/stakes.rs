//! What people ask of the auction, and what it made of it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use casper_types::{
    Deploy, ExecutableDeployItem, Key, RuntimeArgs, StoredValue, U512,
    contracts::ContractHash,
    runtime_args,
    system::auction::{Bid, UnbondingPurse},
};
use girrona_exec::{EraReport, system::SYSTEM};
use girrona_types::{
    Chainspec,
    chainspec::{FailureCharge, FeeHandling},
};

use crate::world::{ANA, BEN, GIRRO, PROPOSER, World, hash, law, pay, public};

/// Enough for any method.
pub const PAID: u64 = 3 * GIRRO;

/// A wish of an account.
#[derive(Clone, Copy, Debug)]
pub enum Wish {
    AddBid { rate: u8, motes: u64 },
    WithdrawBid { motes: u64 },
    Delegate { to: u8, motes: u64 },
    Undelegate { from: u8, motes: u64 },
    Redelegate { from: u8, to: u8, motes: u64 },
    Activate,
}

impl Wish {
    /// The entry point and its arguments, for the account `who`.
    pub fn call(self, who: u8) -> (&'static str, RuntimeArgs) {
        let me = public(who);
        match self {
            Self::AddBid { rate, motes } => (
                "add_bid",
                runtime_args! {
                    "public_key" => me, "delegation_rate" => rate, "amount" => U512::from(motes),
                },
            ),
            Self::WithdrawBid { motes } => (
                "withdraw_bid",
                runtime_args! { "public_key" => me, "amount" => U512::from(motes) },
            ),
            Self::Delegate { to, motes } => ("delegate", delegation(who, to, motes)),
            Self::Undelegate { from, motes } => ("undelegate", delegation(who, from, motes)),
            Self::Redelegate { from, to, motes } => {
                let mut args = delegation(who, from, motes);
                args.insert("new_validator", public(to)).unwrap();
                ("redelegate", args)
            }
            Self::Activate => ("activate_bid", runtime_args! { "validator_public_key" => me }),
        }
    }

    /// As a deploy that names the auction.
    pub fn deploy(self, world: &World, who: u8) -> Deploy {
        let (method, args) = self.call(who);
        call(world, who, method, args)
    }
}

fn delegation(who: u8, validator: u8, motes: u64) -> RuntimeArgs {
    runtime_args! {
        "delegator" => public(who), "validator" => public(validator), "amount" => U512::from(motes),
    }
}

/// A deploy that calls a method of the auction.
pub fn call(world: &World, who: u8, method: &str, args: RuntimeArgs) -> Deploy {
    let session = ExecutableDeployItem::StoredContractByHash {
        hash: ContractHash::new(SYSTEM.auction.contract),
        entry_point: method.to_owned(),
        args,
    };
    world.deploy(who, pay(PAID), session)
}

/// A law with small stakes, one slot more than validators, and no other fees than burnt ones.
pub fn staking() -> Chainspec {
    let mut law = law(FailureCharge::MinimumPenalty);
    law.core.minimum_bid_amount = 10 * GIRRO;
    law.core.minimum_delegation_amount = 5 * GIRRO;
    law.core.validator_slots = 2;
    law.core.unbonding_delay = 2;
    law.core.max_delegators_per_validator = 2;
    law.core.fee_handling = FeeHandling::Burn;
    // A thousandth in a thousand blocks.
    law.core.round_seigniorage_rate = [1, 1_000_000];
    law
}

impl World {
    /// Executes a wish; the error message if it failed.
    pub fn wish(&mut self, who: u8, wish: Wish) -> Result<(), String> {
        let deploy = wish.deploy(self, who);
        match crate::world::seen(&self.one(deploy)).1 {
            None => Ok(()),
            Some(message) => Err(message.to_owned()),
        }
    }

    /// Ends an era in which nobody is to blame.
    pub fn pass_era(&mut self) -> girrona_exec::EraOutcome {
        self.era(&[], &EraReport::default())
    }

    pub fn bid(&self, who: u8) -> Bid {
        match self.value(Key::Bid(hash(who))) {
            StoredValue::Bid(bid) => *bid,
            other => panic!("{other:?}"),
        }
    }

    pub fn unbonds(&self, who: u8) -> Vec<UnbondingPurse> {
        use girrona_state::Reader;
        match self.state.read(&Key::Unbond(hash(who))).unwrap().as_deref() {
            None => Vec::new(),
            Some(StoredValue::Unbonding(list)) => list.clone(),
            Some(other) => panic!("{other:?}"),
        }
    }

    /// Every bid has its stake in its purses, with what is being withdrawn; the index lists
    /// exactly the bids with a stake.
    pub fn check_stakes(&self) {
        let people = [PROPOSER, ANA, BEN, crate::world::POOR, 50, 51];
        let unbonds: Vec<_> = people.iter().flat_map(|who| self.unbonds(*who)).collect();
        let leaving = |purse| {
            let of = unbonds.iter().filter(|unbond| *unbond.bonding_purse() == purse);
            of.fold(0, |sum, unbond| sum + unbond.amount().as_u64())
        };
        let mut with_stake = Vec::new();
        for (_, value) in self.state.iter() {
            let StoredValue::Bid(bid) = value else { continue };
            let purse = *bid.bonding_purse();
            let held = self.purse_balance(purse);
            assert_eq!(held, bid.staked_amount().as_u64() + leaving(purse), "{bid:?}");
            for delegator in bid.delegators().values() {
                let purse = *delegator.bonding_purse();
                let held = self.purse_balance(purse);
                assert_eq!(held, delegator.staked_amount().as_u64() + leaving(purse));
            }
            if !bid.total_staked_amount().unwrap().is_zero() {
                with_stake.push(bid.as_ref().clone());
            }
        }
        with_stake.sort_by(|a, b| a.validator_public_key().cmp(b.validator_public_key()));
        assert_eq!(girrona_exec::auction::bids(&self.state).unwrap(), with_stake);
    }
}
