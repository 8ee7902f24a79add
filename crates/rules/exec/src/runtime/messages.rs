//! Messages: what contracts tell whoever listens.
//!
//! Casper 1.5 has none, so they are made of what its clients can read: a topic is a dictionary of
//! the contract's package. Its seed, a URef that nobody may write to, holds how many messages there
//! are; the messages are the items `0`, `1`, and so on. The contract finds the seed under the named
//! key `messages:` and the topic's name, and so does everybody who looks. Each message is in the
//! effects of its deploy, and therefore in the events.

use std::collections::BTreeSet;

use casper_types::{
    AccessRights, ApiError, CLValue, CLValueDictionary, Digest, Key, NamedKeys, StoredValue, URef,
    contract_messages::MessagePayload, contracts::ContractPackageHash,
};
use girrona_vm::{Answer, Gas, Trap};

use super::{Runtime, frame::Base};

/// Begins the named key of each topic.
const PREFIX: &str = "messages:";
/// Topics that a contract may have (Casper 2).
const TOPICS_MAX: usize = 128;

impl Runtime<'_, '_> {
    pub(super) fn topic_add(&mut self, topic: &str, gas: &mut Gas) -> Answer<()> {
        let Some(package) = self.running_package()? else {
            return Err(Trap::InvalidContext);
        };
        if count_topics(&self.frame.named_keys) >= TOPICS_MAX {
            return Ok(Err(ApiError::MaxTopicsNumberExceeded));
        }
        let seed = seed(package, topic);
        if self.lookup(&Key::URef(seed))?.is_some() {
            return Ok(Err(ApiError::MessageTopicAlreadyRegistered));
        }
        self.topic_new(seed, gas)?;
        self.frame.rights.grant_access(seed);
        self.name_put(&name(topic), Key::URef(seed), gas).map(Ok)
    }

    /// The topics of a contract about to be stored: those that its package does not have yet are
    /// made, and all are named.
    pub(super) fn topics_of_version(
        &mut self,
        package: ContractPackageHash,
        topics: BTreeSet<String>,
        named_keys: &mut NamedKeys,
        gas: &mut Gas,
    ) -> Answer<()> {
        for topic in &topics {
            named_keys.insert(name(topic), Key::URef(seed(package, topic)));
        }
        if count_topics(named_keys) > TOPICS_MAX {
            return Ok(Err(ApiError::MaxTopicsNumberExceeded));
        }
        for topic in &topics {
            let seed = seed(package, topic);
            if self.lookup(&Key::URef(seed))?.is_none() {
                self.topic_new(seed, gas)?;
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn message_emit(
        &mut self,
        topic: &str,
        message: MessagePayload,
        gas: &mut Gas,
    ) -> Answer<()> {
        let Some(package) = self.running_package()? else {
            return Ok(Err(ApiError::MessageTopicNotRegistered));
        };
        let seed = seed(package, topic);
        // Only the package's own code gets here, whatever its named keys say.
        let before: u64 = match self.lookup(&Key::URef(seed))?.as_deref() {
            Some(StoredValue::CLValue(count)) => count.to_t()?,
            Some(_) => return Err(Trap::UnexpectedStoredValueVariant),
            None => return Ok(Err(ApiError::MessageTopicNotRegistered)),
        };
        let Some(after) = before.checked_add(1) else {
            return Ok(Err(ApiError::MessageTopicFull));
        };
        let value = match message {
            MessagePayload::String(text) => CLValue::from_t(text)?,
            MessagePayload::Bytes(bytes) => CLValue::from_t(bytes)?,
        };
        let item = before.to_string().into_bytes();
        let key = Key::dictionary(seed, &item);
        let wrapped = CLValueDictionary::new(value, seed.addr().to_vec(), item);
        self.put(key, StoredValue::CLValue(CLValue::from_t(wrapped)?), gas)?;
        let count = StoredValue::CLValue(CLValue::from_t(after)?);
        self.put(Key::URef(seed), count, gas).map(Ok)
    }

    fn topic_new(&mut self, seed: URef, gas: &mut Gas) -> Result<(), Trap> {
        let none = StoredValue::CLValue(CLValue::from_t(0_u64)?);
        self.put(Key::URef(seed), none, gas)
    }

    /// The package of the running contract; session code has none.
    fn running_package(&mut self) -> Result<Option<ContractPackageHash>, Trap> {
        match self.frame.base {
            Base::Account(_) => Ok(None),
            Base::Contract(contract) => {
                self.contract(contract).map(|contract| Some(contract.contract_package_hash()))
            }
        }
    }
}

fn name(topic: &str) -> String {
    format!("{PREFIX}{topic}")
}

fn count_topics(named_keys: &NamedKeys) -> usize {
    named_keys.names().filter(|name| name.starts_with(PREFIX)).count()
}

/// Where a topic's messages are counted. It follows from package and name alone, so no contract can
/// speak for another, and a new version goes on where the one before stopped.
fn seed(package: ContractPackageHash, topic: &str) -> URef {
    let mut bytes = b"girrona/messages/1".to_vec();
    bytes.extend_from_slice(&package.value());
    bytes.extend_from_slice(topic.as_bytes());
    URef::new(Digest::hash(bytes).value(), AccessRights::READ)
}
