//! Every error class that a deploy can end in: its exact text, what it costs its sender to the
//! mote, what of the payment comes back, under both settings of `failure_charge`.
//!
//! Texts and gas were compared with casper-execution-engine 7.0.3, deploy by deploy;
//! `classes::DIFFERENT` names where we say something else, and why.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

#[path = "failures/classes.rs"]
mod classes;
#[path = "failures/code.rs"]
mod code;
#[path = "failures/contracts.rs"]
mod contracts;
#[path = "failures/money.rs"]
mod money;
#[path = "failures/references.rs"]
mod references;
#[path = "failures/town.rs"]
mod town;

use casper_types::{
    Deploy, Key,
    execution::{ExecutionResultV1, execution_result_v1::TransformKindV1},
};
use girrona_types::chainspec::FailureCharge;
use town::{OFFER, Town};
use world::*;

/// What a failure does to the sender's main purse, in motes, and the cost that its result shows.
/// What the sender loses is what the proposer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) cost: u64,
    pub(crate) lost: u64,
    pub(crate) refunded: u64,
}

/// One way to fail.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) make: Box<dyn Fn(&mut Town) -> Deploy>,
    pub(crate) text: String,
    pub(crate) ours: Money,
    pub(crate) casper: Money,
    pub(crate) sender: u8,
    pub(crate) poor: u64,
}

/// Nothing is taken and nothing came in.
pub(crate) const FREE: Money = Money { cost: 0, lost: 0, refunded: 0 };
/// The penalty, taken from the main purse.
pub(crate) const PENALIZED: Money = Money { cost: PENALTY, lost: PENALTY, refunded: 0 };
/// The penalty, but the result shows no gas.
pub(crate) const UNSHOWN: Money = Money { cost: 0, lost: PENALTY, refunded: 0 };

/// What remains of an offer goes back.
pub(crate) const fn settled(lost: u64) -> Money {
    Money { cost: lost, lost, refunded: OFFER - lost }
}

impl Row {
    fn of(
        name: &str,
        text: &str,
        make: impl Fn(&mut Town) -> Deploy + 'static,
        ours: Money,
        casper: Money,
    ) -> Self {
        let (name, text) = (name.to_owned(), text.to_owned());
        Self { name, make: Box::new(make), text, ours, casper, sender: ANA, poor: PENALTY }
    }

    /// A session that ends after so much gas.
    pub(crate) fn session(
        name: &str,
        text: &str,
        gas: u64,
        make: impl Fn(&mut Town) -> Deploy + 'static,
    ) -> Self {
        Self::of(name, text, make, settled(gas.max(PENALTY)), settled(gas))
    }

    /// A module of Ana's that ends after so much gas.
    pub(crate) fn runs(name: &str, text: &str, gas: u64, wasm: Vec<u8>) -> Self {
        Self::session(name, text, gas, move |town| town.runs(wasm.clone()))
    }

    /// A session whose module breaks a rule of form.
    pub(crate) fn malformed(name: &str, text: &str, wasm: Vec<u8>) -> Self {
        Self::of(name, text, move |town| town.runs(wasm.clone()), PENALIZED, UNSHOWN)
    }

    /// Payment that fails.
    pub(crate) fn payment(
        name: &str,
        text: &str,
        make: impl Fn(&mut Town) -> Deploy + 'static,
    ) -> Self {
        Self::of(name, text, make, PENALIZED, PENALIZED)
    }

    /// A deploy that is refused before anything of it runs.
    pub(crate) fn refused(
        name: &str,
        text: &str,
        make: impl Fn(&mut Town) -> Deploy + 'static,
    ) -> Self {
        Self::of(name, text, make, PENALIZED, FREE)
    }

    /// A native transfer that does not go through.
    pub(crate) fn transfer(
        name: &str,
        text: &str,
        make: impl Fn(&mut Town) -> Deploy + 'static,
    ) -> Self {
        let casper = Money { cost: TRANSFER_COST, lost: TRANSFER_COST, refunded: 0 };
        Self::of(name, text, make, PENALIZED, casper)
    }

    /// A deploy that is not its account's own.
    pub(crate) fn foreign(
        name: &str,
        text: &str,
        make: impl Fn(&mut Town) -> Deploy + 'static,
    ) -> Self {
        Self::of(name, text, make, FREE, FREE)
    }

    pub(crate) fn with(self, ours: Money, casper: Money) -> Self {
        Self { ours, casper, ..self }
    }

    /// It is a deploy of `POOR`, who has so much.
    pub(crate) fn of_poor(self, poor: u64) -> Self {
        Self { sender: POOR, poor, ..self }
    }
}

fn rows() -> Vec<Row> {
    let themes = [code::rows(), contracts::rows(), references::rows(), money::rows()];
    themes.into_iter().flatten().collect()
}

/// Motes that a result shows to have come back into a purse.
fn refunded(result: &ExecutionResultV1, purse: casper_types::URef) -> u64 {
    let ExecutionResultV1::Failure { effect, .. } = result else { return 0 };
    let balance = Key::Balance(purse.addr()).to_formatted_string();
    let of_purse = effect.transforms.iter().filter(|transform| transform.key == balance);
    of_purse
        .map(|transform| match &transform.transform {
            TransformKindV1::AddUInt512(motes) => motes.as_u64(),
            _ => 0,
        })
        .sum()
}

fn check(row: &Row, charge: FailureCharge) -> Result<(), String> {
    let mut town = Town::new(charge, row.poor);
    let deploy = (row.make)(&mut town);
    let package = hex::encode(town.hash("shop_package"));
    let expected_text = row.text.replace("{shop_package}", &package);
    let world = &mut town.world;
    let before = (world.balance(row.sender), world.balance(PROPOSER), world.balance(BEN));
    let purse = world.account(row.sender).main_purse();
    let result = world.one(deploy);
    let (cost, text, transfers) = seen(&result);
    let lost = before.0 - world.balance(row.sender);
    let found = Money { cost, lost, refunded: refunded(&result, purse) };
    let expected = match charge {
        FailureCharge::MinimumPenalty => row.ours,
        FailureCharge::Casper15 => row.casper,
    };
    let mut wrong = String::new();
    if text != Some(&expected_text) {
        wrong += &format!("\n  says {text:?}\n   not {expected_text:?}");
    }
    if found != expected {
        wrong += &format!("\n  {found:?}\n  not {expected:?}");
    }
    let earned = world.balance(PROPOSER) - before.1;
    if earned != lost || world.balance(BEN) != before.2 || transfers != 0 {
        wrong += &format!("\n  the proposer earned {earned}, {transfers} transfers");
    }
    if !world.last.as_ref().unwrap().records.is_empty() {
        wrong += "\n  records were left";
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} ({charge:?}):{wrong}", row.name)) }
}

#[test]
fn every_failure_says_what_casper_says_and_costs_what_the_law_says() {
    let mut wrong = Vec::new();
    for row in rows() {
        for charge in [FailureCharge::MinimumPenalty, FailureCharge::Casper15] {
            wrong.extend(check(&row, charge).err());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
