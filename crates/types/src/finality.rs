//! A validator's word that a block was executed with this result.

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::{
    BlockHash, EraId, FinalitySignatureV1, PublicKey, SecretKey, Signature, crypto,
};

use crate::bytes::casper;

/// Casper 1.5's finality signature: over the block hash and the era id as 8 little-endian bytes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FinalitySignature {
    /// The executed block.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub block: BlockHash,
    /// The block's era.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub era: EraId,
    /// Who signed.
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub public_key: PublicKey,
    /// The signature over [`FinalitySignature::message`].
    #[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]
    pub signature: Signature,
}

impl FinalitySignature {
    /// Signs a block.
    pub fn create(block: BlockHash, era: EraId, key: &SecretKey) -> Self {
        FinalitySignatureV1::create(block, era, key).into()
    }

    /// The bytes that are signed.
    pub fn message(block: &BlockHash, era: EraId) -> Vec<u8> {
        let mut message = block.inner().into_vec();
        message.extend_from_slice(&era.value().to_le_bytes());
        message
    }

    /// Whether the signature is the key's.
    pub fn is_valid(&self) -> bool {
        let message = Self::message(&self.block, self.era);
        crypto::verify(message, &self.signature, &self.public_key).is_ok()
    }
}

impl From<FinalitySignatureV1> for FinalitySignature {
    fn from(v1: FinalitySignatureV1) -> Self {
        Self {
            block: *v1.block_hash(),
            era: v1.era_id(),
            public_key: v1.public_key().clone(),
            signature: *v1.signature(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::Digest;

    #[test]
    fn a_signature_holds_for_its_block_and_era_only() {
        let key = SecretKey::ed25519_from_bytes([1; 32]).unwrap();
        let block = BlockHash::new(Digest::hash(b"block"));
        let mut signed = FinalitySignature::create(block, EraId::new(3), &key);
        assert!(signed.is_valid());
        signed.era = EraId::new(4);
        assert!(!signed.is_valid());
    }
}
