//! Modules that deploys bring, through the real VM: what they may do and what remains of it.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/world.rs"]
mod world;

use casper_types::{
    AccessRights, CLValue, Key, RuntimeArgs, StoredValue, U512, URef, account::Weight,
    bytesrepr::ToBytes, execution::ExecutionResultV1,
};
use girrona_exec::system::SYSTEM;
use girrona_types::chainspec::FailureCharge;
use guest::guest;
use world::*;

const PAID: u64 = 100 * GIRRO;

fn world() -> World {
    World::new(law(FailureCharge::MinimumPenalty))
}

fn bytes(value: &impl ToBytes) -> Vec<u8> {
    value.to_bytes().unwrap()
}

fn clvalue<T: casper_types::CLTyped + ToBytes>(value: T) -> Vec<u8> {
    bytes(&CLValue::from_t(value).unwrap())
}

fn args() -> RuntimeArgs {
    RuntimeArgs::new()
}

fn amount(motes: u64) -> RuntimeArgs {
    let mut args = RuntimeArgs::new();
    args.insert("amount", U512::from(motes)).unwrap();
    args
}

fn ok(result: &ExecutionResultV1) {
    assert_eq!(seen(result).1, None, "{result:?}");
}

fn fails(result: &ExecutionResultV1, text: &str) {
    assert_eq!(seen(result).1, Some(text));
}

/// Makes a URef that holds 7 and names it `seven`; then does `more`.
fn seven(more: &str) -> Vec<u8> {
    let value = clvalue(7_u64);
    let name = bytes(&"seven".to_owned());
    guest(
        // The key is the tag of a URef and, behind it, where the URef itself will be.
        &[(0, &value), (64, &name), (128, &[2])],
        &format!(
            "(call $new_uref (i32.const 129) (i32.const 0) (i32.const {}))
             (call $put_key (i32.const 64) (i32.const {}) (i32.const 128) (i32.const 34))
             {more}",
            value.len(),
            name.len()
        ),
    )
}

#[test]
fn a_session_leaves_values_and_names_behind() {
    let mut world = world();
    let result = world.one(world.session(ANA, PAID, seven(""), args()));
    ok(&result);
    let Some(Key::URef(uref)) = world.named(ANA, "seven") else { panic!("no name") };
    assert_eq!(uref.access_rights(), AccessRights::READ_ADD_WRITE);
    let value: u64 = world.value(Key::URef(uref)).into_cl_value().unwrap().into_t().unwrap();
    assert_eq!(value, 7);
    let (cost, ..) = seen(&result);
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - cost);
    assert_eq!(world.balance(PROPOSER), 10 * GIRRO + cost);
    // put_key's fixed price and the bytes of what was written.
    assert!(cost > 100_000_000 && cost < 400_000_000, "{cost}");
    let names: Vec<_> = effects(&result).into_iter().map(|(_, name)| name).collect();
    assert!(names.contains(&"AddKeys".to_owned()), "{names:?}");
    assert!(names.contains(&"WriteDeployInfo".to_owned()), "{names:?}");
}

#[test]
fn the_effects_of_a_failed_session_are_undone_and_its_payment_stays() {
    for (charge, least) in [(FailureCharge::MinimumPenalty, PENALTY), (FailureCharge::Casper15, 0)]
    {
        let mut world = World::new(law(charge));
        let wasm = seven("(call $revert (i32.const 65543))");
        let result = world.one(world.session(ANA, PAID, wasm, args()));
        fails(&result, "User error: 7");
        assert_eq!(world.named(ANA, "seven"), None);
        let (cost, ..) = seen(&result);
        assert!(cost >= least.max(100_000_000) && cost < 400_000_000.max(least + 1), "{cost}");
        assert_eq!(world.balance(ANA), 1_000 * GIRRO - cost);
        assert_eq!(world.balance(PROPOSER), 10 * GIRRO + cost);
        let names: Vec<_> = effects(&result).into_iter().map(|(_, name)| name).collect();
        assert!(!names.contains(&"AddKeys".to_owned()), "{names:?}");
        assert_eq!(world.last.as_ref().unwrap().changes.len(), 2, "two balances");
    }
}

#[test]
fn a_name_can_be_forgotten() {
    let mut world = world();
    ok(&world.one(world.session(ANA, PAID, seven(""), args())));
    let name = bytes(&"seven".to_owned());
    let body = format!("(call $remove_key (i32.const 0) (i32.const {}))", name.len());
    let result = world.one(world.session(ANA, PAID, guest(&[(0, &name)], &body), args()));
    ok(&result);
    assert_eq!(world.named(ANA, "seven"), None);
}

#[test]
fn forgetting_a_name_costs_the_same_whether_or_not_it_was_there() {
    let mut world = world();
    ok(&world.one(world.session(ANA, PAID, seven(""), args())));
    let forget = |name: &str| {
        let name = bytes(&name.to_owned());
        let body = format!("(call $remove_key (i32.const 0) (i32.const {}))", name.len());
        guest(&[(0, &name)], &body)
    };
    // The account is written both times, and has no names the second time as after the first.
    let there = seen(&world.one(world.session(ANA, PAID, forget("seven"), args()))).0;
    let gone = seen(&world.one(world.session(ANA, PAID, forget("seven"), args()))).0;
    assert_eq!(there, gone);
    let account = StoredValue::Account(world.account(ANA)).serialized_length() as u64;
    assert!(gone > account * 1_117_587, "{gone}");
}

#[test]
fn a_name_that_is_added_to_the_account_is_seen_by_the_next_deploy_only() {
    let mut world = world();
    let (key, value) =
        (bytes(&Key::Account(hash(ANA))), clvalue(("it".to_owned(), Key::Account(hash(BEN)))));
    let name = bytes(&"it".to_owned());
    let add = format!(
        "(call $add (i32.const 0) (i32.const {}) (i32.const 64) (i32.const {}))",
        key.len(),
        value.len()
    );
    // `get_key` answers MissingKey, 24.
    let look = format!(
        "(call $check (call $get_key (i32.const 256) (i32.const {}) (i32.const 300) (i32.const 40) (i32.const 400)))",
        name.len()
    );
    let data: &[guest::Data<'_>] = &[(0, &key), (64, &value), (256, &name)];
    let both = format!("{add} {look}");
    let result = world.one(world.session(ANA, PAID, guest(data, &both), args()));
    fails(&result, "User error: 24");
    ok(&world.one(world.session(ANA, PAID, guest(data, &add), args())));
    ok(&world.one(world.session(ANA, PAID, guest(data, &look), args())));
    assert_eq!(world.named(ANA, "it"), Some(Key::Account(hash(BEN))));
}

#[test]
fn a_session_that_reverts_with_a_code_of_no_meaning_fails_like_any_other() {
    let mut world = world();
    let result =
        world.one(world.session(ANA, PAID, guest(&[], "(call $revert (i32.const 64600))"), args()));
    fails(&result, "ApiError [64600]");
}

#[test]
fn storage_is_paid_by_the_byte() {
    let mut world = world();
    let store = |length: usize| {
        let value = clvalue("x".repeat(length));
        let body =
            format!("(call $new_uref (i32.const 4096) (i32.const 0) (i32.const {}))", value.len());
        guest(&[(0, &value)], &body)
    };
    let short = seen(&world.one(world.session(ANA, PAID, store(100), args()))).0;
    let long = seen(&world.one(world.session(ANA, PAID, store(1_100), args()))).0;
    // Each byte more is stored, and was an argument of the call.
    assert_eq!(long - short, 1_000 * (1_117_587 + 590));
}

#[test]
fn numbers_are_added_and_wrap_at_their_width() {
    let mut world = world();
    let add = |value: Vec<u8>, start: Vec<u8>| {
        guest(
            &[(0, &start), (300, &value), (128, &[2]), (200, &bytes(&"n".to_owned()))],
            &format!(
                "(call $new_uref (i32.const 129) (i32.const 0) (i32.const {}))
                 (call $put_key (i32.const 200) (i32.const 5) (i32.const 128) (i32.const 34))
                 (call $add (i32.const 128) (i32.const 34) (i32.const 300) (i32.const {}))",
                start.len(),
                value.len()
            ),
        )
    };
    let mut stored = |value, start| {
        let result = world.one(world.session(ANA, PAID, add(value, start), args()));
        ok(&result);
        world.value(world.named(ANA, "n").unwrap()).into_cl_value().unwrap()
    };
    let sum = stored(clvalue(5_u64), clvalue(37_u64));
    assert_eq!(sum.into_t::<u64>().unwrap(), 42);
    let sum = stored(clvalue(u64::MAX), clvalue(3_u64));
    assert_eq!(sum.into_t::<u64>().unwrap(), 2);
    let sum = stored(clvalue(U512::MAX), clvalue(U512::from(3)));
    assert_eq!(sum.into_t::<U512>().unwrap(), U512::from(2));
    let sum = stored(clvalue(-5_i32), clvalue(3_i32));
    assert_eq!(sum.into_t::<i32>().unwrap(), -2);
    let text = add(clvalue(1_u64), clvalue("three".to_owned()));
    let result = world.one(world.session(ANA, PAID, text, args()));
    assert!(seen(&result).1.unwrap().starts_with("Type mismatch"), "{result:?}");
}

#[test]
fn references_that_were_never_given_are_forged() {
    let mut world = world();
    let victim = world.account(BEN).main_purse();
    let key = bytes(&Key::URef(full([9; 32])));
    let value = clvalue(1_u8);
    let write = format!(
        "(call $write (i32.const 0) (i32.const 34) (i32.const 64) (i32.const {}))",
        value.len()
    );
    let wasm = guest(&[(0, &key), (64, &value)], &write);
    let result = world.one(world.session(ANA, PAID, wasm, args()));
    fails(&result, &format!("Forged reference: {}", full([9; 32])));

    // Inside a value.
    let value = clvalue(vec![Some(victim)]);
    let body =
        format!("(call $new_uref (i32.const 256) (i32.const 0) (i32.const {}))", value.len());
    let result = world.one(world.session(ANA, PAID, guest(&[(0, &value)], &body), args()));
    fails(&result, &format!("Forged reference: {victim}"));

    // As a named key.
    let name = bytes(&"loot".to_owned());
    let key = bytes(&Key::URef(victim));
    let wasm = guest(
        &[(0, &name), (64, &key)],
        "(call $put_key (i32.const 0) (i32.const 8) (i32.const 64) (i32.const 34))",
    );
    fails(
        &world.one(world.session(ANA, PAID, wasm, args())),
        &format!("Forged reference: {victim}"),
    );

    // As a source and as a target.
    let motes = bytes(&U512::from(GIRRO));
    let id = bytes(&Option::<u64>::None);
    let mine = world.account(ANA).main_purse();
    for (source, target, forged) in [(victim, mine, victim), (mine, victim, victim)] {
        let wasm = guest(
            &[(0, &bytes(&source)), (64, &bytes(&target)), (128, &motes), (192, &id)],
            &format!(
                "(call $check (call $transfer_from_purse_to_purse
                    (i32.const 0) (i32.const 33) (i32.const 64) (i32.const 33)
                    (i32.const 128) (i32.const {}) (i32.const 192) (i32.const {})))",
                motes.len(),
                id.len()
            ),
        );
        let result = world.one(world.session(ANA, PAID, wasm, amount(GIRRO)));
        fails(&result, &format!("Forged reference: {forged}"));
    }
    assert_eq!(world.balance(BEN), 1_000 * GIRRO);
}

#[test]
fn balances_and_other_accounts_cannot_be_read_or_written() {
    let mut world = world();
    let purse = world.account(ANA).main_purse();
    for (key, text) in [
        (Key::Balance(purse.addr()), "Invalid access rights: READ"),
        (Key::Account(hash(BEN)), "Invalid access rights: READ"),
        (Key::URef(URef::new([9; 32], AccessRights::WRITE)), "Invalid access rights: READ"),
    ] {
        let bytes = bytes(&key);
        let body = format!(
            "(drop (call $read_value (i32.const 0) (i32.const {}) (i32.const 128)))",
            bytes.len()
        );
        let result = world.one(world.session(ANA, PAID, guest(&[(0, &bytes)], &body), args()));
        fails(&result, text);
    }
    let value = clvalue(U512::from(u64::MAX));
    for key in [Key::Balance(purse.addr()), Key::Hash([1; 32]), Key::Account(hash(ANA))] {
        let bytes = bytes(&key);
        let body = format!(
            "(call $write (i32.const 0) (i32.const {}) (i32.const 64) (i32.const {}))",
            bytes.len(),
            value.len()
        );
        let wasm = guest(&[(0, &bytes), (64, &value)], &body);
        let result = world.one(world.session(ANA, PAID, wasm, args()));
        fails(&result, "Invalid access rights: WRITE");
    }
}

/// Transfers `motes` from the main purse to an account.
fn sends(to: u8, motes: u64) -> Vec<u8> {
    let amount = bytes(&U512::from(motes));
    let id = bytes(&Some(5_u64));
    guest(
        &[(0, &bytes(&hash(to))), (64, &amount), (128, &id)],
        &format!(
            "(call $check (call $transfer_to_account (i32.const 0) (i32.const 32)
                (i32.const 64) (i32.const {}) (i32.const 128) (i32.const {}) (i32.const 256)))",
            amount.len(),
            id.len()
        ),
    )
}

#[test]
fn a_session_transfers_to_old_and_new_accounts_and_the_record_says_so() {
    for to in [BEN, 99] {
        let mut world = world();
        let before = world.maybe_account(to).map_or(0, |_| world.balance(to));
        let result = world.one(world.session(ANA, PAID, sends(to, GIRRO), amount(GIRRO)));
        ok(&result);
        let (cost, _, transfers) = seen(&result);
        assert_eq!(transfers, 1);
        assert_eq!(world.balance(to), before + GIRRO);
        assert_eq!(world.balance(ANA), 999 * GIRRO - cost);
        let record = world.last.as_ref().unwrap().records.values().find_map(|v| v.as_transfer());
        let record = record.expect("a transfer record").clone();
        assert_eq!((record.to, record.id), (Some(hash(to)), Some(5)));
        assert_eq!(record.target, world.account(to).main_purse_add_only());
    }
}

#[test]
fn a_session_takes_no_more_than_its_amount_argument_allows() {
    let mut world = world();
    // 65024 + 21: unapproved spending amount.
    let unapproved = "User error: 65045";
    for args in [args(), amount(GIRRO - 1)] {
        let result = world.one(world.session(ANA, PAID, sends(BEN, GIRRO), args));
        fails(&result, unapproved);
        assert_eq!(seen(&result).2, 0);
    }
    let mut number = RuntimeArgs::new();
    number.insert("amount", GIRRO).unwrap();
    ok(&world.one(world.session(ANA, PAID, sends(BEN, GIRRO), number)));
    assert_eq!(world.balance(BEN), 1_001 * GIRRO);
    // More than there is: insufficient funds.
    let result =
        world.one(world.session(ANA, PAID, sends(BEN, 5_000 * GIRRO), amount(9_000 * GIRRO)));
    fails(&result, "User error: 65024");
}

#[test]
fn transfers_of_a_failed_session_are_listed_but_did_not_happen() {
    let mut world = world();
    let text = sends(BEN, GIRRO);
    ok(&world.one(world.session(ANA, PAID, text, amount(GIRRO))));
    let amount_bytes = bytes(&U512::from(GIRRO));
    let id = bytes(&Some(5_u64));
    let wasm = guest(
        &[(0, &bytes(&hash(BEN))), (64, &amount_bytes), (128, &id)],
        &format!(
            "(call $check (call $transfer_to_account (i32.const 0) (i32.const 32)
                (i32.const 64) (i32.const {}) (i32.const 128) (i32.const {}) (i32.const 256)))
             (call $revert (i32.const 65537))",
            amount_bytes.len(),
            id.len()
        ),
    );
    let result = world.one(world.session(ANA, PAID, wasm, amount(GIRRO)));
    fails(&result, "User error: 1");
    assert_eq!(seen(&result).2, 1);
    assert_eq!(world.balance(BEN), 1_001 * GIRRO);
    assert!(world.last.as_ref().unwrap().records.is_empty());
}

#[test]
fn a_session_sees_what_is_left_after_the_payment() {
    let mut world = world();
    let left = 1_000 * GIRRO - PAID;
    let purse = bytes(&world.account(ANA).main_purse());
    let expected = bytes(&U512::from(left));
    assert_eq!(expected.len(), 6, "a length and five bytes");
    let mut word = [0; 8];
    word[..6].copy_from_slice(&expected);
    let body = format!(
        "(call $check (call $get_balance (i32.const 0) (i32.const 33) (i32.const 64)))
         (call $check (call $read_host_buffer (i32.const 128) (i32.const 6) (i32.const 192)))
         (if (i64.ne (i64.load (i32.const 128)) (i64.const {}))
            (then (call $revert (i32.const 65599))))",
        i64::from_le_bytes(word)
    );
    ok(&world.one(world.session(ANA, PAID, guest(&[(0, &purse)], &body), args())));
}

#[test]
fn a_purse_is_made_filled_named_and_used_by_a_native_transfer() {
    let mut world = world();
    let motes = bytes(&U512::from(20 * GIRRO));
    let id = bytes(&Option::<u64>::None);
    let name = bytes(&"savings".to_owned());
    let body = format!(
        "(call $get_main_purse (i32.const 0))
         (call $check (call $create_purse (i32.const 129) (i32.const 33)))
         (call $check (call $transfer_from_purse_to_purse
            (i32.const 0) (i32.const 33) (i32.const 129) (i32.const 33)
            (i32.const 256) (i32.const {}) (i32.const 300) (i32.const {})))
         (call $put_key (i32.const 400) (i32.const {}) (i32.const 128) (i32.const 34))",
        motes.len(),
        id.len(),
        name.len()
    );
    let wasm = guest(&[(128, &[2]), (256, &motes), (300, &id), (400, &name)], &body);
    let result = world.one(world.session(ANA, PAID, wasm, amount(20 * GIRRO)));
    ok(&result);
    let Some(Key::URef(purse)) = world.named(ANA, "savings") else { panic!("no purse") };
    assert_eq!(world.purse_balance(purse), 20 * GIRRO);

    let mut args = transfer_args(3 * GIRRO, hash(BEN));
    args.insert("source", purse).unwrap();
    let before = world.balance(ANA);
    ok(&world.one(world.transfer(ANA, args.clone())));
    assert_eq!(world.balance(ANA), before, "the source pays the price too");
    assert_eq!(world.purse_balance(purse), 17 * GIRRO - TRANSFER_COST);
    // Ben does not hold it.
    let result = world.one(world.transfer(BEN, args));
    fails(&result, &format!("Forged reference: {purse}"));
}

#[test]
fn a_dictionary_item_is_stored_with_its_seed_and_key() {
    let mut world = world();
    let item = b"some key".to_vec();
    let value = clvalue(42_u32);
    let name = bytes(&"dict".to_owned());
    let body = format!(
        "(call $check (call $new_dictionary (i32.const 100)))
         (call $check (call $read_host_buffer (i32.const 129) (i32.const 33) (i32.const 104)))
         (call $check (call $dictionary_put (i32.const 129) (i32.const 33)
            (i32.const 200) (i32.const {}) (i32.const 300) (i32.const {})))
         (call $put_key (i32.const 400) (i32.const {}) (i32.const 128) (i32.const 34))",
        item.len(),
        value.len(),
        name.len()
    );
    let wasm = guest(&[(128, &[2]), (200, &item), (300, &value), (400, &name)], &body);
    ok(&world.one(world.session(ANA, PAID, wasm, args())));
    let Some(Key::URef(seed)) = world.named(ANA, "dict") else { panic!("no dictionary") };
    let key = Key::dictionary(seed, &item);
    let stored = casper_types::handle_stored_dictionary_value(key, world.value(key)).unwrap();
    assert_eq!(stored, StoredValue::CLValue(CLValue::from_t(42_u32).unwrap()));
}

#[test]
fn keys_are_associated_and_thresholds_hold_from_the_next_deploy_on() {
    let mut world = world();
    let add = guest(
        &[(0, &bytes(&hash(BEN)))],
        "(call $check (call $add_associated_key (i32.const 0) (i32.const 32) (i32.const 1)))",
    );
    let thresholds = guest(
        &[],
        "(call $check (call $set_action_threshold (i32.const 1) (i32.const 2)))
         (call $check (call $set_action_threshold (i32.const 0) (i32.const 2)))",
    );
    ok(&world.one(world.session(ANA, PAID, add.clone(), args())));
    assert_eq!(world.account(ANA).associated_keys().get(&hash(BEN)), Some(&Weight::new(1)));
    // One signature is enough for both, as it was when the deploy began.
    ok(&world.one(world.session(ANA, PAID, thresholds.clone(), args())));
    let alone = world.session(ANA, PAID, thresholds.clone(), args());
    fails(&world.one(alone), "Deployment authorization failure");
    let mut both = world.session(ANA, PAID, thresholds, args());
    both.sign(&key(BEN));
    ok(&world.one(both));
    assert_eq!(*world.account(ANA).action_thresholds().deployment(), Weight::new(2));

    let alone = world.send(ANA, BEN, 3 * GIRRO);
    let before = world.balance(ANA);
    fails(&world.one(alone), "Deployment authorization failure");
    assert_eq!(world.balance(ANA), before, "nothing is taken from who did not send it");
    let mut both = world.send(ANA, BEN, 3 * GIRRO);
    both.sign(&key(BEN));
    ok(&world.one(both));
    // DuplicateKey.
    let mut again = world.session(ANA, PAID, add, args());
    again.sign(&key(BEN));
    fails(&world.one(again), "User error: 2");
}

/// Payment code that moves `motes` from the main purse into the payment purse, which it gets from
/// handle payment.
fn pays(motes: u64) -> Vec<u8> {
    let amount = bytes(&U512::from(motes));
    let id = bytes(&Option::<u64>::None);
    let method = bytes(&"get_payment_purse");
    let none = bytes(&RuntimeArgs::new());
    guest(
        &[
            (128, &amount),
            (192, &id),
            (256, &SYSTEM.handle_payment.contract),
            (320, &method),
            (384, &none),
        ],
        &format!(
            "(call $get_main_purse (i32.const 0))
             (call $check (call $call_contract (i32.const 256) (i32.const 32) (i32.const 320)
                (i32.const {}) (i32.const 384) (i32.const {}) (i32.const 448)))
             (call $check (call $read_host_buffer (i32.const 64) (i32.const 33) (i32.const 448)))
             (call $check (call $transfer_from_purse_to_purse
                (i32.const 0) (i32.const 33) (i32.const 64) (i32.const 33)
                (i32.const 128) (i32.const {}) (i32.const 192) (i32.const {})))",
            method.len(),
            none.len(),
            amount.len(),
            id.len()
        ),
    )
}

#[test]
fn custom_payment_pays_for_itself_and_the_session() {
    let mut world = world();
    let payment = module(pays(50 * GIRRO), amount(50 * GIRRO));
    let result = world.one(world.deploy(ANA, payment.clone(), module(seven(""), args())));
    ok(&result);
    let (cost, _, transfers) = seen(&result);
    // transfer_from_purse_to_purse in payment, put_key in session; no transfer of a payment is
    // recorded.
    assert!(cost > 182_000_000, "{cost}");
    assert_eq!(transfers, 0);
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - cost);
    assert_eq!(world.balance(PROPOSER), 10 * GIRRO + cost);

    let reverting = module(guest::reverts(), args());
    let before = world.balance(ANA);
    let result = world.one(world.deploy(ANA, payment, reverting));
    fails(&result, "User error: 7");
    assert_eq!(before - world.balance(ANA), PENALTY);
}

#[test]
fn custom_payment_that_pays_less_than_it_costs_is_undone() {
    let mut world = world();
    let payment = module(pays(200_000_000), amount(200_000_000));
    let result = world.one(world.deploy(ANA, payment, module(seven(""), args())));
    assert_eq!(seen(&result), (PENALTY, Some("Insufficient payment"), 0));
    assert_eq!(world.balance(ANA), 1_000 * GIRRO - PENALTY);
}

#[test]
fn custom_payment_that_drains_the_account_cannot_escape_the_penalty() {
    let mut world = world();
    let drain = 1_000 * GIRRO;
    let payment = module(sends(BEN, drain), amount(drain));
    // Casper's price of a transfer to an account is all the gas that payment code gets.
    let result = world.one(world.deploy(ANA, payment, module(guest::idles(), args())));
    assert_eq!(seen(&result), (PENALTY, Some("Out of gas error"), 0));
    assert_eq!(world.balance(ANA), drain - PENALTY);
    assert_eq!(world.balance(BEN), 1_000 * GIRRO);
}

#[test]
fn random_bytes_and_addresses_differ_between_deploys() {
    let mut world = world();
    let results = world.block(&[
        world.session(ANA, PAID, seven(""), args()),
        world.session(BEN, PAID, seven(""), args()),
    ]);
    results.iter().for_each(ok);
    assert_ne!(world.named(ANA, "seven"), world.named(BEN, "seven"));
}

#[test]
fn the_same_block_gives_the_same_outcome() {
    let run = || {
        let mut world = world();
        let results = world.block(&[
            world.session(ANA, PAID, seven(""), args()),
            world.send(BEN, 99, 3 * GIRRO),
            world.session(BEN, PAID, sends(98, GIRRO), amount(GIRRO)),
            world.session(ANA, 5 * GIRRO, guest::spins(), args()),
        ]);
        let outcome = world.last.take().unwrap();
        (results, outcome.changes, outcome.records, world.state.root())
    };
    assert_eq!(run(), run());
}
