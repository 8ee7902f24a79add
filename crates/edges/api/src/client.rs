//! A client of the contract: one function per method, and a reader of event streams.
//!
//! Knows: HTTP without TLS, JSON-RPC, server-sent events. An answer is bad input like any other:
//! its size is bounded and whatever does not fit the contract is an error.

mod content;
mod events;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use casper_types::{Deploy, DeployHash, Digest, U512};
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use events::{EventStreamPath, events};

use crate::{
    RPC_PATH,
    error::RpcError,
    identifiers::{
        AccountIdentifier, BlockIdentifier, DictionaryIdentifier, GlobalStateIdentifier,
        PurseIdentifier,
    },
    methods::{Method, NoParams, account, auction, chain, girrona, info, speculate, state},
};

/// The largest answer that is read: 64 MiB.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than a node keeps idle connections, so that a request never meets a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The node could not be reached or did not finish its answer.
    #[error("ask {url}: {}", innermost(source))]
    Transport {
        /// Who was asked.
        url: String,
        /// What went wrong.
        source: reqwest::Error,
    },
    /// The answer is no JSON-RPC answer.
    #[error("{url} answers with HTTP status {status}: {body}")]
    Http {
        /// Who was asked.
        url: String,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The answer does not fit the contract.
    #[error("{url} answers in a shape that is not understood: {reason}")]
    Shape {
        /// Who was asked.
        url: String,
        /// What does not fit.
        reason: String,
    },
    /// The node refused, and says why.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl ClientError {
    /// The node's refusal, if it is one.
    pub const fn rpc(&self) -> Option<&RpcError> {
        match self {
            Self::Rpc(error) => Some(error),
            _ => None,
        }
    }

    /// Whether trying again may help: the node was not there, or was too busy.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Http { status: 429 | 503, .. })
    }
}

/// reqwest's own text says only "error sending request".
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// Asks one node. Cheap to clone through an `Arc`; connections are kept and shared.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    next_id: AtomicU64,
}

#[derive(Serialize)]
struct Request<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'static str,
    params: &'a P,
}

#[derive(Deserialize)]
struct Answer<T> {
    id: Option<u64>,
    #[serde(default = "none")]
    result: Option<T>,
    error: Option<RpcError>,
}

/// Spares `T` a `Default`.
const fn none<T>() -> Option<T> {
    None
}

impl Client {
    /// A client of the node at `url`, for example `http://127.0.0.1:7777`; `/rpc` is added unless
    /// it is there.
    ///
    /// # Errors
    /// When the system lets us make no client at all.
    pub fn new(url: &str) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/');
        let url = if url.ends_with(RPC_PATH) { url.to_owned() } else { format!("{url}{RPC_PATH}") };
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .tcp_nodelay(true)
            .build()
            .map_err(|source| ClientError::Transport { url: url.clone(), source })?;
        Ok(Self { http, url, next_id: AtomicU64::new(1) })
    }

    /// Whom this client asks.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls any method of the contract.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn call<M: Method>(&self, params: &M::Params) -> Result<M::Output, ClientError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = Request { jsonrpc: "2.0", id, method: M::NAME, params };
        let response = self.http.post(&self.url).json(&request).send().await;
        let response = response.map_err(|source| self.transport(source))?;
        let status = response.status().as_u16();
        let body = self.body(response).await?;
        if status != 200 {
            let body = String::from_utf8_lossy(&body).chars().take(300).collect();
            return Err(ClientError::Http { url: self.url.clone(), status, body });
        }
        let answer: Answer<M::Output> =
            serde_json::from_slice(&body).map_err(|e| self.shape(e.to_string()))?;
        match answer {
            Answer { error: Some(error), .. } => Err(error.into()),
            Answer { id: Some(answered), result: Some(result), .. } if answered == id => Ok(result),
            Answer { id: answered, .. } => {
                Err(self.shape(format!("no result for request {id}, but for {answered:?}")))
            }
        }
    }

    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|source| self.transport(source))? {
            if body.len().saturating_add(chunk.len()) > ANSWER_MAX {
                return Err(self.shape(format!("more than {ANSWER_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn transport(&self, source: reqwest::Error) -> ClientError {
        ClientError::Transport { url: self.url.clone(), source }
    }

    fn shape(&self, reason: String) -> ClientError {
        ClientError::Shape { url: self.url.clone(), reason }
    }
}

/// One function per method. All errors are as for [`Client::call`].
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
impl Client {
    /// Sends a deploy; returns its hash once the node has accepted and stored it.
    pub async fn put_deploy(&self, deploy: Deploy) -> Result<DeployHash, ClientError> {
        let params = account::PutDeployParams { deploy: deploy.into() };
        Ok(self.call::<account::PutDeploy>(&params).await?.deploy_hash)
    }

    /// A deploy as this node received it, and what came of it.
    pub async fn get_deploy(&self, hash: DeployHash) -> Result<info::GetDeployResult, ClientError> {
        let params = info::GetDeployParams { deploy_hash: hash, finalized_approvals: false };
        self.call::<info::GetDeploy>(&params).await
    }

    /// How far a deploy has come on this node.
    pub async fn deploy_status(
        &self,
        hash: DeployHash,
    ) -> Result<girrona::DeployProgress, ClientError> {
        let params = girrona::DeployStatusParams { deploy_hash: hash };
        Ok(self.call::<girrona::DeployStatus>(&params).await?.progress)
    }

    /// How a deploy's cost came about, and what to do about its failure.
    pub async fn explain_deploy(
        &self,
        hash: DeployHash,
    ) -> Result<girrona::DeployExplanation, ClientError> {
        let params = girrona::ExplainDeployParams { deploy_hash: hash };
        Ok(self.call::<girrona::ExplainDeploy>(&params).await?.explanation)
    }

    /// The node's peers.
    pub async fn peers(&self) -> Result<info::GetPeersResult, ClientError> {
        self.call::<info::GetPeers>(&NoParams {}).await
    }

    /// How the node is doing.
    pub async fn status(&self) -> Result<info::GetStatusResult, ClientError> {
        self.call::<info::GetStatus>(&NoParams {}).await
    }

    /// When validators came, went or misbehaved.
    pub async fn validator_changes(&self) -> Result<info::GetValidatorChangesResult, ClientError> {
        self.call::<info::GetValidatorChanges>(&NoParams {}).await
    }

    /// The rules of the network and the accounts it started with.
    pub async fn chainspec(&self) -> Result<info::GetChainspecResult, ClientError> {
        self.call::<info::GetChainspec>(&NoParams {}).await
    }

    /// What would come of a deploy after a block; after the newest for `None`. It may be unsigned.
    pub async fn speculative_exec(
        &self,
        block: Option<BlockIdentifier>,
        deploy: Deploy,
    ) -> Result<speculate::SpeculativeExecResult, ClientError> {
        let deploy = deploy.into();
        let params = speculate::SpeculativeExecParams { block_identifier: block, deploy };
        self.call::<speculate::SpeculativeExec>(&params).await
    }

    /// Bids and validators as of a block; of the newest for `None`.
    pub async fn auction_info(
        &self,
        block: Option<BlockIdentifier>,
    ) -> Result<auction::AuctionState, ClientError> {
        let params = chain::BlockParams { block_identifier: block };
        Ok(self.call::<auction::GetAuctionInfo>(&params).await?.auction_state)
    }

    /// A block; the newest for `None`.
    pub async fn block(
        &self,
        block: Option<BlockIdentifier>,
    ) -> Result<chain::GetBlockResult, ClientError> {
        self.call::<chain::GetBlock>(&chain::BlockParams { block_identifier: block }).await
    }

    /// A block's transfers; the newest block's for `None`.
    pub async fn block_transfers(
        &self,
        block: Option<BlockIdentifier>,
    ) -> Result<chain::GetBlockTransfersResult, ClientError> {
        self.call::<chain::GetBlockTransfers>(&chain::BlockParams { block_identifier: block }).await
    }

    /// The root of the state after a block; after the newest for `None`.
    pub async fn state_root_hash(
        &self,
        block: Option<BlockIdentifier>,
    ) -> Result<Option<Digest>, ClientError> {
        let params = chain::BlockParams { block_identifier: block };
        Ok(self.call::<chain::GetStateRootHash>(&params).await?.state_root_hash)
    }

    /// A value of state by root and key text.
    pub async fn state_item(
        &self,
        root: Digest,
        key: String,
        path: Vec<String>,
    ) -> Result<state::GetItemResult, ClientError> {
        self.call::<state::GetItem>(&state::GetItemParams { state_root_hash: root, key, path })
            .await
    }

    /// Motes in a purse at a root; the purse as formatted text.
    pub async fn balance(&self, root: Digest, purse: String) -> Result<U512, ClientError> {
        let params = state::GetBalanceParams { state_root_hash: root, purse_uref: purse };
        Ok(self.call::<state::GetBalance>(&params).await?.balance_value)
    }

    /// An account, after a block or the newest one.
    pub async fn account(
        &self,
        account: AccountIdentifier,
        block: Option<BlockIdentifier>,
    ) -> Result<state::GetAccountInfoResult, ClientError> {
        let params =
            state::GetAccountInfoParams { account_identifier: account, block_identifier: block };
        self.call::<state::GetAccountInfo>(&params).await
    }

    /// An item of a dictionary at a root.
    pub async fn dictionary_item(
        &self,
        root: Digest,
        item: DictionaryIdentifier,
    ) -> Result<state::GetDictionaryItemResult, ClientError> {
        let params =
            state::GetDictionaryItemParams { state_root_hash: root, dictionary_identifier: item };
        self.call::<state::GetDictionaryItem>(&params).await
    }

    /// A value of state by key text and path, in the newest state for `None`.
    pub async fn query_global_state(
        &self,
        state: Option<GlobalStateIdentifier>,
        key: String,
        path: Vec<String>,
    ) -> Result<state::QueryGlobalStateResult, ClientError> {
        let params = state::QueryGlobalStateParams { state_identifier: state, key, path };
        self.call::<state::QueryGlobalState>(&params).await
    }

    /// Motes in a purse, in the newest state for `None`.
    pub async fn query_balance(
        &self,
        state: Option<GlobalStateIdentifier>,
        purse: PurseIdentifier,
    ) -> Result<U512, ClientError> {
        let params = state::QueryBalanceParams { state_identifier: state, purse_identifier: purse };
        Ok(self.call::<state::QueryBalance>(&params).await?.balance)
    }
}
