//! `[assembly]`: what a node does for assemblies.

use girrona_assembly::{Permissions, cache::Policy, message::payload::Limits};
use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// `[assembly]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AssemblyConfig {
    /// Whether the node takes part: caches, serves and executes.
    pub enabled: bool,
    /// Disk for content, in MiB.
    pub quota_mib: u64,
    /// Thousandths of cores that assemblies may use; 0 for all of this machine's.
    pub cpu_milli: u32,
    /// Memory for all executions together, in MiB.
    pub memory_mib: u64,
    /// Graphics processors.
    pub gpus: u32,
    /// Bytes a second that leave as content, in KiB; 0 for no limit of its own. Content gives way to
    /// votes in any case.
    pub upload_kib: u64,
    /// What is worth caching.
    pub policy: Policy,
    /// The most that one execution may ask for. What asks for more is declined.
    pub limits: Limits,
    /// What executions may reach, if publisher and requester allow it too.
    pub permissions: Permissions,
}

impl Default for AssemblyConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            quota_mib: 10 * 1_024,
            cpu_milli: 0,
            memory_mib: 2_048,
            gpus: 0,
            upload_kib: 0,
            policy: Policy::default(),
            limits: Limits {
                fuel: 1_000_000_000_000,
                memory: 1_024 * MIB,
                time_ms: 600_000,
                output: 16 * MIB,
                files: 256 * MIB,
            },
            permissions: Permissions::default(),
        }
    }
}

impl AssemblyConfig {
    pub(super) fn problems(&self, list: &mut Vec<String>) {
        let origins = &self.permissions.network;
        if !origins.is_sorted_by(|a, b| a < b) {
            list.push("`assembly.permissions.network` is not in order or has one twice".to_owned());
        }
        if self.memory_bytes() < self.limits.memory {
            list.push(
                "`assembly.limits.memory` is more than all executions together may have, \
                 `assembly.memory_mib`"
                    .to_owned(),
            );
        }
        if self.quota_mib > 1 << 30 {
            list.push("`assembly.quota_mib` is more than a pebibyte".to_owned());
        }
    }

    /// Disk for content, in bytes.
    pub const fn quota_bytes(&self) -> u64 {
        self.quota_mib.saturating_mul(MIB)
    }

    /// Memory for executions, in bytes.
    pub const fn memory_bytes(&self) -> u64 {
        self.memory_mib.saturating_mul(MIB)
    }

    /// Executions at the same time.
    pub fn workers(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self.cpu_milli {
            0 => cores,
            milli => usize::try_from(milli / 1_000).unwrap_or(cores).clamp(1, cores),
        }
    }

    /// Thousandths of cores for assemblies.
    pub fn cpu_milli(&self) -> u32 {
        match self.cpu_milli {
            0 => u32::try_from(self.workers()).unwrap_or(1).saturating_mul(1_000),
            milli => milli,
        }
    }
}
