//! `girrona transfer`: a native transfer.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    ask,
    cli::TransferArgs,
    deploy,
    wallet::{self, TRANSFER_PAYMENT, Terms},
};

/// Makes, sends and, if asked to, follows a transfer.
pub(crate) async fn run(arguments: TransferArgs) -> Result<ExitCode> {
    let TransferArgs { to, amount, id, send } = arguments;
    let key = wallet::secret_key(&send.from)?;
    let client = ask::client(&send.node)?;
    let terms = Terms {
        chain_name: wallet::chain_name(&client).await?,
        ttl: send.ttl,
        dependencies: send.dependency,
        gas_price: 1,
        payment: TRANSFER_PAYMENT,
    };
    let session = wallet::transfer_to(&to, amount.motes(), id);
    let deploy = wallet::sign(&key, session, terms)?;
    deploy::send(client, deploy, send.wait, send.json).await
}
