//! A validator that lies: it runs the same chain as everybody, and what it says is changed on the
//! way out. It signs contradictions, proposes what must not be decided, and talks rubbish.
//!
//! Its weight is below a third, so nothing that it does may change what is decided.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use casper_types::{BlockHash, Deploy, DeployHash, Digest, EraId};
use girrona_chain::{
    Chain, Output,
    message::{self, Direct, Gossip, Request, Response, SignedProposal},
};
use girrona_consensus::{Message, Propose, Scheme, Signed, Vote, VoteKind};
use girrona_types::{
    CommitCertificate, FinalitySignature, Height, NetworkId, Proposal, ProposalHash, Round,
};

use crate::{
    disk::SimDisk,
    plan::{Lies, Plan, Sabotage},
    rng::Rng,
    scheme::{self, Mac},
    spoil::{ILLS, Ill, Kitchen},
    totals::Totals,
    words::Word,
};

/// What the liar has done in its name.
#[derive(Debug)]
pub(crate) enum Act {
    /// What an honest node would do.
    Honest(Output),
    /// Tell these validators directly.
    Tell(u64, Direct),
    /// Gossip this to these nodes.
    Spread(u64, Word),
}

/// Every node.
const ALL: u64 = u64::MAX;
/// Words that may be repeated later.
const ECHOES_MAX: usize = 64;

/// The liar.
#[derive(Debug)]
pub(crate) struct Liar {
    pub(crate) lies: Lies,
    sabotage: Sabotage,
    rng: Rng,
    network: NetworkId,
    scheme: Mac,
    validators: usize,
    /// What is told instead of a proposal of its own, and to whom.
    staged: BTreeMap<ProposalHash, Vec<(u64, ProposalHash)>>,
    /// Proposals and deploys that are on no disk.
    proposals: BTreeMap<ProposalHash, Proposal>,
    bodies: BTreeMap<DeployHash, Arc<Deploy>>,
    echoes: VecDeque<Direct>,
}

/// What the liar sees, and what it has to own up to.
pub(crate) struct Scene<'s> {
    pub(crate) plan: &'s Plan,
    pub(crate) chain: &'s Chain<SimDisk>,
    pub(crate) ills: &'s mut BTreeMap<ProposalHash, Ill>,
    pub(crate) totals: &'s mut Totals,
}

impl Liar {
    pub(crate) fn new(plan: &Plan, lies: Lies, rng: Rng) -> Self {
        Self {
            lies,
            sabotage: plan.sabotage,
            rng,
            network: plan.law.network_id(),
            scheme: Mac::of(scheme::validator(lies.node)),
            validators: plan.validators(),
            staged: BTreeMap::new(),
            proposals: BTreeMap::new(),
            bodies: BTreeMap::new(),
            echoes: VecDeque::new(),
        }
    }

    /// What becomes of something that its chain says.
    pub(crate) fn twist(&mut self, output: Output, scene: &mut Scene<'_>) -> Vec<Act> {
        let own = scheme::validator(self.lies.node);
        let voters = scene.chain.validators();
        if voters.is_honest(voters.weight(&own).unwrap_or_default()) {
            // Others were evicted or left, and it could do what nobody below a third can.
            return vec![Act::Honest(output)];
        }
        let mut acts = match output {
            Output::Validators(Direct::Proposal(signed)) if signed.proposal.proposer == own => {
                self.lead(&signed, scene)
            }
            // Told together with the above.
            Output::Gossip(Gossip::Proposal(signed)) if signed.proposal.proposer == own => {
                Vec::new()
            }
            Output::Validators(Direct::Vote(bytes)) => match Message::decode(&bytes) {
                Ok(Message::Propose(propose)) if propose.body.signer == own => {
                    self.propose(&propose)
                }
                Ok(Message::Vote(vote)) if vote.body.signer == own => self.vote(vote, scene.totals),
                _ => vec![Act::Honest(Output::Validators(Direct::Vote(bytes)))],
            },
            other => vec![Act::Honest(other)],
        };
        if self.lies.babbles && self.rng.chance(3) {
            acts.append(&mut self.babble());
        }
        acts
    }

    /// Its own proposal goes out: to all, to some, as two, or as something else.
    fn lead(&mut self, signed: &SignedProposal, scene: &mut Scene<'_>) -> Vec<Act> {
        let honest = signed.proposal.hash();
        if !self.staged.contains_key(&honest) {
            let variants = self.stage(&signed.proposal, scene);
            self.staged.insert(honest, variants);
        }
        let mut acts = Vec::new();
        // Sometimes only the hash goes around and everybody has to ask for the rest.
        if self.lies.spoils && self.rng.chance(10) {
            return acts;
        }
        for (to, hash) in self.staged.get(&honest).cloned().unwrap_or_default() {
            let Some(proposal) = self.proposals.get(&hash) else { continue };
            let message = SignedProposal::message(&self.network, &hash);
            let Some(signature) = self.scheme.sign(&message) else { continue };
            let signed = SignedProposal { proposal: proposal.clone(), signature };
            acts.push(Act::Tell(to, Direct::Proposal(Box::new(signed.clone()))));
            acts.push(Act::Spread(to, Word::Proposal(Arc::new(signed))));
        }
        acts
    }

    /// What is told to whom instead of this proposal.
    fn stage(&mut self, proposal: &Proposal, scene: &mut Scene<'_>) -> Vec<(u64, ProposalHash)> {
        let some = self.rng.next();
        let ill = match self.sabotage {
            Sabotage::Forge(ill) => Some(ill),
            Sabotage::Slander => Some(Ill::Evidence),
            _ if self.lies.spoils && self.rng.chance(75) => self.rng.pick(&ILLS).copied(),
            _ => None,
        };
        let spoilt = ill.filter(|_| self.sabotage != Sabotage::ForgeFork).and_then(|ill| {
            let mut kitchen = Kitchen {
                law: &scene.plan.law,
                network: self.network,
                disk: &scene.chain.disk().memory,
                rng: &mut self.rng,
                honest: (self.lies.node + 1) % self.validators,
            };
            let (bad, bodies) = kitchen.spoil(proposal, ill)?;
            self.bodies.extend(bodies.into_iter().map(|body| (*body.hash(), body)));
            if self.sabotage != Sabotage::Slander {
                scene.ills.insert(bad.hash(), ill);
            }
            *scene.totals.ills.entry(ill).or_default() += 1;
            Some(bad)
        });
        let fork = self.sabotage == Sabotage::ForgeFork;
        let both = fork || (self.lies.equivocates && self.rng.chance(50));
        let versions = match spoilt {
            Some(bad) if both => vec![(some, bad), (!some, proposal.clone())],
            Some(bad) => vec![(ALL, bad)],
            None if both => {
                let sides = if fork { 0b0101_0101 } else { some };
                vec![(sides, twin(proposal)), (!sides, proposal.clone())]
            }
            None => vec![(ALL, proposal.clone())],
        };
        scene.totals.equivocations += u64::from(versions.len() > 1);
        let mut variants = Vec::new();
        for (to, version) in versions {
            let hash = version.hash();
            self.proposals.insert(hash, version);
            variants.push((to, hash));
        }
        variants
    }

    /// The word that goes with a proposal.
    fn propose(&self, propose: &Signed<Propose>) -> Vec<Act> {
        let variants = self.variants(propose.body.proposal);
        let mut acts = Vec::new();
        for (to, proposal) in variants {
            let body = Propose { proposal, ..propose.body.clone() };
            let (height, round) = (body.height, body.round);
            if let Some(signed) = body.sign(&self.network, &self.scheme) {
                acts.push(Act::Tell(to, Direct::Vote(Message::Propose(signed).encode())));
            }
            if self.sabotage.forges() {
                let certificate = self.forge(height, round, proposal);
                acts.push(Act::Spread(to, Word::Commit(Arc::new(certificate))));
            }
        }
        acts
    }

    fn variants(&self, proposal: ProposalHash) -> Vec<(u64, ProposalHash)> {
        self.staged.get(&proposal).cloned().unwrap_or_else(|| vec![(ALL, proposal)])
    }

    /// Its vote: for what it told each of them; now and then for two things.
    fn vote(&mut self, vote: Signed<Vote>, totals: &mut Totals) -> Vec<Act> {
        let tell =
            |to, vote: Signed<Vote>| Act::Tell(to, Direct::Vote(Message::Vote(vote).encode()));
        if let Some(value) = vote.body.value
            && let Some(variants) = self.staged.get(&value)
        {
            let mut acts = Vec::new();
            for (to, hash) in variants.clone() {
                let body = Vote { value: Some(hash), ..vote.body.clone() };
                acts.extend(body.sign(&self.network, &self.scheme).map(|vote| tell(to, vote)));
            }
            return acts;
        }
        if !self.lies.equivocates || self.rng.chance(60) {
            return vec![tell(ALL, vote)];
        }
        let value = match vote.body.value {
            Some(_) if self.rng.chance(70) => None,
            _ => {
                let own: Vec<_> = self.proposals.keys().copied().collect();
                let known = self.rng.pick(&own).copied();
                known.or_else(|| Some(ProposalHash(self.rng.bytes())))
            }
        };
        if value == vote.body.value {
            return vec![tell(ALL, vote)];
        }
        totals.equivocations += 1;
        let body = Vote { value, ..vote.body.clone() };
        let Some(other) = body.sign(&self.network, &self.scheme) else { return Vec::new() };
        // Some hear one, some the other, some both.
        let (some, more) = (self.rng.next(), self.rng.next());
        vec![tell(some, vote), tell(!some | more, other)]
    }

    /// A certificate with everybody's signatures. Only in a run that is sabotaged.
    fn forge(&self, height: Height, round: Round, proposal: ProposalHash) -> CommitCertificate {
        let mut signatures: Vec<_> = (0..self.validators)
            .filter_map(|index| {
                let signer = scheme::validator(index);
                let forger = Mac::of(signer.clone());
                let kind = VoteKind::Precommit;
                let vote = Vote { kind, height, round, value: Some(proposal), signer };
                let signed = vote.sign(&self.network, &forger)?;
                Some((signed.body.signer, signed.signature))
            })
            .collect();
        signatures.sort();
        CommitCertificate { height, round, proposal, signatures }
    }

    /// Rubbish, and what was said before.
    fn babble(&mut self) -> Vec<Act> {
        let to = self.rng.next();
        match self.rng.range(0, 4) {
            0 => {
                let echo = self.rng.pick(self.echoes.make_contiguous()).cloned();
                echo.map(|echo| Act::Tell(to, echo)).into_iter().collect()
            }
            1 => vec![Act::Tell(to, Direct::Vote(self.rng.bytes().to_vec()))],
            // As many as fill any list.
            2 => (0..20).filter_map(|_| self.vouch()).map(|word| Act::Spread(ALL, word)).collect(),
            _ => {
                let early = self.early();
                early.map(|early| Act::Tell(to, Direct::Proposal(early))).into_iter().collect()
            }
        }
    }

    /// A proposal for a height that has not come, signed or not.
    fn early(&mut self) -> Option<Box<SignedProposal>> {
        let proposals: Vec<_> = self.proposals.values().collect();
        let mut proposal: Proposal = (*self.rng.pick(&proposals)?).clone();
        proposal.height = Height(proposal.height.0 + self.rng.range(1, 5));
        let good = SignedProposal::message(&self.network, &proposal.hash());
        let message = if self.rng.chance(50) { good } else { Vec::new() };
        let signature = self.scheme.sign(&message)?;
        Some(Box::new(SignedProposal { proposal, signature }))
    }

    /// Its word that it executed a block that does not exist.
    fn vouch(&mut self) -> Option<Word> {
        let block = BlockHash::new(Digest::from(self.rng.bytes()));
        let era = EraId::new(self.rng.range(0, 6));
        let signature = self.scheme.sign(&FinalitySignature::message(&block, era))?;
        let public_key = scheme::validator(self.lies.node);
        let vouched = FinalitySignature { block, era, public_key, signature };
        Some(Word::Finality(Arc::new(vouched)))
    }

    /// Remembers what was said directly, to repeat it at another time.
    pub(crate) fn hears(&mut self, direct: &Direct) {
        if self.lies.babbles && self.rng.chance(10) {
            if self.echoes.len() >= ECHOES_MAX {
                self.echoes.pop_front();
            }
            self.echoes.push_back(direct.clone());
        }
    }

    /// What it answers; `honest` is what its disk says.
    pub(crate) fn answer(
        &mut self,
        request: &Request,
        honest: Option<Response>,
    ) -> Option<Response> {
        if self.lies.babbles && self.rng.chance(20) {
            return self.misinform(request, honest);
        }
        match (request, honest) {
            (Request::Proposal(hash), honest) => match self.proposals.get(hash) {
                Some(proposal) => Some(Response::Proposal(Some(Box::new(proposal.clone())))),
                None => honest,
            },
            (Request::Deploys(hashes), Some(Response::Deploys(mut deploys))) => {
                for hash in hashes {
                    let hash = DeployHash::new(Digest::from(*hash));
                    let body = self.bodies.get(&hash);
                    deploys.extend(body.and_then(|body| message::encode_deploy(body).ok()));
                }
                Some(Response::Deploys(deploys))
            }
            (_, honest) => honest,
        }
    }

    fn misinform(&mut self, request: &Request, honest: Option<Response>) -> Option<Response> {
        match self.rng.range(0, 4) {
            0 => return None,
            1 => return Some(Response::Status(Height(self.rng.range(0, 100_000)))),
            _ => {}
        }
        Some(match (request, honest) {
            (Request::Status, _) => Response::Status(Height(self.rng.next())),
            (Request::Pending, _) => Response::Pending((0..50).map(|_| self.rng.bytes()).collect()),
            (Request::Deploys(_), _) => Response::Deploys(vec![self.rng.bytes().to_vec()]),
            (Request::Proposal(_), _) => {
                let proposals: Vec<_> = self.proposals.values().collect();
                let other = self.rng.pick(&proposals);
                Response::Proposal(other.map(|other| Box::new((*other).clone())))
            }
            (Request::Blocks { .. }, Some(Response::Blocks(mut blocks))) => {
                match self.rng.range(0, 4) {
                    0 => blocks.clear(),
                    1 => blocks.reverse(),
                    2 => blocks.iter_mut().for_each(|block| block.deploys.clear()),
                    _ => {
                        blocks.iter_mut().for_each(|block| block.certificate.signatures.truncate(1))
                    }
                }
                Response::Blocks(blocks)
            }
            (Request::Blocks { .. }, _) => Response::Blocks(Vec::new()),
            (Request::Finality { .. }, _) => Response::Finality(Vec::new()),
        })
    }
}

/// Another proposal that is as good.
fn twin(proposal: &Proposal) -> Proposal {
    let mut twin = proposal.clone();
    twin.timestamp = casper_types::Timestamp::from(twin.timestamp.millis() + 1);
    twin.transfers.pop();
    twin
}
