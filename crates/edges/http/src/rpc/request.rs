//! Reading a JSON-RPC request: is it one, which method, with which id.
//!
//! `id` and `params` stay pieces of the text: the id goes back as it came, the parameters are read
//! by the method that wants them. Unknown fields are tolerated, a batch is refused.

use std::borrow::Cow;

use girrona_api::{ErrorCode, RpcError};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Number, value::RawValue};

/// A request whose form is right.
#[derive(Debug)]
pub struct Request<'a> {
    /// A string, an integer or null, as sent.
    pub id: &'a RawValue,
    /// The method's name.
    pub method: Cow<'a, str>,
    /// The parameters as sent; `None` when there is no such field.
    pub params: Option<&'a RawValue>,
}

/// What is wrong with a request.
#[derive(Debug)]
pub enum Malformed<'a> {
    /// It gets an answer, with its id if that could be read.
    Answer {
        /// The id as sent.
        id: Option<&'a RawValue>,
        /// What is wrong.
        error: RpcError,
    },
    /// Without an id it is a notification: nothing can be answered but an HTTP status.
    NoId,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

/// A field that is there, even if it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a request.
///
/// # Errors
/// See [`Malformed`]; codes and texts are Casper's.
pub fn decode(body: &[u8]) -> Result<Request<'_>, Malformed<'_>> {
    let envelope = envelope(body).map_err(|error| Malformed::Answer { id: None, error })?;
    let wrong =
        |error| Malformed::Answer { id: envelope.id.filter(|id| check_id(id).is_ok()), error };
    check_version(envelope.jsonrpc).map_err(wrong)?;
    let id = envelope.id.ok_or(Malformed::NoId)?;
    check_id(id).map_err(wrong)?;
    let method = envelope.method.ok_or_else(|| wrong(invalid("Missing 'method' field")))?;
    let method = text(method).ok_or_else(|| wrong(invalid("Expected 'method' to be a String")))?;
    Ok(Request { id, method, params: envelope.params })
}

fn envelope(body: &[u8]) -> Result<Envelope<'_>, RpcError> {
    let refuse = |error: serde_json::Error| {
        if error.is_data() {
            invalid(format!("Expected a JSON Object: {error}"))
        } else {
            RpcError::new(ErrorCode::ParseError, error.to_string())
        }
    };
    // Serde would take an array for the fields in order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        serde_json::from_slice::<IgnoredAny>(body).map_err(refuse)?;
        return Err(invalid("batch requests are not supported, send one at a time"));
    }
    serde_json::from_slice(body).map_err(refuse)
}

fn invalid(text: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::InvalidRequest, text)
}

fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    if let Ok(text) = serde_json::from_str::<&str>(raw.get()) {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned)
}

fn check_version(version: Option<&RawValue>) -> Result<(), RpcError> {
    let Some(version) = version else { return Err(invalid("Missing 'jsonrpc' field")) };
    let shown: String = version.get().chars().take(100).collect();
    match text(version) {
        Some(text) if text == "2.0" => Ok(()),
        Some(text) => {
            let text: String = text.chars().take(100).collect();
            Err(invalid(format!("Expected 'jsonrpc' to be '2.0', but got '{text}'")))
        }
        None if shown.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            Err(invalid(format!(
                "Expected 'jsonrpc' to be a String with value '2.0', but got a Number '{shown}'"
            )))
        }
        None => Err(invalid(format!(
            "Expected 'jsonrpc' to be a String with value '2.0', but got '{shown}'"
        ))),
    }
}

fn check_id(id: &RawValue) -> Result<(), RpcError> {
    match id.get().as_bytes().first() {
        Some(b'"' | b'n') => Ok(()),
        Some(b'-' | b'0'..=b'9') => match serde_json::from_str::<Number>(id.get()) {
            Ok(number) if !number.is_f64() => Ok(()),
            _ => Err(invalid("'id' must not contain fractional parts if it is a number")),
        },
        _ => Err(invalid("'id' should be a string or integer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> (Option<String>, i64, String) {
        match decode(body.as_bytes()).unwrap_err() {
            Malformed::Answer { id, error } => {
                let detail = error.detail().unwrap().to_owned();
                (id.map(|id| id.get().to_owned()), error.code, detail)
            }
            Malformed::NoId => panic!("no id in {body}"),
        }
    }

    #[test]
    fn ids_are_texts_integers_and_null_and_come_back_as_they_went() {
        for id in ["1", "-7", "\"a\\u00e9\"", "null", "18446744073709551615"] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"m","id": {id} ,"extra":[1]}}"#);
            let request = decode(body.as_bytes()).unwrap();
            assert_eq!(request.id.get(), id);
            assert_eq!(request.method, "m");
            assert!(request.params.is_none());
        }
        for id in ["1.5", "1e3", "true", "[1]", "{}"] {
            let body = format!(r#"{{"jsonrpc":"2.0","method":"m","id":{id}}}"#);
            let (answered, code, text) = error(&body);
            assert_eq!((answered, code), (None, -32600));
            assert!(text.starts_with("'id' "), "{text}");
        }
    }

    #[test]
    fn without_an_id_there_is_nobody_to_answer() {
        let body = br#"{"jsonrpc":"2.0","method":"m"}"#;
        assert!(matches!(decode(body), Err(Malformed::NoId)));
    }

    #[test]
    fn what_is_no_request_is_told_so_in_caspers_words() {
        let cases = [
            (r#"{"id":1,"method":"m"}"#, "Missing 'jsonrpc' field"),
            (
                r#"{"id":1,"method":"m","jsonrpc":"2.1"}"#,
                "Expected 'jsonrpc' to be '2.0', but got '2.1'",
            ),
            (
                r#"{"id":1,"method":"m","jsonrpc":2}"#,
                "Expected 'jsonrpc' to be a String with value '2.0', but got a Number '2'",
            ),
            (
                r#"{"id":1,"method":"m","jsonrpc":[]}"#,
                "Expected 'jsonrpc' to be a String with value '2.0', but got '[]'",
            ),
            (r#"{"id":1,"jsonrpc":"2.0"}"#, "Missing 'method' field"),
            (r#"{"id":1,"jsonrpc":"2.0","method":{}}"#, "Expected 'method' to be a String"),
        ];
        for (body, text) in cases {
            assert_eq!(error(body), (Some("1".to_owned()), -32600, text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_json_is_a_parse_error_and_a_batch_an_invalid_request() {
        assert_eq!(error("a"), (None, -32700, "expected value at line 1 column 1".to_owned()));
        assert_eq!(error(r#"{"id":1,"#).1, -32700);
        assert_eq!(error("").1, -32700);
        let batch = r#" [{"jsonrpc":"2.0","id":1,"method":"m"}]"#;
        let (_, code, text) = error(batch);
        assert_eq!((code, text.starts_with("batch requests")), (-32600, true));
        assert_eq!(error(r#"["2.0",1,"m",[]]"#).1, -32600);
        assert_eq!(error("[1").1, -32700);
        assert_eq!(error("7").1, -32600);
        assert_eq!(error(r#"{"id":1,"id":2}"#).1, -32600);
        let bad_utf8 = b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"m\"}";
        assert!(matches!(decode(bad_utf8), Err(Malformed::Answer { id: None, .. })));
    }

    #[test]
    fn a_hundred_thousand_brackets_do_no_harm() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{deep}}}"#);
        assert!(decode(body.as_bytes()).unwrap().params.is_some());
        assert!(decode(deep.as_bytes()).is_err());
        assert!(decode("{\"a\":".repeat(100_000).as_bytes()).is_err());
    }
}
