//! Deploys and looks of a plan as both engines' programs make them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow, bail};
use casper_types::{
    CLTyped, CLValue, Key, PublicKey, RuntimeArgs, SecretKey, U256, U512, URef,
    account::AccountHash,
    bytesrepr::{FromBytes, ToBytes},
};

use crate::{
    digest,
    plan::{Look, Plan, Value},
};

/// The accounts and modules of a plan.
pub(crate) struct Cast {
    /// The keys of the accounts.
    pub(crate) keys: Vec<PublicKey>,
    /// Their accounts.
    pub(crate) accounts: Vec<AccountHash>,
    modules: Vec<Vec<u8>>,
}

/// What is stored, as far as a plan asks for it.
pub(crate) enum Stored {
    /// An account: its names, its main purse.
    Account(BTreeMap<String, Key>, URef),
    /// A contract: its names.
    Contract(BTreeMap<String, Key>),
    /// A value.
    Value(CLValue),
}

/// How a program reads its engine's state.
pub(crate) type Read<'r> = &'r dyn Fn(&Key) -> Result<Stored>;

impl Cast {
    /// The accounts and modules of a plan.
    pub(crate) fn of(plan: &Plan) -> Result<Self> {
        let key = |seed| {
            let secret = SecretKey::ed25519_from_bytes(seed).map_err(|error| anyhow!("{error}"))?;
            Ok(PublicKey::from(&secret))
        };
        let keys: Vec<PublicKey> = plan.seeds.iter().map(key).collect::<Result<_>>()?;
        let accounts = keys.iter().map(PublicKey::to_account_hash).collect();
        let byte = |pair: &[u8]| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?);
        let module = |hex: &String| hex.as_bytes().chunks(2).map(byte).collect::<Result<_>>();
        let modules = plan.modules.iter().map(module).collect::<Result<_>>()?;
        Ok(Self { keys, accounts, modules })
    }

    /// A module, with a custom section of `unseen` bytes that begins with the number.
    pub(crate) fn module(&self, module: usize, unseen: Option<usize>, id: u64) -> Result<Vec<u8>> {
        let mut wasm = self.modules.get(module).context("no such module")?.clone();
        if let Some(size) = unseen {
            let mut section = vec![1, b'n'];
            section.extend(id.to_le_bytes());
            section.resize(size.max(section.len()), b'.');
            wasm.push(0);
            let mut size = section.len();
            while size > 127 {
                wasm.push(size as u8 | 128);
                size >>= 7;
            }
            wasm.push(size as u8);
            wasm.extend(section);
        }
        Ok(wasm)
    }

    /// The arguments of a deploy.
    pub(crate) fn args(&self, args: &[(String, Value)]) -> Result<RuntimeArgs> {
        let mut made = RuntimeArgs::new();
        for (name, value) in args {
            let value = match value {
                Value::Text(text) => CLValue::from_t(text.clone()),
                Value::U8(number) => CLValue::from_t(*number),
                Value::U64(number) => CLValue::from_t(*number),
                Value::U256(number) => CLValue::from_t(U256::from(*number)),
                Value::U512(number) => CLValue::from_t(U512::from(*number)),
                Value::Hash(at) => CLValue::from_t(self.accounts[*at]),
                Value::Account(at) => CLValue::from_t(Key::Account(self.accounts[*at])),
            };
            made.insert_cl_value(name.clone(), value.map_err(|error| anyhow!("{error}"))?);
        }
        Ok(made)
    }

    /// The hash of the contract that the first account has under a name.
    pub(crate) fn contract(&self, read: Read<'_>, name: &str) -> Result<[u8; 32]> {
        match name_of(read, &Key::Account(self.accounts[0]), name)? {
            Key::Hash(hash) => Ok(hash),
            other => bail!("`{name}` leads to {other}"),
        }
    }

    /// The answer to a look.
    pub(crate) fn look(&self, read: Read<'_>, look: &Look) -> Result<String> {
        let key = match look {
            Look::Balance(at) => {
                let Stored::Account(_, purse) = read(&Key::Account(self.accounts[*at]))? else {
                    bail!("account {at} is gone")
                };
                let motes: U512 = number(value(read, &Key::Balance(purse.addr()))?)?;
                return Ok(motes.to_string());
            }
            Look::Token(at) => {
                let token = Key::Hash(self.contract(read, "token")?);
                let Key::URef(seed) = name_of(read, &token, "balances")? else {
                    bail!("the token keeps no balances")
                };
                let holder = Key::Account(self.accounts[*at]).to_bytes();
                let item = digest(&holder.map_err(|error| anyhow!("{error}"))?);
                let item: String = item.iter().map(|byte| format!("{byte:02x}")).collect();
                let wrapped = value(read, &Key::dictionary(seed, item.as_bytes()))?;
                // The item's value, and behind it where it belongs.
                let (inner, _) = CLValue::from_bytes(wrapped.inner_bytes())
                    .map_err(|error| anyhow!("{error}"))?;
                let tokens: U256 = number(inner)?;
                return Ok(tokens.to_string());
            }
            Look::Contract(contract, name) => {
                name_of(read, &Key::Hash(self.contract(read, contract)?), name)?
            }
            Look::Account(at, name) => name_of(read, &Key::Account(self.accounts[*at]), name)?,
        };
        let number: u64 = number(value(read, &key)?)?;
        Ok(number.to_string())
    }
}

fn name_of(read: Read<'_>, key: &Key, name: &str) -> Result<Key> {
    match read(key)? {
        Stored::Account(names, _) | Stored::Contract(names) => {
            names.get(name).copied().with_context(|| format!("{key} has no `{name}`"))
        }
        Stored::Value(_) => bail!("{key} has no names"),
    }
}

fn value(read: Read<'_>, key: &Key) -> Result<CLValue> {
    match read(key)? {
        Stored::Value(value) => Ok(value),
        _ => bail!("{key} is no value"),
    }
}

fn number<T: CLTyped + FromBytes>(value: CLValue) -> Result<T> {
    value.into_t().map_err(|error| anyhow!("{error}"))
}
