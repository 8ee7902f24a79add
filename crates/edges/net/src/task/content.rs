//! Content as far as the swarm is concerned: streams, provider records, dials.
//!
//! Knows: the private DHT, how many streams a peer may open. Does not know: blocks; `bitswap.rs`.

use std::time::Instant;

use girrona_assembly::Cid;
use libp2p::{
    Multiaddr, PeerId, kad,
    swarm::dial_opts::{DialOpts, PeerCondition},
};
use tokio::sync::oneshot;

use super::Task;
use crate::{
    address::{self, is_dialable, reach},
    bitswap::answer_echoes,
    direct::Inbound,
};

/// Lookups under way. When full the next finds nobody.
const MAX_LOOKUPS: usize = 64;
/// Providers of one lookup that are worth knowing; with these it ends.
const MAX_FOUND: usize = 20;
/// Providers of one lookup that are dialled.
const MAX_DIALED: usize = 8;
/// Addresses of a provider that are kept.
const MAX_ADDRESSES: usize = 4;

/// A question to the DHT.
#[derive(Debug)]
pub(super) struct Lookup {
    found: Vec<PeerId>,
    reply: oneshot::Sender<Vec<PeerId>>,
}

/// As elsewhere: content is looked for by its hash, however it is to be read.
fn key(root: &Cid) -> kad::RecordKey {
    let multihash = [&[0x12, 0x20][..], &root.digest].concat();
    kad::RecordKey::new(&multihash)
}

impl Task {
    pub(super) fn on_content_stream(&mut self, Inbound { peer, stream }: Inbound) {
        let now = Instant::now();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.may_open_content(now) {
            self.shared.bitswap.accept(peer, stream);
        } else {
            self.metrics.dropped("rate", 1);
            self.flooded(peer, "content stream flood", now);
        }
    }

    /// A peer wants to know how long what it sends us is under way: one stream at a time.
    pub(super) fn on_echo_stream(&mut self, Inbound { peer, stream }: Inbound) {
        let now = Instant::now();
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.may_open(now) {
            known.echo_with(tokio::spawn(answer_echoes(stream)).abort_handle());
        } else {
            self.metrics.dropped("rate", 1);
            self.flooded(peer, "stream flood", now);
        }
    }

    pub(super) fn provide(&mut self, root: Cid, on: bool) {
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        if !on {
            kad.stop_providing(&key(&root));
        } else if let Err(error) = kad.start_providing(key(&root)) {
            tracing::warn!(%root, %error, "the DHT is not told of content");
        }
    }

    pub(super) fn find_providers(&mut self, root: Cid, reply: oneshot::Sender<Vec<PeerId>>) {
        if self.lookups.len() >= MAX_LOOKUPS {
            self.metrics.dropped("lookups", 1);
            return;
        }
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        let query = kad.get_providers(key(&root));
        self.lookups.insert(query, Lookup { found: Vec::new(), reply });
    }

    pub(super) fn on_kad_event(&mut self, event: kad::Event) {
        match event {
            kad::Event::InboundRequest {
                request: kad::InboundRequest::AddProvider { record: Some(record) },
            } => self.keep_record(record),
            kad::Event::OutboundQueryProgressed {
                id,
                result: kad::QueryResult::GetProviders(result),
                step,
                ..
            } => {
                if let Ok(kad::GetProvidersOk::FoundProviders { providers, .. }) = result {
                    self.found_providers(id, providers.into_iter().collect());
                }
                if step.last {
                    self.end_lookup(&id);
                }
            }
            _ => {}
        }
    }

    // kad has made sure that the record speaks of its sender.
    fn keep_record(&mut self, mut record: kad::ProviderRecord) {
        let (keep, dropped) =
            self.records.admit(record.provider, record.key.clone(), Instant::now());
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        if let Some(old) = dropped {
            kad::store::RecordStore::remove_provider(kad.store_mut(), &old, &record.provider);
        }
        if !keep {
            self.metrics.dropped("provider records", 1);
            return;
        }
        record.addresses.retain(|a| is_dialable(&address::split_peer(a.clone()).0));
        record.addresses.truncate(MAX_ADDRESSES);
        if kad::store::RecordStore::add_provider(kad.store_mut(), record).is_err() {
            self.metrics.dropped("provider records", 1);
        }
    }

    /// Forgets the records that have run out.
    pub(super) fn sweep_records(&mut self, now: Instant) {
        let old = self.records.sweep(now);
        let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() else { return };
        for (peer, key) in old {
            kad::store::RecordStore::remove_provider(kad.store_mut(), &key, &peer);
        }
    }

    fn found_providers(&mut self, id: kad::QueryId, providers: Vec<PeerId>) {
        let local = self.shared.local;
        let Some(lookup) = self.lookups.get_mut(&id) else { return };
        let mut fresh = Vec::new();
        for peer in providers {
            let is_new = peer != local && !lookup.found.contains(&peer);
            if is_new && lookup.found.len() < MAX_FOUND {
                lookup.found.push(peer);
                if lookup.found.len() <= MAX_DIALED {
                    fresh.push(peer);
                }
            }
        }
        if lookup.found.len() >= MAX_FOUND
            && let Some(kad) = self.swarm.behaviour_mut().kad.as_mut()
            && let Some(mut query) = kad.query_mut(&id)
        {
            query.finish();
        }
        // Now, because the query knows their addresses and forgets them at its end.
        for peer in fresh {
            self.dial_provider(Some(peer), None);
        }
    }

    fn end_lookup(&mut self, id: &kad::QueryId) {
        if let Some(Lookup { found, reply }) = self.lookups.remove(id) {
            let _ = reply.send(found);
        }
    }

    /// Dials somebody who has content. The address may come from a stranger, so it must not lead
    /// nearer to us than the peers that we have: not into our machine from a wide net.
    pub(super) fn dial_provider(&mut self, peer: Option<PeerId>, address: Option<Multiaddr>) {
        if peer.is_some_and(|peer| self.swarm.is_connected(&peer)) {
            return;
        }
        let nearest = self.peers.values().map(|peer| peer.reach()).min();
        let fits = |address: &Multiaddr| {
            is_dialable(address) && nearest.is_none_or(|nearest| reach(address) >= nearest)
        };
        let address = match address.map(|address| address::split_peer(address).0) {
            Some(address) if !fits(&address) => {
                tracing::debug!(%address, "a provider's address is not dialled");
                return;
            }
            address => address,
        };
        let options = match (peer, address) {
            (Some(peer), address) => {
                let known = address.into_iter().chain(self.dialer.addresses(&peer)).collect();
                DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(known)
                    .extend_addresses_through_behaviour()
                    .allocate_new_port()
                    .build()
            }
            (None, Some(address)) => {
                DialOpts::unknown_peer_id().address(address).allocate_new_port().build()
            }
            (None, None) => return,
        };
        if let Err(error) = self.swarm.dial(options) {
            tracing::debug!(?peer, %error, "a provider is not dialled");
        }
    }
}
