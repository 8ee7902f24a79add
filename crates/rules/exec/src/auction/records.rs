//! The auction's own records: values under URefs that its contract names as Casper 1.5 does.

use std::collections::BTreeMap;

use casper_types::{
    AccessRights, CLTyped, CLValue, EraId, Key, NamedKeys, StoredValue, URef,
    bytesrepr::{self, FromBytes, ToBytes},
    system::auction::{
        AUCTION_DELAY_KEY, ERA_END_TIMESTAMP_MILLIS_KEY, ERA_ID_KEY, LOCKED_FUNDS_PERIOD_KEY,
        SEIGNIORAGE_RECIPIENTS_SNAPSHOT_KEY, SeigniorageRecipientsSnapshotV1, UNBONDING_DELAY_KEY,
        VALIDATOR_SLOTS_KEY,
    },
};
use girrona_types::Chainspec;

use super::Weights;
use crate::{error::Error, ledger::Ledger, system::named};

/// The era that the state is in right after genesis: genesis is era 0 by itself.
pub(crate) const FIRST_ERA: EraId = EraId::new(1);

/// Where a record of the auction is.
fn place(name: &str) -> Key {
    let address = named(&format!("auction/{name}"));
    Key::URef(URef::new(address, AccessRights::READ_ADD_WRITE))
}

/// Reads a typed value; `None` when there is none.
pub(super) fn get<T: CLTyped + FromBytes>(
    ledger: &mut Ledger<'_>,
    key: &Key,
) -> Result<Option<T>, Error> {
    let Some(stored) = ledger.view.read(key)? else { return Ok(None) };
    let StoredValue::CLValue(value) = stored.as_ref() else {
        return Err(Error::corrupt(key, &stored, "CLValue"));
    };
    // By its bytes: the types of what is in maps are longer than the maps.
    match T::from_bytes(value.inner_bytes()) {
        Ok((value, [])) => Ok(Some(value)),
        Ok(_) => Err(Error::decode(key, bytesrepr::Error::LeftOverBytes)),
        Err(source) => Err(Error::decode(key, source)),
    }
}

/// Writes a typed value.
pub(super) fn put<T: CLTyped + ToBytes>(
    ledger: &mut Ledger<'_>,
    key: Key,
    value: T,
) -> Result<(), Error> {
    ledger.view.write(key, StoredValue::CLValue(CLValue::from_t(value)?));
    Ok(())
}

fn must<T: CLTyped + FromBytes>(ledger: &mut Ledger<'_>, name: &str) -> Result<T, Error> {
    let key = place(name);
    get(ledger, &key)?.ok_or_else(|| Error::missing(key))
}

/// The era that the state is in.
pub(crate) fn era_id(ledger: &mut Ledger<'_>) -> Result<EraId, Error> {
    must(ledger, ERA_ID_KEY)
}

/// When the last era ended, in milliseconds since 1970; 0 before one did.
pub(crate) fn era_end_millis(ledger: &mut Ledger<'_>) -> Result<u64, Error> {
    must(ledger, ERA_END_TIMESTAMP_MILLIS_KEY)
}

/// Validators with their delegators' stakes, of the present era and those that are settled.
pub(crate) fn snapshot(ledger: &mut Ledger<'_>) -> Result<SeigniorageRecipientsSnapshotV1, Error> {
    must(ledger, SEIGNIORAGE_RECIPIENTS_SNAPSHOT_KEY)
}

/// An era began.
pub(super) fn begin_era(
    ledger: &mut Ledger<'_>,
    era: EraId,
    began_millis: u64,
    snapshot: SeigniorageRecipientsSnapshotV1,
) -> Result<(), Error> {
    put(ledger, place(ERA_ID_KEY), era)?;
    put(ledger, place(ERA_END_TIMESTAMP_MILLIS_KEY), began_millis)?;
    put(ledger, place(SEIGNIORAGE_RECIPIENTS_SNAPSHOT_KEY), snapshot)
}

/// Total stakes by era.
pub(crate) fn weights(
    snapshot: &SeigniorageRecipientsSnapshotV1,
) -> Result<BTreeMap<EraId, Weights>, Error> {
    let mut all = BTreeMap::new();
    for (era, recipients) in snapshot {
        let mut weights = Weights::new();
        for (validator, recipient) in recipients {
            let stake = recipient.total_stake().ok_or(Error::Supply)?;
            weights.insert(validator.clone(), stake);
        }
        all.insert(*era, weights);
    }
    Ok(all)
}

/// What genesis writes, and the names under which the contract finds it.
pub(crate) fn genesis(
    law: &Chainspec,
    snapshot: SeigniorageRecipientsSnapshotV1,
) -> Result<(NamedKeys, Vec<(Key, StoredValue)>), Error> {
    let core = &law.core;
    let values = [
        (ERA_ID_KEY, CLValue::from_t(FIRST_ERA)?),
        (ERA_END_TIMESTAMP_MILLIS_KEY, CLValue::from_t(0_u64)?),
        (SEIGNIORAGE_RECIPIENTS_SNAPSHOT_KEY, CLValue::from_t(snapshot)?),
        (VALIDATOR_SLOTS_KEY, CLValue::from_t(core.validator_slots)?),
        (AUCTION_DELAY_KEY, CLValue::from_t(core.auction_delay)?),
        (LOCKED_FUNDS_PERIOD_KEY, CLValue::from_t(core.locked_funds_period.millis())?),
        (UNBONDING_DELAY_KEY, CLValue::from_t(core.unbonding_delay)?),
    ];
    let mut names = NamedKeys::new();
    let mut records = Vec::new();
    for (name, value) in values {
        names.insert(name.to_owned(), place(name));
        records.push((place(name), StoredValue::CLValue(value)));
    }
    Ok((names, records))
}
