//! What contracts made with Casper 2's library need beyond 1.5: each function's answers, refusals
//! and price.

use casper_types::account::AccountHash;
use casper_types::addressable_entity::{EntityEntryPoint, EntryPoints};
use casper_types::bytesrepr::ToBytes;
use casper_types::contract_messages::MessagePayload;
use casper_types::system::{Caller, CallerInfo};
use casper_types::{
    CLType, Digest, EntryPointAccess, EntryPointPayment, EntryPointType, NamedKeys,
    ProtocolVersion, PublicKey, SecretKey, Signature, crypto,
};
use girrona_vm::abi::Function;

use crate::host::{ACCOUNT, BLOCK_HEIGHT, BLOCK_TIME, PACKAGE, World};
use crate::host_functions::{Arg, Session, bytes, furnished, number, raw, signed, trap_of};

fn hash(algorithm: u32, text: &str, room: u32) -> (i32, Vec<u8>) {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let args = [raw(text), Arg::Number(algorithm), Arg::Room(room)];
    let answer = session.call(Function::GenericHash, &args);
    (answer.result, answer.rooms[0].clone())
}

#[test]
fn three_hashes_are_the_worlds() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hash(0, "abc", 32), (0, Digest::hash("abc").value().to_vec()));
    // Test vectors of BLAKE3 (the empty input) and FIPS 180 (abc).
    let blake3 = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    assert_eq!(hex(&hash(1, "", 32).1), blake3);
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hex(&hash(2, "abc", 32).1), sha256);

    for unknown in [3, 255, 256, 258, u32::MAX] {
        assert_eq!(hash(unknown, "abc", 32), (3, vec![0xaa; 32]), "{unknown}");
    }
    assert_eq!(hash(2, "abc", 31), (32, vec![0xaa; 31]));
    let (code, wide) = hash(2, "abc", 40);
    assert_eq!((code, &wide[32..]), (0, &[0xaa; 8][..]), "no more is written than there is");
}

fn verify(message: &str, signature: &Signature, key: &PublicKey) -> i32 {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let args = [raw(message), bytes(*signature), bytes(key.clone())];
    session.call(Function::VerifySignature, &args).result
}

#[test]
fn a_signature_is_good_for_its_message_and_its_key_alone() {
    let (message, signature, key, _) = signed();
    let secret = SecretKey::ed25519_from_bytes([3; 32]).unwrap();
    let ed25519 = PublicKey::from(&secret);
    let other = crypto::sign(message, &secret, &ed25519);
    assert_eq!(verify(message, &signature, &key), 0);
    assert_eq!(verify(message, &other, &ed25519), 0);
    assert_eq!(verify("pay to somebody else", &signature, &key), 3);
    assert_eq!(verify("pay to somebody else", &other, &ed25519), 3);
    assert_eq!(verify(message, &signature, &ed25519), 3);
    assert_eq!(verify(message, &other, &key), 3);
    assert_eq!(verify(message, &Signature::System, &key), 3);
    assert_eq!(verify(message, &signature, &PublicKey::System), 3);
}

#[test]
fn a_key_is_recovered_from_its_signature() {
    let (message, signature, key, recovery) = signed();
    let recover = |message: &str, signature: Signature, recovery: u32| {
        let mut world = World::new();
        let mut session = Session::new(&mut world);
        let args = [raw(message), bytes(signature), Arg::Out(34), Arg::Number(recovery)];
        let answer = session.call(Function::RecoverSecp256k1, &args);
        (answer.result, answer.rooms[0].clone())
    };
    assert_eq!(recover(message, signature, recovery), (0, key.to_bytes().unwrap()));
    let (_, other) = recover(message, signature, recovery ^ 1);
    assert_ne!(other, key.to_bytes().unwrap());
    let (_, other) = recover("another message", signature, recovery);
    assert_ne!(other, key.to_bytes().unwrap());
    for unknown in [4, 255, 256, u32::MAX] {
        assert_eq!(recover(message, signature, unknown).0, 3, "{unknown}");
    }
    let secret = SecretKey::ed25519_from_bytes([3; 32]).unwrap();
    let ed25519 = crypto::sign(message, &secret, &PublicKey::from(&secret));
    assert_eq!(recover(message, ed25519, 0).0, 3);
}

#[test]
fn the_block_is_told_field_by_field() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let mut field = |number: u32, size: u32| {
        let answer = session.call(Function::GetBlockInfo, &[Arg::Number(number), Arg::Out(size)]);
        answer.rooms[0].clone()
    };
    assert_eq!(field(0, 8), BLOCK_TIME.to_le_bytes());
    assert_eq!(field(1, 8), BLOCK_HEIGHT.to_le_bytes());
    assert_eq!(field(2, 32), [0xb0; 32]);
    assert_eq!(field(3, 32), [0x50; 32]);
    assert_eq!(field(4, 12), ProtocolVersion::from_parts(1, 5, 8).to_bytes().unwrap());
    assert_eq!(field(5, 1), [0]);
    let trap = |field| {
        let args = [Arg::Number(field), Arg::Out(8)];
        trap_of(&mut World::new(), Function::GetBlockInfo, &args)
    };
    assert_eq!(trap(6), "The imputed operation is invalid");
    assert_eq!(trap(255), "The imputed operation is invalid");
    assert_eq!(trap(256), "Interpreter error: trap: Code(UnexpectedSignature)");
}

#[test]
fn callers_are_told_in_the_words_of_casper_2() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let account = CallerInfo::try_from(Caller::initiator(ACCOUNT)).unwrap();
    for wanted in [0, 2] {
        let args = [Arg::Number(wanted), Arg::Out(4), Arg::Out(4)];
        let answer = session.call(Function::LoadCallerInformation, &args);
        assert_eq!((answer.result, number(&answer.rooms[0])), (0, 1), "{wanted}");
        let told: Vec<CallerInfo> = session.fetch(number(&answer.rooms[1]));
        assert_eq!(told, std::slice::from_ref(&account), "{wanted}");
    }
    // Nobody calls session code, and there are three things to ask for.
    for (wanted, code) in [(1, 31), (3, 50), (255, 50)] {
        let args = [Arg::Number(wanted), Arg::Out(4), Arg::Out(4)];
        let answer = session.call(Function::LoadCallerInformation, &args);
        assert_eq!((answer.result, &answer.rooms[0][..]), (code, &[0xaa; 4][..]), "{wanted}");
    }
    assert_eq!(account.kind(), 0);
    let field = account.get_field_by_index(0).unwrap();
    assert_eq!(field.to_t::<Option<AccountHash>>().unwrap(), Some(ACCOUNT));
}

fn version_with(payment: EntryPointPayment, topics: &[u8], room: u32) -> Vec<Arg> {
    let mut entry_points = EntryPoints::new();
    entry_points.add_entry_point(EntityEntryPoint::new(
        "count",
        Vec::new(),
        CLType::Unit,
        EntryPointAccess::Public,
        EntryPointType::Called,
        payment,
    ));
    let topics = Arg::In(topics.to_vec());
    vec![
        bytes(PACKAGE),
        Arg::Out(4),
        bytes(entry_points),
        bytes(NamedKeys::new()),
        topics,
        Arg::Room(room),
    ]
}

/// One topic with a name of this many bytes, to be added.
fn topic(size: u32) -> Vec<u8> {
    let mut bytes = 1_u32.to_le_bytes().to_vec();
    bytes.extend(size.to_le_bytes());
    bytes.extend(vec![b'x'; size as usize]);
    bytes.push(0);
    bytes
}

#[test]
fn a_version_is_stored_with_its_topics_unless_it_wants_what_is_not_here() {
    let none = 0_u32.to_le_bytes();
    let add = |args: &[Arg]| {
        let mut world = furnished();
        let code = {
            let mut session = Session::new(&mut world);
            session.call(Function::AddContractVersionWithMessageTopics, args).result
        };
        (code, world.topics.len(), world.asked.contains(&"add_contract_version"))
    };
    let caller = EntryPointPayment::Caller;
    assert_eq!(add(&version_with(caller, &none, 32)), (0, 1, true));
    assert_eq!(add(&version_with(caller, &topic(256), 32)), (0, 2, true));
    assert_eq!(add(&version_with(caller, &topic(257), 32)), (43, 1, false));
    assert_eq!(add(&version_with(caller, &topic(0), 32)), (3, 1, false));
    assert_eq!(add(&version_with(caller, &none, 31)), (32, 1, false));
    for payment in [EntryPointPayment::DirectInvocationOnly, EntryPointPayment::SelfOnward] {
        let trap = trap_of(
            &mut furnished(),
            Function::AddContractVersionWithMessageTopics,
            &version_with(payment, &none, 32),
        );
        let expected =
            "entry point count asks its contract to pay; here the sender of a deploy pays";
        assert_eq!(trap, expected);
    }
}

#[test]
fn messages_go_to_their_topic_and_no_further_than_their_limits() {
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let mut emit = |topic: &str, message: MessagePayload| {
        session.call(Function::EmitMessage, &[raw(topic), bytes(message)]).result
    };
    assert_eq!(emit("events", "one".into()), 0);
    assert_eq!(emit("events", MessagePayload::Bytes(vec![1, 2].into())), 0);
    assert_eq!(emit("letters", "one".into()), 44);
    assert_eq!(emit("", "one".into()), 3);
    assert_eq!(emit(&"x".repeat(257), "one".into()), 43);
    // A tag and a length of four bytes belong to the size of a message.
    assert_eq!(emit("events", "x".repeat(1_019).into()), 0);
    assert_eq!(emit("events", "x".repeat(1_020).into()), 46);

    let mut manage = |topic: &str| {
        session.call(Function::ManageMessageTopic, &[raw(topic), Arg::In(vec![0])]).result
    };
    assert_eq!(manage("letters"), 0);
    assert_eq!(manage("events"), 41);
    assert_eq!(manage(""), 3);
    assert_eq!(manage(&"x".repeat(257)), 43);
    drop(session);
    assert_eq!(world.topics["events"].len(), 3);

    let nonsense = [Arg::In(vec![0xff, 0xfe]), bytes(MessagePayload::from("one"))];
    let trap = trap_of(&mut furnished(), Function::EmitMessage, &nonsense);
    assert!(trap.starts_with("Invalid UTF-8 string encoding: "), "{trap}");
    let removal = [raw("events"), Arg::In(vec![1])];
    let trap = trap_of(&mut furnished(), Function::ManageMessageTopic, &removal);
    assert_eq!(trap, "Serialization error: Deserialization error: formatting");
}

#[test]
fn what_takes_long_is_paid_for_also_under_a_chainspec_that_does_not_know_it() {
    use girrona_vm::abi::Prices;
    let new = Prices::new(&girrona_types::wasm_costs::WasmConfig::default().host_function_costs);
    let old = Prices::new(&std::collections::BTreeMap::new());
    for prices in [new, old] {
        let verify = prices.of(Function::VerifySignature, &[0, 10, 0, 65, 0, 33]);
        assert_eq!(verify, 80_000_000 + 10 * 120_000);
        let recover = prices.of(Function::RecoverSecp256k1, &[0, 10, 0, 65, 0, 0]);
        assert_eq!(recover, 200_000_000 + 10 * 120_000);
        assert_eq!(prices.of(Function::GenericHash, &[0, 10, 0, 0, 32]), 1_200_000 + 1_200_000);
        assert_eq!(prices.of(Function::EmitMessage, &[0, 2, 0, 10]), 200 + 60_000 + 1_200_000);
        assert_eq!(prices.of(Function::GetBlockInfo, &[1, 9]), 330);
    }
}

#[test]
fn what_has_no_meaning_here_is_refused_before_anything_runs() {
    for (name, params) in [
        // Packages of entities, which Casper 2 turned off itself.
        ("casper_add_package_version_with_message_topics", 11),
        ("casper_print", 2),
    ] {
        let params = "i32 ".repeat(params);
        let text = format!(
            "(module (import \"env\" \"{name}\" (func (param {params}) (result i32))) (memory 1)
               (func (export \"call\")))"
        );
        let refusal = crate::prepared(&text).err().unwrap().to_string();
        let expected =
            format!("Interpreter error: host module doesn't export function with name {name}");
        assert_eq!(refusal, expected);
    }
}
