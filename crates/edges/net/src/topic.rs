//! The gossip topics: their names, sizes, weights and message ids, and how a message came.
//!
//! Knows: strings and byte counts. Does not know: what a message means.

use girrona_assembly::message::Channel;
use libp2p::gossipsub;

use crate::spread::STAMP;

/// One gossip topic. Its name carries the network, so two networks never mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Batches of signed deploys.
    Deploys,
    /// Proposals: header and hashes, bodies are pulled.
    Blocks,
    /// Certificates of decided heights.
    Commits,
    /// Signatures over executed blocks.
    Finality,
    /// Votes and timeouts that could not go directly.
    Consensus,
    /// What assemblies there are: D_msg, updates, withdrawals.
    Announcements,
    /// Who holds which assemblies.
    Holdings,
    /// Executions that are asked for, E_msg, and cancelled.
    Executions,
}

/// How a gossip message came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// Pushed: by a mesh peer, by its author, or by a protected peer.
    Mesh,
    /// Asked for (IWANT) after a peer outside the mesh said that it has it (IHAVE).
    Iwant,
}

impl Route {
    /// The short name, as in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Mesh => "mesh",
            Self::Iwant => "iwant",
        }
    }
}

impl Topic {
    /// Every topic, in the order of their discriminants.
    pub const ALL: [Self; 8] = [
        Self::Deploys,
        Self::Blocks,
        Self::Commits,
        Self::Finality,
        Self::Consensus,
        Self::Announcements,
        Self::Holdings,
        Self::Executions,
    ];

    /// The largest message, in bytes.
    ///
    /// One deploy may be 1 MiB, hence 1.25 MiB for deploys; a proposal lists thousands of hashes
    /// with their approvals, hence 2 MiB for blocks. A certificate of 200 validators is about
    /// 17 KB, and so are finality signatures and the certificates inside consensus messages:
    /// 64 KiB leaves room. What is said about assemblies has its sizes from their rules.
    pub fn max_size(self) -> usize {
        match self {
            Self::Deploys => 1_280 << 10,
            Self::Blocks => 2 << 20,
            Self::Commits | Self::Finality | Self::Consensus => 64 << 10,
            Self::Announcements => Channel::Announcements.size_max(),
            Self::Holdings => Channel::Holdings.size_max(),
            Self::Executions => Channel::Executions.size_max(),
        }
    }

    /// The short name, as in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Deploys => "deploy",
            Self::Blocks => "block",
            Self::Commits => "commit",
            Self::Finality => "finality",
            Self::Consensus => "consensus",
            Self::Announcements => "announcement",
            Self::Holdings => "holding",
            Self::Executions => "execution",
        }
    }

    /// It is about assemblies: the chain's messages go before it.
    pub const fn is_assembly(self) -> bool {
        matches!(self, Self::Announcements | Self::Holdings | Self::Executions)
    }

    /// The name on the wire, such as `/girrona/1f3b9c00/deploy/2`.
    pub fn name(self, network: &str) -> String {
        format!("/girrona/{network}/{}/2", self.label())
    }

    pub(crate) fn hash(self, network: &str) -> gossipsub::TopicHash {
        gossipsub::IdentTopic::new(self.name(network)).hash()
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// The id under which a message is a duplicate: its content, without the time of its publication,
/// so that the same deploys published by two nodes travel once. Votes are the exception: one that is sent again is byte for byte the
/// same, and must not be swallowed by the duplicate cache, so theirs is (source, sequence number).
pub(crate) fn message_id(message: &gossipsub::Message, consensus: &gossipsub::TopicHash) -> Id {
    let mut hash = blake3::Hasher::new();
    let topic = message.topic.as_str().as_bytes();
    hash.update(&(topic.len() as u64).to_le_bytes());
    hash.update(topic);
    if message.topic == *consensus {
        if let Some(source) = message.source {
            hash.update(&source.to_bytes());
        }
        hash.update(&message.sequence_number.unwrap_or(0).to_le_bytes());
    } else {
        hash.update(message.data.get(STAMP..).unwrap_or(&message.data));
    }
    let digest = hash.finalize();
    Id::new(digest.as_bytes().split_at(20).0)
}

type Id = gossipsub::MessageId;

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;

    fn message(topic: Topic, seq: u64, data: &[u8]) -> gossipsub::Message {
        gossipsub::Message {
            source: Some(PeerId::random()),
            data: data.to_vec(),
            sequence_number: Some(seq),
            topic: topic.hash("n"),
        }
    }

    #[test]
    fn names_carry_network_kind_and_version() {
        assert_eq!(Topic::Deploys.name("1f3b9c00"), "/girrona/1f3b9c00/deploy/2");
        assert_eq!(Topic::Consensus.name("x"), "/girrona/x/consensus/2");
        for (place, topic) in Topic::ALL.into_iter().enumerate() {
            assert_eq!(topic.index(), place);
        }
    }

    #[test]
    fn equal_content_is_one_message_except_for_votes() {
        let consensus = Topic::Consensus.hash("n");
        let id = |m: &gossipsub::Message| message_id(m, &consensus);
        for topic in [Topic::Deploys, Topic::Blocks, Topic::Commits, Topic::Finality] {
            let first = message(topic, 1, b"12345678same");
            assert_eq!(id(&first), id(&message(topic, 2, b"abcdefghsame")), "published when");
            assert_ne!(id(&first), id(&message(topic, 1, b"12345678other")));
        }
        let vote = message(Topic::Consensus, 1, b"vote");
        let again = gossipsub::Message { sequence_number: Some(2), ..vote.clone() };
        assert_ne!(id(&vote), id(&again));
        assert_eq!(id(&vote), id(&vote.clone()));
        assert_ne!(
            id(&message(Topic::Deploys, 1, b"same")),
            id(&message(Topic::Blocks, 1, b"same"))
        );
    }
}
