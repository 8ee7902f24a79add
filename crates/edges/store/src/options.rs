//! What can be chosen about a store.

/// Choices for [`crate::Store::open`]. They may change from one opening to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many of the last states can be read, the tip's included; at least 1.
    pub state_history_blocks: u64,
    /// Buckets of 4 KiB in the state tree's hash table when it is created. The table grows by
    /// itself, so that at most half of them are used; space is taken when it is used.
    pub state_buckets: u32,
    /// Memory for pages of the state tree, in MiB.
    pub state_cache_mib: usize,
    /// Memory for records, in MiB.
    pub record_cache_mib: u64,
    /// Threads that compute the state root.
    pub root_workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            state_history_blocks: 5_000,
            state_buckets: 64_000,
            state_cache_mib: 64,
            record_cache_mib: 64,
            root_workers: 1,
        }
    }
}
