//! The entry points of the system's contracts, as Casper 1.5 lists them.

use casper_types::{
    CLType, EntryPointAccess, EntryPointType, Parameter,
    contracts::{EntryPoint, EntryPoints},
};

use crate::system::Native;

/// Handle payment's methods that only the system may call.
pub(crate) const FINALIZE_PAYMENT: &str = "finalize_payment";
pub(crate) const DISTRIBUTE_ACCUMULATED_FEES: &str = "distribute_accumulated_fees";

type Row = (&'static str, Vec<(&'static str, CLType)>, CLType);

/// What a system contract can be asked.
pub(crate) fn of(native: Native) -> EntryPoints {
    let (rows, kind) = match native {
        Native::Mint => (mint(), EntryPointType::Called),
        Native::HandlePayment => (handle_payment(), EntryPointType::Called),
        Native::StandardPayment => (standard_payment(), EntryPointType::Caller),
        Native::Auction => (auction(), EntryPointType::Called),
    };
    let entry_point = |(name, parameters, returns): Row| {
        let parameter = |(name, ty)| Parameter::new(name, ty);
        EntryPoint::new(
            name,
            parameters.into_iter().map(parameter).collect(),
            returns,
            EntryPointAccess::Public,
            kind,
        )
    };
    rows.into_iter().map(entry_point).collect::<Vec<_>>().into()
}

fn option(ty: CLType) -> CLType {
    CLType::Option(Box::new(ty))
}

fn or_error(ok: CLType, err: CLType) -> CLType {
    CLType::Result { ok: Box::new(ok), err: Box::new(err) }
}

fn map(key: CLType, value: CLType) -> CLType {
    CLType::Map { key: Box::new(key), value: Box::new(value) }
}

fn mint() -> Vec<Row> {
    use CLType::{ByteArray, U8, U64, U512, URef, Unit};
    vec![
        ("mint", vec![("amount", U512)], or_error(URef, U8)),
        ("reduce_total_supply", vec![("amount", U512)], or_error(Unit, U8)),
        ("create", vec![], URef),
        ("balance", vec![("purse", URef)], option(U512)),
        (
            "transfer",
            vec![
                ("to", option(ByteArray(32))),
                ("source", URef),
                ("target", URef),
                ("amount", U512),
                ("id", option(U64)),
            ],
            or_error(Unit, U8),
        ),
        ("read_base_round_reward", vec![], U512),
        (
            "mint_into_existing_purse",
            vec![("amount", U512), ("existing_purse", URef)],
            or_error(Unit, U8),
        ),
    ]
}

fn handle_payment() -> Vec<Row> {
    use CLType::{ByteArray, U512, URef, Unit};
    vec![
        ("get_payment_purse", vec![], URef),
        ("set_refund_purse", vec![("purse", URef)], Unit),
        ("get_refund_purse", vec![], option(URef)),
        (FINALIZE_PAYMENT, vec![("amount", U512), ("account", ByteArray(32))], Unit),
        (DISTRIBUTE_ACCUMULATED_FEES, vec![], Unit),
    ]
}

fn standard_payment() -> Vec<Row> {
    vec![("pay", vec![("amount", CLType::U512)], or_error(CLType::Unit, CLType::U32))]
}

fn auction() -> Vec<Row> {
    use CLType::{PublicKey, U8, U64, U512, Unit};
    let weights = map(PublicKey, U512);
    let delegation = || vec![("delegator", PublicKey), ("validator", PublicKey), ("amount", U512)];
    let redelegation = delegation().into_iter().chain([("new_validator", PublicKey)]).collect();
    let bid = vec![("public_key", PublicKey), ("delegation_rate", U8), ("amount", U512)];
    vec![
        ("get_era_validators", vec![], option(weights)),
        ("add_bid", bid, U512),
        ("withdraw_bid", vec![("public_key", PublicKey), ("amount", U512)], U512),
        ("delegate", delegation(), U512),
        ("undelegate", delegation(), U512),
        ("redelegate", redelegation, U512),
        ("run_auction", vec![("era_end_timestamp_millis", U64)], Unit),
        ("slash", vec![], Unit),
        ("distribute", vec![("reward_factors", map(PublicKey, U64))], Unit),
        ("read_era_id", vec![], U64),
        ("activate_bid", vec![("validator_public_key", PublicKey)], Unit),
    ]
}
