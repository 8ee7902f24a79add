//! Content as CAR files, to and from a node.

use std::{io, time::Duration};

use futures::{Stream, StreamExt};
use reqwest::Body;

use super::{Client, ClientError};
use crate::RPC_PATH;

/// A file may take this long; it stands still no longer than the node allows.
const FILE_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);

impl Client {
    fn content_url(&self, root: &str) -> String {
        format!("{}/assembly/{root}", self.url().trim_end_matches(RPC_PATH))
    }

    async fn checked(
        &self,
        url: &str,
        response: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<reqwest::Response, ClientError> {
        let response =
            response.map_err(|source| ClientError::Transport { url: url.to_owned(), source })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        let said: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
        let text = said.as_ref().and_then(|said| said["message"].as_str()).map_or_else(
            || String::from_utf8_lossy(&body).chars().take(300).collect(),
            str::to_owned,
        );
        Err(ClientError::Http { url: url.to_owned(), status: status.as_u16(), body: text })
    }

    /// Brings a CAR file to the node. Without the node's token it takes only what was announced
    /// there before.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn upload(
        &self,
        root: &str,
        token: Option<&str>,
        file: impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static,
    ) -> Result<(), ClientError> {
        let url = self.content_url(root);
        let mut request = self.http.put(&url).timeout(FILE_TIMEOUT).body(Body::wrap_stream(file));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await;
        self.checked(&url, response).await?;
        Ok(())
    }

    /// A CAR file of what the node holds, in pieces.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn download(
        &self,
        root: &str,
    ) -> Result<impl Stream<Item = Result<Vec<u8>, ClientError>> + Send + use<>, ClientError> {
        let url = self.content_url(root);
        let response = self.http.get(&url).timeout(FILE_TIMEOUT).send().await;
        let response = self.checked(&url, response).await?;
        Ok(response.bytes_stream().map(move |piece| match piece {
            Ok(piece) => Ok(piece.to_vec()),
            Err(source) => Err(ClientError::Transport { url: url.clone(), source }),
        }))
    }
}
