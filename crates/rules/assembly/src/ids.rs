//! Names of messages, requests and manifests: hashes, so that nobody can take another's.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use casper_types::Digest;
use serde::{Serialize, Serializer};

macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
        )]
        pub struct $name(pub [u8; 32]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

hash_type! {
    /// One signed message: the hash of its bytes, signature included.
    MessageId
}
hash_type! {
    /// One request for execution: the hash of network, requester and everything asked for. A
    /// request that is sent again has the same one; another's request cannot have it.
    RequestId
}
hash_type! {
    /// A manifest: the hash of its canonical bytes.
    ManifestDigest
}

/// blake2b-256 over a domain prefix and what follows it.
pub(crate) fn hash(domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut bytes = domain.to_vec();
    for part in parts {
        bytes.extend_from_slice(part);
    }
    Digest::hash(bytes).value()
}

/// A value's canonical bytes. Writing to a vector does not fail for any type here: it could only
/// fail for a collection with more than 2^32 items.
pub(crate) fn canonical<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).unwrap_or_default()
}
