//! What the door needs to know of a node's assemblies.

use async_trait::async_trait;
use bytes::Bytes;
use girrona_api::{
    ErrorCode, RpcError,
    methods::assembly::{
        AssemblyCancelResult, AssemblyCheckResult, AssemblyListResult, AssemblyNodeResult,
        AssemblyPublishResult, AssemblyRootResult, AssemblyRunResult, AssemblyShowResult,
        Interests,
    },
};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc};

/// Why something about assemblies is not done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssemblyError {
    /// What was asked for is not known here.
    #[error("{0}")]
    NotFound(String),
    /// What was sent breaks a rule, or asks for something that cannot be.
    #[error("{0}")]
    Refused(String),
    /// The token is not the node's.
    #[error("the token is not this node's; it is in the file `token` in the node's data folder")]
    Token,
    /// The node has too much to do.
    #[error("the node is busy; try again in a second")]
    Busy,
    /// The node failed.
    #[error("{0}")]
    Internal(String),
}

impl From<AssemblyError> for RpcError {
    fn from(error: AssemblyError) -> Self {
        let code = match &error {
            AssemblyError::NotFound(_) => ErrorCode::NoSuchAssembly,
            AssemblyError::Refused(_) => ErrorCode::AssemblyRefused,
            AssemblyError::Token => ErrorCode::WrongToken,
            AssemblyError::Busy | AssemblyError::Internal(_) => ErrorCode::InternalError,
        };
        Self::new(code, error.to_string())
    }
}

/// What is asked, or an error.
pub type Answer<T> = Result<T, AssemblyError>;

/// Something that happened to an assembly or a request, for listeners: its number here, and its
/// JSON.
#[derive(Clone, Debug)]
pub struct AssemblyEvent {
    /// Grows by one, from the node's start.
    pub id: u64,
    /// One object with one field: what happened, and about what.
    pub json: Bytes,
}

/// A node's assemblies, as the door sees them. Bytes of strangers come as they were sent.
#[async_trait]
pub trait Assemblies: Send + Sync + 'static {
    /// See [`girrona_api::methods::assembly::AssemblyNode`].
    async fn node(&self) -> Answer<AssemblyNodeResult>;
    /// See [`girrona_api::methods::assembly::AssemblyPublish`].
    async fn publish(&self, envelope: Vec<u8>) -> Answer<AssemblyPublishResult>;
    /// See [`girrona_api::methods::assembly::AssemblyWithdraw`].
    async fn withdraw(&self, envelope: Vec<u8>) -> Answer<AssemblyRootResult>;
    /// See [`girrona_api::methods::assembly::AssemblyList`].
    async fn list(&self) -> Answer<AssemblyListResult>;
    /// See [`girrona_api::methods::assembly::AssemblyShow`].
    async fn show(&self, root: &str) -> Answer<AssemblyShowResult>;
    /// See [`girrona_api::methods::assembly::AssemblyPin`].
    async fn pin(&self, root: &str, is_pinned: bool, token: &str) -> Answer<AssemblyRootResult>;
    /// See [`girrona_api::methods::assembly::AssemblyInterests`].
    async fn interests(&self, interests: Interests, token: &str) -> Answer<AssemblyNodeResult>;
    /// See [`girrona_api::methods::assembly::AssemblyCheck`].
    async fn check(&self, root: &str, token: &str) -> Answer<AssemblyCheckResult>;
    /// See [`girrona_api::methods::assembly::AssemblyRun`].
    async fn run(&self, envelope: Vec<u8>, wait_ms: u64) -> Answer<AssemblyRunResult>;
    /// See [`girrona_api::methods::assembly::AssemblyResult`].
    async fn result(&self, request: &str, wait_ms: u64) -> Answer<AssemblyRunResult>;
    /// See [`girrona_api::methods::assembly::AssemblyCancel`].
    async fn cancel(&self, envelope: Vec<u8>) -> Answer<AssemblyCancelResult>;

    /// Takes a CAR file in, piece by piece. Without the node's token, only content that somebody
    /// announced here with [`Assemblies::publish`] is taken.
    async fn upload(
        &self,
        root: &str,
        token: Option<&str>,
        pieces: mpsc::Receiver<Result<Bytes, String>>,
    ) -> Answer<AssemblyRootResult>;
    /// Content that is held here, as a CAR file.
    async fn download(&self, root: &str) -> Answer<mpsc::Receiver<Result<Bytes, String>>>;

    /// The incumbent's `execute`: body and answer are its JSON. Signed with the node's own key.
    async fn function_execute(&self, body: Value, token: &str) -> Answer<Value>;
    /// The incumbent's `install`.
    async fn function_install(&self, body: Value, token: &str) -> Answer<Value>;
    /// The incumbent's `requests/result`.
    async fn function_result(&self, body: Value) -> Answer<Value>;

    /// Everything that happens from now on.
    fn events(&self) -> broadcast::Receiver<AssemblyEvent>;
}
