//! The manifest: what an assembly is, in a file `manifest.json` at the root of its content.
//!
//! People write it as JSON in any order and spacing; its digest is taken over the canonical bytes
//! of what was read, so that it does not depend on either.

pub mod import;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    content::names::check_name,
    ids::{ManifestDigest, canonical, hash},
    message::payload::{
        Announcement, Content, ENTRIES_MAX, Execution, Limits, Needs, Runtime, WORD_MAX, WORDS_MAX,
    },
    permission::{ORIGINS_MAX, Permissions},
};

/// Where it lies in the content.
pub const FILE: &str = "manifest.json";
/// The longest file, in bytes.
pub const FILE_MAX: usize = 64 * 1024;
/// The most arguments, or variables, that an entry point brings along.
const DEFAULTS_MAX: usize = 64;
/// The longest of them, in bytes.
const DEFAULT_MAX: usize = 4 * 1024;

const DOMAIN: &[u8] = b"girrona/assembly/manifest/1";

/// What an assembly is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What its publisher calls it.
    pub name: String,
    /// Which version of it.
    pub version: String,
    /// What it does, for people.
    #[serde(default)]
    pub description: String,
    /// What runs it.
    pub runtime: Runtime,
    /// What can be run, ordered by name.
    pub entries: Vec<Entry>,
    /// What it may reach. Nodes and requests narrow it.
    #[serde(default)]
    pub permissions: Permissions,
    /// The most that an execution may use. Nodes and requests narrow it.
    #[serde(default)]
    pub limits: Limits,
    /// What a node must have.
    #[serde(default)]
    pub needs: Needs,
    /// Subjects, ordered.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// Something that can be run.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What requests call it.
    pub name: String,
    /// The Wasm file, as a path in the content.
    pub file: String,
    /// Arguments that go before those of a request.
    #[serde(default)]
    pub args: Vec<String>,
    /// Variables that a request may override, ordered by name.
    #[serde(default)]
    pub env: Vec<(String, String)>,
}

/// Why a file is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Longer than it may be.
    #[error("{FILE} has {0} bytes, {FILE_MAX} are the most")]
    Long(usize),
    /// Not JSON, or a field is missing or unknown.
    #[error("{FILE}: {0}")]
    Json(String),
    /// A field has something in it that it cannot have.
    #[error("{FILE}: {field} {reason}")]
    Field {
        /// Which.
        field: String,
        /// What is wrong.
        reason: &'static str,
    },
}

fn ensure(holds: bool, field: &str, reason: &'static str) -> Result<(), ManifestError> {
    if holds { Ok(()) } else { Err(ManifestError::Field { field: field.to_owned(), reason }) }
}

fn word(field: &str, text: &str) -> Result<(), ManifestError> {
    ensure(!text.is_empty(), field, "is empty")?;
    ensure(text.len() <= WORD_MAX, field, "is too long")?;
    ensure(!text.chars().any(char::is_control), field, "has a control character in it")
}

impl Manifest {
    /// Reads a file, brings its lists into order and checks them.
    ///
    /// # Errors
    /// [`ManifestError`] names the field at fault.
    pub fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() > FILE_MAX {
            return Err(ManifestError::Long(bytes.len()));
        }
        let mut manifest: Self = serde_json::from_slice(bytes).map_err(json_error)?;
        manifest.sort();
        manifest.check()?;
        Ok(manifest)
    }

    /// The file, for people.
    pub fn to_json(&self) -> String {
        // Every field has a form in JSON.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The name of what it says.
    pub fn digest(&self) -> ManifestDigest {
        ManifestDigest(hash(DOMAIN, &[&canonical(self)]))
    }

    /// What this request calls, if there is such a thing.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The announcement of this, with content that has its file at the root.
    pub fn announce(&self, content: Content) -> Announcement {
        Announcement {
            name: self.name.clone(),
            version: self.version.clone(),
            runtime: self.runtime,
            entries: self.entries.iter().map(|entry| entry.name.clone()).collect(),
            permissions: self.permissions.clone(),
            manifest: self.digest(),
            content,
            needs: self.needs,
            tags: self.tags.clone(),
            groups: Vec::new(),
            replication: 1,
            publishers: Vec::new(),
        }
    }

    /// Whether an announcement says of this what it says itself. Tags are the publisher's to
    /// change.
    pub fn is_announced_by(&self, announcement: &Announcement) -> bool {
        let Announcement { tags, groups, replication, publishers, .. } = announcement.clone();
        let own = self.announce(announcement.content);
        Announcement { tags, groups, replication, publishers, ..own } == *announcement
    }

    /// What an execution really gets: what the manifest allows, as far as the request asks for it
    /// and the node allows it.
    pub fn grant(
        &self,
        request: &Execution,
        node: &Permissions,
        node_limits: &Limits,
    ) -> (Permissions, Limits) {
        let permissions = self.permissions.narrowed_by(&request.permissions).narrowed_by(node);
        (permissions, self.limits.narrowed_by(&request.limits).narrowed_by(node_limits))
    }

    /// Order in files means nothing; in bytes it does.
    fn sort(&mut self) {
        self.entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in &mut self.entries {
            entry.env.sort();
        }
        self.permissions.network.sort();
        self.permissions.network.dedup();
        self.tags.sort();
        self.tags.dedup();
    }

    /// Checks what every manifest has to keep to.
    ///
    /// # Errors
    /// [`ManifestError::Field`].
    pub fn check(&self) -> Result<(), ManifestError> {
        word("name", &self.name)?;
        word("version", &self.version)?;
        ensure(self.description.len() <= DEFAULT_MAX, "description", "is too long")?;
        let count = self.entries.len();
        ensure((1..=ENTRIES_MAX).contains(&count), "entries", "are none or too many")?;
        let ordered = self.entries.is_sorted_by(|a, b| a.name < b.name);
        ensure(ordered, "entries", "have a name twice or are not in order")?;
        self.entries.iter().try_for_each(Entry::check)?;
        let origins = &self.permissions.network;
        ensure(origins.len() <= ORIGINS_MAX, "permissions", "are too many")?;
        let ordered = origins.is_sorted_by(|a, b| a < b);
        ensure(ordered, "permissions", "have one twice or are not in order")?;
        ensure(self.tags.len() <= WORDS_MAX, "tags", "are too many")?;
        self.tags.iter().try_for_each(|tag| word("tags", tag))?;
        let ordered = self.tags.is_sorted_by(|a, b| a < b);
        ensure(ordered, "tags", "have one twice or are not in order")
    }
}

impl Entry {
    fn check(&self) -> Result<(), ManifestError> {
        let field = |name: &str| format!("entry `{}`: {name}", self.name.escape_debug());
        word("entries", &self.name)?;
        let is_path = !self.file.is_empty()
            && self.file.len() <= 1_024
            && self.file.split('/').all(|name| check_name(name).is_ok());
        ensure(is_path, &field("file"), "is no path inside the assembly")?;
        let few = self.args.len() <= DEFAULTS_MAX && self.env.len() <= DEFAULTS_MAX;
        ensure(few, &field("args or env"), "are too many")?;
        let env = self.env.iter().flat_map(|(name, value)| [name, value]);
        let plain = self
            .args
            .iter()
            .chain(env)
            .all(|text| text.len() <= DEFAULT_MAX && !text.contains('\0'));
        ensure(plain, &field("args or env"), "have a text that is too long or has a NUL in it")?;
        let names = self.env.iter().all(|(name, _)| !name.is_empty() && !name.contains('='));
        ensure(names, &field("env"), "has a name that cannot be one")?;
        let ordered = self.env.is_sorted_by(|(a, _), (b, _)| a < b);
        ensure(ordered, &field("env"), "has a name twice or is not in order")
    }

    /// The variables of an execution: these, and those of the request, which win.
    pub fn env_with(&self, request: &[(String, String)]) -> Vec<(String, String)> {
        let mut all: std::collections::BTreeMap<_, _> = self.env.iter().cloned().collect();
        all.extend(request.iter().cloned());
        all.into_iter().collect()
    }
}

fn json_error(error: serde_json::Error) -> ManifestError {
    ManifestError::Json(error.to_string().chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Cid, Codec};

    const HELLO: &str = r#"{
        "name": "hello", "version": "1.0.0", "runtime": "wasi-module",
        "entries": [
            {"name": "main", "file": "main.wasm", "env": [["B", "2"], ["A", "1"]]},
            {"name": "check", "file": "bin/check.wasm", "args": ["-v"]}
        ],
        "permissions": {"network": ["https://b.org", "https://a.org/v1"]},
        "tags": ["demo", "a", "demo"]
    }"#;

    #[test]
    fn its_digest_does_not_depend_on_order_or_spacing() {
        let manifest = Manifest::read(HELLO.as_bytes()).unwrap();
        let again = Manifest::read(manifest.to_json().as_bytes()).unwrap();
        assert_eq!(manifest, again);
        assert_eq!(manifest.digest(), again.digest());
        assert_eq!(manifest.entry("check").unwrap().file, "bin/check.wasm");
        assert_eq!(manifest.tags, ["a", "demo"]);
        let other = Manifest { version: "1.0.1".to_owned(), ..manifest.clone() };
        assert_ne!(manifest.digest(), other.digest());
        // On the wire and in announcements; a change breaks both.
        assert_eq!(manifest.digest().to_string(), GOLDEN);
    }

    const GOLDEN: &str = "1bf64ef1af1cb46a94386e01466ed3ee6b1b976a36c255afa2c3b1421a9364ad";

    #[test]
    fn a_field_at_fault_is_named() {
        let error = |from: &str, to: &str| {
            let text = HELLO.replacen(from, to, 1);
            assert_ne!(text, HELLO);
            Manifest::read(text.as_bytes()).unwrap_err().to_string()
        };
        for path in ["../main.wasm", "/main.wasm", "a//b", ""] {
            let text = error("main.wasm", path);
            assert_eq!(text, "manifest.json: entry `main`: file is no path inside the assembly");
        }
        assert!(error("\"check\"", "\"main\"").contains("entries have a name twice"));
        assert!(error("\"name\": \"hello\",", "").contains("missing field `name`"));
        assert!(error("\"tags\"", "\"tag\"").contains("unknown field `tag`"));
        assert!(error("https://b.org", "file:///etc").contains("neither https:// nor http://"));
        assert!(error("[\"B\"", "[\"A\"").contains("env has a name twice"));
        let long = vec![b' '; FILE_MAX + 1];
        assert_eq!(Manifest::read(&long), Err(ManifestError::Long(FILE_MAX + 1)));
    }

    #[test]
    fn an_announcement_that_says_something_else_is_found() {
        let manifest = Manifest::read(HELLO.as_bytes()).unwrap();
        let root = Cid::of(Codec::DagPb, b"root");
        let announced = manifest.announce(Content { root, size: 5, blocks: 2 });
        announced.check().unwrap();
        assert!(manifest.is_announced_by(&announced));
        let tagged = Announcement { tags: vec!["new".to_owned()], ..announced.clone() };
        assert!(manifest.is_announced_by(&tagged));
        let other = Announcement { version: "2".to_owned(), ..announced.clone() };
        assert!(!manifest.is_announced_by(&other));
        let wider = Announcement { permissions: Permissions::default(), ..announced };
        assert!(!manifest.is_announced_by(&wider));
    }

    #[test]
    fn a_requests_variables_win() {
        let manifest = Manifest::read(HELLO.as_bytes()).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let env = manifest.entry("main").unwrap().env_with(&[pair("B", "3"), pair("C", "4")]);
        assert_eq!(env, [pair("A", "1"), pair("B", "3"), pair("C", "4")]);
    }
}
