//! How callers say which block, state, account, purse or dictionary item they mean.

use std::{fmt, str::FromStr};

use casper_types::{
    AsymmetricType, BlockHash, Digest, PublicKey, URef,
    account::{ACCOUNT_HASH_FORMATTED_STRING_PREFIX, AccountHash},
};
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::methods::discover::described;

/// A block, by hash or height. Where it is optional, absent means the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum BlockIdentifier {
    /// By hash.
    Hash(BlockHash),
    /// By height.
    Height(u64),
}

/// Text that is neither a block hash nor a height.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is neither a block hash (64 hex digits) nor a height")]
pub struct NotABlock(pub String);

impl FromStr for BlockIdentifier {
    type Err = NotABlock;

    fn from_str(text: &str) -> Result<Self, NotABlock> {
        let bad = || NotABlock(text.to_owned());
        if text.len() == Digest::LENGTH * 2 {
            return Digest::from_hex(text)
                .map(|d| Self::Hash(BlockHash::new(d)))
                .map_err(|_| bad());
        }
        text.parse().map(Self::Height).map_err(|_| bad())
    }
}

/// A state, by its root or by a block whose post-state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub enum GlobalStateIdentifier {
    /// The state after this block.
    BlockHash(BlockHash),
    /// The state after the block at this height.
    BlockHeight(u64),
    /// The state with this root.
    StateRootHash(Digest),
}

/// A purse, by its URef or by the account whose main purse it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum PurseIdentifier {
    /// The main purse of this key's account.
    MainPurseUnderPublicKey(PublicKey),
    /// The main purse of this account.
    MainPurseUnderAccountHash(AccountHash),
    /// This purse.
    PurseUref(URef),
}

/// An account: a public key in hex, or `account-hash-` and hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountIdentifier {
    /// By public key.
    PublicKey(PublicKey),
    /// By account hash.
    AccountHash(AccountHash),
}

impl AccountIdentifier {
    /// The account's hash.
    pub fn account_hash(&self) -> AccountHash {
        match self {
            Self::PublicKey(key) => key.to_account_hash(),
            Self::AccountHash(hash) => *hash,
        }
    }
}

/// Text that names no account.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is neither a public key in hex nor an account hash: {reason}")]
pub struct NotAnAccount {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for AccountIdentifier {
    type Err = NotAnAccount;

    fn from_str(text: &str) -> Result<Self, NotAnAccount> {
        let bad = |reason: String| NotAnAccount { text: text.chars().take(140).collect(), reason };
        if text.starts_with(ACCOUNT_HASH_FORMATTED_STRING_PREFIX) {
            AccountHash::from_formatted_str(text)
                .map(Self::AccountHash)
                .map_err(|e| bad(e.to_string()))
        } else {
            PublicKey::from_hex(text).map(Self::PublicKey).map_err(|e| bad(e.to_string()))
        }
    }
}

impl fmt::Display for AccountIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PublicKey(key) => f.write_str(&key.to_hex()),
            Self::AccountHash(hash) => f.write_str(&hash.to_formatted_string()),
        }
    }
}

impl JsonSchema for AccountIdentifier {
    fn schema_name() -> String {
        "AccountIdentifier".to_owned()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        described::<String>(
            generator,
            "An account: its public key in hex, or `account-hash-` and its hash in hex.",
        )
    }
}

impl Serialize for AccountIdentifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AccountIdentifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A dictionary item. Keys and URefs are texts here, so that a bad one gets its own error code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DictionaryIdentifier {
    /// Through the named keys of an account.
    AccountNamedKey {
        /// The account's key.
        key: String,
        /// Name under which the account has the dictionary's seed URef.
        dictionary_name: String,
        /// The item.
        dictionary_item_key: String,
    },
    /// Through the named keys of a contract.
    ContractNamedKey {
        /// The contract's key.
        key: String,
        /// Name under which the contract has the dictionary's seed URef.
        dictionary_name: String,
        /// The item.
        dictionary_item_key: String,
    },
    /// Through the seed URef.
    URef {
        /// The dictionary's seed.
        seed_uref: String,
        /// The item.
        dictionary_item_key: String,
    },
    /// By the item's own address, `dictionary-` and hex.
    Dictionary(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_by_key_or_hash_in_any_case_of_letters() {
        let hex = "013b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
        let by_key: AccountIdentifier = hex.parse().unwrap();
        let text = by_key.account_hash().to_formatted_string();
        let by_hash: AccountIdentifier = text.parse().unwrap();
        assert_eq!(by_key.account_hash(), by_hash.account_hash());
        assert_eq!(by_hash.to_string(), text);
        let shouted: AccountIdentifier = hex.to_uppercase().parse().unwrap();
        assert_eq!(shouted, by_key);
        assert!("account-hash-00".parse::<AccountIdentifier>().is_err());
        assert!("bob".parse::<AccountIdentifier>().is_err());
    }

    #[test]
    fn a_block_is_named_by_hash_or_height() {
        assert_eq!("12".parse(), Ok(BlockIdentifier::Height(12)));
        let hash = "13c2d7a68ecdd4b74bf4393c88915c836c863fc4bf11d7f2bd930a1bbccacdcb";
        assert!(matches!(hash.parse(), Ok(BlockIdentifier::Hash(_))));
        assert!("latest".parse::<BlockIdentifier>().is_err());
    }
}
