//! Payment that fails, transfers that do not go through, what the system's contracts refuse, and
//! deploys that are not their account's own.

use casper_types::{
    AccessRights, CLType, CLValue, Deploy, ExecutableDeployItem, Key, RuntimeArgs, U512, URef,
    account::{ActionType, Weight},
    runtime_args,
};
use girrona_exec::system::SYSTEM;

use crate::{
    FREE, Money, PENALIZED, Row, UNSHOWN,
    code::END_OF_BYTES,
    guest::{self, Paper},
    settled,
    town::{OFFER, Town, amount, by_hash, bytes, calls_system},
    world::*,
};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = payments();
    rows.extend(transfers());
    rows.extend(system());
    rows.extend(strangers());
    rows
}

fn pays(town: &Town, wasm: Vec<u8>) -> Deploy {
    town.pays(module(wasm, amount(5 * GIRRO)))
}

fn payments() -> Vec<Row> {
    let standard =
        |args: RuntimeArgs| move |town: &mut Town| town.pays(module(vec![], args.clone()));
    let to_standard = |args: RuntimeArgs| {
        move |town: &mut Town| {
            town.pays(by_hash(SYSTEM.standard_payment.contract, "pay", args.clone()))
        }
    };
    let coded = |wasm: fn() -> Vec<u8>| move |town: &mut Town| pays(town, wasm());
    vec![
        Row::payment(
            "payment of more than there is",
            "Mint error: 0",
            standard(amount(2_000 * GIRRO)),
        ),
        Row::payment(
            "payment without an amount",
            "ApiError::MissingArgument [2]",
            standard(RuntimeArgs::new()),
        ),
        Row::payment(
            "payment of a text",
            "ApiError::InvalidArgument [3]",
            standard(runtime_args! { "amount" => "all" }),
        ),
        Row::payment("payment code that pays nothing", "Insufficient payment", coded(guest::idles)),
        Row::payment("payment code that reverts", "User error: 7", coded(guest::reverts)),
        Row::payment("payment code that never ends", "Out of gas error", coded(guest::spins)),
        Row::payment(
            "payment code that traps",
            "Interpreter error: trap: Code(Unreachable)",
            coded(guest::traps),
        ),
        Row::payment("payment code that is no module", END_OF_BYTES, coded(|| vec![1, 2, 3]))
            .with(PENALIZED, UNSHOWN),
        Row::payment(
            "payment by standard payment of more than there is",
            "Mint error: 0",
            to_standard(amount(2_000 * GIRRO)),
        ),
        Row::payment(
            "payment by standard payment without an amount",
            "ApiError::MissingArgument [2]",
            to_standard(RuntimeArgs::new()),
        ),
        Row::refused(
            "payment by a native transfer",
            "Unsupported deploy item variant: Transfer",
            |town| town.pays(ExecutableDeployItem::Transfer { args: RuntimeArgs::new() }),
        ),
        Row::refused("gas price 0", "Gas conversion overflow", |town| {
            town.world.priced(ANA, 0, pay(OFFER), module(guest::idles(), RuntimeArgs::new()))
        }),
        Row::payment("a gas price too high to find the purse", "Out of gas error", |town| {
            let idle = module(guest::idles(), RuntimeArgs::new());
            town.world.priced(ANA, 250_001, pay(OFFER), idle)
        })
        .with(Money { cost: 9_999, ..PENALIZED }, Money { cost: 9_999, ..PENALIZED }),
        Row::payment("a gas price too high for payment", "ApiError::Transfer [14]", |town| {
            town.world.priced(ANA, 125_001, pay(OFFER), module(guest::idles(), RuntimeArgs::new()))
        })
        .with(Money { cost: 19_999, ..PENALIZED }, Money { cost: 19_999, ..PENALIZED }),
        Row::session("a gas price too high for the session", "Out of gas error", 160_000, |town| {
            let idle = module(guest::spins(), RuntimeArgs::new());
            town.world.priced(ANA, 125_000, pay(OFFER), idle)
        })
        .with(Money { cost: 160_000, ..settled(OFFER) }, Money { cost: 160_000, ..settled(OFFER) }),
        Row::session(
            "an amount that is no number",
            "CLValue error: Deserialization error: early end of stream",
            0,
            |town| {
                let broken = CLValue::from_components(CLType::U512, vec![9, 1]);
                let mut args = RuntimeArgs::new();
                args.insert_cl_value("amount", broken);
                town.session(module(guest::idles(), args))
            },
        )
        .with(settled(PENALTY), Money { cost: 0, lost: 0, refunded: OFFER }),
        Row::refused("a main purse without MAX_PAYMENT_COST", "Insufficient payment", |town| {
            town.world.session(POOR, GIRRO, guest::idles(), RuntimeArgs::new())
        })
        .of_poor(PENALTY - 1)
        .with(Money { cost: PENALTY - 1, lost: PENALTY - 1, refunded: 0 }, FREE),
    ]
}

fn transfers() -> Vec<Row> {
    fn row(name: &str, text: &str, args: impl Fn(&Town) -> RuntimeArgs + 'static) -> Row {
        Row::transfer(name, text, move |town| {
            let args = args(town);
            town.world.transfer(ANA, args)
        })
    }
    // A transfer to Ben with one argument changed.
    fn but<T: casper_types::CLTyped + casper_types::bytesrepr::ToBytes>(
        name: &str,
        value: Option<T>,
    ) -> RuntimeArgs {
        let good = transfer_args(3 * GIRRO, hash(BEN));
        let rest = good.named_args().filter(|arg| arg.name() != name).cloned().collect::<Vec<_>>();
        let mut args = RuntimeArgs::from(rest);
        if let Some(value) = value {
            args.insert(name, value).unwrap();
        }
        args
    }
    let missing = "ApiError::MissingArgument [2]";
    let invalid = "ApiError::InvalidArgument [3]";
    let no_purse = "ApiError::InvalidPurse [12]";
    let strange = || full([9; 32]);
    vec![
        row("a transfer to nobody", missing, |_| but::<u8>("target", None)),
        row("a transfer of nothing said", missing, |_| but::<u8>("amount", None)),
        row("a transfer without an id", missing, |_| but::<u8>("id", None)),
        row("a transfer to a text", invalid, |_| but("target", Some("ben"))),
        row("a transfer of a text", invalid, |_| but("amount", Some("all"))),
        row("a transfer with a text as id", "ApiError::CLTypeMismatch [16]", |_| {
            but("id", Some("7"))
        }),
        row("a transfer to a hash", "ApiError::Transfer [14]", |_| {
            but("target", Some(Key::Hash([1; 32])))
        }),
        row("a transfer of 0 motes", "ApiError::Transfer [14]", |_| {
            but("amount", Some(U512::zero()))
        }),
        row("a transfer to a purse that is not there", no_purse, move |_| {
            but("target", Some(strange()))
        }),
        row("a transfer to oneself", no_purse, |_| but("target", Some(hash(ANA)))),
        row("a transfer from a text", invalid, |_| but("source", Some("mine"))),
        row("a transfer from a purse that is not Ana's", FORGED, move |_| {
            but("source", Some(strange()))
        }),
        row("a transfer from a URef that is no purse", no_purse, |town| {
            but("source", Some(town.uref("note")))
        }),
        row(
            "a transfer from a purse whose first name has no right to write",
            "Invalid access rights: WRITE",
            |town| but("source", Some(town.uref("purse"))),
        ),
        row("a transfer of more than there is", "Insufficient payment", |_| {
            but("amount", Some(U512::from(2_000 * GIRRO)))
        }),
        row("a transfer to a purse without the right to add", "Mint error: 4", |town| {
            let purse = town.uref("purse").with_access_rights(AccessRights::READ);
            but("target", Some(purse))
        }),
        row("a transfer from a purse without the right to write", "Mint error: 4", |town| {
            let purse = town.world.account(ANA).main_purse();
            but("source", Some(purse.with_access_rights(AccessRights::READ)))
        }),
        Row::transfer(
            "a transfer by somebody who cannot pay for it",
            "Insufficient payment",
            |town| town.world.send(POOR, BEN, 3 * GIRRO),
        )
        .of_poor(TRANSFER_COST - 1)
        .with(Money { cost: TRANSFER_COST - 1, lost: TRANSFER_COST - 1, refunded: 0 }, FREE),
    ]
}

const FORGED: &str = "Forged reference: \
    URef(0909090909090909090909090909090909090909090909090909090909090909, READ_ADD_WRITE)";

fn system() -> Vec<Row> {
    let row = |name: &str, text: &str, gas, index, method: &str, args: RuntimeArgs| {
        Row::runs(name, text, gas, calls_system(index, method, &args))
    };
    let me = public(ANA);

    let strange = URef::new([9; 32], AccessRights::NONE);
    let pay_in_session = calls_system(2, "pay", &amount(GIRRO));
    vec![
        row(
            "the mint without a method",
            "No such method: nope",
            301_715_030,
            0,
            "nope",
            RuntimeArgs::new(),
        ),
        row(
            "the mint without an argument",
            "ApiError::MissingArgument [2]",
            2_801_715_030,
            0,
            "mint",
            RuntimeArgs::new(),
        ),
        row(
            "the mint with another argument",
            "ApiError::InvalidArgument [3]",
            2_804_355_030,
            0,
            "mint",
            runtime_args! { "amount" => "all" },
        ),
        row(
            "the mint asked for a forged purse",
            "Forged reference: \
             URef(0909090909090909090909090909090909090909090909090909090909090909, READ)",
            307_715_030,
            0,
            "balance",
            runtime_args! { "purse" => URef::new([9; 32], AccessRights::READ) },
        ),
        row(
            "the mint asked for a purse that is not there",
            "Forged reference: URef(0909090909090909090909090909090909090909090909090909090909090909, NONE)",
            307_715_030,
            0,
            "balance",
            runtime_args! { "purse" => strange },
        ),
        row(
            "a refund purse chosen by the session",
            "Forged reference: URef(0909090909090909090909090909090909090909090909090909090909090909, NONE)",
            308_795_030,
            1,
            "set_refund_purse",
            runtime_args! { "purse" => strange },
        ),
        row(
            "payment finalized by the session",
            "Forged reference: URef(0909090909090909090909090909090909090909090909090909090909090909, NONE)",
            317_195_030,
            1,
            "finalize_payment",
            runtime_args! {
                "amount" => U512::one(), "account" => hash(ANA), "target" => strange,
            },
        ),
        row(
            "standard payment without a method",
            "No such method: nope",
            301_715_030,
            2,
            "nope",
            RuntimeArgs::new(),
        ),
        Row::runs("standard payment in the session", "Mint error: 20", 304_005_030, pay_in_session),
        row(
            "a bid too small",
            "ApiError::AuctionError(BondTooSmall) [64533]",
            2_813_355_030,
            3,
            "add_bid",
            runtime_args! {
                "public_key" => me.clone(), "delegation_rate" => 1_u8, "amount" => U512::one(),
            },
        ),
        row(
            "a bid withdrawn that is not there",
            "ApiError::AuctionError(ValidatorNotFound) [64519]",
            2_810_955_030,
            3,
            "withdraw_bid",
            runtime_args! { "public_key" => me.clone(), "amount" => U512::one() },
        ),
        row(
            "a bid withdrawn for another",
            "ApiError::AuctionError(InvalidContext) [64526]",
            2_810_955_030,
            3,
            "withdraw_bid",
            runtime_args! { "public_key" => public(PROPOSER), "amount" => U512::one() },
        ),
        row(
            "a delegation to nobody",
            "ApiError::AuctionError(ValidatorNotFound) [64519]",
            2_816_955_030,
            3,
            "delegate",
            runtime_args! {
                "delegator" => me.clone(), "validator" => me, "amount" => U512::from(600 * GIRRO),
            },
        ),
        row(
            "an auction run by a session",
            "ApiError::AuctionError(InvalidCaller) [64528]",
            311_325_030,
            3,
            "run_auction",
            runtime_args! {
                "era_end_timestamp_millis" => 1_u64,
                "evicted_validators" => Vec::<casper_types::PublicKey>::new(),
            },
        ),
        Row::runs("a transfer recorded by a session", "Invalid context", 69_540, records()),
        Row::runs(
            "a transfer that its argument does not allow",
            "Mint error: 21",
            2_500_137_270,
            sends(GIRRO),
        ),
        Row::session(
            "a transfer of more than there is, by code",
            "Mint error: 0",
            2_500_137_270,
            |town| {
                let session = module(sends(5_000 * GIRRO), amount(9_000 * GIRRO));
                town.session(session)
            },
        ),
    ]
}

fn records() -> Vec<u8> {
    let mut paper = Paper::default();
    let to = paper.put(&bytes(&Option::<casper_types::account::AccountHash>::None));
    let purse = paper.put(&bytes(&full([1; 32])));
    let motes = paper.put(&bytes(&U512::one()));
    let id = paper.put(&bytes(&Option::<u64>::None));
    paper.guest(&format!("(drop (call $record_transfer {to} {purse} {purse} {motes} {id}))"))
}

/// Sends motes to Ben, and reverts with what the mint says.
fn sends(motes: u64) -> Vec<u8> {
    let mut paper = Paper::default();
    let target = paper.put(&bytes(&hash(BEN)));
    let motes = paper.put(&bytes(&U512::from(motes)));
    let id = paper.put(&bytes(&Some(5_u64)));
    let result = paper.room(4);
    paper.guest(&format!(
        "(call $revert (call $transfer_to_account {target} {motes} {id} (i32.const {result})))"
    ))
}

fn strangers() -> Vec<Row> {
    fn signed_by(deploy: &Deploy, signers: &[u8]) -> Deploy {
        let (hash, header) = (*deploy.hash(), deploy.header().clone());
        let (payment, session) = (deploy.payment().clone(), deploy.session().clone());
        let mut deploy = Deploy::new(hash, header, payment, session);
        for who in signers {
            deploy.sign(&key(*who));
        }
        deploy
    }
    let not = "Authorization failure: not authorized.";
    vec![
        Row::foreign("a deploy that nobody signed", not, |town| {
            signed_by(&town.runs(guest::idles()), &[])
        }),
        Row::foreign("a deploy that somebody else signed", not, |town| {
            signed_by(&town.runs(guest::idles()), &[BEN])
        }),
        Row::foreign("a deploy that somebody else signed too", not, |town| {
            signed_by(&town.runs(guest::idles()), &[ANA, BEN])
        }),
        Row::foreign("a transfer that somebody else signed", not, |town| {
            signed_by(&town.world.send(ANA, BEN, 3 * GIRRO), &[BEN])
        }),
        Row::foreign(
            "a deploy with too little weight",
            "Deployment authorization failure",
            |town| {
                let mut account = town.world.account(ANA);
                account.set_action_threshold(ActionType::KeyManagement, Weight::new(1)).unwrap();
                account.add_associated_key(hash(BEN), Weight::new(1)).unwrap();
                account.set_action_threshold(ActionType::KeyManagement, Weight::new(2)).unwrap();
                account.set_action_threshold(ActionType::Deployment, Weight::new(2)).unwrap();
                town.rewrite(
                    Key::Account(hash(ANA)),
                    Some(casper_types::StoredValue::Account(account)),
                );
                town.runs(guest::idles())
            },
        ),
    ]
}
