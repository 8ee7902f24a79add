//! Trying a deploy out on a past or present state, beside the chain and without touching it, and
//! executing one of a block again to tell how its cost came about (`explanation`).
//!
//! Bounds: as many at once as the configuration says, on threads of their own, one more is told
//! "busy"; the gas that was paid for, of which standard payment buys no more than a block has; and
//! [`TIME_MAX`], after which the caller is told so and the deploy gets nothing more from the state.

mod explanation;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use casper_types::{
    BlockHeaderV1, Deploy, DeployHash, Key, PublicKey, StoredValue, Timestamp,
    execution::ExecutionResultV1,
};
use girrona_api::methods::girrona::DeployExplanation;
use girrona_engine::Onlooker;
use girrona_exec::{BlockContext, CodeSource, Signed, admission, execute_deploy};
use girrona_http::{Fault, SpeculateError};
use girrona_state::{Reader, Unreadable};
use girrona_store::StoreReader;
use girrona_types::{Chainspec, Height, deploy};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot};

use crate::{backend::fault, error::Error};

/// How long a caller waits. Code that reads no state goes on until its gas ends, and keeps its place.
const TIME_MAX: Duration = Duration::from_secs(15);

/// Where deploys are tried out.
#[derive(Debug)]
pub struct Speculation {
    law: Arc<Chainspec>,
    store: StoreReader,
    code: Onlooker,
    pool: ThreadPool,
    /// One for each thread: nothing waits.
    places: Arc<Semaphore>,
    running_max: usize,
}

impl Speculation {
    /// Room for `running_max` deploys at once, with the code that the chain keeps.
    ///
    /// # Errors
    /// When the system gives us no threads.
    pub fn new(
        law: Arc<Chainspec>,
        store: StoreReader,
        code: Onlooker,
        running_max: usize,
    ) -> Result<Self, Error> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(running_max)
            // These threads execute deploys, so they need room for compiled contracts.
            .spawn_handler(|thread| {
                let name = format!("speculate-{}", thread.index());
                girrona_engine::spawn(&name, move || thread.run()).map(drop)
            })
            .build()
            .map_err(|error| Error::File {
                doing: "start",
                path: "threads for trying deploys out".to_owned(),
                source: std::io::Error::other(error),
            })?;
        let places = Arc::new(Semaphore::new(running_max));
        Ok(Self { law, store, code, pool, places, running_max })
    }

    /// What would come of `deploy` after `block`.
    ///
    /// # Errors
    /// See [`SpeculateError`].
    pub async fn run(
        &self,
        block: BlockHeaderV1,
        deploy: Deploy,
    ) -> Result<ExecutionResultV1, SpeculateError> {
        let (law, store, mut code) = self.tools();
        self.work(move |until| attempt(&law, &store, &mut code, &block, &deploy, until)).await
    }

    /// How the cost of a deploy of a stored block came about.
    ///
    /// # Errors
    /// See [`SpeculateError`].
    pub async fn explain(
        &self,
        hash: DeployHash,
    ) -> Result<Option<DeployExplanation>, SpeculateError> {
        let (law, store, mut code) = self.tools();
        self.work(move |until| explanation::explain(&law, &store, &mut code, &hash, until)).await
    }

    /// What a thread works with.
    fn tools(&self) -> (Arc<Chainspec>, StoreReader, Onlooker) {
        (Arc::clone(&self.law), self.store.clone(), self.code.clone())
    }

    /// Does something on one of the threads, if one is free, with the moment when nobody waits for
    /// it any more.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(Instant) -> Result<T, SpeculateError> + Send + 'static,
    ) -> Result<T, SpeculateError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| SpeculateError::Busy(self.running_max))?;
        let (done, result) = oneshot::channel();
        let until = Instant::now() + TIME_MAX;
        self.pool.spawn(move || {
            let result = work(until);
            // Free before the caller hears of it, so that it may ask again at once.
            drop(place);
            // The caller may be gone.
            let _ = done.send(result);
        });
        match tokio::time::timeout_at(until.into(), result).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Fault("trying the deploy out failed".to_owned()).into()),
            Err(_) => Err(SpeculateError::TooLong(TIME_MAX)),
        }
    }
}

/// A state that is read no longer than until a moment.
struct Until<R> {
    state: R,
    until: Instant,
}

#[derive(Debug, thiserror::Error)]
#[error("the time for trying a deploy out is over")]
struct TimeIsOver;

impl<R: Reader> Reader for Until<R> {
    fn read(&self, key: &Key) -> Result<Option<Arc<StoredValue>>, Unreadable> {
        if Instant::now() > self.until {
            return Err(Unreadable(TimeIsOver.into()));
        }
        self.state.read(key)
    }
}

fn attempt(
    law: &Chainspec,
    store: &StoreReader,
    code: &mut dyn CodeSource,
    block: &BlockHeaderV1,
    deploy: &Deploy,
    until: Instant,
) -> Result<ExecutionResultV1, SpeculateError> {
    let state = store.state_at(Height(block.height())).ok_or(SpeculateError::NoState)?;
    try_out(law, &Until { state, until }, code, block, deploy, Timestamp::now())
}

/// Judges a deploy as an acceptor would after `block`, and executes it there.
fn try_out(
    law: &Chainspec,
    state: &dyn Reader,
    code: &mut dyn CodeSource,
    block: &BlockHeaderV1,
    deploy: &Deploy,
    now: Timestamp,
) -> Result<ExecutionResultV1, SpeculateError> {
    let failed = |error: girrona_exec::Error| SpeculateError::Internal(fault(error));
    let at = (block.state_root_hash(), block.block_hash(), Height(block.height()));
    let wrong = |fault: deploy::Fault| {
        let text = fault.message();
        SpeculateError::Invalid(if fault.is_of_parameters() {
            let (root, block, height) = at;
            format!(
                "{text} at state root hash {root:?} of block {:?} at height {height}",
                block.inner()
            )
        } else {
            text
        })
    };
    let refused = |refusal: admission::AdmissionError| {
        SpeculateError::Invalid(refusal.message(at.0, &at.1, at.2))
    };

    deploy::check_form(deploy, law, now).map_err(wrong)?;
    let mut signed = Signed::from(deploy);
    if deploy.approvals().is_empty() {
        let hash = deploy.has_valid_hash();
        hash.map_err(|error| wrong(deploy::Fault::Crypto(Box::new(error))))?;
        sign_for_all(&mut signed, state).map_err(failed)?;
    } else {
        deploy::check_crypto(deploy).map_err(wrong)?;
    }
    admission::check_account(&signed, state, law).map_err(failed)?.map_err(refused)?;
    admission::check_code(&signed, state, law).map_err(failed)?.map_err(refused)?;
    admission::check_modules(&signed, law, code).map_err(refused)?;
    let context = BlockContext {
        law,
        height: Height(block.height()).next(),
        time: block.timestamp(),
        parent: at.1,
        state_root: *at.0,
        proposer: &PublicKey::System,
        era_end: None,
    };
    Ok(execute_deploy(&context, &signed, state, code).map_err(failed)?.result)
}

/// A deploy that nobody signed counts as signed by every key of its account.
fn sign_for_all(signed: &mut Signed<'_>, state: &dyn Reader) -> Result<(), girrona_exec::Error> {
    signed.signers.insert(signed.account);
    if let Some(value) = state.read(&Key::Account(signed.account))?
        && let StoredValue::Account(account) = value.as_ref()
    {
        signed.signers = account.associated_keys().iter().map(|(key, _)| *key).collect();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
