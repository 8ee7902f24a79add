//! Finds every URef inside a value, so that nobody gets one in through the back door.

use casper_types::{CLType, CLValue, Key, PublicKey, URef, bytesrepr, bytesrepr::FromBytes};

/// All URefs in `value`, in the order of its bytes.
///
/// # Errors
/// When the bytes are not what the value's type says.
pub(crate) fn urefs_in(value: &CLValue) -> Result<Vec<URef>, bytesrepr::Error> {
    let mut found = Vec::new();
    let rest = walk(value.cl_type(), value.inner_bytes(), &mut found)?;
    if rest.is_empty() { Ok(found) } else { Err(bytesrepr::Error::LeftOverBytes) }
}

/// Reads one value of `ty` and returns what comes after it. The depth is bounded by the type,
/// which casper-types refuses beyond 50 levels.
fn walk<'b>(
    ty: &CLType,
    bytes: &'b [u8],
    found: &mut Vec<URef>,
) -> Result<&'b [u8], bytesrepr::Error> {
    match ty {
        CLType::Unit => Ok(bytes),
        CLType::Bool | CLType::U8 => skip(bytes, 1),
        CLType::I32 | CLType::U32 => skip(bytes, 4),
        CLType::I64 | CLType::U64 => skip(bytes, 8),
        CLType::U128 | CLType::U256 | CLType::U512 => {
            let (length, rest) = u8::from_bytes(bytes)?;
            skip(rest, usize::from(length))
        }
        CLType::String => {
            let (length, rest) = u32::from_bytes(bytes)?;
            skip(rest, length as usize)
        }
        CLType::ByteArray(length) => skip(bytes, *length as usize),
        CLType::PublicKey => Ok(PublicKey::from_bytes(bytes)?.1),
        CLType::Key => {
            let (key, rest) = Key::from_bytes(bytes)?;
            if let Key::URef(uref) = key {
                found.push(uref);
            }
            Ok(rest)
        }
        CLType::URef => {
            let (uref, rest) = URef::from_bytes(bytes)?;
            found.push(uref);
            Ok(rest)
        }
        CLType::Option(inner) => {
            let (tag, rest) = u8::from_bytes(bytes)?;
            match tag {
                0 => Ok(rest),
                1 => walk(inner, rest, found),
                _ => Err(bytesrepr::Error::Formatting),
            }
        }
        CLType::Result { ok, err } => {
            let (tag, rest) = u8::from_bytes(bytes)?;
            match tag {
                0 => walk(err, rest, found),
                1 => walk(ok, rest, found),
                _ => Err(bytesrepr::Error::Formatting),
            }
        }
        CLType::List(item) => items(&[item], bytes, found),
        CLType::Map { key, value } => items(&[key, value], bytes, found),
        CLType::Tuple1([a]) => walk(a, bytes, found),
        CLType::Tuple2([a, b]) => walk(b, walk(a, bytes, found)?, found),
        CLType::Tuple3([a, b, c]) => walk(c, walk(b, walk(a, bytes, found)?, found)?, found),
        // Nobody knows what is in it, so nobody can take a URef out of it either.
        CLType::Any => Ok(&[]),
    }
}

fn items<'b>(
    types: &[&CLType],
    bytes: &'b [u8],
    found: &mut Vec<URef>,
) -> Result<&'b [u8], bytesrepr::Error> {
    let (count, mut rest) = u32::from_bytes(bytes)?;
    for _ in 0..count {
        let before = rest.len();
        for ty in types {
            rest = walk(ty, rest, found)?;
        }
        // Items without bytes hold nothing, and there may be said to be four billion of them.
        if rest.len() == before {
            break;
        }
    }
    Ok(rest)
}

fn skip(bytes: &[u8], length: usize) -> Result<&[u8], bytesrepr::Error> {
    bytes.get(length..).ok_or(bytesrepr::Error::EarlyEndOfStream)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casper_types::{AccessRights, U512};

    use super::*;

    fn uref(byte: u8) -> URef {
        URef::new([byte; 32], AccessRights::READ)
    }

    #[test]
    fn urefs_are_found_however_deep_they_are() {
        let mut map = BTreeMap::new();
        map.insert("a".to_owned(), vec![Some(uref(1)), None]);
        map.insert("b".to_owned(), vec![Some(uref(2))]);
        let value = CLValue::from_t((map, Key::URef(uref(3)), U512::from(700))).unwrap();
        assert_eq!(urefs_in(&value).unwrap(), vec![uref(1), uref(2), uref(3)]);
        let result: Result<URef, String> = Ok(uref(4));
        assert_eq!(urefs_in(&CLValue::from_t(result).unwrap()).unwrap(), vec![uref(4)]);
        assert_eq!(urefs_in(&CLValue::from_t(Key::Hash([9; 32])).unwrap()).unwrap(), vec![]);
    }

    #[test]
    fn a_list_that_claims_four_billion_units_ends_at_once() {
        let ty = CLType::List(Box::new(CLType::Unit));
        let value = CLValue::from_components(ty, u32::MAX.to_le_bytes().to_vec());
        assert_eq!(urefs_in(&value).unwrap(), vec![]);
    }

    #[test]
    fn bytes_that_are_not_of_the_type_are_refused() {
        let value = CLValue::from_components(CLType::URef, vec![1; 10]);
        assert!(urefs_in(&value).is_err());
        let value = CLValue::from_components(CLType::U8, vec![1, 2]);
        assert!(urefs_in(&value).is_err());
    }
}
