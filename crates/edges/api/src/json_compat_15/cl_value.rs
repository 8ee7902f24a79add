//! A contract value: its type, its bytes, and what they mean.
//!
//! `parsed` is for people. It is made here and not by casper-types for two reasons: keys look
//! different, and a value such as four billion units in five bytes must not become four billion
//! JSON values.

use casper_types::{
    CLType, CLValue, Key, PublicKey, U128, U256, U512, URef,
    bytesrepr::{FromBytes, OPTION_NONE_TAG, OPTION_SOME_TAG, RESULT_ERR_TAG, RESULT_OK_TAG},
};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::{Value, json};

use super::key;

/// As deep as casper-types reads types.
const DEPTH_MAX: u8 = 50;

/// Writes a value as Casper 1.5 does.
#[derive(Clone, Copy, Debug)]
pub struct CLValue15<'a>(pub &'a CLValue);

impl Serialize for CLValue15<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("CLValue", 3)?;
        out.serialize_field("cl_type", self.0.cl_type())?;
        out.serialize_field("bytes", &hex::encode(self.0.inner_bytes()))?;
        out.serialize_field("parsed", &parsed(self.0))?;
        out.end()
    }
}

/// What the bytes mean; `None` when they do not fit the type or would become too much text.
fn parsed(value: &CLValue) -> Option<Value> {
    let bytes = value.inner_bytes();
    // Every value takes bytes, but for containers around it and empty ones.
    let left = bytes.len().saturating_mul(4).saturating_add(256);
    let mut reader = Reader { left };
    match reader.read(0, value.cl_type(), bytes)? {
        (parsed, []) => Some(parsed),
        _ => None,
    }
}

/// Counts down the JSON values that may still be made.
struct Reader {
    left: usize,
}

impl Reader {
    fn read<'a>(&mut self, depth: u8, kind: &CLType, bytes: &'a [u8]) -> Option<(Value, &'a [u8])> {
        if depth >= DEPTH_MAX {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        let depth = depth.saturating_add(1);
        match kind {
            CLType::Bool => simple::<bool>(bytes),
            CLType::I32 => simple::<i32>(bytes),
            CLType::I64 => simple::<i64>(bytes),
            CLType::U8 => simple::<u8>(bytes),
            CLType::U32 => simple::<u32>(bytes),
            CLType::U64 => simple::<u64>(bytes),
            CLType::U128 => simple::<U128>(bytes),
            CLType::U256 => simple::<U256>(bytes),
            CLType::U512 => simple::<U512>(bytes),
            CLType::Unit => Some((Value::Null, bytes)),
            CLType::String => simple::<String>(bytes),
            CLType::Key => {
                let (key, rest) = Key::from_bytes(bytes).ok()?;
                let text = key::format_key(&key);
                let parsed = match key::kind(&key) {
                    Some(kind) => json!({ kind: text }),
                    None => Value::String(text),
                };
                Some((parsed, rest))
            }
            CLType::URef => simple::<URef>(bytes),
            CLType::PublicKey => simple::<PublicKey>(bytes),
            CLType::Option(inner) => match u8::from_bytes(bytes).ok()? {
                (OPTION_NONE_TAG, rest) => Some((Value::Null, rest)),
                (OPTION_SOME_TAG, rest) => self.read(depth, inner, rest),
                _ => None,
            },
            CLType::Result { ok, err } => {
                let (name, kind, rest) = match u8::from_bytes(bytes).ok()? {
                    (RESULT_OK_TAG, rest) => ("Ok", ok, rest),
                    (RESULT_ERR_TAG, rest) => ("Err", err, rest),
                    _ => return None,
                };
                let (value, rest) = self.read(depth, kind, rest)?;
                Some((json!({ name: value }), rest))
            }
            CLType::ByteArray(length) => {
                let length = usize::try_from(*length).ok()?;
                let (array, rest) = bytes.split_at_checked(length)?;
                Some((Value::String(hex::encode(array)), rest))
            }
            CLType::List(inner) => {
                let (count, rest) = u32::from_bytes(bytes).ok()?;
                self.many(depth, std::iter::repeat_n(&**inner, count as usize), rest)
            }
            CLType::Map { key, value } => {
                let (count, mut rest) = u32::from_bytes(bytes).ok()?;
                let mut entries = Vec::new();
                for _ in 0..count {
                    let (k, after_key) = self.read(depth, key, rest)?;
                    let (v, after_value) = self.read(depth, value, after_key)?;
                    entries.push(json!({ "key": k, "value": v }));
                    rest = after_value;
                }
                Some((Value::Array(entries), rest))
            }
            CLType::Tuple1(kinds) => self.many(depth, kinds.iter().map(|kind| &**kind), bytes),
            CLType::Tuple2(kinds) => self.many(depth, kinds.iter().map(|kind| &**kind), bytes),
            CLType::Tuple3(kinds) => self.many(depth, kinds.iter().map(|kind| &**kind), bytes),
            CLType::Any => None,
        }
    }

    fn many<'a, 'k>(
        &mut self,
        depth: u8,
        kinds: impl Iterator<Item = &'k CLType>,
        mut bytes: &'a [u8],
    ) -> Option<(Value, &'a [u8])> {
        let mut values = Vec::new();
        for kind in kinds {
            let (value, rest) = self.read(depth, kind, bytes)?;
            values.push(value);
            bytes = rest;
        }
        Some((Value::Array(values), bytes))
    }
}

fn simple<T: FromBytes + Serialize>(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let (value, rest) = T::from_bytes(bytes).ok()?;
    Some((serde_json::to_value(value).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use casper_types::{
        AccessRights, CLTyped, SecretKey, account::AccountHash, bytesrepr::ToBytes,
    };

    use super::*;

    fn text(value: &CLValue) -> String {
        serde_json::to_string(&CLValue15(value)).unwrap()
    }

    fn same_as_casper_types<T: CLTyped + ToBytes>(value: T) {
        let value = CLValue::from_t(value).unwrap();
        assert_eq!(text(&value), serde_json::to_string(&value).unwrap());
    }

    #[test]
    fn what_holds_no_key_is_written_as_casper_types_does() {
        same_as_casper_types(true);
        same_as_casper_types((-5_i32, i64::MIN));
        same_as_casper_types((1_u8, 2_u32, 3_u64));
        same_as_casper_types((U128::MAX, U256::MAX, U512::MAX));
        same_as_casper_types(());
        same_as_casper_types("text \"quoted\"".to_owned());
        same_as_casper_types(URef::new([1; 32], AccessRights::READ_ADD_WRITE));
        same_as_casper_types(PublicKey::from(&SecretKey::ed25519_from_bytes([1; 32]).unwrap()));
        same_as_casper_types((Some(7_u64), None::<String>));
        same_as_casper_types([9_u8; 32]);
        same_as_casper_types(vec![Some((1_u8,)), None]);
        same_as_casper_types((Ok::<u8, String>(1), Err::<u8, String>("no".to_owned())));
        same_as_casper_types(BTreeMap::from([
            ("a".to_owned(), vec![1_u32]),
            ("b".to_owned(), vec![]),
        ]));
        same_as_casper_types(Vec::<u64>::new());
        let odd = CLValue::from_components(CLType::Any, vec![1, 2]);
        assert_eq!(text(&odd), serde_json::to_string(&odd).unwrap());
    }

    #[test]
    fn a_key_says_what_kind_it_is() {
        let key = Key::Account(AccountHash::new([1; 32]));
        let expected = format!(r#"{{"Account":"account-hash-{}"}}"#, "01".repeat(32));
        let value = CLValue::from_t(key).unwrap();
        assert!(text(&value).ends_with(&format!(r#","parsed":{expected}}}"#)));
        let nested = CLValue::from_t(vec![Some((key, 1_u8))]).unwrap();
        assert!(text(&nested).ends_with(&format!(r#","parsed":[[{expected},1]]}}"#)));
        let hash = CLValue::from_t(Key::Hash([2; 32])).unwrap();
        assert!(text(&hash).contains(&format!(r#"{{"Hash":"hash-{}"}}"#, "02".repeat(32))));
    }

    #[test]
    fn a_few_bytes_that_mean_billions_of_values_stay_a_few_bytes() {
        let units = CLType::List(Box::new(CLType::Unit));
        let empties = CLType::Map {
            key: Box::new(CLType::ByteArray(0)),
            value: Box::new(CLType::Tuple1([Box::new(CLType::Unit)])),
        };
        for kind in [units, empties] {
            let bomb = CLValue::from_components(kind, vec![0xff; 4]);
            assert!(text(&bomb).ends_with(r#""bytes":"ffffffff","parsed":null}"#));
        }
        let mut tuple = CLType::U8;
        for _ in 0..48 {
            tuple = CLType::Tuple1([Box::new(tuple)]);
        }
        let mut bytes = 10_000_u32.to_bytes().unwrap();
        bytes.extend([7; 10_000]);
        let wide = CLValue::from_components(CLType::List(Box::new(tuple)), bytes);
        assert!(text(&wide).ends_with(r#""parsed":null}"#));
    }

    #[test]
    fn bytes_that_do_not_fit_their_type_are_shown_as_bytes_only() {
        for bytes in [vec![], vec![1], vec![1, 0, 0, 0, 9], vec![2, 0, 0, 0, 9]] {
            let value = CLValue::from_components(CLType::U32, bytes.clone());
            let fits = bytes.len() == 4;
            assert_eq!(text(&value).contains("null"), !fits);
        }
    }
}
