//! Who may send a deploy for an account, and who may change its keys and thresholds.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{
    Account, Deploy, DeployHash, DeployHeader, Digest, Key, PublicKey, RuntimeArgs, SecretKey,
    StoredValue, TimeDiff, Timestamp,
    account::{AccountHash, ActionType, Weight},
    bytesrepr::ToBytes,
};
use girrona_exec::{
    Signed,
    admission::{AdmissionError, check_account},
};
use girrona_types::chainspec::FailureCharge;
use guest::Paper;
use world::*;

const PAID: u64 = 100 * GIRRO;

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

fn secp(number: u8) -> SecretKey {
    SecretKey::secp256k1_from_bytes([number; 32]).unwrap()
}

fn of(secret: &SecretKey) -> AccountHash {
    PublicKey::from(secret).to_account_hash()
}

fn none() -> RuntimeArgs {
    RuntimeArgs::new()
}

/// The deploy, signed by these instead.
fn signed_by(deploy: &Deploy, signers: &[&SecretKey]) -> Deploy {
    let (hash, header) = (*deploy.hash(), deploy.header().clone());
    let (payment, session) = (deploy.payment().clone(), deploy.session().clone());
    let mut deploy = Deploy::new(hash, header, payment, session);
    for secret in signers {
        deploy.sign(secret);
    }
    deploy
}

/// Gives Ana's account keys of these weights, and these thresholds.
fn arrange(world: &mut World, keys: &[(AccountHash, u8)], deployment: u8, management: u8) {
    let mut account = world.account(ANA);
    for (key, weight) in keys {
        if *key == hash(ANA) {
            account.update_associated_key(*key, Weight::new(*weight)).unwrap();
        } else {
            account.add_associated_key(*key, Weight::new(*weight)).unwrap();
        }
    }
    account.set_action_threshold(ActionType::KeyManagement, Weight::new(management)).unwrap();
    account.set_action_threshold(ActionType::Deployment, Weight::new(deployment)).unwrap();
    let value = StoredValue::Account(account);
    world.state.apply(&[(Key::Account(hash(ANA)), Some(value))].into()).unwrap();
}

/// What the door says and what execution does of the same deploy: both or neither let it through.
fn outcome(world: &mut World, deploy: Deploy) -> Result<(), String> {
    let said = check_account(&Signed::from(&deploy), &world.state, &world.law).unwrap();
    let before = world.balance(ANA);
    let result = world.one(deploy);
    let (cost, text, _) = seen(&result);
    match (said, text) {
        (Ok(_), None) => Ok(()),
        (Err(AdmissionError::Unauthorized), Some("Authorization failure: not authorized."))
        | (Err(AdmissionError::Weight), Some("Deployment authorization failure")) => {
            assert_eq!((cost, world.balance(ANA)), (0, before), "nobody pays for a stranger");
            assert!(world.last.as_ref().unwrap().changes.is_empty(), "nothing changes");
            Err(text.unwrap_or_default().to_owned())
        }
        (said, text) => panic!("the door says {said:?}, execution {text:?}"),
    }
}

#[test]
fn every_set_of_signers_of_both_algorithms_is_weighed() {
    let (ana, ben, cy) = (key(ANA), key(BEN), secp(7));
    let weights = [(&ana, 1), (&ben, 2), (&cy, 4)];
    for threshold in 1..=7_u8 {
        for set in 0..8_u8 {
            let mut world = world();
            let keys: Vec<_> =
                weights.iter().map(|(secret, weight)| (of(secret), *weight)).collect();
            arrange(&mut world, &keys, threshold, 7);
            let here = |index: usize| set & (1 << index) != 0;
            let signers: Vec<_> = (0..3).filter(|i| here(*i)).map(|i| weights[i].0).collect();
            let weight: u8 = (0..3).filter(|i| here(*i)).map(|i| weights[i].1).sum();
            let expected = if signers.is_empty() {
                Err("Authorization failure: not authorized.".to_owned())
            } else if weight < threshold {
                Err("Deployment authorization failure".to_owned())
            } else {
                Ok(())
            };
            for deploy in
                [world.session(ANA, PAID, guest::idles(), none()), world.send(ANA, BEN, 3 * GIRRO)]
            {
                let deploy = signed_by(&deploy, &signers);
                let name = format!("set {set:03b}, threshold {threshold}");
                assert_eq!(outcome(&mut world, deploy), expected, "{name}");
            }
        }
    }
}

#[test]
fn one_foreign_key_among_the_right_ones_is_one_too_many() {
    let mut world = world();
    arrange(&mut world, &[(hash(BEN), 1)], 2, 2);
    let deploy = world.session(ANA, PAID, guest::idles(), none());
    let right = [&key(ANA), &key(BEN)];
    for stranger in [&key(POOR), &secp(ANA)] {
        let signers = [&right[..], &[stranger]].concat();
        let refused = outcome(&mut world, signed_by(&deploy, &signers));
        assert_eq!(refused.unwrap_err(), "Authorization failure: not authorized.");
    }
    assert_eq!(outcome(&mut world, signed_by(&deploy, &right)), Ok(()));
}

#[test]
fn the_same_approval_twice_weighs_once() {
    let mut world = world();
    arrange(&mut world, &[(hash(BEN), 1)], 2, 2);
    let deploy = world.session(ANA, PAID, guest::idles(), none());
    let approvals: Vec<_> = deploy.approvals().iter().cycle().take(2).cloned().collect();
    let signed = Signed::new(&deploy, &approvals);
    let said = check_account(&signed, &world.state, &world.law).unwrap();
    assert_eq!(said, Err(AdmissionError::Weight));
}

#[test]
fn an_account_of_a_secp256k1_key_sends_and_adds_an_ed25519_one() {
    let mut world = world();
    let cy = secp(7);
    let give = transfer_args(200 * GIRRO, of(&cy));
    assert_eq!(seen(&world.one(world.transfer(ANA, give))).1, None);
    let add = manages(&["(call $check (call $add_associated_key BEN (i32.const 1)))"]);
    let (payment, session) = (pay(PAID), module(add, none()));
    let body = [payment.to_bytes().unwrap(), session.to_bytes().unwrap()].concat();
    let header = DeployHeader::new(
        PublicKey::from(&cy),
        Timestamp::from(5),
        TimeDiff::from_seconds(60),
        1,
        Digest::hash(body),
        Vec::new(),
        world.law.network.name.clone(),
    );
    let hash = DeployHash::new(Digest::hash(header.to_bytes().unwrap()));
    let mut deploy = Deploy::new(hash, header, payment, session);
    deploy.sign(&cy);
    assert_eq!(seen(&world.one(deploy)).1, None);
    let value = world.value(Key::Account(of(&cy)));
    let account: &Account = value.as_account().unwrap();
    assert_eq!(account.associated_keys().len(), 2);
}

/// A session that does this one after the other. `BEN`, `POOR`, `CY` are account hashes.
fn manages(steps: &[&str]) -> Vec<u8> {
    let mut paper = Paper::default();
    let mut body = steps.join("\n");
    for (name, who) in [("BEN", BEN), ("POOR", POOR), ("CY", 9)] {
        body = body.replace(name, &paper.put(&hash(who).value()));
    }
    paper.guest(&body)
}

/// Reverts with what the host answers, as the user error of that number.
fn answers(step: &str) -> Vec<u8> {
    manages(&[&format!("(call $revert (i32.add (i32.const 65536) {step}))")])
}

const CHANGES: [&str; 5] = [
    "(call $add_associated_key CY (i32.const 1))",
    "(call $remove_associated_key POOR)",
    "(call $update_associated_key BEN (i32.const 3))",
    "(call $set_action_threshold (i32.const 0) (i32.const 1))",
    "(call $set_action_threshold (i32.const 1) (i32.const 4))",
];

#[test]
fn below_the_threshold_of_key_management_a_deploy_may_do_all_but_manage_keys() {
    // PermissionDenied as each function numbers it.
    let denied = [3, 2, 2, 3, 3];
    for (change, code) in CHANGES.into_iter().zip(denied) {
        let mut world = world();
        arrange(&mut world, &[(hash(ANA), 2), (hash(BEN), 2), (hash(POOR), 1)], 2, 3);
        let before = world.account(ANA);
        let alone = world.session(ANA, PAID, answers(change), none());
        let result = world.one(alone);
        let text = format!("User error: {code}");
        assert_eq!(seen(&result).1, Some(text.as_str()), "{change}");
        assert_eq!(world.account(ANA), before);
        // With Ben's signature as well, the answer is 0.
        let both = world.session(ANA, PAID, answers(change), none());
        let result = world.one(signed_by(&both, &[&key(ANA), &key(BEN)]));
        assert_eq!(seen(&result).1, Some("User error: 0"), "{change}");
        let checked = manages(&[&format!("(call $check {change})")]);
        let both = world.session(ANA, PAID, checked, none());
        let result = world.one(signed_by(&both, &[&key(ANA), &key(BEN)]));
        assert_eq!(seen(&result).1, None, "{change}");
        assert_ne!(world.account(ANA), before, "{change}");
    }
}

#[test]
fn every_refusal_of_key_management_has_its_number() {
    // Ana 2, Ben 2, deployment 2, key management 3, at most 2 keys.
    for (change, code) in [
        ("(call $add_associated_key POOR (i32.const 1))", 1),
        ("(call $remove_associated_key POOR)", 1),
        ("(call $remove_associated_key BEN)", 3),
        ("(call $update_associated_key POOR (i32.const 1))", 1),
        ("(call $update_associated_key BEN (i32.const 0))", 3),
        ("(call $set_action_threshold (i32.const 0) (i32.const 4))", 2),
        ("(call $set_action_threshold (i32.const 1) (i32.const 1))", 1),
        ("(call $set_action_threshold (i32.const 1) (i32.const 5))", 4),
    ] {
        let mut world = world();
        world.law.core.max_associated_keys = 2;
        arrange(&mut world, &[(hash(ANA), 2), (hash(BEN), 2)], 2, 3);
        let before = world.account(ANA);
        let deploy = world.session(ANA, PAID, answers(change), none());
        let result = world.one(signed_by(&deploy, &[&key(ANA), &key(BEN)]));
        let text = format!("User error: {code}");
        assert_eq!(seen(&result).1, Some(text.as_str()), "{change}");
        assert_eq!(world.account(ANA), before);
    }
    let mut world = world();
    arrange(&mut world, &[(hash(BEN), 1)], 1, 1);
    let again = answers("(call $add_associated_key BEN (i32.const 1))");
    let result = world.one(world.session(ANA, PAID, again, none()));
    assert_eq!(seen(&result).1, Some("User error: 2"), "a duplicate");
}

#[test]
fn one_deploy_makes_an_account_one_of_several_signatures() {
    let mut world = world();
    let setup = manages(&[
        "(call $check (call $add_associated_key BEN (i32.const 1)))",
        "(call $check (call $set_action_threshold (i32.const 1) (i32.const 2)))",
        "(call $check (call $set_action_threshold (i32.const 0) (i32.const 2)))",
    ]);
    let result = world.one(world.session(ANA, PAID, setup, none()));
    assert_eq!(seen(&result).1, None, "{result:?}");
    let account = world.account(ANA);
    let thresholds = account.action_thresholds();
    assert_eq!((thresholds.deployment().value(), thresholds.key_management().value()), (2, 2));
    let alone = world.session(ANA, PAID, guest::idles(), none());
    assert_eq!(outcome(&mut world, alone).unwrap_err(), "Deployment authorization failure");
}
