//! Where things live in the state tree, and how addresses that nobody chooses are made.
//!
//! The formats are fixed in `docs/spec/keys.md`.

use casper_types::{AccessRights, Digest, Key, URef, bytesrepr::ToBytes};

/// Position of a key in the state tree.
pub type Path = [u8; 32];

/// The path of a key: blake3 of the normalised key's bytesrepr bytes.
///
/// `None` when the key has no byte form, which casper-types does not produce for any real key.
pub fn path(key: &Key) -> Option<Path> {
    let bytes = normalised(key).to_bytes().ok()?;
    Some(*blake3::hash(&bytes).as_bytes())
}

/// The key under which a value is stored: a URef's access rights do not matter for where it is.
#[must_use]
pub fn normalised(key: &Key) -> Key {
    match key {
        Key::URef(uref) => Key::URef(URef::new(uref.addr(), AccessRights::NONE)),
        other => *other,
    }
}

/// An address that follows from a domain, a deploy and a position in it; never from a counter that
/// other deploys move.
pub fn derived_address(domain: &str, deploy: &[u8; 32], index: u64) -> [u8; 32] {
    let mut bytes = Vec::with_capacity(domain.len() + 40);
    bytes.extend_from_slice(domain.as_bytes());
    bytes.extend_from_slice(deploy);
    bytes.extend_from_slice(&index.to_le_bytes());
    Digest::hash(bytes).value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_uref_does_not_depend_on_rights() {
        let read = Key::URef(URef::new([7; 32], AccessRights::READ));
        let all = Key::URef(URef::new([7; 32], AccessRights::READ_ADD_WRITE));
        assert_eq!(path(&read), path(&all));
        assert_ne!(path(&read), path(&Key::Hash([7; 32])));
    }

    #[test]
    fn paths_and_derived_addresses_are_frozen() {
        assert_eq!(
            hex::encode(path(&Key::Hash([7; 32])).unwrap()),
            hex::encode(blake3::hash(&[&[1u8][..], &[7; 32]].concat()).as_bytes()),
        );
        assert_ne!(derived_address("a", &[1; 32], 0), derived_address("a", &[1; 32], 1));
    }
}
