//! The assembly page: what runs in a node and what flows between it.
//!
//! ```text
//!   clients -> http -> Door --deploys--> mailbox -> chain thread -> store
//!                        |--reads--------------------------------/
//!                        \--trials--> Speculation -> store
//!   peers <-> net -> router --checked--> mailbox
//!                      \--requests--> Answers -> store
//!   chain thread -> Outside -> net, events, verdicts
//!   http, router <-> assemblies' thread -> net, content, sandbox
//! ```
//!
//! If any part ends, the node says which, and stops.

use std::{future::Future, io, sync::Arc};

use casper_types::AsymmetricType;
use girrona_chain::{Chain, Disk, Parts};
use girrona_engine::Tiers;
use girrona_http::{EventsConfig, RestConfig, RpcConfig};
use girrona_net::{Identity, Limits, Multiaddr, Net};
use girrona_store::{Options, Store};
use girrona_types::{Chainspec, Height};
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tracing::{error, info};

use crate::{
    assembly,
    backend::Door,
    chain::{mailbox::Mailbox, metrics::Metrics, task},
    config::NodeConfig,
    endpoints::Endpoints,
    error::Error,
    files::{claim_data, load_law, load_scheme},
    gossip::{Outside, answers::Answers, router},
    speculation::Speculation,
};

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
    let code = Tiers::new(config.contracts.compile, girrona_engine::Metrics::new(&mut registry));
    let onlooker = code.onlooker();
    let parts = Parts {
        law: Arc::clone(&law),
        scheme: Arc::clone(&scheme),
        code: Box::new(code),
        disk: store,
    };
    let chain = Chain::open(parts)?;
    info!(
        network = %law.network_id().short(), name = law.network.name, height = %chain.height(),
        validator = scheme.public_key().map(AsymmetricType::to_hex), "node starts"
    );

    let ground = open_assemblies(&config).await?;
    let net_config = net_config(&config, &law, ground.as_ref())?;
    let (net, events) = Net::start(net_config, &mut registry).await?;
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
    let running_max = config.speculative.running_max as usize;
    let speculation = Speculation::new(Arc::clone(&law), reader.clone(), onlooker, running_max)?;
    let assemblies = match ground {
        Some(ground) => {
            let (law, net, chain) = (Arc::clone(&law), net.clone(), reader.clone());
            Some(assembly::start(ground, &config, law, net, chain, &mut registry)?)
        }
        None => None,
    };
    let (assemblies, assemblies_end) = assemblies.unzip();
    let door = Door::new(Arc::clone(&outside), reader, speculation, registry);
    let door = Arc::new(door.with_assemblies(assemblies.clone()));

    let rpc = listen("JSON-RPC", &config.rpc.address).await?;
    let speculative = listen("speculative execution", &config.speculative.address).await?;
    let rest = listen("REST", &config.rest.address).await?;
    let stream = listen("events", &config.events.address).await?;
    let endpoints = endpoints(&net, &rpc, &speculative, &rest, &stream)?;

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
        let config = RpcConfig {
            cors_origin: config.rpc.cors_origin.clone(),
            qps_limit: u64::from(config.speculative.qps_limit),
            metrics: http_metrics.clone(),
            ..RpcConfig::default()
        };
        let serve =
            girrona_http::serve_speculative(speculative, door.clone(), config, until_stop());
        services.spawn(async move { served("speculative execution", serve.await) });
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
    if let Some(ended) = assemblies_end {
        services.spawn(async move {
            // A thread that is gone says it without a word.
            let _ = ended.await;
            ("assemblies", Ok(()))
        });
    }
    let routing = router::route(events, Arc::clone(&outside), answers, assemblies.clone());
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
    if let Some(assemblies) = &assemblies {
        assemblies.stop().await;
    }
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
    // This thread executes blocks, so it needs room for compiled contracts.
    let spawned = girrona_engine::spawn("chain", move || {
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

/// What assemblies need of the disk; `None` where they are turned off.
async fn open_assemblies(config: &NodeConfig) -> Result<Option<assembly::Ground>, Error> {
    if !config.assembly.enabled {
        return Ok(None);
    }
    let config = config.clone();
    let opened = tokio::task::spawn_blocking(move || assembly::Ground::open(&config)).await;
    opened.map_err(|_| Error::Ended("opening the content"))?.map(Some)
}

fn net_config(
    config: &NodeConfig,
    law: &Chainspec,
    ground: Option<&assembly::Ground>,
) -> Result<girrona_net::Config, Error> {
    let key = Identity::load_or_create(&config.keys.swarm)?;
    let addresses = |texts: &[String]| -> Vec<Multiaddr> {
        // Checked when the configuration was read.
        texts.iter().filter_map(|text| text.parse().ok()).collect()
    };
    let mut content = girrona_net::Content::default();
    if let Some(ground) = ground {
        content.blocks = ground.blocks();
    }
    let upload = config.assembly.upload_kib.saturating_mul(1_024);
    content.upload = (upload > 0).then_some(upload);
    Ok(girrona_net::Config {
        content,
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
    speculative: &TcpListener,
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
        speculative: url("speculative execution", speculative, "/rpc")?,
        rest: url("REST", rest, "")?,
        events: url("events", events, "")?,
        swarm: net.listen_addrs().iter().map(|address| format!("{address}/p2p/{me}")).collect(),
        pid: std::process::id(),
    })
}
