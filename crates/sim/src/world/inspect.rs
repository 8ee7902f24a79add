//! The oracles' rounds, and when a seed is over.

use girrona_chain::Chain;
use girrona_types::Height;

use super::{INSPECTION, LAST_BLOCKS, World};
use crate::{
    oracles::{EXPIRY_SLACK, REQUESTS_MAX, Violation},
    plan::{Millis, Role},
    queue::Event,
    scheme,
};

impl World {
    /// Nodes that are up: their tips, and since when they are.
    pub(super) fn living(&self) -> Vec<(usize, Height, Millis)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter_map(|(index, node)| Some((index, node.height()?, node.up_since))).collect()
    }

    /// The oracles look at everything. Whether the seed is over.
    pub(super) fn inspect(&mut self) -> Result<bool, Violation> {
        self.queue.at(self.now + INSPECTION, Event::Inspect);
        for (index, node) in self.nodes.iter().enumerate() {
            let count = node.requests.len();
            self.totals.requests_max = self.totals.requests_max.max(count as u64);
            if count > REQUESTS_MAX {
                return Err(Violation::Requests { node: index, count });
            }
            let waiting = node.chain.as_ref().map_or(0, Chain::waiting) as u64;
            self.totals.waiting_max = self.totals.waiting_max.max(waiting);
        }
        if self.now < self.plan.calm_from {
            return Ok(false);
        }
        for node in &self.nodes {
            node.death.plan(None);
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(chain) = &node.chain {
                let disk = &chain.disk().memory;
                self.oracles.gossip_reaches(index, disk, node.up_since, self.now)?;
            }
        }
        self.oracles.forget_gossiped(self.now);
        let living = self.living();
        let calm_from = self.plan.calm_from;
        self.oracles.progress(&living, calm_from, self.now, &mut self.totals)?;

        // Everything that was sent is settled, and everybody has joined.
        const SETTLING: Millis = 2_500 + EXPIRY_SLACK + 1_500;
        let settled = self.now > self.plan.load_until + self.plan.ttl_max + SETTLING;
        let joined = self.plan.starts.iter().all(|start| self.now > *start + 5_000);
        let best = self.oracles.height();
        if !settled || !joined || best.0 < self.plan.settings.blocks {
            return Ok(false);
        }
        let Some(level) = self.level else {
            if living.iter().all(|(_, height, _)| height.0 + 2 >= best.0) {
                self.level = Some(best);
            }
            return Ok(false);
        };
        if living.iter().any(|(_, height, _)| height.0 < level.0 + LAST_BLOCKS) {
            return Ok(false);
        }
        let signers: Vec<_> = living
            .iter()
            .map(|(index, ..)| *index)
            .filter(|index| self.plan.roles[*index] != Role::Observer)
            .filter(|index| !self.plan.is_liar(*index))
            .map(scheme::validator)
            .collect();
        for (index, ..) in &living {
            let (clock, from) = (self.clock(*index), Height(level.0 + 2));
            let Some(chain) = &self.nodes[*index].chain else { continue };
            let disk = &chain.disk().memory;
            self.oracles.end(*index, disk, clock, &signers, from, &mut self.totals)?;
        }
        Ok(true)
    }
}
