//! Bytes that other nodes rely on. A difference here would split a network: change it on purpose,
//! with `cargo xtask bless`, and read the diff.

use std::{env, fs, path::Path};

use casper_types::{
    AccessRights, AsymmetricType, BlockHash, DeployHash, Digest, EraId, Key, PublicKey, SecretKey,
    Timestamp, URef, crypto,
};
use girrona_types::{
    Chainspec, CommitCertificate, Equivocation, Height, NetworkId, Proposal, ProposalHash, Round,
    SignedDeploy, config, keys,
};

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{name} differs; `cargo xtask bless` takes over the new bytes");
}

fn validator() -> SecretKey {
    SecretKey::ed25519_from_bytes([7; 32]).unwrap()
}

fn proposal() -> Proposal {
    let key = validator();
    let public = PublicKey::from(&key);
    let network = NetworkId([1; 32]);
    let parent_seed = Digest::hash(b"seed");
    let message = Proposal::seed_message(&network, Height(9), &parent_seed);
    let seed_signature = crypto::sign(message, &key, &public);
    let certificate = CommitCertificate {
        height: Height(8),
        round: Round(1),
        proposal: ProposalHash([3; 32]),
        signatures: vec![(public.clone(), crypto::sign(b"vote", &key, &public))],
    };
    Proposal {
        network,
        height: Height(9),
        era: EraId::new(1),
        parent: BlockHash::new(Digest::hash(b"parent")),
        timestamp: Timestamp::from(1_767_225_609_000),
        proposer: public.clone(),
        seed_signature,
        last_commit: Some(certificate),
        deploys: vec![SignedDeploy {
            hash: DeployHash::new(Digest::from([4; 32])),
            approvals: Vec::new(),
        }],
        transfers: Vec::new(),
        evidence: vec![Equivocation { offender: public, first: vec![1], second: vec![2, 3] }],
    }
}

#[test]
fn a_proposal_has_these_bytes_and_this_hash() {
    let proposal = proposal();
    let bytes = borsh::to_vec(&proposal).unwrap();
    let text = format!(
        "bytes {}\nhash {}\nrandom_bit {}\n",
        hex::encode(&bytes),
        proposal.hash(),
        proposal.random_bit()
    );
    golden("proposal.txt", &text);
    assert_eq!(borsh::from_slice::<Proposal>(&bytes).unwrap(), proposal);
}

#[test]
fn every_cut_of_a_proposal_is_an_error_and_no_panic() {
    let bytes = borsh::to_vec(&proposal()).unwrap();
    for length in 0..bytes.len() {
        assert!(borsh::from_slice::<Proposal>(&bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn keys_have_these_paths() {
    let keys = [
        Key::Account(PublicKey::from(&validator()).to_account_hash()),
        Key::Hash([1; 32]),
        Key::URef(URef::new([2; 32], AccessRights::READ_ADD_WRITE)),
        Key::Balance([3; 32]),
        Key::Dictionary([4; 32]),
        Key::ChainspecRegistry,
    ];
    let mut text = String::new();
    for key in keys {
        let path = keys::path(&key).unwrap();
        text.push_str(&format!("{} {}\n", key.to_formatted_string(), hex::encode(path)));
    }
    let derived = keys::derived_address("girrona/transfer/1", &[5; 32], 1);
    text.push_str(&format!("derived {}\n", hex::encode(derived)));
    golden("keys.txt", &text);
}

#[test]
fn a_chainspec_has_this_canonical_text_and_identity() {
    let key = PublicKey::from(&validator()).to_hex();
    let text = format!(
        "[network]\nname = \"golden\"\n[[accounts]]\npublic_key = \"{key}\"\nbalance = \"5\"\n\
         validator = {{ bonded_amount = \"2000000000\", delegation_rate = 3 }}\n"
    );
    let law: Chainspec = config::parse(&text).unwrap();
    golden("chainspec.txt", &format!("{}id {}\n", law.canonical_text(), law.network_id()));
    golden("casper-1.5.8.txt", &Chainspec::casper_1_5_8().canonical_text());
}
