//! What each host function means to a guest: the values and codes that it gets.

use std::sync::Arc;

use casper_types::account::AccountHash;
use casper_types::bytesrepr::{FromBytes, ToBytes};
use casper_types::system::CallStackElement;
use casper_types::{AccessRights, CLValue, Digest, Key, NamedKeys, Phase, U512, URef};
use girrona_types::wasm_costs::WasmConfig;
use girrona_vm::Trap;
use girrona_vm::abi::{Function, Guest, Prices};

use crate::host::{ACCOUNT, BLOCK_TIME, MAIN_PURSE, World};
use crate::host_functions::{
    Arg, MEMORY, Session, bytes, furnished, good_calls, number, raw, trap_of, value,
};

#[test]
fn values_are_written_read_and_added_to() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let new = session.call(Function::NewUref, &[Arg::Out(33), value(40_u64)]);
    let (uref, rest) = URef::from_bytes(&new.rooms[0]).unwrap();
    assert!(rest.is_empty());
    let key = || bytes(Key::URef(uref));
    session.call(Function::Add, &[key(), value(2_u64)]);
    let read = session.call(Function::ReadValue, &[key(), Arg::Out(4)]);
    assert_eq!(number(&read.rooms[0]), 8);
    assert_eq!(session.fetch::<u64>(8), 42);
    session.call(Function::Write, &[key(), value("now text".to_owned())]);
    let read = session.call(Function::ReadValue, &[key(), Arg::Out(4)]);
    assert_eq!(session.fetch::<String>(number(&read.rooms[0])), "now text");
    let absent = session.call(Function::ReadValue, &[bytes(Key::Hash([1; 32])), Arg::Out(4)]);
    assert_eq!(absent.result, 6);
}

#[test]
fn forged_and_weak_urefs_stop_the_guest() {
    let forged = URef::new([66; 32], AccessRights::READ_ADD_WRITE);
    let args = [bytes(Key::URef(forged)), value(1_u64)];
    let trap = trap_of(&mut furnished(), Function::Write, &args);
    assert!(trap.starts_with("Forged reference: URef("), "{trap}");

    let weak = bytes(Key::URef(URef::new(MAIN_PURSE.addr(), AccessRights::READ)));
    let trap = trap_of(&mut furnished(), Function::Write, &[weak, value(1_u64)]);
    assert_eq!(trap, "Invalid access rights: WRITE");

    let mut world = furnished();
    let mut session = Session::new(&mut world);
    assert_eq!(session.call(Function::IsValidUref, &[bytes(forged)]).result, 0);
}

#[test]
fn writes_are_charged_by_the_host_from_the_same_counter() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let before = session.guest.remaining();
    session.call(Function::Write, &[bytes(Key::URef(MAIN_PURSE)), value(1_u64)]);
    // 13 bytes: eight of the number, four of their count, one of the type.
    let call = 14_000 + 980 * 13;
    let storage = 13 * i64::from(crate::host::GAS_PER_BYTE);
    assert_eq!(before - session.guest.remaining(), call + storage);
}

#[test]
fn a_write_that_the_gas_does_not_cover_runs_dry_inside_the_host() {
    let mut world = World::new();
    let prices = Arc::new(Prices::new(&WasmConfig::default().host_function_costs));
    let limit = 14_000 + 980 * 13 + 13 * u64::from(crate::host::GAS_PER_BYTE) - 1;
    let mut session = Session {
        guest: Guest::new(&mut world, prices, limit),
        memory: vec![0; MEMORY as usize],
        free: 16,
    };
    let (raw, _) = session.lay(&[bytes(Key::URef(MAIN_PURSE)), value(1_u64)]);
    assert!(session.raw(Function::Write, &raw).is_err());
    let outcome = session.finish();
    assert!(matches!(outcome.result, Err(Trap::OutOfGas)));
    assert_eq!(outcome.gas_used, limit);
    assert_eq!(world.values[&MAIN_PURSE.addr()], CLValue::unit());
}

#[test]
fn the_host_buffer_holds_one_value_and_is_emptied_by_every_read() {
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let empty = session.call(Function::ReadHostBuffer, &[Arg::Room(8), Arg::Out(4)]);
    assert_eq!(empty.result, 33);

    assert_eq!(session.call(Function::GetCaller, &[Arg::Out(4)]).result, 0);
    for (function, args) in good_calls() {
        use Function as F;
        let fills = matches!(
            function,
            F::ReadValue
                | F::LoadNamedKeys
                | F::GetCaller
                | F::GetBalance
                | F::LoadCallStack
                | F::LoadAuthorizationKeys
                | F::NewDictionary
                | F::DictionaryGet
                | F::DictionaryRead
                | F::LoadCallerInformation
                | F::CallPackageVersion
        );
        if fills {
            assert_eq!(session.call(function, &args).result, 34, "{function:?}");
        }
    }
    assert_eq!(session.fetch::<AccountHash>(32), ACCOUNT);

    session.call(Function::GetCaller, &[Arg::Out(4)]);
    let small = session.call(Function::ReadHostBuffer, &[Arg::Room(31), Arg::Out(4)]);
    assert_eq!(small.result, 32);
    let lost = session.call(Function::ReadHostBuffer, &[Arg::Room(32), Arg::Out(4)]);
    assert_eq!(lost.result, 33, "the value is lost, as in Casper");
    session.call(Function::GetCaller, &[Arg::Out(4)]);
    let wide = session.call(Function::ReadHostBuffer, &[Arg::Room(64), Arg::Out(4)]);
    assert_eq!((wide.result, number(&wide.rooms[1])), (0, 32));
    assert_eq!(wide.rooms[0][..32], [7; 32]);
    assert_eq!(wide.rooms[0][32..], [0xaa; 32], "no more is written than there is");
}

#[test]
fn sizes_are_written_as_four_bytes_where_casper_writes_eight() {
    // `call` checks that nothing outside the four bytes changes.
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let caller = session.call(Function::GetCaller, &[Arg::Out(4)]);
    assert_eq!(number(&caller.rooms[0]), 32);
    session.fetch::<AccountHash>(32);
    let seed = session.call(Function::NewDictionary, &[Arg::Out(4)]);
    assert_eq!(number(&seed.rooms[0]), 33);
    session.fetch::<URef>(33);
}

#[test]
fn named_keys_are_put_found_listed_and_removed() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let none = session.call(Function::LoadNamedKeys, &[Arg::Out(4), Arg::Out(4)]);
    assert_eq!((none.result, number(&none.rooms[0])), (0, 0));
    assert_eq!(none.rooms[1], [0xaa; 4]);
    let empty = session.call(Function::ReadHostBuffer, &[Arg::Room(8), Arg::Out(4)]);
    assert_eq!(empty.result, 33, "no keys leave the buffer empty");

    let key = Key::Hash([5; 32]);
    assert_eq!(session.call(Function::HasKey, &[bytes("name")]).result, 1);
    session.call(Function::PutKey, &[bytes("name"), bytes(key)]);
    assert_eq!(session.call(Function::HasKey, &[bytes("name")]).result, 0);

    let found = session.call(Function::GetKey, &[bytes("name"), Arg::Room(40), Arg::Out(4)]);
    assert_eq!((found.result, number(&found.rooms[1])), (0, 33));
    assert_eq!(Key::from_bytes(&found.rooms[0][..33]).unwrap().0, key);
    let small = session.call(Function::GetKey, &[bytes("name"), Arg::Room(32), Arg::Out(4)]);
    assert_eq!(small.result, 32);
    let absent = session.call(Function::GetKey, &[bytes("other"), Arg::Room(40), Arg::Out(4)]);
    assert_eq!(absent.result, 24);

    let all = session.call(Function::LoadNamedKeys, &[Arg::Out(4), Arg::Out(4)]);
    assert_eq!(number(&all.rooms[0]), 1);
    let keys: NamedKeys = session.fetch(number(&all.rooms[1]));
    assert_eq!(keys.get("name"), Some(&key));
    session.call(Function::RemoveKey, &[bytes("name")]);
    session.call(Function::RemoveKey, &[bytes("name")]);
    assert_eq!(session.call(Function::HasKey, &[bytes("name")]).result, 1);
}

#[test]
fn arguments_are_copied_into_room_of_exactly_their_size() {
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let size = session.call(Function::GetNamedArgSize, &[raw("amount"), Arg::Out(4)]);
    assert_eq!(number(&size.rooms[0]), 2);
    let copied = session.call(Function::GetNamedArg, &[raw("amount"), Arg::Room(2)]);
    assert_eq!(copied.rooms[0], [1, 5]);
    for room in [0, 1, 3, 64] {
        let refused = session.call(Function::GetNamedArg, &[raw("amount"), Arg::Room(room)]);
        assert_eq!(refused.result, 20, "room for {room}");
    }
    for name in ["other", "", "amoun", "\u{fffd}"] {
        let size = session.call(Function::GetNamedArgSize, &[raw(name), Arg::Out(4)]);
        assert_eq!(size.result, 2, "{name}");
        let refused = session.call(Function::GetNamedArg, &[raw(name), Arg::Room(2)]);
        assert_eq!(refused.result, 2, "{name}");
    }
    let no_text = Arg::In(vec![0xff, 0xfe]);
    assert_eq!(session.call(Function::GetNamedArg, &[no_text, Arg::Room(2)]).result, 2);
}

#[test]
fn a_name_longer_than_all_arguments_together_is_not_looked_up() {
    let (long, longer) = ("n".repeat(1 << 16), "n".repeat((1 << 16) + 1));
    let mut world = World::new().arg(&long, 1_u8).arg(&longer, 1_u8);
    let mut session = Session::new(&mut world);
    session.memory = vec![0xaa; 1 << 20];
    let size = session.call(Function::GetNamedArgSize, &[raw(&long), Arg::Out(4)]);
    assert_eq!((size.result, number(&size.rooms[0])), (0, 1));
    let size = session.call(Function::GetNamedArgSize, &[raw(&longer), Arg::Out(4)]);
    assert_eq!(size.result, 2);
}

#[test]
fn the_context_is_told_as_it_is() {
    let mut world = furnished();
    let mut session = Session::new(&mut world);
    let time = session.call(Function::GetBlocktime, &[Arg::Out(8)]);
    assert_eq!(time.rooms[0], BLOCK_TIME.to_le_bytes());
    let phase = session.call(Function::GetPhase, &[Arg::Out(1)]);
    assert_eq!(phase.rooms[0], Phase::Session.to_bytes().unwrap());
    let purse = session.call(Function::GetMainPurse, &[Arg::Out(33)]);
    assert_eq!(purse.rooms[0], MAIN_PURSE.to_bytes().unwrap());

    let mint = session.call(Function::GetSystemContract, &[Arg::Number(0), Arg::Room(32)]);
    assert_eq!((mint.result, &mint.rooms[0][..]), (0, &[10; 32][..]));
    let none = session.call(Function::GetSystemContract, &[Arg::Number(4), Arg::Room(32)]);
    assert_eq!(none.result, 29);

    let stack = session.call(Function::LoadCallStack, &[Arg::Out(4), Arg::Out(4)]);
    assert_eq!(number(&stack.rooms[0]), 1);
    let stack: Vec<CallStackElement> = session.fetch(number(&stack.rooms[1]));
    assert_eq!(stack, [CallStackElement::Session { account_hash: ACCOUNT }]);

    let keys = session.call(Function::LoadAuthorizationKeys, &[Arg::Out(4), Arg::Out(4)]);
    assert_eq!(number(&keys.rooms[0]), 1);
    assert_eq!(session.fetch::<Vec<AccountHash>>(number(&keys.rooms[1])), [ACCOUNT]);
}

#[test]
fn bytes_are_hashed_and_random_ones_are_drawn() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let hashed = session.call(Function::Blake2b, &[raw("abc"), Arg::Room(32)]);
    assert_eq!(hashed.rooms[0], Digest::hash(b"abc").value());
    assert_eq!(session.call(Function::Blake2b, &[raw("abc"), Arg::Room(31)]).result, 32);
    assert_eq!(session.call(Function::Blake2b, &[raw("abc"), Arg::Room(33)]).result, 32);

    let first = session.call(Function::RandomBytes, &[Arg::Room(32)]).rooms;
    assert_eq!(session.call(Function::RandomBytes, &[Arg::Room(8)]).result, 32);
    let third = session.call(Function::RandomBytes, &[Arg::Room(32)]).rooms;
    assert_eq!((first[0][0], third[0][0]), (101, 103), "a refusal draws too");
}

#[test]
fn purses_are_made_and_motes_move() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    assert_eq!(session.call(Function::CreatePurse, &[Arg::Room(32)]).result, 30);
    let made = session.call(Function::CreatePurse, &[Arg::Room(40)]);
    let (purse, _) = URef::from_bytes(&made.rooms[0]).unwrap();

    let id = || bytes(Option::<u64>::None);
    let amount = |motes: u64| bytes(U512::from(motes));
    let moved = session.call(
        Function::TransferFromPurseToPurse,
        &[bytes(MAIN_PURSE), bytes(purse), amount(600), id()],
    );
    assert_eq!(moved.result, 0);
    let held = session.call(Function::GetBalance, &[bytes(purse), Arg::Out(4)]);
    assert_eq!(session.fetch::<U512>(number(&held.rooms[0])), U512::from(600));
    let none = URef::new([77; 32], AccessRights::READ);
    assert_eq!(session.call(Function::GetBalance, &[bytes(none), Arg::Out(4)]).result, 12);

    let target = || bytes(AccountHash::new([9; 32]));
    let to_account = |motes| vec![bytes(purse), target(), amount(motes), id(), Arg::Out(4)];
    let first = session.call(Function::TransferFromPurseToAccount, &to_account(100));
    assert_eq!((first.result, number(&first.rooms[0])), (0, 1), "a new account");
    let second = session.call(Function::TransferFromPurseToAccount, &to_account(100));
    assert_eq!((second.result, number(&second.rooms[0])), (0, 0), "an account that exists");
    let third = session.call(Function::TransferFromPurseToAccount, &to_account(401));
    assert_eq!(third.result, 65_024, "the mint's first error");
    assert_eq!(third.rooms[0], [0xaa; 4]);
    let main = session.call(
        Function::TransferToAccount,
        &[target(), amount(50), bytes(Some(u64::MAX)), Arg::Out(4)],
    );
    assert_eq!((main.result, number(&main.rooms[0])), (0, 0));
}

#[test]
fn dictionaries_are_made_filled_and_read() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    session.call(Function::NewDictionary, &[Arg::Out(4)]);
    let seed: URef = session.fetch(33);
    let get = |item: &str| vec![bytes(seed), raw(item), Arg::Out(4)];
    assert_eq!(session.call(Function::DictionaryGet, &get("ana")).result, 6);
    session.call(Function::DictionaryPut, &[bytes(seed), raw("ana"), value(7_u64)]);
    let found = session.call(Function::DictionaryGet, &get("ana"));
    assert_eq!(session.fetch::<u64>(number(&found.rooms[0])), 7);
    let key = Key::dictionary(seed, b"ana");
    let found = session.call(Function::DictionaryRead, &[bytes(key), Arg::Out(4)]);
    assert_eq!(session.fetch::<u64>(number(&found.rooms[0])), 7);

    let no_text = || Arg::In(vec![0xff]);
    let answer = session.call(Function::DictionaryGet, &[bytes(seed), no_text(), Arg::Out(4)]);
    assert_eq!(answer.result, 37);
    let answer = session.call(Function::DictionaryPut, &[bytes(seed), no_text(), value(7_u64)]);
    assert_eq!(answer.result, 37);

    let longest = "k".repeat(128);
    let put = |item: &str| vec![bytes(seed), raw(item), value(7_u64)];
    assert_eq!(session.call(Function::DictionaryPut, &put(&longest)).result, 0);
    assert_eq!(session.call(Function::DictionaryGet, &get(&longest)).result, 0);
    session.fetch::<u64>(8);
    assert_eq!(session.call(Function::DictionaryPut, &put(&"k".repeat(129))).result, 36);
    let (raw_args, _) = session.lay(&get(&"k".repeat(129)));
    assert!(session.raw(Function::DictionaryGet, &raw_args).is_err());
    assert_eq!(session.guest_trap(), "Dictionary item key exceeded maximum length",);
}

#[test]
fn keys_and_thresholds_of_the_account_change_with_codes_for_refusals() {
    let mut world = World::new();
    let mut session = Session::new(&mut world);
    let other = || bytes(AccountHash::new([3; 32]));
    let weight = |weight| Arg::Number(weight);
    assert_eq!(session.call(Function::AddAssociatedKey, &[other(), weight(255)]).result, 0);
    assert_eq!(session.call(Function::AddAssociatedKey, &[other(), weight(1)]).result, 2);
    assert_eq!(session.call(Function::UpdateAssociatedKey, &[other(), weight(9)]).result, 0);
    assert_eq!(session.call(Function::RemoveAssociatedKey, &[other()]).result, 0);
    assert_eq!(session.call(Function::RemoveAssociatedKey, &[other()]).result, 1);
    assert_eq!(session.call(Function::UpdateAssociatedKey, &[other(), weight(9)]).result, 1);
    let threshold = |action, weight| [Arg::Number(action), Arg::Number(weight)];
    assert_eq!(session.call(Function::SetActionThreshold, &threshold(0, 1)).result, 0);
    assert_eq!(session.call(Function::SetActionThreshold, &threshold(0, 2)).result, 2);
    assert_eq!(session.call(Function::SetActionThreshold, &threshold(1, 0)).result, 1);
}

#[test]
fn a_weight_beyond_a_byte_stops_the_guest_before_it_is_charged() {
    let key = || bytes(ACCOUNT);
    for (function, args) in [
        (Function::AddAssociatedKey, vec![key(), Arg::Number(256)]),
        (Function::UpdateAssociatedKey, vec![key(), Arg::Number(u32::MAX)]),
        (Function::SetActionThreshold, vec![Arg::Number(0), Arg::Number(256)]),
    ] {
        let mut world = World::new();
        let mut session = Session::new(&mut world);
        let (raw, _) = session.lay(&args);
        assert!(session.raw(function, &raw).is_err());
        let outcome = session.finish();
        assert_eq!(outcome.gas_used, 0, "{function:?}");
        assert_eq!(
            outcome.result.unwrap_err().to_string(),
            "Interpreter error: trap: Code(UnexpectedSignature)"
        );
    }
    let args = [Arg::Number(2), Arg::Number(1)];
    assert_eq!(
        trap_of(&mut World::new(), Function::SetActionThreshold, &args),
        "Interpreter error: trap: Code(Unreachable)"
    );
}

#[test]
fn ret_ends_the_module_with_its_value() {
    let ret = |args: &[Arg]| {
        let mut world = World::new();
        let mut session = Session::new(&mut world);
        session.call(Function::GetCaller, &[Arg::Out(4)]);
        let (raw, _) = session.lay(args);
        assert!(session.raw(Function::Ret, &raw).is_err());
        session.finish().result
    };
    assert_eq!(ret(&[value(42_u64)]).unwrap(), CLValue::from_t(42_u64).unwrap());
    assert_eq!(ret(&[value(MAIN_PURSE)]).unwrap(), CLValue::from_t(MAIN_PURSE).unwrap());
    let forged = ret(&[value(URef::new([66; 32], AccessRights::READ))]);
    assert!(matches!(forged, Err(Trap::ForgedReference(_))));
    assert_eq!(ret(&[raw("junk")]).unwrap_err().to_string(), "Expected return value");
    assert_eq!(ret(&[raw("")]).unwrap_err().to_string(), "Expected return value");
}

#[test]
fn a_module_that_just_ends_returns_unit_or_what_it_left_in_the_buffer() {
    let mut world = World::new();
    assert_eq!(Session::new(&mut world).finish().result.unwrap(), CLValue::unit());
    let mut session = Session::new(&mut world);
    session.call(Function::GetCaller, &[Arg::Out(4)]);
    assert_eq!(session.finish().result.unwrap(), CLValue::from_t(ACCOUNT).unwrap());
}

#[test]
fn every_code_that_a_guest_can_name_has_a_text() {
    let families = 64_512..65_600_u32;
    for status in (0..100).chain(families).chain([131_071, 131_072, u32::MAX]) {
        let trap = trap_of(&mut World::new(), Function::Revert, &[Arg::Number(status)]);
        assert!(trap.contains("rror"), "{status}: {trap}");
    }
}

#[test]
fn revert_speaks_caspers_words() {
    for (status, text) in [
        (65_536, "User error: 0"),
        (65_536 + 65_535, "User error: 65535"),
        (1, "ApiError::None [1]"),
        (36, "ApiError::DictionaryItemKeyTooLarge [36]"),
        (38, "ApiError::MissingContractHash [38]"),
        (40, "ApiError::NonRepresentableSerialization [40]"),
        (0, "ApiError::Unhandled [31]"),
        (44, "ApiError::MessageTopicNotRegistered [44]"),
        (50, "ApiError::InvalidCallerInfoRequest [50]"),
        (51, "ApiError::Unhandled [31]"),
        (64_511, "ApiError::Unhandled [31]"),
        (64_768 + 2, "Contract header error: 2"),
        (65_024, "Mint error: 0"),
        (65_280 + 3, "Handle Payment error: 3"),
        (u32::MAX, "ApiError::Unhandled [31]"),
        (64_512 + 1, "ApiError::AuctionError(InvalidKeyVariant) [64513]"),
        // Codes of the auction's family that mean nothing.
        (64_512 + 88, "ApiError [64600]"),
        (64_767, "ApiError [64767]"),
    ] {
        let trap = trap_of(&mut World::new(), Function::Revert, &[Arg::Number(status)]);
        assert_eq!(trap, text, "{status}");
    }
}
