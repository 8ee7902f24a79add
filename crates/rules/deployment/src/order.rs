//! The order: what everybody may know of a deployment, and what providers bid on. No names of
//! services, no images of containers, arguments, variables or credentials are in it.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::account::AccountHash;
use girrona_assembly::Cid;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::{
    image::Image,
    manifest::{Gpu, Manifest, ManifestHash, Reach, Service, StorageClass, Tee, Volume},
};

/// An account, by its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Account(pub [u8; 32]);

impl Serialize for Account {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&AccountHash::new(self.0).to_formatted_string())
    }
}

/// What providers bid on.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Order {
    /// The manifest that the winner will be sent.
    pub manifest_hash: ManifestHash,
    /// What has to be reserved, one for each service, ordered.
    pub units: Vec<Unit>,
    /// Assemblies that are going to run, so that bidders can have them at hand.
    pub assemblies: BTreeSet<Cid>,
    /// Whether containers are going to run.
    pub containers: bool,
    /// The protected environment that is needed.
    pub tee: Option<Tee>,
    /// The most that all units together may cost, in motes per block.
    #[serde(serialize_with = "as_text")]
    pub price_max: u128,
    /// How long, in blocks; until the money ends when absent.
    pub duration_blocks: Option<u64>,
    /// Who may bid.
    pub placement: Placement,
    /// How the winner is found.
    pub auction: Auction,
    /// Whether another provider takes over when the first is lost.
    pub failover: bool,
    /// For how many blocks volumes are kept after the money ended.
    pub retention_blocks: u64,
    /// Notice that a provider has to give before it closes, in blocks.
    pub notice_blocks: Option<u64>,
}

fn as_text<S: Serializer>(motes: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(motes)
}

/// What has to be reserved for one service.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize,
)]
pub struct Unit {
    /// Copies.
    pub count: u32,
    /// Of one copy: thousandths of a processor.
    pub cpu_milli: u64,
    /// What the processor has to be like.
    pub cpu_attributes: BTreeMap<String, String>,
    /// Memory in bytes.
    pub memory: u64,
    /// What the memory has to be like.
    pub memory_attributes: BTreeMap<String, String>,
    /// Volumes, ordered.
    pub storage: Vec<Volume>,
    /// Graphics processors.
    pub gpu: Option<Gpu>,
    /// Ports that share the provider's web entrance.
    pub http_ports: u32,
    /// Ports of the provider's own.
    pub ports: u32,
    /// Ports at leased addresses.
    pub endpoint_ports: u32,
}

/// Who may bid.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Placement {
    /// What a provider has to say of itself.
    pub attributes: BTreeMap<String, String>,
    /// Auditors of whom all have to attest it.
    pub signed_by_all: BTreeSet<Account>,
    /// Auditors of whom one has to attest it.
    pub signed_by_any: BTreeSet<Account>,
    /// Regions; any when empty.
    pub regions: BTreeSet<String>,
    /// Regions that are out of the question.
    pub regions_excluded: BTreeSet<String>,
    /// The region that is scored highest.
    pub region_preferred: Option<String>,
    /// Providers; any when empty.
    pub providers: BTreeSet<Account>,
    /// Providers that are out of the question.
    pub providers_excluded: BTreeSet<Account>,
    /// Trust tiers from 1 (best) to 7; any when empty.
    pub tiers: BTreeSet<u8>,
    /// What kind of machine; any when absent.
    pub mode: Option<Mode>,
    /// The least connection, in bits per second.
    pub bandwidth: Option<u64>,
}

/// What kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A data centre.
    Provider,
    /// A machine at somebody's home.
    Fizz,
}

/// How the winner is found. What is absent is the chainspec's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Auction {
    /// Blocks in which bids are taken: 1 or 2.
    pub window: Option<u8>,
    /// Whether prices stay hidden until all bids are in.
    pub sealed: Option<bool>,
    /// What counts how much, in basis points: price, uptime, reputation, locality, tier, stake,
    /// capacity. 10,000 together, price at least 1,000.
    pub weights: Option<[u16; 7]>,
    /// Scores this close to the best, in basis points, draw lots: 0 to 500.
    pub epsilon: Option<u16>,
}

/// Why a manifest does not belong to an order.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrderError {
    /// Another manifest.
    #[error("the manifest's hash is {found}, the order says {ordered}")]
    Hash {
        /// Of the manifest.
        found: ManifestHash,
        /// In the order.
        ordered: ManifestHash,
    },
    /// It needs more or other things than were ordered.
    #[error(
        "the manifest needs other resources than were ordered; order again or send the right one"
    )]
    Resources,
    /// It runs something else than was announced.
    #[error("the manifest runs other kinds of images than were ordered")]
    Images,
}

impl Order {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Writing to a vector fails only for a collection of more than 2^32 items.
        borsh::to_vec(self).unwrap_or_default()
    }

    /// Whether a manifest is the one that was ordered and needs what was ordered. The hash alone
    /// does not say that the tenant told the truth about what it needs.
    ///
    /// # Errors
    /// [`OrderError`] says what is different.
    pub fn check(&self, manifest: &Manifest) -> Result<(), OrderError> {
        let found = manifest.hash();
        if found != self.manifest_hash {
            return Err(OrderError::Hash { found, ordered: self.manifest_hash });
        }
        if units(manifest) != self.units || tee(manifest) != self.tee {
            return Err(OrderError::Resources);
        }
        if assemblies(manifest) != self.assemblies || containers(manifest) != self.containers {
            return Err(OrderError::Images);
        }
        Ok(())
    }
}

/// What a manifest needs reserved.
pub fn units(manifest: &Manifest) -> Vec<Unit> {
    let mut units: Vec<_> = manifest.services.values().map(unit).collect();
    units.sort();
    units
}

/// The assemblies that a manifest runs.
pub fn assemblies(manifest: &Manifest) -> BTreeSet<Cid> {
    let roots = manifest.services.values().filter_map(|service| match &service.image {
        Image::Assembly(root) => Some(*root),
        Image::Container(_) => None,
    });
    roots.collect()
}

/// Whether a manifest runs containers.
pub fn containers(manifest: &Manifest) -> bool {
    manifest.services.values().any(|service| !service.image.is_assembly())
}

/// The strongest protected environment that a manifest needs.
pub fn tee(manifest: &Manifest) -> Option<Tee> {
    manifest.services.values().filter_map(|service| service.tee).max()
}

fn unit(service: &Service) -> Unit {
    let resources = &service.resources;
    let mut storage: Vec<_> = resources.storage.values().cloned().collect();
    storage.sort();
    let (mut http_ports, mut ports, mut endpoint_ports) = (0_u32, 0_u32, 0_u32);
    for expose in &service.expose {
        let last = expose.port_end.unwrap_or(expose.port);
        let width = u32::from(last.saturating_sub(expose.port)).saturating_add(1);
        for reach in &expose.to {
            let counter = match reach {
                Reach::World if expose.http.is_some() => &mut http_ports,
                Reach::World => &mut ports,
                Reach::Endpoint(_) => &mut endpoint_ports,
                Reach::Service(_) => continue,
            };
            *counter = counter.saturating_add(width);
        }
    }
    Unit {
        count: service.count,
        cpu_milli: resources.cpu_milli,
        cpu_attributes: resources.cpu_attributes.clone(),
        memory: resources.memory,
        memory_attributes: resources.memory_attributes.clone(),
        storage,
        gpu: resources.gpu.clone(),
        http_ports,
        ports,
        endpoint_ports,
    }
}

/// The memory that is shared between processes is part of the memory, not of the disks.
pub fn is_on_disk(volume: &Volume) -> bool {
    volume.class != StorageClass::Ram
}
