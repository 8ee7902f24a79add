//! Messages of contracts, and the topics they belong to.

use casper_types::ApiError;
use casper_types::contract_messages::{MessagePayload, MessageTopicOperation};

use super::guest::Call;
use crate::host::Answer;
use crate::trap::Trap;

/// Bytes of a topic's name (Casper 2).
const TOPIC_BYTES_MAX: usize = 256;
/// Bytes of a message with what encodes it (Casper 2).
const MESSAGE_BYTES_MAX: u32 = 1_024;

impl Call<'_, '_> {
    pub(super) fn manage_message_topic(
        &mut self,
        [topic, topic_size, operation, operation_size]: [u32; 4],
    ) -> Answer<()> {
        let MessageTopicOperation::Add = self.memory.decode(operation, operation_size)?;
        let topic = match topic_of(self.memory.slice(topic, topic_size)?)? {
            Ok(topic) => topic,
            Err(error) => return Ok(Err(error)),
        };
        self.guest.host.add_message_topic(topic, &mut self.guest.gas)
    }

    pub(super) fn emit_message(
        &mut self,
        [topic, topic_size, message, message_size]: [u32; 4],
    ) -> Answer<()> {
        self.memory.slice(message, message_size)?;
        let topic = match topic_of(self.memory.slice(topic, topic_size)?)? {
            Ok(topic) => topic,
            Err(error) => return Ok(Err(error)),
        };
        if message_size > MESSAGE_BYTES_MAX {
            return Ok(Err(ApiError::MessageTooLarge));
        }
        let message: MessagePayload = self.memory.decode(message, message_size)?;
        self.guest.host.emit_message(topic, message, &mut self.guest.gas)
    }
}

/// The name of a topic from its raw bytes.
fn topic_of(bytes: &[u8]) -> Answer<&str> {
    if bytes.len() > TOPIC_BYTES_MAX {
        return Ok(Err(ApiError::MaxTopicNameSizeExceeded));
    }
    let topic = str::from_utf8(bytes)
        .map_err(|error| Trap::Host(format!("Invalid UTF-8 string encoding: {error}")))?;
    Ok(check_topic(topic).map(|()| topic))
}

/// Whether a topic may have this name.
pub(super) fn check_topic(topic: &str) -> Result<(), ApiError> {
    match topic.len() {
        0 => Err(ApiError::InvalidArgument),
        1..=TOPIC_BYTES_MAX => Ok(()),
        _ => Err(ApiError::MaxTopicNameSizeExceeded),
    }
}
