//! The methods, one file per group, and the table of all.
//!
//! `merkle_proof` is always the empty text: no client checks it, and our state tree is not
//! Casper's.

pub mod account;
pub mod assembly;
pub mod auction;
pub mod chain;
pub mod discover;
pub mod girrona;
pub mod info;
pub mod speculate;
pub mod spread;
pub mod state;

use schemars::JsonSchema;
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
    /// What it does, in a sentence or two.
    const SUMMARY: &'static str;
    /// Whether it wants parameters.
    const PARAMS: ParamsRule;
    /// Its parameters; the order of the fields is the order of positions.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// Its result, in the order and with the names of the wire.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
}

/// Parameters of a method that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// Lists the methods once, so that the table and its description cannot differ.
macro_rules! contract {
    ($($method:ty),* $(,)?) => {
        /// Every method that a node of this version answers.
        pub const METHODS: &[&str] = &[$(<$method as Method>::NAME),*];

        /// Describes every method, in the same order.
        fn described(generator: &mut schemars::r#gen::SchemaGenerator) -> Vec<serde_json::Value> {
            vec![$(discover::describe::<$method>(generator)),*]
        }
    };
}

contract![
    account::PutDeploy,
    info::GetDeploy,
    info::GetPeers,
    info::GetStatus,
    info::GetValidatorChanges,
    info::GetChainspec,
    chain::GetBlock,
    chain::GetBlockTransfers,
    chain::GetStateRootHash,
    auction::GetEraInfo,
    auction::GetEraSummary,
    state::GetItem,
    state::GetBalance,
    auction::GetAuctionInfo,
    state::GetAccountInfo,
    state::GetDictionaryItem,
    state::QueryGlobalState,
    state::QueryBalance,
    state::GetTrie,
    discover::Discover,
    speculate::SpeculativeExec,
    girrona::DeployStatus,
    girrona::ExplainDeploy,
    spread::Propagation,
    assembly::AssemblyNode,
    assembly::AssemblyPublish,
    assembly::AssemblyWithdraw,
    assembly::AssemblyList,
    assembly::AssemblyShow,
    assembly::AssemblyPin,
    assembly::AssemblyInterests,
    assembly::AssemblyCheck,
    assembly::AssemblyRun,
    assembly::AssemblyResult,
    assembly::AssemblyCancel,
];

/// Writes the `Method` of a marker type in one line.
macro_rules! method {
    ($(#[doc = $doc:literal])+ $marker:ident = $name:literal, $rule:ident, $params:ty => $output:ty) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $marker;

        impl $crate::methods::Method for $marker {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = concat!($($doc),+).trim_ascii();
            const PARAMS: $crate::methods::ParamsRule = $crate::methods::ParamsRule::$rule;
            type Params = $params;
            type Output = $output;
        }
    };
}
pub(crate) use method;
