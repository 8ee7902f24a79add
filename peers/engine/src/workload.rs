//! The accounts and transfers that both engines get.

use casper_types::{
    Approval, Deploy, DeployHash, DeployHeader, Digest, ExecutableDeployItem, PublicKey,
    RuntimeArgs, SecretKey, Signature, TimeDiff, Timestamp, U512, bytesrepr::ToBytes,
};

use crate::plan::{AMOUNT, Plan, Transfer};

/// Accounts at genesis.
const ACCOUNTS: usize = 1_000;

/// Accounts and blocks of transfers between them.
pub(crate) struct Workload {
    /// What both engines get.
    pub(crate) plan: Plan,
    /// The key of each account.
    pub(crate) keys: Vec<PublicKey>,
    /// The whole deploys of each block, with their senders' approvals.
    pub(crate) deploys: Vec<Vec<Deploy>>,
}

impl Workload {
    /// So many blocks of so many transfers; always the same ones.
    pub(crate) fn new(transfers: usize, blocks: usize) -> Self {
        let seeds: Vec<[u8; 32]> = (0..ACCOUNTS).map(seed).collect();
        let keys: Vec<PublicKey> = seeds
            .iter()
            .map(|seed| {
                let secret = SecretKey::ed25519_from_bytes(seed).expect("32 bytes are a key");
                PublicKey::from(&secret)
            })
            .collect();
        let mut dice = Dice(7);
        let mut id = 0;
        let mut block = || {
            let mut transfer = || {
                id += 1;
                let from = dice.roll(ACCOUNTS);
                // Anybody but oneself.
                let to = (from + 1 + dice.roll(ACCOUNTS - 1)) % ACCOUNTS;
                let whole = deploy(&keys[from], &keys[to], id);
                let deploy = whole.hash().inner().value();
                (Transfer { from, to, id, deploy }, whole)
            };
            (0..transfers).map(|_| transfer()).unzip()
        };
        let (blocks, deploys) = (0..blocks).map(|_| block()).unzip();
        Self { plan: Plan { seeds, blocks }, keys, deploys }
    }
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % sides as u64) as usize
    }
}

fn seed(number: usize) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

fn deploy(from: &PublicKey, to: &PublicKey, id: u64) -> Deploy {
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(AMOUNT)).expect("a number is an argument");
    args.insert("target", to.to_account_hash()).expect("an account is an argument");
    args.insert("id", Some(id)).expect("a number is an argument");
    let session = ExecutableDeployItem::Transfer { args };
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(100_000_000_u64));
    let mut body = payment.to_bytes().expect("payment has bytes");
    body.extend(session.to_bytes().expect("session has bytes"));
    let header = DeployHeader::new(
        from.clone(),
        Timestamp::from(id),
        TimeDiff::from_seconds(3_600),
        1,
        Digest::hash(body),
        Vec::new(),
        "girrona-dev".to_owned(),
    );
    let hash = DeployHash::new(Digest::hash(header.to_bytes().expect("a header has bytes")));
    // Nobody checks it here, it is only as long as a real one.
    let signature = Signature::ed25519([1; 64]).expect("64 bytes are a signature");
    let deploy = Deploy::new(hash, header, payment, session);
    deploy.with_approvals([Approval::new(from.clone(), signature)].into())
}
