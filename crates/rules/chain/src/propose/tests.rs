//! A leader's block is full, and holds nothing that cannot pay.

use std::collections::BTreeMap;

use casper_types::{Deploy, PublicKey, Timestamp, U512, bytesrepr::ToBytes};
use girrona_types::{chainspec::MOTES_PER_GIRRO, deploy};
use proptest::prelude::*;

use super::*;
use crate::testing::{Alone, Person, law, transfer, transfer_after};

fn sender(number: u8) -> Person {
    Person::new(10 + number)
}

/// What is left of each limit after a block, and what would still have fitted.
fn room_after(node: &Alone, block: &crate::disk::StoredBlock) -> Room {
    let mut room = Room::of(&node.law.deploys);
    let proposal = block.proposal.as_ref().unwrap();
    for signed in proposal.all_deploys() {
        let deploy = node.chain.disk().deploy(&signed.hash).unwrap().unwrap();
        let taken = room.take(&deploy, signed.approvals.len(), deploy.serialized_length());
        assert!(taken, "the block is over its limits");
    }
    room
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_that_is_left_over_would_have_fitted(
        transfers_max in 1_u32..6,
        bytes_max in 300_u32..3_000,
        approvals_max in 1_u32..8,
        senders in proptest::collection::vec((0_u8..4, 3_u64..40), 1..14),
    ) {
        let people: Vec<_> = (0..4).map(sender).collect();
        let balances: Vec<_> = people.iter().map(|p| (p, 60 * MOTES_PER_GIRRO)).collect();
        let mut rules = law(&balances, &[(&Person::new(200), 100)]);
        rules.deploys.block_max_transfer_count = transfers_max;
        rules.deploys.max_block_size = bytes_max;
        rules.deploys.block_max_approval_count = approvals_max;
        let mut node = Alone::new(rules);
        for (index, (who, girro)) in senders.iter().enumerate() {
            let made = Timestamp::from(node.now.millis() - index as u64);
            let deploy = transfer(&sender(*who), &Person::new(2), *girro, made, 60);
            let _ = node.put(&deploy);
        }
        let before: Vec<Deploy> =
            node.chain.buffer.iter().map(|waiting| waiting.deploy.as_ref().clone()).collect();
        let block = node.block();
        let room = room_after(&node, &block);
        let mut spent: BTreeMap<PublicKey, U512> = BTreeMap::new();
        for hash in block.block.body().transfer_hashes() {
            let deploy = before.iter().find(|deploy| deploy.hash() == hash).unwrap();
            let amount: U512 =
                deploy.session().args().get("amount").unwrap().clone().into_t().unwrap();
            *spent.entry(deploy.account().clone()).or_default() += amount + U512::from(100_000_000);
        }
        for deploy in &before {
            if block.block.body().transfer_hashes().contains(deploy.hash()) {
                continue;
            }
            let left = U512::from(60 * MOTES_PER_GIRRO)
                .saturating_sub(spent.get(deploy.account()).copied().unwrap_or_default());
            let fits = room.clone().take(
                deploy,
                deploy.approvals().len(),
                deploy.serialized_length(),
            );
            let funded = left >= node.law.core.penalty_payment;
            prop_assert!(!(fits && funded), "{} was left over although it fits", deploy.hash());
        }
    }
}

#[test]
fn deploys_that_lost_their_money_never_fill_a_block() {
    let (ana, bo, carl) = (Person::new(1), Person::new(2), Person::new(3));
    let mut rules =
        law(&[(&ana, MOTES_PER_GIRRO), (&bo, 100 * MOTES_PER_GIRRO)], &[(&Person::new(200), 100)]);
    rules.deploys.block_max_transfer_count = 2;
    let mut node = Alone::new(rules);
    for girro in 3..8 {
        node.smuggle(&transfer(&ana, &carl, girro, node.now, 60));
    }
    let paid = transfer(&bo, &carl, 5, node.now, 60);
    node.smuggle(&paid);
    let block = node.block();
    assert_eq!(block.block.body().transfer_hashes(), [*paid.hash()]);
}

#[test]
fn one_balance_does_not_pay_for_two_deploys_in_one_block() {
    let (ana, carl) = (Person::new(1), Person::new(3));
    for (girro, together) in [(8, 2), (7, 1)] {
        let rules = law(&[(&ana, girro * MOTES_PER_GIRRO)], &[(&Person::new(200), 100)]);
        let mut node = Alone::new(rules);
        for amount in [5, 6] {
            node.put(&transfer(&ana, &carl, amount, node.now, 60)).unwrap();
        }
        // After 5.1 GIRRO of the first, 2.9 are enough to pay for failing and 1.9 are not.
        assert_eq!(node.block().block.body().transfer_hashes().len(), together, "{girro} GIRRO");
        assert!(node.block().block.body().transfer_hashes().is_empty());
    }
}

#[test]
fn a_deploy_is_in_no_block_after_its_time_and_in_none_before_it_was_made() {
    let (ana, bo) = (Person::new(1), Person::new(2));
    let rules = law(&[(&ana, 100 * MOTES_PER_GIRRO)], &[(&Person::new(200), 100)]);
    let mut node = Alone::new(rules);
    node.block();
    let tip = node.chain.disk().tip().unwrap().unwrap().block.timestamp();
    let next = tip.millis() + 1_000;
    node.now = tip;
    let short = |ends: u64| {
        // Lives one second, ends when told.
        transfer(&ana, &bo, 5, Timestamp::from(ends - 1_000), 1)
    };
    let too_short = short(next - 1);
    let just = short(next);
    for deploy in [&too_short, &just] {
        assert!(deploy::expires_at(deploy) >= node.now);
        node.put(deploy).unwrap();
    }
    let early = transfer_after(&ana, &bo, 9, Timestamp::from(next + 1), 60, Vec::new());
    node.put(&early).unwrap();
    assert_eq!(node.block().block.body().transfer_hashes(), [*just.hash()]);
    assert_eq!(node.block().block.body().transfer_hashes(), [*early.hash()]);
}
