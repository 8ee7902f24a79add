//! What failure costs, to the mote, under both rules; what success costs under every way to treat
//! refunds and fees.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{Deploy, ExecutableDeployItem, RuntimeArgs, contracts::ContractHash};
use girrona_types::chainspec::{FailureCharge, FeeHandling, RefundHandling};
use world::*;

/// What the proposer gets under one rule, which is what the sender loses, and the cost shown.
#[derive(Clone, Copy, Debug)]
struct Expected {
    charged: u64,
    cost: u64,
}

const fn same(motes: u64) -> Expected {
    Expected { charged: motes, cost: motes }
}

struct Kind {
    name: &'static str,
    sender: u8,
    poor: u64,
    make: fn(&World) -> Deploy,
    message: &'static str,
    minimum_penalty: Expected,
    casper: Expected,
}

impl Kind {
    fn new(
        name: &'static str,
        make: fn(&World) -> Deploy,
        message: &'static str,
        minimum_penalty: Expected,
        casper: Expected,
    ) -> Self {
        Self { name, sender: ANA, poor: PENALTY, make, message, minimum_penalty, casper }
    }

    fn of_poor(self, poor: u64) -> Self {
        Self { sender: POOR, poor, ..self }
    }
}

fn none() -> RuntimeArgs {
    RuntimeArgs::new()
}

fn paid_by(world: &World, payment: Vec<u8>) -> Deploy {
    let mut args = RuntimeArgs::new();
    args.insert("amount", casper_types::U512::from(5 * GIRRO)).unwrap();
    world.deploy(ANA, module(payment, args), module(guest::idles(), none()))
}

const REVERT_GAS: u64 = 68_610;
const TRAP_GAS: u64 = 270;

fn kinds() -> Vec<Kind> {
    let penalty = same(PENALTY);
    let nothing = same(0);
    let unshown = Expected { charged: PENALTY, cost: 0 };
    vec![
        Kind::new(
            "session reverts",
            |w| w.session(ANA, 5 * GIRRO, guest::reverts(), none()),
            "User error: 7",
            penalty,
            same(REVERT_GAS),
        ),
        Kind::new(
            "session hits an unreachable",
            |w| w.session(ANA, 5 * GIRRO, guest::traps(), none()),
            "Interpreter error: ",
            penalty,
            same(TRAP_GAS),
        ),
        Kind::new(
            "session runs out of gas",
            |w| w.session(ANA, 5 * GIRRO, guest::spins(), none()),
            "Out of gas error",
            same(5 * GIRRO),
            same(5 * GIRRO),
        ),
        Kind::new(
            "session runs out of the little gas that was paid",
            |w| w.session(ANA, GIRRO, guest::spins(), none()),
            "Out of gas error",
            penalty,
            same(GIRRO),
        ),
        Kind::new(
            "session reverts at gas price 2",
            |w| w.priced(ANA, 2, pay(6 * GIRRO), module(guest::reverts(), none())),
            "User error: 7",
            Expected { charged: PENALTY, cost: PENALTY / 2 },
            Expected { charged: 2 * REVERT_GAS, cost: REVERT_GAS },
        ),
        Kind::new(
            "session is no module",
            |w| w.session(ANA, 5 * GIRRO, vec![1, 2, 3], none()),
            "Wasm preprocessing error: ",
            penalty,
            unshown,
        ),
        Kind::new(
            "session imports what does not exist",
            |w| {
                let text = "(module (import \"env\" \"casper_magic\" (func)) (memory 1)
                    (func (export \"call\")))";
                w.session(ANA, 5 * GIRRO, wat::parse_str(text).unwrap(), none())
            },
            "Interpreter error: ",
            penalty,
            nothing,
        ),
        Kind::new(
            "session has nothing to call",
            |w| {
                let text = "(module (memory 1) (func (export \"run\")))";
                w.session(ANA, 5 * GIRRO, wat::parse_str(text).unwrap(), none())
            },
            "Interpreter error: ",
            penalty,
            nothing,
        ),
        Kind::new(
            "session has nothing to call and little was paid",
            |w| {
                let text = "(module (memory 1) (func (export \"run\")))";
                w.session(ANA, GIRRO, wat::parse_str(text).unwrap(), none())
            },
            "Interpreter error: ",
            penalty,
            unshown,
        ),
        Kind::new(
            "session by an unknown name",
            |w| {
                let call = ("gone".to_owned(), "call".to_owned());
                let item =
                    ExecutableDeployItem::new_stored_contract_by_name(call.0, call.1, none());
                w.deploy(ANA, pay(5 * GIRRO), item)
            },
            "Named key gone not found",
            penalty,
            nothing,
        ),
        Kind::new(
            "session by the hash of nothing",
            |w| {
                let hash = ContractHash::new([7; 32]);
                let item = ExecutableDeployItem::new_stored_contract_by_hash(
                    hash,
                    "call".to_owned(),
                    none(),
                );
                w.deploy(ANA, pay(5 * GIRRO), item)
            },
            "Key Key::Hash(0707070707070707070707070707070707070707070707070707070707070707) \
             not found",
            penalty,
            nothing,
        ),
        Kind::new(
            "payment by a transfer",
            |w| {
                let item = ExecutableDeployItem::Transfer { args: none() };
                w.deploy(ANA, item, module(guest::idles(), none()))
            },
            "Unsupported deploy item variant: Transfer",
            penalty,
            nothing,
        ),
        Kind::new(
            "gas price 0",
            |w| w.priced(ANA, 0, pay(5 * GIRRO), module(guest::idles(), none())),
            "Gas conversion overflow",
            penalty,
            nothing,
        ),
        Kind::new(
            "payment of more than there is",
            |w| w.session(ANA, 2_000 * GIRRO, guest::idles(), none()),
            "Mint error: 0",
            penalty,
            penalty,
        ),
        Kind::new(
            "payment without an amount",
            |w| w.deploy(ANA, module(vec![], none()), module(guest::idles(), none())),
            "ApiError::MissingArgument [2]",
            penalty,
            penalty,
        ),
        Kind::new(
            "payment code that pays nothing",
            |w| paid_by(w, guest::idles()),
            "Insufficient payment",
            penalty,
            penalty,
        ),
        Kind::new(
            "payment code that reverts",
            |w| paid_by(w, guest::reverts()),
            "User error: 7",
            penalty,
            penalty,
        ),
        Kind::new(
            "payment code that never ends",
            |w| paid_by(w, guest::spins()),
            "Out of gas error",
            penalty,
            penalty,
        ),
        Kind::new(
            "payment code that is no module",
            |w| paid_by(w, vec![1, 2, 3]),
            "Wasm preprocessing error: ",
            penalty,
            unshown,
        ),
        Kind::new(
            "a main purse with one mote less than MAX_PAYMENT_COST",
            |w| w.session(POOR, GIRRO, guest::idles(), none()),
            "Insufficient payment",
            same(PENALTY - 1),
            nothing,
        )
        .of_poor(PENALTY - 1),
        Kind::new(
            "a transfer of more than there is",
            |w| w.send(ANA, BEN, 2_000 * GIRRO),
            "Insufficient payment",
            penalty,
            same(TRANSFER_COST),
        ),
        Kind::new(
            "a transfer by somebody who cannot pay for it",
            |w| w.send(POOR, BEN, 3 * GIRRO),
            "Insufficient payment",
            same(TRANSFER_COST - 1),
            nothing,
        )
        .of_poor(TRANSFER_COST - 1),
        Kind::new(
            "a deploy that somebody else signed",
            |w| {
                let deploy = w.session(ANA, 5 * GIRRO, guest::idles(), none());
                let (hash, header) = (*deploy.hash(), deploy.header().clone());
                let (payment, session) = (deploy.payment().clone(), deploy.session().clone());
                let mut forged = Deploy::new(hash, header, payment, session);
                forged.sign(&key(BEN));
                forged
            },
            "Authorization failure: not authorized.",
            nothing,
            nothing,
        ),
        Kind::new(
            "a deploy of nobody",
            |w| w.session(77, 5 * GIRRO, guest::idles(), none()),
            "Authorization failure: not authorized.",
            nothing,
            nothing,
        ),
    ]
}

#[test]
fn every_kind_of_failure_costs_exactly_what_the_law_says() {
    for kind in kinds() {
        for charge in [FailureCharge::MinimumPenalty, FailureCharge::Casper15] {
            let expected = match charge {
                FailureCharge::MinimumPenalty => kind.minimum_penalty,
                FailureCharge::Casper15 => kind.casper,
            };
            let name = format!("{} ({charge:?})", kind.name);
            let mut world = World::with_poor(law(charge), kind.poor);
            let before = world.balance(kind.sender);
            let result = world.one((kind.make)(&world));
            let (cost, message, transfers) = seen(&result);
            let message = message.unwrap_or_else(|| panic!("{name} did not fail"));
            if kind.message.ends_with(": ") {
                assert!(message.starts_with(kind.message), "{name}: {message}");
            } else {
                assert_eq!(message, kind.message, "{name}");
            }
            assert_eq!(before - world.balance(kind.sender), expected.charged, "{name}: sender");
            let earned = world.balance(PROPOSER) - 10 * GIRRO;
            assert_eq!(earned, expected.charged, "{name}: proposer");
            assert_eq!(cost, expected.cost, "{name}: cost");
            assert_eq!(transfers, 0, "{name}");
            assert_eq!(world.balance(BEN), 1_000 * GIRRO, "{name}");
            let records = &world.last.as_ref().unwrap().records;
            assert!(records.is_empty(), "{name} left {records:?}");
        }
    }
}

#[test]
fn a_penalty_is_shown_as_one_write_and_one_addition() {
    let mut world = World::new(law(FailureCharge::MinimumPenalty));
    let result = world.one(paid_by(&world, guest::idles()));
    let names: Vec<_> = effects(&result).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["WriteCLValue", "AddUInt512"]);
}

/// Gas of a session that does nothing.
const IDLE_GAS: u64 = 200;
/// What running code costs at least, where failure costs the penalty at least.
const LEAST: u64 = 100_000_000;

/// What a session of a deploy that paid 5 GIRRO costs the sender, earns the proposer and destroys.
fn settle(
    refund: RefundHandling,
    fee: FeeHandling,
    charge: FailureCharge,
    wasm: Vec<u8>,
) -> (u64, u64, u64) {
    let mut law = law(charge);
    law.core.refund_handling = refund;
    law.core.fee_handling = fee;
    let mut world = World::new(law);
    world.one(world.session(ANA, 5 * GIRRO, wasm, none()));
    let burnt = world.last.as_ref().unwrap().burnt.as_u64();
    (1_000 * GIRRO - world.balance(ANA), world.balance(PROPOSER) - 10 * GIRRO, burnt)
}

#[test]
fn refunds_and_fees_are_settled_to_the_mote() {
    use FailureCharge::{Casper15, MinimumPenalty};
    use FeeHandling::{Burn, PayToProposer};
    use RefundHandling::Refund;
    let unused = 5 * GIRRO - IDLE_GAS;
    let share = unused * 99 / 100;
    let lost = 5 * GIRRO - share;
    let idle = guest::idles;
    assert_eq!(settle(Refund([1, 1]), PayToProposer, Casper15, idle()), (IDLE_GAS, IDLE_GAS, 0));
    assert_eq!(settle(Refund([1, 1]), PayToProposer, MinimumPenalty, idle()), (LEAST, LEAST, 0));
    assert_eq!(settle(Refund([99, 100]), PayToProposer, Casper15, idle()), (lost, lost, 0));
    assert_eq!(settle(Refund([0, 1]), PayToProposer, Casper15, idle()), {
        (5 * GIRRO, 5 * GIRRO, 0)
    });
    assert_eq!(
        settle(RefundHandling::Burn([99, 100]), PayToProposer, Casper15, idle()),
        (5 * GIRRO, lost, share)
    );
    assert_eq!(
        settle(RefundHandling::Burn([1, 1]), PayToProposer, Casper15, idle()),
        (5 * GIRRO, IDLE_GAS, unused)
    );
    assert_eq!(settle(Refund([1, 1]), Burn, MinimumPenalty, idle()), (LEAST, 0, LEAST));
    assert_eq!(settle(Refund([99, 100]), Burn, Casper15, idle()), (lost, 0, lost));
    assert_eq!(
        settle(RefundHandling::Burn([1, 1]), Burn, Casper15, idle()),
        (5 * GIRRO, 0, 5 * GIRRO)
    );
}

#[test]
fn failures_are_settled_by_the_same_rules() {
    use FailureCharge::{Casper15, MinimumPenalty};
    use FeeHandling::{Burn, PayToProposer};
    use RefundHandling::Refund;
    let revert = guest::reverts;
    assert_eq!(
        settle(Refund([1, 1]), PayToProposer, MinimumPenalty, revert()),
        (PENALTY, PENALTY, 0)
    );
    assert_eq!(settle(Refund([1, 1]), Burn, MinimumPenalty, revert()), (PENALTY, 0, PENALTY));
    assert_eq!(
        settle(Refund([1, 1]), PayToProposer, Casper15, revert()),
        (REVERT_GAS, REVERT_GAS, 0)
    );
    // What is left after the charge is shared as unused payment always is.
    let share = (5 * GIRRO - PENALTY) * 99 / 100;
    let lost = 5 * GIRRO - share;
    assert_eq!(settle(Refund([99, 100]), PayToProposer, MinimumPenalty, revert()), (lost, lost, 0));
}

#[test]
fn balance_exactly_max_payment_cost_executes() {
    let mut world = World::with_poor(law(FailureCharge::MinimumPenalty), PENALTY);
    let result = world.one(world.session(POOR, PENALTY, guest::idles(), none()));
    assert_eq!(seen(&result), (LEAST, None, 0));
    assert_eq!(world.balance(POOR), PENALTY - LEAST);
}

#[test]
fn code_that_uses_no_gas_costs_what_a_transfer_does() {
    let module = || wat::parse_str("(module (memory 1) (func (export \"call\")))").unwrap();
    let mut world = World::new(law(FailureCharge::MinimumPenalty));
    let result = world.one(world.session(ANA, 5 * GIRRO, module(), none()));
    assert_eq!(seen(&result), (LEAST, None, 0));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - LEAST);
    let dear = world.priced(ANA, 2, pay(5 * GIRRO), world::module(module(), none()));
    assert_eq!(seen(&world.one(dear)), (LEAST / 2, None, 0));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - 2 * LEAST);
    let stingy = world.session(ANA, LEAST - 1, module(), none());
    assert_eq!(seen(&world.one(stingy)), (PENALTY, Some("Insufficient payment"), 0));

    let mut casper = World::new(law(FailureCharge::Casper15));
    let result = casper.one(casper.session(ANA, 5 * GIRRO, module(), none()));
    assert_eq!(seen(&result), (0, None, 0));
}

#[test]
fn of_two_deploys_that_share_a_balance_the_second_is_refused_when_it_is_gone() {
    let mut world = World::with_poor(law(FailureCharge::MinimumPenalty), 3 * GIRRO);
    let results = world.block(&[
        world.session(POOR, 3 * GIRRO, guest::spins(), none()),
        world.session(POOR, 3 * GIRRO, guest::idles(), none()),
    ]);
    assert_eq!(seen(&results[0]), (3 * GIRRO, Some("Out of gas error"), 0));
    assert_eq!(seen(&results[1]), (0, Some("Insufficient payment"), 0));
    assert_eq!(world.balance(POOR), 0);
}
