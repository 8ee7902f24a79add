//! Nodes: dag-pb with UnixFS in it, as files longer than a chunk and directories are stored.
//!
//! Writes the one form that Helia writes. Reads what others write too, as long as it is a plain
//! file or a plain directory: names are checked, sizes have to add up.

use thiserror::Error;

use super::{
    BLOCK_MAX, Limits,
    cid::{Cid, CidError, Codec},
    names::{NameError, check_name},
    pb::{Fields, Malformed, Value, put_bytes, put_number},
};

/// UnixFS's kinds of nodes.
const TYPE_RAW: u64 = 0;
const TYPE_DIRECTORY: u64 = 1;
const TYPE_FILE: u64 = 2;

/// Part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its block.
    pub cid: Cid,
    /// Bytes of the file in it and below it.
    pub size: u64,
}

/// What a directory has under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, checked.
    pub name: String,
    /// A file's or directory's block.
    pub cid: Cid,
    /// Bytes of all blocks below, as whoever made the directory says; nothing relies on it.
    pub weight: u64,
}

/// A block, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node<'a> {
    /// Bytes of a file, and the parts that follow them.
    File {
        /// The file's first bytes.
        bytes: &'a [u8],
        /// What follows.
        parts: Vec<Part>,
        /// How long the file is, parts included.
        size: u64,
    },
    /// Names and what they stand for, ordered.
    Directory(Vec<Entry>),
}

/// Why a block is nothing that assemblies use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NodeError {
    /// More bytes than a block may have.
    #[error("a block has {0} bytes, {BLOCK_MAX} are the most")]
    Long(usize),
    /// Not a dag-pb node with UnixFS in it.
    #[error("the bytes are no UnixFS node")]
    Malformed,
    /// A link names no block that assemblies use.
    #[error("a link is no CID of ours: {0}")]
    Link(#[from] CidError),
    /// A sharded directory, a symbolic link, or something else that is not a plain file or
    /// directory.
    #[error("UnixFS type {0} is neither a file nor a directory")]
    Type(u64),
    /// A file's sizes do not add up.
    #[error("the sizes of a file's parts do not add up")]
    Sizes,
    /// A directory has a name that cannot be a file's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A directory has a name twice, or its names are not in order.
    #[error("a directory's names are not in order or not unique")]
    Order,
    /// More links than a block may have.
    #[error("a block has more than {0} links")]
    Links(usize),
}

impl From<Malformed> for NodeError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Reads a block whose bytes are known to be what its CID names.
///
/// # Errors
/// [`NodeError`] says why it is neither a file, nor part of one, nor a directory.
pub fn read<'a>(codec: Codec, block: &'a [u8], limits: &Limits) -> Result<Node<'a>, NodeError> {
    if block.len() > limits.block_max {
        return Err(NodeError::Long(block.len()));
    }
    match codec {
        Codec::Raw => Ok(Node::File { bytes: block, parts: Vec::new(), size: block.len() as u64 }),
        Codec::DagPb => read_node(block, limits),
    }
}

/// The blocks that a block links to, in order; a block may come twice.
///
/// # Errors
/// As [`read`].
pub fn links(codec: Codec, block: &[u8], limits: &Limits) -> Result<Vec<Cid>, NodeError> {
    Ok(match read(codec, block, limits)? {
        Node::File { parts, .. } => parts.into_iter().map(|part| part.cid).collect(),
        Node::Directory(entries) => entries.into_iter().map(|entry| entry.cid).collect(),
    })
}

struct Link<'a> {
    cid: Cid,
    name: &'a str,
    weight: u64,
}

fn read_node<'a>(block: &'a [u8], limits: &Limits) -> Result<Node<'a>, NodeError> {
    let (mut links, mut data) = (Vec::new(), None);
    let mut fields = Fields::of(block);
    while let Some(field) = fields.next()? {
        match field {
            (2, Value::Bytes(bytes)) => {
                if links.len() >= limits.links_max {
                    return Err(NodeError::Links(limits.links_max));
                }
                links.push(read_link(bytes)?);
            }
            (1, Value::Bytes(bytes)) if data.is_none() => data = Some(bytes),
            _ => return Err(NodeError::Malformed),
        }
    }
    let unixfs = read_unixfs(data.ok_or(NodeError::Malformed)?, limits)?;
    match unixfs.kind {
        TYPE_FILE | TYPE_RAW => file(&unixfs, &links),
        TYPE_DIRECTORY => directory(&unixfs, &links),
        other => Err(NodeError::Type(other)),
    }
}

fn read_link(bytes: &[u8]) -> Result<Link<'_>, NodeError> {
    let (mut cid, mut name, mut weight) = (None, None, None);
    let mut fields = Fields::of(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) if cid.is_none() => cid = Some(Cid::from_bytes(bytes)?),
            (2, Value::Bytes(bytes)) if name.is_none() => {
                name = Some(std::str::from_utf8(bytes).map_err(|_| NodeError::Malformed)?);
            }
            (3, Value::Number(number)) if weight.is_none() => weight = Some(number),
            _ => return Err(NodeError::Malformed),
        }
    }
    let cid = cid.ok_or(NodeError::Malformed)?;
    Ok(Link { cid, name: name.unwrap_or_default(), weight: weight.unwrap_or_default() })
}

#[derive(Default)]
struct UnixFs<'a> {
    kind: u64,
    data: &'a [u8],
    size: Option<u64>,
    parts: Vec<u64>,
}

fn read_unixfs<'a>(bytes: &'a [u8], limits: &Limits) -> Result<UnixFs<'a>, NodeError> {
    let (mut kind, mut unixfs) = (None, UnixFs::default());
    let mut fields = Fields::of(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Number(number)) if kind.is_none() => kind = Some(number),
            (2, Value::Bytes(bytes)) => unixfs.data = bytes,
            (3, Value::Number(number)) => unixfs.size = Some(number),
            (4, Value::Number(number)) => {
                if unixfs.parts.len() >= limits.links_max {
                    return Err(NodeError::Links(limits.links_max));
                }
                unixfs.parts.push(number);
            }
            // Hash type and fan-out of a sharded directory: the type tells. Mode and time mean
            // nothing here.
            (5..=7, Value::Number(_)) | (8, Value::Bytes(_)) => {}
            _ => return Err(NodeError::Malformed),
        }
    }
    unixfs.kind = kind.ok_or(NodeError::Malformed)?;
    Ok(unixfs)
}

fn file<'a>(unixfs: &UnixFs<'a>, links: &[Link<'_>]) -> Result<Node<'a>, NodeError> {
    if links.len() != unixfs.parts.len() || links.iter().any(|link| !link.name.is_empty()) {
        return Err(NodeError::Sizes);
    }
    let mut size = unixfs.data.len() as u64;
    let mut parts = Vec::with_capacity(links.len());
    for (link, part) in links.iter().zip(&unixfs.parts) {
        size = size.checked_add(*part).ok_or(NodeError::Sizes)?;
        parts.push(Part { cid: link.cid, size: *part });
    }
    // Without a size there may be no parts whose sizes it would sum up.
    if unixfs.size.unwrap_or_default() != size {
        return Err(NodeError::Sizes);
    }
    Ok(Node::File { bytes: unixfs.data, parts, size })
}

fn directory<'a>(unixfs: &UnixFs<'_>, links: &[Link<'_>]) -> Result<Node<'a>, NodeError> {
    if !unixfs.data.is_empty() || !unixfs.parts.is_empty() || unixfs.size.unwrap_or_default() != 0 {
        return Err(NodeError::Malformed);
    }
    let mut entries: Vec<Entry> = Vec::with_capacity(links.len());
    for link in links {
        check_name(link.name)?;
        if entries.last().is_some_and(|before| before.name.as_bytes() >= link.name.as_bytes()) {
            return Err(NodeError::Order);
        }
        entries.push(Entry { name: link.name.to_owned(), cid: link.cid, weight: link.weight });
    }
    Ok(Node::Directory(entries))
}

/// The bytes of a long file's node. Each part comes with the bytes of all blocks below it.
pub(super) fn write_file(parts: &[(Part, u64)]) -> Vec<u8> {
    let mut size = 0_u64;
    let mut sizes = Vec::new();
    let mut out = Vec::new();
    for (part, weight) in parts {
        put_link(&mut out, &part.cid, "", *weight);
        put_number(&mut sizes, 4, part.size);
        size = size.saturating_add(part.size);
    }
    let mut data = Vec::new();
    put_number(&mut data, 1, TYPE_FILE);
    put_number(&mut data, 3, size);
    data.extend_from_slice(&sizes);
    put_bytes(&mut out, 1, &data);
    out
}

/// The bytes of a directory's node; the entries have to be in order.
pub(super) fn write_directory<'a>(entries: impl Iterator<Item = (&'a str, Cid, u64)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, cid, weight) in entries {
        put_link(&mut out, &cid, name, weight);
    }
    let mut data = Vec::new();
    put_number(&mut data, 1, TYPE_DIRECTORY);
    put_bytes(&mut out, 1, &data);
    out
}

fn put_link(out: &mut Vec<u8>, cid: &Cid, name: &str, weight: u64) {
    let mut link = Vec::new();
    put_bytes(&mut link, 1, &cid.to_bytes());
    put_bytes(&mut link, 2, name.as_bytes());
    put_number(&mut link, 3, weight);
    put_bytes(out, 2, &link);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(byte: u8) -> Cid {
        Cid::of(Codec::Raw, &[byte])
    }

    fn of(links: &[(&str, Cid)], unixfs: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, cid) in links {
            put_link(&mut out, cid, name, 1);
        }
        put_bytes(&mut out, 1, unixfs);
        out
    }

    fn error(block: &[u8]) -> NodeError {
        read(Codec::DagPb, block, &Limits::default()).unwrap_err()
    }

    #[test]
    fn a_file_whose_sizes_do_not_add_up_is_refused() {
        // type 2, size, one part of one byte.
        let good = of(&[("", leaf(1))], &[8, 2, 0x18, 1, 0x20, 1]);
        assert!(matches!(
            read(Codec::DagPb, &good, &Limits::default()),
            Ok(Node::File { size: 1, .. })
        ));
        assert_eq!(error(&of(&[("", leaf(1))], &[8, 2, 0x18, 2, 0x20, 1])), NodeError::Sizes);
        assert_eq!(error(&of(&[("", leaf(1))], &[8, 2, 0x18, 0])), NodeError::Sizes);
        assert_eq!(error(&of(&[("x", leaf(1))], &[8, 2, 0x18, 1, 0x20, 1])), NodeError::Sizes);
        let huge = [&[8, 2, 0x18, 0][..], &[0x20], &[0xff; 9], &[1], &[0x20, 1]].concat();
        assert_eq!(error(&of(&[("", leaf(1)), ("", leaf(2))], &huge)), NodeError::Sizes);
    }

    #[test]
    fn a_directory_with_a_name_that_leads_out_is_refused() {
        let directory = &[8, 1];
        for bad in ["..", ".", "", "a/b", "a\0b"] {
            assert!(
                matches!(error(&of(&[(bad, leaf(1))], directory)), NodeError::Name(_)),
                "{bad}"
            );
        }
        let twice = of(&[("a", leaf(1)), ("a", leaf(2))], directory);
        assert_eq!(error(&twice), NodeError::Order);
        let unordered = of(&[("b", leaf(1)), ("a", leaf(2))], directory);
        assert_eq!(error(&unordered), NodeError::Order);
    }

    #[test]
    fn what_is_neither_a_file_nor_a_directory_is_refused() {
        assert_eq!(error(&of(&[], &[8, 4])), NodeError::Type(4));
        assert_eq!(error(&of(&[], &[8, 5])), NodeError::Type(5));
        assert_eq!(error(&of(&[], &[])), NodeError::Malformed);
        assert_eq!(error(b""), NodeError::Malformed);
        let few = Limits { links_max: 1, ..Limits::default() };
        let two = of(&[("a", leaf(1)), ("b", leaf(2))], &[8, 1]);
        assert_eq!(read(Codec::DagPb, &two, &few), Err(NodeError::Links(1)));
        let small = Limits { block_max: 3, ..Limits::default() };
        assert_eq!(read(Codec::Raw, &[0; 4], &small), Err(NodeError::Long(4)));
    }
}
