//! Lists of what the state cannot be scanned for: who bids, and which unbonding is due when.
//!
//! Bidders are in 256 buckets by the first byte of their account hash, each with what decides who
//! wins, so that an era's end reads the bids of the winners only. Unbonding is listed by the era
//! that it began in. None of it shows in a deploy's effects: Casper has no such records.

use std::collections::{BTreeMap, BTreeSet};

use casper_types::{
    AccessRights, CLValue, EraId, Key, PublicKey, StoredValue, U512, URef, account::AccountHash,
    system::auction::Bid,
};
use girrona_types::keys::derived_address;

use super::records;
use crate::{error::Error, ledger::Ledger, system::SYSTEM};

/// Total stake in motes, and whether the bid is inactive.
pub(crate) type Standing = (U512, bool);

type Bucket = BTreeMap<PublicKey, Standing>;

pub(super) fn bucket(hash: &AccountHash) -> Key {
    let number = hash.as_bytes().first().copied().unwrap_or_default();
    place("girrona/auction/bidders", u64::from(number))
}

fn began_in(era: EraId) -> Key {
    place("girrona/auction/unbonds", era.value())
}

fn place(domain: &str, index: u64) -> Key {
    let address = derived_address(domain, &SYSTEM.auction.contract, index);
    Key::URef(URef::new(address, AccessRights::READ_ADD_WRITE))
}

/// Does something that the effects do not list.
fn unlisted<'a, T>(ledger: &mut Ledger<'a>, work: impl FnOnce(&mut Ledger<'a>) -> T) -> T {
    let before = ledger.view.set_listed(false);
    let done = work(ledger);
    ledger.view.set_listed(before);
    done
}

/// Where a bid stands; nobody without a stake is on the list.
fn standing(bid: &Bid) -> Result<Option<Standing>, Error> {
    let stake = bid.total_staked_amount().map_err(|_| Error::Supply)?;
    Ok((!stake.is_zero()).then_some((stake, bid.inactive())))
}

/// Takes note of a bid as it is now.
pub(super) fn note_bid(ledger: &mut Ledger<'_>, bid: &Bid) -> Result<(), Error> {
    let standing = standing(bid)?;
    let who = bid.validator_public_key();
    let key = bucket(&who.to_account_hash());
    unlisted(ledger, |ledger| {
        let mut bidders: Bucket = records::get(ledger, &key)?.unwrap_or_default();
        let before = match standing {
            Some(standing) => bidders.insert(who.clone(), standing),
            None => bidders.remove(who),
        };
        if before == standing { Ok(()) } else { records::put(ledger, key, bidders) }
    })
}

/// Everybody with a stake.
pub(crate) fn bidders(ledger: &mut Ledger<'_>) -> Result<Bucket, Error> {
    unlisted(ledger, |ledger| {
        let mut all = Bucket::new();
        for number in 0..=u8::MAX {
            let key = place("girrona/auction/bidders", u64::from(number));
            all.extend(records::get::<Bucket>(ledger, &key)?.unwrap_or_default());
        }
        Ok(all)
    })
}

/// Takes note that something is withdrawn from a validator in this era.
pub(super) fn note_unbond(
    ledger: &mut Ledger<'_>,
    era: EraId,
    validator: AccountHash,
) -> Result<(), Error> {
    let key = began_in(era);
    unlisted(ledger, |ledger| {
        let mut validators: BTreeSet<AccountHash> = records::get(ledger, &key)?.unwrap_or_default();
        if validators.insert(validator) { records::put(ledger, key, validators) } else { Ok(()) }
    })
}

/// The validators from whom something was withdrawn in an era; they are off the list then.
pub(super) fn take_unbonds(
    ledger: &mut Ledger<'_>,
    era: EraId,
) -> Result<BTreeSet<AccountHash>, Error> {
    let key = began_in(era);
    unlisted(ledger, |ledger| match records::get(ledger, &key)? {
        Some(validators) => {
            ledger.view.prune(key);
            Ok(validators)
        }
        None => Ok(BTreeSet::new()),
    })
}

/// The bidders of genesis.
pub(crate) fn genesis<'b>(
    bids: impl IntoIterator<Item = &'b Bid>,
) -> Result<Vec<(Key, StoredValue)>, Error> {
    let mut buckets: BTreeMap<Key, Bucket> = BTreeMap::new();
    for bid in bids {
        let who = bid.validator_public_key();
        if let Some(standing) = standing(bid)? {
            let key = bucket(&who.to_account_hash());
            buckets.entry(key).or_default().insert(who.clone(), standing);
        }
    }
    let value = |(key, bidders)| Ok((key, StoredValue::CLValue(CLValue::from_t(bidders)?)));
    buckets.into_iter().map(value).collect()
}
