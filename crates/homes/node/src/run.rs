//! The assembly page: what runs in a node and what flows between it.
//!
//! ```text
//!   clients -> http -> Door --deploys--> mailbox -> chain thread -> store
//!                        \--reads--------------------------------/
//!   peers <-> net -> router --checked--> mailbox
//!                      \--requests--> Answers -> store
//!   chain thread -> Outside -> net, events, verdicts
//! ```
//!
//! If any part ends, the node says which, and stops.

use std::{fs, future::Future, io, path::Path, sync::Arc, thread};

use casper_types::{AsymmetricType, SecretKey};
use girrona_chain::{Chain, Disk, Parts, SharedScheme};
use girrona_consensus::CasperKeys;
use girrona_http::{EventsConfig, RestConfig, RpcConfig};
use girrona_net::{Identity, Limits, Multiaddr, Net};
use girrona_store::{Options, Store};
use girrona_types::{
    Chainspec, Height,
    config::{self, Problems},
};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::{error, info};

use crate::{
    backend::Door,
    chain::{mailbox::Mailbox, metrics::Metrics, task},
    code::Cache,
    config::NodeConfig,
    endpoints::Endpoints,
    gossip::{Outside, answers::Answers, router},
};

/// Why a node did not start, or stopped.
#[derive(Debug, Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{doing} {path}")]
    File {
        /// What we were doing.
        doing: &'static str,
        /// Which file.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A configuration file has problems.
    #[error("{path} has problems:\n{problems}")]
    Config {
        /// Which file.
        path: String,
        /// All of them.
        problems: Problems,
    },
    /// A key file holds no key.
    #[error("{path} holds no secret key that can sign: {reason}")]
    Key {
        /// Which file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The data folder belongs to another network.
    #[error(
        "{path} holds the data of network {found}, but the chainspec makes network {expected}; \
         choose another `data` folder, or the chainspec that belongs to it"
    )]
    OtherNetwork {
        /// The data folder.
        path: String,
        /// Whose data it is.
        found: String,
        /// What the chainspec says.
        expected: String,
    },
    /// The store did not open.
    #[error("open the store")]
    Store(#[from] girrona_store::OpenError),
    /// The chain stopped.
    #[error("the chain stopped")]
    Chain(#[from] girrona_chain::Fatal),
    /// The swarm did not start.
    #[error("start the swarm")]
    Net(#[from] girrona_net::Error),
    /// The swarm key is no key.
    #[error("load the swarm key")]
    SwarmKey(#[from] girrona_net::KeyError),
    /// An address could not be listened on.
    #[error("listen on {address} for {what}")]
    Listen {
        /// What for.
        what: &'static str,
        /// Where.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A part of the node ended by itself.
    #[error("{0} ended although the node was not told to stop")]
    Ended(&'static str),
}

/// What `girrona node check` tells about a good configuration.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The configuration, paths made absolute or relative to the working folder.
    pub config: NodeConfig,
    /// The law.
    pub law: Arc<Chainspec>,
    /// Whether this node has the key of a validator of that law.
    pub validates: bool,
}

/// Reads a node's configuration, its chainspec and its key, and reports every problem.
///
/// # Errors
/// Everything that would keep the node from starting, as far as it can be seen from files.
pub fn check(path: &Path) -> Result<CheckReport, Error> {
    let text = read(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let config: NodeConfig = config::parse::<NodeConfig>(&text)
        .map_err(|problems| Error::Config { path: path.display().to_string(), problems })?
        .rooted_at(folder);
    let law = load_law(&config.chainspec)?;
    let scheme = load_scheme(&config)?;
    let validates = scheme
        .public_key()
        .is_some_and(|key| law.genesis_validators().any(|(other, _)| other == key));
    Ok(CheckReport { config, law, validates })
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        doing: "read",
        path: path.display().to_string(),
        source,
    })
}

fn load_law(path: &Path) -> Result<Arc<Chainspec>, Error> {
    let text = read(path)?;
    config::parse(&text)
        .map(Arc::new)
        .map_err(|problems| Error::Config { path: path.display().to_string(), problems })
}

fn load_scheme(config: &NodeConfig) -> Result<SharedScheme, Error> {
    if !config.is_validator() {
        return Ok(Arc::new(CasperKeys::observer()));
    }
    let path = &config.keys.validator;
    let bad = |reason: String| Error::Key { path: path.display().to_string(), reason };
    let pem = read(path)?;
    let secret = SecretKey::from_pem(pem).map_err(|error| bad(error.to_string()))?;
    let keys = CasperKeys::signer(secret).map_err(|error| bad(error.to_string()))?;
    Ok(Arc::new(keys))
}

/// Makes sure that the data folder is this network's.
fn claim_data(folder: &Path, law: &Chainspec) -> Result<(), Error> {
    let failed = |doing, path: &Path| {
        let path = path.display().to_string();
        move |source| Error::File { doing, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("make folder", folder))?;
    let path = folder.join("network");
    let expected = law.network_id().to_string();
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == expected => Ok(()),
        Ok(found) => Err(Error::OtherNetwork {
            path: folder.display().to_string(),
            found: found.trim().to_owned(),
            expected,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::write(&path, format!("{expected}\n")).map_err(failed("write", &path))
        }
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// Runs a node until `stop` is done.
///
/// # Errors
/// Why it did not start, or which part of it failed.
pub async fn run(config: NodeConfig, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
    let law = load_law(&config.chainspec)?;
    let scheme = load_scheme(&config)?;
    claim_data(&config.data, &law)?;
    Endpoints::remove(&config.data);
    let mut registry = Registry::default();

    let store = open_store(&config, &law).await?;
    let reader = store.reader();
    let parts = Parts {
        law: Arc::clone(&law),
        scheme: Arc::clone(&scheme),
        code: Box::new(Cache::default()),
        disk: store,
    };
    let chain = Chain::open(parts)?;
    info!(
        network = %law.network_id().short(), name = law.network.name, height = %chain.height(),
        validator = scheme.public_key().map(AsymmetricType::to_hex), "node starts"
    );

    let (net, events) = Net::start(net_config(&config, &law)?, &mut registry).await?;
    let mailbox = Mailbox::default();
    let outside = Arc::new(Outside::new(
        Arc::clone(&law),
        scheme,
        chain.validators().clone(),
        net.clone(),
        mailbox.clone(),
        chain.height(),
    ));
    let answers = Arc::new(Answers::new(reader.clone()));
    let chain_metrics = Metrics::new(&mut registry);
    let http_metrics = girrona_http::Metrics::default();
    http_metrics.register(&mut registry);
    let door = Arc::new(Door::new(Arc::clone(&outside), reader, registry));

    let rpc = listen("JSON-RPC", &config.rpc.address).await?;
    let rest = listen("REST", &config.rest.address).await?;
    let stream = listen("events", &config.events.address).await?;
    let endpoints = endpoints(&net, &rpc, &rest, &stream)?;

    let (stopping, stopped) = watch::channel(false);
    let until_stop = || {
        let mut stopped = stopped.clone();
        async move {
            // A dropped sender means the same.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        }
    };
    let mut services: JoinSet<(&'static str, Result<(), Error>)> = JoinSet::new();
    let served = |what: &'static str, result: io::Result<()>| {
        (what, result.map_err(|source| Error::Listen { what, address: String::new(), source }))
    };
    {
        let config = RpcConfig {
            cors_origin: config.rpc.cors_origin.clone(),
            qps_limit: u64::from(config.rpc.qps_limit),
            metrics: http_metrics.clone(),
            ..RpcConfig::default()
        };
        let serve = girrona_http::serve_rpc(rpc, door.clone(), config, until_stop());
        services.spawn(async move { served("JSON-RPC", serve.await) });
    }
    {
        let config = RestConfig {
            cors_origin: config.rpc.cors_origin.clone(),
            metrics: http_metrics.clone(),
            ..RestConfig::default()
        };
        let serve = girrona_http::serve_rest(rest, door.clone(), config, until_stop());
        services.spawn(async move { served("REST", serve.await) });
    }
    {
        let config = EventsConfig {
            cors_origin: config.rpc.cors_origin.clone(),
            subscribers_max: config.events.subscribers_max as usize,
            metrics: http_metrics,
            ..EventsConfig::default()
        };
        let serve = girrona_http::serve_events(stream, door.clone(), config, until_stop());
        services.spawn(async move { served("events", serve.await) });
    }
    services.spawn(chain_service(chain, mailbox.clone(), Arc::clone(&outside), chain_metrics));
    let routing = router::route(events, Arc::clone(&outside), answers);
    services.spawn(async move {
        routing.await;
        ("swarm", Ok(()))
    });

    endpoints.write(&config.data).map_err(|source| Error::File {
        doing: "write",
        path: Endpoints::path(&config.data).display().to_string(),
        source,
    })?;
    info!(rpc = endpoints.rpc, events = endpoints.events, rest = endpoints.rest, "node answers");

    let outcome = tokio::select! {
        () = stop => Ok(()),
        Some(ended) = services.join_next() => Err(why(ended)),
    };
    if let Err(error) = &outcome {
        error!(%error, "node stops");
    }
    Endpoints::remove(&config.data);
    stopping.send_replace(true);
    mailbox.stop();
    net.stop().await;
    while services.join_next().await.is_some() {}
    info!("node stopped");
    outcome
}

/// Why a service that should run for ever has ended.
fn why(ended: Result<(&'static str, Result<(), Error>), tokio::task::JoinError>) -> Error {
    match ended {
        Ok((_, Err(error))) => error,
        Ok((what, Ok(()))) => Error::Ended(what),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Error::Ended("a task"),
    }
}

/// The chain on its own thread, as something that can be waited for.
async fn chain_service(
    chain: Chain<Store>,
    mailbox: Mailbox,
    outside: Arc<Outside>,
    metrics: Metrics,
) -> (&'static str, Result<(), Error>) {
    let (done, finished) = tokio::sync::oneshot::channel();
    let spawned = thread::Builder::new().name("chain".to_owned()).spawn(move || {
        let result = task::work(chain, &mailbox, &outside, &metrics);
        // The node may have stopped waiting.
        let _ = done.send(result);
    });
    match spawned {
        Ok(_) => match finished.await {
            Ok(result) => ("chain", result.map_err(Error::Chain)),
            Err(_) => ("chain", Err(Error::Ended("the chain's thread"))),
        },
        Err(source) => {
            let path = "a thread for the chain".to_owned();
            ("chain", Err(Error::File { doing: "start", path, source }))
        }
    }
}

async fn open_store(config: &NodeConfig, law: &Chainspec) -> Result<Store, Error> {
    let folder = config.data.join("store");
    let options =
        Options { state_history_blocks: law.core.state_history_blocks, ..Options::default() };
    let opened = tokio::task::spawn_blocking(move || Store::open(&folder, &options)).await;
    match opened {
        Ok(store) => {
            let store = store?;
            let height = store.tip().ok().flatten().map(|tip| Height(tip.block.height()));
            info!(height = height.map(|height| height.0), "store opened");
            Ok(store)
        }
        Err(_) => Err(Error::Ended("opening the store")),
    }
}

fn net_config(config: &NodeConfig, law: &Chainspec) -> Result<girrona_net::Config, Error> {
    let key = Identity::load_or_create(&config.keys.swarm)?;
    let addresses = |texts: &[String]| -> Vec<Multiaddr> {
        // Checked when the configuration was read.
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    };
    Ok(girrona_net::Config {
        listen: addresses(&config.swarm.listen),
        peers: addresses(&config.swarm.peers),
        discovery: config.swarm.discovery,
        peer_book: Some(config.data.join("peers")),
        limits: Limits {
            inbound: config.swarm.inbound_max,
            outbound: config.swarm.outbound_max,
            ..Limits::default()
        },
        ..girrona_net::Config::new(key, law.network_id().short())
    })
}

async fn listen(what: &'static str, address: &str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen {
        what,
        address: address.to_owned(),
        source,
    })
}

fn endpoints(
    net: &Net,
    rpc: &TcpListener,
    rest: &TcpListener,
    events: &TcpListener,
) -> Result<Endpoints, Error> {
    let url = |what, listener: &TcpListener, path: &str| {
        let address = listener.local_addr().map_err(|source| Error::Listen {
            what,
            address: String::new(),
            source,
        })?;
        Ok::<_, Error>(format!("http://{address}{path}"))
    };
    let me = net.local_peer();
    Ok(Endpoints {
        rpc: url("JSON-RPC", rpc, "/rpc")?,
        rest: url("REST", rest, "")?,
        events: url("events", events, "")?,
        swarm: net.listen_addrs().iter().map(|address| format!("{address}/p2p/{me}")).collect(),
        pid: std::process::id(),
    })
}
