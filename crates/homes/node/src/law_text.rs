//! The law as the files that Casper keeps apart: rules in one, accounts of genesis in the other.
//! Both one after the other are a `chainspec.toml` that makes the same network.

use casper_types::ChainspecRawBytes;
use girrona_types::Chainspec;
use toml::Table;

/// The law's two files.
pub(crate) fn raw_bytes(law: &Chainspec) -> ChainspecRawBytes {
    let mut rules = table(law);
    let accounts = rules.remove("accounts");
    let accounts = accounts.map(|accounts| Table::from_iter([("accounts".to_owned(), accounts)]));
    let bytes = |table: &Table| table.to_string().into_bytes().into();
    ChainspecRawBytes::new(bytes(&rules), accounts.as_ref().map(bytes), None)
}

fn table(law: &Chainspec) -> Table {
    // A chainspec always has a TOML form: its own identity is made of it.
    Table::try_from(law).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use casper_types::{PublicKey, SecretKey, U512};
    use girrona_types::{
        chainspec::{GenesisAccount, GenesisValidator},
        config,
    };

    use super::*;

    #[test]
    fn both_files_together_are_the_law_and_only_one_has_accounts() {
        let key = |seed| PublicKey::from(&SecretKey::ed25519_from_bytes([seed; 32]).unwrap());
        let validator =
            GenesisValidator { bonded_amount: U512::from(5_000_000_000_u64), delegation_rate: 3 };
        let account = |seed, validator| GenesisAccount {
            public_key: key(seed),
            balance: U512::from(9),
            validator,
        };
        let accounts = vec![account(1, Some(validator)), account(2, None)];
        let law = Chainspec { accounts, ..Chainspec::default() };

        let files = raw_bytes(&law);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let rules = text(files.chainspec_bytes());
        let accounts = text(files.maybe_genesis_accounts_bytes().unwrap());
        assert!(rules.contains("[protocol]") && !rules.contains("accounts"), "{rules}");
        assert!(accounts.starts_with("[[accounts]]"), "{accounts}");
        let together: Chainspec = config::parse(&format!("{rules}\n{accounts}")).unwrap();
        assert_eq!(together.network_id(), law.network_id());
        assert_eq!(together, law);
    }
}
