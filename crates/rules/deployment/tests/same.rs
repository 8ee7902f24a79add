//! One meaning, one hash: however keys are ordered, text is quoted, comments and blanks are put.

use std::num::NonZeroU64;

use girrona_deployment::{Deployment, read};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A source of choices.
struct Style(u64);

impl Style {
    fn choose(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(count).unwrap()).unwrap()
    }

    fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for index in (1..items.len()).rev() {
            items.swap(index, self.choose(index + 1));
        }
        items
    }

    /// A text in one of YAML's forms. Plain only when it means itself.
    fn text(&mut self, text: &str) -> String {
        let is_plain = !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "/.-_".contains(c))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        match self.choose(if is_plain { 3 } else { 2 }) {
            0 => serde_json::to_string(text).unwrap(),
            1 => format!("'{}'", text.replace('\'', "''")),
            _ => text.to_owned(),
        }
    }

    fn scalar(&mut self, value: &Value) -> String {
        match value {
            Value::String(text) => self.text(text),
            Value::Number(number) if self.choose(2) == 0 => format!("\"{number}\""),
            other => other.to_string(),
        }
    }

    fn flow(&mut self, value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.flow(item)).collect();
                format!("[ {}]", items.join(" , "))
            }
            Value::Object(map) => {
                let entries = self.shuffled(map.iter().collect());
                let entries: Vec<_> = entries
                    .into_iter()
                    .map(|(key, value)| format!("{}: {}", self.text(key), self.flow(value)))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }
            scalar => self.scalar(scalar),
        }
    }

    fn block(&mut self, value: &Value, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in self.shuffled(map.iter().collect()) {
                    self.noise(&pad, out);
                    *out += &format!("{pad}{}:", self.text(key));
                    self.rest(value, indent, out);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                for item in items {
                    *out += &format!("{pad}-");
                    self.rest(item, indent, out);
                }
            }
            other => *out += &format!("{pad}{}\n", self.flow(other)),
        }
    }

    fn rest(&mut self, value: &Value, indent: usize, out: &mut String) {
        let is_inner = matches!(value, Value::Object(map) if !map.is_empty())
            || matches!(value, Value::Array(items) if !items.is_empty());
        if is_inner && self.choose(3) > 0 {
            *out += " # inner: {\n";
            let deeper = indent + 1 + self.choose(3);
            self.block(value, deeper, out);
        } else {
            *out += &format!(" {}{}\n", self.flow(value), ["", "   # why: x"][self.choose(2)]);
        }
    }

    fn noise(&mut self, pad: &str, out: &mut String) {
        match self.choose(4) {
            0 => *out += &format!("{pad}# version: \"9\"\n"),
            1 => *out += "\n",
            _ => {}
        }
    }
}

fn document(words: &[String], memory: u64, port: u16, count: u8) -> Value {
    let env: Vec<_> = words.iter().enumerate().map(|(i, word)| format!("V{i}={word}")).collect();
    json!({
        "version": "2.0",
        "services": {
            "web": {
                "image": "nginx:1.27",
                "args": words,
                "env": env,
                "dependencies": ["db"],
                "params": {"storage": {"data": {"mount": "/data"}, "logs": {"mount": "/logs"}}},
                "expose": [
                    {"port": port, "as": 80, "accept": ["a.example", "b.example"], "to": [{"global": true}]},
                    {"port": 7, "proto": "udp", "to": [{"global": true}, {"service": "db"}]},
                ],
            },
            "db": {"image": "postgres", "expose": [{"port": 5432, "to": [{"service": "web"}]}]},
        },
        "profiles": {
            "compute": {
                "big": {"resources": {
                    "cpu": {"units": "1.5", "attributes": {"arch": "amd64", "avx": "2"}},
                    "memory": {"size": memory},
                    "storage": [
                        {"size": "1Gi"},
                        {"name": "data", "size": "1Gi", "attributes": {"persistent": true, "class": "beta1"}},
                        {"name": "logs", "size": "2Gi"},
                    ],
                }},
                "small": {"resources": {
                    "cpu": {"units": "100m"}, "memory": {"size": "64Mi"}, "storage": {"size": "1Gi"},
                }},
            },
            "placement": {"here": {
                "attributes": {"region": "eu-west", "tier": "any"},
                "pricing": {
                    "big": {"denom": "motes", "amount": 9}, "small": {"denom": "motes", "amount": 1},
                },
            }},
        },
        "deployment": {
            "web": {"here": {"profile": "big", "count": count}},
            "db": {"here": {"profile": "small", "count": 1}},
        },
        "girrona": {"window": 1, "failover": true},
    })
}

fn understood(text: &str) -> Deployment {
    let second = NonZeroU64::new(1_000).unwrap();
    read(text, second).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn form_does_not_matter(
        words in proptest::collection::vec("[ -~]{1,12}|[a-zäöü🦀\t]{1,5}", 0..5),
        memory in (1_u64 << 20)..(1 << 40), port in 1_u16.., count in 1_u8..=50, seed in 1_u64..,
    ) {
        let document = document(&words, memory, port, count);
        let expected = understood(&document.to_string());
        let mut style = Style(seed);
        let mut text = String::new();
        style.block(&document, 0, &mut text);
        let found = understood(&text);
        prop_assert_eq!(&found, &expected, "{}", text);
        let (found, expected) = (&found.groups["here"], &expected.groups["here"]);
        prop_assert_eq!(found.manifest.hash(), expected.manifest.hash());
        prop_assert_eq!(found.order.to_bytes(), expected.order.to_bytes());
        let web = &found.manifest.services["web"];
        prop_assert_eq!(web.args.iter().map(|arg| arg.0.as_str()).collect::<Vec<_>>(), words);
    }

    /// The other way round: what means something else has another hash.
    #[test]
    fn meaning_matters(port in 1_u16..65_535, count in 1_u8..50, memory in (1_u64 << 20)..(1 << 40)) {
        let hash = |memory, port, count| {
            let text = document(&["a".to_owned()], memory, port, count).to_string();
            understood(&text).groups["here"].manifest.hash()
        };
        let one = hash(memory, port, count);
        prop_assert_ne!(one, hash(memory + 1, port, count));
        prop_assert_ne!(one, hash(memory, port + 1, count));
        prop_assert_ne!(one, hash(memory, port, count + 1));
    }
}

#[test]
fn the_order_of_arguments_matters_and_that_of_variables_does_not() {
    let words = ["a".to_owned(), "b".to_owned()];
    let one = document(&words, 1 << 20, 1, 1);
    let mut args = one.clone();
    args["services"]["web"]["args"] = json!(["b", "a"]);
    let mut env = one.clone();
    env["services"]["web"]["env"] = json!(["V1=b", "V0=a"]);
    let hash = |value: &Value| understood(&value.to_string()).groups["here"].manifest.hash();
    assert_ne!(hash(&one), hash(&args));
    assert_eq!(hash(&one), hash(&env));
}
