//! What an owner of a [`Bft`] sees, step by step, with real keys of both kinds.

use std::{collections::BTreeSet, sync::Arc};

use casper_types::{Digest, PublicKey, SecretKey};
use girrona_consensus::{
    Bft, BftConfig, CasperKeys, Consensus, Fault, GuardError, Input, Leaders, Message,
    MessageError, Output, Propose, Record, Scheme, SendClass, Signed, SyncRefusal, Timeouts,
    TimerKind, Validators, Vote, VoteKind, verify_certificate,
};
use girrona_types::{CommitCertificate, Height, NetworkId, ProposalHash, Round};

const NETWORK: NetworkId = NetworkId([7; 32]);
const A: ProposalHash = ProposalHash([1; 32]);
const B: ProposalHash = ProposalHash([2; 32]);

/// Number 0 and 2 have ed25519 keys, 1 and 3 secp256k1.
fn keys(index: usize) -> CasperKeys {
    let seed = [u8::try_from(index).unwrap() + 1; 32];
    let secret = if index.is_multiple_of(2) {
        SecretKey::ed25519_from_bytes(seed)
    } else {
        SecretKey::secp256k1_from_bytes(seed)
    };
    CasperKeys::signer(secret.unwrap()).unwrap()
}

fn key(index: usize) -> PublicKey {
    keys(index).public_key().unwrap().clone()
}

fn validators() -> Validators {
    Validators::new((0..4).map(|index| (key(index), 10)).collect()).unwrap()
}

fn leaders() -> Arc<Leaders> {
    Arc::new(Leaders::new(validators(), Digest::hash("seed"), BTreeSet::new()))
}

/// Who leads a round of a height, by number.
fn leading(height: u64, round: u32) -> usize {
    let leader = leaders().leader(Height(height), Round(round)).clone();
    (0..4).find(|index| key(*index) == leader).unwrap()
}

fn bft(keys: CasperKeys, guard: Option<Vec<u8>>) -> Bft {
    let (scheme, timeouts) = (Box::new(keys), Timeouts::default());
    Bft::new(BftConfig { network: NETWORK, scheme, timeouts, guard }).unwrap()
}

fn start(bft: &mut Bft, height: u64, wal: Vec<Vec<u8>>) -> Vec<Output> {
    bft.step(Input::Start { height: Height(height), leaders: leaders(), wal })
}

fn started(index: usize) -> Bft {
    let mut bft = bft(keys(index), None);
    start(&mut bft, 1, vec![]);
    bft
}

fn vote(index: usize, kind: VoteKind, height: u64, value: Option<ProposalHash>) -> Signed<Vote> {
    let (height, signer) = (Height(height), key(index));
    let vote = Vote { kind, height, round: Round(0), value, signer };
    vote.sign(&NETWORK, &keys(index)).unwrap()
}

fn propose(index: usize, height: u64, proposal: ProposalHash) -> Message {
    let (height, signer) = (Height(height), key(index));
    let body = Propose { height, round: Round(0), proposal, polka_round: None, signer };
    Message::Propose(body.sign(&NETWORK, &keys(index)).unwrap())
}

fn give(bft: &mut Bft, message: &Message) -> Vec<Output> {
    bft.step(Input::Message(message.encode()))
}

fn judge(bft: &mut Bft, proposal: ProposalHash) -> Vec<Output> {
    bft.step(Input::Judged { height: Height(1), proposal, valid: true })
}

fn votes_sent(outputs: &[Output]) -> Vec<(VoteKind, Option<ProposalHash>)> {
    let of = |output: &Output| match output {
        Output::Send { bytes, class: SendClass::Vote } => match Message::decode(bytes) {
            Ok(Message::Vote(vote)) => Some((vote.body.kind, vote.body.value)),
            _ => None,
        },
        _ => None,
    };
    outputs.iter().filter_map(of).collect()
}

fn certificate(signers: &[usize], proposal: ProposalHash) -> CommitCertificate {
    let sign = |index: &usize| {
        let vote = vote(*index, VoteKind::Precommit, 1, Some(proposal));
        (vote.body.signer, vote.signature)
    };
    let mut signatures: Vec<_> = signers.iter().map(sign).collect();
    signatures.sort();
    CommitCertificate { height: Height(1), round: Round(0), proposal, signatures }
}

/// Somebody who does not lead round 0 of height 1.
fn follower() -> usize {
    (leading(1, 0) + 1) % 4
}

#[test]
fn a_follower_asks_for_the_body_votes_and_decides() {
    let (me, leader) = (follower(), leading(1, 0));
    let mut bft = started(me);
    let outputs = give(&mut bft, &propose(leader, 1, A));
    let wanted =
        Output::Wanted { height: Height(1), proposal: A, proposer: key(leader), round: Round(0) };
    assert!(outputs.contains(&wanted), "{outputs:?}");
    assert!(votes_sent(&outputs).is_empty(), "no vote before the verdict");
    assert_eq!(give(&mut bft, &propose(leader, 1, A)), vec![], "asked once");
    let outputs = judge(&mut bft, A);
    assert_eq!(votes_sent(&outputs), [(VoteKind::Prevote, Some(A))]);
    let send = outputs.iter().position(|o| matches!(o, Output::Send { .. })).unwrap();
    let last = outputs.iter().rposition(|o| matches!(o, Output::Persist(_))).unwrap();
    assert!(last < send, "everything is durable before the vote leaves: {outputs:?}");
    assert!(matches!(outputs[last], Output::Persist(Record::Guard(_))), "the guard comes last");
    let others: Vec<_> = (0..4).filter(|index| *index != me).collect();
    let mut outputs = vec![];
    for kind in [VoteKind::Prevote, VoteKind::Precommit] {
        for index in &others {
            outputs.extend(give(&mut bft, &Message::Vote(vote(*index, kind, 1, Some(A)))));
        }
    }
    assert_eq!(votes_sent(&outputs), [(VoteKind::Precommit, Some(A))]);
    let Some(Output::Decided { certificate, evidence }) =
        outputs.iter().find(|output| matches!(output, Output::Decided { .. }))
    else {
        panic!("{outputs:?}")
    };
    assert!(evidence.is_empty());
    assert_eq!(certificate.proposal, A);
    assert!(certificate.signatures.is_sorted_by_key(|(key, _)| key.clone()));
    let watcher = CasperKeys::observer();
    assert_eq!(verify_certificate(&NETWORK, certificate, &validators(), &watcher), Ok(()));
}

#[test]
fn a_leader_builds_and_a_late_or_second_answer_is_ignored() {
    let me = leading(1, 0);
    let mut bft = bft(keys(me), None);
    let build = Output::Build { height: Height(1), round: Round(0) };
    assert!(start(&mut bft, 1, vec![]).contains(&build));
    let built = |round, proposal| Input::Built { height: Height(1), round: Round(round), proposal };
    assert_eq!(bft.step(built(1, A)), vec![], "not asked for that round");
    let outputs = bft.step(built(0, A));
    let proposed =
        |output: &&Output| matches!(output, Output::Send { class: SendClass::Proposal, .. });
    assert_eq!(outputs.iter().filter(proposed).count(), 1);
    assert_eq!(votes_sent(&outputs), [(VoteKind::Prevote, Some(A))]);
    assert_eq!(bft.step(built(0, B)), vec![]);
}

#[test]
fn without_a_proposal_in_time_a_follower_prevotes_nil() {
    let mut bft = bft(keys(follower()), None);
    let outputs = start(&mut bft, 1, vec![]);
    let of = |output: &Output| match output {
        Output::SetTimer { id, after } if id.kind == TimerKind::Propose => Some((*id, *after)),
        _ => None,
    };
    let (id, after) = outputs.iter().find_map(of).unwrap();
    assert_eq!(after.as_millis(), 1_000);
    assert_eq!(votes_sent(&bft.step(Input::Timer(id))), [(VoteKind::Prevote, None)]);
}

#[test]
fn messages_that_are_not_what_they_seem_are_refused_by_name() {
    let mut bft = started(follower());
    let refusal = |outputs: &[Output]| match outputs {
        [Output::Refused(refusal)] => refusal.clone(),
        other => panic!("{other:?}"),
    };
    let garbage = refusal(&bft.step(Input::Message(b"garbage".to_vec())));
    assert!(matches!(garbage, MessageError::Malformed(_)));
    let usurper = (leading(1, 0) + 2) % 4;
    let not_leader = refusal(&give(&mut bft, &propose(usurper, 1, A)));
    assert!(matches!(not_leader, MessageError::NotLeader { .. }));
    let stranger = refusal(&give(&mut bft, &Message::Vote(vote(5, VoteKind::Prevote, 1, None))));
    assert_eq!(stranger, MessageError::UnknownSigner(Box::new(key(5))));
    let mut forged = vote(2, VoteKind::Prevote, 1, None);
    forged.body.value = Some(A);
    let forged = refusal(&give(&mut bft, &Message::Vote(forged)));
    assert_eq!(forged, MessageError::BadSignature(Box::new(key(2))));
}

#[test]
fn messages_of_past_and_far_heights_are_dropped_and_early_ones_wait() {
    let me = (leading(2, 0) + 1) % 4;
    let mut bft = started(me);
    for height in [0, 12, u64::MAX] {
        assert_eq!(give(&mut bft, &propose(leading(2, 0), height, A)), vec![]);
    }
    assert_eq!(give(&mut bft, &propose(leading(2, 0), 2, A)), vec![]);
    let outputs = start(&mut bft, 2, vec![]);
    let is_wanted =
        |output: &Output| matches!(output, Output::Wanted { height: Height(2), proposal: A, .. });
    assert!(outputs.iter().any(is_wanted), "{outputs:?}");
}

#[test]
fn an_observer_decides_and_stays_silent() {
    let mut bft = bft(CasperKeys::observer(), None);
    let mut outputs = start(&mut bft, 1, vec![]);
    outputs.extend(give(&mut bft, &propose(leading(1, 0), 1, A)));
    outputs.extend(judge(&mut bft, A));
    for index in 0..4 {
        let precommit = vote(index, VoteKind::Precommit, 1, Some(A));
        outputs.extend(give(&mut bft, &Message::Vote(precommit)));
    }
    let loud =
        |o: &Output| matches!(o, Output::Send { .. } | Output::Persist(_) | Output::Build { .. });
    assert!(!outputs.iter().any(loud), "{outputs:?}");
    let decided = |o: &Output| matches!(o, Output::Decided { .. });
    assert_eq!(outputs.iter().filter(|output| decided(output)).count(), 1);
}

#[test]
fn a_peers_certificate_decides_and_a_bad_one_is_refused() {
    let mut bft = started(0);
    let mut sync = |signers: &[usize], valid| {
        let certificate = certificate(signers, A);
        bft.step(Input::Synced { certificate, valid })
    };
    let few = sync(&[0, 1], true);
    assert!(
        matches!(few[..], [Output::BadSync { reason: SyncRefusal::Certificate(_), .. }]),
        "{few:?}"
    );
    let invalid = sync(&[0, 1, 2], false);
    let reason = SyncRefusal::JudgedInvalid(A);
    assert_eq!(invalid, vec![Output::BadSync { height: Height(1), reason }]);
    let good = sync(&[0, 1, 2], true);
    assert!(matches!(good[..], [Output::Decided { .. }]), "{good:?}");
    assert_eq!(sync(&[0, 1, 2], true), vec![], "decided once");
}

#[test]
fn whoever_voted_otherwise_is_caught_by_the_certificate() {
    let mut bft = started(0);
    give(&mut bft, &Message::Vote(vote(2, VoteKind::Precommit, 1, None)));
    let certificate = certificate(&[1, 2, 3], A);
    let outputs = bft.step(Input::Synced { certificate, valid: true });
    let [Output::Decided { evidence, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(evidence.len(), 1);
    assert_eq!(evidence[0].offender, key(2));
}

#[test]
fn a_restarted_node_says_the_same_again_from_its_log() {
    let (me, leader) = (follower(), leading(1, 0));
    let mut before = bft(keys(me), None);
    let mut outputs = start(&mut before, 1, vec![]);
    outputs.extend(give(&mut before, &propose(leader, 1, A)));
    outputs.extend(judge(&mut before, A));
    let (mut wal, mut guard) = (vec![], None);
    for output in &outputs {
        match output {
            Output::Persist(Record::Wal(record)) => wal.push(record.clone()),
            Output::Persist(Record::Guard(record)) => guard = Some(record.clone()),
            _ => {}
        }
    }
    let mut after = bft(keys(me), guard.clone());
    let again = start(&mut after, 1, wal.clone());
    assert_eq!(votes_sent(&again), votes_sent(&outputs));
    assert!(!again.iter().any(|o| matches!(o, Output::Persist(_) | Output::Wanted { .. })));

    // Half a log: the verdict is missing, so it is asked for again.
    let mut asking = bft(keys(me), None);
    let outputs = start(&mut asking, 1, wal[..1].to_vec());
    assert!(outputs.iter().any(|o| matches!(o, Output::Wanted { proposal: A, .. })));
    assert!(votes_sent(&outputs).is_empty());

    // No log: the guard refuses the contradiction, and nothing is heard of this node any more.
    let mut lost = bft(keys(me), guard);
    start(&mut lost, 1, vec![]);
    give(&mut lost, &propose(leader, 1, B));
    let outputs = judge(&mut lost, B);
    assert!(votes_sent(&outputs).is_empty());
    assert!(
        matches!(outputs.last(), Some(Output::Fault(Fault::Guard(GuardError::Contradiction(_))))),
        "{outputs:?}"
    );
    assert_eq!(give(&mut lost, &propose(leader, 1, A)), vec![]);
    assert_eq!(start(&mut lost, 2, vec![]), vec![]);
}

#[test]
fn a_bad_log_a_bad_guard_and_a_step_back_stop_the_node() {
    let mut broken = bft(keys(0), None);
    let outputs = start(&mut broken, 1, vec![vec![9; 20]]);
    assert!(matches!(outputs[..], [Output::Fault(Fault::Wal { index: 0, .. })]), "{outputs:?}");
    let scheme = Box::new(keys(0));
    let timeouts = Timeouts::default();
    let guard = Some(vec![9; 20]);
    let refused = Bft::new(BftConfig { network: NETWORK, scheme, timeouts, guard });
    assert!(matches!(refused, Err(GuardError::Unreadable(_))));
    let mut back = started(0);
    let outputs = start(&mut back, 1, vec![]);
    let at = Height(1);
    assert_eq!(outputs, vec![Output::Fault(Fault::HeightWentBack { at, asked: at })]);
}
