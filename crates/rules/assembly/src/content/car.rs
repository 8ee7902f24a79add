//! CAR files: a DAG in one file, block after block.
//!
//! Writes version 1. Reads version 1, and version 2 up to its index. Bytes come in as they
//! arrive; no more than one block is held, and every block is checked against its CID.

use thiserror::Error;

use super::{
    BLOCK_MAX, Block, Cid,
    cid::{CID_LENGTH, CidError},
    pb::put_varint,
};

/// The most roots that a header may name.
pub const ROOTS_MAX: usize = 16;
/// The longest header: every root has 41 bytes in it.
const HEADER_MAX: usize = 1024;
/// How a version 2 file begins: a header of version 2 in DAG-CBOR.
const PRAGMA: &[u8] = &[0x0a, 0xa1, 0x67, b'v', b'e', b'r', b's', b'i', b'o', b'n', 0x02];
/// Bytes of version 2's header: features, then offset and length of the data, then the index's.
const V2_HEADER: usize = 40;
/// What a root looks like in DAG-CBOR: tag 42, 37 bytes, the first of them 0.
const ROOT_START: &[u8] = &[0xd8, 0x2a, 0x58, 0x25, 0x00];

/// How a file begins.
pub fn header(roots: &[Cid]) -> Vec<u8> {
    let roots = roots.get(..ROOTS_MAX).unwrap_or(roots);
    let mut cbor = vec![0xa2, 0x65];
    cbor.extend_from_slice(b"roots");
    // Arrays of up to 23 have their length in the first byte.
    cbor.push(0x80 | u8::try_from(roots.len()).unwrap_or_default());
    for root in roots {
        cbor.extend_from_slice(ROOT_START);
        cbor.extend_from_slice(&root.to_bytes());
    }
    cbor.push(0x67);
    cbor.extend_from_slice(b"version");
    cbor.push(1);
    let mut out = Vec::new();
    put_varint(&mut out, cbor.len() as u64);
    out.extend_from_slice(&cbor);
    out
}

/// What goes before a block's bytes.
pub fn section(cid: &Cid, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, (length as u64).saturating_add(CID_LENGTH as u64));
    out.extend_from_slice(&cid.to_bytes());
    out
}

/// Why a file is not read further.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CarError {
    /// Not the beginning of a CAR file.
    #[error("this is no CAR file")]
    Header,
    /// More roots than a header may name.
    #[error("the file names more than {ROOTS_MAX} roots")]
    Roots,
    /// A section says that it is longer than a block may be.
    #[error("a block is announced with {0} bytes, {BLOCK_MAX} are the most")]
    Long(u64),
    /// A section is not a CID with a block behind it.
    #[error("a block's CID: {0}")]
    Cid(#[from] CidError),
    /// The bytes are not those that the CID names.
    #[error("the bytes in the file are not block {0}")]
    Hash(Cid),
    /// The file ends inside a block or before its header is complete.
    #[error("the file ends too early")]
    Truncated,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The roots that the file is about; always first.
    Roots(Vec<Cid>),
    /// A block, checked.
    Block(Block),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is known.
    Start,
    /// After version 2's pragma.
    SecondHeader,
    /// Bytes of padding before version 2's data.
    Padding(u64),
    /// Before version 1's header.
    FirstHeader,
    /// Sections.
    Blocks,
    /// After version 2's data, where its index may be.
    Done,
}

/// Reads a file that arrives piece by piece.
#[derive(Debug)]
pub struct CarReader {
    state: State,
    buffer: Vec<u8>,
    /// How much of the buffer is used up.
    used: usize,
    /// Bytes of version 2's data that are still to come; `None` in version 1, which has no end
    /// but the file's.
    left: Option<u64>,
}

impl Default for CarReader {
    fn default() -> Self {
        Self::new()
    }
}

impl CarReader {
    /// Has seen nothing.
    pub const fn new() -> Self {
        Self { state: State::Start, buffer: Vec::new(), used: 0, left: None }
    }

    /// More of the file. Call [`CarReader::read`] until it has nothing before the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.state == State::Done {
            return;
        }
        self.buffer.drain(..self.used.min(self.buffer.len()));
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// What is complete by now; `None` asks for more of the file.
    ///
    /// # Errors
    /// [`CarError`]; nothing more can be read after it.
    pub fn read(&mut self) -> Result<Option<Item>, CarError> {
        loop {
            match self.state {
                State::Start => {
                    let rest = self.rest();
                    let same = rest.iter().zip(PRAGMA).all(|(a, b)| a == b);
                    if !same {
                        self.state = State::FirstHeader;
                    } else if rest.len() < PRAGMA.len() {
                        return Ok(None);
                    } else {
                        self.skip(PRAGMA.len());
                        self.state = State::SecondHeader;
                    }
                }
                State::SecondHeader => {
                    let Some((header, _)) = self.rest().split_first_chunk::<V2_HEADER>() else {
                        return Ok(None);
                    };
                    let (padding, length) = second_header(header)?;
                    self.skip(V2_HEADER);
                    self.left = Some(length);
                    self.state = State::Padding(padding);
                }
                State::Padding(0) => self.state = State::FirstHeader,
                State::Padding(bytes) => {
                    let here = self.rest().len();
                    if here == 0 {
                        return Ok(None);
                    }
                    let skipped = here.min(usize::try_from(bytes).unwrap_or(usize::MAX));
                    self.skip(skipped);
                    self.state = State::Padding(bytes.saturating_sub(skipped as u64));
                }
                State::FirstHeader => {
                    let Some(header) = self.section(HEADER_MAX, |_| CarError::Header)? else {
                        return Ok(None);
                    };
                    let roots = first_header(&header)?;
                    self.state = State::Blocks;
                    return Ok(Some(Item::Roots(roots)));
                }
                State::Blocks if self.left == Some(0) => self.state = State::Done,
                State::Blocks => {
                    let longest = BLOCK_MAX.saturating_add(CID_LENGTH);
                    let Some(mut section) = self.section(longest, CarError::Long)? else {
                        return Ok(None);
                    };
                    let (cid, bytes) = Cid::split(&section)?;
                    if !cid.names(bytes) {
                        return Err(CarError::Hash(cid));
                    }
                    let start = section.len().saturating_sub(bytes.len());
                    let bytes = section.split_off(start);
                    return Ok(Some(Item::Block(Block { cid, bytes })));
                }
                State::Done => {
                    self.buffer.clear();
                    self.used = 0;
                    return Ok(None);
                }
            }
        }
    }

    /// Says that nothing more comes.
    ///
    /// # Errors
    /// [`CarError::Truncated`] when something is missing.
    pub fn finish(&self) -> Result<(), CarError> {
        let ended = match self.left {
            None => self.rest().is_empty(),
            Some(left) => left == 0,
        };
        match self.state {
            State::Done => Ok(()),
            State::Blocks if ended => Ok(()),
            _ => Err(CarError::Truncated),
        }
    }

    /// Bytes that are held.
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) {
        self.used = self.used.saturating_add(bytes);
    }

    /// Something behind its length, once it is there completely.
    fn section(
        &mut self,
        longest: usize,
        long: fn(u64) -> CarError,
    ) -> Result<Option<Vec<u8>>, CarError> {
        let rest = self.rest();
        let (length, after) = match unsigned_varint::decode::u64(rest) {
            Ok(read) => read,
            Err(unsigned_varint::decode::Error::Insufficient) => return Ok(None),
            Err(_) => return Err(long(u64::MAX)),
        };
        let prefix = rest.len().saturating_sub(after.len());
        let length = match usize::try_from(length) {
            Ok(length) if length <= longest => length,
            _ => return Err(long(length)),
        };
        let Some(section) = after.get(..length) else { return Ok(None) };
        let section = section.to_vec();
        let whole = prefix.saturating_add(length);
        if let Some(left) = self.left {
            self.left = Some(left.checked_sub(whole as u64).ok_or(CarError::Truncated)?);
        }
        self.skip(whole);
        Ok(Some(section))
    }
}

/// How much padding follows version 2's header, and how long the data is.
fn second_header(header: &[u8; V2_HEADER]) -> Result<(u64, u64), CarError> {
    let (_features, rest) = header.split_at(16);
    let (offset, rest) = rest.split_first_chunk().ok_or(CarError::Header)?;
    let (length, _index) = rest.split_first_chunk().ok_or(CarError::Header)?;
    let start = (PRAGMA.len() as u64).saturating_add(V2_HEADER as u64);
    let padding = u64::from_le_bytes(*offset).checked_sub(start).ok_or(CarError::Header)?;
    Ok((padding, u64::from_le_bytes(*length)))
}

/// The roots of version 1's header. DAG-CBOR has one form for it.
fn first_header(bytes: &[u8]) -> Result<Vec<Cid>, CarError> {
    let bad = || CarError::Header;
    let rest = bytes.strip_prefix(b"\xa2\x65roots").ok_or_else(bad)?;
    let (count, mut rest) = rest.split_first().ok_or_else(bad)?;
    let count = usize::from(count.checked_sub(0x80).ok_or_else(bad)?);
    if count > ROOTS_MAX {
        return Err(CarError::Roots);
    }
    let mut roots = Vec::with_capacity(count);
    for _ in 0..count {
        let (cid, after) = match rest {
            // A CIDv1 of ours, or a CIDv0.
            [0xd8, 0x2a, 0x58, length, 0x00, after @ ..] => {
                let length = usize::from(*length).checked_sub(1).ok_or_else(bad)?;
                after.split_at_checked(length).ok_or_else(bad)?
            }
            _ => return Err(bad()),
        };
        roots.push(Cid::from_bytes(cid)?);
        rest = after;
    }
    if rest == b"\x67version\x01" { Ok(roots) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Codec;

    fn file(blocks: &[Block]) -> Vec<u8> {
        let mut out = header(&[blocks[0].cid]);
        for block in blocks {
            out.extend(section(&block.cid, block.bytes.len()));
            out.extend(&block.bytes);
        }
        out
    }

    fn blocks() -> Vec<Block> {
        [&b"one"[..], b"", &[7; 1000]].map(|bytes| Block::new(Codec::Raw, bytes.to_vec())).into()
    }

    /// Reads a file that arrives in pieces of this length.
    fn read(file: &[u8], piece: usize) -> Result<Vec<Item>, CarError> {
        let (mut reader, mut items) = (CarReader::new(), Vec::new());
        for piece in file.chunks(piece) {
            reader.push(piece);
            while let Some(item) = reader.read()? {
                items.push(item);
            }
        }
        reader.finish().map(|()| items)
    }

    fn expected() -> Vec<Item> {
        let roots = Item::Roots(vec![blocks()[0].cid]);
        [vec![roots], blocks().into_iter().map(Item::Block).collect()].concat()
    }

    #[test]
    fn a_file_reads_as_it_is_written_however_it_arrives() {
        let file = file(&blocks());
        for piece in [1, 2, 7, 100, file.len()] {
            assert_eq!(read(&file, piece).unwrap(), expected());
        }
    }

    #[test]
    fn version_2_reads_like_the_version_1_in_it() {
        let inner = file(&blocks());
        let mut file = PRAGMA.to_vec();
        file.extend([0; 16]);
        file.extend(61_u64.to_le_bytes());
        file.extend((inner.len() as u64).to_le_bytes());
        file.extend(0_u64.to_le_bytes());
        file.extend([0; 10]);
        file.extend(&inner);
        file.extend(b"an index that nobody reads");
        for piece in [1, 9, file.len()] {
            assert_eq!(read(&file, piece).unwrap(), expected());
        }
        assert_eq!(read(&file[..60 + inner.len()], 50), Err(CarError::Truncated));
    }

    #[test]
    fn a_changed_byte_is_found() {
        let good = file(&blocks());
        let at = good.len() - 500;
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_eq!(read(&bad, 64), Err(CarError::Hash(blocks()[2].cid)));
        assert_eq!(read(&good[..good.len() - 1], 64), Err(CarError::Truncated));
        assert_eq!(read(b"", 1), Err(CarError::Truncated));
        assert_eq!(read(b"\x05hello", 64), Err(CarError::Header));
    }

    #[test]
    fn a_length_of_gigabytes_is_refused_before_anything_is_kept() {
        let mut file = header(&[blocks()[0].cid]);
        put_varint(&mut file, 4 << 30);
        assert_eq!(read(&file, 64), Err(CarError::Long(4 << 30)));
        let mut header = Vec::new();
        put_varint(&mut header, 1 << 20);
        assert_eq!(read(&header, 64), Err(CarError::Header));
    }
}
