//! Our words in Malachite's shape, and back.
//!
//! Nothing here decides anything. Malachite sees 32-byte addresses in place of keys; the way back
//! from an address goes through the height's [`Electorate`].

mod convert;
mod electorate;

use std::fmt;

use casper_types::{PublicKey, Signature};
use girrona_types::ProposalHash;
use malachitebft_core_types::{self as core, NilOrVal};

pub(crate) use convert::{round, to_core, vote_to_core};
pub(crate) use electorate::Electorate;

/// Malachite's type parameter.
#[derive(Clone, Debug)]
pub(crate) struct Girrona;

/// A validator's account hash, because Malachite copies addresses all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address([u8; 32]);

impl Address {
    pub(crate) fn of(key: &PublicKey) -> Self {
        Self(key.to_account_hash().value())
    }

    /// Nobody's: that of an observer.
    pub(crate) const NOBODY: Self = Self([0; 32]);
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl core::Address for Address {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CoreHeight(pub(crate) u64);

impl fmt::Display for CoreHeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for CoreHeight {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// A value is a proposal's hash and nothing else; bodies travel beside consensus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CoreValue(pub(crate) ProposalHash);

impl core::Value for CoreValue {
    type Id = ProposalHash;

    fn id(&self) -> ProposalHash {
        self.0
    }
}

/// Never made: bodies are not streamed through Malachite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPart {}

impl core::ProposalPart<Girrona> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CorePropose {
    height: CoreHeight,
    round: core::Round,
    value: CoreValue,
    polka_round: core::Round,
    address: Address,
}

impl core::Proposal<Girrona> for CorePropose {
    fn height(&self) -> CoreHeight {
        self.height
    }

    fn round(&self) -> core::Round {
        self.round
    }

    fn value(&self) -> &CoreValue {
        &self.value
    }

    fn take_value(self) -> CoreValue {
        self.value
    }

    fn pol_round(&self) -> core::Round {
        self.polka_round
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoreVote {
    kind: core::VoteType,
    height: CoreHeight,
    round: core::Round,
    value: NilOrVal<ProposalHash>,
    address: Address,
}

impl core::Vote<Girrona> for CoreVote {
    fn height(&self) -> CoreHeight {
        self.height
    }

    fn round(&self) -> core::Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<ProposalHash> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<ProposalHash> {
        self.value
    }

    fn vote_type(&self) -> core::VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.address
    }

    fn extension(&self) -> Option<&core::SignedExtension<Girrona>> {
        None
    }

    fn take_extension(&mut self) -> Option<core::SignedExtension<Girrona>> {
        None
    }

    fn extend(self, _: core::SignedExtension<Girrona>) -> Self {
        self
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    address: Address,
    key: PublicKey,
    weight: u64,
}

impl core::Validator<Girrona> for Member {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> u64 {
        self.weight
    }
}

/// Malachite asks for types here; it never calls them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoScheme;

impl core::SigningScheme for NoScheme {
    type DecodingError = &'static str;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = ();

    fn decode_signature(_: &[u8]) -> Result<Signature, Self::DecodingError> {
        Err("signatures are decoded with the messages")
    }

    fn encode_signature(_: &Signature) -> Vec<u8> {
        vec![]
    }

    fn decode_public_key(_: &[u8]) -> Result<PublicKey, Self::DecodingError> {
        Err("keys are decoded with the messages")
    }

    fn encode_public_key(_: &PublicKey) -> Vec<u8> {
        vec![]
    }
}

impl core::Context for Girrona {
    type Address = Address;
    type Height = CoreHeight;
    type ProposalPart = NoPart;
    type Proposal = CorePropose;
    type Validator = Member;
    type ValidatorSet = Electorate;
    type Timeouts = core::LinearTimeouts;
    type Value = CoreValue;
    type Vote = CoreVote;
    type Extension = ();
    type SigningScheme = NoScheme;

    fn select_proposer<'a>(
        &self,
        electorate: &'a Electorate,
        _: CoreHeight,
        round: core::Round,
    ) -> &'a Member {
        electorate.leading(round.as_u32().unwrap_or(0))
    }

    fn new_proposal(
        &self,
        height: CoreHeight,
        round: core::Round,
        value: CoreValue,
        polka_round: core::Round,
        address: Address,
    ) -> CorePropose {
        CorePropose { height, round, value, polka_round, address }
    }

    fn new_prevote(
        &self,
        height: CoreHeight,
        round: core::Round,
        value: NilOrVal<ProposalHash>,
        address: Address,
    ) -> CoreVote {
        CoreVote { kind: core::VoteType::Prevote, height, round, value, address }
    }

    fn new_precommit(
        &self,
        height: CoreHeight,
        round: core::Round,
        value: NilOrVal<ProposalHash>,
        address: Address,
    ) -> CoreVote {
        CoreVote { kind: core::VoteType::Precommit, height, round, value, address }
    }
}
