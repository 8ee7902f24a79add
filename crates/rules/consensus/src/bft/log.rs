//! Reading the write-ahead log back into the engine's inputs.

use std::collections::BTreeMap;

use girrona_types::Height;
use malachitebft_core_consensus::Input as CoreInput;
use malachitebft_core_types::{self as core, Timeout, TimeoutKind, ValueOrigin};

use super::{Bft, judged_value, turn::signed_slot};
use crate::{
    consensus::Fault,
    context::{self, Electorate, Girrona},
    guard::{self, Slot},
    wal::{self, Entry, LoggedTimer, WalError},
};

/// A log as the engine wants it.
#[derive(Default)]
pub(super) struct Log {
    pub(super) inputs: Vec<CoreInput<Girrona>>,
    /// What we signed according to the log, as the guard remembers it.
    pub(super) signed: BTreeMap<Slot, [u8; 32]>,
}

impl Bft {
    pub(super) fn read_log(
        &self,
        height: Height,
        electorate: &Electorate,
        records: &[Vec<u8>],
    ) -> Result<Log, Fault> {
        let mut log = Log::default();
        for (index, record) in records.iter().enumerate() {
            self.read_record(height, electorate, record, &mut log).map_err(|error| Fault::Wal {
                height,
                index,
                error,
            })?;
        }
        Ok(log)
    }

    fn read_record(
        &self,
        height: Height,
        electorate: &Electorate,
        record: &[u8],
        log: &mut Log,
    ) -> Result<(), WalError> {
        let input = match wal::decode(height, record)? {
            Entry::Message(bytes) => {
                let message = wal::decode_message(height, &bytes)?;
                let signed = signed_slot(&self.me.network, self.me.key.as_ref(), &message);
                if let Some((slot, bytes)) = signed {
                    log.signed.entry(slot).or_insert_with(|| guard::digest(&bytes));
                }
                context::to_core(message)
            }
            Entry::Timer(timer, round) => {
                let kind = match timer {
                    LoggedTimer::Propose => TimeoutKind::Propose,
                    LoggedTimer::Prevote => TimeoutKind::Prevote,
                    LoggedTimer::Precommit => TimeoutKind::Precommit,
                };
                CoreInput::TimeoutElapsed(Timeout::new(core::Round::new(round.0), kind))
            }
            Entry::Judged { round, proposal, valid } => {
                let value = judged_value(height, electorate, round, proposal, valid);
                CoreInput::ProposedValue(value, ValueOrigin::Consensus)
            }
        };
        log.inputs.push(input);
        Ok(())
    }
}
