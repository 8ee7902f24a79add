//! Validators come and go where eras end.

use casper_types::{
    Deploy, ExecutableDeployItem, RuntimeArgs, TimeDiff, Timestamp, U512, contracts::ContractHash,
    runtime_args,
};
use girrona_consensus::{CasperKeys, Scheme};
use girrona_exec::system::SYSTEM;
use girrona_types::{
    Chainspec, CommitCertificate, Draft, FinalitySignature, Height, ProposalHash, Round,
    chainspec::MOTES_PER_GIRRO,
};

use super::*;
use crate::{
    Input, Verdict,
    testing::{Alone, Person, law},
};

/// Eras of three blocks, bids that count at once, and nothing minted.
fn short_eras(validator: &Person, joiner: &Person) -> Chainspec {
    let mut law = law(&[(joiner, 1_000 * MOTES_PER_GIRRO)], &[(validator, 100)]);
    law.core.era_duration = TimeDiff::from_seconds(3);
    law.core.minimum_era_height = 1;
    law.core.auction_delay = 0;
    law.core.minimum_bid_amount = MOTES_PER_GIRRO;
    law.core.round_seigniorage_rate = [0, 1];
    law
}

fn ask(who: &Person, method: &str, args: RuntimeArgs, timestamp: Timestamp) -> Deploy {
    let session = ExecutableDeployItem::StoredContractByHash {
        hash: ContractHash::new(SYSTEM.auction.contract),
        entry_point: method.to_owned(),
        args,
    };
    Draft {
        timestamp,
        ttl: TimeDiff::from_seconds(60),
        gas_price: 1,
        dependencies: Vec::new(),
        chain_name: Chainspec::default().network.name,
        payment: ExecutableDeployItem::new_standard_payment(U512::from(3 * MOTES_PER_GIRRO)),
        session,
    }
    .sign(&who.secret)
    .unwrap()
}

fn bid(who: &Person, girro: u64, now: Timestamp) -> Deploy {
    let args = runtime_args! {
        "public_key" => who.public.clone(),
        "delegation_rate" => 0_u8,
        "amount" => U512::from(girro * MOTES_PER_GIRRO),
    };
    ask(who, "add_bid", args, now)
}

fn withdraw(who: &Person, girro: u64, now: Timestamp) -> Deploy {
    let amount = U512::from(girro * MOTES_PER_GIRRO);
    let args = runtime_args! { "public_key" => who.public.clone(), "amount" => amount };
    ask(who, "withdraw_bid", args, now)
}

/// Makes blocks up to a height.
fn reach(net: &mut Alone, height: u64) {
    while net.chain.height() < Height(height) {
        net.block();
    }
}

fn weights(net: &Alone) -> Vec<u64> {
    let mut all: Vec<_> = net.chain.validators().iter().map(|(_, weight)| weight).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_bid_makes_a_validator_where_an_era_ends_and_a_restart_knows_it() {
    let (validator, joiner) = (Person::new(200), Person::new(1));
    let law = short_eras(&validator, &joiner);
    let mut net = Alone::new(law.clone());
    net.block();
    net.put(&bid(&joiner, 10, net.now)).unwrap();
    reach(&mut net, 2);
    assert_eq!(weights(&net), [100]);
    assert!(net.chain.alone);
    reach(&mut net, 3);
    assert_eq!(weights(&net), [10, 100]);
    assert!(!net.chain.alone);
    let tip = net.chain.disk().tip().unwrap().unwrap();
    let named = tip.block.era_end().unwrap().next_era_validator_weights();
    assert_eq!(named.len(), 2);
    // More than two thirds are still one: the chain goes on, by votes now.
    reach(&mut net, 5);
    let (now, disk) = (net.now, net.chain.into_disk());
    let mut net = Alone::with_disk(law, disk, now);
    assert_eq!(weights(&net), [10, 100]);
    assert!(!net.chain.alone);
    reach(&mut net, 7);
}

#[test]
fn who_withdraws_everything_leaves_where_the_era_ends() {
    let (validator, joiner) = (Person::new(200), Person::new(1));
    let mut net = Alone::new(short_eras(&validator, &joiner));
    net.block();
    net.put(&bid(&joiner, 10, net.now)).unwrap();
    reach(&mut net, 4);
    net.put(&withdraw(&joiner, 10, net.now)).unwrap();
    reach(&mut net, 5);
    assert_eq!(weights(&net), [10, 100]);
    reach(&mut net, 6);
    assert_eq!(weights(&net), [100]);
    assert!(net.chain.alone);
    reach(&mut net, 8);
}

#[test]
fn a_validator_that_is_outvoted_follows_without_a_vote_of_its_own() {
    let (validator, joiner) = (Person::new(200), Person::new(1));
    let mut law = short_eras(&validator, &joiner);
    law.core.validator_slots = 1;
    let mut net = Alone::new(law);
    net.block();
    net.put(&bid(&joiner, 500, net.now)).unwrap();
    reach(&mut net, 3);
    assert_eq!(weights(&net), [500]);
    assert!(!net.chain.alone);
    net.pass(20_000);
    assert_eq!(net.chain.height(), Height(3), "it decides nothing any more");
}

/// What a signature of a block is worth here.
fn weigh(net: &mut Alone, who: &Person, block: casper_types::BlockHash, era: u64) -> Verdict {
    let era = casper_types::EraId::new(era);
    let keys = CasperKeys::signer(Person::new(key_of(who)).secret).unwrap();
    let message = FinalitySignature::message(&block, era);
    let signature = keys.sign(&message).unwrap();
    let signature = FinalitySignature { block, era, public_key: who.public.clone(), signature };
    let outputs =
        net.chain.handle(Input::Finality { signature, ticket: Some(1) }, net.now).unwrap();
    outputs
        .into_iter()
        .find_map(|output| match output {
            Output::Judged { verdict, .. } => Some(verdict),
            _ => None,
        })
        .unwrap()
}

/// The number a person of these tests was made from.
fn key_of(who: &Person) -> u8 {
    (0..=255).find(|number| Person::new(*number).public == who.public).unwrap()
}

#[test]
fn finality_signatures_count_by_the_era_of_their_block() {
    let (validator, joiner) = (Person::new(200), Person::new(1));
    let mut net = Alone::new(short_eras(&validator, &joiner));
    net.block();
    net.put(&bid(&joiner, 10, net.now)).unwrap();
    reach(&mut net, 4);
    let hash = |net: &Alone, height| {
        *net.chain.disk().block(Height(height)).unwrap().unwrap().block.hash()
    };
    let (old, new) = (hash(&net, 3), hash(&net, 4));
    assert_eq!(weigh(&mut net, &joiner, old, 1), Verdict::Reject, "it had no vote then");
    assert_eq!(weigh(&mut net, &joiner, new, 2), Verdict::Accept);
    assert_eq!(weigh(&mut net, &joiner, new, 2), Verdict::Ignore, "known");
    assert_eq!(weigh(&mut net, &joiner, new, 1), Verdict::Reject, "of another era");
    let unknown = casper_types::BlockHash::default();
    assert_eq!(
        weigh(&mut net, &joiner, unknown, 99),
        Verdict::Ignore,
        "nobody knows who votes then"
    );
}

#[test]
fn a_certificate_of_an_era_that_is_not_settled_is_nobodys_fault() {
    let (validator, joiner) = (Person::new(200), Person::new(1));
    let mut net = Alone::new(short_eras(&validator, &joiner));
    net.block();
    let certificate = |height| CommitCertificate {
        height: Height(height),
        round: Round(0),
        proposal: ProposalHash([7; 32]),
        signatures: Vec::new(),
    };
    let mut judge = |height| {
        let certificate = certificate(height);
        let input = Input::Commit { from: 1, certificate, ticket: Some(1) };
        let outputs = net.chain.handle(input, net.now).unwrap();
        outputs.into_iter().find_map(|output| match output {
            Output::Judged { verdict, .. } => Some(verdict),
            _ => None,
        })
    };
    assert_eq!(judge(3), Some(Verdict::Reject), "of this era, and proves nothing");
    assert_eq!(judge(4), Some(Verdict::Ignore));
}
