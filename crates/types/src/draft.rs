//! Making deploys: what a wallet does.

use casper_types::{
    Deploy, DeployHash, DeployHeader, Digest, ExecutableDeployItem, PublicKey, SecretKey, TimeDiff,
    Timestamp,
    bytesrepr::{self, ToBytes},
};

/// A deploy before it is signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// When it is made.
    pub timestamp: Timestamp,
    /// How long it may wait for a block.
    pub ttl: TimeDiff,
    /// Motes for one gas.
    pub gas_price: u64,
    /// Deploys that have to be executed before it.
    pub dependencies: Vec<DeployHash>,
    /// The network it is for.
    pub chain_name: String,
    /// How it is paid.
    pub payment: ExecutableDeployItem,
    /// What it does.
    pub session: ExecutableDeployItem,
}

impl Draft {
    /// Makes the deploy of `account` and signs it with `keys`.
    ///
    /// # Errors
    /// When payment or session have no byte form.
    pub fn sign_for(
        self,
        account: PublicKey,
        keys: &[&SecretKey],
    ) -> Result<Deploy, bytesrepr::Error> {
        let mut body = self.payment.to_bytes()?;
        self.session.write_bytes(&mut body)?;
        let header = DeployHeader::new(
            account,
            self.timestamp,
            self.ttl,
            self.gas_price,
            Digest::hash(body),
            self.dependencies,
            self.chain_name,
        );
        let hash = DeployHash::new(Digest::hash(header.to_bytes()?));
        let mut deploy = Deploy::new(hash, header, self.payment, self.session);
        for key in keys {
            deploy.sign(key);
        }
        Ok(deploy)
    }

    /// Makes and signs the deploy of the key's own account.
    ///
    /// # Errors
    /// When payment or session have no byte form.
    pub fn sign(self, key: &SecretKey) -> Result<Deploy, bytesrepr::Error> {
        self.sign_for(PublicKey::from(key), &[key])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::U512;

    #[test]
    fn what_is_drafted_and_signed_is_a_valid_deploy() {
        let key = SecretKey::ed25519_from_bytes([3; 32]).unwrap();
        let draft = Draft {
            timestamp: Timestamp::from(1_000),
            ttl: TimeDiff::from_seconds(60),
            gas_price: 1,
            dependencies: Vec::new(),
            chain_name: "girrona-dev".to_owned(),
            payment: ExecutableDeployItem::new_standard_payment(U512::one()),
            session: ExecutableDeployItem::new_module_bytes(
                vec![1].into(),
                casper_types::RuntimeArgs::new(),
            ),
        };
        let mut deploy = draft.clone().sign(&key).unwrap();
        assert_eq!(deploy.is_valid(), Ok(()));
        let other = SecretKey::secp256k1_from_bytes([4; 32]).unwrap();
        deploy.sign(&other);
        assert_eq!(deploy.is_valid(), Ok(()));
        let changed = Draft { gas_price: 2, ..draft }.sign(&key).unwrap();
        assert_ne!(changed.hash(), deploy.hash());
    }
}
