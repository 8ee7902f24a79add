//! Canonical bytes: Casper's types in bytesrepr, ours in borsh, one inside the other.

use std::io;

use casper_types::bytesrepr::{FromBytes, ToBytes};

/// Borsh form of a Casper value: its bytesrepr bytes behind a 4-byte little-endian length.
/// For `#[borsh(serialize_with = "casper::serialize", deserialize_with = "casper::deserialize")]`.
pub mod casper {
    use super::{FromBytes, ToBytes, io};

    /// The longest single Casper value that may appear inside one of our messages.
    pub const LENGTH_MAX: u32 = 8 * 1024 * 1024;

    /// Writes the value's bytesrepr bytes behind their length.
    ///
    /// # Errors
    /// When the value has no byte form or the writer fails.
    pub fn serialize<T: ToBytes, W: io::Write>(value: &T, writer: &mut W) -> io::Result<()> {
        let bytes = value.to_bytes().map_err(|e| io::Error::other(e.to_string()))?;
        borsh::BorshSerialize::serialize(&bytes, writer)
    }

    /// Reads what [`serialize`] wrote; every byte must be used.
    ///
    /// # Errors
    /// When the input is too short, too long, or not a `T`.
    pub fn deserialize<T: FromBytes, R: io::Read>(reader: &mut R) -> io::Result<T> {
        let length = <u32 as borsh::BorshDeserialize>::deserialize_reader(reader)?;
        if length > LENGTH_MAX {
            return Err(invalid(format!("{length} bytes announced, {LENGTH_MAX} are allowed")));
        }
        // Grows with what really arrives, never with what was announced.
        let mut bytes = Vec::new();
        let mut limited = io::Read::take(io::Read::by_ref(reader), u64::from(length));
        let read = io::Read::read_to_end(&mut limited, &mut bytes)?;
        if read as u64 != u64::from(length) {
            return Err(invalid(format!("{length} bytes announced, {read} came")));
        }
        let (value, rest) = T::from_bytes(&bytes).map_err(|e| invalid(e.to_string()))?;
        if rest.is_empty() { Ok(value) } else { Err(invalid("left-over bytes".to_owned())) }
    }

    fn invalid(text: String) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, text)
    }
}
