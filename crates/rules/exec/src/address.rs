//! Addresses that a deploy makes: URefs, purses, transfers, random bytes.
//!
//! Each follows from the deploy's hash, the phase and a counter within it, so deploys never wait
//! for each other to know their addresses. Nobody can choose one, and two phases never meet.

use casper_types::{DeployHash, Phase};
use girrona_types::keys::derived_address;

/// Hands out the addresses of one phase of one deploy.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    deploy: [u8; 32],
    phase: Phase,
    next: u64,
    random: u64,
}

impl Addresses {
    /// The addresses of `phase` of `deploy`, from the first one.
    pub(crate) const fn new(deploy: [u8; 32], phase: Phase) -> Self {
        Self { deploy, phase, next: 0, random: 0 }
    }

    /// The addresses of `phase` of a deploy.
    pub(crate) fn of(deploy: &DeployHash, phase: Phase) -> Self {
        Self::new(deploy.inner().value(), phase)
    }

    /// An address that was never used.
    pub(crate) fn next(&mut self) -> [u8; 32] {
        let domain = match self.phase {
            Phase::System => "girrona/address/system",
            Phase::Payment => "girrona/address/payment",
            Phase::Session => "girrona/address/session",
            Phase::FinalizePayment => "girrona/address/finalization",
        };
        let address = derived_address(domain, &self.deploy, self.next);
        // Each address costs gas or a block's space; nobody gets near the end of the counter.
        self.next = self.next.wrapping_add(1);
        address
    }

    /// Bytes that look random and are the same on every node.
    pub(crate) fn random_bytes(&mut self) -> [u8; 32] {
        let domain = match self.phase {
            Phase::System => "girrona/random/system",
            Phase::Payment => "girrona/random/payment",
            Phase::Session => "girrona/random/session",
            Phase::FinalizePayment => "girrona/random/finalization",
        };
        let bytes = derived_address(domain, &self.deploy, self.random);
        self.random = self.random.wrapping_add(1);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_deploys_and_random_bytes_never_share_an_address() {
        let mut seen = std::collections::BTreeSet::new();
        for deploy in [[1; 32], [2; 32]] {
            for phase in [Phase::Payment, Phase::Session] {
                let mut addresses = Addresses::new(deploy, phase);
                for _ in 0..3 {
                    assert!(seen.insert(addresses.next()));
                    assert!(seen.insert(addresses.random_bytes()));
                }
            }
        }
    }
}
