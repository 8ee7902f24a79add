//! Keys as text: one prefix differs.

use std::borrow::Cow;

use casper_types::{Key, KeyFromStrError};

const PREFIX_15: &str = "system-contract-registry-";
const PREFIX_7: &str = "system-entity-registry-";

/// The key as Casper 1.5 writes it.
pub fn format_key(key: &Key) -> String {
    let text = key.to_formatted_string();
    match rename(&text, PREFIX_7, PREFIX_15) {
        Some(renamed) => renamed,
        None => text,
    }
}

/// Reads a key as Casper 1.5 or casper-types 7 writes it.
///
/// # Errors
/// When the text is no key.
pub fn parse_key(text: &str) -> Result<Key, KeyFromStrError> {
    match rename(text, PREFIX_15, PREFIX_7) {
        Some(renamed) => Key::from_formatted_str(&renamed),
        None => Key::from_formatted_str(text),
    }
}

/// A key that is already text, as Casper 1.5 writes it.
pub(super) fn reformat(text: &str) -> Cow<'_, str> {
    rename(text, PREFIX_7, PREFIX_15).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// The way back from [`reformat`].
pub(super) fn restore(text: String) -> String {
    rename(&text, PREFIX_15, PREFIX_7).unwrap_or(text)
}

fn rename(text: &str, from: &str, to: &str) -> Option<String> {
    text.strip_prefix(from).map(|rest| format!("{to}{rest}"))
}

/// The name of the key's kind inside `parsed`; kinds that 1.5 did not have get none.
pub(super) const fn kind(key: &Key) -> Option<&'static str> {
    Some(match key {
        Key::Account(_) => "Account",
        Key::Hash(_) => "Hash",
        Key::URef(_) => "URef",
        Key::Transfer(_) => "Transfer",
        Key::DeployInfo(_) => "DeployInfo",
        Key::EraInfo(_) => "EraInfo",
        Key::Balance(_) => "Balance",
        Key::Bid(_) => "Bid",
        Key::Withdraw(_) => "Withdraw",
        Key::Dictionary(_) => "Dictionary",
        Key::SystemEntityRegistry => "SystemContractRegistry",
        Key::EraSummary => "EraSummary",
        Key::Unbond(_) => "Unbond",
        Key::ChainspecRegistry => "ChainspecRegistry",
        Key::ChecksumRegistry => "ChecksumRegistry",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_registry_has_its_old_name_and_both_are_understood() {
        let text = format_key(&Key::SystemEntityRegistry);
        assert_eq!(text, format!("system-contract-registry-{}", "0".repeat(64)));
        assert_eq!(parse_key(&text).unwrap(), Key::SystemEntityRegistry);
        let new = Key::SystemEntityRegistry.to_formatted_string();
        assert_eq!(parse_key(&new).unwrap(), Key::SystemEntityRegistry);
        assert_eq!(restore(reformat(&new).into_owned()), new);
    }
}
