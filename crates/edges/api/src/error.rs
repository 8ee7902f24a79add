//! Error codes and texts of JSON-RPC answers.
//!
//! Codes and messages are casper-node 1.5.8's; clients match on them. What helps a person goes
//! into `data`.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every code that an answer can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The body is not JSON.
    ParseError,
    /// JSON, but no JSON-RPC request.
    InvalidRequest,
    /// No such method here.
    MethodNotFound,
    /// The method is there, the parameters are not its parameters.
    InvalidParams,
    /// The node's own fault, or it is too busy.
    InternalError,
    /// The deploy was never stored here.
    NoSuchDeploy,
    /// The block is not stored here.
    NoSuchBlock,
    /// The key's text is no key.
    FailedToParseQueryKey,
    /// There is nothing at the end of that path.
    QueryFailed,
    /// State could not be read.
    QueryFailedToExecute,
    /// The purse's text is no URef.
    FailedToParseGetBalanceURef,
    /// No balance at that root.
    FailedToGetBalance,
    /// The balance could not be read.
    GetBalanceFailedToExecute,
    /// The deploy was refused; `data` says why.
    InvalidDeploy,
    /// What is stored there is no account.
    NoSuchAccount,
    /// The dictionary could not be found.
    FailedToGetDictionaryURef,
    /// The trie node could not be read.
    FailedToGetTrie,
    /// That state root is not stored here (any more).
    NoSuchStateRoot,
    /// Nothing is known here of that assembly or request.
    NoSuchAssembly,
    /// The message, or what it asks for, was refused; `data` says why.
    AssemblyRefused,
    /// The token is not the node's.
    WrongToken,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [Self; 21] = [
        Self::ParseError,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::InternalError,
        Self::NoSuchDeploy,
        Self::NoSuchBlock,
        Self::FailedToParseQueryKey,
        Self::QueryFailed,
        Self::QueryFailedToExecute,
        Self::FailedToParseGetBalanceURef,
        Self::FailedToGetBalance,
        Self::GetBalanceFailedToExecute,
        Self::InvalidDeploy,
        Self::NoSuchAccount,
        Self::FailedToGetDictionaryURef,
        Self::FailedToGetTrie,
        Self::NoSuchStateRoot,
        Self::NoSuchAssembly,
        Self::AssemblyRefused,
        Self::WrongToken,
    ];

    /// The number on the wire.
    pub const fn code(self) -> i64 {
        self.entry().0
    }

    /// The text on the wire.
    pub const fn message(self) -> &'static str {
        self.entry().1
    }

    const fn entry(self) -> (i64, &'static str) {
        match self {
            Self::ParseError => (-32700, "Parse error"),
            Self::InvalidRequest => (-32600, "Invalid Request"),
            Self::MethodNotFound => (-32601, "Method not found"),
            Self::InvalidParams => (-32602, "Invalid params"),
            Self::InternalError => (-32603, "Internal error"),
            Self::NoSuchDeploy => (-32000, "No such deploy"),
            Self::NoSuchBlock => (-32001, "No such block"),
            Self::FailedToParseQueryKey => (-32002, "Failed to parse query key"),
            Self::QueryFailed => (-32003, "Query failed"),
            Self::QueryFailedToExecute => (-32004, "Query failed to execute"),
            Self::FailedToParseGetBalanceURef => (-32005, "Failed to parse get-balance URef"),
            Self::FailedToGetBalance => (-32006, "Failed to get balance"),
            Self::GetBalanceFailedToExecute => (-32007, "get-balance failed to execute"),
            Self::InvalidDeploy => (-32008, "Invalid Deploy"),
            Self::NoSuchAccount => (-32009, "No such account"),
            Self::FailedToGetDictionaryURef => (-32010, "Failed to get dictionary URef"),
            Self::FailedToGetTrie => (-32011, "Failed to get trie"),
            Self::NoSuchStateRoot => (-32012, "No such state root"),
            // Far from Casper's, which may grow.
            Self::NoSuchAssembly => (-32100, "No such assembly"),
            Self::AssemblyRefused => (-32101, "Refused"),
            Self::WrongToken => (-32102, "Wrong token"),
        }
    }
}

/// The `error` object of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// See [`ErrorCode`].
    pub code: i64,
    /// The code's fixed text.
    pub message: Cow<'static, str>,
    /// What went wrong this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl RpcError {
    /// An error with a sentence as `data`.
    pub fn new(code: ErrorCode, data: impl Into<String>) -> Self {
        Self { data: Some(Value::String(data.into())), ..Self::bare(code) }
    }

    /// An error without `data`.
    pub const fn bare(code: ErrorCode) -> Self {
        Self { code: code.code(), message: Cow::Borrowed(code.message()), data: None }
    }

    /// A block or state root that is not stored here: says which ones are.
    pub fn missing(code: ErrorCode, message: impl Into<String>, available: BlockRange) -> Self {
        let data = serde_json::json!({
            "message": message.into(),
            "available_block_range": { "low": available.low, "high": available.high },
        });
        Self { data: Some(data), ..Self::bare(code) }
    }

    /// The sentence in `data`, wherever it is.
    pub fn detail(&self) -> Option<&str> {
        match self.data.as_ref()? {
            Value::String(text) => Some(text),
            Value::Object(fields) => fields.get("message")?.as_str(),
            _ => None,
        }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        match (self.detail(), &self.data) {
            (Some(detail), _) => write!(f, ": {detail}"),
            (None, Some(data)) => write!(f, ": {data}"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for RpcError {}

/// The heights of the blocks that a node has whole, both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AvailableBlockRange")]
pub struct BlockRange {
    /// The lowest.
    pub low: u64,
    /// The highest.
    pub high: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_all_different_and_count_down_without_a_gap() {
        let mut codes: Vec<_> = ErrorCode::ALL.iter().map(|code| code.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        let nodes: Vec<_> = codes.into_iter().filter(|code| *code > -32100).collect();
        assert_eq!(nodes, (-32012..=-32000).collect::<Vec<_>>());
    }

    #[test]
    fn a_missing_block_says_which_blocks_there_are() {
        let range = BlockRange { low: 3, high: 9 };
        let error = RpcError::missing(ErrorCode::NoSuchBlock, "block at height 1", range);
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"code":-32001,"message":"No such block","data":{"message":"block at height 1","available_block_range":{"low":3,"high":9}}}"#
        );
        assert_eq!(error.to_string(), "No such block (-32001): block at height 1");
    }
}
