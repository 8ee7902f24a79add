//! Reading configuration: unknown keys are refused and every problem is named at once.
//!
//! A configuration type shows what it may contain with [`Config::example`]; the text is compared
//! with that before it is read, so a typo is reported as the unknown key it is.

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

/// Something a person writes in a TOML file.
pub trait Config: Serialize + DeserializeOwned {
    /// An instance in which every possible key appears.
    fn example() -> Self;

    /// Everything that is wrong with the values, each a sentence that says what to do.
    fn problems(&self) -> Vec<String>;
}

/// The text was not usable; holds every problem that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// Each a sentence that names the key.
    pub list: Vec<String>,
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "- {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads a configuration.
///
/// # Errors
/// Lists every unknown key, every value of a wrong kind, and every rule that a value breaks.
pub fn parse<T: Config>(text: &str) -> Result<T, Problems> {
    let given: Table = text
        .parse()
        .map_err(|e: toml::de::Error| Problems { list: vec![format!("not TOML: {e}")] })?;
    let known = Table::try_from(T::example())
        .map_err(|e| Problems { list: vec![format!("no example of this configuration: {e}")] })?;
    let mut list = Vec::new();
    compare("", &given, &known, &mut list);
    match toml::from_str::<T>(text) {
        Ok(config) => {
            list.extend(config.problems());
            if list.is_empty() { Ok(config) } else { Err(Problems { list }) }
        }
        Err(error) => {
            let message = error.message().trim().to_owned();
            if list.is_empty() || !message.contains("unknown field") {
                list.push(error.to_string().trim_end().to_owned());
            }
            Err(Problems { list })
        }
    }
}

/// Names keys of `given` that `known` does not have, and values of another kind.
fn compare(prefix: &str, given: &Table, known: &Table, list: &mut Vec<String>) {
    for (key, value) in given {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match (value, known.get(key)) {
            (_, None) => list.push(format!("unknown key `{path}`; {}", suggestion(key, known))),
            (Value::Table(inner), Some(Value::Table(expected))) => {
                compare(&path, inner, expected, list);
            }
            (Value::Array(items), Some(Value::Array(expected))) => {
                if let Some(Value::Table(expected)) = expected.first() {
                    for (index, item) in items.iter().enumerate() {
                        if let Value::Table(inner) = item {
                            compare(&format!("{path}[{index}]"), inner, expected, list);
                        }
                    }
                }
            }
            (value, Some(expected)) if !value.same_type(expected) => list.push(format!(
                "`{path}` is of type {}, it should be of type {}, for example {expected}",
                value.type_str(),
                expected.type_str()
            )),
            _ => {}
        }
    }
}

/// Which key may have been meant.
fn suggestion(key: &str, known: &Table) -> String {
    let close = known.keys().min_by_key(|candidate| distance(key, candidate));
    match close {
        Some(close) if distance(key, close) <= 3 => format!("did you mean `{close}`?"),
        _ => {
            let keys: Vec<_> = known.keys().map(String::as_str).collect();
            format!("known here: {}", keys.join(", "))
        }
    }
}

/// How many letters have to change to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        port: u16,
        inner: Inner,
    }
    #[derive(Serialize, serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        name: String,
    }
    impl Default for Inner {
        fn default() -> Self {
            Self { name: "x".to_owned() }
        }
    }
    impl Default for Sample {
        fn default() -> Self {
            Self { port: 1, inner: Inner::default() }
        }
    }
    impl Config for Sample {
        fn example() -> Self {
            Self::default()
        }
        fn problems(&self) -> Vec<String> {
            if self.port == 0 { vec!["`port` is 0".to_owned()] } else { Vec::new() }
        }
    }

    #[test]
    fn every_problem_is_listed_at_once() {
        let problems = parse::<Sample>("prt = 2\n[inner]\nname = 3\ncolour = 1").unwrap_err().list;
        assert!(problems.iter().any(|p| p == "unknown key `prt`; did you mean `port`?"));
        assert!(problems.iter().any(|p| p.starts_with("`inner.name` is of type integer")));
        assert!(problems.iter().any(|p| p == "unknown key `inner.colour`; known here: name"));
    }

    #[test]
    fn a_broken_rule_is_named_and_a_good_file_is_read() {
        assert_eq!(parse::<Sample>("port = 0").unwrap_err().list, ["`port` is 0"]);
        assert_eq!(parse::<Sample>("port = 7").unwrap().port, 7);
    }
}
