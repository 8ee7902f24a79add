//! What a hostile leader could propose, and that none of it is voted for.

use casper_types::{Approval, EraId, Timestamp};
use girrona_consensus::{CasperKeys, Message, Vote, VoteKind};
use girrona_types::{Equivocation, Round, chainspec::MOTES_PER_GIRRO};

use super::*;
use crate::testing::{Alone, Person, law, module, transfer, transfer_after};

/// What a hostile leader does to an honest proposal.
type Change = Box<dyn FnOnce(&mut Proposal)>;
/// The deploys it starts from.
type Make = Box<dyn Fn(&Alone) -> Vec<Deploy>>;

fn node() -> Alone {
    let people = [Person::new(1), Person::new(2)];
    let balances: Vec<_> = people.iter().map(|p| (p, 1_000 * MOTES_PER_GIRRO)).collect();
    let mut node = Alone::new(law(&balances, &[(&Person::new(200), 100)]));
    node.block();
    node
}

/// An honest proposal for the next height with these transfers, changed afterwards.
fn judged(
    node: &mut Alone,
    transfers: &[Deploy],
    change: impl FnOnce(&mut Proposal),
) -> Result<(), String> {
    let bodies: BTreeMap<_, _> =
        transfers.iter().map(|deploy| (*deploy.hash(), Arc::new(deploy.clone()))).collect();
    let height = node.chain.height().next();
    let tip = node.chain.disk().tip().unwrap().unwrap();
    let key = Person::new(200);
    let seed = Proposal::seed_message(&node.chain.network, height, tip.block.accumulated_seed());
    let mut proposal = Proposal {
        network: node.chain.network,
        height,
        era: node.law.era_of(height),
        parent: *tip.block.hash(),
        timestamp: Timestamp::from(tip.block.timestamp().millis() + 1_000),
        proposer: key.public.clone(),
        seed_signature: casper_types::crypto::sign(seed, &key.secret, &key.public),
        last_commit: tip.certificate.clone(),
        deploys: Vec::new(),
        transfers: transfers.iter().map(SignedDeploy::from).collect(),
        evidence: Vec::new(),
    };
    change(&mut proposal);
    node.now =
        node.now.max(proposal.timestamp.saturating_sub(casper_types::TimeDiff::from_seconds(2)));
    match node.chain.judge(&proposal, &bodies, node.now).unwrap() {
        Judgement::Valid => Ok(()),
        Judgement::Invalid(reason) => Err(reason.to_string()),
        Judgement::Early(_) => Err("early".to_owned()),
    }
}

fn ana_pays(node: &Alone, girro: u64) -> Deploy {
    transfer(&Person::new(1), &Person::new(2), girro, node.now, 60)
}

#[test]
fn an_honest_proposal_is_valid() {
    let mut node = node();
    let deploys = [ana_pays(&node, 5), ana_pays(&node, 6)];
    assert_eq!(judged(&mut node, &deploys, |_| {}), Ok(()));
    assert_eq!(judged(&mut node, &[], |_| {}), Ok(()), "an empty block is made too");
}

#[test]
fn what_surrounds_the_deploys_must_hold() {
    let changes: Vec<(&str, Change)> = vec![
        ("another network", Box::new(|p| p.network.0[0] ^= 1)),
        ("another height", Box::new(|p| p.height = p.height.next())),
        ("another era", Box::new(|p| p.era = EraId::new(9))),
        ("another parent", Box::new(|p| p.parent = casper_types::BlockHash::default())),
        (
            "too soon after its parent",
            Box::new(|p| p.timestamp = Timestamp::from(p.timestamp.millis() - 1)),
        ),
        ("its proposer has no stake", Box::new(|p| p.proposer = Person::new(1).public)),
        ("its last commit: missing", Box::new(|p| p.last_commit = None)),
        (
            "its last commit: of another decision",
            Box::new(|p| p.last_commit.as_mut().unwrap().proposal.0[0] ^= 1),
        ),
        ("its last commit: ", Box::new(|p| p.last_commit.as_mut().unwrap().signatures.clear())),
        ("its last commit: ", Box::new(|p| p.last_commit.as_mut().unwrap().round.0 += 1)),
        (
            "its seed signature",
            Box::new(|p| {
                let key = Person::new(200);
                p.seed_signature = casper_types::crypto::sign(b"x", &key.secret, &key.public);
            }),
        ),
        (
            "its evidence: ",
            Box::new(|p| {
                let offender = Person::new(200).public;
                p.evidence.push(Equivocation { offender, first: vec![1], second: vec![2] });
            }),
        ),
    ];
    for (text, change) in changes {
        let mut node = node();
        let refusal = judged(&mut node, &[], change).unwrap_err();
        assert!(refusal.contains(text), "{text}: {refusal}");
    }
}

#[test]
fn a_proposal_from_the_near_future_waits() {
    let mut node = node();
    let found = judged(&mut node, &[], |proposal| {
        proposal.timestamp = Timestamp::from(proposal.timestamp.millis() + 1);
    });
    assert_eq!(found, Ok(()), "two seconds of skew are fine");
    let tip = node.chain.disk().tip().unwrap().unwrap().block.timestamp();
    node.now = tip;
    let judgement = {
        let height = node.chain.height().next();
        let stored = node.chain.disk().tip().unwrap().unwrap();
        let key = Person::new(200);
        let seed =
            Proposal::seed_message(&node.chain.network, height, stored.block.accumulated_seed());
        let proposal = Proposal {
            network: node.chain.network,
            height,
            era: node.law.era_of(height),
            parent: *stored.block.hash(),
            timestamp: Timestamp::from(tip.millis() + 5_000),
            proposer: key.public.clone(),
            seed_signature: casper_types::crypto::sign(seed, &key.secret, &key.public),
            last_commit: stored.certificate.clone(),
            deploys: Vec::new(),
            transfers: Vec::new(),
            evidence: Vec::new(),
        };
        node.chain.judge(&proposal, &BTreeMap::new(), node.now).unwrap()
    };
    let Judgement::Early(wait) = judgement else { panic!("it was judged at once") };
    assert_eq!(wait, Duration::from_millis(3_000));
}

#[test]
fn bad_deploys_spoil_a_proposal() {
    let cases: Vec<(&str, Make, Change)> = vec![
        (
            "is a duplicate",
            Box::new(|node| vec![ana_pays(node, 5)]),
            Box::new(|p| p.transfers.push(p.transfers[0].clone())),
        ),
        (
            "is in the wrong list",
            Box::new(|node| vec![ana_pays(node, 5)]),
            Box::new(|p| p.deploys = std::mem::take(&mut p.transfers)),
        ),
        (
            "the deploy has no approvals",
            Box::new(|node| vec![ana_pays(node, 5)]),
            Box::new(|p| p.transfers[0].approvals.clear()),
        ),
        (
            "the approval at index 0 is invalid",
            Box::new(|node| vec![ana_pays(node, 5), ana_pays(node, 6)]),
            Box::new(|p| p.transfers[0].approvals = p.transfers[1].approvals.clone()),
        ),
        (
            "is not alive at the proposal's time",
            Box::new(|node| {
                let made = Timestamp::from(node.now.millis() - 120_000);
                vec![transfer(&Person::new(1), &Person::new(2), 5, made, 60)]
            }),
            Box::new(|_| {}),
        ),
        (
            "is not alive at the proposal's time",
            Box::new(|node| {
                let made = Timestamp::from(node.now.millis() + 60_000);
                vec![transfer(&Person::new(1), &Person::new(2), 5, made, 60)]
            }),
            Box::new(|_| {}),
        ),
        (
            "waits for another that was not executed",
            Box::new(|node| {
                let missing = DeployHash::new(casper_types::Digest::from([3; 32]));
                let (ana, bo) = (Person::new(1), Person::new(2));
                vec![transfer_after(&ana, &bo, 5, node.now, 60, vec![missing])]
            }),
            Box::new(|_| {}),
        ),
        (
            "account with hash",
            Box::new(|node| vec![transfer(&Person::new(50), &Person::new(2), 5, node.now, 60)]),
            Box::new(|_| {}),
        ),
        (
            "insufficient balance in account",
            Box::new(|node| {
                let (ana, bo) = (Person::new(1), Person::new(2));
                [990, 20, 21].map(|girro| transfer(&ana, &bo, girro, node.now, 60)).to_vec()
            }),
            Box::new(|_| {}),
        ),
        (
            "Wasm preprocessing error",
            Box::new(|node| vec![module(&Person::new(1), vec![1, 2, 3], 3_000_000_000, node.now)]),
            Box::new(|p| p.deploys = std::mem::take(&mut p.transfers)),
        ),
        (
            "gas price of 0",
            Box::new(|node| {
                let ana = Person::new(1);
                let deploy = transfer(&ana, &Person::new(2), 5, node.now, 60);
                let draft = girrona_types::Draft {
                    timestamp: node.now,
                    ttl: deploy.header().ttl(),
                    gas_price: 0,
                    dependencies: Vec::new(),
                    chain_name: deploy.chain_name().to_owned(),
                    payment: deploy.payment().clone(),
                    session: deploy.session().clone(),
                };
                vec![draft.sign(&ana.secret).unwrap()]
            }),
            Box::new(|_| {}),
        ),
    ];
    for (text, deploys, change) in cases {
        let mut node = node();
        let deploys = deploys(&node);
        let refusal = judged(&mut node, &deploys, change).expect_err(text);
        assert!(refusal.contains(text), "{text}: {refusal}");
    }
}

#[test]
fn a_deploy_that_was_executed_before_is_never_executed_again() {
    let mut node = node();
    let deploy = ana_pays(&node, 5);
    node.put(&deploy).unwrap();
    node.block();
    let refusal = judged(&mut node, &[deploy], |_| {}).unwrap_err();
    assert!(refusal.contains("is a duplicate"), "{refusal}");
}

#[test]
fn a_proposal_over_any_limit_is_refused() {
    let limits: [fn(&mut girrona_types::Chainspec); 3] = [
        |law| law.deploys.block_max_transfer_count = 1,
        |law| law.deploys.block_max_approval_count = 1,
        |law| law.deploys.max_block_size = 500,
    ];
    for limit in limits {
        let people = [Person::new(1), Person::new(2)];
        let balances: Vec<_> = people.iter().map(|p| (p, 1_000 * MOTES_PER_GIRRO)).collect();
        let mut rules = law(&balances, &[(&Person::new(200), 100)]);
        limit(&mut rules);
        let mut node = Alone::new(rules);
        node.block();
        let deploys = [ana_pays(&node, 5), ana_pays(&node, 6)];
        assert_eq!(judged(&mut node, &deploys[..1], |_| {}), Ok(()));
        let refusal = judged(&mut node, &deploys, |_| {}).unwrap_err();
        assert!(refusal.contains("is over the block's limits"), "{refusal}");
    }
}

#[test]
fn other_approvals_than_the_stored_ones_are_checked_and_used() {
    let mut node = node();
    let deploy = ana_pays(&node, 5);
    node.put(&deploy).unwrap();
    let stranger = Person::new(9);
    let extra = Approval::create(&(*deploy.hash()).into(), &stranger.secret);
    let refusal = judged(&mut node, &[deploy], |proposal| {
        proposal.transfers[0].approvals.push(extra);
    })
    .unwrap_err();
    assert!(refusal.contains("account authorization invalid"), "{refusal}");
}

/// Person 1's account with a key of person 2 of this weight, and these thresholds.
fn shared_account(node: &mut Alone, deployment: u8) {
    let (ana, bo) = (Person::new(1), Person::new(2));
    let ways = [
        "(call $add (i32.const 0) (i32.const 32) (i32.const 1))".to_owned(),
        format!("(call $set (i32.const 1) (i32.const {deployment}))"),
        format!("(call $set (i32.const 0) (i32.const {deployment}))"),
    ];
    let key: String =
        bo.public.to_account_hash().value().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let steps: String = ways.iter().map(|way| format!("(call $check {way})")).collect();
    let text = format!(
        "(module
            (import \"env\" \"casper_revert\" (func $revert (param i32)))
            (import \"env\" \"casper_add_associated_key\"
                (func $add (param i32 i32 i32) (result i32)))
            (import \"env\" \"casper_set_action_threshold\"
                (func $set (param i32 i32) (result i32)))
            (memory 1) (data (i32.const 0) \"{key}\")
            (func $check (param i32) (if (local.get 0) (then (call $revert (local.get 0)))))
            (func (export \"call\") {steps}))"
    );
    let deploy = module(&ana, wat::parse_str(text).unwrap(), 20_000_000_000, node.now);
    node.put(&deploy).unwrap();
    node.block();
}

#[test]
fn a_deploy_is_voted_for_only_with_enough_of_the_right_signatures() {
    let mut node = node();
    shared_account(&mut node, 2);
    let deploy = ana_pays(&node, 5);
    let by = |number: u8| Approval::create(&(*deploy.hash()).into(), &Person::new(number).secret);
    let other = by_other_hash();
    // Who signs, and what an honest validator says to a block with it.
    let cases: Vec<(&str, Vec<Approval>)> = vec![
        ("insufficient deploy signature weight", vec![by(1)]),
        ("insufficient deploy signature weight", vec![by(2)]),
        ("account authorization invalid", vec![by(9)]),
        ("account authorization invalid", vec![by(1), by(2), by(9)]),
        ("the deploy has no approvals", vec![]),
        ("is invalid", vec![by(1), other]),
        ("has an approval twice", vec![by(1), by(2), by(2)]),
    ];
    for (text, approvals) in cases {
        let refusal = judged(&mut node, std::slice::from_ref(&deploy), |proposal| {
            proposal.transfers[0].approvals = approvals.clone();
        });
        let refusal = refusal.expect_err(text);
        assert!(refusal.contains(text), "{text}: {refusal}");
    }
    let both = judged(&mut node, std::slice::from_ref(&deploy), |proposal| {
        proposal.transfers[0].approvals = vec![by(1), by(2)];
    });
    assert_eq!(both, Ok(()));
}

/// A signature of person 2 of something else.
fn by_other_hash() -> Approval {
    let hash = DeployHash::new(casper_types::Digest::from([9; 32]));
    Approval::create(&hash.into(), &Person::new(2).secret)
}

#[test]
fn a_deploy_with_too_little_weight_is_refused_at_the_door_too() {
    let mut node = node();
    shared_account(&mut node, 2);
    let refusal = node.put(&ana_pays(&node, 5)).unwrap_err();
    assert!(refusal.contains("insufficient deploy signature weight"), "{refusal}");
    let mut both = ana_pays(&node, 5);
    both.sign(&Person::new(2).secret);
    node.put(&both).unwrap();
    node.block();
    assert!(matches!(node.chain.disk().fate(both.hash()).unwrap(), Some(Fate::Executed(_))));
}

/// Two votes of the only validator in one slot.
fn contradiction(node: &Alone, height: Height, round: u32) -> Equivocation {
    let person = Person::new(200);
    let scheme = CasperKeys::signer(person.secret).unwrap();
    let vote = |value| {
        let (kind, round) = (VoteKind::Prevote, Round(round));
        let vote = Vote { kind, height, round, value, signer: person.public.clone() };
        Message::Vote(vote.sign(&node.chain.network, &scheme).unwrap()).encode()
    };
    let (a, b) = (vote(None), vote(Some(ProposalHash([1; 32]))));
    let (first, second) = if a <= b { (a, b) } else { (b, a) };
    Equivocation { offender: person.public.clone(), first, second }
}

#[test]
fn evidence_counts_in_its_era_and_once_for_each_offender() {
    let mut node = node();
    let height = node.chain.height();
    let news = [0, 1].map(|round| contradiction(&node, height, round));
    let refusal = |node: &mut Alone, evidence: &[Equivocation]| {
        judged(node, &[], |proposal| proposal.evidence = evidence.to_vec()).unwrap_err()
    };
    assert!(refusal(&mut node, &news).contains("two against one offender"));
    let later = contradiction(&node, Height(height.0 + node.law.era_blocks()), 0);
    assert!(refusal(&mut node, &[later]).contains("of another era"));

    let [first, second] = news;
    assert_eq!(judged(&mut node, &[], |p| p.evidence = vec![first.clone()]), Ok(()));
    node.chain.evidence.insert(first.offender.clone(), first.clone());
    let block = node.block();
    assert_eq!(block.proposal.as_ref().unwrap().evidence, std::slice::from_ref(&first));
    assert!(node.chain.evidence.is_empty(), "it is told once");
    assert!(refusal(&mut node, &[first]).contains("who was caught before"));
    assert!(refusal(&mut node, std::slice::from_ref(&second)).contains("who was caught before"));

    // The end of the era names the offender; then the sheet is clean.
    while !node.law.is_switch_block(node.chain.height()) {
        node.block();
    }
    let end = node.chain.disk().tip().unwrap().unwrap();
    let named = end.block.era_end().unwrap().equivocators().to_vec();
    assert_eq!(named, std::slice::from_ref(&second.offender));
    assert!(node.chain.attendance.caught().is_empty());
    assert!(refusal(&mut node, &[second]).contains("of another era"));
}
