//! Puts the libp2p swarm together: transports, protocols, gossipsub's limits and scores.
//!
//! Knows: libp2p's knobs and why they stand where they stand. The numbers that decide how fast a
//! message spreads are in `girrona_types::gossip`, because the simulator plays with them too.
//! Does not know: events; see `task.rs`.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use libp2p::{
    StreamProtocol, Swarm, SwarmBuilder, connection_limits,
    gossipsub::{
        self, IdentityTransform, MaxCountSubscriptionFilter, MessageAuthenticity, PeerScoreParams,
        PeerScoreThresholds, TopicScoreParams, ValidationMode, WhitelistSubscriptionFilter,
        score_parameter_decay,
    },
    identify, identity, kad, memory_connection_limits, noise, ping, request_response as rr,
    swarm::{NetworkBehaviour, behaviour::toggle::Toggle},
    tcp, yamux,
};
use prometheus_client::registry::Registry;

use crate::{
    Config, Error, Topic, direct,
    gate::Gate,
    records,
    sync::{self, Line, SyncCodec},
    topic,
};

/// Below this score we neither send to a peer nor listen to it, and `task.rs` bans it.
pub(crate) const GRAYLIST: f64 = -400.0;

/// What other implementations speak too, so without the network's name.
const BITSWAP: &str = "/ipfs/bitswap/1.2.0";

/// What this node may provide itself.
const OWN_KEYS: usize = 16_384;

/// Signature, source, sequence number and topic around a message, in bytes.
const ENVELOPE: usize = 1_024;
/// gossipsub's default of 16 KiB makes a receiver drop the sender's own advertisements.
const MAX_CONTROL: usize = 256 << 10;

pub(crate) type Gossip = gossipsub::Behaviour<
    IdentityTransform,
    MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>,
>;

// The first three refuse connections and stand first, so that the others never see those.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) gate: Gate,
    pub(crate) limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    pub(crate) gossip: Gossip,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(crate) kad: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    pub(crate) sync: rr::Behaviour<SyncCodec>,
    pub(crate) assembly: rr::Behaviour<SyncCodec>,
    pub(crate) direct: direct::Behaviour,
    pub(crate) bitswap: direct::Behaviour,
    pub(crate) echo: direct::Behaviour,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What identify says about the network; peers of another one are sent away.
pub(crate) fn protocol_version(network: &str) -> String {
    format!("/girrona/{network}/1")
}

pub(crate) fn kad_protocol(network: &str) -> String {
    format!("/girrona/{network}/kad/1.0.0")
}

pub(crate) fn build(config: &Config, registry: &mut Registry) -> Result<Swarm<Behaviour>, Error> {
    let keypair = config.key.keypair();
    let behaviour = behaviour(config, &keypair, registry).map_err(Error::Setup)?;
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux)
        .map_err(|error| Error::Setup(error.into()))?
        .with_quic_config(|mut quic| {
            // A peer that was killed is noticed by its silence; the gate handles one that is back
            // before. Windows bound what a connection can make us hold.
            quic.keep_alive_interval = Duration::from_secs(2);
            quic.max_idle_timeout = 10_000;
            quic.max_stream_data = 2 << 20;
            quic.max_connection_data = 4 << 20;
            quic
        })
        .with_dns()
        .map_err(|error| Error::Setup(error.into()))?
        .with_behaviour(|_| behaviour)
        .map_err(|error| Error::Setup(error.into()))?
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(Duration::from_secs(120))
                .with_max_negotiating_inbound_streams(256)
        })
        .build();
    Ok(swarm)
}

fn yamux() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(384);
    config
}

fn protocol(name: String) -> Result<StreamProtocol, Cause> {
    Ok(StreamProtocol::try_from_owned(name)?)
}

fn behaviour(
    config: &Config,
    keypair: &identity::Keypair,
    registry: &mut Registry,
) -> Result<Behaviour, Cause> {
    let (network, limits) = (&config.network, &config.limits);
    let connections = connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(limits.pending))
        .with_max_pending_outgoing(Some(limits.pending))
        .with_max_established_incoming(Some(limits.inbound))
        .with_max_established_outgoing(Some(limits.outbound))
        .with_max_established_per_peer(Some(limits.per_peer));
    let ping = ping::Config::new()
        .with_interval(Duration::from_secs(5))
        .with_timeout(Duration::from_secs(10));
    // Identify offers the addresses it hears to every dial; without discovery it must not.
    let identify = identify::Config::new(protocol_version(network), keypair.public())
        .with_agent_version(config.agent.clone())
        .with_cache_size(if config.discovery { 100 } else { 0 });
    let line = |line: Line| -> Result<_, Cause> {
        let name = protocol(line.protocol(network))?;
        Ok(sync::behaviour(line, name, limits.request_timeout))
    };
    Ok(Behaviour {
        gate: Gate::new(limits.per_address),
        limits: connection_limits::Behaviour::new(connections),
        memory: memory_connection_limits::Behaviour::with_max_bytes(limits.memory),
        gossip: gossip(config, keypair, registry)?,
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping),
        kad: kademlia(config, keypair)?.into(),
        sync: line(Line::Chain)?,
        assembly: line(Line::Assembly)?,
        direct: direct::Behaviour::new(protocol(format!("/girrona/{network}/consensus/1"))?, 4),
        // Others open a stream for each message.
        bitswap: direct::Behaviour::new(StreamProtocol::new(BITSWAP), 64),
        echo: direct::Behaviour::new(protocol(format!("/girrona/{network}/echo/1"))?, 4),
    })
}

fn kademlia(
    config: &Config,
    keypair: &identity::Keypair,
) -> Result<Option<kad::Behaviour<kad::store::MemoryStore>>, Cause> {
    if !config.discovery {
        return Ok(None);
    }
    let local = keypair.public().to_peer_id();
    let mut settings = kad::Config::new(protocol(kad_protocol(&config.network))?);
    settings.set_query_timeout(Duration::from_secs(30));
    settings.disjoint_query_paths(true);
    // We use it to find peers and who has content: `task/content.rs` looks at each record.
    settings.set_record_filtering(kad::StoreInserts::FilterBoth);
    settings.set_provider_record_ttl(Some(records::TTL));
    settings.set_provider_publication_interval(Some(records::REPEAT));
    let store = kad::store::MemoryStoreConfig {
        max_records: 0,
        max_provided_keys: records::MAX_KEYS + OWN_KEYS,
        ..kad::store::MemoryStoreConfig::default()
    };
    let store = kad::store::MemoryStore::with_config(local, store);
    let mut kad = kad::Behaviour::with_config(local, store, settings);
    kad.set_mode(Some(kad::Mode::Server));
    Ok(Some(kad))
}

fn gossip(
    config: &Config,
    keypair: &identity::Keypair,
    registry: &mut Registry,
) -> Result<Gossip, Cause> {
    let (network, settings) = (&config.network, &config.gossip);
    let consensus = Topic::Consensus.hash(network);
    let largest = Topic::ALL.into_iter().map(Topic::max_size).max().unwrap_or(0);
    let mut builder = gossipsub::ConfigBuilder::default();
    builder
        .mesh_n(settings.degree)
        .mesh_n_low(settings.degree_low)
        .mesh_n_high(settings.degree_high)
        .mesh_outbound_min(settings.outbound_min)
        .gossip_lazy(settings.lazy)
        .gossip_factor(settings.lazy_share)
        .heartbeat_interval(settings.heartbeat)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .history_length(settings.history)
        .history_gossip(settings.history_gossip)
        .iwant_followup_time(settings.iwant_patience)
        .duplicate_cache_time(Duration::from_secs(120))
        .flood_publish(settings.flood_publish)
        .idontwant_message_size_threshold(settings.idontwant_bytes)
        .max_transmit_size(largest + ENVELOPE + MAX_CONTROL)
        .max_control_message_size(MAX_CONTROL)
        .max_control_messages_sent(2_000)
        .max_publish_messages(2_000)
        .connection_handler_queue_len(2_000)
        .publish_queue_duration(Duration::from_secs(5))
        .forward_queue_duration(Duration::from_secs(1))
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(move |message| topic::message_id(message, &consensus));
    for topic in Topic::ALL {
        builder.max_transmit_size_for_topic(topic.max_size() + ENVELOPE, topic.hash(network));
    }
    let topics = Topic::ALL.into_iter().map(|topic| topic.hash(network)).collect();
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics),
        max_subscribed_topics: 16,
        max_subscriptions_per_request: 64,
    };
    let authenticity = MessageAuthenticity::Signed(keypair.clone());
    let mut gossip = Gossip::new_with_subscription_filter(authenticity, builder.build()?, filter)?
        .with_metrics(
            registry.sub_registry_with_prefix("gossipsub"),
            gossipsub::MetricsConfig::default(),
        );
    gossip.with_peer_score(score_params(config), thresholds())?;
    for topic in Topic::ALL {
        gossip.subscribe(&gossipsub::IdentTopic::new(topic.name(network)))?;
    }
    Ok(gossip)
}

fn thresholds() -> PeerScoreThresholds {
    PeerScoreThresholds {
        gossip_threshold: -100.0,
        publish_threshold: -200.0,
        graylist_threshold: GRAYLIST,
        accept_px_threshold: 100.0,
        opportunistic_graft_threshold: 5.0,
    }
}

// Without scoring gossipsub would never prune a slow peer, so it is always on.
fn score_params(config: &Config) -> PeerScoreParams {
    let topic = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 300.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: score_parameter_decay(Duration::from_secs(60)),
        first_message_deliveries_cap: 50.0,
        // A quiet topic must not make honest peers look silent.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // Quadratic: the fifth invalid message within minutes is below the graylist threshold,
        // whatever good the peer did before.
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: score_parameter_decay(Duration::from_secs(600)),
        ..TopicScoreParams::default()
    };
    let topics = Topic::ALL.into_iter().map(|name| (name.hash(&config.network), topic.clone()));
    PeerScoreParams {
        topics: topics.collect(),
        topic_score_cap: 50.0,
        app_specific_weight: 1.0,
        ip_colocation_factor_weight: -10.0,
        ip_colocation_factor_threshold: 8.0,
        ip_colocation_factor_whitelist: [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            .into(),
        behaviour_penalty_weight: -10.0,
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: score_parameter_decay(Duration::from_secs(120)),
        slow_peer_weight: -1.0,
        slow_peer_threshold: 10.0,
        slow_peer_decay: 0.8,
        // A served ban is served: what gossipsub remembers of an absent peer ends with it.
        retain_score: config.limits.ban.saturating_sub(Duration::from_secs(2)),
        ..PeerScoreParams::default()
    }
}
