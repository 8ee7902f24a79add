//! The writer as the brain of the node sees it.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use casper_types::{BlockHash, Deploy, DeployHash, Digest, Key, PublicKey, StoredValue, Timestamp};
use girrona_chain::{
    Disk,
    disk::{Commit, DiskResult, Fate, StoredBlock},
};
use girrona_types::{Event, EventId, FinalitySignature, Height, Proposal, ProposalHash};

use crate::{
    faults::{Moment, Write},
    store::Store,
    tables::{
        Doing as _, Known, by_block, casper_bytes, fault, height_key, meta, our_bytes,
        signature_key, vote_key,
    },
    waiting::Why,
};

impl Disk for Store {
    fn tip(&self) -> DiskResult<Option<Arc<StoredBlock>>> {
        Ok(self.shared.published().tip)
    }

    fn block(&self, height: Height) -> DiskResult<Option<Arc<StoredBlock>>> {
        self.shared.block(height)
    }

    fn height_of(&self, block: &BlockHash) -> DiskResult<Option<Height>> {
        self.shared.height(&by_block(block))
    }

    fn deploy(&self, hash: &DeployHash) -> DiskResult<Option<Arc<Deploy>>> {
        let recent = || self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deploy) = recent().get(hash) {
            return Ok(Some(deploy));
        }
        let deploy = self.shared.body(hash)?.map(Arc::new);
        if let Some(deploy) = &deploy {
            recent().insert(*hash, Arc::clone(deploy));
        }
        Ok(deploy)
    }

    fn fate(&self, hash: &DeployHash) -> DiskResult<Option<Fate>> {
        match self.waiting.get(hash) {
            Some(why) => Ok(Known::from(why).fate()),
            None => self.shared.fate(hash),
        }
    }

    fn pending(&self) -> DiskResult<Vec<(Arc<Deploy>, Timestamp)>> {
        let mut pending: Vec<_> = self
            .waiting
            .iter()
            .filter_map(|(hash, why)| match why {
                Why::Accepted(at) => Some((at, *hash)),
                Why::Kept(_) => None,
            })
            .collect();
        pending.sort_unstable();
        pending
            .into_iter()
            .map(|(at, hash)| {
                let missing = || fault(format!("read pending deploy {hash}"), "it is missing");
                Ok((self.deploy(&hash)?.ok_or_else(missing)?, Timestamp::from(at)))
            })
            .collect()
    }

    fn accept(&mut self, deploys: &[Arc<Deploy>], now: Timestamp) -> DiskResult<Vec<EventId>> {
        if deploys.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = self.shared.tables.db.batch();
        let tables = &self.shared.tables;
        let why = Why::Accepted(now.millis());
        let mut hashes = Vec::with_capacity(deploys.len());
        let mut events = Vec::with_capacity(deploys.len());
        for deploy in deploys {
            let hash = *deploy.hash();
            if let Some(Fate::Executed(height)) = self.shared.fate(&hash)? {
                return Err(fault(
                    format!("accept deploy {hash}"),
                    format!("it was executed in block {height}"),
                ));
            }
            let body = casper_bytes("a deploy", deploy.as_ref())?;
            batch.insert(&tables.deploys, hash.as_ref(), body);
            hashes.push(hash);
            events.push(Event::DeployAccepted(hash));
        }
        self.waiting.join(tables, &mut batch, &hashes, why)?;
        let ids = self.tell(&mut batch, &events)?;
        self.write(Write::Accept, batch, || format!("store {} deploys", deploys.len()))?;
        self.waiting.joined(&hashes, why);
        for deploy in deploys {
            let mut recent = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
            recent.insert(*deploy.hash(), Arc::clone(deploy));
        }
        self.told(&ids);
        Ok(ids)
    }

    fn keep_body(&mut self, deploy: &Arc<Deploy>) -> DiskResult<()> {
        let hash = *deploy.hash();
        if self.waiting.get(&hash).is_some() || self.shared.fate(&hash)?.is_some() {
            return Ok(());
        }
        let tip = self.shared.published().tip.map_or(0, |tip| tip.block.height());
        let why = Why::Kept(Height(tip));
        let mut batch = self.shared.tables.db.batch();
        let tables = &self.shared.tables;
        let body = casper_bytes("a deploy", deploy.as_ref())?;
        batch.insert(&tables.deploys, hash.as_ref(), body);
        self.waiting.join(tables, &mut batch, &[hash], why)?;
        self.write(Write::Body, batch, || format!("store the body of deploy {hash}"))?;
        self.waiting.joined(&[hash], why);
        let mut recent = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        recent.insert(hash, Arc::clone(deploy));
        Ok(())
    }

    fn expire(&mut self, hashes: &[DeployHash], now: Timestamp) -> DiskResult<Vec<EventId>> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let mut batch = self.shared.tables.db.batch();
        let tables = &self.shared.tables;
        let fate = our_bytes("a fate", &Known::Expired(now.millis()))?;
        let mut events = Vec::with_capacity(hashes.len());
        for hash in hashes {
            if !matches!(self.waiting.get(hash), Some(Why::Accepted(_))) {
                return Err(fault(format!("expire deploy {hash}"), "it is not pending"));
            }
            batch.insert(&tables.fates, hash.as_ref(), fate.as_slice());
            events.push(Event::DeployExpired(*hash));
        }
        self.waiting.leave(tables, &mut batch, hashes);
        let ids = self.tell(&mut batch, &events)?;
        self.write(Write::Expire, batch, || format!("expire {} deploys", hashes.len()))?;
        self.waiting.left(hashes);
        self.told(&ids);
        Ok(ids)
    }

    fn put_proposal(&mut self, hash: &ProposalHash, proposal: &Proposal) -> DiskResult<()> {
        let mut batch = self.shared.tables.db.batch();
        let bytes = our_bytes("a proposal", proposal)?;
        batch.insert(&self.shared.tables.proposals, hash.as_bytes().as_slice(), bytes);
        self.write(Write::Proposal, batch, || format!("store proposal {hash}"))?;
        self.undecided.entry(proposal.height).or_default().insert(*hash);
        Ok(())
    }

    fn proposal(&self, hash: &ProposalHash) -> DiskResult<Option<Arc<Proposal>>> {
        self.shared.proposal(hash)
    }

    fn wal_append(&mut self, height: Height, record: &[u8]) -> DiskResult<()> {
        let number = self.votes.get(&height).copied().unwrap_or_default();
        let mut batch = self.shared.tables.db.batch();
        batch.insert(&self.shared.tables.votes, vote_key(height, number), record);
        self.write(Write::Vote, batch, || format!("log a vote of height {height}"))?;
        self.votes.insert(height, number.saturating_add(1));
        Ok(())
    }

    fn wal(&self, height: Height) -> DiskResult<Vec<Vec<u8>>> {
        self.shared
            .tables
            .votes
            .prefix(height_key(height))
            .map(|entry| {
                let record = entry.value();
                Ok(record.doing(|| format!("read the votes of height {height}"))?.to_vec())
            })
            .collect()
    }

    fn put_guard(&mut self, record: &[u8]) -> DiskResult<()> {
        let mut batch = self.shared.tables.db.batch();
        batch.insert(&self.shared.tables.meta, meta::GUARD, record);
        self.write(Write::Guard, batch, || "store the guard".to_owned())
    }

    fn guard(&self) -> DiskResult<Option<Vec<u8>>> {
        let guard = self.shared.tables.meta.get(meta::GUARD).doing(|| "read the guard")?;
        Ok(guard.map(|bytes| bytes.to_vec()))
    }

    fn flush(&mut self) -> DiskResult<()> {
        if !self.dirty {
            return Ok(());
        }
        self.intact(|| "make what was written durable".to_owned())?;
        self.broken = true;
        self.faults.ask(Moment::Before(Write::Flush))?;
        self.shared.tables.sync().doing(|| "make what was written durable")?;
        self.dirty = false;
        self.faults.ask(Moment::After(Write::Flush))?;
        self.broken = false;
        Ok(())
    }

    fn root_after(&mut self, changes: &BTreeMap<Key, Option<StoredValue>>) -> DiskResult<Digest> {
        let prepared = self.prepare(changes)?;
        let root = prepared.root;
        self.prepared = Some(prepared);
        Ok(root)
    }

    fn commit(&mut self, commit: Commit) -> DiskResult<Vec<EventId>> {
        self.commit_block(commit)
    }

    fn put_finality_signature(
        &mut self,
        signature: &FinalitySignature,
    ) -> DiskResult<Option<EventId>> {
        if self.has_finality_signature(&signature.block, &signature.public_key)? {
            return Ok(None);
        }
        let mut batch = self.shared.tables.db.batch();
        let name = signature_key(&signature.block, &signature.public_key)?;
        let bytes = our_bytes("a finality signature", signature)?;
        batch.insert(&self.shared.tables.signatures, name, bytes);
        let ids = self.tell(&mut batch, &[Event::FinalitySignature(signature.clone())])?;
        self.write(Write::Signature, batch, || {
            format!("store a finality signature of block {}", signature.block)
        })?;
        self.told(&ids);
        Ok(ids.first().copied())
    }

    fn has_finality_signature(&self, block: &BlockHash, signer: &PublicKey) -> DiskResult<bool> {
        self.shared
            .tables
            .signatures
            .contains_key(signature_key(block, signer)?)
            .doing(|| "look up a finality signature")
    }

    fn finality_signatures(&self, block: &BlockHash) -> DiskResult<Vec<FinalitySignature>> {
        self.shared.finality_signatures(block)
    }
}
