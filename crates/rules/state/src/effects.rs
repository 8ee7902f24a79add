//! The effects of a deploy in Casper 1.5's form.
//!
//! Casper 1.5 shows the log of the deploy's operations in order, with an empty list of
//! `operations`; one key may appear several times. We do the same, except that a key which is read
//! often is listed as read once, so that a loop cannot make a result large.

use casper_types::{
    Key, StoredValue,
    execution::execution_result_v1::{ExecutionEffect, NamedKey, TransformKindV1, TransformV1},
};

use crate::{Delta, Operation};

/// Turns a view's journal into effects.
pub fn effects(journal: &[(Key, Operation)]) -> ExecutionEffect {
    let transforms = journal
        .iter()
        .map(|(key, operation)| TransformV1 {
            key: formatted(key),
            transform: transform(key, operation),
        })
        .collect();
    ExecutionEffect { operations: Vec::new(), transforms }
}

/// A key's text in Casper 1.5. Differs from `Key::to_formatted_string` for the registry of system
/// contracts, which later versions renamed.
pub fn formatted(key: &Key) -> String {
    match key {
        // Nearly every effect is about one of these, and every effect of every deploy is formatted.
        Key::Account(hash) => prefixed("account-hash-", &hash.value()),
        Key::Balance(purse) => prefixed("balance-", purse),
        Key::Hash(hash) => prefixed("hash-", hash),
        Key::Transfer(address) => prefixed("transfer-", &address.value()),
        Key::DeployInfo(hash) => prefixed("deploy-", &hash.inner().value()),
        _ => {
            let text = key.to_formatted_string();
            match text.strip_prefix("system-entity-registry-") {
                Some(rest) => format!("system-contract-registry-{rest}"),
                None => text,
            }
        }
    }
}

/// A prefix and an address in hex.
fn prefixed(prefix: &str, address: &[u8; 32]) -> String {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(address) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    let mut text = String::with_capacity(prefix.len().saturating_add(digits.len()));
    text.push_str(prefix);
    // Digits are always text.
    text.push_str(str::from_utf8(&digits).unwrap_or_default());
    text
}

const fn digit(number: u8) -> u8 {
    match number {
        0..=9 => b'0'.wrapping_add(number),
        _ => b'a'.wrapping_sub(10).wrapping_add(number),
    }
}

fn transform(key: &Key, operation: &Operation) -> TransformKindV1 {
    match operation {
        Operation::Read => TransformKindV1::Identity,
        Operation::Write(value) => write(value),
        Operation::Add(delta) => add(delta),
        Operation::Prune => TransformKindV1::Prune(*key),
    }
}

fn add(delta: &Delta) -> TransformKindV1 {
    match delta {
        Delta::I32(number) => TransformKindV1::AddInt32(*number),
        Delta::U64(number) => TransformKindV1::AddUInt64(*number),
        Delta::U128(number) => TransformKindV1::AddUInt128(*number),
        Delta::U256(number) => TransformKindV1::AddUInt256(*number),
        Delta::U512(number) => TransformKindV1::AddUInt512(*number),
        Delta::Keys(keys) => TransformKindV1::AddKeys(
            keys.iter()
                .map(|(name, key)| NamedKey { name: name.clone(), key: formatted(key) })
                .collect(),
        ),
    }
}

fn write(value: &StoredValue) -> TransformKindV1 {
    match value {
        StoredValue::CLValue(value) => TransformKindV1::WriteCLValue(value.clone()),
        StoredValue::Account(account) => TransformKindV1::WriteAccount(account.account_hash()),
        StoredValue::ContractWasm(_) => TransformKindV1::WriteContractWasm,
        StoredValue::Contract(_) => TransformKindV1::WriteContract,
        StoredValue::ContractPackage(_) => TransformKindV1::WriteContractPackage,
        StoredValue::Transfer(transfer) => TransformKindV1::WriteTransfer(transfer.clone()),
        StoredValue::DeployInfo(info) => TransformKindV1::WriteDeployInfo(info.clone()),
        StoredValue::EraInfo(info) => TransformKindV1::WriteEraInfo(info.clone()),
        StoredValue::Bid(bid) => TransformKindV1::WriteBid(bid.clone()),
        StoredValue::Withdraw(purses) => TransformKindV1::WriteWithdraw(purses.clone()),
        StoredValue::Unbonding(purses) => TransformKindV1::WriteUnbonding(purses.clone()),
        StoredValue::AddressableEntity(_) => TransformKindV1::WriteAddressableEntity,
        StoredValue::BidKind(kind) => TransformKindV1::WriteBidKind(kind.clone()),
        // Casper 1.5 has none of the others and this chain does not write them.
        other => TransformKindV1::Failure(format!("a {} has no 1.5 form", other.type_name())),
    }
}
