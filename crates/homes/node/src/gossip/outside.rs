//! What the brain says, carried to the swarm and to those who wait in this process.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use casper_types::{PublicKey, Timestamp};
use girrona_chain::{
    Peer, RequestId, SharedScheme, Source, Verdict,
    message::{self, Direct, Gossip, Introduction, Request, Response},
};
use girrona_net::{Net, PeerId, Topic};
use girrona_types::{Chainspec, Event, EventId, Height, NetworkId};
use tokio::{
    runtime::Handle,
    sync::{broadcast, watch},
};
use tracing::{debug, info, warn};

use super::{
    check,
    tickets::{Outcome, Tickets},
};
use crate::{chain::mailbox::Mailbox, peers::Peers, phases::PhaseLog};

/// Events that a slow listener may be behind; beyond, it reads from disk.
const EVENTS_BEHIND_MAX: usize = 4_096;

/// Everything outside the brain's thread that it speaks to.
#[derive(Debug)]
pub struct Outside {
    pub(crate) law: Arc<Chainspec>,
    pub(crate) network: NetworkId,
    pub(crate) scheme: Shared,
    /// Who votes on the height in work.
    validators: Mutex<girrona_consensus::Validators>,
    pub(crate) net: Net,
    pub(crate) peers: Peers,
    pub(crate) phases: PhaseLog,
    pub(crate) tickets: Tickets,
    pub(crate) mailbox: Mailbox,
    pub(crate) events: broadcast::Sender<(EventId, Event)>,
    pub(crate) tip: watch::Sender<(Height, Timestamp)>,
    pub(crate) runtime: Handle,
    behind: AtomicBool,
}

/// A scheme that can be shown without showing a key.
pub struct Shared(pub SharedScheme);

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&self.0.public_key()).finish()
    }
}

impl Outside {
    /// Connects the brain's outputs to the world.
    pub fn new(
        law: Arc<Chainspec>,
        scheme: SharedScheme,
        validators: girrona_consensus::Validators,
        net: Net,
        mailbox: Mailbox,
        height: Height,
    ) -> Self {
        let network = law.network_id();
        let (events, _) = broadcast::channel(EVENTS_BEHIND_MAX);
        let (tip, _) = watch::channel((height, Timestamp::now()));
        Self {
            law,
            network,
            scheme: Shared(scheme),
            validators: Mutex::new(validators),
            net,
            peers: Peers::default(),
            phases: PhaseLog::default(),
            tickets: Tickets::default(),
            mailbox,
            events,
            tip,
            runtime: Handle::current(),
            behind: AtomicBool::new(false),
        }
    }

    /// Who votes on the height in work.
    pub fn validators(&self) -> girrona_consensus::Validators {
        self.validators.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An era begins with these validators. Who they are among the peers is known since they
    /// connected.
    pub fn elected(&self, validators: girrona_consensus::Validators) {
        let before = {
            let mut now = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *now, validators)
        };
        let me = self.scheme.0.public_key();
        let (was, is) = (
            me.is_some_and(|me| before.weight(me).is_some()),
            me.is_some_and(|me| self.validators().weight(me).is_some()),
        );
        if was != is {
            info!(validator = is, "the validators of the new era");
        }
        if !is {
            return;
        }
        for (_, peer) in self.voting_peers() {
            self.net.protect(peer);
        }
    }

    /// Connected peers that proved to be validators of now.
    fn voting_peers(&self) -> Vec<(PublicKey, PeerId)> {
        let validators = self.validators();
        let mut peers = self.peers.validators();
        peers.retain(|(key, _)| validators.weight(key).is_some());
        peers
    }

    /// Tells every node.
    pub fn gossip(&self, gossip: Gossip) {
        let publish = |topic, bytes: Vec<u8>| {
            if !self.net.publish(topic, Bytes::from(bytes)) {
                debug!(?topic, "the swarm is busy; peers will ask for what they miss");
            }
        };
        match gossip {
            Gossip::Deploys(deploys) => {
                for deploy in deploys {
                    match message::encode_deploy(&deploy) {
                        Ok(bytes) => publish(Topic::Deploys, bytes),
                        Err(error) => warn!(%error, hash = %deploy.hash(), "not gossiped"),
                    }
                }
            }
            Gossip::Proposal(signed) => publish(Topic::Blocks, message::encode(signed.as_ref())),
            Gossip::Commit(certificate) => publish(Topic::Commits, message::encode(&certificate)),
            Gossip::Finality(signature) => publish(Topic::Finality, message::encode(&signature)),
        }
    }

    /// Tells every validator: on its direct stream where there is one, and votes by gossip too
    /// when a validator is not connected.
    pub fn to_validators(&self, direct: &Direct) {
        let connected = self.voting_peers();
        let bytes = Bytes::from(message::encode(direct));
        for (_, peer) in &connected {
            self.net.send(*peer, bytes.clone());
        }
        let me = self.scheme.0.public_key();
        let reached = self
            .validators()
            .iter()
            .all(|(key, _)| Some(key) == me || connected.iter().any(|(other, _)| other == key));
        if !reached && let Direct::Vote(vote) = direct {
            self.net.publish(Topic::Consensus, Bytes::from(vote.clone()));
        }
    }

    /// Says who we are, when we have a validator's key.
    pub fn introduce(&self, peer: PeerId) {
        let Some(key) = self.scheme.0.public_key().cloned() else { return };
        let speaker = self.net.local_peer().to_bytes();
        let words = Introduction::message(&self.network, &speaker, &peer.to_bytes());
        let Some(signature) = self.scheme.0.sign(&words) else { return };
        let direct = Direct::Introduction(Introduction { key, signature });
        self.net.send(peer, Bytes::from(message::encode(&direct)));
    }

    /// A peer says which validator key it has.
    pub fn introduced(&self, peer: PeerId, introduction: Introduction) {
        let Introduction { key, signature } = introduction;
        let listener = self.net.local_peer().to_bytes();
        let words = Introduction::message(&self.network, &peer.to_bytes(), &listener);
        if !self.scheme.0.verify(&words, &signature, &key) {
            self.net.penalise(peer, "false introduction");
            return;
        }
        // Only among validators: protection takes both sides, or gossip between them stops.
        let validators = self.validators();
        let me = self.scheme.0.public_key();
        if me.is_some_and(|me| validators.weight(me).is_some()) && validators.weight(&key).is_some()
        {
            self.net.protect(peer);
        }
        // Whoever does not vote yet may do so from the next era on.
        self.peers.introduced(peer, key);
    }

    /// Asks a peer; the answer, or that there is none, comes into the mailbox.
    pub fn ask(self: &Arc<Self>, id: RequestId, peer: Peer, request: &Request) {
        let Some(to) = self.peers.id(peer) else {
            self.answered(id, None);
            return;
        };
        let bytes = Bytes::from(message::encode(request));
        let outside = Arc::clone(self);
        self.runtime.spawn(async move {
            let answer = outside.net.request(to, bytes).await;
            let response = match answer {
                Ok(bytes) => match message::decode::<Response>("answer", &bytes) {
                    Ok(response) => Some(response),
                    Err(error) => {
                        debug!(%error, %to, "malformed answer");
                        outside.net.penalise(to, "malformed answer");
                        None
                    }
                },
                Err(error) => {
                    debug!(%error, %to, "no answer");
                    None
                }
            };
            outside.answered(id, response);
        });
    }

    fn answered(&self, id: RequestId, response: Option<Response>) {
        self.mailbox.answer(id, response);
    }

    /// Checks deploys that were pulled from a peer and brings the good ones to the brain.
    pub fn check_pulled(self: &Arc<Self>, peer: Peer, deploys: Vec<Vec<u8>>) {
        let outside = Arc::clone(self);
        self.runtime.spawn_blocking(move || {
            let now = Timestamp::now();
            let mut incoming = Vec::new();
            for bytes in deploys {
                let ticket = outside.tickets.client().0;
                let source = Source::Peer(peer);
                match check::incoming(&bytes, &outside.law, now, source, ticket) {
                    Ok(deploy) => incoming.push(deploy),
                    Err(fault) => {
                        outside.tickets.settle(ticket, Err(girrona_chain::Refusal::Busy));
                        if fault.is_senders() {
                            outside.blame(peer, "invalid deploy in an answer");
                        }
                    }
                }
            }
            for rest in outside.mailbox.deploys(incoming) {
                // It is still in the peer's digest and will be pulled again.
                outside.tickets.drop_ticket(&outside.net, rest.ticket);
            }
        });
    }

    /// Tells listeners of a stored event.
    pub fn announce(&self, id: EventId, event: Event) {
        // No listener is fine: events are on disk.
        let _ = self.events.send((id, event));
    }

    /// A deploy was judged.
    pub fn verdict(&self, ticket: u64, outcome: Outcome) {
        self.tickets.settle(ticket, outcome);
    }

    /// A gossiped message was judged.
    pub fn judged(&self, ticket: u64, verdict: Verdict) {
        self.tickets.judge(&self.net, ticket, verdict);
    }

    /// A peer broke the rules.
    pub fn blame(&self, peer: Peer, reason: &'static str) {
        if let Some(id) = self.peers.id(peer) {
            debug!(peer = %id, reason, "peer blamed");
            self.net.penalise(id, reason);
        }
    }

    /// Whether other nodes are known to be ahead.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Takes note of whether other nodes are ahead.
    pub fn set_behind(&self, behind: bool) {
        self.behind.store(behind, Ordering::Relaxed);
    }

    /// A new block is the tip.
    pub fn tip(&self, height: Height) {
        self.tip.send_replace((height, Timestamp::now()));
    }
}
