//! Every check at the door, with the exact words a client gets, and for each limit a law under
//! which the answer is another.

use casper_types::{
    DeployHash, Digest, ExecutableDeployItem, RuntimeArgs, SecretKey, TimeDiff, U512,
    bytesrepr::ToBytes, runtime_args,
};
use girrona_types::{Chainspec, Draft, Event, chainspec::MOTES_PER_GIRRO};

use super::*;
use crate::testing::{Alone, Person, law, transfer, transfer_after};

const ANA: u8 = 1;
const BO: u8 = 2;

/// Ana has 1,000 GIRRO.
fn rich(change: impl FnOnce(&mut Chainspec)) -> Alone {
    let mut rules =
        law(&[(&Person::new(ANA), 1_000 * MOTES_PER_GIRRO)], &[(&Person::new(200), 100)]);
    change(&mut rules);
    Alone::new(rules)
}

fn draft(now: Timestamp) -> Draft {
    Draft {
        timestamp: now,
        ttl: TimeDiff::from_seconds(60),
        gas_price: 1,
        dependencies: Vec::new(),
        chain_name: Chainspec::default().network.name,
        payment: ExecutableDeployItem::new_standard_payment(U512::from(3_000_000_000_u64)),
        session: ExecutableDeployItem::new_module_bytes(empty_module().into(), RuntimeArgs::new()),
    }
}

/// A module with a memory and a `call` that does nothing.
fn empty_module() -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    bytes.extend([1, 4, 1, 0x60, 0, 0]); // type: () -> ()
    bytes.extend([3, 2, 1, 0]); // one function of it
    bytes.extend([5, 3, 1, 0, 1]); // memory: one page
    bytes.extend([7, 8, 1, 4, b'c', b'a', b'l', b'l', 0, 0]); // export "call"
    bytes.extend([10, 4, 1, 2, 0, 0x0b]); // its body
    bytes
}

fn signed(draft: Draft) -> Deploy {
    draft.sign(&Person::new(ANA).secret).unwrap()
}

/// The draft is refused with these words, and taken under the changed law.
fn refused_then_taken(
    make: impl Fn(Timestamp) -> Draft,
    text: &str,
    change: impl FnOnce(&mut Chainspec),
) {
    let mut strict = rich(|_| {});
    let found = strict.put(&signed(make(strict.now))).unwrap_err();
    assert_eq!(found, text);
    assert!(strict.events.is_empty(), "what is refused causes no event");
    let mut lenient = rich(change);
    assert_eq!(lenient.put(&signed(make(lenient.now))), Ok(Accepted::New));
}

#[test]
fn a_good_deploy_is_taken_once_and_known_afterwards() {
    let mut node = rich(|_| {});
    let deploy = signed(draft(node.now));
    assert_eq!(node.put(&deploy), Ok(Accepted::New));
    assert_eq!(node.put(&deploy), Ok(Accepted::Known));
    assert_eq!(node.count(&Event::DeployAccepted(*deploy.hash())), 1);
    node.block();
    assert_eq!(node.put(&deploy), Ok(Accepted::Known), "also when it is executed");
    node.block();
    assert_eq!(node.count(&Event::DeployProcessed(*deploy.hash())), 1);
    assert_eq!(node.count(&Event::DeployAccepted(*deploy.hash())), 1);
}

#[test]
fn too_large() {
    let make = |now| Draft {
        session: ExecutableDeployItem::new_module_bytes(
            vec![0; 1_048_576].into(),
            RuntimeArgs::new(),
        ),
        ..draft(now)
    };
    let mut node = rich(|_| {});
    let deploy = signed(make(node.now));
    let size = deploy.serialized_length();
    assert_eq!(
        node.put(&deploy).unwrap_err(),
        format!(
            "invalid deploy: deploy size too large: deploy size of {size} bytes exceeds limit of 1048576"
        )
    );
    let small = signed(draft(node.now));
    let limit = u32::try_from(small.serialized_length()).unwrap();
    let mut exact = rich(|law| law.deploys.max_deploy_size = limit);
    assert_eq!(exact.put(&small), Ok(Accepted::New));
    let mut less = rich(|law| law.deploys.max_deploy_size = limit - 1);
    assert_eq!(
        less.put(&small).unwrap_err(),
        format!(
            "invalid deploy: deploy size too large: deploy size of {limit} bytes exceeds limit of {}",
            limit - 1
        )
    );
}

#[test]
fn for_another_network() {
    refused_then_taken(
        |now| Draft { chain_name: "casper".to_owned(), ..draft(now) },
        "invalid deploy: invalid chain name: expected girrona-dev, got casper",
        |law| law.network.name = "casper".to_owned(),
    );
}

#[test]
fn too_many_dependencies() {
    refused_then_taken(
        |now| Draft {
            dependencies: (0..11).map(|n| DeployHash::new(Digest::from([n; 32]))).collect(),
            ..draft(now)
        },
        "invalid deploy: 11 dependencies exceeds limit of 10",
        |law| law.deploys.max_dependencies = 11,
    );
}

#[test]
fn wants_to_live_too_long() {
    refused_then_taken(
        |now| Draft { ttl: TimeDiff::from_seconds(3 * 60 * 60), ..draft(now) },
        "invalid deploy: time-to-live of 3h exceeds limit of 2h",
        |law| law.deploys.max_ttl = TimeDiff::from_seconds(3 * 60 * 60),
    );
}

#[test]
fn from_the_future() {
    let mut node = rich(|_| {});
    let now = node.now;
    let later = Timestamp::from(now.millis() + 2_001);
    assert_eq!(
        node.put(&signed(draft(later))).unwrap_err(),
        format!(
            "invalid deploy: timestamp of {later} is later than node's validation timestamp of {now} plus leeway of 2s"
        )
    );
    assert_eq!(node.put(&signed(draft(Timestamp::from(now.millis() + 2_000)))), Ok(Accepted::New));
    let mut lenient = rich(|law| law.deploys.timestamp_leeway = TimeDiff::from_seconds(3));
    assert_eq!(lenient.put(&signed(draft(later))), Ok(Accepted::New));
}

#[test]
fn too_many_signatures() {
    let mut node = rich(|law| law.core.max_associated_keys = 1);
    let mut deploy = signed(draft(node.now));
    deploy.sign(&Person::new(BO).secret);
    assert_eq!(
        node.put(&deploy).unwrap_err(),
        "invalid deploy: number of associated keys 2 exceeds the maximum 1"
    );
    let mut lenient = rich(|_| {});
    assert!(lenient.put(&deploy).unwrap_err().starts_with("account authorization invalid"));
}

#[test]
fn payment_without_amount() {
    let mut node = rich(|_| {});
    let payment = ExecutableDeployItem::new_module_bytes(Vec::new().into(), RuntimeArgs::new());
    let deploy = signed(Draft { payment, ..draft(node.now) });
    assert_eq!(
        node.put(&deploy).unwrap_err(),
        "invalid deploy: missing payment 'amount' runtime argument "
    );
}

#[test]
fn payment_with_an_amount_that_is_no_number() {
    let mut node = rich(|_| {});
    let payment = ExecutableDeployItem::new_module_bytes(
        Vec::new().into(),
        runtime_args! { "amount" => "much" },
    );
    let deploy = signed(Draft { payment, ..draft(node.now) });
    assert_eq!(
        node.put(&deploy).unwrap_err(),
        "invalid deploy: failed to parse payment 'amount' as U512"
    );
}

#[test]
fn payment_above_what_fits_into_a_block() {
    refused_then_taken(
        |now| Draft {
            payment: ExecutableDeployItem::new_standard_payment(U512::from(4_000_000_000_001_u64)),
            ..draft(now)
        },
        "invalid deploy: payment amount of 4000000000001 exceeds the block gas limit of 4000000000000",
        |law| law.deploys.block_gas_limit = 4_000_000_000_001,
    );
}

#[test]
fn arguments_that_are_too_long() {
    let long = |limit: usize| runtime_args! { "amount" => U512::from(3_000_000_000_u64), "x" => "x".repeat(limit) };
    let args = long(70_000);
    let length = args.serialized_length();
    let payment = ExecutableDeployItem::new_module_bytes(Vec::new().into(), args.clone());
    let session = ExecutableDeployItem::new_module_bytes(empty_module().into(), args);
    refused_then_taken(
        |now| Draft { payment: payment.clone(), ..draft(now) },
        &format!(
            "invalid deploy: serialized payment code runtime args of {length} exceeds limit of 65536"
        ),
        |law| law.deploys.payment_args_max_length = 80_000,
    );
    refused_then_taken(
        |now| Draft { session: session.clone(), ..draft(now) },
        &format!(
            "invalid deploy: serialized session code runtime args of {length} exceeds limit of 65536"
        ),
        |law| law.deploys.session_args_max_length = 80_000,
    );
}

#[test]
fn transfers_with_wrong_arguments() {
    let cases: [(RuntimeArgs, &str); 4] = [
        (RuntimeArgs::new(), "invalid deploy: missing transfer 'amount' runtime argument"),
        (
            runtime_args! { "amount" => 5_u64 },
            "invalid deploy: failed to parse transfer 'amount' as U512",
        ),
        (
            runtime_args! { "amount" => U512::from(2_499_999_999_u64) },
            "invalid deploy: insufficient transfer amount; minimum: 2500000000 attempted: 2499999999",
        ),
        (
            runtime_args! { "amount" => U512::from(2_500_000_000_u64) },
            "missing transfer 'target' runtime argument",
        ),
    ];
    for (args, text) in cases {
        let mut node = rich(|_| {});
        let session = ExecutableDeployItem::Transfer { args };
        let deploy = signed(Draft { session, ..draft(node.now) });
        assert_eq!(node.put(&deploy).unwrap_err(), text);
    }
    let mut lenient = rich(|law| law.deploys.native_transfer_minimum_motes = 1);
    let session = ExecutableDeployItem::Transfer {
        args: runtime_args! { "amount" => U512::one(), "target" => Person::new(BO).public, "id" => Some(1_u64) },
    };
    let deploy = signed(Draft { session, ..draft(lenient.now) });
    assert_eq!(lenient.put(&deploy), Ok(Accepted::New));
}

#[test]
fn payment_that_buys_nothing() {
    let mut node = rich(|_| {});
    let deploy = signed(Draft { gas_price: 0, ..draft(node.now) });
    let text = "invalid deploy: gas price of 0 is not allowed; use 1";
    assert_eq!(node.put(&deploy).unwrap_err(), text);
    let payment = ExecutableDeployItem::new_standard_payment(U512::zero());
    let deploy = signed(Draft { payment, ..draft(node.now) });
    let text = "invalid deploy: payment amount of 0 is too small; running code costs at least \
                100000000 motes";
    assert_eq!(node.put(&deploy).unwrap_err(), text);
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(99_999_999));
    let deploy = signed(Draft { payment, ..draft(node.now) });
    let text = "invalid deploy: payment amount of 99999999 is too small; running code costs at \
                least 100000000 motes";
    assert_eq!(node.put(&deploy).unwrap_err(), text);
}

#[test]
fn payment_by_transfer_and_empty_sessions() {
    let mut node = rich(|_| {});
    let payment = ExecutableDeployItem::Transfer {
        args: runtime_args! { "amount" => U512::from(3_000_000_000_u64) },
    };
    let deploy = signed(Draft { payment, ..draft(node.now) });
    assert_eq!(node.put(&deploy).unwrap_err(), "transfer is not valid for payment code");
    let session = ExecutableDeployItem::new_module_bytes(Vec::new().into(), RuntimeArgs::new());
    let deploy = signed(Draft { session, ..draft(node.now) });
    assert_eq!(node.put(&deploy).unwrap_err(), "module bytes for session code cannot be empty");
}

#[test]
fn came_too_late() {
    let mut node = rich(|_| {});
    let made = Timestamp::from(node.now.millis() - 60_001);
    let expired = Timestamp::from(node.now.millis() - 1);
    assert_eq!(
        node.put(&signed(draft(made))).unwrap_err(),
        format!(
            "deploy received by the node expired at {expired} with node's time at {}",
            node.now
        )
    );
    let made = Timestamp::from(node.now.millis() - 60_000);
    assert_eq!(node.put(&signed(draft(made))), Ok(Accepted::New), "its last instant counts");
}

/// The words that follow a fault found in the state.
fn at_tip(node: &Alone) -> String {
    let tip = node.chain.disk().tip().unwrap().unwrap();
    format!(
        " at state root hash {:?} of block {:?} at height {}",
        tip.block.state_root_hash(),
        tip.block.hash().inner(),
        tip.block.height()
    )
}

#[test]
fn accounts_that_may_not_send() {
    let mut node = rich(|_| {});
    let stranger = Person::new(77);
    let deploy = draft(node.now).sign(&stranger.secret).unwrap();
    let hash = stranger.public.to_account_hash();
    let text = format!("account with hash {hash} does not exist{}", at_tip(&node));
    assert_eq!(node.put(&deploy).unwrap_err(), text);

    let ana = Person::new(ANA);
    let forged = draft(node.now).sign_for(ana.public, &[&stranger.secret]).unwrap();
    let text = format!("account authorization invalid{}", at_tip(&node));
    assert_eq!(node.put(&forged).unwrap_err(), text);
}

#[test]
fn exactly_the_penalty_payment_is_enough_and_one_mote_less_is_not() {
    for (motes, enough) in [(2_500_000_000, true), (2_499_999_999, false)] {
        let ana = Person::new(ANA);
        let mut node = Alone::new(law(&[(&ana, motes)], &[(&Person::new(200), 100)]));
        let payment = ExecutableDeployItem::new_standard_payment(U512::from(2_500_000_000_u64));
        let deploy = signed(Draft { payment, ..draft(node.now) });
        if enough {
            assert_eq!(node.put(&deploy), Ok(Accepted::New));
            let block = node.block();
            assert_eq!(block.block.body().deploy_hashes(), [*deploy.hash()]);
        } else {
            let hash = ana.public.to_account_hash();
            let text = format!("insufficient balance in account with hash {hash}{}", at_tip(&node));
            assert_eq!(node.put(&deploy).unwrap_err(), text);
        }
    }
    let ana = Person::new(ANA);
    let mut rules = law(&[(&ana, 2_499_999_999)], &[(&Person::new(200), 100)]);
    rules.core.penalty_payment = U512::from(2_499_999_999_u64);
    let mut node = Alone::new(rules);
    assert_eq!(node.put(&signed(draft(node.now))), Ok(Accepted::New));
}

#[test]
fn code_that_is_not_there() {
    let contract = casper_types::contracts::ContractHash::new([9; 32]);
    let package = casper_types::contracts::ContractPackageHash::new([8; 32]);
    let args = || runtime_args! { "amount" => U512::from(3_000_000_000_u64) };
    let entry_point = || "run".to_owned();
    let cases = [
        (
            ExecutableDeployItem::StoredContractByHash {
                hash: contract.value().into(),
                entry_point: entry_point(),
                args: args(),
            },
            format!("contract at {contract} does not exist"),
        ),
        (
            ExecutableDeployItem::StoredVersionedContractByHash {
                hash: package.value().into(),
                version: None,
                entry_point: entry_point(),
                args: args(),
            },
            format!("contract package at {package} does not exist"),
        ),
        (
            ExecutableDeployItem::StoredContractByName {
                name: "mine".to_owned(),
                entry_point: entry_point(),
                args: args(),
            },
            "account has no named key 'mine'".to_owned(),
        ),
    ];
    for (item, text) in cases {
        let mut node = rich(|_| {});
        let expected = format!("{text}{}", at_tip(&node));
        let as_session = signed(Draft { session: item.clone(), ..draft(node.now) });
        assert_eq!(node.put(&as_session).unwrap_err(), expected);
        let as_payment = signed(Draft { payment: item, ..draft(node.now) });
        assert_eq!(node.put(&as_payment).unwrap_err(), expected);
    }
}

#[test]
fn a_broken_module_is_refused_for_free() {
    let mut node = rich(|_| {});
    let session = ExecutableDeployItem::new_module_bytes(vec![1, 2, 3].into(), RuntimeArgs::new());
    let refusal = node.put(&signed(Draft { session, ..draft(node.now) })).unwrap_err();
    assert!(refusal.starts_with("Wasm preprocessing error: "), "{refusal}");
    assert!(refusal.ends_with(&at_tip(&node)), "{refusal}");
}

#[test]
fn hashes_and_signatures_that_do_not_hold() {
    let mut node = rich(|_| {});
    let good = signed(draft(node.now));
    let header = good.header().clone();
    let (payment, session) = (good.payment().clone(), good.session().clone());
    let approvals = good.approvals().clone();
    let build = |hash, payment: ExecutableDeployItem, approvals| {
        Deploy::new(hash, header.clone(), payment, session.clone()).with_approvals(approvals)
    };
    let unsigned = build(*good.hash(), payment.clone(), Default::default());
    assert_eq!(node.put(&unsigned).unwrap_err(), "invalid deploy: the deploy has no approvals");
    let other = ExecutableDeployItem::new_standard_payment(U512::from(9_999_999_999_u64));
    assert_eq!(
        node.put(&build(*good.hash(), other, approvals.clone())).unwrap_err(),
        "invalid deploy: the provided body hash does not match the actual hash of the body"
    );
    assert_eq!(
        node.put(&build(DeployHash::new(Digest::from([1; 32])), payment.clone(), approvals))
            .unwrap_err(),
        "invalid deploy: the provided hash does not match the actual hash of the deploy"
    );
    let elsewhere = Draft { gas_price: 2, ..draft(node.now) };
    let foreign = signed(elsewhere).approvals().clone();
    let refusal = node.put(&build(*good.hash(), payment, foreign)).unwrap_err();
    let expected = "invalid deploy: the approval at index 0 is invalid: ";
    assert!(refusal.starts_with(expected), "{refusal}");
}

#[test]
fn a_secp256k1_account_is_as_good_as_any() {
    let secret = SecretKey::secp256k1_from_bytes([5; 32]).unwrap();
    let public = casper_types::PublicKey::from(&secret);
    let person = Person { secret, public };
    let mut node =
        Alone::new(law(&[(&person, 100 * MOTES_PER_GIRRO)], &[(&Person::new(200), 100)]));
    let deploy = draft(node.now).sign(&person.secret).unwrap();
    assert_eq!(node.put(&deploy), Ok(Accepted::New));
    assert_eq!(node.block().block.body().deploy_hashes(), [*deploy.hash()]);
}

#[test]
fn a_deploy_waits_for_its_dependency_and_expires_without_it() {
    let mut node = rich(|_| {});
    let (ana, bo) = (Person::new(ANA), Person::new(BO));
    let first = transfer(&ana, &bo, 5, node.now, 60);
    let second = transfer_after(&ana, &bo, 6, node.now, 60, vec![*first.hash()]);
    let missing = DeployHash::new(Digest::from([3; 32]));
    let never = transfer_after(&ana, &bo, 7, node.now, 5, vec![missing]);
    for deploy in [&second, &never] {
        assert_eq!(node.put(deploy), Ok(Accepted::New));
    }
    assert!(node.block().block.body().transfer_hashes().is_empty());
    assert_eq!(node.put(&first), Ok(Accepted::New));
    assert_eq!(node.block().block.body().transfer_hashes(), [*first.hash()]);
    assert_eq!(node.block().block.body().transfer_hashes(), [*second.hash()]);
    node.pass(6_000);
    assert_eq!(node.count(&Event::DeployExpired(*never.hash())), 1);
    assert_eq!(node.count(&Event::DeployProcessed(*never.hash())), 0);
    assert_eq!(node.count(&Event::DeployExpired(*second.hash())), 0);
}

#[test]
fn what_was_accepted_waits_again_after_a_restart() {
    let mut node = rich(|_| {});
    let missing = DeployHash::new(Digest::from([3; 32]));
    let (ana, bo) = (Person::new(ANA), Person::new(BO));
    let waits = transfer_after(&ana, &bo, 7, node.now, 5, vec![missing]);
    assert_eq!(node.put(&waits), Ok(Accepted::New));
    let law = node.law.as_ref().clone();
    let later = Timestamp::from(node.now.millis() + 10_000);
    let disk = node.chain.into_disk().after_crash();
    let node = Alone::with_disk(law, disk, later);
    assert_eq!(node.count(&Event::DeployExpired(*waits.hash())), 1, "its time ended meanwhile");
}
