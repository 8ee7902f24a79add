//! Reading state: by root, by block, along paths, in dictionaries and purses.

use casper_types::{
    BlockHeaderV1, DICTIONARY_ITEM_KEY_MAX_LENGTH, Digest, Key, StoredValue, URef,
    account::{Account, AccountHash},
};
use girrona_api::{
    BlockIdentifier, DictionaryIdentifier, ErrorCode, GlobalStateIdentifier, PurseIdentifier,
    RpcError,
    json_compat_15::{format_key, parse_key},
    methods::state::{
        GetAccountInfoParams, GetAccountInfoResult, GetBalanceParams, GetBalanceResult,
        GetDictionaryItemParams, GetDictionaryItemResult, GetItemParams, GetItemResult,
        GetTrieParams, GetTrieResult, QueryBalanceParams, QueryBalanceResult,
        QueryGlobalStateParams, QueryGlobalStateResult,
    },
};

use super::chain::{self, internal};
use crate::{
    Backend, BlockId, Fault, StateId, StateView,
    query::{self, walk},
};

/// No client checks proofs, and our tree is not Casper's.
pub(super) const NO_PROOF: String = String::new();

pub(super) fn item(
    backend: &dyn Backend,
    params: GetItemParams,
) -> Result<GetItemResult, RpcError> {
    let key = query_key(&params.key, "key")?;
    let state = state_at_root(backend, params.state_root_hash)?;
    let stored_value = walk(&*state, key, params.path)?.into();
    let api_version = backend.api_version();
    Ok(GetItemResult { api_version, stored_value, merkle_proof: NO_PROOF })
}

pub(super) fn balance_at_root(
    backend: &dyn Backend,
    params: GetBalanceParams,
) -> Result<GetBalanceResult, RpcError> {
    let purse = URef::from_formatted_str(&params.purse_uref).map_err(|error| {
        let text = format!("failed to parse purse_uref: {error}");
        RpcError::new(ErrorCode::FailedToParseGetBalanceURef, text)
    })?;
    let unreadable = |reason: String| {
        let text = format!("failed to execute for purse {purse}: {reason}");
        RpcError::new(ErrorCode::GetBalanceFailedToExecute, text)
    };
    let root = params.state_root_hash;
    let state = backend.state(StateId::Root(root)).map_err(|fault| unreadable(fault.0))?;
    let state = state.ok_or_else(|| {
        let text = format!("failed for purse {purse}: RootNotFound");
        RpcError::new(ErrorCode::FailedToGetBalance, text)
    })?;
    let balance_value = query::balance(&*state, purse).map_err(unreadable)?;
    let api_version = backend.api_version();
    Ok(GetBalanceResult { api_version, balance_value, merkle_proof: NO_PROOF })
}

pub(super) fn account(
    backend: &dyn Backend,
    params: GetAccountInfoParams,
) -> Result<GetAccountInfoResult, RpcError> {
    let header = chain::find(backend, params.block_identifier, |id| backend.block_header(id))?;
    let state = state_after(backend, &header)?;
    let key = Key::Account(params.account_identifier.account_hash());
    match walk(&*state, key, Vec::new())? {
        StoredValue::Account(account) => Ok(GetAccountInfoResult {
            api_version: backend.api_version(),
            account: account.into(),
            merkle_proof: NO_PROOF,
        }),
        _ => {
            let text = format!("stored value is not an account for account {key}");
            Err(RpcError::new(ErrorCode::NoSuchAccount, text))
        }
    }
}

pub(super) fn query(
    backend: &dyn Backend,
    params: QueryGlobalStateParams,
) -> Result<QueryGlobalStateResult, RpcError> {
    let (state, block_header) = identified(backend, params.state_identifier)?;
    let key = query_key(&params.key, "key")?;
    let stored_value = walk(&*state, key, params.path)?.into();
    let api_version = backend.api_version();
    Ok(QueryGlobalStateResult { api_version, block_header, stored_value, merkle_proof: NO_PROOF })
}

pub(super) fn balance(
    backend: &dyn Backend,
    params: QueryBalanceParams,
) -> Result<QueryBalanceResult, RpcError> {
    let (state, _) = identified(backend, params.state_identifier)?;
    let purse = match params.purse_identifier {
        PurseIdentifier::MainPurseUnderPublicKey(key) => {
            main_purse(&*state, key.to_account_hash())?
        }
        PurseIdentifier::MainPurseUnderAccountHash(hash) => main_purse(&*state, hash)?,
        PurseIdentifier::PurseUref(purse) => purse,
    };
    let balance = query::balance(&*state, purse)
        .map_err(|reason| RpcError::new(ErrorCode::GetBalanceFailedToExecute, reason))?;
    Ok(QueryBalanceResult { api_version: backend.api_version(), balance })
}

pub(super) fn dictionary_item(
    backend: &dyn Backend,
    params: GetDictionaryItemParams,
) -> Result<GetDictionaryItemResult, RpcError> {
    let bad = |text: String| RpcError::new(ErrorCode::FailedToGetDictionaryURef, text);
    let state = || state_at_root(backend, params.state_root_hash);
    let key = match params.dictionary_identifier {
        DictionaryIdentifier::AccountNamedKey { key, dictionary_name, dictionary_item_key }
        | DictionaryIdentifier::ContractNamedKey { key, dictionary_name, dictionary_item_key } => {
            let base = query_key(&key, "base key")?;
            let owner = walk(&*state()?, base, Vec::new())?;
            let seed = match &owner {
                StoredValue::Account(account) => account.named_keys().get(&dictionary_name),
                StoredValue::Contract(contract) => contract.named_keys().get(&dictionary_name),
                other => {
                    let text =
                        format!("expected account or contract, but got {}", other.type_name());
                    return Err(bad(text));
                }
            };
            let seed = seed.ok_or_else(|| bad("seed uref not in named keys".to_owned()))?;
            let seed =
                seed.as_uref().ok_or_else(|| bad(format!("expected uref, but got {seed}")))?;
            dictionary_key(*seed, &dictionary_item_key)?
        }
        DictionaryIdentifier::URef { seed_uref, dictionary_item_key } => {
            let seed = URef::from_formatted_str(&seed_uref)
                .map_err(|error| bad(format!("failed to parse uref: {error}")))?;
            dictionary_key(seed, &dictionary_item_key)?
        }
        DictionaryIdentifier::Dictionary(address) => parse_key(&address)
            .map_err(|error| bad(format!("failed to parse dictionary key: {error}")))?,
    };
    let stored_value = walk(&*state()?, key, Vec::new())?.into();
    Ok(GetDictionaryItemResult {
        api_version: backend.api_version(),
        dictionary_key: format_key(&key),
        stored_value,
        merkle_proof: NO_PROOF,
    })
}

fn dictionary_key(seed: URef, item: &str) -> Result<Key, RpcError> {
    if item.len() > DICTIONARY_ITEM_KEY_MAX_LENGTH {
        let length = item.len();
        let text = format!(
            "dictionary item key of {length} bytes exceeds limit of {DICTIONARY_ITEM_KEY_MAX_LENGTH}"
        );
        return Err(RpcError::new(ErrorCode::FailedToGetDictionaryURef, text));
    }
    Ok(Key::dictionary(seed, item.as_bytes()))
}

fn query_key(text: &str, what: &str) -> Result<Key, RpcError> {
    parse_key(text).map_err(|error| {
        let text = format!("failed to parse {what}: {error}");
        RpcError::new(ErrorCode::FailedToParseQueryKey, text)
    })
}

fn main_purse(state: &dyn StateView, hash: AccountHash) -> Result<URef, RpcError> {
    match walk(state, Key::Account(hash), Vec::new())? {
        StoredValue::Account(account) => Ok(Account::main_purse(&account)),
        _ => {
            let text = format!("failed to get account {hash}");
            Err(RpcError::new(ErrorCode::NoSuchAccount, text))
        }
    }
}

type View<'a> = Box<dyn StateView + 'a>;

/// The state that is meant, and the block's header if it was named by a block.
fn identified(
    backend: &dyn Backend,
    wanted: Option<GlobalStateIdentifier>,
) -> Result<(View<'_>, Option<BlockHeaderV1>), RpcError> {
    let block = match wanted {
        Some(GlobalStateIdentifier::StateRootHash(root)) => {
            return Ok((state_at_root(backend, root)?, None));
        }
        Some(GlobalStateIdentifier::BlockHash(hash)) => Some(BlockIdentifier::Hash(hash)),
        Some(GlobalStateIdentifier::BlockHeight(height)) => Some(BlockIdentifier::Height(height)),
        None => None,
    };
    let header = chain::find(backend, block, |id: BlockId| backend.block_header(id))?;
    let state = state_after(backend, &header)?;
    Ok((state, block.map(|_| header)))
}

fn state_after<'a>(backend: &'a dyn Backend, header: &BlockHeaderV1) -> Result<View<'a>, RpcError> {
    let state = backend.state(StateId::Height(header.height()));
    found(backend, state, *header.state_root_hash())
}

fn state_at_root(backend: &dyn Backend, root: Digest) -> Result<View<'_>, RpcError> {
    found(backend, backend.state(StateId::Root(root)), root)
}

fn found<'a>(
    backend: &dyn Backend,
    state: Result<Option<View<'a>>, Fault>,
    root: Digest,
) -> Result<View<'a>, RpcError> {
    state.map_err(internal)?.ok_or_else(|| no_state(backend, root))
}

/// The refusal for a state that is not stored here.
pub(super) fn no_state(backend: &dyn Backend, root: Digest) -> RpcError {
    let text = format!("failed to get state root at {root:?}");
    RpcError::missing(ErrorCode::NoSuchStateRoot, text, backend.available_blocks())
}

/// Our state is no such trie, so no node of one is ever found.
pub(super) fn trie(backend: &dyn Backend, _: GetTrieParams) -> Result<GetTrieResult, RpcError> {
    Ok(GetTrieResult { api_version: backend.api_version(), maybe_trie_bytes: None })
}
