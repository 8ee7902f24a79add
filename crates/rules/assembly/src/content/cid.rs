//! Content identifiers: CIDv1 of SHA-256, the only kind that assemblies use.
//!
//! A CIDv0 that a foreign block links to names the same hash and is read as its CIDv1.

use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Multicodec numbers.
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;
const DIGEST_LENGTH: u64 = 32;
/// Bytes of a CID.
pub const CID_LENGTH: usize = 36;

/// How a block's bytes are to be read.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub enum Codec {
    /// Bytes of a file.
    Raw,
    /// A node with links: a long file or a directory.
    DagPb,
}

impl Codec {
    /// The multicodec number; both are below 128, so they are one byte long.
    const fn number(self) -> u8 {
        match self {
            Self::Raw => 0x55,
            Self::DagPb => 0x70,
        }
    }
}

/// The name of a block: how to read it, and the hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Cid {
    /// How to read the bytes.
    pub codec: Codec,
    /// SHA-256 of the bytes.
    pub digest: [u8; 32],
}

/// Why something is no CID that assemblies use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CidError {
    /// Too short, too long, or a number in it is not written in its shortest form.
    #[error("the bytes are no CID")]
    Malformed,
    /// Neither version 0 nor 1.
    #[error("CID version {0} is not known")]
    Version(u64),
    /// Neither raw bytes nor dag-pb.
    #[error("codec {0:#x} is neither raw (0x55) nor dag-pb (0x70)")]
    Codec(u64),
    /// Not SHA-256 with 32 bytes.
    #[error("hash {0:#x} is not SHA-256 (0x12) with 32 bytes")]
    Hash(u64),
    /// Text that is not base32 behind a `b`.
    #[error("a CID is written in base32 with a `b` before it")]
    Text,
}

impl Cid {
    /// Names these bytes.
    pub fn of(codec: Codec, bytes: &[u8]) -> Self {
        Self { codec, digest: Sha256::digest(bytes).into() }
    }

    /// Whether these are the bytes that this names.
    pub fn names(&self, bytes: &[u8]) -> bool {
        Self::of(self.codec, bytes) == *self
    }

    /// What goes before a block in Bitswap: everything of the CID but the hash itself.
    pub const fn prefix(&self) -> [u8; 4] {
        [1, self.codec.number(), 0x12, 0x20]
    }

    /// The CID of a block that came with such a prefix. Version 0 implies dag-pb.
    ///
    /// # Errors
    /// [`CidError`] when it is of a kind that assemblies do not use; nothing is hashed then.
    pub fn from_prefix(prefix: &[u8], bytes: &[u8]) -> Result<Self, CidError> {
        let (version, rest) = number(prefix)?;
        let (codec, rest) = number(rest)?;
        let (hash, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        if !rest.is_empty() || (version == 0 && codec != DAG_PB) {
            return Err(CidError::Malformed);
        }
        check_version(version)?;
        check_hash(hash, length)?;
        Ok(Self::of(codec_of(codec)?, bytes))
    }

    /// The 36 bytes.
    pub fn to_bytes(&self) -> [u8; CID_LENGTH] {
        let mut bytes = [0; CID_LENGTH];
        let (prefix, digest) = bytes.split_at_mut(4);
        prefix.copy_from_slice(&self.prefix());
        digest.copy_from_slice(&self.digest);
        bytes
    }

    /// Reads a CID that takes all the bytes.
    ///
    /// # Errors
    /// [`CidError`] says why it is none that assemblies use.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        match Self::split(bytes)? {
            (cid, []) => Ok(cid),
            _ => Err(CidError::Malformed),
        }
    }

    /// Reads a CID and says what is left after it.
    ///
    /// # Errors
    /// [`CidError`] says why there is none that assemblies use.
    pub fn split(bytes: &[u8]) -> Result<(Self, &[u8]), CidError> {
        // Version 0 is a bare multihash, which no CIDv1 begins like.
        if let [0x12, 0x20, rest @ ..] = bytes {
            let (digest, rest) = rest.split_first_chunk().ok_or(CidError::Malformed)?;
            return Ok((Self { codec: Codec::DagPb, digest: *digest }, rest));
        }
        let (version, rest) = number(bytes)?;
        if version == 0 {
            return Err(CidError::Malformed);
        }
        check_version(version)?;
        let (codec, rest) = number(rest)?;
        let codec = codec_of(codec)?;
        let (hash, rest) = number(rest)?;
        let (length, rest) = number(rest)?;
        check_hash(hash, length)?;
        let (digest, rest) = rest.split_first_chunk().ok_or(CidError::Malformed)?;
        Ok((Self { codec, digest: *digest }, rest))
    }
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8]), CidError> {
    unsigned_varint::decode::u64(bytes).map_err(|_| CidError::Malformed)
}

fn check_version(version: u64) -> Result<(), CidError> {
    if version <= 1 { Ok(()) } else { Err(CidError::Version(version)) }
}

fn codec_of(number: u64) -> Result<Codec, CidError> {
    match number {
        RAW => Ok(Codec::Raw),
        DAG_PB => Ok(Codec::DagPb),
        other => Err(CidError::Codec(other)),
    }
}

fn check_hash(hash: u64, length: u64) -> Result<(), CidError> {
    if (hash, length) == (SHA2_256, DIGEST_LENGTH) { Ok(()) } else { Err(CidError::Hash(hash)) }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = BASE32_NOPAD.encode(&self.to_bytes()).to_ascii_lowercase();
        write!(f, "b{text}")
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

impl FromStr for Cid {
    type Err = CidError;

    fn from_str(text: &str) -> Result<Self, CidError> {
        let encoded = text.strip_prefix('b').ok_or(CidError::Text)?;
        // Bounds the work; base32 in capitals has the prefix `B` and is somebody else's.
        if encoded.len() > 128 || encoded.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(CidError::Text);
        }
        let encoded = encoded.to_ascii_uppercase();
        let bytes = BASE32_NOPAD.decode(encoded.as_bytes()).map_err(|_| CidError::Text)?;
        // A CIDv0 has its own spelling.
        if bytes.first() == Some(&0x12) {
            return Err(CidError::Text);
        }
        Self::from_bytes(&bytes)
    }
}

impl Serialize for Cid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cid_reads_as_it_is_written() {
        for codec in [Codec::Raw, Codec::DagPb] {
            let cid = Cid::of(codec, b"girrona");
            assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
            assert_eq!(cid.to_string().parse(), Ok(cid));
            assert_eq!(Cid::from_prefix(&cid.prefix(), b"girrona"), Ok(cid));
            assert!(cid.names(b"girrona") && !cid.names(b"girrone"));
        }
        let empty = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
        assert_eq!(Cid::of(Codec::Raw, b"").to_string(), empty);
    }

    #[test]
    fn version_0_is_dag_pb_by_its_hash() {
        let cid = Cid::of(Codec::DagPb, b"node");
        let old = [&[0x12, 0x20][..], &cid.digest].concat();
        assert_eq!(Cid::from_bytes(&old), Ok(cid));
        assert_eq!(Cid::from_prefix(&[0, 0x70, 0x12, 0x20], b"node"), Ok(cid));
        assert_eq!(Cid::from_prefix(&[0, 0x55, 0x12, 0x20], b"node"), Err(CidError::Malformed));
    }

    #[test]
    fn what_assemblies_do_not_use_is_refused_by_name() {
        let good = Cid::of(Codec::Raw, b"x").to_bytes();
        let with = |at: usize, byte: u8| {
            let mut bytes = good;
            bytes[at] = byte;
            Cid::from_bytes(&bytes)
        };
        assert_eq!(with(0, 2), Err(CidError::Version(2)));
        assert_eq!(with(0, 0), Err(CidError::Malformed));
        assert_eq!(with(1, 0x71), Err(CidError::Codec(0x71)));
        assert_eq!(with(2, 0x1e), Err(CidError::Hash(0x1e)));
        assert_eq!(with(3, 0x1f), Err(CidError::Hash(0x12)));
        assert_eq!(Cid::from_bytes(&good[..35]), Err(CidError::Malformed));
        assert_eq!(Cid::from_bytes(&[&good[..], &[0]].concat()), Err(CidError::Malformed));
        // 1 written in two bytes.
        let long = [&[0x81, 0x00][..], &good[1..]].concat();
        assert_eq!(Cid::from_bytes(&long), Err(CidError::Malformed));
        for text in ["", "b", "z1", "Bafkrei", "bAFKREI", "QmXoypizjW3WknFiJnKLwHCnL72vedxjQkDDP1"]
        {
            assert!(text.parse::<Cid>().is_err(), "{text}");
        }
    }
}
