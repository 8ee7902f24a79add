//! What comes in from the swarm, brought to whoever decides about it.

use std::sync::Arc;

use bytes::Bytes;
use casper_types::Timestamp;
use girrona_chain::{
    Input, Source,
    message::{self, Direct, SignedProposal},
};
use girrona_net::{Event, MessageToken, PeerId, Topic, Verdict};
use girrona_types::{CommitCertificate, FinalitySignature};
use tokio::sync::{Semaphore, mpsc};
use tracing::{debug, info};

use crate::assembly;

use super::{answers::Answers, check, outside::Outside, tickets::Batch};

/// Batches of deploys that are checked at the same time, and requests that are answered. When all
/// are taken the swarm's queue fills, and its policy holds.
const CHECKERS: usize = 4;

/// Routes until the swarm ends.
pub(crate) async fn route(
    mut events: mpsc::Receiver<Event>,
    outside: Arc<Outside>,
    answers: Arc<Answers>,
    assemblies: Option<assembly::Door>,
) {
    let to_assemblies = |input: assembly::Input| match &assemblies {
        Some(door) => door.give(input),
        None => Some(input),
    };
    let checkers = Arc::new(Semaphore::new(CHECKERS));
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { peer } => {
                info!(%peer, "peer connected");
                outside.introduce(peer);
                let number = outside.peers.number(peer);
                outside.mailbox.urgent(Input::Connected(number));
                // Without a place in the queue it is met when peers compare next.
                let _ = to_assemblies(assembly::Input::Connected(peer));
            }
            Event::Disconnected { peer } => {
                info!(%peer, "peer gone");
                let _ = to_assemblies(assembly::Input::Disconnected(peer));
                if let Some(number) = outside.peers.remove(peer) {
                    outside.mailbox.urgent(Input::Disconnected(number));
                }
            }
            Event::Asked { peer, bytes, answer } => {
                // Whoever gets no answer asks again.
                let _ = to_assemblies(assembly::Input::Asked { peer, bytes, answer });
            }
            Event::Gossip { topic, from, token, items, .. } if topic.is_assembly() => {
                let Some(bytes) = items.into_iter().next() else {
                    outside.net.judge(token, Verdict::Reject("empty message"));
                    continue;
                };
                let input = assembly::Input::Gossip { topic, from, token, bytes };
                // Peers compare what is alive, so it comes again.
                if let Some(assembly::Input::Gossip { token, .. }) = to_assemblies(input) {
                    outside.net.judge(token, Verdict::Ignore);
                }
            }
            Event::Direct { from, bytes } => direct(&outside, from, &bytes),
            Event::Request { from, bytes, reply } => {
                let Ok(permit) = Arc::clone(&checkers).acquire_owned().await else { return };
                let (answers, outside) = (Arc::clone(&answers), Arc::clone(&outside));
                tokio::task::spawn_blocking(move || {
                    match answers.answer(&bytes) {
                        Ok(answer) => {
                            reply.send(answer);
                        }
                        Err(error) => {
                            debug!(%from, %error, "request not answered");
                            if error.is_senders() {
                                outside.net.penalise(from, "malformed request");
                            }
                        }
                    }
                    drop(permit);
                });
            }
            Event::Gossip { topic: Topic::Deploys, from, token, items, .. } => {
                let Ok(permit) = Arc::clone(&checkers).acquire_owned().await else { return };
                let (answers, outside) = (Arc::clone(&answers), Arc::clone(&outside));
                tokio::task::spawn_blocking(move || {
                    deploys(&outside, &answers, from, token, &items);
                    drop(permit);
                });
            }
            Event::Gossip { topic, from, token, items, .. } => match items.into_iter().next() {
                Some(bytes) => gossip(&outside, topic, from, token, &bytes),
                None => outside.net.judge(token, Verdict::Reject("empty message")),
            },
        }
    }
}

/// A frame on a direct stream.
fn direct(outside: &Outside, from: PeerId, bytes: &Bytes) {
    let number = outside.peers.number(from);
    match message::decode::<Direct>("direct message", bytes) {
        Ok(Direct::Introduction(introduction)) => outside.introduced(from, introduction),
        Ok(Direct::Vote(bytes)) => {
            outside.mailbox.urgent(Input::Vote { from: number, bytes });
        }
        Ok(Direct::Proposal(signed)) => {
            outside.mailbox.urgent(Input::Proposal { from: number, signed, ticket: None });
        }
        Err(error) => {
            debug!(%from, %error, "refused");
            outside.net.penalise(from, "malformed direct message");
        }
    }
}

/// A batch of deploys. What is stored here already costs no signature check.
fn deploys(
    outside: &Arc<Outside>,
    answers: &Answers,
    from: PeerId,
    token: MessageToken,
    items: &[Bytes],
) {
    if items.is_empty() {
        outside.net.judge(token, Verdict::Reject("empty batch"));
        return;
    }
    let source = Source::Peer(outside.peers.number(from));
    let batch = Batch::new(outside.net.clone(), token, items.len());
    let now = Timestamp::now();
    let mut incoming = Vec::with_capacity(items.len());
    for bytes in items {
        if message::decode_deploy(bytes).is_ok_and(|deploy| answers.knows(deploy.hash())) {
            batch.judged(&Ok(girrona_chain::Accepted::Known));
            continue;
        }
        match check::incoming(bytes, &outside.law, now, source, 0) {
            Ok(mut deploy) => {
                deploy.ticket = outside.tickets.batch(Arc::clone(&batch));
                incoming.push(deploy);
            }
            Err(check::Unfit::Malformed(error)) => {
                debug!(%from, %error, "refused");
                batch.malformed(1);
            }
            Err(check::Unfit::Refused(refusal)) => batch.judged(&Err(refusal)),
        }
    }
    for rest in outside.mailbox.deploys(incoming) {
        outside.tickets.drop_ticket(&outside.net, rest.ticket);
    }
}

/// A message on one of the other topics.
fn gossip(outside: &Outside, topic: Topic, from: PeerId, token: MessageToken, bytes: &Bytes) {
    let number = outside.peers.number(from);
    let refuse = |token, error: &dyn std::fmt::Display| {
        debug!(%from, ?topic, %error, "refused");
        outside.net.judge(token, Verdict::Reject("malformed message"));
    };
    let put = |ticket, input| {
        if !outside.mailbox.urgent(input) {
            outside.tickets.drop_ticket(&outside.net, ticket);
        }
    };
    match topic {
        Topic::Blocks => match message::decode::<SignedProposal>("proposal", bytes) {
            Ok(signed) => {
                let ticket = outside.tickets.message(token);
                let signed = Box::new(signed);
                put(ticket, Input::Proposal { from: number, signed, ticket: Some(ticket) });
            }
            Err(error) => refuse(token, &error),
        },
        Topic::Commits => match message::decode::<CommitCertificate>("certificate", bytes) {
            Ok(certificate) => {
                let ticket = outside.tickets.message(token);
                put(ticket, Input::Commit { from: number, certificate, ticket: Some(ticket) });
            }
            Err(error) => refuse(token, &error),
        },
        Topic::Finality => match message::decode::<FinalitySignature>("finality", bytes) {
            Ok(signature) => {
                let ticket = outside.tickets.message(token);
                put(ticket, Input::Finality { signature, ticket: Some(ticket) });
            }
            Err(error) => refuse(token, &error),
        },
        Topic::Consensus => {
            let checked = girrona_consensus::check_message(
                &outside.network,
                bytes,
                &outside.validators(),
                outside.scheme.0.as_ref(),
            );
            match checked {
                Ok(_) => {
                    outside.net.judge(token, Verdict::Accept);
                    outside.mailbox.urgent(Input::Vote { from: number, bytes: bytes.to_vec() });
                }
                Err(error) if error.is_senders_fault() => refuse(token, &error),
                Err(_) => outside.net.judge(token, Verdict::Ignore),
            }
        }
        Topic::Deploys | Topic::Announcements | Topic::Holdings | Topic::Executions => {
            refuse(token, &"routed elsewhere");
        }
    }
}
