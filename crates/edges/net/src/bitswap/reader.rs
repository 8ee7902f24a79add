//! Reads one stream of one peer, message by message, no faster than we can take it.
//!
//! Knows: lengths, permits, hashes. Does not know: what becomes of wants and blocks.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::AsyncReadExt as _;
use girrona_assembly::{
    Cid,
    fetch::wire::{MESSAGE_MAX, Message, WireError},
};
use libp2p::{PeerId, Stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    Shared, UNIT,
    client::{Input, Said},
    pace::STEP,
    roll::{Guest, Seat},
    server::Ask,
};
use crate::metrics::CONTENT;

/// The longest message of a peer that owes us nothing: a wantlist at its longest and more.
pub(super) const SMALL: usize = 256 << 10;
/// Shorter ones are not worth another thread.
const SHORT: usize = 8 << 10;

/// Why a stream is read no longer.
#[derive(Debug)]
enum End {
    /// It is over, or broken.
    Quiet,
    /// Its peer is at fault.
    Fault(&'static str),
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Quiet
    }
}

/// Room that a message takes up until the store has it.
#[derive(Debug)]
pub(super) struct Room {
    _permits: [OwnedSemaphorePermit; 2],
}

/// What a message says, hashes taken.
#[derive(Debug, Default)]
struct Parsed {
    ask: Option<Ask>,
    blocks: Vec<(Cid, Bytes)>,
    has: Vec<Cid>,
    lacks: Vec<Cid>,
    /// Bytes of blocks that were not asked for.
    unasked: usize,
}

pub(super) async fn read_messages(
    shared: Arc<Shared>,
    peer: PeerId,
    seat: Seat,
    mut stream: Stream,
) {
    let end = loop {
        match read_message(&shared, peer, &seat.guest, &mut stream).await {
            Ok(()) => {}
            Err(end) => break end,
        }
    };
    if let End::Fault(reason) = end {
        shared.penalise(peer, reason);
    }
}

async fn read_message(
    shared: &Shared,
    peer: PeerId,
    guest: &Arc<Guest>,
    stream: &mut Stream,
) -> Result<(), End> {
    let len = read_len(shared, stream).await?;
    if len > MESSAGE_MAX {
        return Err(End::Fault("oversize content message"));
    }
    let is_small = len <= SMALL;
    if !is_small && !guest.owes() {
        return Err(End::Fault("unasked content"));
    }
    let room = if is_small {
        room(&guest.reading_small, &shared.reading_small, len).await?
    } else {
        room(&guest.reading, &shared.reading, len).await?
    };
    let body = Bytes::from(read_body(shared, stream, len).await?);
    shared.metrics.received(CONTENT, len);
    let parsed = if len <= SHORT {
        parse(peer, guest, &body)?
    } else {
        let guest = guest.clone();
        spawn_blocking(move || parse(peer, &guest, &body)).await.map_err(|_| End::Quiet)??
    };
    if parsed.unasked > 0 {
        shared.metrics.wasted(parsed.unasked);
        shared.penalise(peer, "unasked content");
    }
    if let Some(ask) = parsed.ask {
        shared.asks.send(ask).await.map_err(|_| End::Quiet)?;
    }
    if !parsed.blocks.is_empty() || !parsed.has.is_empty() || !parsed.lacks.is_empty() {
        let Parsed { blocks, has, lacks, .. } = parsed;
        let said = Input::Said(Said { peer, blocks, has, lacks, _room: room });
        shared.inputs.send(said).await.map_err(|_| End::Quiet)?;
    }
    Ok(())
}

/// The varint before a message. Waits for its first byte as long as the stream lives.
async fn read_len(shared: &Shared, stream: &mut Stream) -> Result<usize, End> {
    let (mut len, mut byte) = (0_usize, [0_u8; 1]);
    for place in 0..4 {
        if place == 0 {
            stream.read_exact(&mut byte).await?;
        } else {
            let read = timeout(shared.content.patience, stream.read_exact(&mut byte)).await;
            read.map_err(|_| End::Fault("slow sender of content"))??;
        }
        let [bits] = byte;
        len |= usize::from(bits & 0x7f) << (7 * place);
        if bits & 0x80 == 0 {
            return Ok(len);
        }
    }
    Err(End::Fault("oversize content message"))
}

async fn room(own: &Arc<Semaphore>, all: &Arc<Semaphore>, len: usize) -> Result<Room, End> {
    let units = u32::try_from(len.div_ceil(UNIT)).map_err(|_| End::Quiet)?;
    let closed = |_| End::Quiet;
    // First its own, so that who waits for itself takes nothing from others.
    let own = own.clone().acquire_many_owned(units).await.map_err(closed)?;
    let all = all.clone().acquire_many_owned(units).await.map_err(closed)?;
    Ok(Room { _permits: [own, all] })
}

/// Memory grows with what arrives.
async fn read_body(shared: &Shared, stream: &mut Stream, len: usize) -> Result<Vec<u8>, End> {
    let mut body = Vec::with_capacity(len);
    while body.len() < len {
        let have = body.len();
        let step = (len - have).min(STEP);
        shared.download.spend(step).await;
        body.resize(have + step, 0);
        let Some(gap) = body.get_mut(have..) else { break };
        let read = timeout(shared.content.patience, stream.read_exact(gap)).await;
        read.map_err(|_| End::Fault("slow sender of content"))??;
    }
    Ok(body)
}

fn parse(peer: PeerId, guest: &Guest, body: &Bytes) -> Result<Parsed, End> {
    let message = Message::read(body).map_err(|error| match error {
        WireError::Many => End::Fault("greedy content message"),
        WireError::Long(_) | WireError::Malformed => End::Fault("malformed content message"),
    })?;
    let mut parsed = Parsed::default();
    let is_ask = message.is_full
        || !message.wants.is_empty()
        || !message.cancels.is_empty()
        || !message.foreign.is_empty();
    if is_ask {
        parsed.ask = Some(Ask {
            peer,
            is_full: message.is_full,
            wants: message.wants,
            cancels: message.cancels,
            foreign: message.foreign.into_iter().map(<[u8]>::to_vec).collect(),
        });
    }
    // One hash for each block that was asked for; none for others.
    let owed = guest.deliver(message.blocks.len());
    for (place, (prefix, bytes)) in message.blocks.into_iter().enumerate() {
        if place >= owed {
            parsed.unasked += bytes.len().max(1);
            continue;
        }
        match Cid::from_prefix(prefix, bytes) {
            Ok(cid) => parsed.blocks.push((cid, body.slice_ref(bytes))),
            Err(_) => return Err(End::Fault("malformed content message")),
        }
    }
    parsed.has = message.have;
    parsed.lacks = message.dont_have;
    let told = guest.answer(parsed.has.len() + parsed.lacks.len());
    parsed.lacks.truncate(told);
    parsed.has.truncate(told - parsed.lacks.len());
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use girrona_assembly::{
        content::Codec,
        fetch::{Serve, wire},
    };

    use super::*;

    fn block(number: u8) -> (Cid, Vec<u8>) {
        let bytes = vec![number; 1_000];
        (Cid::of(Codec::Raw, &bytes), bytes)
    }

    #[test]
    fn only_blocks_that_were_asked_for_are_hashed() {
        let (guest, peer) = (Guest::default(), PeerId::random());
        let serves = [Serve::Block(block(1).0), Serve::Block(block(2).0), Serve::Have(block(3).0)];
        let bytes = |cid: &Cid| (0..9).map(block).find(|known| known.0 == *cid).map(|b| b.1);
        let body = Bytes::from(wire::answer(&serves, &[], 0, &bytes));
        let parsed = parse(peer, &guest, &body).unwrap();
        assert_eq!((parsed.blocks.len(), parsed.unasked, parsed.has.len()), (0, 2_000, 0));
        guest.ask(1, 1);
        let parsed = parse(peer, &guest, &body).unwrap();
        assert_eq!(parsed.blocks, [(block(1).0, Bytes::from(block(1).1))]);
        assert_eq!((parsed.unasked, parsed.has.len()), (1_000, 1));
        assert!(parsed.ask.is_none());
    }

    #[test]
    fn what_is_no_message_is_a_fault() {
        let (guest, peer) = (Guest::default(), PeerId::random());
        let fault = |bytes: &'static [u8]| parse(peer, &guest, &Bytes::from_static(bytes));
        assert!(matches!(fault(&[0xff; 9]), Err(End::Fault("malformed content message"))));
        guest.ask(1, 0);
        let foreign = wire::answer(&[Serve::Block(block(1).0)], &[], 0, &|_| Some(vec![1]));
        let at = foreign.windows(4).position(|window| window == [1, 0x55, 0x12, 0x20]).unwrap();
        let mut foreign = foreign;
        foreign[at + 2] = 0x1e;
        assert!(parse(peer, &guest, &Bytes::from(foreign)).is_err());
    }
}
