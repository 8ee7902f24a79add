//! What oracles say when they fire.

use casper_types::{DeployHash, Digest, Timestamp, U512};
use girrona_consensus::MessageKind;
use girrona_types::{Height, ProposalHash};
use thiserror::Error;

use crate::{plan::Millis, spoil::Ill};

/// What an oracle found.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the texts say it")]
pub enum Violation {
    #[error("node {node} has {theirs} at height {height}, others have {ours}")]
    Fork { node: usize, height: Height, ours: ProposalHash, theirs: ProposalHash },
    #[error("honest node {node} signed two {kind:?} for height {height}, round {round}")]
    DoubleSign { node: usize, height: Height, round: u32, kind: MessageKind },
    #[error("honest node {node} signed two blocks at height {height}")]
    DoubleFinality { node: usize, height: Height },
    #[error("node {node} has root {theirs} at height {height}, others have {ours}")]
    Roots { node: usize, height: Height, ours: Digest, theirs: Digest },
    #[error("node {node} had height {had} and came back with {has}")]
    FinalLost { node: usize, had: Height, has: Height },
    #[error("purses hold {held} motes at height {height}, it should be {due}")]
    Supply { height: Height, held: Box<U512>, due: Box<U512> },
    #[error("the mint records {recorded} motes at height {height}, purses hold {held}")]
    Recorded { height: Height, recorded: Box<U512>, held: Box<U512> },
    #[error("the eras at height {height}: {what}")]
    Era { height: Height, what: String },
    #[error("deploy {hash} was executed at height {first} and again at {again}")]
    ExecutedTwice { hash: DeployHash, first: Height, again: Height },
    #[error("deploy {hash} expired before the block of height {height}")]
    ExecutedLate { hash: DeployHash, height: Height },
    #[error("the block of height {height} is bad: {what}")]
    BadBlock { height: Height, what: String },
    #[error("a proposal with the fault {ill:?} was decided at height {height}")]
    DecidedIll { height: Height, ill: Ill },
    #[error("evidence at height {height} accuses {offender}, who did nothing")]
    FalseAccusation { height: Height, offender: String },
    #[error("deploy {hash} is still pending on node {node} at the end")]
    Unsettled { node: usize, hash: DeployHash },
    #[error("the events of node {node} do not tell the life of {what}")]
    Story { node: usize, what: String },
    #[error("node {node} said at {said} that {hash} has expired; its time ended at {due}")]
    Expiry { node: usize, hash: DeployHash, said: Timestamp, due: Timestamp },
    #[error("node {node} has not heard of {hash}, which was accepted {waited} ms ago")]
    Unheard { node: usize, hash: DeployHash, waited: Millis },
    #[error("node {node} lacks signatures of block {height}: {has} of {due}")]
    Finality { node: usize, height: Height, has: usize, due: usize },
    #[error("no new block for {waited} ms; tips are {tips:?}")]
    Stalled { waited: Millis, tips: Vec<u64> },
    #[error("node {node} is at height {height}, others at {others}, for {waited} ms")]
    Laggard { node: usize, height: Height, others: Height, waited: Millis },
    #[error("node {node} has {count} requests under way")]
    Requests { node: usize, count: usize },
    #[error("node {node} does not come to rest")]
    Restless { node: usize },
    #[error("node {node} stopped by itself: {text}")]
    Stopped { node: usize, text: String },
    #[error("panicked: {0}")]
    Panicked(String),
}
