//! A block as clients see it: Casper's header and body, and the validators' signatures.

use casper_types::{BlockBodyV1, BlockHash, BlockHeaderV1, BlockV1, PublicKey, Signature};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A block with its finality signatures. Clients recompute its hash from header and body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonBlock {
    /// Hash of the header.
    pub hash: BlockHash,
    /// The header.
    pub header: BlockHeaderV1,
    /// Proposer and hashes of what was executed.
    pub body: BlockBodyV1,
    /// Finality signatures, as far as this node has them.
    pub proofs: Vec<JsonProof>,
}

/// One validator's signature of a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JsonProof {
    /// Who signed.
    pub public_key: PublicKey,
    /// Over the block hash and the era id.
    pub signature: Signature,
}

impl JsonBlock {
    /// Puts a block and its signatures together.
    pub fn new(block: BlockV1, proofs: Vec<(PublicKey, Signature)>) -> Self {
        let hash = *block.hash();
        let header = block.header().clone();
        let body = block.take_body();
        let proofs = proofs
            .into_iter()
            .map(|(public_key, signature)| JsonProof { public_key, signature })
            .collect();
        Self { hash, header, body, proofs }
    }

    /// The block as Casper's type; its hash is computed anew from the header.
    pub fn into_block(self) -> BlockV1 {
        BlockV1::new_from_header_and_body(self.header, self.body)
    }
}
