//! What nodes say to each other, from a stranger who says anything: refused or understood.
//!
//! `cargo test` runs each for a moment, `cargo xtask fuzz SECONDS` for as long as you like.

use std::fmt::Debug;

use bolero::check;
use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    BlockHash, Deploy, Digest, EraId, ExecutableDeployItem, PublicKey, RuntimeArgs, SecretKey,
    TimeDiff, Timestamp, U512, bytesrepr::ToBytes, runtime_args,
};
use girrona_chain::{
    accept,
    message::{
        self, DecidedBlock, Direct, Introduction, Request, Response, SignedProposal, decode,
        decode_deploy, encode,
    },
};
use girrona_types::{
    Chainspec, CommitCertificate, Draft, Equivocation, FinalitySignature, Height, Proposal,
    ProposalHash, Round, SignedDeploy,
};

const NOW: u64 = 1_800_000_000_000;

fn secret() -> SecretKey {
    SecretKey::ed25519_from_bytes([7; 32]).unwrap()
}

fn deploy(session: ExecutableDeployItem) -> Deploy {
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(2_500_000_000_u64));
    let chain_name = Chainspec::default().network.name;
    let (timestamp, ttl) = (Timestamp::from(NOW), TimeDiff::from_seconds(60));
    Draft { timestamp, ttl, gas_price: 1, dependencies: Vec::new(), chain_name, payment, session }
        .sign(&secret())
        .unwrap()
}

fn transfer() -> Deploy {
    let args = runtime_args! {
        "amount" => U512::from(2_500_000_000_u64),
        "target" => PublicKey::from(&secret()),
        "id" => Some(1_u64),
    };
    deploy(ExecutableDeployItem::Transfer { args })
}

/// A good message with bytes changed where the input says so, and some cut off.
fn damaged(good: &[u8], input: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    let (changes, rest) = input.as_chunks();
    for [low, high, byte] in changes {
        let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
        bytes[at] ^= *byte;
    }
    if let [cut, ..] = rest {
        bytes.truncate(bytes.len().saturating_sub(usize::from(*cut) % 32));
    }
    bytes
}

/// What was understood means the same when it is written and read again.
fn understood<T: BorshSerialize + BorshDeserialize + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(message) = decode::<T>("message", bytes) {
        assert_eq!(decode::<T>("message", &encode(&message)).unwrap(), message);
    }
}

fn proposal() -> Proposal {
    let secret = secret();
    let proposer = PublicKey::from(&secret);
    let signature = casper_types::crypto::sign(b"seed", &secret, &proposer);
    let certificate = CommitCertificate {
        height: Height(4),
        round: Round(1),
        proposal: ProposalHash([3; 32]),
        signatures: vec![(proposer.clone(), signature)],
    };
    let evidence = Equivocation { offender: proposer.clone(), first: vec![1], second: vec![2] };
    Proposal {
        network: Chainspec::default().network_id(),
        height: Height(5),
        era: EraId::new(1),
        parent: BlockHash::new(Digest::hash("parent")),
        timestamp: Timestamp::from(NOW),
        proposer,
        seed_signature: signature,
        last_commit: Some(certificate),
        deploys: Vec::new(),
        transfers: vec![SignedDeploy::from(&transfer())],
        evidence: vec![evidence],
    }
}

type Good = (fn(&[u8]), Vec<u8>);

/// One of everything that travels.
fn goods() -> Vec<Good> {
    let key = PublicKey::from(&secret());
    let proposal = proposal();
    let signature = proposal.seed_signature;
    let certificate = proposal.last_commit.clone().unwrap();
    let signed = SignedProposal { proposal: proposal.clone(), signature };
    let finality = FinalitySignature {
        block: BlockHash::new(Digest::hash("block")),
        era: EraId::new(1),
        public_key: key.clone(),
        signature,
    };
    let block = DecidedBlock {
        proposal: proposal.clone(),
        certificate: certificate.clone(),
        deploys: vec![transfer().to_bytes().unwrap()],
    };
    let request = |message| -> Good { (understood::<Request>, encode(&message)) };
    let response = |message| -> Good { (understood::<Response>, encode(&message)) };
    let direct = |message| -> Good { (understood::<Direct>, encode(&message)) };
    vec![
        request(Request::Status),
        request(Request::Deploys(vec![[1; 32], [2; 32]])),
        request(Request::Proposal(proposal.hash())),
        request(Request::Blocks { from: Height(1), count: 64 }),
        request(Request::Finality { from: Height(1), count: 64 }),
        response(Response::Status(Height(7))),
        response(Response::Pending(vec![[1; 32]; 3])),
        response(Response::Deploys(vec![vec![1, 2], vec![]])),
        response(Response::Proposal(Some(Box::new(proposal)))),
        response(Response::Blocks(vec![block])),
        response(Response::Finality(vec![finality.clone()])),
        direct(Direct::Introduction(Introduction { key, signature })),
        direct(Direct::Vote(vec![1, 2, 3])),
        direct(Direct::Proposal(Box::new(signed.clone()))),
        (understood::<SignedProposal>, encode(&signed)),
        (understood::<CommitCertificate>, encode(&certificate)),
        (understood::<FinalitySignature>, encode(&finality)),
    ]
}

#[test]
fn messages_of_any_bytes_are_refused_or_understood() {
    let goods = goods();
    check!().for_each(|input: &[u8]| {
        let Some((choice, input)) = input.split_first() else { return };
        let (read, good) = &goods[usize::from(*choice) % goods.len()];
        read(input);
        read(&damaged(good, input));
    });
}

#[test]
fn deploys_of_any_bytes_are_refused_or_understood() {
    let module = ExecutableDeployItem::new_module_bytes(vec![0; 40].into(), RuntimeArgs::new());
    let goods = [transfer(), deploy(module)].map(|deploy| deploy.to_bytes().unwrap());
    let law = Chainspec::default();
    check!().for_each(|input: &[u8]| {
        let Some((choice, input)) = input.split_first() else { return };
        let good = &goods[usize::from(*choice) % goods.len()];
        for bytes in [input.to_vec(), damaged(good, input)] {
            let Ok(deploy) = decode_deploy(&bytes) else { continue };
            let written = message::encode_deploy(&deploy).unwrap();
            assert_eq!(decode_deploy(&written).unwrap(), deploy);
            let checked = accept::check(&deploy, &law, Timestamp::from(NOW));
            assert!(checked.is_err() || bytes == *good, "only what was signed passes");
        }
    });
}
