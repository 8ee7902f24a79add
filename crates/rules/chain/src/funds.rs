//! Whether the deploys of one block can pay, seen before any of them is executed.
//!
//! An account needs MAX_PAYMENT_COST for each deploy, after the most that its earlier deploys in
//! the same block could take. So nothing is executed for free, and nobody fills a block with one
//! balance. Money that arrives in the same block is not counted.

use std::collections::BTreeMap;

use casper_types::{Deploy, U512, account::AccountHash};
use girrona_exec::{
    Signed, admission,
    admission::{Admission, AdmissionError},
};
use girrona_state::Reader;
use girrona_types::{Chainspec, deploy::ARG_AMOUNT};

/// What the accounts of a block's deploys have left at least.
#[derive(Debug, Default)]
pub(crate) struct Funds {
    left: BTreeMap<AccountHash, U512>,
}

impl Funds {
    /// Takes the most that `deploy` can cost from its account.
    ///
    /// # Errors
    /// The inner error when the account may not send it, or has too little left; the outer one
    /// when the state cannot be read.
    pub(crate) fn take(
        &mut self,
        signed: &Signed<'_>,
        state: &dyn Reader,
        law: &Chainspec,
    ) -> Admission<()> {
        let account = match admission::check_account(signed, state, law)? {
            Ok(account) => account,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let left = self.left.entry(account.account).or_insert(account.balance);
        if *left < law.core.penalty_payment {
            return Ok(Err(AdmissionError::Balance(account.account)));
        }
        *left = left.saturating_sub(most(signed.deploy, law));
        Ok(Ok(()))
    }
}

/// The most that a deploy can take from its account's main purse.
fn most(deploy: &Deploy, law: &Chainspec) -> U512 {
    let argument = |args: &casper_types::RuntimeArgs| {
        args.get(ARG_AMOUNT)
            .and_then(|value| value.clone().into_t::<U512>().ok())
            .unwrap_or_default()
    };
    let moved = argument(deploy.session().args());
    let paid = if deploy.session().is_transfer() {
        U512::from(law.system_costs.wasmless_transfer_cost)
    } else {
        argument(deploy.payment().args())
    };
    moved.saturating_add(paid).max(law.core.penalty_payment)
}
