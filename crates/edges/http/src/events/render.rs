//! From an event, which names things, to its frame, which shows them.

use bytes::{BufMut, Bytes, BytesMut};
use girrona_api::{
    Frame, JsonBlock,
    frames::{DeployProcessed, JsonFinalitySignature},
};
use girrona_types::{Event, EventId};
use serde::Serialize;

use crate::{Backend, BlockId, Fault};

/// A set of kinds of events; each path has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Topics(u8);

impl Topics {
    /// Blocks, executions, expiries, faults, ends of eras.
    pub(super) const MAIN: Self = Self(1);
    /// Accepted deploys.
    pub(super) const DEPLOYS: Self = Self(2);
    /// Finality signatures.
    pub(super) const SIGS: Self = Self(4);
    /// All of them.
    pub(super) const ALL: Self = Self(7);
    /// Each kind alone.
    pub(super) const EACH: [Self; 3] = [Self::MAIN, Self::DEPLOYS, Self::SIGS];

    /// The kind of an event.
    pub(super) const fn of(event: &Event) -> Self {
        match event {
            Event::BlockAdded(_)
            | Event::DeployProcessed(_)
            | Event::DeployExpired(_)
            | Event::Fault { .. }
            | Event::Step { .. } => Self::MAIN,
            Event::DeployAccepted(_) => Self::DEPLOYS,
            Event::FinalitySignature(_) => Self::SIGS,
        }
    }

    /// Whether both have something in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The text of an event; `None` when what it names is not stored (any more).
pub(super) fn event(
    backend: &dyn Backend,
    id: EventId,
    event: &Event,
) -> Result<Option<Bytes>, Fault> {
    let shown = match event {
        Event::DeployAccepted(hash) => backend
            .deploy(hash)?
            .map(|record| Frame::DeployAccepted(Box::new(record.deploy.into()))),
        Event::DeployExpired(hash) => Some(Frame::DeployExpired { deploy_hash: *hash }),
        Event::BlockAdded(hash) => backend.block(BlockId::Hash(*hash))?.map(|stored| {
            let block = Box::new(JsonBlock::new(stored.block, Vec::new()));
            Frame::BlockAdded { block_hash: *hash, block }
        }),
        Event::DeployProcessed(hash) => backend.deploy(hash)?.and_then(|record| {
            let execution = record.execution?;
            let header = record.deploy.header();
            Some(Frame::DeployProcessed(Box::new(DeployProcessed {
                deploy_hash: *hash,
                account: header.account().clone(),
                timestamp: header.timestamp(),
                ttl: header.ttl(),
                dependencies: header.dependencies().clone(),
                block_hash: execution.block_hash,
                execution_result: execution.result.into(),
            })))
        }),
        Event::FinalitySignature(signed) => {
            let signed = JsonFinalitySignature::from(signed.clone());
            Some(Frame::FinalitySignature(Box::new(signed)))
        }
        Event::Fault { era, offender, timestamp } => {
            Some(Frame::Fault { era_id: *era, public_key: offender.clone(), timestamp: *timestamp })
        }
        Event::Step { era, effect } => {
            Some(Frame::Step { era_id: *era, execution_effect: effect.clone() })
        }
    };
    shown.map(|shown| frame(Some(id), &shown)).transpose()
}

/// The bytes on the wire: `data:`, `id:` if there is one, an empty line.
pub(super) fn frame<T: Serialize>(id: Option<EventId>, data: &T) -> Result<Bytes, Fault> {
    let mut out = BytesMut::with_capacity(512).writer();
    out.get_mut().put_slice(b"data:");
    serde_json::to_writer(&mut out, data)
        .map_err(|error| Fault(format!("an event cannot be shown: {error}")))?;
    let mut out = out.into_inner();
    match id {
        Some(id) => out.put_slice(format!("\nid:{id}\n\n").as_bytes()),
        None => out.put_slice(b"\n\n"),
    }
    Ok(out.freeze())
}
