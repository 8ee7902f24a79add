//! What each host function does, and what it does with pointers, sizes and bytes that lie.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use casper_types::account::AccountHash;
use casper_types::bytesrepr::{FromBytes, ToBytes};
use casper_types::contract_messages::{MessagePayload, MessageTopicOperation};
use casper_types::contracts::EntryPoints;
use casper_types::{
    CLValue, Key, NamedKeys, PublicKey, SecretKey, Signature, U512, addressable_entity, crypto,
    runtime_args,
};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::Outcome;
use girrona_vm::abi::{Function, Guest, Prices};

use crate::host::{ACCOUNT, CONTRACT, MAIN_PURSE, PACKAGE, World};
use crate::{PLENTY, run_text};

/// Size of the guest's memory here.
pub(crate) const MEMORY: u32 = 0x1_0000;

/// One argument of a call.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    /// Bytes in memory: a pointer and a size.
    In(Vec<u8>),
    /// Room for a result: a pointer.
    Out(u32),
    /// Room for a result: a pointer and a size.
    Room(u32),
    /// A number.
    Number(u32),
}

pub(crate) fn bytes(value: impl ToBytes) -> Arg {
    Arg::In(value.to_bytes().unwrap())
}

pub(crate) fn raw(text: &str) -> Arg {
    Arg::In(text.as_bytes().to_vec())
}

pub(crate) fn value(value: impl ToBytes + casper_types::CLTyped) -> Arg {
    bytes(CLValue::from_t(value).unwrap())
}

/// A guest in a world, its memory, and where its next argument goes.
pub(crate) struct Session<'w> {
    pub(crate) guest: Guest<'w>,
    pub(crate) memory: Vec<u8>,
    pub(crate) free: u32,
}

/// The answer to a call: its result and what is in each room.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) result: i32,
    pub(crate) rooms: Vec<Vec<u8>>,
}

impl<'w> Session<'w> {
    pub(crate) fn new(world: &'w mut World) -> Self {
        let prices = Arc::new(Prices::new(&WasmConfig::default().host_function_costs));
        let guest = Guest::new(world, prices, PLENTY);
        Self { guest, memory: vec![0xaa; MEMORY as usize], free: 16 }
    }

    /// Lays arguments out in memory.
    pub(crate) fn lay(&mut self, args: &[Arg]) -> (Vec<u32>, Vec<(u32, u32)>) {
        let (mut raw, mut rooms) = (Vec::new(), Vec::new());
        for arg in args {
            let size = match arg {
                Arg::In(bytes) => {
                    let at = self.free as usize;
                    self.memory[at..at + bytes.len()].copy_from_slice(bytes);
                    raw.extend([self.free, bytes.len() as u32]);
                    bytes.len() as u32
                }
                Arg::Out(size) => {
                    raw.push(self.free);
                    rooms.push((self.free, *size));
                    *size
                }
                Arg::Room(size) => {
                    raw.extend([self.free, *size]);
                    rooms.push((self.free, *size));
                    *size
                }
                Arg::Number(number) => {
                    raw.push(*number);
                    0
                }
            };
            self.free += size + 16;
        }
        (raw, rooms)
    }

    pub(crate) fn call(&mut self, function: Function, args: &[Arg]) -> Answer {
        let (raw, rooms) = self.lay(args);
        let before = self.memory.clone();
        let result = self
            .raw(function, &raw)
            .unwrap_or_else(|()| panic!("{function:?} {args:?} stopped the guest"));
        // Nothing outside the rooms may change.
        for (at, (old, new)) in before.iter().zip(&self.memory).enumerate() {
            let in_room =
                rooms.iter().any(|(from, size)| (*from..from + size).contains(&(at as u32)));
            assert!(old == new || in_room, "{function:?} wrote to byte {at}, outside its rooms");
        }
        let rooms = rooms
            .iter()
            .map(|(from, size)| self.memory[*from as usize..(from + size) as usize].to_vec())
            .collect();
        Answer { result, rooms }
    }

    pub(crate) fn raw(&mut self, function: Function, raw: &[u32]) -> Result<i32, ()> {
        let remaining = self.guest.remaining();
        self.guest
            .call(function, raw, &mut self.memory, remaining)
            .map(|reply| reply.result)
            .map_err(|_| ())
    }

    /// Fetches what waits in the host buffer.
    pub(crate) fn fetch<T: FromBytes>(&mut self, size: u32) -> T {
        let answer = self.call(Function::ReadHostBuffer, &[Arg::Room(size), Arg::Out(4)]);
        assert_eq!(answer.result, 0);
        assert_eq!(number(&answer.rooms[1]), size);
        casper_types::bytesrepr::deserialize_from_slice(&answer.rooms[0]).unwrap()
    }

    pub(crate) fn finish(self) -> Outcome {
        let remaining = self.guest.remaining();
        self.guest.finish(Ok(()), remaining)
    }
}

pub(crate) fn number(room: &[u8]) -> u32 {
    u32::from_le_bytes(room.try_into().unwrap())
}

pub(crate) fn trap_of(world: &mut World, function: Function, args: &[Arg]) -> String {
    let mut session = Session::new(world);
    let (raw, _) = session.lay(args);
    let answer = session.raw(function, &raw);
    assert!(answer.is_err(), "{function:?} {args:?} answered {answer:?}");
    session.finish().result.unwrap_err().to_string()
}

/// A world with something of everything.
pub(crate) fn furnished() -> World {
    let mut world = World::new().arg("amount", U512::from(5));
    world.values.insert(MAIN_PURSE.addr(), CLValue::from_t(0_u64).unwrap());
    world.named_keys.insert("purse".to_owned(), Key::URef(MAIN_PURSE));
    world.groups.insert("users".to_owned(), BTreeSet::from([MAIN_PURSE]));
    world.topics.insert("events".to_owned(), Vec::new());
    world.items.insert((MAIN_PURSE.addr(), "item".to_owned()), CLValue::from_t(8_u64).unwrap());
    world
}

/// A call of each served function that ends well in a furnished world.
pub(crate) fn good_calls() -> Vec<(Function, Vec<Arg>)> {
    use Function as F;
    let purse = || bytes(MAIN_PURSE);
    let key = || bytes(Key::URef(MAIN_PURSE));
    let account = || bytes(AccountHash::new([9; 32]));
    let amount = || bytes(U512::from(10));
    let id = || bytes(Some(1_u64));
    let item = Key::dictionary(MAIN_PURSE, b"item");
    let package = || bytes(PACKAGE);
    let urefs = || bytes(BTreeSet::from([MAIN_PURSE]));
    let args = || bytes(runtime_args! { "value" => 5_u64 });
    vec![
        (F::ReadValue, vec![key(), Arg::Out(4)]),
        (F::Write, vec![key(), value(1_u64)]),
        (F::Add, vec![key(), value(1_u64)]),
        (F::NewUref, vec![Arg::Out(33), value(1_u64)]),
        (F::LoadNamedKeys, vec![Arg::Out(4), Arg::Out(4)]),
        (F::GetKey, vec![bytes("purse"), Arg::Room(34), Arg::Out(4)]),
        (F::HasKey, vec![bytes("purse")]),
        (F::PutKey, vec![bytes("name"), key()]),
        (F::RemoveKey, vec![bytes("purse")]),
        (F::GetCaller, vec![Arg::Out(4)]),
        (F::GetBlocktime, vec![Arg::Out(8)]),
        (F::IsValidUref, vec![purse()]),
        (F::AddAssociatedKey, vec![account(), Arg::Number(1)]),
        (F::RemoveAssociatedKey, vec![bytes(ACCOUNT)]),
        (F::UpdateAssociatedKey, vec![bytes(ACCOUNT), Arg::Number(2)]),
        (F::SetActionThreshold, vec![Arg::Number(0), Arg::Number(1)]),
        (F::CreatePurse, vec![Arg::Room(33)]),
        (F::TransferToAccount, vec![account(), amount(), id(), Arg::Out(4)]),
        (F::TransferFromPurseToAccount, vec![purse(), account(), amount(), id(), Arg::Out(4)]),
        (F::TransferFromPurseToPurse, vec![purse(), purse(), amount(), id()]),
        (F::GetBalance, vec![purse(), Arg::Out(4)]),
        (F::GetPhase, vec![Arg::Out(1)]),
        (F::GetSystemContract, vec![Arg::Number(0), Arg::Room(32)]),
        (F::GetMainPurse, vec![Arg::Out(33)]),
        (F::GetNamedArgSize, vec![raw("amount"), Arg::Out(4)]),
        (F::GetNamedArg, vec![raw("amount"), Arg::Room(2)]),
        (F::Blake2b, vec![raw("anything"), Arg::Room(32)]),
        (F::LoadCallStack, vec![Arg::Out(4), Arg::Out(4)]),
        (F::LoadAuthorizationKeys, vec![Arg::Out(4), Arg::Out(4)]),
        (F::NewDictionary, vec![Arg::Out(4)]),
        (F::DictionaryGet, vec![purse(), raw("item"), Arg::Out(4)]),
        (F::DictionaryPut, vec![purse(), raw("item"), value(9_u64)]),
        (F::DictionaryRead, vec![bytes(item), Arg::Out(4)]),
        (F::RandomBytes, vec![Arg::Room(32)]),
        (F::CreateContractPackageAtHash, vec![Arg::Out(32), Arg::Out(32), Arg::Number(1)]),
        (
            F::CreateContractUserGroup,
            vec![package(), bytes("new"), Arg::Number(2), urefs(), Arg::Out(4)],
        ),
        (
            F::AddContractVersion,
            vec![
                package(),
                Arg::Out(4),
                bytes(EntryPoints::new_with_default_entry_point()),
                bytes(NamedKeys::new()),
                Arg::Room(32),
                Arg::Out(4),
            ],
        ),
        (F::DisableContractVersion, vec![package(), bytes(CONTRACT)]),
        (F::EnableContractVersion, vec![package(), bytes(CONTRACT)]),
        (F::CallContract, vec![bytes(CONTRACT), bytes("echo"), args(), Arg::Out(4)]),
        (
            F::CallVersionedContract,
            vec![package(), bytes(Some(1_u32)), bytes("echo"), args(), Arg::Out(4)],
        ),
        (F::RemoveContractUserGroup, vec![package(), bytes("users")]),
        (F::ProvisionContractUserGroupUref, vec![package(), bytes("users"), Arg::Out(4)]),
        (F::RemoveContractUserGroupUrefs, vec![package(), bytes("users"), urefs()]),
    ]
    .into_iter()
    .chain(good_calls_of_2())
    .collect()
}

/// The same for what Casper 1.5 does not have.
fn good_calls_of_2() -> Vec<(Function, Vec<Arg>)> {
    use Function as F;
    let (message, signature, key, recovery) = signed();
    let package = || bytes(PACKAGE);
    let args = || bytes(runtime_args! { "value" => 5_u64 });
    let topics = BTreeMap::from([("news".to_owned(), MessageTopicOperation::Add)]);
    let entry_points = addressable_entity::EntryPoints::new_with_default_entry_point();
    let hello = MessagePayload::from("hello");
    vec![
        (
            F::AddContractVersionWithMessageTopics,
            vec![
                package(),
                Arg::Out(4),
                bytes(entry_points),
                bytes(NamedKeys::new()),
                bytes(topics),
                Arg::Room(32),
            ],
        ),
        (F::ManageMessageTopic, vec![raw("letters"), bytes(MessageTopicOperation::Add)]),
        (F::EmitMessage, vec![raw("events"), bytes(hello)]),
        (F::LoadCallerInformation, vec![Arg::Number(2), Arg::Out(4), Arg::Out(4)]),
        (F::GetBlockInfo, vec![Arg::Number(1), Arg::Out(8)]),
        (F::GenericHash, vec![raw("anything"), Arg::Number(1), Arg::Room(32)]),
        (
            F::RecoverSecp256k1,
            vec![raw(message), bytes(signature), Arg::Out(34), Arg::Number(recovery)],
        ),
        (F::VerifySignature, vec![raw(message), bytes(signature), bytes(key)]),
        (
            F::CallPackageVersion,
            vec![
                package(),
                bytes(Some(1_u32)),
                bytes(Some(1_u32)),
                bytes("echo"),
                args(),
                Arg::Out(4),
            ],
        ),
    ]
}

/// A message, a secp256k1 signature of it, who signed, and what the signature leaves open.
pub(crate) fn signed() -> (&'static str, Signature, PublicKey, u32) {
    let message = "pay to the bearer";
    let secret = SecretKey::secp256k1_from_bytes([9; 32]).unwrap();
    let key = PublicKey::from(&secret);
    let signature = crypto::sign(message, &secret, &key);
    let fits = |recovery: &u8| {
        crypto::recover_secp256k1(message, &signature, *recovery).is_ok_and(|found| found == key)
    };
    let recovery = (0..4).find(fits).unwrap();
    (message, signature, key, recovery.into())
}

/// Those that end the guest, the host buffer, and what only the system may do.
const OTHERS: [Function; 5] = [
    Function::Ret,
    Function::Revert,
    Function::ReadHostBuffer,
    Function::RecordTransfer,
    Function::RecordEraInfo,
];

#[test]
fn the_table_of_good_calls_names_every_served_function_once() {
    let served: Vec<Function> = good_calls().into_iter().map(|(function, _)| function).collect();
    for function in Function::all() {
        let times = served.iter().chain(&OTHERS).filter(|named| **named == function).count();
        assert_eq!(times, 1, "{function:?}");
    }
}

#[test]
fn every_served_function_answers_a_good_call() {
    for (function, args) in good_calls() {
        let mut world = furnished();
        let mut session = Session::new(&mut world);
        let (raw, _) = session.lay(&args);
        assert_eq!(raw.len() as u32, function.params(), "{function:?}");
        let before = session.guest.remaining();
        let result = session.call(function, &args).result;
        let expected = i32::from(function == Function::IsValidUref);
        assert_eq!(result, expected, "{function:?}");
        assert!(session.guest.remaining() < before, "{function:?} is free");
        assert!(session.finish().result.is_ok(), "{function:?}");
    }
}

#[test]
fn a_pointer_outside_the_memory_stops_the_guest_whatever_the_function() {
    for (function, args) in good_calls() {
        for (at, arg) in args.iter().enumerate() {
            let size = match arg {
                Arg::In(bytes) => bytes.len() as u32,
                Arg::Out(size) | Arg::Room(size) => *size,
                Arg::Number(_) => continue,
            };
            for pointer in [u32::MAX, MEMORY, MEMORY - size + 1, u32::MAX - size, 0x8000_0000] {
                let mut world = furnished();
                let mut session = Session::new(&mut world);
                let (mut raw, _) = session.lay(&args);
                let index = args[..at]
                    .iter()
                    .map(|arg| 1 + usize::from(matches!(arg, Arg::In(_) | Arg::Room(_))))
                    .sum::<usize>();
                raw[index] = pointer;
                let answer = session.raw(function, &raw);
                assert!(answer.is_err(), "{function:?} argument {at} at {pointer}: {answer:?}");
                let trap = session.finish().result.unwrap_err().to_string();
                assert!(
                    trap.starts_with("Interpreter error: trying to access region ["),
                    "{function:?} argument {at} at {pointer}: {trap}"
                );
            }
        }
    }
}

#[test]
fn a_size_that_lies_never_succeeds_and_never_allocates() {
    for (function, args) in good_calls() {
        for (at, arg) in args.iter().enumerate() {
            let Arg::In(_) = arg else { continue };
            // Four gibibytes, half of them, and one byte more than the memory has.
            for size in [u32::MAX, 0x8000_0000, MEMORY] {
                let mut world = furnished();
                let mut session = Session::new(&mut world);
                let (mut raw, _) = session.lay(&args);
                let index = args[..at]
                    .iter()
                    .map(|arg| 1 + usize::from(matches!(arg, Arg::In(_) | Arg::Room(_))))
                    .sum::<usize>();
                raw[index + 1] = size;
                let before = session.memory.clone();
                match session.raw(function, &raw) {
                    Ok(code) => assert_eq!((function, code), (Function::DictionaryPut, 36)),
                    Err(()) => {
                        let trap = session.guest_trap();
                        assert!(
                            trap.starts_with("Interpreter error: ") || trap == "Out of gas error",
                            "{function:?}: {trap}"
                        );
                        continue;
                    }
                }
                assert_eq!(before, session.memory);
            }
        }
    }
}

impl Session<'_> {
    pub(crate) fn guest_trap(self) -> String {
        self.finish().result.unwrap_err().to_string()
    }
}

#[test]
fn bytes_that_are_no_such_value_are_refused_whatever_the_function() {
    // These take bytes as they come: names of arguments and topics, item keys, anything to hash or
    // to sign.
    let takes_anything = |function, at| {
        matches!(
            (function, at),
            (Function::GetNamedArgSize | Function::GetNamedArg | Function::Blake2b, 0)
                | (Function::DictionaryGet | Function::DictionaryPut, 1)
                | (Function::GenericHash | Function::RecoverSecp256k1, 0)
                | (Function::VerifySignature | Function::ManageMessageTopic, 0)
                | (Function::EmitMessage, 0)
        )
    };
    for (function, args) in good_calls() {
        for (at, arg) in args.iter().enumerate() {
            let Arg::In(good) = arg else { continue };
            if takes_anything(function, at) {
                continue;
            }
            let mut longer = good.clone();
            longer.push(0);
            let shorter = good[..good.len() - 1].to_vec();
            for bad in [vec![], shorter, longer, vec![0xff; good.len()]] {
                // 32 bytes are always an account hash.
                if bad.len() == 32 && matches!(good.len(), 32) {
                    continue;
                }
                let mut world = furnished();
                let mut args = args.clone();
                args[at] = Arg::In(bad.clone());
                if function == Function::GetBalance {
                    let mut session = Session::new(&mut world);
                    let code = session.call(function, &args).result;
                    assert!(matches!(code, 17..=19), "{bad:?}: {code}");
                    continue;
                }
                let trap = trap_of(&mut world, function, &args);
                assert!(trap.starts_with("Serialization error: "), "{function:?} {at}: {trap}");
            }
        }
    }
}

#[test]
fn keys_of_later_casper_versions_mean_nothing_here() {
    for tag in 15..=255 {
        let mut key = vec![tag];
        key.extend([0; 64]);
        let trap = trap_of(&mut furnished(), Function::ReadValue, &[Arg::In(key), Arg::Out(4)]);
        assert_eq!(trap, "Serialization error: Deserialization error: formatting");
    }
}

#[test]
fn what_only_the_system_may_record_no_guest_does() {
    for function in [Function::RecordTransfer, Function::RecordEraInfo] {
        let params = "i32 ".repeat(function.params() as usize);
        let result = if function.returns() { "(result i32)" } else { "" };
        let args = "(i32.const 0) ".repeat(function.params() as usize);
        let drop = if function.returns() { "drop" } else { "" };
        let name = function.name();
        let text = format!(
            "(module (import \"env\" \"{name}\" (func $f (param {params}) {result})) (memory 1)
               (func (export \"call\") {args} call $f {drop})
               (func (export \"other\")))"
        );
        let outcome = run_text(&text, PLENTY);
        let error = outcome.result.unwrap_err().to_string();
        assert_eq!(error, "Invalid context");
    }
}

#[test]
fn the_same_run_twice_is_the_same_run() {
    let wasm = crate::contracts::wasm("counter");
    let config = WasmConfig::default();
    let run_once = || {
        let code = girrona_vm::prepare(&wasm, &config, &girrona_vm::Interpreter).unwrap();
        let mut world = World::new().arg("player", "ana".to_owned()).arg("points", 5_u64);
        let first = girrona_vm::run(&code, "call", &mut world, PLENTY);
        let second = girrona_vm::run(&code, "call", &mut world, PLENTY);
        (world, first.gas_used, second.gas_used, format!("{:?}{:?}", first.result, second.result))
    };
    assert_eq!(run_once(), run_once());
    let one = girrona_vm::instrument(&wasm, &config).unwrap();
    let two = girrona_vm::instrument(&wasm, &config).unwrap();
    assert_eq!(one.wasm, two.wasm);
}

#[test]
fn what_a_contract_returns_waits_in_the_buffer_and_nothing_leaves_it_empty() {
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let call = |value: Option<u64>| {
        let mut args = casper_types::RuntimeArgs::new();
        if let Some(value) = value {
            args.insert("value", value).unwrap();
        }
        vec![bytes(CONTRACT), bytes("echo"), bytes(args), Arg::Out(4)]
    };
    let before = session.guest.remaining();
    let answer = session.call(Function::CallContract, &call(Some(77)));
    assert_eq!((answer.result, number(&answer.rooms[0])), (0, 8));
    assert!(before - session.guest.remaining() > 300_000_000, "a call has its price");
    // The buffer is taken: nothing more can be called, and nothing is.
    let again = session.call(Function::CallContract, &call(Some(78)));
    assert_eq!(again.result, 34);
    assert_eq!(session.fetch::<u64>(8), 77);
    let unit = session.call(Function::CallContract, &call(None));
    assert_eq!((unit.result, number(&unit.rooms[0])), (0, 0));
    let other = session.call(Function::CallContract, &call(Some(79)));
    assert_eq!(other.result, 0, "unit did not take the buffer");
    drop(session);
    assert_eq!(world.asked, ["call_contract"; 3]);
}

#[test]
fn lists_and_labels_that_nobody_can_need_are_refused_before_they_are_read() {
    let many: BTreeSet<casper_types::URef> = (0..101_u8)
        .map(|byte| casper_types::URef::new([byte; 32], casper_types::AccessRights::READ))
        .collect();
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let args = vec![bytes(PACKAGE), bytes("new"), Arg::Number(0), bytes(many), Arg::Out(4)];
    let answer = session.call(Function::CreateContractUserGroup, &args);
    assert_eq!(answer.result, 64_768 + 5);
    let label = "x".repeat(4_093);
    let trap = trap_of(
        &mut furnished(),
        Function::RemoveContractUserGroup,
        &[bytes(PACKAGE), bytes(label.as_str())],
    );
    assert_eq!(trap, "a group's label of 4097 bytes; 4096 are the most");
}
