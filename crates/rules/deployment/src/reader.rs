//! Walking the tree of a file: every value knows its path, every refusal its place.

use std::ops::RangeInclusive;

use crate::{
    problem::{Place, Problems, excerpt},
    yaml::{Key, Node, Value},
};

/// A value at a path.
#[derive(Clone, Debug)]
pub(crate) struct At<'a> {
    pub(crate) node: &'a Node,
    pub(crate) path: String,
}

/// A mapping whose keys are taken one after the other; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Map<'a> {
    pub(crate) place: Place,
    pub(crate) path: String,
    left: Vec<&'a (Key, Node)>,
    known: Vec<&'static str>,
}

impl<'a> At<'a> {
    pub(crate) fn root(node: &'a Node) -> Self {
        Self { node, path: String::new() }
    }

    /// Refuses this value.
    pub(crate) fn refuse(&self, problems: &mut Problems, message: impl Into<String>) {
        problems.say(self.node.place, &self.path, message);
    }

    /// A mapping.
    pub(crate) fn map(&self, problems: &mut Problems) -> Option<Map<'a>> {
        let Value::Map(entries) = &self.node.value else {
            self.refuse(problems, format!("{} is no mapping of keys to values", self.kind()));
            return None;
        };
        let (place, path) = (self.node.place, self.path.clone());
        Some(Map { place, path, left: entries.iter().collect(), known: Vec::new() })
    }

    /// A mapping from names that the file chooses, each with its value.
    pub(crate) fn names(&self, problems: &mut Problems) -> Vec<(Key, Self)> {
        let Value::Map(entries) = &self.node.value else {
            self.refuse(problems, format!("{} is no mapping of names to values", self.kind()));
            return Vec::new();
        };
        let named = |(key, node): &'a (Key, Node)| {
            (key.clone(), At { node, path: join(&self.path, &key.text) })
        };
        entries.iter().map(named).collect()
    }

    /// A list.
    pub(crate) fn list(&self, max: usize, problems: &mut Problems) -> Vec<Self> {
        let Value::List(items) = &self.node.value else {
            self.refuse(
                problems,
                format!("{} is no list; write `- ` before each entry", self.kind()),
            );
            return Vec::new();
        };
        self.items(items, max, problems)
    }

    /// A list, or one value that stands for a list of one.
    pub(crate) fn one_or_list(&self, max: usize, problems: &mut Problems) -> Vec<Self> {
        match &self.node.value {
            Value::List(items) => self.items(items, max, problems),
            _ => vec![self.clone()],
        }
    }

    fn items(&self, items: &'a [Node], max: usize, problems: &mut Problems) -> Vec<Self> {
        if items.len() > max {
            self.refuse(problems, format!("{} entries; {max} are allowed", items.len()));
        }
        let at = |(index, node)| At { node, path: format!("{}[{index}]", self.path) };
        items.iter().take(max).enumerate().map(at).collect()
    }

    /// Text; numbers and words count as what was written.
    pub(crate) fn text(&self, problems: &mut Problems) -> Option<&'a str> {
        match &self.node.value {
            Value::Scalar { text, .. } if !self.node.is_null() => Some(text),
            _ => {
                self.refuse(problems, format!("{} is no text", self.what()));
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, problems: &mut Problems) -> Option<bool> {
        if let Value::Scalar { text, is_plain: true } = &self.node.value {
            match text.as_str() {
                "true" | "True" | "TRUE" => return Some(true),
                "false" | "False" | "FALSE" => return Some(false),
                _ => {}
            }
        }
        self.refuse(problems, format!("{} is neither `true` nor `false`", self.what()));
        None
    }

    /// A whole number within bounds.
    pub(crate) fn whole(
        &self,
        range: &RangeInclusive<u64>,
        problems: &mut Problems,
    ) -> Option<u64> {
        let number = match &self.node.value {
            Value::Scalar { text, .. } if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok()
            }
            _ => None,
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let (least, most) = (range.start(), range.end());
        self.refuse(problems, format!("{} is no whole number from {least} to {most}", self.what()));
        None
    }

    /// One of some words, which in the file may be in capitals.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let text = self.text(problems)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let message = format!("`{}` is none of {}", excerpt(text), words.join(", "));
            self.refuse(problems, message);
        }
        found.map(|(_, value)| *value)
    }

    /// What a parser of text makes of it.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        parse: impl Fn(&str) -> Result<T, E>,
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(problems)?;
        parse(text).map_err(|error| self.refuse(problems, error.to_string())).ok()
    }

    /// What kind of value it is: where a list or a mapping belongs, a text may be a secret.
    fn kind(&self) -> &'static str {
        match &self.node.value {
            _ if self.node.is_null() => "nothing",
            Value::Scalar { .. } => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// What it is, for a message.
    fn what(&self) -> String {
        match &self.node.value {
            _ if self.node.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{}`", excerpt(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

impl<'a> Map<'a> {
    /// Takes the value of a key. A key without a value counts as absent.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<At<'a>> {
        self.known.push(key);
        let index = self.left.iter().position(|(own, _)| own.text == key)?;
        let (_, node) = self.left.remove(index);
        (!node.is_null()).then(|| At { node, path: join(&self.path, key) })
    }

    /// Takes the value of a key that has to be there. `hint` shows what to write.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        hint: &str,
        problems: &mut Problems,
    ) -> Option<At<'a>> {
        let found = self.get(key);
        if found.is_none() {
            problems.say(self.place, &self.path, format!("`{key}` is missing; write {hint}"));
        }
        found
    }

    /// Takes a key that only the other dialect has.
    pub(crate) fn foreign(&mut self, key: &'static str, instead: &str, problems: &mut Problems) {
        if let Some(at) = self.get(key) {
            at.refuse(problems, instead);
        }
        self.known.pop();
    }

    /// Refuses what was not asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (key, _) in self.left {
            let path = join(&self.path, &key.text);
            let message =
                format!("this key is not known here; known are {}", self.known.join(", "));
            problems.say(key.place, &path, message);
        }
    }
}

/// A path with one more key; a key that is no plain word is quoted, shortened.
pub(crate) fn join(path: &str, key: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-/".contains(c);
    let key = if !key.is_empty() && key.len() <= 63 && key.chars().all(is_word) {
        key.to_owned()
    } else {
        format!("\"{}\"", excerpt(key))
    };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
