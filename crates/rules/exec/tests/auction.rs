//! Bids, delegations and what is withdrawn, as deploys ask for them; and who is refused what.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/stakes.rs"]
mod stakes;
#[path = "support/world.rs"]
mod world;

use casper_types::{
    ExecutableDeployItem, RuntimeArgs, U512,
    bytesrepr::ToBytes,
    runtime_args,
    system::{auction::Error, mint::Error as MintError},
};
use girrona_exec::EraReport;
use stakes::{PAID, Wish, call, staking};
use world::*;

/// The price of add_bid, delegate and the like; the rest of what was paid comes back.
const COST: u64 = 2_500_000_000;

fn world() -> World {
    World::new(staking())
}

/// What a refusal of the auction looks like to clients.
fn refusal(error: Error) -> Result<(), String> {
    Err(format!("ApiError::AuctionError({error:?}) [{}]", 64_512 + error as u32))
}

/// What a refusal of the mint looks like to clients.
fn mint_refusal(error: MintError) -> Result<(), String> {
    Err(format!("Mint error: {}", error as u8))
}

#[test]
fn a_bid_moves_the_stake_into_a_purse_and_costs_its_price() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 7, motes: 100 * GIRRO }).unwrap();
    let bid = world.bid(ANA);
    assert_eq!(bid.validator_public_key(), &public(ANA));
    assert_eq!(*bid.staked_amount(), U512::from(100 * GIRRO));
    assert_eq!((*bid.delegation_rate(), bid.inactive()), (7, false));
    assert_eq!(world.purse_balance(*bid.bonding_purse()), 100 * GIRRO);
    assert_eq!(world.balance(ANA), 900 * GIRRO - COST);
    world.check_stakes();
}

#[test]
fn a_second_bid_adds_to_the_stake_and_changes_the_rate() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 7, motes: 100 * GIRRO }).unwrap();
    let purse = *world.bid(ANA).bonding_purse();
    world.wish(ANA, Wish::AddBid { rate: 9, motes: 20 * GIRRO }).unwrap();
    let bid = world.bid(ANA);
    assert_eq!(*bid.staked_amount(), U512::from(120 * GIRRO));
    assert_eq!((*bid.delegation_rate(), *bid.bonding_purse()), (9, purse));
    world.check_stakes();
}

#[test]
fn a_bid_is_listed_as_a_transfer_to_the_system() {
    let mut world = world();
    let deploy = Wish::AddBid { rate: 7, motes: 100 * GIRRO }.deploy(&world, ANA);
    assert_eq!(seen(&world.one(deploy)), (COST, None, 1));
}

#[test]
fn bids_that_break_a_rule_are_refused_by_its_number() {
    let mut world = world();
    let low = Wish::AddBid { rate: 1, motes: 10 * GIRRO - 1 };
    assert_eq!(world.wish(ANA, low), refusal(Error::BondTooSmall));
    let greedy = Wish::AddBid { rate: 101, motes: 10 * GIRRO };
    assert_eq!(world.wish(ANA, greedy), refusal(Error::DelegationRateTooLarge));
    // More than the account has.
    let rich = Wish::AddBid { rate: 1, motes: 5_000 * GIRRO };
    assert_eq!(world.wish(ANA, rich), mint_refusal(MintError::InsufficientFunds));
    assert_eq!(girrona_exec::auction::bids(&world.state).unwrap().len(), 1);
    world.check_stakes();
}

#[test]
fn nobody_bids_withdraws_delegates_or_activates_for_somebody_else() {
    let mut world = world();
    let foreign = |wish: Wish| wish.call(BEN);
    for wish in [
        Wish::AddBid { rate: 1, motes: 10 * GIRRO },
        Wish::WithdrawBid { motes: 1 },
        Wish::Delegate { to: PROPOSER, motes: 10 * GIRRO },
        Wish::Undelegate { from: PROPOSER, motes: 10 * GIRRO },
        Wish::Redelegate { from: PROPOSER, to: ANA, motes: 10 * GIRRO },
        Wish::Activate,
    ] {
        let (method, args) = foreign(wish);
        let deploy = call(&world, ANA, method, args);
        let result = world.one(deploy);
        let message = seen(&result).1.map(str::to_owned);
        assert_eq!(message.map_or(Ok(()), Err), refusal(Error::InvalidContext), "{wish:?}");
    }
}

#[test]
fn only_the_system_ends_eras() {
    let mut world = world();
    for (method, args) in [
        ("run_auction", runtime_args! { "era_end_timestamp_millis" => 5_u64 }),
        ("slash", RuntimeArgs::new()),
        ("distribute", RuntimeArgs::new()),
    ] {
        let deploy = call(&world, ANA, method, args);
        let result = world.one(deploy);
        let message = seen(&result).1.map(str::to_owned);
        assert_eq!(message.map_or(Ok(()), Err), refusal(Error::InvalidCaller), "{method}");
    }
}

#[test]
fn the_present_era_and_its_validators_can_be_asked_for() {
    let mut world = world();
    for method in ["get_era_validators", "read_era_id"] {
        let deploy = call(&world, ANA, method, RuntimeArgs::new());
        assert_eq!(seen(&world.one(deploy)).1, None, "{method}");
    }
    let eras = girrona_exec::auction::era_validators(&world.state).unwrap();
    let eras: Vec<_> = eras.keys().map(|era| era.value()).collect();
    assert_eq!(eras, [1, 2]);
}

#[test]
fn the_auction_answers_to_its_name_unless_the_account_has_another_use_for_it() {
    let mut world = world();
    let (method, args) = Wish::AddBid { rate: 1, motes: 10 * GIRRO }.call(ANA);
    let session = ExecutableDeployItem::new_stored_contract_by_name(
        "auction".to_owned(),
        method.to_owned(),
        args,
    );
    let deploy = world.deploy(ANA, pay(PAID), session);
    assert_eq!(seen(&world.one(deploy)).1, None);
    assert_eq!(*world.bid(ANA).staked_amount(), U512::from(10 * GIRRO));
}

#[test]
fn where_bids_are_not_allowed_none_is_taken() {
    let mut law = staking();
    law.core.allow_auction_bids = false;
    let mut world = World::new(law);
    let bid = Wish::AddBid { rate: 1, motes: 10 * GIRRO };
    assert_eq!(world.wish(ANA, bid), refusal(Error::AuctionBidsDisabled));
    let delegation = Wish::Delegate { to: PROPOSER, motes: 10 * GIRRO };
    assert_eq!(world.wish(ANA, delegation), refusal(Error::AuctionBidsDisabled));
}

#[test]
fn what_is_withdrawn_comes_back_when_its_eras_are_over() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    world.wish(ANA, Wish::WithdrawBid { motes: 40 * GIRRO }).unwrap();
    assert_eq!(*world.bid(ANA).staked_amount(), U512::from(60 * GIRRO));
    assert_eq!(world.unbonds(ANA).len(), 1);
    world.check_stakes();
    let before = world.balance(ANA);
    // It began in era 1, and is paid at the end of era 3.
    for _ in 0..2 {
        world.pass_era();
        assert_eq!(world.balance(ANA), before);
    }
    world.pass_era();
    assert_eq!(world.balance(ANA), before + 40 * GIRRO);
    assert_eq!(world.unbonds(ANA), []);
    world.check_stakes();
}

#[test]
fn wishes_of_one_era_for_one_purse_are_one() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    for _ in 0..3 {
        world.wish(ANA, Wish::WithdrawBid { motes: 1 }).unwrap();
    }
    world.wish(ANA, Wish::WithdrawBid { motes: 0 }).unwrap();
    let [only] = &world.unbonds(ANA)[..] else { panic!("one") };
    assert_eq!(*only.amount(), U512::from(3));
    world.pass_era();
    world.wish(ANA, Wish::WithdrawBid { motes: 1 }).unwrap();
    assert_eq!(world.unbonds(ANA).len(), 2);
    world.check_stakes();
}

#[test]
fn nobody_withdraws_more_than_is_there_or_from_where_nothing_is() {
    let mut world = world();
    assert_eq!(world.wish(ANA, Wish::WithdrawBid { motes: 1 }), refusal(Error::ValidatorNotFound));
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 10 * GIRRO }).unwrap();
    let more = Wish::WithdrawBid { motes: 10 * GIRRO + 1 };
    assert_eq!(world.wish(ANA, more), refusal(Error::UnbondTooLarge));
    let of_nobody = Wish::Undelegate { from: POOR, motes: 1 };
    assert_eq!(world.wish(ANA, of_nobody), refusal(Error::ValidatorNotFound));
    let of_none = Wish::Undelegate { from: PROPOSER, motes: 1 };
    assert_eq!(world.wish(ANA, of_none), refusal(Error::DelegatorNotFound));
    world.wish(ANA, Wish::Delegate { to: PROPOSER, motes: 5 * GIRRO }).unwrap();
    let more = Wish::Undelegate { from: PROPOSER, motes: 5 * GIRRO + 1 };
    assert_eq!(world.wish(ANA, more), refusal(Error::UnbondTooLarge));
    world.check_stakes();
}

#[test]
fn a_bid_that_is_withdrawn_as_a_whole_lets_its_delegators_go() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    world.wish(BEN, Wish::Delegate { to: ANA, motes: 50 * GIRRO }).unwrap();
    let (ana, ben) = (world.balance(ANA), world.balance(BEN));
    world.wish(ANA, Wish::WithdrawBid { motes: 100 * GIRRO }).unwrap();
    let bid = world.bid(ANA);
    assert!(bid.inactive() && bid.delegators().is_empty() && bid.staked_amount().is_zero());
    assert_eq!(world.unbonds(ANA).len(), 2);
    world.check_stakes();
    for _ in 0..3 {
        world.pass_era();
    }
    assert_eq!(world.balance(ANA), ana - COST + 100 * GIRRO);
    assert_eq!(world.balance(BEN), ben + 50 * GIRRO);
    world.check_stakes();
}

#[test]
fn delegations_that_break_a_rule_are_refused_by_its_number() {
    let mut world = world();
    let zero = Wish::Delegate { to: PROPOSER, motes: 0 };
    assert_eq!(world.wish(ANA, zero), refusal(Error::BondTooSmall));
    let low = Wish::Delegate { to: PROPOSER, motes: 5 * GIRRO - 1 };
    assert_eq!(world.wish(ANA, low), refusal(Error::DelegationAmountTooSmall));
    let nobody = Wish::Delegate { to: POOR, motes: 5 * GIRRO };
    assert_eq!(world.wish(ANA, nobody), refusal(Error::ValidatorNotFound));
    world.wish(ANA, Wish::Delegate { to: PROPOSER, motes: 5 * GIRRO }).unwrap();
    let low = Wish::Redelegate { from: PROPOSER, to: BEN, motes: 1 };
    assert_eq!(world.wish(ANA, low), refusal(Error::DelegationAmountTooSmall));
}

#[test]
fn a_validator_takes_only_so_many_delegators_but_more_from_each() {
    let mut world = World::with_poor(staking(), 100 * GIRRO);
    for who in [ANA, BEN] {
        world.wish(who, Wish::Delegate { to: PROPOSER, motes: 5 * GIRRO }).unwrap();
    }
    let third = Wish::Delegate { to: PROPOSER, motes: 5 * GIRRO };
    assert_eq!(world.wish(POOR, third), refusal(Error::ExceededDelegatorSizeLimit));
    world.wish(ANA, Wish::Delegate { to: PROPOSER, motes: 5 * GIRRO }).unwrap();
    let bid = world.bid(PROPOSER);
    assert_eq!(bid.delegators()[&public(ANA)].staked_amount(), U512::from(10 * GIRRO));
    world.check_stakes();
}

#[test]
fn what_is_redelegated_reaches_the_new_validator_when_its_eras_are_over() {
    let mut world = world();
    world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
    world.wish(BEN, Wish::Delegate { to: PROPOSER, motes: 50 * GIRRO }).unwrap();
    let wish = Wish::Redelegate { from: PROPOSER, to: ANA, motes: 50 * GIRRO };
    world.wish(BEN, wish).unwrap();
    assert!(world.bid(PROPOSER).delegators().is_empty());
    let before = world.balance(BEN);
    for _ in 0..3 {
        assert!(world.bid(ANA).delegators().is_empty());
        world.pass_era();
        world.check_stakes();
    }
    let stake = world.bid(ANA).delegators()[&public(BEN)].staked_amount();
    assert_eq!(stake, U512::from(50 * GIRRO));
    assert_eq!(world.balance(BEN), before);
}

#[test]
fn what_cannot_be_redelegated_is_paid_out() {
    let mut world = world();
    world.wish(BEN, Wish::Delegate { to: PROPOSER, motes: 50 * GIRRO }).unwrap();
    // ANA never bids.
    let wish = Wish::Redelegate { from: PROPOSER, to: ANA, motes: 50 * GIRRO };
    world.wish(BEN, wish).unwrap();
    let before = world.balance(BEN);
    for _ in 0..3 {
        world.pass_era();
    }
    assert_eq!(world.balance(BEN), before + 50 * GIRRO);
    world.check_stakes();
}

#[test]
fn an_evicted_bid_comes_back_by_a_word_or_by_a_stake() {
    let mut world = world();
    for way in [Wish::Activate, Wish::AddBid { rate: 0, motes: 10 * GIRRO }] {
        world.wish(ANA, Wish::AddBid { rate: 0, motes: 100 * GIRRO }).unwrap();
        let report = EraReport { equivocators: vec![], inactive: vec![public(ANA)] };
        world.era(&[], &report);
        assert!(world.bid(ANA).inactive());
        world.check_stakes();
        world.wish(ANA, way).unwrap();
        assert!(!world.bid(ANA).inactive());
        world.check_stakes();
    }
}

/// Session code that calls the auction's `delegate` for its account; `amount` is what the deploy
/// allows.
fn delegating_session(world: &World, who: u8, allowed: u64, motes: u64) -> casper_types::Deploy {
    let (method, args) = Wish::Delegate { to: PROPOSER, motes }.call(who);
    let hash = girrona_exec::system::SYSTEM.auction.contract;
    let (method, args) = (method.as_bytes().to_vec(), args.to_bytes().unwrap());
    let wasm = guest::guest(
        &[(0, &hash), (64, &method_bytes(&method)), (128, &args)],
        &format!(
            "(call $check (call $call_contract (i32.const 0) (i32.const 32)
                (i32.const 64) (i32.const {}) (i32.const 128) (i32.const {}) (i32.const 1024)))",
            method_bytes(&method).len(),
            args.len()
        ),
    );
    world.session(who, 50 * GIRRO, wasm, runtime_args! { "amount" => U512::from(allowed) })
}

fn method_bytes(method: &[u8]) -> Vec<u8> {
    String::from_utf8(method.to_vec()).unwrap().to_bytes().unwrap()
}

#[test]
fn session_code_delegates_for_its_account_within_the_amount_that_is_allowed() {
    let mut world = world();
    let deploy = delegating_session(&world, ANA, 7 * GIRRO, 7 * GIRRO);
    assert_eq!(seen(&world.one(deploy)).1, None);
    let stake = world.bid(PROPOSER).delegators()[&public(ANA)].staked_amount();
    assert_eq!(stake, U512::from(7 * GIRRO));
    let deploy = delegating_session(&world, ANA, 7 * GIRRO - 1, 7 * GIRRO);
    let message = seen(&world.one(deploy)).1.map(str::to_owned);
    let expected = mint_refusal(MintError::UnapprovedSpendingAmount);
    assert_eq!(message.map_or(Ok(()), Err), expected);
    world.check_stakes();
}
