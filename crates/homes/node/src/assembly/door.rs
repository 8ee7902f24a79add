//! The service as the door sees it: questions go into its queue, content around it.

use bytes::Bytes;
use girrona_api::methods::assembly::{
    AssemblyListResult, AssemblyNodeResult, AssemblyShowResult, Interests, RunInfo,
};
use girrona_assembly::{
    Cid, MessageId, RequestId,
    message::{
        Announcement, Channel, Envelope, Kind, Payload, Refusal, envelope::message_id,
        inbox::Source,
    },
};
use girrona_http::{Answer, AssemblyError};
use girrona_net::Topic;
use girrona_store::content::ContentError;
use tokio::sync::{oneshot, watch};

use super::{
    caching::Phase,
    service::{Pending, Service},
    view,
};

/// How long an announcement waits for its content, in milliseconds.
const PENDING_MS: u64 = 600_000;
/// Announcements that wait for their content.
const PENDING_MAX: usize = 256;

pub(super) type Told<T> = oneshot::Sender<Answer<T>>;

/// What the door asks of the service.
#[derive(Debug)]
pub(crate) enum Command {
    Node(Told<AssemblyNodeResult>),
    List(Told<AssemblyListResult>),
    Show(Cid, Told<AssemblyShowResult>),
    Publish(Vec<u8>, Told<(MessageId, Cid, bool)>),
    /// Which content may be brought without a token, and what was announced of it.
    Awaited(Cid, Told<Announcement>),
    /// Content was brought.
    Brought(Cid, Told<()>),
    Withdraw(Vec<u8>, Told<Cid>),
    Pin(Cid, bool, Told<()>),
    Interests(Interests, Told<AssemblyNodeResult>),
    Run(Vec<u8>, Told<(RequestId, watch::Receiver<u64>)>),
    /// How a run stands, and a way to wait for more.
    Standing(RequestId, Told<(RunInfo, Option<watch::Receiver<u64>>)>),
    Cancel(Vec<u8>, Told<RequestId>),
}

fn refused(refusal: &Refusal) -> AssemblyError {
    AssemblyError::Refused(refusal.to_string())
}

pub(super) fn internal(error: impl std::fmt::Display) -> AssemblyError {
    AssemblyError::Internal(error.to_string())
}

pub(super) fn content_error(error: ContentError) -> AssemblyError {
    match error {
        ContentError::Disk { .. } => internal(error),
        ContentError::NotHeld(_) => AssemblyError::NotFound(error.to_string()),
        other => AssemblyError::Refused(other.to_string()),
    }
}

impl Service {
    pub(super) fn command(&mut self, command: Command, now: u64) {
        // Whoever asked may have gone.
        match command {
            Command::Node(told) => drop(told.send(Ok(self.show_node()))),
            Command::List(told) => drop(told.send(Ok(self.show_list()))),
            Command::Show(root, told) => {
                let unknown = || AssemblyError::NotFound(format!("nothing is known of {root}"));
                drop(told.send(self.show(&root).ok_or_else(unknown)));
            }
            Command::Publish(bytes, told) => drop(told.send(self.publish(&bytes, now))),
            Command::Awaited(root, told) => {
                let unknown = || {
                    let text =
                        format!("nobody announced {root} here; publish it, or use the token");
                    AssemblyError::Refused(text)
                };
                let announced = self.pending.get(&root).and_then(|p| announcement_of(&p.envelope));
                drop(told.send(announced.cloned().ok_or_else(unknown)));
            }
            Command::Brought(root, told) => drop(told.send(self.brought(root, now))),
            Command::Withdraw(bytes, told) => drop(told.send(self.withdraw(&bytes, now))),
            Command::Pin(root, is_pinned, told) => drop(told.send(self.pin(root, is_pinned, now))),
            Command::Interests(interests, told) => {
                drop(told.send(self.change_interests(interests, now)));
            }
            Command::Run(bytes, told) => drop(told.send(self.run_brought(&bytes, now))),
            Command::Standing(request, told) => drop(told.send(self.standing(&request))),
            Command::Cancel(bytes, told) => drop(told.send(self.cancel_brought(&bytes, now))),
        }
    }

    /// Takes a message from this node's own door, acts on it, and tells the network.
    fn bring(&mut self, bytes: &[u8], kind: Kind, now: u64) -> Answer<Envelope> {
        let wrong = |text: &str| AssemblyError::Refused(text.to_owned());
        let envelope = Envelope::from_bytes(bytes).map_err(|refusal| refused(&refusal))?;
        if envelope.body.payload.kind() != kind {
            return Err(wrong("the envelope says something else than this method is for"));
        }
        let (channel, topic) = match super::intake::gossip_channel(kind) {
            // A request with much input goes from neighbour to neighbour instead.
            Some((_, _)) if bytes.len() > Channel::Executions.size_max() => (Channel::Direct, None),
            Some((channel, topic)) => (channel, Some(topic)),
            None => return Err(wrong("this is said between nodes only")),
        };
        let verified =
            self.take(bytes, channel, Source::Fresh, now).map_err(|refusal| refused(&refusal))?;
        if let (Kind::Execute, Some(request)) = (kind, envelope.request()) {
            self.count(request, &envelope, now);
        }
        self.apply(&verified, bytes, None, now);
        if let Some(topic) = topic {
            self.publish_on(topic, bytes);
        }
        Ok(envelope)
    }

    fn publish_on(&self, topic: Topic, bytes: &[u8]) {
        if !self.shared.net.publish(topic, Bytes::from(bytes.to_vec())) {
            tracing::debug!(?topic, "the swarm is busy; peers compare what they have");
        }
    }

    fn publish(&mut self, bytes: &[u8], now: u64) -> Answer<(MessageId, Cid, bool)> {
        let envelope = Envelope::from_bytes(bytes).map_err(|refusal| refused(&refusal))?;
        let Some(announcement) = announcement_of(&envelope) else {
            return Err(AssemblyError::Refused("the envelope announces nothing".to_owned()));
        };
        let root = announcement.content.root;
        if self.shared.content.holds(&root) {
            self.publish_held(bytes, root, now)?;
            return Ok((message_id(bytes), root, true));
        }
        // Everything but memory is checked now: nobody sends gigabytes to be refused then.
        let opened = girrona_assembly::message::open(
            bytes,
            Channel::Announcements,
            &self.shared.network,
            now,
        )
        .and_then(|opened| self.inbox.admit(&opened, Source::Fresh).map(|()| opened))
        .and_then(girrona_assembly::message::Opened::verify)
        .map_err(|refusal| refused(&refusal))?;
        if self.shared.funds(&opened.envelope().body.author)
            == girrona_assembly::message::Funds::TooLittle
        {
            return Err(refused(&Refusal::Unfunded));
        }
        let usage = self.shared.content.usage();
        if announcement.content.size > usage.quota {
            return Err(AssemblyError::Refused(format!(
                "it has {} bytes, this node keeps {} at most",
                announcement.content.size, usage.quota
            )));
        }
        if self.pending.len() >= PENDING_MAX {
            return Err(AssemblyError::Busy);
        }
        let until_ms = now.saturating_add(PENDING_MS);
        self.pending.insert(root, Pending { envelope, bytes: bytes.to_vec(), until_ms });
        Ok((message_id(bytes), root, false))
    }

    /// Announces something that is here. This node is its first source, so it keeps it.
    fn publish_held(&mut self, bytes: &[u8], root: Cid, now: u64) -> Answer<()> {
        self.ordered.insert(root);
        self.shared.content.pin(&root, true).map_err(content_error)?;
        let envelope = Envelope::from_bytes(bytes).map_err(|refusal| refused(&refusal))?;
        let old = match &envelope.body.payload {
            Payload::Update(update) => Some(update.replaces),
            _ => None,
        };
        let old = old.filter(|old| self.is_announced_by(old, &envelope));
        self.bring(bytes, Kind::Announce, now)?;
        if let Some(old) = old {
            self.let_go(&old, now)?;
        }
        Ok(())
    }

    /// Content came from outside, with an announcement that waits for it or without.
    fn brought(&mut self, root: Cid, now: u64) -> Answer<()> {
        self.here.entry(root).or_default().fault = None;
        if let Some(pending) = self.pending.remove(&root) {
            self.publish_held(&pending.bytes, root, now)?;
        }
        if matches!(self.here.get(&root).map(|here| &here.phase), Some(Phase::Absent)) {
            self.prepare(root);
        }
        Ok(())
    }

    fn withdraw(&mut self, bytes: &[u8], now: u64) -> Answer<Cid> {
        let envelope = Envelope::from_bytes(bytes).map_err(|refusal| refused(&refusal))?;
        let Payload::Withdraw(withdrawal) = &envelope.body.payload else {
            return Err(AssemblyError::Refused("the envelope withdraws nothing".to_owned()));
        };
        let root = withdrawal.root;
        let is_theirs = self.is_announced_by(&root, &envelope);
        self.bring(bytes, Kind::Withdraw, now)?;
        if is_theirs {
            self.let_go(&root, now)?;
        }
        Ok(root)
    }

    fn is_announced_by(&self, root: &Cid, envelope: &Envelope) -> bool {
        self.board.posts(root).any(|post| post.author == envelope.body.author)
    }

    /// What was published here is pinned for its publisher, who wants it no longer.
    fn let_go(&mut self, root: &Cid, now: u64) -> Answer<()> {
        if self.shared.content.pin(root, false).map_err(content_error)? {
            self.taken_back(root, now);
        }
        Ok(())
    }

    fn pin(&mut self, root: Cid, is_pinned: bool, now: u64) -> Answer<()> {
        let is_here = self.shared.content.pin(&root, is_pinned).map_err(content_error)?;
        if is_pinned {
            if !is_here && self.board.posts(&root).next().is_none() {
                let text = format!("{root} is neither here nor announced; import it first");
                return Err(AssemblyError::NotFound(text));
            }
            self.ordered.insert(root);
        } else {
            self.ordered.remove(&root);
        }
        self.consider(&root, now);
        Ok(())
    }

    fn change_interests(&mut self, interests: Interests, now: u64) -> Answer<AssemblyNodeResult> {
        let json = serde_json::to_vec(&interests).map_err(internal)?;
        self.shared.keep.put_interests(&json).map_err(internal)?;
        self.set_interests(interests);
        self.reconsider(now);
        Ok(self.show_node())
    }

    fn run_brought(&mut self, bytes: &[u8], now: u64) -> Answer<(RequestId, watch::Receiver<u64>)> {
        let wrong = || AssemblyError::Refused("the envelope asks for no execution".to_owned());
        let envelope = Envelope::from_bytes(bytes).map_err(|refusal| refused(&refusal))?;
        let request = envelope.request().ok_or_else(wrong)?;
        // Brought again, it is the same request.
        if !self.runs.contains_key(&request) {
            if self.runs.len() >= super::service::REQUESTS_MAX {
                return Err(AssemblyError::Busy);
            }
            if self.shared.keep.result(&request).map_err(internal)?.is_some() {
                return Ok((request, watch::channel(0).1));
            }
            self.bring(bytes, Kind::Execute, now)?;
        }
        let run = self.runs.get(&request).ok_or_else(wrong)?;
        Ok((request, run.changed.subscribe()))
    }

    fn standing(&self, request: &RequestId) -> Answer<(RunInfo, Option<watch::Receiver<u64>>)> {
        let unknown = || AssemblyError::NotFound(format!("nothing is known of request {request}"));
        let network = &self.shared.network;
        if let Some(run) = self.runs.get(request) {
            let shown = view::show_run(&run.kept, network).ok_or_else(unknown)?;
            return Ok((shown, Some(run.changed.subscribe())));
        }
        let kept = self.shared.keep.result(request).map_err(internal)?.ok_or_else(unknown)?;
        Ok((view::show_run(&kept, network).ok_or_else(unknown)?, None))
    }

    fn cancel_brought(&mut self, bytes: &[u8], now: u64) -> Answer<RequestId> {
        let envelope = self.bring(bytes, Kind::Cancel, now)?;
        match &envelope.body.payload {
            Payload::Cancel(cancellation) => Ok(cancellation.request),
            _ => Err(AssemblyError::Refused("the envelope cancels nothing".to_owned())),
        }
    }
}

fn announcement_of(envelope: &Envelope) -> Option<&Announcement> {
    match &envelope.body.payload {
        Payload::Announce(announcement) => Some(announcement),
        Payload::Update(update) => Some(&update.announcement),
        _ => None,
    }
}
