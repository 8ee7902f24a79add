//! Effects as clients of Casper 1.5 know them.

use casper_types::{
    AccessRights, CLValue, DeployHash, Digest, Key, NamedKeys, StoredValue, TransferAddr, URef,
    account::AccountHash,
};
use girrona_state::{Delta, MemoryState, View, effects};

#[test]
fn effects_list_what_was_done_in_order_with_1_5_names() {
    let mut state = MemoryState::new();
    let number = |n: u64| StoredValue::CLValue(CLValue::from_t(n).unwrap());
    let uref = Key::URef(URef::new([2; 32], AccessRights::READ_ADD_WRITE));
    state.apply(&[(uref, Some(number(1)))].into()).unwrap();
    let mut view = View::new(&state);
    view.read(&uref).unwrap();
    view.read(&Key::Hash([3; 32])).unwrap();
    view.write(Key::Balance([4; 32]), number(7));
    view.add(uref, Delta::U64(5)).unwrap();
    view.add(uref, Delta::U64(6)).unwrap();
    let mut keys = NamedKeys::new();
    keys.insert("counter".to_owned(), uref);
    view.add(Key::Account(AccountHash::new([5; 32])), Delta::Keys(keys)).unwrap();
    view.prune(Key::Dictionary([6; 32]));
    let text = serde_json::to_string_pretty(&view.effects()).unwrap();
    let expected = format!(
        r#"{{
  "operations": [],
  "transforms": [
    {{
      "key": "uref-{two}-000",
      "transform": "Identity"
    }},
    {{
      "key": "balance-{four}",
      "transform": {{
        "WriteCLValue": {{
          "cl_type": "U64",
          "bytes": "0700000000000000",
          "parsed": 7
        }}
      }}
    }},
    {{
      "key": "uref-{two}-000",
      "transform": {{
        "AddUInt64": 5
      }}
    }},
    {{
      "key": "uref-{two}-000",
      "transform": {{
        "AddUInt64": 6
      }}
    }},
    {{
      "key": "account-hash-{five}",
      "transform": {{
        "AddKeys": [
          {{
            "name": "counter",
            "key": "uref-{two}-007"
          }}
        ]
      }}
    }},
    {{
      "key": "dictionary-{six}",
      "transform": {{
        "Prune": "dictionary-{six}"
      }}
    }}
  ]
}}"#,
        two = "02".repeat(32),
        four = "04".repeat(32),
        five = "05".repeat(32),
        six = "06".repeat(32),
    );
    assert_eq!(text, expected);
}

#[test]
fn the_registry_of_system_contracts_has_its_1_5_name() {
    assert_eq!(
        effects::formatted(&Key::SystemEntityRegistry),
        format!("system-contract-registry-{}", "0".repeat(64))
    );
}

#[test]
fn all_other_keys_have_the_text_that_casper_gives_them() {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().enumerate() {
        // Every digit in both halves of a byte.
        *byte = (place * 17 % 256) as u8 ^ (place as u8 >> 4);
    }
    let keys = [
        Key::Account(AccountHash::new(bytes)),
        Key::Balance(bytes),
        Key::Transfer(TransferAddr::new(bytes)),
        Key::DeployInfo(DeployHash::new(Digest::from(bytes))),
        Key::Hash(bytes),
        Key::URef(URef::new(bytes, AccessRights::READ_ADD_WRITE)),
        Key::Dictionary(bytes),
        Key::Bid(AccountHash::new(bytes)),
        Key::ChainspecRegistry,
    ];
    for key in keys {
        assert_eq!(effects::formatted(&key), key.to_formatted_string());
    }
}
