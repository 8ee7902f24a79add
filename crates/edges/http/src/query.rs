//! Walking through state: from a key along names to a value.
//!
//! Rules and texts are those of Casper's execution engine: accounts and contracts lead on by
//! name, a stored key leads on by itself, at most five steps, never twice through the same key.

use std::collections::{BTreeSet, VecDeque};

use casper_types::{CLType, Key, StoredValue, U512, URef, handle_stored_dictionary_value};
use girrona_api::{ErrorCode, RpcError};

use crate::backend::{Fault, StateView};

/// Steps that a path may lead.
const DEPTH_MAX: u64 = 5;

/// What stands at the end of a path.
///
/// # Errors
/// [`ErrorCode::QueryFailed`] with the place where the path ends;
/// [`ErrorCode::QueryFailedToExecute`] when state cannot be read.
pub(crate) fn walk(
    state: &dyn StateView,
    base: Key,
    path: Vec<String>,
) -> Result<StoredValue, RpcError> {
    let mut walk = Walk {
        base,
        visited_names: Vec::new(),
        names: path.into(),
        visited: BTreeSet::new(),
        at: base.normalize(),
        depth: 0,
    };
    loop {
        if walk.depth >= DEPTH_MAX {
            let depth = walk.depth;
            return Err(failed(format!("DepthLimit {{ depth: {depth} }}")));
        }
        if !walk.visited.insert(walk.at) {
            let text =
                format!("{:?} has formed a circular reference at path: {}", walk.at, walk.path());
            return Err(failed(format!("CircularReference({text:?})")));
        }
        let value = state.read(&walk.at).map_err(unreadable)?;
        let Some(value) = value else { return Err(walk.not_found("Failed to find base key")) };
        let value = handle_stored_dictionary_value(walk.at, value)
            .map_err(|e| walk.not_found(&format!("Failed to retrieve dictionary value: {e}")))?;
        let Some(name) = walk.names.front() else { return Ok(value) };
        let named = match &value {
            StoredValue::Account(account) => Some((account.named_keys().get(name), "Account")),
            StoredValue::Contract(contract) => Some((contract.named_keys().get(name), "Contract")),
            _ => None,
        };
        let next = match named {
            Some((key, whose)) => {
                let (key, name) = (key.copied(), walk.take_name());
                key.ok_or_else(|| walk.not_found(&format!("Name {name} not found in {whose}")))?
            }
            None => walk.follow(value)?,
        };
        walk.at = next.normalize();
        walk.depth = walk.depth.saturating_add(1);
    }
}

struct Walk {
    base: Key,
    visited_names: Vec<String>,
    names: VecDeque<String>,
    visited: BTreeSet<Key>,
    at: Key,
    depth: u64,
}

impl Walk {
    fn take_name(&mut self) -> String {
        let name = self.names.pop_front().unwrap_or_default();
        self.visited_names.push(name.clone());
        name
    }

    /// Where a value leads that is neither account nor contract.
    fn follow(&self, value: StoredValue) -> Result<Key, RpcError> {
        let kind = match value {
            StoredValue::CLValue(value) if *value.cl_type() == CLType::Key => {
                return value
                    .into_t::<Key>()
                    .map_err(|_| self.not_found("Failed to parse CLValue as Key"));
            }
            StoredValue::CLValue(value) => {
                return Err(self.not_found(&format!(
                    "Query cannot continue as {value:?} is not an account, contract nor key to \
                     such.  Value found"
                )));
            }
            StoredValue::ContractPackage(_) => "ContractPackage",
            StoredValue::ContractWasm(_) => "ContractWasm",
            StoredValue::Transfer(_) => "Transfer",
            StoredValue::DeployInfo(_) => "DeployInfo",
            StoredValue::EraInfo(_) => "EraInfo",
            StoredValue::Bid(_) => "Bid",
            StoredValue::Withdraw(_) => "WithdrawPurses",
            StoredValue::Unbonding(_) => "UnbondingPurses",
            _ => "Other",
        };
        Err(self.not_found(&format!("{kind} value found.")))
    }

    fn path(&self) -> String {
        let mut path = format!("{:?}", self.base);
        for name in &self.visited_names {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    fn not_found(&self, what: &str) -> RpcError {
        failed(format!("ValueNotFound({:?})", format!("{what} at path: {}", self.path())))
    }
}

fn failed(text: String) -> RpcError {
    RpcError::new(ErrorCode::QueryFailed, text)
}

fn unreadable(fault: Fault) -> RpcError {
    RpcError::new(ErrorCode::QueryFailedToExecute, fault.0)
}

/// The motes in a purse; `Err` is a sentence that says why there are none to be told.
pub(crate) fn balance(state: &dyn StateView, purse: URef) -> Result<U512, String> {
    let key = Key::Balance(purse.addr());
    match state.read(&key).map_err(|fault| fault.0)? {
        Some(StoredValue::CLValue(value)) => value.into_t().map_err(|error| error.to_string()),
        Some(_) => Err(format!("Key {key} holds no balance.")),
        None => Err(format!("Key {key} not found.")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casper_types::{
        AccessRights, CLValue, CLValueDictionary, NamedKeys,
        account::{Account, AccountHash},
    };

    use super::*;

    struct Memory(BTreeMap<Key, StoredValue>);

    impl StateView for Memory {
        fn read(&self, key: &Key) -> Result<Option<StoredValue>, Fault> {
            assert_eq!(*key, key.normalize());
            Ok(self.0.get(key).cloned())
        }
    }

    fn account(named: &[(&str, Key)]) -> StoredValue {
        let keys: BTreeMap<_, _> = named.iter().map(|(n, k)| ((*n).to_owned(), *k)).collect();
        let purse = URef::new([7; 32], AccessRights::READ_ADD_WRITE);
        StoredValue::Account(Account::create(
            AccountHash::new([1; 32]),
            NamedKeys::from(keys),
            purse,
        ))
    }

    fn pointer(key: Key) -> StoredValue {
        StoredValue::CLValue(CLValue::from_t(key).unwrap())
    }

    fn number() -> StoredValue {
        StoredValue::CLValue(CLValue::from_t(5_u64).unwrap())
    }

    fn detail(state: &Memory, base: Key, path: &[&str]) -> String {
        let path = path.iter().map(|&name| name.to_owned()).collect();
        let error = walk(state, base, path).unwrap_err();
        assert_eq!(error.code, -32003);
        error.detail().unwrap().to_owned()
    }

    const ME: Key = Key::Account(AccountHash::new([1; 32]));

    #[test]
    fn names_and_stored_keys_lead_to_the_value() {
        let uref = URef::new([2; 32], AccessRights::READ_ADD_WRITE);
        let state = Memory(BTreeMap::from([
            (ME, account(&[("n", Key::URef(uref))])),
            (Key::URef(uref).normalize(), pointer(Key::Hash([3; 32]))),
            (Key::Hash([3; 32]), account(&[("m", Key::Hash([4; 32]))])),
            (Key::Hash([4; 32]), number()),
        ]));
        let path = vec!["n".to_owned(), "m".to_owned()];
        assert_eq!(walk(&state, ME, path), Ok(number()));
        // Nothing more to follow: the stored key itself is the answer.
        assert_eq!(walk(&state, ME, vec!["n".to_owned()]), Ok(pointer(Key::Hash([3; 32]))));
    }

    #[test]
    fn a_path_that_ends_early_says_where() {
        let state = Memory(BTreeMap::from([
            (ME, account(&[("n", Key::Hash([9; 32])), ("v", Key::Hash([4; 32]))])),
            (Key::Hash([4; 32]), number()),
        ]));
        let me = format!("Key::Account({})", "01".repeat(32));
        let expected = format!("ValueNotFound(\"Name x not found in Account at path: {me}/x\")");
        assert_eq!(detail(&state, ME, &["x"]), expected);
        let expected = format!("ValueNotFound(\"Failed to find base key at path: {me}/n\")");
        assert_eq!(detail(&state, ME, &["n"]), expected);
        let text = detail(&state, ME, &["v", "more"]);
        assert!(text.starts_with("ValueNotFound(\"Query cannot continue as CLValue"), "{text}");
    }

    #[test]
    fn circles_and_long_ways_end() {
        let hash = |n: u8| Key::Hash([n; 32]);
        let mut state =
            Memory(BTreeMap::from([(hash(1), pointer(hash(2))), (hash(2), pointer(hash(1)))]));
        let text = detail(&state, hash(1), &["x"]);
        assert!(text.contains("has formed a circular reference at path: "), "{text}");
        for n in 1..9 {
            state.0.insert(hash(n), pointer(hash(n + 1)));
        }
        assert_eq!(detail(&state, hash(1), &["x"]), "DepthLimit { depth: 5 }");
    }

    #[test]
    fn a_dictionary_item_is_unwrapped() {
        let seed = URef::new([2; 32], AccessRights::READ_ADD_WRITE);
        let key = Key::dictionary(seed, b"item");
        let inner = CLValue::from_t(5_u64).unwrap();
        let wrapped = CLValueDictionary::new(inner, vec![2; 32], b"item".to_vec());
        let stored = StoredValue::CLValue(CLValue::from_t(wrapped).unwrap());
        let state = Memory(BTreeMap::from([(key, stored)]));
        assert_eq!(walk(&state, key, Vec::new()), Ok(number()));
    }
}
