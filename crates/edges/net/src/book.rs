//! The peer book: addresses of peers that a node remembers over a restart.
//!
//! A text file, one line per address: `<unix seconds when last seen> <address>/p2p/<peer>`.
//! It is a hint and never trusted: lines that make no sense are skipped, and so a damaged book
//! never keeps a node from starting.
//!
//! Knows: the file's form and bounds. Does not know: who is worth remembering; see `dialer.rs`.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};

use crate::address;

const MAX_FILE: u64 = 1 << 20;
const MAX_LINE: usize = 512;

/// The most peers in a book.
pub(crate) const MAX_PEERS: usize = 1_024;
/// The most addresses of one peer.
pub(crate) const MAX_ADDRESSES: usize = 8;

/// One remembered peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who.
    pub peer: PeerId,
    /// Where, the best first, without `/p2p`.
    pub addresses: Vec<Multiaddr>,
    /// When it was last connected, in seconds since 1970; 0 if never.
    pub last_seen: u64,
}

/// Reads a book; nonsense is skipped, what is too much is left out.
pub fn decode(bytes: &[u8]) -> Vec<Record> {
    let mut records: BTreeMap<PeerId, Record> = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| line.len() <= MAX_LINE) {
        let Some((last_seen, peer, address)) = decode_line(line) else { continue };
        if records.len() >= MAX_PEERS && !records.contains_key(&peer) {
            continue;
        }
        let record =
            records.entry(peer).or_insert(Record { peer, addresses: Vec::new(), last_seen });
        record.last_seen = record.last_seen.max(last_seen);
        if record.addresses.len() < MAX_ADDRESSES && !record.addresses.contains(&address) {
            record.addresses.push(address);
        }
    }
    records.into_values().collect()
}

fn decode_line(line: &[u8]) -> Option<(u64, PeerId, Multiaddr)> {
    let text = std::str::from_utf8(line).ok()?.trim();
    let (seen, rest) = text.split_once(' ')?;
    let (address, peer) = address::split_peer(rest.trim().parse().ok()?);
    address::is_dialable(&address).then_some((seen.parse().ok()?, peer?, address))
}

/// The text of a book.
pub fn encode(records: &[Record]) -> String {
    let mut text = String::new();
    for Record { peer, addresses, last_seen } in records.iter().take(MAX_PEERS) {
        for address in addresses.iter().take(MAX_ADDRESSES) {
            let address = address.clone().with(Protocol::P2p(*peer));
            text.push_str(&format!("{last_seen} {address}\n"));
        }
    }
    text
}

/// Reads the book file; no file is an empty book.
pub(crate) fn load(path: &Path) -> io::Result<Vec<Record>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(decode(&bytes))
}

/// Replaces the book file: written beside, then renamed, so a crash leaves the old one or the new.
pub(crate) fn save(path: &Path, records: &[Record]) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(encode(records).as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(port: u16) -> Record {
        let addresses = vec![
            format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap(),
            format!("/ip4/10.0.0.1/udp/{port}/quic-v1").parse().unwrap(),
        ];
        Record { peer: PeerId::random(), addresses, last_seen: u64::from(port) }
    }

    fn sorted(mut records: Vec<Record>) -> Vec<Record> {
        records.sort_by_key(|record| record.peer);
        records
    }

    #[test]
    fn a_book_survives_the_disk_and_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net/peers.txt");
        assert_eq!(load(&path).unwrap(), vec![]);
        let records = sorted((1..20).map(record).collect());
        save(&path, &[record(9)]).unwrap();
        save(&path, &records).unwrap();
        assert_eq!(load(&path).unwrap(), records);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn damaged_lines_are_skipped_and_the_rest_is_kept() {
        let good = record(7);
        let mut bytes = b"rubbish\n\xff\xfe\n12 /ip4/10.0.0.1/tcp/9\n-1 x\n".to_vec();
        bytes.extend(encode(std::slice::from_ref(&good)).bytes());
        bytes.extend(vec![b'a'; 5_000]);
        assert_eq!(decode(&bytes), vec![good]);
    }

    #[test]
    fn a_book_of_too_many_peers_is_cut() {
        let text: String =
            (0..MAX_PEERS + 50).map(|i| encode(&[record((i % 60_000 + 1) as u16)])).collect();
        assert_eq!(decode(text.as_bytes()).len(), MAX_PEERS);
    }
}
