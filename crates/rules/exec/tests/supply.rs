//! Whatever deploys do, no mote is made and none is lost.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{Deploy, ExecutableDeployItem, Key, RuntimeArgs, U512};
use girrona_exec::system::SYSTEM;
use girrona_types::chainspec::{FailureCharge, FeeHandling, RefundHandling};
use proptest::prelude::*;
use world::*;

/// One deploy of a random block.
#[derive(Clone, Debug)]
enum Act {
    Send { from: u8, to: u8, motes: u64 },
    ToPurse { from: u8, motes: u64, payment_purse: bool },
    Session { from: u8, paid: u64, price: u64, code: u8 },
    ByName { from: u8, paid: u64 },
    Payment { from: u8, code: u8 },
    Forged { from: u8, signer: u8 },
}

fn who() -> impl Strategy<Value = u8> {
    prop_oneof![Just(PROPOSER), Just(ANA), Just(BEN), Just(POOR), Just(50), Just(51)]
}

fn motes() -> impl Strategy<Value = u64> {
    prop_oneof![0..10 * GIRRO, 0..1_500 * GIRRO, Just(PENALTY), Just(TRANSFER_COST)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (who(), who(), motes()).prop_map(|(from, to, motes)| Act::Send { from, to, motes }),
        1 => (who(), motes(), any::<bool>()).prop_map(|(from, motes, payment_purse)| {
            Act::ToPurse { from, motes, payment_purse }
        }),
        4 => (who(), motes(), 0_u64..4, 0_u8..8).prop_map(|(from, paid, price, code)| {
            Act::Session { from, paid, price, code }
        }),
        1 => (who(), motes()).prop_map(|(from, paid)| Act::ByName { from, paid }),
        1 => (who(), 0_u8..8).prop_map(|(from, code)| Act::Payment { from, code }),
        1 => (who(), who()).prop_map(|(from, signer)| Act::Forged { from, signer }),
    ]
}

fn code(number: u8) -> Vec<u8> {
    match number {
        0 => guest::reverts(),
        1 => guest::idles(),
        2 => guest::traps(),
        3 => vec![1, 2, 3],
        // A loop that always ends by gas would make each case slow; one over the limit is enough.
        4 => guest::guest(&[], "(call $check (call $create_purse (i32.const 0) (i32.const 33)))"),
        5 => sends(7),
        6 => sends(60),
        _ => Vec::new(),
    }
}

/// Sends 2 GIRRO from the main purse to account `to`, which may not exist.
fn sends(to: u8) -> Vec<u8> {
    use casper_types::bytesrepr::ToBytes;
    let target = hash(to).to_bytes().unwrap();
    let amount = U512::from(2 * GIRRO).to_bytes().unwrap();
    guest::guest(
        &[(0, &target), (64, &amount), (128, &[0])],
        &format!(
            "(call $check (call $transfer_to_account (i32.const 0) (i32.const 32)
                (i32.const 64) (i32.const {}) (i32.const 128) (i32.const 1) (i32.const 256)))",
            amount.len()
        ),
    )
}

fn deploy(world: &World, act: &Act) -> Deploy {
    let mut allowed = RuntimeArgs::new();
    allowed.insert("amount", U512::from(3 * GIRRO)).unwrap();
    match *act {
        Act::Send { from, to, motes } => world.send(from, to, motes),
        Act::ToPurse { from, motes, payment_purse } => {
            let purse = if payment_purse {
                SYSTEM.payment_purse_for_guests()
            } else {
                world.account(BEN).main_purse()
            };
            world.transfer(from, transfer_args(motes, purse))
        }
        Act::Session { from, paid, price, code: number } => {
            world.priced(from, price, pay(paid), module(code(number), allowed))
        }
        Act::ByName { from, paid } => {
            let item = ExecutableDeployItem::new_stored_contract_by_name(
                "gone".to_owned(),
                "call".to_owned(),
                allowed,
            );
            world.deploy(from, pay(paid), item)
        }
        Act::Payment { from, code: number } => {
            world.deploy(from, module(code(number), allowed), module(code(1), RuntimeArgs::new()))
        }
        Act::Forged { from, signer } => {
            let honest = world.send(from, signer, 3 * GIRRO);
            let mut forged = Deploy::new(
                *honest.hash(),
                honest.header().clone(),
                honest.payment().clone(),
                honest.session().clone(),
            );
            forged.sign(&key(signer));
            forged
        }
    }
}

fn refunds() -> impl Strategy<Value = RefundHandling> {
    let ratio = prop_oneof![Just([1, 1]), Just([99, 100]), Just([0, 1])];
    (ratio, any::<bool>()).prop_map(|(ratio, burn)| {
        if burn { RefundHandling::Burn(ratio) } else { RefundHandling::Refund(ratio) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sum_of_all_balances_is_the_supply_after_every_block(
        blocks in prop::collection::vec(prop::collection::vec(act(), 1..8), 1..4),
        minimum_penalty in any::<bool>(),
        refund in refunds(),
        burn in any::<bool>(),
        poor in motes(),
    ) {
        let mut law = law(if minimum_penalty {
            FailureCharge::MinimumPenalty
        } else {
            FailureCharge::Casper15
        });
        law.core.refund_handling = refund;
        law.core.fee_handling = if burn { FeeHandling::Burn } else { FeeHandling::PayToProposer };
        let mut world = World::with_poor(law, poor);
        for block in blocks {
            let deploys: Vec<_> = block.iter().map(|act| deploy(&world, act)).collect();
            // `World::block` re-sums the supply.
            world.block(&deploys);
            prop_assert_eq!(
                world.value(Key::Balance(SYSTEM.payment_purse)).into_cl_value().unwrap(),
                casper_types::CLValue::from_t(U512::zero()).unwrap()
            );
        }
    }
}
