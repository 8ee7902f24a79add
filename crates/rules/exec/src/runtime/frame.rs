//! What is running right now, and on whose behalf.

use casper_types::{
    Account, ContextAccessRights, Key, NamedKeys, RuntimeArgs, URef, account::AccountHash,
    contracts::ContractHash,
};

/// Whose names and rights code runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The deploy's account: session code, brought along or stored.
    Account(AccountHash),
    /// A stored contract.
    Contract(ContractHash),
}

impl Base {
    pub(super) fn key(self) -> Key {
        match self {
            Self::Account(hash) => Key::Account(hash),
            Self::Contract(hash) => Key::Hash(hash.value()),
        }
    }
}

/// Where the bytes of running code are.
#[derive(Clone, Debug)]
pub(super) enum Module<'r> {
    /// The deploy brought them.
    Brought(&'r [u8]),
    /// They are stored under this hash.
    Stored([u8; 32]),
    /// Nothing runs: a stored contract is about to be called.
    None,
}

/// One call.
#[derive(Debug)]
pub(super) struct Frame<'r> {
    pub(super) base: Base,
    pub(super) named_keys: NamedKeys,
    /// The URefs that the code may use, and how.
    pub(super) rights: ContextAccessRights,
    pub(super) args: RuntimeArgs,
    pub(super) module: Module<'r>,
}

impl<'r> Frame<'r> {
    /// Code that runs as an account, with its names and its main purse.
    pub(super) fn session(
        account: AccountHash,
        named_keys: NamedKeys,
        main_purse: URef,
        args: RuntimeArgs,
        module: Module<'r>,
    ) -> Self {
        let held = urefs_of(&named_keys).chain(std::iter::once(main_purse));
        let rights = ContextAccessRights::new(account.value(), held);
        Self { base: Base::Account(account), named_keys, rights, args, module }
    }

    /// The outermost call of a phase.
    pub(super) fn outermost(account: &Account, args: RuntimeArgs, module: Module<'r>) -> Self {
        let (hash, names) = (account.account_hash(), account.named_keys().clone());
        Self::session(hash, names, account.main_purse(), args, module)
    }

    /// Code that runs as a contract, with its names.
    pub(super) fn contract(
        contract: ContractHash,
        named_keys: NamedKeys,
        args: RuntimeArgs,
        module: Module<'r>,
    ) -> Self {
        let rights = ContextAccessRights::new(contract.value(), urefs_of(&named_keys));
        Self { base: Base::Contract(contract), named_keys, rights, args, module }
    }

    /// Whether it runs as an account.
    pub(super) const fn is_session(&self) -> bool {
        matches!(self.base, Base::Account(_))
    }
}

fn urefs_of(names: &NamedKeys) -> impl Iterator<Item = URef> {
    names.keys().filter_map(|key| match key {
        Key::URef(uref) => Some(*uref),
        _ => None,
    })
}
