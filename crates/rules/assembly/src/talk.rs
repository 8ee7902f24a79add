//! What two nodes say to each other about assemblies, beside gossip.
//!
//! What concerns a request travels along the way that the request itself came: everybody remembers
//! from whom they had it first, and passes receipts back there. So a requester needs no connection
//! to any executor, and no address that anybody could dial.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    ids::{MessageId, RequestId},
    message::payload::casper_key::Key,
    run::{Challenge, possession::Proof},
};

/// Ids that one answer names at most.
pub const IDS_MAX: usize = 16_384;
/// Messages that may be asked for at once.
pub const PULL_MAX: usize = 256;
/// Requests that may be asked about again at once.
pub const AGAIN_MAX: usize = 256;
/// Bytes of messages in one answer.
pub const PULL_BYTES_MAX: usize = 3 << 20;
/// Bytes of output that travel in one piece.
pub const PART_MAX: usize = 512 << 10;

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Say {
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
    /// Whoever asked for these was away: what has been said about them since?
    Again(Vec<RequestId>),
}

/// Part of an output.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Part {
    /// Of which request.
    pub request: RequestId,
    /// Whose.
    pub executor: Key,
    /// Standard error; else standard output.
    pub is_stderr: bool,
    /// Where it belongs.
    pub offset: u64,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// A holder that waits to be chosen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Offer {
    /// Of which request.
    pub request: RequestId,
    /// Whose.
    pub executor: Key,
    /// Thousandths of it that are free.
    pub free_milli: u32,
}

/// Who is chosen.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Order {
    /// Of which request.
    pub request: RequestId,
    /// Whose.
    pub executor: Key,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Reply {
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
pub fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    // Writing to a vector does not fail.
    borsh::to_vec(value).unwrap_or_default()
}

/// Reads what takes all the bytes.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
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
