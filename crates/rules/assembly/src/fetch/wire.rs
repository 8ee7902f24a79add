//! Bitswap 1.2's messages as bytes: what [`super::Session`] and [`super::Ledger`] decide, in the
//! form that other implementations read.
//!
//! On a stream each message has its length before it, as a varint; that is left to whoever reads
//! streams. Reading takes what it does not know for absent, as protobuf wants it, and copies no
//! block.

use thiserror::Error;

use super::{
    WantKind,
    ledger::{OVERFLOW_MAX, Serve, WANTS_MAX, Want},
};
use crate::content::{
    Cid,
    pb::{Fields, Malformed, Value, put_bytes, put_head, put_number},
};

/// The longest message, in bytes: 4 MiB, which other implementations keep to, and some slack.
pub const MESSAGE_MAX: usize = 4 * 1024 * 1024 + 64 * 1024;
/// The most blocks, or answers about blocks, of one message.
const ANSWERS_MAX: usize = 16 * 1024;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// Longer than a message may be.
    #[error("{0} bytes are too many, {MESSAGE_MAX} are allowed")]
    Long(usize),
    /// Not protobuf, or a field has the wrong type.
    #[error("not a Bitswap message")]
    Malformed,
    /// More lines than anybody honest sends.
    #[error("the message has too many entries")]
    Many,
}

impl From<Malformed> for WireError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// A message that was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// The wants are all there are.
    pub is_full: bool,
    /// What the peer wants.
    pub wants: Vec<Want>,
    /// What it wants no longer.
    pub cancels: Vec<Cid>,
    /// What it wants of a kind that assemblies do not use, and wants to be told that it is not
    /// here: its CIDs as it wrote them.
    pub foreign: Vec<&'a [u8]>,
    /// Blocks: what goes before the hash in their CIDs, and their bytes.
    pub blocks: Vec<(&'a [u8], &'a [u8])>,
    /// What the peer has.
    pub have: Vec<Cid>,
    /// What it has not.
    pub dont_have: Vec<Cid>,
}

impl<'a> Message<'a> {
    /// Reads a message that takes all the bytes.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() > MESSAGE_MAX {
            return Err(WireError::Long(bytes.len()));
        }
        let mut message = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => message.read_wantlist(bytes)?,
                (3, Value::Bytes(bytes)) => {
                    let block = read_block(bytes)?;
                    message.blocks.push(block);
                }
                (4, Value::Bytes(bytes)) => message.read_presence(bytes)?,
                (1 | 3 | 4, Value::Number(_)) => return Err(WireError::Malformed),
                _ => {}
            }
            let answers =
                [message.blocks.len(), message.have.len(), message.dont_have.len()].iter().sum();
            if ANSWERS_MAX < answers {
                return Err(WireError::Many);
            }
        }
        Ok(message)
    }

    fn read_wantlist(&mut self, bytes: &'a [u8]) -> Result<(), WireError> {
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => self.read_entry(bytes)?,
                (2, Value::Number(number)) => self.is_full = number != 0,
                (1 | 2, _) => return Err(WireError::Malformed),
                _ => {}
            }
            let lines: usize =
                [self.wants.len(), self.cancels.len(), self.foreign.len()].iter().sum();
            if lines > WANTS_MAX.saturating_add(OVERFLOW_MAX) {
                return Err(WireError::Many);
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, bytes: &'a [u8]) -> Result<(), WireError> {
        let (mut cid, mut is_cancel, mut kind) = (None, false, 0);
        let mut send_dont_have = false;
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => cid = Some(bytes),
                (3, Value::Number(number)) => is_cancel = number != 0,
                (4, Value::Number(number)) => kind = number,
                (5, Value::Number(number)) => send_dont_have = number != 0,
                (1 | 3 | 4 | 5, _) => return Err(WireError::Malformed),
                _ => {}
            }
        }
        let written = cid.ok_or(WireError::Malformed)?;
        let kind = if kind == 1 { WantKind::Have } else { WantKind::Block };
        match (Cid::from_bytes(written), is_cancel) {
            (Ok(cid), true) => self.cancels.push(cid),
            (Ok(cid), false) => self.wants.push(Want { cid, kind, send_dont_have }),
            (Err(_), false) if send_dont_have => self.foreign.push(written),
            (Err(_), _) => {}
        }
        Ok(())
    }

    fn read_presence(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let (mut cid, mut kind) = (None, 0);
        let mut fields = Fields::of(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(bytes)) => cid = Some(bytes),
                (2, Value::Number(number)) => kind = number,
                (1 | 2, _) => return Err(WireError::Malformed),
                _ => {}
            }
        }
        // What we asked for has a CID of ours.
        if let Ok(cid) = Cid::from_bytes(cid.ok_or(WireError::Malformed)?) {
            match kind {
                0 => self.have.push(cid),
                1 => self.dont_have.push(cid),
                _ => {}
            }
        }
        Ok(())
    }
}

fn read_block(bytes: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut prefix, mut data): (&[u8], &[u8]) = (&[], &[]);
    let mut fields = Fields::of(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(bytes)) => prefix = bytes,
            (2, Value::Bytes(bytes)) => data = bytes,
            (1 | 2, _) => return Err(WireError::Malformed),
            _ => {}
        }
    }
    Ok((prefix, data))
}

/// A message that asks for blocks and takes back what was asked for; always with the wish to be
/// told what is not there.
pub fn ask(wants: &[(Cid, WantKind)], cancels: &[Cid]) -> Vec<u8> {
    let mut list = Vec::new();
    let mut entry = |cid: &Cid, kind: Option<WantKind>| {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, &cid.to_bytes());
        put_number(&mut entry, 2, 1);
        match kind {
            None => put_number(&mut entry, 3, 1),
            Some(kind) => {
                put_number(&mut entry, 4, u64::from(kind == WantKind::Have));
                put_number(&mut entry, 5, 1);
            }
        }
        put_bytes(&mut list, 1, &entry);
    };
    wants.iter().for_each(|(cid, kind)| entry(cid, Some(*kind)));
    cancels.iter().for_each(|cid| entry(cid, None));
    let mut out = Vec::new();
    put_bytes(&mut out, 1, &list);
    out
}

/// A message that answers wants. `block` brings the bytes of a block; one that is gone since is
/// answered as not there. `foreign` are CIDs as the peer wrote them, none of which is here.
/// `pending` is how many bytes of blocks wait for the peer beyond this message.
pub fn answer<B: AsRef<[u8]>>(
    serves: &[Serve],
    foreign: &[&[u8]],
    pending: u64,
    block: &dyn Fn(&Cid) -> Option<B>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut presences = Vec::new();
    let mut presence = |cid: &[u8], kind: u64| {
        let mut presence = Vec::new();
        put_bytes(&mut presence, 1, cid);
        // Protobuf leaves zeros out.
        if kind != 0 {
            put_number(&mut presence, 2, kind);
        }
        put_bytes(&mut presences, 4, &presence);
    };
    for serve in serves {
        match serve {
            Serve::Block(cid) => match block(cid) {
                Some(bytes) => {
                    let bytes = bytes.as_ref();
                    let mut head = Vec::with_capacity(16);
                    put_bytes(&mut head, 1, &cid.prefix());
                    put_head(&mut head, 2, bytes.len());
                    // The block is copied once, whatever is around it.
                    out.reserve(bytes.len().saturating_add(32));
                    put_head(&mut out, 3, head.len().saturating_add(bytes.len()));
                    out.append(&mut head);
                    out.extend_from_slice(bytes);
                }
                None => presence(&cid.to_bytes(), 1),
            },
            Serve::Have(cid) => presence(&cid.to_bytes(), 0),
            Serve::DontHave(cid) => presence(&cid.to_bytes(), 1),
        }
    }
    foreign.iter().for_each(|cid| presence(cid, 1));
    out.append(&mut presences);
    // Other implementations read 32 bits.
    if pending != 0 {
        put_number(&mut out, 5, pending.min(i32::MAX.unsigned_abs().into()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELIA: &str = include_str!("../../tests/golden/bitswap.json");

    fn none(_: &Cid) -> Option<Vec<u8>> {
        None
    }

    fn helia(name: &str) -> Vec<u8> {
        let all: serde_json::Value = serde_json::from_str(HELIA).unwrap();
        hex::decode(all[name].as_str().unwrap()).unwrap()
    }

    fn raw() -> Cid {
        "bafkreig2xu5p65u7a7vsszkad2yctf2oxorua6x5akzg3w2wj2s7r35ooi".parse().unwrap()
    }

    fn node() -> Cid {
        "bafybeih5e537lsvucef3o2fpqor5pf55iijmfa7rlixbtmhkyjrf562luu".parse().unwrap()
    }

    #[test]
    fn what_helia_asks_is_understood() {
        let bytes = helia("wants");
        let message = Message::read(&bytes).unwrap();
        let want = |cid, kind| Want { cid, kind, send_dont_have: true };
        let wants = vec![want(raw(), WantKind::Block), want(node(), WantKind::Have)];
        assert_eq!(message, Message { wants, cancels: vec![node()], ..Message::default() });
        let ours = ask(&[(raw(), WantKind::Block), (node(), WantKind::Have)], &[node()]);
        assert_eq!(Message::read(&ours), Ok(message));
    }

    #[test]
    fn what_helia_answers_is_understood_and_ours_is_the_same() {
        let bytes = helia("answer");
        let message = Message::read(&bytes).unwrap();
        assert_eq!(message.blocks, [(&[1, 0x55, 0x12, 0x20][..], &[0xbd][..])]);
        assert_eq!((&message.have[..], &message.dont_have[..]), (&[raw()][..], &[node()][..]));
        let cid = Cid::of(crate::content::Codec::Raw, &[0xbd]);
        let serves = [Serve::Block(cid), Serve::Have(raw()), Serve::DontHave(node())];
        assert_eq!(answer(&serves, &[], 7, &|_| Some(vec![0xbd])), bytes);
        // A block that was evicted meanwhile is said not to be there.
        let gone = answer(&serves[..1], &[], 0, &none);
        assert_eq!(Message::read(&gone).unwrap().dont_have, [cid]);
    }

    #[test]
    fn what_is_of_no_kind_of_ours_is_told_so_in_its_own_spelling() {
        let foreign = [&[1, 0x71, 0x12, 0x20][..], &[5; 32]].concat();
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, &foreign);
        put_number(&mut entry, 2, u64::MAX);
        put_number(&mut entry, 5, 1);
        let (mut list, mut bytes) = (Vec::new(), Vec::new());
        put_bytes(&mut list, 1, &entry);
        put_number(&mut list, 2, 1);
        put_bytes(&mut bytes, 1, &list);
        put_bytes(&mut bytes, 99, b"later versions");
        let message = Message::read(&bytes).unwrap();
        assert!(message.is_full && message.wants.is_empty());
        assert_eq!(message.foreign, [&foreign[..]]);
        let told = answer(&[], &message.foreign, 0, &none);
        assert!(told.windows(36).any(|window| window == foreign));
    }

    #[test]
    fn a_million_entries_and_a_message_of_megabytes_are_refused() {
        let wants = vec![(raw(), WantKind::Block); 50_000];
        assert_eq!(Message::read(&ask(&wants, &[])), Err(WireError::Many));
        assert_eq!(Message::read(&ask(&wants[..2_048], &[])).unwrap().wants.len(), 2_048);
        let long = vec![0; MESSAGE_MAX + 1];
        assert_eq!(Message::read(&long), Err(WireError::Long(MESSAGE_MAX + 1)));
        let serves = vec![Serve::Have(raw()); 20_000];
        assert_eq!(Message::read(&answer(&serves, &[], 0, &none)), Err(WireError::Many));
        assert_eq!(Message::read(&[0x0a, 0xff]), Err(WireError::Malformed));
        assert_eq!(Message::read(&[0x08, 0x01]), Err(WireError::Malformed));
    }
}
