//! Whether every mote is accounted for.

use casper_types::{Key, StoredValue, U512};
use girrona_state::Reader;

use crate::{error::Error, ledger::number, system::SYSTEM};

/// All motes in all purses. Equals [`recorded_supply`] after every block, or motes were made or
/// lost.
///
/// # Errors
/// When a balance is no number, or the sum does not fit into one.
pub fn total_supply<'a>(
    state: impl IntoIterator<Item = (&'a Key, &'a StoredValue)>,
) -> Result<U512, Error> {
    let mut sum = U512::zero();
    for (key, value) in state {
        if matches!(key, Key::Balance(_)) {
            sum = sum.checked_add(number(key, value)?).ok_or(Error::Supply)?;
        }
    }
    Ok(sum)
}

/// The total supply that the mint has on record.
///
/// # Errors
/// When it is not there or the state cannot be read.
pub fn recorded_supply(state: &dyn Reader) -> Result<U512, Error> {
    let key = SYSTEM.total_supply_key();
    let value = state.read(&key)?;
    number(&key, &*value.ok_or_else(|| Error::missing(key))?)
}
