//! Requests and responses of both lines, and direct frames.
//!
//! Knows: how many may be under way. Does not know: what is asked, answered or sent.

use std::{io::ErrorKind, time::Instant};

use bytes::Bytes;
use libp2p::{
    PeerId,
    request_response::{self as rr, InboundRequestId, Message, OutboundFailure, ResponseChannel},
};

use super::{Asked, Task};
use crate::{
    Event, Reply, RequestError,
    direct::{Inbound, Incoming, read_frames},
    metrics::{ANSWER, ASK, DIRECT, REQUEST, RESPONSE},
    sync::{Line, SyncCodec},
};

/// Our own requests under way, in all and to one peer. When full the owner is told "busy".
const MAX_ASKED: usize = 512;
const MAX_ASKED_PER_PEER: usize = 64;
/// Requests of one peer that the owner has not answered, and bytes of answers to all peers that are
/// not sent yet. What comes on top is refused.
const MAX_ANSWERING_PER_PEER: usize = 64;
const MAX_ANSWERING_BYTES: usize = 64 << 20;

/// What the two directions are called in metrics.
const fn labels(line: Line) -> (&'static str, &'static str) {
    match line {
        Line::Chain => (REQUEST, RESPONSE),
        Line::Assembly => (ASK, ANSWER),
    }
}

impl Task {
    fn line(&mut self, line: Line) -> &mut rr::Behaviour<SyncCodec> {
        let behaviour = self.swarm.behaviour_mut();
        match line {
            Line::Chain => &mut behaviour.sync,
            Line::Assembly => &mut behaviour.assembly,
        }
    }

    pub(super) fn ask(&mut self, line: Line, peer: PeerId, bytes: Bytes, reply: Asked) {
        let refused = if !self.peers.contains_key(&peer) {
            Some(RequestError::NotConnected)
        } else if self.asked.iter().filter(|((of, _), _)| *of == line).count() >= MAX_ASKED
            || self.asking(line, peer) >= MAX_ASKED_PER_PEER
        {
            Some(RequestError::Busy)
        } else {
            None
        };
        if let Some(error) = refused {
            self.metrics.requested("refused here");
            let _ = reply.send(Err(error));
            return;
        }
        self.metrics.sent(labels(line).0, bytes.len());
        let id = self.line(line).send_request(&peer, bytes);
        self.asked.insert((line, id), (peer, reply));
    }

    fn asking(&self, line: Line, peer: PeerId) -> usize {
        self.asked.iter().filter(|((of, _), (to, _))| *of == line && *to == peer).count()
    }

    pub(super) fn respond(
        &mut self,
        line: Line,
        id: InboundRequestId,
        channel: ResponseChannel<Bytes>,
        bytes: Bytes,
    ) {
        let len = bytes.len();
        let of_line = self.answering.iter().filter(|((of, _), _)| *of == line);
        let sending: usize = of_line.map(|(_, (_, len))| len).sum();
        if sending > 0 && sending + len > MAX_ANSWERING_BYTES {
            self.metrics.dropped("answers", 1);
            return;
        }
        if self.line(line).send_response(channel, bytes).is_ok() {
            self.metrics.sent(labels(line).1, len);
            if let Some(answer) = self.answering.get_mut(&(line, id)) {
                answer.1 = len;
            }
        }
    }

    pub(super) fn on_line_event(&mut self, line: Line, event: rr::Event<Bytes, Bytes>) {
        match event {
            rr::Event::Message { peer, message, .. } => match message {
                Message::Request { request_id, request, channel } => {
                    self.on_request(line, peer, request_id, request, channel);
                }
                Message::Response { request_id, response } => {
                    self.metrics.received(labels(line).1, response.len());
                    self.metrics.requested("answered");
                    if let Some((_, reply)) = self.asked.remove(&(line, request_id)) {
                        let _ = reply.send(Ok(response));
                    }
                }
            },
            rr::Event::OutboundFailure { peer, request_id, error, .. } => {
                self.metrics.requested("failed");
                if matches!(&error, OutboundFailure::Io(e) if e.kind() == ErrorKind::InvalidData) {
                    self.penalise(peer, "oversize response");
                }
                if let Some((_, reply)) = self.asked.remove(&(line, request_id)) {
                    let _ = reply.send(Err(error.into()));
                }
            }
            rr::Event::InboundFailure { peer, request_id, error, .. } => {
                self.answering.remove(&(line, request_id));
                tracing::debug!(peer = %peer, %error, "a request was not answered");
            }
            rr::Event::ResponseSent { request_id, .. } => {
                self.answering.remove(&(line, request_id));
            }
        }
    }

    // A channel that is dropped closes the stream, which tells the peer that it is refused.
    fn on_request(
        &mut self,
        line: Line,
        from: PeerId,
        id: InboundRequestId,
        bytes: Bytes,
        channel: ResponseChannel<Bytes>,
    ) {
        let now = Instant::now();
        self.metrics.received(labels(line).0, bytes.len());
        if !self.peers.get_mut(&from).is_none_or(|peer| peer.may_ask(now)) {
            self.metrics.dropped("rate", 1);
            self.flooded(from, "request flood", now);
            return;
        }
        let of_peer =
            |((of, _), (peer, _)): &(&(Line, _), &(PeerId, _))| *of == line && *peer == from;
        let open = self.answering.iter().filter(of_peer).count();
        if open >= MAX_ANSWERING_PER_PEER || !self.inbox.has_room() {
            self.metrics.dropped("requests", 1);
            return;
        }
        self.answering.insert((line, id), (from, 0));
        let reply = Reply { line, id, channel, commands: self.commands.clone() };
        self.inbox.push(match line {
            Line::Chain => Event::Request { from, bytes, reply },
            Line::Assembly => Event::Asked { peer: from, bytes, answer: reply },
        });
    }

    pub(super) fn on_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Frame(from, bytes) => {
                self.metrics.received(DIRECT, bytes.len());
                self.inbox.push(Event::Direct { from, bytes });
            }
            Incoming::Fault(peer, reason) => self.penalise(peer, reason),
        }
    }

    // One stream per peer: a new one means that the old one is dead, and reading both would mix up
    // the order.
    pub(super) fn on_direct_stream(&mut self, Inbound { peer, stream }: Inbound) {
        let now = Instant::now();
        let protected = self.swarm.behaviour().gate.is_protected(&peer);
        let rate = self.limits.direct_frames;
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if !known.may_open(now) {
            self.metrics.dropped("rate", 1);
            self.flooded(peer, "direct stream flood", now);
            return;
        }
        let budget = (!protected).then(|| self.budget.clone());
        let frames = self.frames.clone();
        let bucket = known.frame_bucket(rate, now);
        let reader = tokio::spawn(read_frames(peer, stream, frames, bucket, budget));
        known.read_with(reader.abort_handle());
    }
}
