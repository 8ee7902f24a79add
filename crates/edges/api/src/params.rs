//! Reading the `params` of a request as the parameters of a method.
//!
//! An array means positions, an object means names; absent, `null`, `[]` and `{}` mean none. One
//! client generation wraps its array twice; what cannot be read is tried without the outer one.
//! The text is read once, straight into the method's type: nothing is kept that it has no use for.

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    error::{ErrorCode, RpcError},
    methods::{Method, ParamsRule},
};

/// Reads the parameters of `M`.
///
/// # Errors
/// [`ErrorCode::InvalidRequest`] when `params` is neither array, object nor null;
/// [`ErrorCode::InvalidParams`] when they are not the method's.
pub fn decode<M: Method>(params: Option<&RawValue>) -> Result<M::Params, RpcError> {
    let text = params.map(RawValue::get);
    check_kind(text)?;
    let text = match (M::PARAMS, text) {
        (ParamsRule::Required, None) => {
            return Err(RpcError::new(ErrorCode::InvalidParams, "Missing 'params' field"));
        }
        (ParamsRule::Required, Some("null")) => "[]",
        (ParamsRule::Required, Some(text)) => text,
        (ParamsRule::Optional, text) => text.filter(|text| !is_empty(text)).unwrap_or("{}"),
        (ParamsRule::None, text) => {
            if text.is_some_and(|text| !is_empty(text)) {
                return Err(RpcError::new(
                    ErrorCode::InvalidParams,
                    "'params' field should be an empty Array '[]', an empty Object '{}' or absent",
                ));
            }
            "{}"
        }
    };
    read(text)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, RpcError> {
    serde_json::from_str(text).or_else(|error| {
        let inner = serde_json::from_str::<[&RawValue; 1]>(text).ok();
        let inner = inner.map(|[inner]| inner.get()).filter(|inner| inner.starts_with('['));
        inner.and_then(|inner| serde_json::from_str(inner).ok()).ok_or_else(|| {
            let error = error.to_string();
            let text = format!("Failed to parse 'params' field: {}", without_position(&error));
            RpcError::new(ErrorCode::InvalidParams, text)
        })
    })
}

fn check_kind(text: Option<&str>) -> Result<(), RpcError> {
    let what = match text {
        None | Some("null") => return Ok(()),
        Some("true") => "'true'",
        Some("false") => "'false'",
        Some(text) if text.starts_with(['[', '{']) => return Ok(()),
        Some(text) if text.starts_with('"') => "a String",
        Some(_) => "a Number",
    };
    Err(RpcError::new(
        ErrorCode::InvalidRequest,
        format!("If present, 'params' must be an Array or Object, but was {what}"),
    ))
}

/// Whether the text of an array, object or null holds nothing.
fn is_empty(text: &str) -> bool {
    text == "null"
        || text
            .strip_prefix(['[', '{'])
            .and_then(|rest| rest.strip_suffix([']', '}']))
            .is_some_and(|inner| inner.trim().is_empty())
}

/// The position is one in `params`, not in what the caller sent: it would only confuse.
fn without_position(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |at| message.get(..at).unwrap_or(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{
        chain::GetBlock,
        info::{GetDeploy, GetPeers},
        state::{GetAccountInfo, QueryGlobalState},
    };

    fn decode_text<M: Method>(text: &str) -> Result<M::Params, RpcError> {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        decode::<M>(Some(&raw))
    }

    fn detail<T: std::fmt::Debug>(result: Result<T, RpcError>) -> String {
        result.unwrap_err().detail().unwrap().to_owned()
    }

    const HASH: &str = "13c2d7a68ecdd4b74bf4393c88915c836c863fc4bf11d7f2bd930a1bbccacdcb";

    #[test]
    fn positions_names_and_a_doubly_nested_array_mean_the_same() {
        let named = format!(r#"{{"block_identifier":{{"Hash":"{HASH}"}}}}"#);
        let positional = format!(r#"[{{"Hash":"{HASH}"}}]"#);
        let nested = format!(r#" [ [{{"Hash":"{HASH}"}}] ] "#);
        let expected = decode_text::<GetBlock>(&named).unwrap();
        assert!(expected.block_identifier.is_some());
        assert_eq!(decode_text::<GetBlock>(&positional).unwrap(), expected);
        assert_eq!(decode_text::<GetBlock>(&nested).unwrap(), expected);
    }

    #[test]
    fn optional_parameters_may_be_absent_null_or_empty() {
        for text in ["null", "[]", "{}", "[ ]", "{ }", "[null]", r#"{"block_identifier":null}"#] {
            assert_eq!(decode_text::<GetBlock>(text).unwrap().block_identifier, None, "{text}");
        }
        assert_eq!(decode::<GetBlock>(None).unwrap().block_identifier, None);
        let query = decode_text::<QueryGlobalState>(r#"[null,"hash-00"]"#).unwrap();
        assert_eq!((query.state_identifier, query.key.as_str()), (None, "hash-00"));
        assert!(query.path.is_empty());
    }

    #[test]
    fn the_old_name_of_the_account_parameter_is_understood() {
        let key = "013b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29";
        let old = decode_text::<GetAccountInfo>(&format!(r#"{{"public_key":"{key}"}}"#)).unwrap();
        let new = decode_text::<GetAccountInfo>(&format!(r#"["{key}"]"#)).unwrap();
        assert_eq!(old, new);
    }

    #[test]
    fn refusals_have_caspers_words() {
        assert_eq!(detail(decode::<GetDeploy>(None)), "Missing 'params' field");
        assert_eq!(
            detail(decode_text::<GetDeploy>("[3]")),
            "Failed to parse 'params' field: invalid type: integer `3`, expected a string"
        );
        assert!(detail(decode_text::<GetDeploy>("[]")).contains("invalid length 0"));
        assert!(detail(decode_text::<GetDeploy>(r#"{"x":1}"#)).contains("unknown field `x`"));
        assert_eq!(
            detail(decode_text::<GetPeers>("[3]")),
            "'params' field should be an empty Array '[]', an empty Object '{}' or absent"
        );
        for (text, what) in
            [("true", "'true'"), ("false", "'false'"), ("7", "a Number"), (r#""s""#, "a String")]
        {
            let error = decode_text::<GetPeers>(text).unwrap_err();
            assert_eq!(error.code, -32600);
            assert!(error.detail().unwrap().ends_with(&format!("but was {what}")));
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_using_the_stack() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(decode_text::<GetBlock>(&deep).is_err());
    }
}
