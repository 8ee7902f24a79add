//! Tells the world, and looks around: what Casper 1.5's library cannot do.
//!
//! `call` makes the contract: the account's names `herald` and `herald_package`. It emits messages
//! on the topic `news`, and on those it opens.

#![no_std]

extern crate alloc;

use alloc::{borrow::ToOwned, collections::BTreeMap, string::String, vec, vec::Vec};

use casper_contract::{
    contract_api::{cryptography, runtime, storage},
    unwrap_or_revert::UnwrapOrRevert,
};
use casper_types::{
    ApiError, CLType, EntityEntryPoint, EntryPointAccess, EntryPointPayment, EntryPointType,
    EntryPoints, HashAlgorithm, Key, Parameter, PublicKey, RuntimeArgs, Signature,
    bytesrepr::FromBytes,
    contract_messages::MessageTopicOperation,
    contracts::{ContractPackageHash, NamedKeys},
    runtime_args,
};
use guest as _;

/// The signature is not good, or not of that key.
const WRONG_SIGNATURE: u16 = 1;

/// Makes the contract.
#[unsafe(no_mangle)]
pub extern "C" fn call() {
    let topics = BTreeMap::from([("news".to_owned(), MessageTopicOperation::Add)]);
    let (package, _) = storage::create_contract_package_at_hash();
    let (contract, _) = storage::add_contract_version(package, methods(), NamedKeys::new(), topics);
    runtime::put_key("herald", Key::Hash(contract.value()));
    runtime::put_key("herald_package", Key::Hash(package.value()));
}

fn methods() -> EntryPoints {
    let mut methods = EntryPoints::new();
    let rows: [(&str, &[(&str, CLType)]); 5] = [
        ("tell", &[("topic", CLType::String), ("text", CLType::String)]),
        ("open", &[("topic", CLType::String)]),
        ("look", &[]),
        ("check", &[("message", CLType::String)]),
        ("relay", &[("package", CLType::ByteArray(32))]),
    ];
    for (name, parameters) in rows {
        let parameters =
            parameters.iter().map(|(name, ty)| Parameter::new(*name, ty.clone())).collect();
        methods.add_entry_point(EntityEntryPoint::new(
            name,
            parameters,
            CLType::Unit,
            EntryPointAccess::Public,
            EntryPointType::Called,
            EntryPointPayment::Caller,
        ));
    }
    methods
}

/// Emits `text` on `topic`.
#[unsafe(no_mangle)]
pub extern "C" fn tell() {
    let topic: String = runtime::get_named_arg("topic");
    let text: String = runtime::get_named_arg("text");
    runtime::emit_message(&topic, &text.into()).unwrap_or_revert();
}

/// Opens a `topic`.
#[unsafe(no_mangle)]
pub extern "C" fn open() {
    let topic: String = runtime::get_named_arg("topic");
    runtime::manage_message_topic(&topic, MessageTopicOperation::Add).unwrap_or_revert();
}

/// Notes the block under `block`, as (height, parent, state), and the callers under `callers`, as
/// (who sent the deploy, kind of who called, how many there are).
#[unsafe(no_mangle)]
pub extern "C" fn look() {
    let height = runtime::get_block_height();
    let (parent, state) = (runtime::get_parent_block_hash(), runtime::get_state_hash());
    let block = (height, parent.value(), state.value());
    runtime::put_key("block", storage::new_uref(block).into());
    if runtime::get_addressable_entity() || runtime::get_protocol_version().value().major != 1 {
        runtime::revert(ApiError::InvalidArgument);
    }
    let sender = runtime::get_call_initiator().unwrap_or_revert();
    let caller = runtime::get_immediate_caller().unwrap_or_revert();
    let count = runtime::get_call_stack().len() as u64;
    runtime::put_key("callers", storage::new_uref((sender, caller.kind(), count)).into());
}

/// Checks that `signature` (bytes) of `message` is good and of `key`, and that a secp256k1 key can be
/// recovered from it; notes three hashes of the message under `hashes`, one after the other.
#[unsafe(no_mangle)]
pub extern "C" fn check() {
    let message: String = runtime::get_named_arg("message");
    let signature: Vec<u8> = runtime::get_named_arg("signature");
    let key: PublicKey = runtime::get_named_arg("key");
    let (signature, _) = Signature::from_bytes(&signature).unwrap_or_revert();
    let wrong = || ApiError::User(WRONG_SIGNATURE);
    cryptography::verify_signature(&message, &signature, &key)
        .unwrap_or_else(|_| runtime::revert(wrong()));
    if matches!(key, PublicKey::Secp256k1(_)) {
        let recovered = (0..4).any(|recovery| {
            cryptography::recover_secp256k1(&message, &signature, recovery).as_ref() == Ok(&key)
        });
        if !recovered {
            runtime::revert(wrong());
        }
    }
    let mut hashes = vec![];
    for algorithm in [HashAlgorithm::Blake2b, HashAlgorithm::Blake3, HashAlgorithm::Sha256] {
        hashes.extend(cryptography::generic_hash(&message, algorithm));
    }
    runtime::put_key("hashes", storage::new_uref(hashes).into());
}

/// Calls `entry_point` of a version of the scores: `package`, `major` and `version`, both optional,
/// `player`, `points`.
#[unsafe(no_mangle)]
pub extern "C" fn relay() {
    let package: [u8; 32] = runtime::get_named_arg("package");
    let major: Option<u32> = runtime::get_named_arg("major");
    let version: Option<u32> = runtime::get_named_arg("version");
    let entry_point: String = runtime::get_named_arg("entry_point");
    let player: String = runtime::get_named_arg("player");
    let points: u64 = runtime::get_named_arg("points");
    let args: RuntimeArgs = runtime_args! { "player" => player, "points" => points };
    let package = ContractPackageHash::new(package);
    runtime::call_package_version(package, major, version, &entry_point, args)
}
