//! One Deploy's way through its phases, as several nodes tell it.

use std::time::{Duration, Instant};

use anyhow::Result;
use casper_types::{DeployHash, Timestamp};
use futures::future::join_all;
use girrona_api::{
    Client, ClientError,
    methods::girrona::{DeployPhase, DeployProgress},
};

use crate::{
    ask::{explained, is_unknown_deploy},
    show,
};

/// The six phases of a life that goes to its end.
pub(crate) const PHASES: [DeployPhase; 6] = [
    DeployPhase::Received,
    DeployPhase::Gossiped,
    DeployPhase::Proposed,
    DeployPhase::BlockGossiped,
    DeployPhase::ConsensusReached,
    DeployPhase::Executed,
];

/// How often nodes are asked.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A phase as people read it.
pub(crate) const fn phase_name(phase: DeployPhase) -> &'static str {
    match phase {
        DeployPhase::Received => "deploy received",
        DeployPhase::Gossiped => "deploy gossiped",
        DeployPhase::Proposed => "block proposed",
        DeployPhase::BlockGossiped => "block gossiped",
        DeployPhase::ConsensusReached => "consensus reached",
        DeployPhase::Executed => "deploy executed",
        DeployPhase::Expired => "deploy expired",
    }
}

/// A node that is asked.
#[derive(Debug)]
pub(crate) struct Witness {
    /// How it is called in tables.
    pub(crate) name: String,
    /// Asks it.
    pub(crate) client: Client,
}

/// What every node has told so far.
#[derive(Debug)]
pub(crate) struct Journey {
    /// In the order of the witnesses; `None` from a node that does not know the deploy.
    pub(crate) told: Vec<Option<DeployProgress>>,
}

impl Journey {
    /// Whether every node has seen the end.
    pub(crate) fn is_over(&self) -> bool {
        self.told.iter().all(|told| {
            told.as_ref().is_some_and(|progress| {
                matches!(progress.phase, DeployPhase::Executed | DeployPhase::Expired)
            })
        })
    }

    /// Whether every node has seen all six phases.
    pub(crate) fn has_all_phases(&self) -> bool {
        self.told.iter().all(|told| {
            told.as_ref().is_some_and(|progress| {
                PHASES.iter().all(|phase| time_of(progress, *phase).is_some())
            })
        })
    }

    /// Rows of a table: one per phase that any node has seen, one column per node, times counted
    /// from `sent`.
    pub(crate) fn rows(&self, names: &[String], sent: Timestamp) -> Vec<Vec<String>> {
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(names.iter().cloned());
        for phase in PHASES.into_iter().chain([DeployPhase::Expired]) {
            let times: Vec<Option<Timestamp>> = self
                .told
                .iter()
                .map(|told| told.as_ref().and_then(|progress| time_of(progress, phase)))
                .collect();
            if times.iter().any(Option::is_some) {
                let mut row = vec![phase_name(phase).to_owned()];
                row.extend(times.into_iter().map(|at| match at {
                    Some(at) => after(sent, at),
                    None => "-".to_owned(),
                }));
                rows.push(row);
            }
        }
        rows
    }

    /// The table as lines.
    pub(crate) fn table(&self, names: &[String], sent: Timestamp) -> Vec<String> {
        show::table(&self.rows(names, sent))
    }
}

/// When a node saw a phase.
pub(crate) fn time_of(progress: &DeployProgress, phase: DeployPhase) -> Option<Timestamp> {
    progress.phases.iter().find(|entry| entry.phase == phase).map(|entry| entry.at)
}

/// A time as the distance from another.
pub(crate) fn after(start: Timestamp, at: Timestamp) -> String {
    let millis = i128::from(at.millis()) - i128::from(start.millis());
    if millis.abs() < 10_000 {
        format!("{millis} ms")
    } else {
        format!("{:.1} s", millis as f64 / 1_000.0)
    }
}

/// Asks every witness until all have seen the end or the time is over; calls `changed` whenever
/// one has something new to tell.
///
/// # Errors
/// When a node cannot be asked.
pub(crate) async fn follow(
    witnesses: &[Witness],
    hash: DeployHash,
    within: Duration,
    mut changed: impl FnMut(&Journey),
) -> Result<Journey> {
    let started = Instant::now();
    let mut journey = Journey { told: vec![None; witnesses.len()] };
    loop {
        let asked = join_all(witnesses.iter().map(|witness| ask(&witness.client, hash))).await;
        let mut told = Vec::new();
        for answer in asked {
            told.push(answer.map_err(explained)?);
        }
        if told != journey.told {
            journey.told = told;
            changed(&journey);
        }
        if journey.is_over() || started.elapsed() > within {
            return Ok(journey);
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// What one node tells; `None` when it does not know the deploy.
async fn ask(client: &Client, hash: DeployHash) -> Result<Option<DeployProgress>, ClientError> {
    match client.deploy_status(hash).await {
        Ok(progress) => Ok(Some(progress)),
        Err(error) if is_unknown_deploy(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::Digest;
    use girrona_api::methods::girrona::PhaseTime;

    fn progress(phases: &[(DeployPhase, u64)]) -> DeployProgress {
        DeployProgress {
            deploy_hash: DeployHash::new(Digest::hash([1])),
            phase: phases.last().unwrap().0,
            phases: phases
                .iter()
                .map(|(phase, at)| PhaseTime { phase: *phase, at: Timestamp::from(*at) })
                .collect(),
            block_hash: None,
            block_height: None,
            error_message: None,
            cost: None,
            reason: None,
            node: "n".to_owned(),
        }
    }

    #[test]
    fn a_journey_is_over_when_every_node_has_seen_the_end() {
        let whole: Vec<_> = PHASES.iter().zip(1_000..).map(|(phase, at)| (*phase, at)).collect();
        let half = progress(&whole[..3]);
        let full = progress(&whole);
        let journey = |told| Journey { told };
        assert!(!journey(vec![Some(full.clone()), Some(half)]).is_over());
        assert!(!journey(vec![Some(full.clone()), None]).is_over());
        assert!(journey(vec![Some(full.clone()), Some(full)]).has_all_phases());
        let expired =
            journey(vec![Some(progress(&[(DeployPhase::Received, 1), (DeployPhase::Expired, 2)]))]);
        assert!(expired.is_over() && !expired.has_all_phases());
    }

    #[test]
    fn a_table_counts_time_from_when_the_deploy_was_sent() {
        let told = vec![
            Some(progress(&[(DeployPhase::Received, 1_004), (DeployPhase::Expired, 21_000)])),
            None,
        ];
        let journey = Journey { told };
        let names = ["a".to_owned(), "b".to_owned()];
        assert_eq!(
            journey.rows(&names, Timestamp::from(1_000)),
            [
                vec!["", "a", "b"],
                vec!["deploy received", "4 ms", "-"],
                vec!["deploy expired", "20.0 s", "-"]
            ]
        );
    }
}
