//! Proposals that must never become blocks, made from ones that could.

use std::sync::Arc;

use casper_types::{
    BlockHash, Deploy, DeployHash, Digest, ExecutableDeployItem, RuntimeArgs, TimeDiff, Timestamp,
    U512,
};
use girrona_chain::{Disk, MemoryDisk, disk::Fate};
use girrona_consensus::{Message, Scheme, Vote, VoteKind};
use girrona_types::{
    Chainspec, Draft, Equivocation, NetworkId, Proposal, ProposalHash, Round, SignedDeploy,
};

use crate::{
    load::{module, sign, standard, transfer_session},
    people::{self, Person},
    rng::Rng,
    scheme::{self, Mac},
};

/// What is wrong with a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ill {
    /// A deploy whose time is over.
    Expired,
    /// A deploy whose time has not begun.
    Future,
    /// The same deploy twice.
    Twice,
    /// A deploy of an earlier block.
    Executed,
    /// A deploy that nobody signed.
    Unsigned,
    /// A deploy with a signature of another one.
    Forged,
    /// A deploy that somebody signed whose key is not the account's.
    Foreign,
    /// A deploy that such a somebody signed beside its sender.
    OneTooMany,
    /// A deploy of somebody who cannot pay.
    Unfunded,
    /// A deploy of somebody without an account.
    NoAccount,
    /// A transfer among the deploys that run code.
    WrongList,
    /// One transfer more than a block may hold.
    TooMany,
    /// A deploy that waits for one that was never executed.
    Dependency,
    /// A deploy of another network.
    OtherNetwork,
    /// A deploy with code that is none.
    NoModule,
    /// A deploy that calls a contract that is not there.
    NoContract,
    /// A deploy that nobody has.
    Phantom,
    /// A timestamp too soon after the parent's.
    TooSoon,
    /// Another parent.
    Parent,
    /// Another era.
    Era,
    /// A seed signature that is none.
    Seed,
    /// No certificate of the height before, or one that proves nothing.
    LastCommit,
    /// Evidence that accuses an honest validator.
    Evidence,
}

/// All of them.
pub(crate) const ILLS: [Ill; 23] = [
    Ill::Expired,
    Ill::Future,
    Ill::Twice,
    Ill::Executed,
    Ill::Unsigned,
    Ill::Forged,
    Ill::Foreign,
    Ill::OneTooMany,
    Ill::Unfunded,
    Ill::NoAccount,
    Ill::WrongList,
    Ill::TooMany,
    Ill::Dependency,
    Ill::OtherNetwork,
    Ill::NoModule,
    Ill::NoContract,
    Ill::Phantom,
    Ill::TooSoon,
    Ill::Parent,
    Ill::Era,
    Ill::Seed,
    Ill::LastCommit,
    Ill::Evidence,
];

/// What a liar knows when it spoils a proposal.
pub(crate) struct Kitchen<'k> {
    pub(crate) law: &'k Chainspec,
    pub(crate) network: NetworkId,
    pub(crate) disk: &'k MemoryDisk,
    pub(crate) rng: &'k mut Rng,
    /// An honest validator.
    pub(crate) honest: usize,
}

impl Kitchen<'_> {
    /// The proposal with this fault, and the deploys that it needs; `None` when there is nothing
    /// to make it of.
    pub(crate) fn spoil(
        &mut self,
        proposal: &Proposal,
        ill: Ill,
    ) -> Option<(Proposal, Vec<Arc<Deploy>>)> {
        let mut bad = proposal.clone();
        let at = proposal.timestamp.millis();
        let ana = &people::rich()[self.rng.index(people::RICH)];
        let mut bodies = Vec::new();
        let mut put = |list: &mut Vec<SignedDeploy>, deploy: Deploy| {
            list.push(SignedDeploy::from(&deploy));
            bodies.push(Arc::new(deploy));
        };
        match ill {
            Ill::Expired => put(&mut bad.transfers, self.transfer(ana, at - 2_000, 1_999)),
            Ill::Future => put(&mut bad.transfers, self.transfer(ana, at + 1_500, 60_000)),
            Ill::Twice => {
                put(&mut bad.transfers, self.transfer(ana, at, 9_000));
                let again = bad.transfers.last()?.clone();
                bad.transfers.push(again);
            }
            Ill::Executed => {
                let executed: Vec<DeployHash> = self
                    .disk
                    .fates()
                    .filter(|(_, fate)| matches!(fate, Fate::Executed(_)))
                    .map(|(hash, _)| *hash)
                    .collect();
                let hash = self.rng.pick(&executed)?;
                let deploy = self.disk.deploy(hash).ok()??;
                let is_transfer = deploy.session().is_transfer();
                let list = if is_transfer { &mut bad.transfers } else { &mut bad.deploys };
                list.push(SignedDeploy::from(deploy.as_ref()));
            }
            Ill::Unsigned => {
                put(&mut bad.transfers, self.transfer(ana, at, 9_000));
                bad.transfers.last_mut()?.approvals.clear();
            }
            Ill::Forged => {
                put(&mut bad.transfers, self.transfer(ana, at, 9_000));
                let other = self.transfer(ana, at, 8_999);
                bad.transfers.last_mut()?.approvals = SignedDeploy::from(&other).approvals;
            }
            Ill::Foreign | Ill::OneTooMany => {
                let mut deploy = self.transfer(ana, at, 9_000);
                if ill == Ill::Foreign {
                    deploy = deploy.with_approvals(Default::default());
                }
                deploy.sign(&people::pauper().secret);
                put(&mut bad.transfers, deploy);
            }
            Ill::Unfunded => {
                put(&mut bad.transfers, self.transfer(people::pauper(), at, 9_000));
            }
            Ill::NoAccount => {
                let hash = |person: &Person| person.public.to_account_hash();
                let nobody = people::new().iter().find(|person| {
                    let key = casper_types::Key::Account(hash(person));
                    girrona_state::Reader::read(self.disk, &key).is_ok_and(|it| it.is_none())
                })?;
                put(&mut bad.transfers, self.transfer(nobody, at, 9_000));
            }
            Ill::WrongList => put(&mut bad.deploys, self.transfer(ana, at, 9_000)),
            Ill::TooMany => {
                let most = self.law.deploys.block_max_transfer_count as usize;
                if most > 10 {
                    return None;
                }
                bad.transfers.clear();
                for number in 0..=most {
                    let person = &people::rich()[number % people::RICH];
                    put(&mut bad.transfers, self.transfer(person, at, 9_000 + number as u64));
                }
            }
            Ill::Dependency => {
                let dependencies = vec![DeployHash::new(Digest::from(self.rng.bytes()))];
                let draft = Draft { dependencies, ..self.draft(at, 9_000) };
                put(&mut bad.transfers, sign(draft, ana));
            }
            Ill::OtherNetwork => {
                let draft = Draft { chain_name: "casper".to_owned(), ..self.draft(at, 9_000) };
                put(&mut bad.transfers, sign(draft, ana));
            }
            Ill::NoModule => {
                let session = module(b"\0asm is what it is not", RuntimeArgs::new());
                put(&mut bad.deploys, sign(self.paid(at, session), ana));
            }
            Ill::NoContract => {
                let session = ExecutableDeployItem::new_stored_contract_by_hash(
                    self.rng.bytes().into(),
                    "call".to_owned(),
                    RuntimeArgs::new(),
                );
                put(&mut bad.deploys, sign(self.paid(at, session), ana));
            }
            Ill::Phantom => bad.transfers.push(SignedDeploy {
                hash: DeployHash::new(Digest::from(self.rng.bytes())),
                approvals: Vec::new(),
            }),
            Ill::TooSoon => {
                let parent = self.disk.tip().ok()??.block.timestamp();
                let earliest = parent.saturating_add(self.law.core.minimum_block_time);
                bad.timestamp = Timestamp::from(earliest.millis() - 1);
                bad.transfers.clear();
                bad.deploys.clear();
            }
            Ill::Parent => bad.parent = BlockHash::new(Digest::from(self.rng.bytes())),
            Ill::Era => bad.era = bad.era.successor(),
            Ill::Seed => {
                let other = Mac::of(scheme::validator(self.honest));
                bad.seed_signature = other.sign(b"something else")?;
            }
            Ill::LastCommit => match &mut bad.last_commit {
                Some(certificate) if self.rng.chance(50) => certificate.signatures.truncate(1),
                last_commit => *last_commit = None,
            },
            Ill::Evidence => bad.evidence.push(self.slander(proposal)?),
        }
        // Genesis was not voted on, so at height 1 nothing is missing.
        (bad.hash() != proposal.hash()).then_some((bad, bodies))
    }

    fn draft(&self, timestamp: u64, ttl: u64) -> Draft {
        let to = &people::rich()[0];
        Draft {
            timestamp: Timestamp::from(timestamp),
            ttl: TimeDiff::from_millis(ttl),
            gas_price: 1,
            dependencies: Vec::new(),
            chain_name: self.law.network.name.clone(),
            payment: standard(100_000_000),
            session: transfer_session(to, U512::from(2_500_000_000_u64), None),
        }
    }

    fn paid(&self, timestamp: u64, session: ExecutableDeployItem) -> Draft {
        Draft { payment: standard(3_000_000_000), session, ..self.draft(timestamp, 9_000) }
    }

    fn transfer(&self, from: &Person, timestamp: u64, ttl: u64) -> Deploy {
        sign(self.draft(timestamp, ttl), from)
    }

    /// Two votes that an honest validator did not cast. The signatures of one of them do not hold,
    /// unless the run is sabotaged.
    fn slander(&mut self, proposal: &Proposal) -> Option<Equivocation> {
        let offender = scheme::validator(self.honest);
        let forger = Mac::of(scheme::validator((self.honest + 1) % scheme::KEYS));
        let vote = |value| Vote {
            kind: VoteKind::Prevote,
            height: proposal.height,
            round: Round(0),
            value,
            signer: offender.clone(),
        };
        let first = vote(None).sign(&self.network, &forger)?;
        let value = Some(ProposalHash(self.rng.bytes()));
        let second = vote(value).sign(&self.network, &forger)?;
        let mut both = [Message::Vote(first).encode(), Message::Vote(second).encode()];
        both.sort();
        let [first, second] = both;
        Some(Equivocation { offender, first, second })
    }
}
