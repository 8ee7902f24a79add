//! The content store as the swarm sees it.

use std::io;

use bytes::Bytes;
use girrona_assembly::Cid;
use girrona_net::{Blocks, PutError};
use girrona_store::content::{ContentError, ContentStore};

/// Shows all content to everybody: what is cached here is public.
#[derive(Debug)]
pub(crate) struct Shown(pub(crate) ContentStore);

impl Blocks for Shown {
    fn get(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        match self.0.get(cid) {
            Ok(bytes) => Ok(bytes.map(Bytes::from)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn has(&self, cid: &Cid) -> bool {
        self.0.has(cid)
    }

    fn size(&self, cid: &Cid) -> Option<u32> {
        self.0.size(cid)
    }

    fn put(&self, cid: &Cid, block: Bytes) -> Result<(), PutError> {
        self.0.put(cid, &block).map_err(|error| match error {
            ContentError::Unreserved | ContentError::NoRoom(_) => PutError::Full,
            other => PutError::Io(io::Error::other(other)),
        })
    }
}
