//! Does a node hold what it says it holds? It is asked for the hash of a random block behind a
//! fresh nonce, which only the block's bytes give.

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_types::NetworkId;

use crate::{
    content::Cid,
    ids::{canonical, hash},
};

const DOMAIN: &[u8] = b"girrona/assembly/possession/1";

/// A question that only a holder answers, and only itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Challenge {
    /// Random, never used twice, chosen by whoever asks.
    pub nonce: [u8; 32],
    /// The block that is asked for.
    pub block: Cid,
}

/// The answer to a [`Challenge`].
pub type Proof = [u8; 32];

impl Challenge {
    /// Asks for a block of an assembly, picked by the nonce. `blocks` are its blocks in an order
    /// that whoever asks knows; `None` if there are none.
    pub fn pick(nonce: [u8; 32], blocks: &[Cid]) -> Option<Self> {
        let seed = hash(DOMAIN, &[b"pick", &nonce]);
        let (number, _) = seed.split_first_chunk()?;
        let index = u64::from_le_bytes(*number).checked_rem(blocks.len() as u64)?;
        let block = *blocks.get(usize::try_from(index).ok()?)?;
        Some(Self { nonce, block })
    }

    /// The answer of a node that has the block. The prover's key is in it, so that nobody can
    /// pass on another's answer.
    pub fn answer(&self, network: &NetworkId, prover: &[u8], block: &[u8]) -> Proof {
        let prover = canonical(&prover.to_vec());
        hash(DOMAIN, &[b"proof", network.as_bytes(), &canonical(self), &prover, block])
    }

    /// Whether the answer is right, for whoever has the block too.
    pub fn is_proven(
        &self,
        network: &NetworkId,
        prover: &[u8],
        block: &[u8],
        proof: &Proof,
    ) -> bool {
        self.block.names(block) && self.answer(network, prover, block) == *proof
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Codec;

    const NET: NetworkId = NetworkId([1; 32]);

    #[test]
    fn only_the_bytes_answer_and_only_for_whoever_is_asked() {
        let block = b"a block";
        let challenge = Challenge { nonce: [7; 32], block: Cid::of(Codec::Raw, block) };
        let proof = challenge.answer(&NET, b"bo", block);
        assert!(challenge.is_proven(&NET, b"bo", block, &proof));
        assert!(!challenge.is_proven(&NET, b"cy", block, &proof));
        assert!(!challenge.is_proven(&NetworkId([2; 32]), b"bo", block, &proof));
        let again = Challenge { nonce: [8; 32], ..challenge };
        assert!(!again.is_proven(&NET, b"bo", block, &proof));
        let guess = challenge.answer(&NET, b"bo", b"b block");
        assert!(!challenge.is_proven(&NET, b"bo", block, &guess));
    }

    #[test]
    fn every_block_may_be_asked_for() {
        let blocks: Vec<_> = (0..10_u8).map(|byte| Cid::of(Codec::Raw, &[byte])).collect();
        let asked: std::collections::BTreeSet<_> = (0..200_u8)
            .filter_map(|n| Challenge::pick([n; 32], &blocks))
            .map(|c| c.block)
            .collect();
        assert_eq!(asked.len(), 10);
        assert_eq!(Challenge::pick([0; 32], &[]), None);
    }
}
