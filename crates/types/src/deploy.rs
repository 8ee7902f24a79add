//! What can be said about a deploy by looking at it alone, with the law and a clock.
//!
//! The texts are those of casper-node 1.5.8 where it has the rule; clients match on them. What
//! depends on state (accounts, balances, contracts) is judged elsewhere.

use casper_types::{
    Deploy, ExecutableDeployItem, InvalidDeploy, RuntimeArgs, TimeDiff, Timestamp, U512,
    bytesrepr::ToBytes,
};
use thiserror::Error;

use crate::chainspec::Chainspec;

/// Name of the argument that says how much.
pub const ARG_AMOUNT: &str = "amount";
/// Name of the argument that says to whom.
pub const ARG_TARGET: &str = "target";

/// Why a deploy is no valid deploy of this network, whatever the state.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Too many bytes.
    #[error("deploy size too large: deploy size of {actual} bytes exceeds limit of {max}")]
    Size {
        /// What it has.
        actual: usize,
        /// What it may have.
        max: u32,
    },
    /// For another network.
    #[error("invalid chain name: expected {expected}, got {got}")]
    ChainName {
        /// This network.
        expected: String,
        /// What the deploy says.
        got: String,
    },
    /// Waits for too many others.
    #[error("{got} dependencies exceeds limit of {max}")]
    Dependencies {
        /// What it has.
        got: usize,
        /// What it may have.
        max: u8,
    },
    /// Wants to live too long.
    #[error("time-to-live of {got} exceeds limit of {max}")]
    TimeToLive {
        /// What it wants.
        got: TimeDiff,
        /// What is allowed.
        max: TimeDiff,
    },
    /// From the future.
    #[error(
        "timestamp of {timestamp} is later than node's validation timestamp of {now} plus leeway of {leeway}"
    )]
    Future {
        /// What it says.
        timestamp: Timestamp,
        /// The judge's clock.
        now: Timestamp,
        /// How much is tolerated.
        leeway: TimeDiff,
    },
    /// Too many signatures.
    #[error("number of associated keys {got} exceeds the maximum {max}")]
    Approvals {
        /// What it has.
        got: usize,
        /// What it may have.
        max: u32,
    },
    /// Payment without an amount. The blank at the end is Casper's.
    #[error("missing payment 'amount' runtime argument ")]
    MissingPaymentAmount,
    /// Payment with an amount that is no U512.
    #[error("failed to parse payment 'amount' as U512")]
    PaymentAmount,
    /// More than a block can hold.
    #[error("payment amount of {got} exceeds the block gas limit of {limit}")]
    BlockGasLimit {
        /// What it offers to pay.
        got: Box<U512>,
        /// What fits into a block.
        limit: u64,
    },
    /// Payment arguments too long.
    #[error("serialized payment code runtime args of {got} exceeds limit of {max}")]
    PaymentArgs {
        /// Their bytes.
        got: usize,
        /// Allowed bytes.
        max: u32,
    },
    /// Session arguments too long.
    #[error("serialized session code runtime args of {got} exceeds limit of {max}")]
    SessionArgs {
        /// Their bytes.
        got: usize,
        /// Allowed bytes.
        max: u32,
    },
    /// Transfer without an amount.
    #[error("missing transfer 'amount' runtime argument")]
    MissingTransferAmount,
    /// Transfer with an amount that is no U512.
    #[error("failed to parse transfer 'amount' as U512")]
    TransferAmount,
    /// Transfer of too little.
    #[error("insufficient transfer amount; minimum: {minimum} attempted: {attempted}")]
    TransferMinimum {
        /// The least.
        minimum: u64,
        /// What it tries.
        attempted: Box<U512>,
    },
    /// A gas price of zero makes every gas limit infinite.
    #[error("gas price of 0 is not allowed; use 1")]
    GasPrice,
    /// A payment that does not buy the least that running code costs.
    #[error("payment amount of {got} is too small; running code costs at least {least} motes")]
    LittlePaid {
        /// What it offers to pay.
        got: Box<U512>,
        /// The least.
        least: u64,
    },
    /// Payment by transfer.
    #[error("transfer is not valid for payment code")]
    TransferAsPayment,
    /// Nothing to run.
    #[error("module bytes for session code cannot be empty")]
    EmptySession,
    /// Transfer to nobody.
    #[error("missing transfer 'target' runtime argument")]
    MissingTarget,
    /// Hashes or signatures do not hold.
    #[error("{0}")]
    Crypto(Box<InvalidDeploy>),
}

impl Fault {
    /// Casper puts `invalid deploy: ` before the faults that it finds while checking a deploy's
    /// configuration and signatures, but not before those of its payment and session code.
    pub fn message(&self) -> String {
        if self.is_of_parameters() { self.to_string() } else { format!("invalid deploy: {self}") }
    }

    /// Whether the fault is in payment or session code; Casper then also names the state in which
    /// it looked.
    pub const fn is_of_parameters(&self) -> bool {
        matches!(self, Self::TransferAsPayment | Self::EmptySession | Self::MissingTarget)
    }

    /// Whether the fault may be gone later, so that a peer who sent the deploy is not to blame.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Future { .. })
    }
}

/// Checks everything but the signatures: cheap.
///
/// # Errors
/// The first rule of `law` that the deploy breaks, in the order of casper-node 1.5.8.
pub fn check_form(deploy: &Deploy, law: &Chainspec, now: Timestamp) -> Result<(), Fault> {
    let limits = &law.deploys;
    let size = deploy.serialized_length();
    if size > limits.max_deploy_size as usize {
        return Err(Fault::Size { actual: size, max: limits.max_deploy_size });
    }
    if deploy.chain_name() != law.network.name {
        let expected = law.network.name.clone();
        return Err(Fault::ChainName { expected, got: deploy.chain_name().to_owned() });
    }
    let header = deploy.header();
    if header.dependencies().len() > usize::from(limits.max_dependencies) {
        let got = header.dependencies().len();
        return Err(Fault::Dependencies { got, max: limits.max_dependencies });
    }
    if header.ttl() > limits.max_ttl {
        return Err(Fault::TimeToLive { got: header.ttl(), max: limits.max_ttl });
    }
    let leeway = limits.timestamp_leeway;
    if header.timestamp() > now.saturating_add(leeway) {
        return Err(Fault::Future { timestamp: header.timestamp(), now, leeway });
    }
    let approvals = deploy.approvals().len();
    if approvals > law.core.max_associated_keys as usize {
        return Err(Fault::Approvals { got: approvals, max: law.core.max_associated_keys });
    }
    if header.gas_price() == 0 {
        return Err(Fault::GasPrice);
    }
    check_payment(deploy, law)?;
    check_session(deploy, law)
}

fn check_payment(deploy: &Deploy, law: &Chainspec) -> Result<(), Fault> {
    let limits = &law.deploys;
    if !deploy.session().is_transfer() {
        let amount = amount(deploy.payment().args(), Fault::MissingPaymentAmount)?
            .ok_or(Fault::PaymentAmount)?;
        if amount > U512::from(limits.block_gas_limit) {
            let got = Box::new(amount);
            return Err(Fault::BlockGasLimit { got, limit: limits.block_gas_limit });
        }
        if deploy.payment().is_transfer() {
            return Err(Fault::TransferAsPayment);
        }
        // What payment code will pay is only known when it has run.
        let least = if is_standard(deploy.payment()) { law.least_charge() } else { 0 }.max(1);
        if amount < U512::from(least) {
            return Err(Fault::LittlePaid { got: Box::new(amount), least });
        }
    }
    let got = deploy.payment().args().serialized_length();
    if got > limits.payment_args_max_length as usize {
        return Err(Fault::PaymentArgs { got, max: limits.payment_args_max_length });
    }
    Ok(())
}

/// Whether the main purse simply pays `amount`.
fn is_standard(payment: &ExecutableDeployItem) -> bool {
    matches!(
        payment,
        ExecutableDeployItem::ModuleBytes { module_bytes, .. } if module_bytes.is_empty()
    )
}

fn check_session(deploy: &Deploy, law: &Chainspec) -> Result<(), Fault> {
    let limits = &law.deploys;
    let session = deploy.session();
    let got = session.args().serialized_length();
    if got > limits.session_args_max_length as usize {
        return Err(Fault::SessionArgs { got, max: limits.session_args_max_length });
    }
    if session.is_transfer() {
        let attempted =
            amount(session.args(), Fault::MissingTransferAmount)?.ok_or(Fault::TransferAmount)?;
        let minimum = limits.native_transfer_minimum_motes;
        if attempted < U512::from(minimum) {
            return Err(Fault::TransferMinimum { minimum, attempted: Box::new(attempted) });
        }
        if session.args().get(ARG_TARGET).is_none() {
            return Err(Fault::MissingTarget);
        }
    } else if let ExecutableDeployItem::ModuleBytes { module_bytes, .. } = session
        && module_bytes.is_empty()
    {
        return Err(Fault::EmptySession);
    }
    Ok(())
}

/// The `amount` argument: `missing` when there is none, `None` when it is no U512.
fn amount(args: &RuntimeArgs, missing: Fault) -> Result<Option<U512>, Fault> {
    let value = args.get(ARG_AMOUNT).ok_or(missing)?;
    Ok(value.clone().into_t::<U512>().ok())
}

/// Checks hashes and every signature: about 40 microseconds for each approval.
///
/// # Errors
/// What casper-types finds first.
pub fn check_crypto(deploy: &Deploy) -> Result<(), Fault> {
    deploy.is_valid().map_err(|error| Fault::Crypto(Box::new(error)))
}

/// When the deploy can no longer be in a block.
#[must_use]
pub fn expires_at(deploy: &Deploy) -> Timestamp {
    deploy.header().timestamp().saturating_add(deploy.header().ttl())
}

/// The gas that a deploy asks a block to hold for it: what it offers to pay, at its price.
/// Zero for native transfers, which have a fixed price.
#[must_use]
pub fn gas_asked(deploy: &Deploy) -> U512 {
    if deploy.session().is_transfer() {
        return U512::zero();
    }
    let paid = amount(deploy.payment().args(), Fault::MissingPaymentAmount).ok().flatten();
    let price = U512::from(deploy.header().gas_price());
    paid.and_then(|motes| motes.checked_div(price)).unwrap_or_default()
}
