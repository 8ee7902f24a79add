//! What the door holds: it puts questions into the service's queue, and moves content around it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use girrona_api::methods::assembly::{
    AssemblyCancelResult, AssemblyCheckResult, AssemblyListResult, AssemblyNodeResult,
    AssemblyPublishResult, AssemblyRootResult, AssemblyRunResult, AssemblyShowResult, Interests,
    RunState,
};
use girrona_assembly::{Cid, MessageId, RequestId};
use girrona_http::{Answer, Assemblies, AssemblyError, AssemblyEvent};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::{
    door::{Command, Told, content_error, internal},
    sandbox,
    service::Input,
    shared::{Shared, now_ms},
};

/// The longest that a caller may wait for a result.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// What the door holds.
#[derive(Clone, Debug)]
pub(crate) struct Handle(pub(crate) Arc<Shared>);

impl Handle {
    async fn ask<T>(&self, command: impl FnOnce(Told<T>) -> Command) -> Answer<T> {
        let (told, answer) = oneshot::channel();
        self.0.inputs.try_send(Input::Door(command(told))).map_err(|_| AssemblyError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(internal("the node is stopping")))
    }

    pub(super) fn check_token(&self, token: &str) -> Answer<()> {
        // Hashes are compared, so that time tells nothing about the token.
        let hash = |text: &str| casper_types::Digest::hash(text.as_bytes());
        if hash(token) == hash(&self.0.token) { Ok(()) } else { Err(AssemblyError::Token) }
    }

    fn root(&self, root: Cid) -> AssemblyRootResult {
        AssemblyRootResult { api_version: self.0.law.protocol.version, root: root.to_string() }
    }

    /// Waits for a result.
    pub(super) async fn wait(&self, request: RequestId, wait_ms: u64) -> Answer<AssemblyRunResult> {
        let until = tokio::time::Instant::now() + Duration::from_millis(wait_ms).min(WAIT_MAX);
        loop {
            let (run, changes) = self.ask(|told| Command::Standing(request, told)).await?;
            let is_decided = match run.state {
                RunState::Waiting => false,
                RunState::Agreed => run.result.as_ref().is_none_or(|result| result.is_here),
                RunState::Split | RunState::Failed | RunState::Cancelled => true,
            };
            let answer = AssemblyRunResult { api_version: self.0.law.protocol.version, run };
            let Some(mut changes) = changes.filter(|_| !is_decided) else { return Ok(answer) };
            if tokio::time::timeout_at(until, changes.changed()).await.is_err() {
                return Ok(answer);
            }
        }
    }

    pub(super) async fn run_signed(&self, envelope: Vec<u8>) -> Answer<RequestId> {
        Ok(self.ask(|told| Command::Run(envelope, told)).await?.0)
    }

    pub(super) async fn publish_signed(&self, envelope: Vec<u8>) -> Answer<(MessageId, Cid, bool)> {
        self.ask(|told| Command::Publish(envelope, told)).await
    }

    pub(super) async fn shown(&self, root: Cid) -> Answer<AssemblyShowResult> {
        self.ask(|told| Command::Show(root, told)).await
    }

    pub(super) async fn pinned(&self, root: Cid) -> Answer<()> {
        self.ask(|told| Command::Pin(root, true, told)).await
    }
}

/// A root as somebody wrote it.
pub(super) fn root_of(text: &str) -> Answer<Cid> {
    text.parse().map_err(|error| AssemblyError::Refused(format!("`{text}`: {error}")))
}

/// A request's id as somebody wrote it.
pub(super) fn request_of(text: &str) -> Answer<RequestId> {
    let bytes = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let wrong = || AssemblyError::Refused(format!("`{text}` is no id of a request"));
    bytes.map(RequestId).ok_or_else(wrong)
}

#[async_trait]
impl Assemblies for Handle {
    async fn node(&self) -> Answer<AssemblyNodeResult> {
        self.ask(Command::Node).await
    }

    async fn publish(&self, envelope: Vec<u8>) -> Answer<AssemblyPublishResult> {
        let (message, root, is_announced) = self.publish_signed(envelope).await?;
        Ok(AssemblyPublishResult {
            api_version: self.0.law.protocol.version,
            message: message.to_string(),
            root: root.to_string(),
            is_announced,
        })
    }

    async fn withdraw(&self, envelope: Vec<u8>) -> Answer<AssemblyRootResult> {
        Ok(self.root(self.ask(|told| Command::Withdraw(envelope, told)).await?))
    }

    async fn list(&self) -> Answer<AssemblyListResult> {
        self.ask(Command::List).await
    }

    async fn show(&self, root: &str) -> Answer<AssemblyShowResult> {
        self.shown(root_of(root)?).await
    }

    async fn pin(&self, root: &str, is_pinned: bool, token: &str) -> Answer<AssemblyRootResult> {
        self.check_token(token)?;
        let root = root_of(root)?;
        self.ask(|told| Command::Pin(root, is_pinned, told)).await?;
        Ok(self.root(root))
    }

    async fn interests(&self, interests: Interests, token: &str) -> Answer<AssemblyNodeResult> {
        self.check_token(token)?;
        self.ask(|told| Command::Interests(interests, told)).await
    }

    async fn check(&self, root: &str, token: &str) -> Answer<AssemblyCheckResult> {
        self.check_token(token)?;
        let root = root_of(root)?;
        let content = self.0.content.clone();
        let work = move || content.check(&root, now_ms());
        let checked = tokio::task::spawn_blocking(work).await.map_err(internal)?;
        let checked = checked.map_err(content_error)?;
        if !checked.broken.is_empty() {
            let broken = self.0.content.take_broken();
            self.0.report(Input::Broken(broken)).await;
        }
        Ok(AssemblyCheckResult {
            api_version: self.0.law.protocol.version,
            blocks: checked.blocks as u64,
            bad: checked.bad.iter().map(ToString::to_string).collect(),
        })
    }

    async fn run(&self, envelope: Vec<u8>, wait_ms: u64) -> Answer<AssemblyRunResult> {
        let request = self.run_signed(envelope).await?;
        self.wait(request, wait_ms).await
    }

    async fn result(&self, request: &str, wait_ms: u64) -> Answer<AssemblyRunResult> {
        self.wait(request_of(request)?, wait_ms).await
    }

    async fn cancel(&self, envelope: Vec<u8>) -> Answer<AssemblyCancelResult> {
        let request = self.ask(|told| Command::Cancel(envelope, told)).await?;
        let api_version = self.0.law.protocol.version;
        Ok(AssemblyCancelResult { api_version, request: request.to_string() })
    }

    async fn upload(
        &self,
        root: &str,
        token: Option<&str>,
        mut pieces: mpsc::Receiver<Result<Bytes, String>>,
    ) -> Answer<AssemblyRootResult> {
        let root = root_of(root)?;
        // Whoever has the token may bring anything that fits.
        let announced = match token {
            Some(token) => {
                self.check_token(token)?;
                None
            }
            None => Some(self.ask(|told| Command::Awaited(root, told)).await?),
        };
        let usage = self.0.content.usage();
        let most = announced.as_ref().map_or(usage.quota, |announced| {
            let content = announced.content;
            content.size.saturating_add(content.blocks.saturating_mul(512))
        });
        let shared = Arc::clone(&self.0);
        let take = move || -> Answer<()> {
            let content = &shared.content;
            if !content.holds(&root) {
                let mut import = content.import(Some(root), most, now_ms());
                while let Some(piece) = pieces.blocking_recv() {
                    let piece = piece.map_err(AssemblyError::Refused)?;
                    import.push(&piece).map_err(content_error)?;
                }
                let info = import.finish().map_err(content_error)?;
                let fits =
                    announced.as_ref().is_none_or(|announced| announced.content.size == info.size);
                if !fits {
                    content.remove(&root).map_err(content_error)?;
                    let text = "the content's size is not what was announced".to_owned();
                    return Err(AssemblyError::Refused(text));
                }
            }
            let Some(announced) = announced else { return Ok(()) };
            // What nobody can execute is not announced to everybody.
            let (runner, runtime) = (&shared.runner, &shared.runtime);
            if let Err(unfit) = sandbox::prepare(runner, runtime, content, &root, &[announced]) {
                content.remove(&root).map_err(content_error)?;
                return Err(AssemblyError::Refused(unfit.to_string()));
            }
            Ok(())
        };
        tokio::task::spawn_blocking(take).await.map_err(internal)??;
        self.ask(|told| Command::Brought(root, told)).await?;
        Ok(self.root(root))
    }

    async fn download(&self, root: &str) -> Answer<mpsc::Receiver<Result<Bytes, String>>> {
        let export = self.0.content.export(&root_of(root)?).map_err(content_error)?;
        let (out, pieces) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || {
            for piece in export {
                let piece = piece.map(Bytes::from).map_err(|error| error.to_string());
                if out.blocking_send(piece).is_err() {
                    return;
                }
            }
        });
        Ok(pieces)
    }

    async fn function_execute(&self, body: Value, token: &str) -> Answer<Value> {
        self.incumbent_execute(body, token).await
    }

    async fn function_install(&self, body: Value, token: &str) -> Answer<Value> {
        self.incumbent_install(body, token).await
    }

    async fn function_result(&self, body: Value) -> Answer<Value> {
        self.incumbent_result(body).await
    }

    fn events(&self) -> broadcast::Receiver<AssemblyEvent> {
        self.0.events.subscribe()
    }
}
