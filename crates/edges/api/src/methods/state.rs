//! Reading state.

use casper_types::{BlockHeaderV1, Digest, ProtocolVersion, U512, bytesrepr::Bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::method;
use crate::{
    identifiers::{
        AccountIdentifier, BlockIdentifier, DictionaryIdentifier, GlobalStateIdentifier,
        PurseIdentifier,
    },
    json_compat_15::{Account15, StoredValue15},
};

method! {
    /// A value of state. Kept for old clients; `query_global_state` can more.
    GetItem = "state_get_item", Required, GetItemParams => GetItemResult
}
method! {
    /// Motes in a purse, by root and URef.
    GetBalance = "state_get_balance", Required, GetBalanceParams => GetBalanceResult
}
method! {
    /// An account.
    GetAccountInfo = "state_get_account_info", Required, GetAccountInfoParams => GetAccountInfoResult
}
method! {
    /// An item of a dictionary.
    GetDictionaryItem = "state_get_dictionary_item", Required, GetDictionaryItemParams => GetDictionaryItemResult
}
method! {
    /// A value of state, at a block or root, along a path of names.
    QueryGlobalState = "query_global_state", Required, QueryGlobalStateParams => QueryGlobalStateResult
}
method! {
    /// Motes in a purse, at a block or root.
    QueryBalance = "query_balance", Required, QueryBalanceParams => QueryBalanceResult
}
method! {
    /// A node of Casper's state trie. Always null, Casper's answer for a node that it does not
    /// have: this network's state is another kind of tree.
    GetTrie = "state_get_trie", Required, GetTrieParams => GetTrieResult
}

/// Parameters of [`GetItem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetItemParams {
    /// Root of the state.
    pub state_root_hash: Digest,
    /// The key as formatted text.
    pub key: String,
    /// Names to follow from there.
    #[serde(default)]
    pub path: Vec<String>,
}

/// Result of [`GetItem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetItemResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The value.
    pub stored_value: StoredValue15,
    /// Empty.
    pub merkle_proof: String,
}

/// Parameters of [`GetBalance`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetBalanceParams {
    /// Root of the state.
    pub state_root_hash: Digest,
    /// The purse as formatted text.
    pub purse_uref: String,
}

/// Result of [`GetBalance`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetBalanceResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Motes.
    pub balance_value: U512,
    /// Empty.
    pub merkle_proof: String,
}

/// Parameters of [`GetAccountInfo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetAccountInfoParams {
    /// The account; older clients call it `public_key`.
    #[serde(alias = "public_key")]
    pub account_identifier: AccountIdentifier,
    /// The block after which to look; the newest if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_identifier: Option<BlockIdentifier>,
}

/// Result of [`GetAccountInfo`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetAccountInfoResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The account.
    pub account: Account15,
    /// Empty.
    pub merkle_proof: String,
}

/// Parameters of [`GetDictionaryItem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetDictionaryItemParams {
    /// Root of the state.
    pub state_root_hash: Digest,
    /// The item.
    pub dictionary_identifier: DictionaryIdentifier,
}

/// Result of [`GetDictionaryItem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetDictionaryItemResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The item's address, `dictionary-` and hex.
    pub dictionary_key: String,
    /// The value that was put into the dictionary.
    pub stored_value: StoredValue15,
    /// Empty.
    pub merkle_proof: String,
}

/// Parameters of [`QueryGlobalState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryGlobalStateParams {
    /// Which state; the newest if none is named.
    #[serde(default)]
    pub state_identifier: Option<GlobalStateIdentifier>,
    /// The key as formatted text.
    pub key: String,
    /// Names to follow from there.
    #[serde(default)]
    pub path: Vec<String>,
}

/// Result of [`QueryGlobalState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryGlobalStateResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The block's header, if the state was named by a block.
    pub block_header: Option<BlockHeaderV1>,
    /// The value.
    pub stored_value: StoredValue15,
    /// Empty.
    pub merkle_proof: String,
}

/// Parameters of [`QueryBalance`]. Casper tolerates unknown fields here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueryBalanceParams {
    /// Which state; the newest if none is named.
    #[serde(default)]
    pub state_identifier: Option<GlobalStateIdentifier>,
    /// The purse.
    pub purse_identifier: PurseIdentifier,
}

/// Result of [`QueryBalance`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueryBalanceResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// Motes.
    pub balance: U512,
}

/// Parameters of [`GetTrie`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetTrieParams {
    /// Hash of the trie's node.
    pub trie_key: Digest,
}

/// Result of [`GetTrie`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GetTrieResult {
    /// Version of the network's rules.
    pub api_version: ProtocolVersion,
    /// The node in hex; null when there is none.
    pub maybe_trie_bytes: Option<Bytes>,
}
