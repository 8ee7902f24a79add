//! Guest memory, seen from the host: every pointer and size is checked before anything is read,
//! written or allocated.

use casper_types::bytesrepr::{self, FromBytes};
use casper_types::{Key, bytesrepr::Error};

use crate::trap::Trap;

/// The highest tag of a key that Casper 1.5 knows; later ones mean nothing here.
const KEY_TAG_MAX: u8 = 14;

/// The memory of a guest during one call.
#[derive(Debug)]
pub(super) struct Memory<'m>(&'m mut [u8]);

impl<'m> Memory<'m> {
    pub(super) fn new(bytes: &'m mut [u8]) -> Self {
        Self(bytes)
    }

    /// The `size` bytes at `pointer`, where they lie.
    pub(super) fn slice(&self, pointer: u32, size: u32) -> Result<&[u8], Trap> {
        let (from, to) = region(pointer, size);
        self.0.get(from..to).ok_or_else(|| outside(from, to, self.0.len()))
    }

    /// Copies `bytes` to `pointer`.
    pub(super) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Trap> {
        let from = index(pointer);
        let to = from.saturating_add(bytes.len());
        let len = self.0.len();
        let target = self.0.get_mut(from..to).ok_or_else(|| outside(from, to, len))?;
        target.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a size or a count: 32 bits, as guests have them. Casper writes 64 in some places.
    pub(super) fn write_u32(&mut self, pointer: u32, value: u32) -> Result<(), Trap> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Decodes a value that must fill its bytes.
    pub(super) fn decode<T: FromBytes>(&self, pointer: u32, size: u32) -> Result<T, Trap> {
        Ok(self.decode_or_error(pointer, size)??)
    }

    /// As [`Self::decode`], but bytes that are no such value are an answer, not a trap.
    pub(super) fn decode_or_error<T: FromBytes>(
        &self,
        pointer: u32,
        size: u32,
    ) -> Result<Result<T, Error>, Trap> {
        Ok(bytesrepr::deserialize_from_slice(self.slice(pointer, size)?))
    }

    /// Decodes a key of Casper 1.5.
    pub(super) fn key(&self, pointer: u32, size: u32) -> Result<Key, Trap> {
        match self.slice(pointer, size)?.first() {
            None => Err(Error::EarlyEndOfStream.into()),
            Some(tag) if *tag > KEY_TAG_MAX => Err(Error::Formatting.into()),
            Some(_) => self.decode(pointer, size),
        }
    }
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn region(pointer: u32, size: u32) -> (usize, usize) {
    let from = index(pointer);
    (from, from.saturating_add(index(size)))
}

fn outside(from: usize, to: usize, len: usize) -> Trap {
    Trap::Interpreter(format!("trying to access region [{from}..{to}] in memory [0..{len}]"))
}
