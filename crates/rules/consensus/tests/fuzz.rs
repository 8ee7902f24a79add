//! Bytes from strangers: whatever comes, decoders answer with an error and the engine goes on.
//!
//! Under `cargo test` each target runs for a moment; `cargo xtask fuzz SECONDS` runs it for long.

#[path = "sim/scheme.rs"]
mod scheme;

use std::{collections::BTreeSet, sync::Arc};

use bolero::{TypeGenerator, check};
use casper_types::{Digest, PublicKey};
use girrona_consensus::{
    Bft, BftConfig, Consensus, Input, Leaders, Message, Output, Polka, Propose, Record,
    RoundChange, RoundChangeKind, RoundVote, Scheme, Signed, Timeouts, TimerId, TimerKind,
    Validators, Vote, VoteKind, check_message, inspect, record_height,
};
use girrona_types::{Height, NetworkId, ProposalHash, Round};
use scheme::Mac;

const NETWORK: NetworkId = NetworkId([7; 32]);
const VALIDATORS: usize = 4;

fn key(index: usize) -> PublicKey {
    Mac::number(index).0.unwrap()
}

fn validators() -> Validators {
    Validators::new((0..VALIDATORS).map(|index| (key(index), 10)).collect()).unwrap()
}

fn leaders() -> Arc<Leaders> {
    Arc::new(Leaders::new(validators(), Digest::hash("seed"), BTreeSet::new()))
}

fn bft(scheme: Mac) -> Bft {
    let scheme = Box::new(scheme);
    let timeouts = Timeouts::default();
    Bft::new(BftConfig { network: NETWORK, scheme, timeouts, guard: None }).unwrap()
}

fn start(bft: &mut Bft, height: u64, wal: Vec<Vec<u8>>) -> Vec<Output> {
    bft.step(Input::Start { height: Height(height), leaders: leaders(), wal })
}

#[test]
fn the_wire_decoder_takes_any_bytes() {
    check!().with_type::<Vec<u8>>().for_each(|bytes| {
        let _ = inspect(bytes);
        let mut versioned = vec![1];
        versioned.extend_from_slice(bytes);
        if let Ok(message) = Message::decode(&versioned) {
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
        let _ = check_message(&NETWORK, &versioned, &validators(), &Mac(None));
    });
}

#[test]
fn the_wire_decoder_takes_damaged_messages() {
    let signed = |index: usize| (key(index), Mac::number(index).sign(b"").unwrap());
    let mut signatures: Vec<_> = (0..VALIDATORS).map(signed).collect();
    signatures.sort();
    let polka =
        Polka { height: Height(1), round: Round(0), proposal: ProposalHash([1; 32]), signatures };
    let good = Message::Polka(polka).encode();
    check!().with_type::<(u16, u8, u16)>().for_each(|(at, change, cut)| {
        let mut bytes = good.clone();
        let at = usize::from(*at) % bytes.len();
        bytes[at] ^= *change;
        bytes.truncate(bytes.len().saturating_sub(usize::from(*cut) / 256));
        let _ = check_message(&NETWORK, &bytes, &validators(), &Mac(None));
    });
}

#[test]
fn a_log_of_any_bytes_stops_the_node_and_breaks_nothing() {
    check!().with_type::<Vec<Vec<u8>>>().for_each(|records| {
        for record in records {
            let _ = record_height(record);
        }
        let wal = records.clone();
        let outputs = start(&mut bft(Mac::number(0)), 1, wal);
        assert!(records.is_empty() || matches!(outputs.last(), Some(Output::Fault(_))));
        // The same behind a believable head.
        let headed = |record: &Vec<u8>| [&[1, 1, 0, 0, 0, 0, 0, 0, 0][..], record].concat();
        start(&mut bft(Mac::number(0)), 1, records.iter().map(headed).collect());
    });
}

/// One thing that happens to a node; numbers are folded into what makes sense.
#[derive(Clone, Debug, TypeGenerator)]
enum Move {
    Bytes(Vec<u8>),
    Vote { by: u8, precommit: bool, round: u8, value: u8, ahead: u8, forged: bool },
    Propose { round: u8, value: u8, polka: u8, ahead: u8, by_leader: bool },
    Polka { by: u8, round: u8, value: u8 },
    RoundChange { by: u8, round: u8, precommits: bool, value: u8 },
    Timer { round: u8, kind: u8 },
    Judged { value: u8, valid: bool },
    Built { round: u8, value: u8 },
    Synced { by: u8, round: u8, value: u8, valid: bool },
    Next,
}

/// Three proposals, and nil.
fn value(value: u8) -> Option<ProposalHash> {
    match value % 4 {
        0 => None,
        byte => Some(ProposalHash([byte; 32])),
    }
}

fn hash(byte: u8) -> ProposalHash {
    value(byte).unwrap_or(ProposalHash([4; 32]))
}

/// Low rounds mostly, sometimes far ones.
fn round(byte: u8) -> Round {
    Round(if byte > 250 { u32::from(byte) * 3_000 } else { u32::from(byte % 4) })
}

fn signed_vote(
    by: usize,
    kind: VoteKind,
    height: Height,
    round: Round,
    value: Option<ProposalHash>,
) -> Signed<Vote> {
    let vote = Vote { kind, height, round, value, signer: key(by) };
    vote.sign(&NETWORK, &Mac::number(by)).unwrap()
}

fn voters(bits: u8) -> impl Iterator<Item = usize> {
    (1..VALIDATORS).filter(move |index| (bits >> index) & 1 == 1)
}

fn message(bft: &Bft, a_move: &Move) -> Option<Message> {
    let height = bft.height();
    Some(match a_move.clone() {
        Move::Vote { by, precommit, round: at, value: v, ahead, forged } => {
            let kind = if precommit { VoteKind::Precommit } else { VoteKind::Prevote };
            let height = Height(height.0 + u64::from(ahead / 100));
            // The last one is a stranger. Nobody signs for number 0, which is the node itself.
            let by = 1 + usize::from(by) % VALIDATORS;
            let mut vote = signed_vote(by, kind, height, round(at), value(v));
            if forged {
                vote.body.value = None;
            }
            Message::Vote(vote)
        }
        Move::Propose { round: at, value: v, polka, ahead, by_leader } => {
            let height = Height(height.0 + u64::from(ahead / 100));
            let leader = leaders().leader(height, round(at)).clone();
            let by = (0..VALIDATORS).find(|index| key(*index) == leader).unwrap();
            let by = if by_leader && by != 0 { by } else { 1 + by % (VALIDATORS - 1) };
            let polka_round = (polka % 4 != 0).then(|| round(polka));
            let (round, proposal) = (round(at), hash(v));
            let body = Propose { height, round, proposal, polka_round, signer: key(by) };
            Message::Propose(body.sign(&NETWORK, &Mac::number(by)).unwrap())
        }
        Move::Polka { by, round: at, value: v } => {
            let (round, proposal) = (round(at), hash(v));
            let sign = |by| signed_vote(by, VoteKind::Prevote, height, round, Some(proposal));
            let mut signatures: Vec<_> =
                voters(by).map(sign).map(|vote| (vote.body.signer, vote.signature)).collect();
            signatures.sort();
            Message::Polka(Polka { height, round, proposal, signatures })
        }
        Move::RoundChange { by, round: at, precommits, value: v } => {
            let round = round(at);
            let vote_kind = if precommits { VoteKind::Precommit } else { VoteKind::Prevote };
            let sign = |by| signed_vote(by, vote_kind, height, round, value(v));
            let to_vote = |Signed { body, signature }: Signed<Vote>| RoundVote {
                kind: body.kind,
                value: body.value,
                signer: body.signer,
                signature,
            };
            let mut votes: Vec<_> = voters(by).map(sign).map(to_vote).collect();
            votes.sort_by(|a, b| a.signer.cmp(&b.signer));
            let kind = if precommits { RoundChangeKind::Precommit } else { RoundChangeKind::Skip };
            Message::RoundChange(RoundChange { height, round, kind, votes })
        }
        _ => return None,
    })
}

fn input(bft: &Bft, a_move: &Move) -> Input {
    let height = bft.height();
    match a_move.clone() {
        Move::Bytes(bytes) => Input::Message(bytes),
        Move::Timer { round: at, kind } => {
            let kinds = [
                TimerKind::Propose,
                TimerKind::Prevote,
                TimerKind::Precommit,
                TimerKind::Rebroadcast,
            ];
            let kind = kinds[usize::from(kind) % 4];
            // Mostly the current round, as real timers are.
            let round = if at > 200 { round(at) } else { bft.round() };
            Input::Timer(TimerId { height, round, kind })
        }
        Move::Judged { value, valid } => Input::Judged { height, proposal: hash(value), valid },
        Move::Built { round: at, value } => {
            let round = if at > 200 { round(at) } else { bft.round() };
            Input::Built { height, round, proposal: hash(value) }
        }
        Move::Synced { by, round: at, value: v, valid } => {
            let (round, proposal) = (round(at), hash(v));
            let sign = |by| signed_vote(by, VoteKind::Precommit, height, round, Some(proposal));
            let mut signatures: Vec<_> =
                voters(by).map(sign).map(|vote| (vote.body.signer, vote.signature)).collect();
            signatures.sort();
            let certificate =
                girrona_types::CommitCertificate { height, round, proposal, signatures };
            Input::Synced { certificate, valid }
        }
        Move::Next => Input::Start { height: height.next(), leaders: leaders(), wal: vec![] },
        _ => Input::Message(message(bft, a_move).unwrap().encode()),
    }
}

/// Plays the moves, follows wishes as an owner would, and crashes at the end: the log replays.
fn play(scheme: &Mac, moves: &[Move]) {
    let mut bft = bft(scheme.clone());
    let mut wal: Vec<Vec<u8>> = vec![];
    let mut guard = None;
    let mut outputs = start(&mut bft, 1, vec![]);
    let mut decided = false;
    let mut moves = moves.iter();
    loop {
        for output in outputs {
            match output {
                Output::Persist(Record::Wal(record)) => wal.push(record),
                Output::Persist(Record::Guard(record)) => guard = Some(record),
                Output::Decided { .. } => decided = true,
                Output::Fault(fault) => panic!("{fault}"),
                Output::Send { bytes, .. } => assert!(inspect(&bytes).is_some()),
                _ => {}
            }
        }
        let Some(a_move) = moves.next() else { break };
        if matches!(a_move, Move::Next) {
            if !decided {
                outputs = vec![];
                continue;
            }
            decided = false;
            wal.clear();
        }
        let input = input(&bft, a_move);
        outputs = bft.step(input);
    }
    if scheme.0.is_none() || decided {
        return;
    }
    let config = BftConfig {
        network: NETWORK,
        scheme: Box::new(scheme.clone()),
        timeouts: Timeouts::default(),
        guard,
    };
    let (height, round) = (bft.height(), bft.round());
    let mut again = Bft::new(config).unwrap();
    let outputs = start(&mut again, height.0, wal);
    assert!(!outputs.iter().any(|output| matches!(output, Output::Fault(_))), "{outputs:?}");
    assert_eq!(again.round(), round);
}

#[test]
fn a_validator_takes_any_moves_even_of_a_lying_majority() {
    check!().with_type::<Vec<Move>>().for_each(|moves| play(&Mac::number(0), moves));
}

#[test]
fn an_observer_takes_any_moves() {
    check!().with_type::<Vec<Move>>().for_each(|moves| play(&Mac(None), moves));
}
