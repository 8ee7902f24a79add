//! Arguments of session code as `casper-client` writes them: `name:type='value'`.
//!
//! Types: bool, i32, i64, u8, u32, u64, u128, u256, u512, unit, string, key, account_hash, uref,
//! public_key, and each of them optional, such as `opt_u64='7'` or, for none, `opt_u64=null`.

use std::{fmt::Display, str::FromStr};

use casper_types::{
    AsymmetricType, CLTyped, CLValue, NamedArg, PublicKey, U128, U256, U512, URef,
    account::AccountHash, bytesrepr::ToBytes,
};

/// One argument.
#[derive(Clone, Debug)]
pub(crate) struct SessionArg(pub(crate) NamedArg);

impl FromStr for SessionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!("`{text}` is not of the form NAME:TYPE='VALUE', such as \"amount:u512='5'\"")
        };
        let (name, rest) = text.split_once(':').ok_or_else(form)?;
        let (kind, value) = rest.split_once('=').ok_or_else(form)?;
        let (name, kind) = (name.trim(), kind.trim());
        if name.is_empty() {
            return Err(form());
        }
        let value = value.trim();
        let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let value = match quoted {
            Some(text) => read(kind, Some(text)),
            // Without quotes, `null` is no text but nothing.
            None if value == "null" => read(kind, None),
            None => read(kind, Some(value)),
        };
        let value = value.map_err(|reason| format!("argument `{name}`: {reason}"))?;
        Ok(Self(NamedArg::new(name.to_owned(), value)))
    }
}

/// A value of the type with this name; no text means no value.
fn read(kind: &str, text: Option<&str>) -> Result<CLValue, String> {
    let (optional, kind) = match kind.strip_prefix("opt_") {
        Some(inner) => (true, inner),
        None => (false, kind),
    };
    let decimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    match kind {
        "bool" => value(optional, text, parsed::<bool>),
        "i32" => value(optional, text, parsed::<i32>),
        "i64" => value(optional, text, parsed::<i64>),
        "u8" => value(optional, text, parsed::<u8>),
        "u32" => value(optional, text, parsed::<u32>),
        "u64" => value(optional, text, parsed::<u64>),
        "u128" => value(optional, text, |text| match U128::from_dec_str(text) {
            Ok(number) if decimal(text) => Ok(number),
            _ => Err("it is no u128".to_owned()),
        }),
        "u256" => value(optional, text, |text| match U256::from_dec_str(text) {
            Ok(number) if decimal(text) => Ok(number),
            _ => Err("it is no u256".to_owned()),
        }),
        "u512" => value(optional, text, |text| match U512::from_dec_str(text) {
            Ok(number) if decimal(text) => Ok(number),
            _ => Err("it is no u512".to_owned()),
        }),
        "unit" => value(optional, text, |text| match text {
            "" => Ok(()),
            _ => Err("a unit is written ''".to_owned()),
        }),
        "string" => value(optional, text, |text| Ok(text.to_owned())),
        "key" => value(optional, text, |text| {
            girrona_api::json_compat_15::parse_key(text).map_err(|error| error.to_string())
        }),
        "account_hash" => value(optional, text, |text| {
            AccountHash::from_formatted_str(text).map_err(|error| error.to_string())
        }),
        "uref" => value(optional, text, |text| {
            URef::from_formatted_str(text).map_err(|error| error.to_string())
        }),
        "public_key" => value(optional, text, |text| {
            PublicKey::from_hex(text).map_err(|error| error.to_string())
        }),
        unknown => Err(format!(
            "`{unknown}` is no type; there are bool, i32, i64, u8, u32, u64, u128, u256, u512, \
             unit, string, key, account_hash, uref and public_key, and opt_ before any of them"
        )),
    }
}

/// The value, or the optional value.
fn value<T: CLTyped + ToBytes>(
    optional: bool,
    text: Option<&str>,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<CLValue, String> {
    let made = match (optional, text) {
        (true, None) => CLValue::from_t(None::<T>),
        (true, Some(text)) => CLValue::from_t(Some(read(text)?)),
        (false, Some(text)) => CLValue::from_t(read(text)?),
        (false, None) => return Err("only an opt_ type can be null".to_owned()),
    };
    made.map_err(|error| error.to_string())
}

/// A value that parses itself.
fn parsed<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| format!("`{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::{Key, U512};

    fn read_arg(text: &str) -> (String, CLValue) {
        let argument = text.parse::<SessionArg>().unwrap().0;
        (argument.name().to_owned(), argument.cl_value().clone())
    }

    #[test]
    fn every_type_is_read() {
        let hex = "0".repeat(63) + "7";
        let key = "013b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
        for text in [
            "a:bool='true'",
            "a:i32='-3'",
            "a:i64='-4'",
            "a:u8='255'",
            "a:u32='1'",
            "a:u64='2'",
            "a:u128='3'",
            "a:u256='4'",
            "a:u512='5'",
            "a:unit=''",
            "a:string='it''s: = fine'",
            &format!("a:key='account-hash-{hex}'"),
            &format!("a:account_hash='account-hash-{hex}'"),
            &format!("a:uref='uref-{hex}-007'"),
            &format!("a:public_key='{key}'"),
            "a:opt_u64=null",
            "a:opt_string='x'",
        ] {
            assert_eq!(read_arg(text).0, "a", "{text}");
        }
    }

    #[test]
    fn values_keep_their_type_and_content() {
        assert_eq!(read_arg("n:u512='5'").1.into_t::<U512>().unwrap(), U512::from(5));
        assert_eq!(read_arg("n:string=''").1.into_t::<String>().unwrap(), "");
        assert_eq!(read_arg("n:opt_u64=null").1.into_t::<Option<u64>>().unwrap(), None);
        let null = read_arg("n:opt_string='null'").1.into_t::<Option<String>>().unwrap();
        assert_eq!(null.as_deref(), Some("null"));
        assert_eq!(read_arg("n:opt_u64='7'").1.into_t::<Option<u64>>().unwrap(), Some(7));
        let hash = format!("hash-{}", "ab".repeat(32));
        let key = read_arg(&format!("n:key='{hash}'")).1.into_t::<Key>().unwrap();
        assert_eq!(key, Key::Hash([0xab; 32]));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let refusal = |text: &str| text.parse::<SessionArg>().unwrap_err();
        assert!(refusal("amount").contains("is not of the form"));
        assert!(refusal("a:u8='256'").starts_with("argument `a`: `256`:"));
        assert!(refusal("a:u512='0x5'").contains("it is no u512"));
        assert!(refusal("a:number='5'").contains("`number` is no type"));
        assert!(refusal("a:u64=null").contains("only an opt_ type can be null"));
        assert!(refusal(":u8='5'").contains("is not of the form"));
    }
}
