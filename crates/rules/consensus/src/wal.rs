//! The write-ahead log's records: what the engine must see again after a crash, in order, to come
//! to the same votes.

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_types::{Height, ProposalHash, Round};

use crate::message::{MESSAGE_MAX, Message, put};

/// The first byte of every record.
const VERSION: u8 = 1;

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// Not a record.
    #[error("not a record: {0}")]
    Malformed(String),
    /// A record of another height's log.
    #[error("a record of height {0}")]
    OtherHeight(Height),
}

/// A timer as the log keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum LoggedTimer {
    Propose,
    Prevote,
    Precommit,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Entry {
    /// A message that was accepted, ours or another's, in its wire form.
    Message(Vec<u8>),
    /// A timer ran out.
    Timer(LoggedTimer, Round),
    /// A proposal was built here or judged.
    Judged { round: Round, proposal: ProposalHash, valid: bool },
}

/// The bytes of a record of this height's log.
pub(crate) fn encode(height: Height, entry: &Entry) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    put(&mut bytes, &height);
    put(&mut bytes, entry);
    bytes
}

/// Reads a record of this height's log.
pub(crate) fn decode(height: Height, record: &[u8]) -> Result<Entry, WalError> {
    let malformed = |e: std::io::Error| WalError::Malformed(e.to_string());
    let found = record_height(record)?;
    if found != height {
        return Err(WalError::OtherHeight(found));
    }
    if record.len() > MESSAGE_MAX.saturating_mul(2) {
        return Err(WalError::Malformed(format!("{} bytes", record.len())));
    }
    let body = record.get(9..).unwrap_or_default();
    borsh::from_slice(body).map_err(malformed)
}

/// Reads the message of an [`Entry::Message`]; it must belong to the height.
pub(crate) fn decode_message(height: Height, bytes: &[u8]) -> Result<Message, WalError> {
    let message = Message::decode(bytes).map_err(|e| WalError::Malformed(e.to_string()))?;
    if message.height() != height {
        return Err(WalError::OtherHeight(message.height()));
    }
    if matches!(message, Message::RoundChange(_)) {
        return Err(WalError::Malformed("round changes are logged as votes".to_owned()));
    }
    Ok(message)
}

/// The height whose log a record belongs to, for an owner who finds an old log after a crash.
///
/// # Errors
/// [`WalError::Malformed`] when it is no record.
pub fn record_height(record: &[u8]) -> Result<Height, WalError> {
    let Some((&VERSION, body)) = record.split_first() else {
        return Err(WalError::Malformed("not of this version".to_owned()));
    };
    let Some(height) = body.first_chunk::<8>() else {
        return Err(WalError::Malformed("too short".to_owned()));
    };
    Ok(Height(u64::from_le_bytes(*height)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        vec![
            Entry::Message(vec![1, 2, 3]),
            Entry::Timer(LoggedTimer::Precommit, Round(7)),
            Entry::Judged { round: Round(1), proposal: ProposalHash([9; 32]), valid: true },
        ]
    }

    #[test]
    fn records_come_back_as_they_were_written() {
        for entry in entries() {
            let record = encode(Height(5), &entry);
            assert_eq!(decode(Height(5), &record), Ok(entry));
            assert_eq!(record_height(&record), Ok(Height(5)));
        }
    }

    #[test]
    fn another_heights_record_is_refused() {
        let record = encode(Height(4), &entries()[1]);
        assert_eq!(decode(Height(5), &record), Err(WalError::OtherHeight(Height(4))));
    }

    #[test]
    fn garbage_and_cut_records_are_refused() {
        for entry in entries() {
            let record = encode(Height(5), &entry);
            for end in 0..record.len() {
                assert!(matches!(decode(Height(5), &record[..end]), Err(WalError::Malformed(_))));
            }
            let mut longer = record.clone();
            longer.push(0);
            assert!(matches!(decode(Height(5), &longer), Err(WalError::Malformed(_))));
        }
        assert!(decode_message(Height(5), &[1, 2, 3]).is_err());
    }

    #[test]
    fn the_bytes_of_records_are_fixed() {
        let bytes: Vec<_> =
            entries().iter().map(|entry| hex::encode(encode(Height(5), entry))).collect();
        assert_eq!(bytes, GOLDEN);
    }

    const GOLDEN: [&str; 3] = [
        "0105000000000000000003000000010203",
        "010500000000000000010207000000",
        "0105000000000000000201000000\
         090909090909090909090909090909090909090909090909090909090909090901",
    ];
}
