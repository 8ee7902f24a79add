//! Stakes.

use super::{Book, G, Value, args, by_hash, motes, play, through};
use crate::conform::suite::{ANA, Args, BEN, PROPOSER, Play};

fn bid(who: u8, amount: u64, rate: u8) -> Args {
    args! {
        "public_key" => Value::Public(who), "amount" => motes(amount * G),
        "delegation_rate" => Value::U8(rate),
    }
}

fn withdraw(who: u8, amount: u64) -> Args {
    args! { "public_key" => Value::Public(who), "amount" => motes(amount * G) }
}

fn delegate(who: u8, validator: u8, amount: u64) -> Args {
    args! {
        "delegator" => Value::Public(who), "validator" => Value::Public(validator),
        "amount" => motes(amount * G),
    }
}

/// A call from a session, whose `amount` is what may be spent, and one as a deploy of its own.
fn code(name: &str, entry: &str, args: Args) -> Play {
    play(name, through("@auction", entry, args)).paid(6_000 * G)
}

fn deploy(name: &str, entry: &str, args: Args) -> Play {
    play(name, by_hash("@auction", entry, args)).paid(6_000 * G)
}

pub(super) fn cases(book: &mut Book) {
    let again = |who| args! { "validator_public_key" => Value::Public(who) };
    let moved = |who, from, amount, to| {
        let mut args = delegate(who, from, amount);
        args.push(("new_validator".to_owned(), Value::Public(to)));
        args
    };
    book.case(
        "bids",
        vec![
            deploy("too small", "add_bid", bid(ANA, 9_999, 10)),
            deploy("for another", "add_bid", bid(BEN, 10_000, 10)),
            deploy("a rate of 101", "add_bid", bid(ANA, 10_000, 101)),
            deploy("a rate of 100", "add_bid", bid(ANA, 10_000, 100)),
            deploy("more", "add_bid", bid(ANA, 10_000, 20)),
            deploy("little more", "add_bid", bid(ANA, 1, 20)),
            code("from code", "add_bid", bid(BEN, 20_000, 5)).by(BEN),
            deploy("more than there is", "add_bid", bid(ANA, 2_000_000, 5)),
            deploy("of nothing", "add_bid", args! {}),
            deploy("too little gas", "add_bid", bid(ANA, 10_000, 5)).paid(100 * G),
            deploy("withdraw some", "withdraw_bid", withdraw(ANA, 5_000)),
            deploy("withdraw too much", "withdraw_bid", withdraw(ANA, 50_000)),
            deploy("withdraw another's", "withdraw_bid", withdraw(BEN, 1)),
            code("withdraw from code", "withdraw_bid", withdraw(BEN, 15_000)).by(BEN),
            deploy("withdraw all", "withdraw_bid", withdraw(ANA, 15_001)),
            deploy("withdraw again", "withdraw_bid", withdraw(ANA, 1)),
            deploy("withdraw below the least", "withdraw_bid", withdraw(BEN, 1)).by(BEN),
            deploy("activate what is active", "activate_bid", again(BEN)).by(BEN),
            deploy("activate another's", "activate_bid", again(BEN)),
            deploy("activate nothing", "activate_bid", again(ANA)),
        ],
    );
    book.case(
        "delegations",
        vec![
            deploy("too small", "delegate", delegate(ANA, PROPOSER, 499)),
            deploy("first", "delegate", delegate(ANA, PROPOSER, 500)),
            deploy("small on top", "delegate", delegate(ANA, PROPOSER, 1)),
            deploy("second", "delegate", delegate(ANA, PROPOSER, 700)),
            deploy("for another", "delegate", delegate(BEN, PROPOSER, 500)),
            deploy("to no validator", "delegate", delegate(ANA, BEN, 500)),
            code("from code", "delegate", delegate(BEN, PROPOSER, 600)).by(BEN),
            deploy("too much", "delegate", delegate(ANA, PROPOSER, 2_000_000)),
            deploy("of nothing", "delegate", args! {}),
            deploy("to oneself", "delegate", delegate(PROPOSER, PROPOSER, 600)).by(PROPOSER),
            deploy("back some", "undelegate", delegate(ANA, PROPOSER, 200)),
            deploy("back too much", "undelegate", delegate(ANA, PROPOSER, 20_000)),
            deploy("back another's", "undelegate", delegate(BEN, PROPOSER, 1)),
            deploy("back from nobody", "undelegate", delegate(ANA, BEN, 1)),
            code("back from code", "undelegate", delegate(BEN, PROPOSER, 600)).by(BEN),
            deploy("back again", "undelegate", delegate(BEN, PROPOSER, 1)).by(BEN),
            deploy("ben bids", "add_bid", bid(BEN, 10_000, 10)).by(BEN),
            deploy("over to ben", "redelegate", moved(ANA, PROPOSER, 500, BEN)),
            deploy("over to nobody", "redelegate", moved(ANA, PROPOSER, 1, 9)),
            deploy("over too much", "redelegate", moved(ANA, PROPOSER, 50_000, BEN)),
            deploy("over without a target", "redelegate", delegate(ANA, PROPOSER, 1)),
            deploy("back all", "undelegate", delegate(ANA, PROPOSER, 501)),
        ],
    );
    let mut deploys = Vec::new();
    for (name, entry, args) in [
        ("era", "read_era_id", args! {}),
        (
            "run",
            "run_auction",
            args! {
                "era_end_timestamp_millis" => Value::U64(1), "evicted_validators" => Value::Any(vec![0; 4]),
            },
        ),
        ("slash", "slash", args! { "validator_public_keys" => Value::Any(vec![0; 4]) }),
        ("distribute", "distribute", args! { "reward_factors" => Value::Any(vec![0; 4]) }),
        ("no such method", "vote", args! {}),
    ] {
        deploys.push(code(&format!("{name}, from code"), entry, args.clone()));
        deploys.push(deploy(&format!("{name}, by a deploy"), entry, args));
    }
    deploys.push(deploy("validators, by a deploy", "get_era_validators", args! {}));
    deploys.push(code("validators, from code", "get_era_validators", args! {}));
    book.case("auction", deploys);
}
