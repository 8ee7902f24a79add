//! The guest's memory, as the guest describes it: every address may be wrong.

use std::ops::Range;

use super::errno::{Errno, Refusal};

/// Buffers of one call that reads or writes.
const BUFFERS_MAX: u32 = 1_024;

/// Checked reads and writes, which are counted.
pub(super) struct Bytes<'a> {
    bytes: &'a mut [u8],
    moved: u64,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, moved: 0 }
    }

    /// How many bytes were read and written.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Counts work that is like so many bytes.
    pub(super) fn count(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    fn range(&mut self, at: u32, len: u32) -> Result<Range<usize>, Refusal> {
        self.moved = self.moved.saturating_add(u64::from(len));
        let start = usize::try_from(at).map_err(|_| Errno::Fault)?;
        let len = usize::try_from(len).map_err(|_| Errno::Fault)?;
        let end = start.checked_add(len).ok_or(Errno::Fault)?;
        if end > self.bytes.len() {
            return Err(Errno::Fault.into());
        }
        Ok(start..end)
    }

    pub(super) fn slice(&mut self, at: u32, len: u32) -> Result<&[u8], Refusal> {
        let range = self.range(at, len)?;
        Ok(&self.bytes[range])
    }

    pub(super) fn slice_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Refusal> {
        let range = self.range(at, len)?;
        Ok(&mut self.bytes[range])
    }

    pub(super) fn write(&mut self, at: u32, data: &[u8]) -> Result<(), Refusal> {
        let len = u32::try_from(data.len()).map_err(|_| Errno::Fault)?;
        self.slice_mut(at, len)?.copy_from_slice(data);
        Ok(())
    }

    pub(super) fn write_u32(&mut self, at: u32, value: u32) -> Result<(), Refusal> {
        self.write(at, &value.to_le_bytes())
    }

    pub(super) fn write_u64(&mut self, at: u32, value: u64) -> Result<(), Refusal> {
        self.write(at, &value.to_le_bytes())
    }

    pub(super) fn array<const N: usize>(&mut self, at: u32) -> Result<[u8; N], Refusal> {
        let len = u32::try_from(N).map_err(|_| Errno::Fault)?;
        self.slice(at, len)?.try_into().map_err(|_| Errno::Fault.into())
    }

    pub(super) fn u32(&mut self, at: u32) -> Result<u32, Refusal> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// A path; never longer than one may be.
    pub(super) fn path(&mut self, at: u32, len: u32) -> Result<String, Refusal> {
        if usize::try_from(len).is_ok_and(|len| len > crate::host::files::PATH_MAX) {
            return Err(Errno::LongName.into());
        }
        let bytes = self.slice(at, len)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Errno::IllegalBytes)?;
        Ok(text.to_owned())
    }

    /// The places of buffers: address and length of each.
    pub(super) fn buffers(&mut self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Refusal> {
        if count > BUFFERS_MAX {
            return Err(Errno::Invalid.into());
        }
        (0..count)
            .map(|index| {
                let at = at.checked_add(index * 8).ok_or(Errno::Fault)?;
                Ok((self.u32(at)?, self.u32(offset(at, 4)?)?))
            })
            .collect()
    }
}

/// An address `by` bytes further on.
pub(super) fn offset(at: u32, by: u32) -> Result<u32, Refusal> {
    at.checked_add(by).ok_or(Refusal::Errno(Errno::Fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_outside_is_refused_whatever_it_is() {
        let mut memory = [0; 16];
        let mut bytes = Bytes::new(&mut memory);
        for (at, len) in [(0, 17), (16, 1), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            assert_eq!(bytes.slice(at, len).err(), Some(Errno::Fault.into()), "{at} {len}");
        }
        assert_eq!(bytes.slice(16, 0), Ok(&[][..]));
        assert_eq!(bytes.write_u64(9, 1), Err(Errno::Fault.into()));
        assert!(bytes.buffers(12, 1).is_err());
        assert_eq!(bytes.buffers(0, u32::MAX), Err(Errno::Invalid.into()));
        assert_eq!(bytes.path(0, u32::MAX), Err(Errno::LongName.into()));
    }
}
