//! Randomness that the seed decides: the same on every node.

/// BLAKE3 in the context below over the seed, as long as it is wanted.
pub(crate) struct Random(blake3::OutputReader);

const CONTEXT: &str = "girrona/assembly/random/1";

impl Random {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(blake3::Hasher::new_derive_key(CONTEXT).update(seed).finalize_xof())
    }

    pub(crate) fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill(buffer);
    }

    pub(crate) fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_stream_however_it_is_read() {
        let (mut at_once, mut in_parts) = (Random::new(&[7; 32]), Random::new(&[7; 32]));
        let mut whole = [0; 40];
        at_once.fill(&mut whole);
        let first = in_parts.number();
        let mut rest = [0; 32];
        in_parts.fill(&mut rest);
        assert_eq!(whole[..8], first.to_le_bytes());
        assert_eq!(whole[8..], rest);
        assert_ne!(Random::new(&[8; 32]).number(), first);
        // What the specification says: another library has to come to the same.
        assert_eq!(hex::encode(first.to_le_bytes()), "19db6ed67c5ff6d4");
    }
}
