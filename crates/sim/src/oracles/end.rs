//! What has to be on every living node's disk when a seed ends.

use std::collections::BTreeMap;

use casper_types::{PublicKey, Timestamp};
use girrona_chain::{Disk, MemoryDisk, disk::Fate};
use girrona_types::{Event, Height, deploy};

use super::{EXPIRY_SLACK, Oracles, Violation};
use crate::totals::Totals;

impl Oracles {
    /// At the end: what is on a living node's disk.
    pub(crate) fn end(
        &self,
        node: usize,
        disk: &MemoryDisk,
        clock: Timestamp,
        signers: &[PublicKey],
        from: Height,
        totals: &mut Totals,
    ) -> Result<(), Violation> {
        totals.checks += 1;
        Self::every_deploy_ends(node, disk, clock)?;
        self.story(node, disk, totals)?;
        self.finality(node, disk, signers, from)
    }

    fn every_deploy_ends(
        node: usize,
        disk: &MemoryDisk,
        clock: Timestamp,
    ) -> Result<(), Violation> {
        for (hash, fate) in disk.fates() {
            let Ok(Some(deploy)) = disk.deploy(hash) else {
                return Err(Violation::Unsettled { node, hash: *hash });
            };
            let over = deploy::expires_at(&deploy).millis() + EXPIRY_SLACK < clock.millis();
            if *fate == Fate::Pending && over {
                return Err(Violation::Unsettled { node, hash: *hash });
            }
        }
        Ok(())
    }

    /// The events on a node's disk tell of every block and deploy once, in order.
    fn story(&self, node: usize, disk: &MemoryDisk, totals: &mut Totals) -> Result<(), Violation> {
        let broken = |what: String| Err(Violation::Story { node, what });
        let mut accepted = BTreeMap::new();
        let mut expired = BTreeMap::new();
        let mut processed = BTreeMap::new();
        let mut height = Height::GENESIS;
        for event in disk.events() {
            match event {
                Event::DeployAccepted(hash) => {
                    if accepted.insert(*hash, ()).is_some() || processed.contains_key(hash) {
                        return broken(format!("deploy {hash}: accepted twice or too late"));
                    }
                }
                Event::DeployExpired(hash) => {
                    let late = processed.contains_key(hash) || !accepted.contains_key(hash);
                    if expired.insert(*hash, ()).is_some() || late {
                        return broken(format!("deploy {hash}: expired twice or out of turn"));
                    }
                }
                Event::DeployProcessed(hash) => {
                    if processed.insert(*hash, ()).is_some() {
                        return broken(format!("deploy {hash}: processed twice"));
                    }
                }
                Event::BlockAdded(block) => {
                    let right = self.finals.get(&height).is_some_and(|it| it.block == *block);
                    if !right {
                        return broken(format!("block {block}: not the one of height {height}"));
                    }
                    height = height.next();
                }
                Event::Step { era, .. } => {
                    let last = self.law.switch_height_before(era.successor());
                    if last.map(Height::next) != Some(height) {
                        return broken(format!("era {era}: its end is told out of turn"));
                    }
                }
                Event::FinalitySignature(_) | Event::Fault { .. } => {}
            }
        }
        for (hash, fate) in disk.fates() {
            let told = match fate {
                Fate::Executed(_) => processed.contains_key(hash),
                Fate::Expired(_) => expired.contains_key(hash) && !processed.contains_key(hash),
                Fate::Pending => accepted.contains_key(hash) && !expired.contains_key(hash),
            };
            if !told {
                return broken(format!("deploy {hash}, which is {fate:?}"));
            }
        }
        totals.accepted += accepted.len() as u64;
        totals.expired += expired.len() as u64;
        Ok(())
    }

    /// Late blocks carry the signatures of all who live and do not lie.
    fn finality(
        &self,
        node: usize,
        disk: &MemoryDisk,
        signers: &[PublicKey],
        from: Height,
    ) -> Result<(), Violation> {
        // The last block's signatures may still be on their way.
        let Some(to) = self.height().previous() else { return Ok(()) };
        for height in from.0..to.0 {
            let Ok(Some(stored)) = disk.block(Height(height)) else { continue };
            let signatures = disk.finality_signatures(stored.block.hash()).unwrap_or_default();
            let signed =
                |key: &&PublicKey| signatures.iter().any(|signature| signature.public_key == **key);
            let voters = self.eras.get(&stored.block.era_id());
            let votes = |key: &&PublicKey| voters.is_some_and(|voters| voters.contains_key(*key));
            let due: Vec<_> = signers.iter().filter(votes).collect();
            let (has, due) = (due.iter().copied().filter(signed).count(), due.len());
            if has < due {
                return Err(Violation::Finality { node, height: Height(height), has, due });
            }
        }
        Ok(())
    }
}
