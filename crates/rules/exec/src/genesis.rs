//! The first state of a network: who has what, and the records of the system itself.

use std::collections::BTreeMap;

use casper_types::{
    AccessRights, Account, CLValue, ContractWasmHash, Digest, EraId, Key, NamedKeys,
    ProtocolVersion, PublicKey, StoredValue, U512, URef,
    account::AccountHash,
    contracts::{
        Contract, ContractHash, ContractPackage, ContractPackageHash, ContractPackageStatus,
        ContractVersionKey,
    },
    system::{
        auction::{Bid, SeigniorageRecipientV1, SeigniorageRecipientsV1},
        handle_payment, mint,
    },
};
use girrona_types::{Chainspec, keys::derived_address};

use crate::{
    auction::{
        index,
        records::{self, FIRST_ERA},
    },
    error::Error,
    methods,
    system::{Native, SYSTEM, SystemContract},
};

/// What genesis writes.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Every key of the first state; none is `None`.
    pub changes: BTreeMap<Key, Option<StoredValue>>,
    /// All motes: balances and stakes.
    pub total_supply: U512,
}

/// Makes the first state from the law of a network. The same law gives the same state.
///
/// # Errors
/// [`Error::Supply`] when the motes of all accounts do not fit into a number.
pub fn genesis(law: &Chainspec) -> Result<Genesis, Error> {
    let mut writer =
        Writer { changes: BTreeMap::new(), total_supply: U512::zero(), bids: Vec::new() };
    let system_purse = purse_address("girrona/genesis/main-purse", &SYSTEM.account);
    let system_names = SYSTEM
        .contracts()
        .into_iter()
        .map(|contract| (contract.name.to_owned(), Key::Hash(contract.contract)))
        .collect::<BTreeMap<_, _>>();
    writer.account(SYSTEM.account, system_names.into(), system_purse, U512::zero())?;
    for account in &law.accounts {
        let hash = account.public_key.to_account_hash();
        let main_purse = purse_address("girrona/genesis/main-purse", &hash);
        writer.account(hash, NamedKeys::new(), main_purse, account.balance)?;
        if let Some(validator) = &account.validator {
            let (stake, rate) = (validator.bonded_amount, validator.delegation_rate);
            writer.bid(law, &account.public_key, stake, rate)?;
        }
    }
    writer.system(law)?;
    Ok(Genesis { changes: writer.changes, total_supply: writer.total_supply })
}

fn purse_address(domain: &str, owner: &AccountHash) -> [u8; 32] {
    derived_address(domain, &owner.value(), 0)
}

struct Writer {
    changes: BTreeMap<Key, Option<StoredValue>>,
    total_supply: U512,
    bids: Vec<Bid>,
}

impl Writer {
    fn put(&mut self, key: Key, value: StoredValue) {
        self.changes.insert(girrona_types::keys::normalised(&key), Some(value));
    }

    fn purse(&mut self, address: [u8; 32], balance: U512) -> Result<URef, Error> {
        let uref = URef::new(address, AccessRights::READ_ADD_WRITE);
        self.put(Key::URef(uref), StoredValue::CLValue(CLValue::unit()));
        self.put(Key::Balance(address), StoredValue::CLValue(CLValue::from_t(balance)?));
        self.total_supply = self.total_supply.checked_add(balance).ok_or(Error::Supply)?;
        Ok(uref)
    }

    fn account(
        &mut self,
        hash: AccountHash,
        names: NamedKeys,
        main_purse: [u8; 32],
        balance: U512,
    ) -> Result<(), Error> {
        let main_purse = self.purse(main_purse, balance)?;
        let account = Account::create(hash, names, main_purse);
        self.put(Key::Account(hash), StoredValue::Account(account));
        Ok(())
    }

    /// A validator's stake: motes in a purse that nobody holds, and the record that names it.
    fn bid(
        &mut self,
        law: &Chainspec,
        validator: &PublicKey,
        stake: U512,
        rate: u8,
    ) -> Result<(), Error> {
        let hash = validator.to_account_hash();
        let purse = self.purse(purse_address("girrona/genesis/bonding-purse", &hash), stake)?;
        let validator = validator.clone();
        let bid = match law.core.locked_funds_period.millis() {
            0 => Bid::unlocked(validator, purse, stake, rate),
            period => {
                let release = law.protocol.activation_point.millis().saturating_add(period);
                Bid::locked(validator, purse, stake, rate, release)
            }
        };
        self.put(Key::Bid(hash), StoredValue::Bid(Box::new(bid.clone())));
        self.bids.push(bid);
        Ok(())
    }

    /// The auction's records; the validators of genesis are those of every era that is settled.
    fn auction(&mut self, law: &Chainspec) -> Result<NamedKeys, Error> {
        let recipients: SeigniorageRecipientsV1 = self
            .bids
            .iter()
            .map(|bid| (bid.validator_public_key().clone(), SeigniorageRecipientV1::from(bid)))
            .collect();
        let first = FIRST_ERA.value();
        let settled = first..=first.saturating_add(law.core.auction_delay);
        let snapshot = settled.map(|era| (EraId::new(era), recipients.clone())).collect();
        let (names, values) = records::genesis(law, snapshot)?;
        for (key, value) in values.into_iter().chain(index::genesis(&self.bids)?) {
            self.put(key, value);
        }
        Ok(names)
    }

    fn system(&mut self, law: &Chainspec) -> Result<(), Error> {
        let version = law.protocol.version;
        let payment_purse = self.purse(SYSTEM.payment_purse, U512::zero())?;

        let supply = URef::new(SYSTEM.total_supply, AccessRights::READ_ADD_WRITE);
        let total = CLValue::from_t(self.total_supply)?;
        self.put(Key::URef(supply), StoredValue::CLValue(total));
        let rate = URef::new(SYSTEM.round_seigniorage_rate, AccessRights::READ_ADD_WRITE);
        // A ratio is its numerator and its denominator.
        let [numerator, denominator] = law.core.round_seigniorage_rate.map(U512::from);
        let ratio = CLValue::from_t((numerator, denominator))?;
        self.put(Key::URef(rate), StoredValue::CLValue(ratio));

        let mut mint_names = NamedKeys::new();
        mint_names.insert(mint::TOTAL_SUPPLY_KEY.to_owned(), Key::URef(supply));
        mint_names.insert(mint::ROUND_SEIGNIORAGE_RATE_KEY.to_owned(), Key::URef(rate));
        self.contract(&SYSTEM.mint, mint_names, Native::Mint, version);

        let mut payment_names = NamedKeys::new();
        payment_names
            .insert(handle_payment::PAYMENT_PURSE_KEY.to_owned(), Key::URef(payment_purse));
        self.contract(&SYSTEM.handle_payment, payment_names, Native::HandlePayment, version);
        let standard = &SYSTEM.standard_payment;
        self.contract(standard, NamedKeys::new(), Native::StandardPayment, version);
        let auction_names = self.auction(law)?;
        self.contract(&SYSTEM.auction, auction_names, Native::Auction, version);

        let registry: BTreeMap<String, [u8; 32]> = SYSTEM
            .contracts()
            .into_iter()
            .map(|contract| (contract.name.to_owned(), contract.contract))
            .collect();
        let registry = StoredValue::CLValue(CLValue::from_t(registry)?);
        self.put(Key::SystemEntityRegistry, registry);

        let law_hash = Digest::from(law.network_id().0);
        let chainspec = BTreeMap::from([("chainspec_raw_hash".to_owned(), law_hash)]);
        let chainspec = StoredValue::CLValue(CLValue::from_t(chainspec)?);
        self.put(Key::ChainspecRegistry, chainspec);
        Ok(())
    }

    /// The records of a contract that runs natively: a package with one version.
    fn contract(
        &mut self,
        at: &SystemContract,
        names: NamedKeys,
        native: Native,
        version: ProtocolVersion,
    ) {
        let contract = Contract::new(
            ContractPackageHash::new(at.package),
            ContractWasmHash::new(at.wasm),
            names,
            methods::of(native),
            version,
        );
        let first = ContractVersionKey::new(version.value().major, 1);
        let package = ContractPackage::new(
            URef::new(at.access, AccessRights::READ_ADD_WRITE),
            BTreeMap::from([(first, ContractHash::new(at.contract))]),
            Default::default(),
            Default::default(),
            ContractPackageStatus::Unlocked,
        );
        self.put(Key::Hash(at.contract), StoredValue::Contract(contract));
        self.put(Key::Hash(at.package), StoredValue::ContractPackage(package));
    }
}
