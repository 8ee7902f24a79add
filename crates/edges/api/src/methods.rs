//! The methods, one file per group, and the table of all.
//!
//! `merkle_proof` is always the empty text: no client checks it, and our state tree is not
//! Casper's.

pub mod account;
pub mod chain;
pub mod girrona;
pub mod info;
pub mod state;

use serde::{Serialize, de::DeserializeOwned};

/// Whether a method wants parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsRule {
    /// It does.
    Required,
    /// It has defaults.
    Optional,
    /// It takes none.
    None,
}

/// One method of the contract.
pub trait Method {
    /// Name on the wire.
    const NAME: &'static str;
    /// Whether it wants parameters.
    const PARAMS: ParamsRule;
    /// Its parameters; the order of the fields is the order of positions.
    type Params: Serialize + DeserializeOwned + Send + 'static;
    /// Its result, in the order and with the names of the wire.
    type Output: Serialize + DeserializeOwned + Send + 'static;
}

/// Parameters of a method that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// Every method that a node of this version answers.
pub const METHODS: &[&str] = &[
    account::PutDeploy::NAME,
    info::GetDeploy::NAME,
    info::GetPeers::NAME,
    info::GetStatus::NAME,
    info::GetValidatorChanges::NAME,
    chain::GetBlock::NAME,
    chain::GetBlockTransfers::NAME,
    chain::GetStateRootHash::NAME,
    state::GetItem::NAME,
    state::GetBalance::NAME,
    state::GetAccountInfo::NAME,
    state::GetDictionaryItem::NAME,
    state::QueryGlobalState::NAME,
    state::QueryBalance::NAME,
    girrona::DeployStatus::NAME,
];

/// Writes the `Method` of a marker type in one line.
macro_rules! method {
    ($(#[$doc:meta])* $marker:ident = $name:literal, $rule:ident, $params:ty => $output:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $marker;

        impl $crate::methods::Method for $marker {
            const NAME: &'static str = $name;
            const PARAMS: $crate::methods::ParamsRule = $crate::methods::ParamsRule::$rule;
            type Params = $params;
            type Output = $output;
        }
    };
}
pub(crate) use method;
