//! Accounts, addresses and values as both engines' programs see them: arguments are made of what is
//! in the state, and the state is told without addresses, which are each engine's own.

use std::{collections::BTreeMap, sync::LazyLock};

use anyhow::{Context as _, Result, anyhow, bail};
use casper_types::{
    AccessRights, CLType, CLValue, Key, PublicKey, RuntimeArgs, SecretKey, U128, U256, U512, URef,
    account::AccountHash, bytesrepr::ToBytes,
};

use super::suite::{ACCOUNTS, Args, Place, SEED, Value};

/// What is stored somewhere, as far as it is compared.
pub(crate) enum Thing {
    Account {
        names: BTreeMap<String, Key>,
        main_purse: URef,
        keys: Vec<(AccountHash, u8)>,
        thresholds: [u8; 2],
    },
    Contract {
        names: BTreeMap<String, Key>,
        entry_points: Vec<String>,
    },
    Package {
        versions: Vec<String>,
        disabled: Vec<String>,
        groups: Vec<(String, usize)>,
        is_locked: bool,
    },
    Value(CLValue),
    Other(String),
}

/// A state to look into.
pub(crate) trait State {
    /// What is there now.
    fn thing(&self, key: &Key) -> Result<Option<Thing>>;
    /// Where a contract of the system is: `mint` and so on.
    fn system(&self, name: &str) -> Result<[u8; 32]>;
}

/// The keys of all accounts: to make one takes time.
static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    let key = |number| {
        let secret = SecretKey::ed25519_from_bytes([SEED + number; 32]);
        PublicKey::from(&secret.expect("32 bytes are a key"))
    };
    (0..ACCOUNTS).map(key).collect()
});

/// The key of an account.
pub(crate) fn public(number: u8) -> Result<PublicKey> {
    KEYS.get(usize::from(number)).cloned().with_context(|| format!("no account {number}"))
}

/// The hash of an account.
pub(crate) fn account(number: u8) -> Result<AccountHash> {
    Ok(public(number)?.to_account_hash())
}

/// The key at a place.
pub(crate) fn find(state: &dyn State, place: &Place) -> Result<Key> {
    let mut steps = place.split('/');
    let first = steps.next().unwrap_or_default();
    let mut key = match first.strip_prefix('@') {
        Some("nothing") => return Ok(Key::Hash([9; 32])),
        Some(system) => Key::Hash(state.system(system)?),
        None => Key::Account(account(first.parse().with_context(|| format!("place {place}"))?)?),
    };
    for step in steps {
        key = match state.thing(&key)? {
            Some(Thing::Account { main_purse, .. }) if step == "@main" => Key::URef(main_purse),
            Some(Thing::Account { names, .. } | Thing::Contract { names, .. }) => {
                let named = names.get(step).copied();
                named.with_context(|| format!("no name `{step}` on the way to {place}"))?
            }
            _ => bail!("`{step}` of {place} is neither in an account nor in a contract"),
        };
    }
    Ok(key)
}

/// The 32 bytes of a key.
pub(crate) fn address(key: &Key) -> Result<[u8; 32]> {
    Ok(match key {
        Key::Hash(hash) => *hash,
        Key::URef(uref) => uref.addr(),
        Key::Account(account) => account.value(),
        other => bail!("{other} has no address that a test wants"),
    })
}

/// The arguments of a deploy.
pub(crate) fn arguments(state: &dyn State, args: &Args) -> Result<RuntimeArgs> {
    let mut made = RuntimeArgs::new();
    for (name, value) in args {
        made.insert_cl_value(name.clone(), cl_value(state, value)?);
    }
    Ok(made)
}

fn cl_value(state: &dyn State, value: &Value) -> Result<CLValue> {
    let bytes = |error| anyhow!("{error}");
    let value = match value {
        Value::Bool(value) => CLValue::from_t(*value),
        Value::I32(value) => CLValue::from_t(*value),
        Value::U8(value) => CLValue::from_t(*value),
        Value::U32(value) => CLValue::from_t(*value),
        Value::U64(value) => CLValue::from_t(*value),
        Value::U128(value) => CLValue::from_t(U128::from_dec_str(value).map_err(wrong)?),
        Value::U256(value) => CLValue::from_t(U256::from_dec_str(value).map_err(wrong)?),
        Value::U512(value) => CLValue::from_t(U512::from_dec_str(value).map_err(wrong)?),
        Value::Text(value) => CLValue::from_t(value.clone()),
        Value::Unit => CLValue::from_t(()),
        Value::Account(number) => CLValue::from_t(account(*number)?),
        Value::Accounts(numbers) => {
            CLValue::from_t(numbers.iter().map(|n| account(*n)).collect::<Result<Vec<_>>>()?)
        }
        Value::Public(number) => CLValue::from_t(public(*number)?),
        Value::AccountKey(number) => CLValue::from_t(Key::Account(account(*number)?)),
        Value::Key(place) => CLValue::from_t(find(state, place)?),
        Value::Address(place) => CLValue::from_t(address(&find(state, place)?)?),
        Value::URef { at, rights } => {
            let rights = AccessRights::from_bits(*rights).context("no access rights")?;
            CLValue::from_t(URef::new(address(&find(state, at)?)?, rights))
        }
        Value::Id(id) => CLValue::from_t(*id),
        Value::Args(args) => {
            let inner = arguments(state, args)?.to_bytes().map_err(bytes)?;
            return Ok(CLValue::from_components(CLType::Any, inner));
        }
        Value::Any(inner) => return Ok(CLValue::from_components(CLType::Any, inner.clone())),
    };
    value.map_err(|error| anyhow!("{error}"))
}

fn wrong(error: impl std::fmt::Debug) -> anyhow::Error {
    anyhow!("{error:?}")
}

/// Who that is among the accounts of a test, or `nobody`.
pub(crate) fn who(hash: &AccountHash) -> Result<String> {
    for number in 0..ACCOUNTS {
        if account(number)? == *hash {
            return Ok(number.to_string());
        }
    }
    Ok("nobody".to_owned())
}

/// Motes in the main purse of an account; nothing when there is no account.
pub(crate) fn balance(state: &dyn State, number: u8) -> Result<U512> {
    match state.thing(&Key::Account(account(number)?))? {
        Some(Thing::Account { main_purse, .. }) => {
            Ok(motes(state, main_purse)?.unwrap_or_default())
        }
        _ => Ok(U512::zero()),
    }
}

fn motes(state: &dyn State, purse: URef) -> Result<Option<U512>> {
    match state.thing(&Key::Balance(purse.addr()))? {
        Some(Thing::Value(value)) => Ok(Some(value.into_t().map_err(|error| anyhow!("{error}"))?)),
        _ => Ok(None),
    }
}

/// How balances changed.
pub(crate) fn changes(before: &[U512], after: &[U512]) -> Vec<String> {
    let change = |(before, after): (&U512, &U512)| {
        if after >= before {
            format!("+{}", *after - *before)
        } else {
            format!("-{}", *before - *after)
        }
    };
    before.iter().zip(after).map(change).collect()
}

/// A text without addresses.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if run >= 64 {
            plain.push_str("<address>");
            rest = &rest[run..];
        } else {
            let step = run.max(rest.chars().next().map_or(1, char::len_utf8));
            plain.push_str(&rest[..step]);
            rest = &rest[step..];
        }
    }
    plain
}

/// Everything that the accounts lead to, a line for each thing.
pub(crate) fn tell(state: &dyn State) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for number in 0..ACCOUNTS {
        let key = Key::Account(account(number)?);
        let Some(Thing::Account { names, keys, thresholds, .. }) = state.thing(&key)? else {
            continue;
        };
        let mut weights = Vec::new();
        for (hash, weight) in keys {
            weights.push(format!("{}:{weight}", who(&hash)?));
        }
        weights.sort();
        lines.push(format!("{number}: keys {}, thresholds {thresholds:?}", weights.join(" ")));
        tell_names(state, &number.to_string(), &names, 2, &mut lines)?;
    }
    Ok(lines)
}

fn tell_names(
    state: &dyn State,
    path: &str,
    names: &BTreeMap<String, Key>,
    depth: u8,
    lines: &mut Vec<String>,
) -> Result<()> {
    for (name, key) in names {
        let path = format!("{path}/{name}");
        let thing = state.thing(key)?;
        let what = match (key, &thing) {
            (Key::URef(uref), Some(Thing::Value(value))) => match motes(state, *uref)? {
                Some(motes) => format!("purse {:03o} with {motes}", uref.access_rights().bits()),
                None => format!("{:03o} {}", uref.access_rights().bits(), tell_value(value)),
            },
            (Key::Account(account), _) => format!("account {}", who(account)?),
            (_, None) => format!("{} to nothing", kind(key)),
            (_, Some(Thing::Contract { entry_points, .. })) => {
                format!("contract {}", entry_points.join(" "))
            }
            (_, Some(Thing::Package { versions, disabled, groups, is_locked })) => format!(
                "package, versions {}, disabled {}, groups {groups:?}, locked {is_locked}",
                versions.join(" "),
                disabled.join(" ")
            ),
            (_, Some(Thing::Value(value))) => format!("{} {}", kind(key), tell_value(value)),
            (_, Some(Thing::Account { .. })) => "account".to_owned(),
            (_, Some(Thing::Other(what))) => what.clone(),
        };
        lines.push(format!("{path}: {what}"));
        if let (Some(Thing::Contract { names, .. }), true) = (&thing, depth > 0) {
            tell_names(state, &path, names, depth - 1, lines)?;
        }
    }
    Ok(())
}

fn kind(key: &Key) -> &'static str {
    match key {
        Key::Account(_) => "account",
        Key::Hash(_) => "hash",
        Key::URef(_) => "uref",
        Key::Dictionary(_) => "dictionary",
        _ => "key",
    }
}

/// A value, or its type alone when there may be an address in it.
fn tell_value(value: &CLValue) -> String {
    let ty = format!("{:?}", value.cl_type());
    if ty.contains("URef") || ty.contains("Key") || ty.contains("ByteArray") {
        return ty;
    }
    let bytes: String = value.inner_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{ty} {bytes}")
}
