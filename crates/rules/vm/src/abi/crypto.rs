//! Hashes and signatures of bytes that the guest has; the host is not asked.
//!
//! Casper's library decides what a good signature is, here as everywhere.

use casper_types::{
    ApiError, Digest, HashAlgorithm, PublicKey, Signature, bytesrepr::ToBytes, crypto,
};
use sha2::{Digest as _, Sha256};

use super::guest::Call;
use crate::host::Answer;

/// Bytes of every digest.
const DIGEST_BYTES: u32 = 32;

impl Call<'_, '_> {
    pub(super) fn generic_hash(
        &mut self,
        [input, input_size, algorithm, target, target_size]: [u32; 5],
    ) -> Answer<()> {
        let algorithm =
            u8::try_from(algorithm).ok().and_then(|it| HashAlgorithm::try_from(it).ok());
        let Some(algorithm) = algorithm else {
            return Ok(Err(ApiError::InvalidArgument));
        };
        let input = self.memory.slice(input, input_size)?;
        let digest: [u8; 32] = match algorithm {
            HashAlgorithm::Blake2b => Digest::hash(input).value(),
            HashAlgorithm::Blake3 => blake3::hash(input).into(),
            HashAlgorithm::Sha256 => Sha256::digest(input).into(),
        };
        if target_size < DIGEST_BYTES {
            return Ok(Err(ApiError::BufferTooSmall));
        }
        self.memory.write(target, &digest)?;
        Ok(Ok(()))
    }

    /// The key that made a secp256k1 signature, as a tag and 33 bytes.
    pub(super) fn recover_secp256k1(
        &mut self,
        [message, message_size, signature, signature_size, target, recovery]: [u32; 6],
    ) -> Answer<()> {
        let Some(recovery) = u8::try_from(recovery).ok().filter(|recovery| *recovery < 4) else {
            return Ok(Err(ApiError::InvalidArgument));
        };
        let message = self.memory.slice(message, message_size)?;
        let signature: Signature = self.memory.decode(signature, signature_size)?;
        let Ok(key) = crypto::recover_secp256k1(message, &signature, recovery) else {
            return Ok(Err(ApiError::InvalidArgument));
        };
        self.memory.write(target, &key.to_bytes()?)?;
        Ok(Ok(()))
    }

    pub(super) fn verify_signature(
        &self,
        [message, message_size, signature, signature_size, key, key_size]: [u32; 6],
    ) -> Answer<()> {
        let message = self.memory.slice(message, message_size)?;
        let signature: Signature = self.memory.decode(signature, signature_size)?;
        let key: PublicKey = self.memory.decode(key, key_size)?;
        let verified = crypto::verify(message, &signature, &key);
        Ok(verified.map_err(|_| ApiError::InvalidArgument))
    }
}
