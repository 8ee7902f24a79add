//! Gossip in and out: what is let through to the owner, and what its verdicts do.
//!
//! Knows: topics, sizes, rates, batches. Does not know: what a message says.

use std::time::Instant;

use bytes::Bytes;
use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId, PublishError, TopicHash},
};

use super::Task;
use crate::{
    Event, MessageToken, Route, Topic, Verdict, batch,
    spread::{self, Arrival},
};

impl Task {
    pub(super) fn on_gossip(&mut self, from: PeerId, id: MessageId, message: gossipsub::Message) {
        let Some(topic) = self.topic(&message.topic) else { return };
        let stamped = Bytes::from(message.data);
        self.metrics.received(topic.label(), stamped.len());
        let route = self.route(from, &message.topic, message.source);
        self.metrics.routed(topic, route);
        let (published_us, data) = spread::unstamp(stamped).unwrap_or_default();
        let arrival = Arrival::new(route, published_us);
        let token = MessageToken { id, from, topic, author: message.source, arrival };
        // What is too short for a time is empty without one.
        match self.admit(from, topic, data) {
            Ok(items) => self.inbox.push(Event::Gossip { topic, from, token, items, route }),
            Err(verdict) => self.judge(&token, verdict),
        }
    }

    // gossipsub does not say how a message came, but it follows: forwarded is only to mesh peers
    // and protected ones, so from anybody else who is not its author it came because we asked.
    fn route(&self, from: PeerId, topic: &TopicHash, author: Option<PeerId>) -> Route {
        let behaviour = self.swarm.behaviour();
        let is_pushed = author == Some(from)
            || behaviour.gossip.mesh_peers(topic).any(|peer| *peer == from)
            || behaviour.gate.is_protected(&from);
        if is_pushed { Route::Mesh } else { Route::Iwant }
    }

    // What can be said without the owner. A flood is ignored rather than rejected: its messages
    // may be good, and are let in again from somebody else.
    fn admit(&mut self, from: PeerId, topic: Topic, data: Bytes) -> Result<Vec<Bytes>, Verdict> {
        let now = Instant::now();
        if data.len() > topic.max_size() {
            return Err(Verdict::Reject("oversize message"));
        }
        let within = self.peers.get_mut(&from).is_none_or(|peer| peer.may_gossip(data.len(), now));
        if !within {
            self.metrics.dropped("rate", 1);
            self.flooded(from, "gossip flood", now);
            return Err(Verdict::Ignore);
        }
        if !self.inbox.has_room() {
            self.metrics.dropped("inbox", 1);
            return Err(Verdict::Ignore);
        }
        match topic {
            Topic::Deploys => batch::decode(data).map_err(|error| {
                tracing::debug!(peer = %from, %error, "a batch that cannot be read");
                Verdict::Reject("malformed batch")
            }),
            _ if data.is_empty() => Err(Verdict::Reject("empty message")),
            _ => Ok(vec![data]),
        }
    }

    pub(super) fn judge(&mut self, token: &MessageToken, verdict: Verdict) {
        let MessageToken { id, from, topic, .. } = token;
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject(_) => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        self.metrics.judged(*topic, verdict.label());
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let known = gossip.report_message_validation_result(id, from, acceptance);
        if !known {
            self.metrics.dropped("late verdict", 1);
        }
        if verdict == Verdict::Accept {
            self.measure(token);
        }
        if let Verdict::Reject(reason) = verdict {
            tracing::debug!(peer = %from, topic = topic.label(), reason, "rejected");
            self.metrics.offence(reason);
            self.watch(*from, Instant::now());
        }
    }

    pub(super) fn publish(&mut self, topic: Topic, bytes: Bytes) {
        match topic {
            Topic::Deploys => {
                if let Some(full) = self.batch.push(&bytes, Instant::now()) {
                    self.publish_message(topic, full, Instant::now());
                }
            }
            _ => self.publish_message(topic, bytes, Instant::now()),
        }
    }

    pub(super) fn flush_batch(&mut self) {
        if let Some(batch) = self.batch.take() {
            self.publish_message(Topic::Deploys, batch, Instant::now());
        }
    }

    /// Somebody subscribed to this topic: what waits for it may go.
    pub(super) fn retry(&mut self, topic: &TopicHash) {
        let Some(topic) = self.topic(topic) else { return };
        for (message, since) in self.outbox.take(topic) {
            self.publish_message(topic, message, since);
        }
    }

    fn publish_message(&mut self, topic: Topic, message: Bytes, since: Instant) {
        let Some(hash) = self.topics.get(topic.index()).cloned() else { return };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        match gossip.publish(hash, spread::stamp(spread::unix_us(), &message)) {
            Ok(_) => self.metrics.sent(topic.label(), spread::STAMP + message.len()),
            Err(PublishError::Duplicate) => self.metrics.dropped("published before", 1),
            Err(PublishError::NoPeersSubscribedToTopic) => {
                let dropped = self.outbox.push(topic, message, since);
                self.metrics.dropped("outbox", dropped);
            }
            // The message stays in gossipsub's cache and is offered to peers at its heartbeat.
            Err(PublishError::AllQueuesFull(_)) => self.metrics.dropped("gossipsub", 1),
            Err(error) => {
                tracing::warn!(topic = topic.label(), %error, "a message was not published");
                self.metrics.dropped("gossipsub", 1);
            }
        }
    }

    fn topic(&self, hash: &TopicHash) -> Option<Topic> {
        Topic::ALL.into_iter().zip(&self.topics).find(|(_, known)| *known == hash).map(|(t, _)| t)
    }
}
