//! A deploy with the signatures it is judged and executed by.

use std::collections::BTreeSet;

use casper_types::{
    Account, Approval, CLValueError, Deploy, PublicKey, RuntimeArgs, U512, account::AccountHash,
};

use crate::error::Failure;

/// A deploy and who signed it. Approvals are not part of a deploy's hash, so a block fixes them;
/// that is why they are not simply taken from the deploy.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// What is to be executed.
    pub deploy: &'a Deploy,
    /// The account it acts for.
    pub account: AccountHash,
    /// The accounts whose keys signed.
    pub signers: BTreeSet<AccountHash>,
}

impl<'a> Signed<'a> {
    /// A deploy with the approvals that a proposal names.
    pub fn new<'b>(deploy: &'a Deploy, approvals: impl IntoIterator<Item = &'b Approval>) -> Self {
        let sender = deploy.header().account();
        let account = sender.to_account_hash();
        let signers = approvals
            .into_iter()
            .map(|approval| match approval.signer() {
                // Nearly always the sender alone, whose hash is already there.
                signer if signer == sender => account,
                signer => signer.to_account_hash(),
            })
            .collect();
        Self { deploy, account, signers }
    }

    /// Whether the signers may send this deploy for its account.
    pub(crate) fn authorize(
        &self,
        account: &Account,
        administrators: &[PublicKey],
    ) -> Result<(), Failure> {
        if self.is_administrators(administrators) {
            return Ok(());
        }
        if !account.can_authorize(&self.signers) {
            return Err(Failure::Authorization);
        }
        if !account.can_deploy_with(&self.signers) {
            return Err(Failure::DeploymentAuthorization);
        }
        Ok(())
    }

    /// Whether somebody signed who may act for any account.
    fn is_administrators(&self, administrators: &[PublicKey]) -> bool {
        administrators.iter().any(|key| self.signers.contains(&key.to_account_hash()))
    }
}

impl<'a> From<&'a Deploy> for Signed<'a> {
    /// A deploy with the approvals it came with.
    fn from(deploy: &'a Deploy) -> Self {
        Self::new(deploy, deploy.approvals())
    }
}

/// What the `amount` argument allows code to take out of the main purse: nothing without one, or
/// when it is no number. Bytes that are not the number they claim to be are an error.
pub(crate) fn spending_limit(args: &RuntimeArgs) -> Result<U512, CLValueError> {
    args.try_get_number(girrona_types::deploy::ARG_AMOUNT)
}
