//! Where a test may make the disk fail or the process die.

use std::{error::Error, fmt, sync::Arc};

use girrona_chain::disk::{DiskError, DiskResult};

/// A write that reaches the operating system at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Write {
    /// New pending deploys.
    Accept,
    /// A body without a fate.
    Body,
    /// Expired deploys.
    Expire,
    /// An undecided proposal.
    Proposal,
    /// A record of the vote log.
    Vote,
    /// The second guard.
    Guard,
    /// fsync of everything before.
    Flush,
    /// A block, as one batch.
    Block,
    /// The state tree, after its block.
    Tree,
    /// A finality signature.
    Signature,
}

/// A moment at which [`Faults`] are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// The write is about to happen.
    Before(Write),
    /// The write has happened.
    After(Write),
}

/// Decides at every [`Moment`] whether things go on. A node has [`Faults::none`]; a test of the
/// recovery returns an error, as a broken disk would, or ends the process.
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Ask>>);

type Ask = dyn Fn(Moment) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync;

impl Faults {
    /// Nothing fails on purpose.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Asks at every moment.
    pub fn new(
        ask: impl Fn(Moment) -> Result<(), Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(ask)))
    }

    pub(crate) fn ask(&self, moment: Moment) -> DiskResult<()> {
        match &self.0 {
            None => Ok(()),
            Some(ask) => ask(moment)
                .map_err(|source| DiskError { doing: format!("write ({moment:?})"), source }),
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Faults(..)" } else { "Faults(none)" })
    }
}
