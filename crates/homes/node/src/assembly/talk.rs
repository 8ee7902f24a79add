//! What two nodes say to each other about assemblies, beside gossip.
//!
//! What concerns a request travels along the way that the request itself came: everybody remembers
//! from whom they had it first, and passes receipts back there. So a requester needs no connection
//! to any executor, and no address that anybody could dial.

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_assembly::{
    MessageId, RequestId,
    message::payload::casper_key::Key,
    run::{Challenge, possession::Proof},
};

/// Ids that one answer names at most.
pub(crate) const IDS_MAX: usize = 16_384;
/// Messages that may be asked for at once.
pub(crate) const PULL_MAX: usize = 256;
/// Bytes of messages in one answer.
pub(crate) const PULL_BYTES_MAX: usize = 3 << 20;
/// Bytes of output that travel in one piece.
pub(crate) const PART_MAX: usize = 512 << 10;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Say {
    /// Something signed: a request that is too long for gossip, its cancellation, a decline, a
    /// receipt.
    Envelope(Vec<u8>),
    /// Part of what an executor's program wrote.
    Output(Part),
    /// A holder could execute this request of which only some shall.
    Offer(Offer),
    /// It is chosen.
    Order(Order),
    /// Which messages are alive?
    Digest,
    /// Send me these.
    Pull(Vec<MessageId>),
    /// Do you have this block?
    Prove(Challenge),
}

/// Part of an output.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Part {
    pub(crate) request: RequestId,
    pub(crate) executor: Key,
    /// Standard error; else standard output.
    pub(crate) is_stderr: bool,
    /// Where it belongs.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A holder that waits to be chosen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Offer {
    pub(crate) request: RequestId,
    pub(crate) executor: Key,
    /// Thousandths of it that are free.
    pub(crate) free_milli: u32,
}

/// Who is chosen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Order {
    pub(crate) request: RequestId,
    pub(crate) executor: Key,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Reply {
    /// It was taken, or passed on.
    Taken,
    /// It was not.
    Refused,
    /// These are alive.
    Ids(Vec<MessageId>),
    /// These are what was asked for, as far as they are here and fit.
    Messages(Vec<Vec<u8>>),
    /// The proof, if the block is here.
    Proof(Option<Proof>),
}

/// A value's bytes.
pub(crate) fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    // Writing to a vector does not fail.
    borsh::to_vec(value).unwrap_or_default()
}

/// Reads what takes all the bytes.
pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    borsh::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_refused() {
        let say = Say::Pull(vec![MessageId([7; 32])]);
        let bytes = encode(&say);
        assert_eq!(decode::<Say>(&bytes), Some(say));
        assert_eq!(decode::<Say>(&bytes[1..]), None);
        assert_eq!(decode::<Say>(&[bytes, vec![0]].concat()), None);
        // A length of gigabytes is no reason to reserve them.
        assert_eq!(decode::<Say>(&[0, 0xff, 0xff, 0xff, 0xff]), None);
    }
}
