//! Finds every URef inside a value, so that nobody gets one in through the back door, and takes
//! rights from one that is handed on.

use casper_types::{
    AccessRights, CLType, CLValue, Key, PublicKey, RuntimeArgs, UREF_ADDR_LENGTH, URef, URefAddr,
    bytesrepr, bytesrepr::FromBytes,
};

/// All URefs in `value`, in the order of its bytes.
///
/// # Errors
/// When the bytes are not what the value's type says.
pub(crate) fn urefs_in(value: &CLValue) -> Result<Vec<URef>, bytesrepr::Error> {
    let mut found = Vec::new();
    visit(value, &mut |_, uref| found.push(uref))?;
    Ok(found)
}

/// `args` in which no URef of `purse` can take motes out any more.
///
/// # Errors
/// When the bytes of an argument are not what its type says.
pub(crate) fn deposit_only(
    args: &RuntimeArgs,
    purse: URefAddr,
) -> Result<RuntimeArgs, bytesrepr::Error> {
    let mut args = args.clone();
    for arg in args.named_args_mut() {
        let value = arg.cl_value_mut();
        let mut held = Vec::new();
        visit(value, &mut |left, uref| {
            if uref.addr() == purse && uref.is_writeable() {
                held.push(left);
            }
        })?;
        if held.is_empty() {
            continue;
        }
        let mut bytes = value.inner_bytes().clone();
        for left in held {
            // A URef is an address and a byte of rights.
            let rights = bytes.len().saturating_sub(left).saturating_add(UREF_ADDR_LENGTH);
            if let Some(rights) = bytes.get_mut(rights) {
                *rights &= !AccessRights::WRITE.bits();
            }
        }
        *value = CLValue::from_components(value.cl_type().clone(), bytes);
    }
    Ok(args)
}

/// Told of each URef, with how many bytes of the value are left where it begins.
type Visit<'v> = dyn FnMut(usize, URef) + 'v;

fn visit(value: &CLValue, found: &mut Visit<'_>) -> Result<(), bytesrepr::Error> {
    let rest = walk(value.cl_type(), value.inner_bytes(), found)?;
    if rest.is_empty() { Ok(()) } else { Err(bytesrepr::Error::LeftOverBytes) }
}

/// Reads one value of `ty` and returns what comes after it. The depth is bounded by the type,
/// which casper-types refuses beyond 50 levels.
fn walk<'b>(
    ty: &CLType,
    bytes: &'b [u8],
    found: &mut Visit<'_>,
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
                // Behind the byte that says which kind of key it is.
                found(bytes.len().saturating_sub(1), uref);
            }
            Ok(rest)
        }
        CLType::URef => {
            let (uref, rest) = URef::from_bytes(bytes)?;
            found(bytes.len(), uref);
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
    found: &mut Visit<'_>,
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

    use casper_types::U512;

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

    #[test]
    fn the_right_to_take_out_is_taken_from_one_purse_wherever_it_is() {
        let rights = AccessRights::READ_ADD_WRITE;
        let (mine, other) = (URef::new([1; 32], rights), URef::new([2; 32], rights));
        let mut args = RuntimeArgs::new();
        args.insert("a", vec![Some(mine), None, Some(other)]).unwrap();
        args.insert("b", (7_u8, Key::URef(mine))).unwrap();
        args.insert("c", Key::Hash([1; 32])).unwrap();
        let weaker = deposit_only(&args, [1; 32]).unwrap();
        let less = mine.with_access_rights(AccessRights::READ_ADD);
        let read = |name: &str| weaker.get(name).unwrap().clone();
        assert_eq!(
            read("a").into_t::<Vec<Option<URef>>>().unwrap(),
            [Some(less), None, Some(other)]
        );
        assert_eq!(read("b").into_t::<(u8, Key)>().unwrap(), (7, Key::URef(less)));
        assert_eq!(weaker.get("c"), args.get("c"));
    }
}
