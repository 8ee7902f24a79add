//! What an assembly may reach outside its sandbox: origins on the web, nothing by default.
//!
//! A publisher grants in the manifest, a node's policy and a request can only narrow that. Names
//! are compared here; that a name does not lead to a private address is checked where it is
//! resolved.

use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The longest rule, in bytes.
pub const ORIGIN_MAX: usize = 512;
/// The most rules of one manifest or request.
pub const ORIGINS_MAX: usize = 32;

/// Web addresses that may be asked: `https://api.example.org/v1/`, `http://*.example.org:8080`.
///
/// A path is a prefix; without one, every path is meant. `*.` before a host means the names below
/// it, not the host itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct Origin {
    is_secure: bool,
    below: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no web address such as https://api.example.org/v1/: {reason}")]
pub struct OriginError {
    text: String,
    reason: &'static str,
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let error = |reason| {
            let text = text.chars().take(80).collect();
            OriginError { text, reason }
        };
        if text.len() > ORIGIN_MAX {
            return Err(error("it is too long"));
        }
        let (is_secure, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(error("it begins with neither https:// nor http://")),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let path_is_plain = path.bytes().all(|byte| byte.is_ascii_graphic())
            && !path.contains(['?', '#', '\\', '%'])
            && !path.split('/').any(|part| part == "." || part == "..");
        if !path_is_plain {
            return Err(error("its path is not plain"));
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port_of(port).ok_or_else(|| error("its port is none"))?),
            None => (authority, if is_secure { 443 } else { 80 }),
        };
        let (below, host) = match host.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, host),
        };
        // Lower case only, so that one origin has one spelling.
        let is_host = !host.is_empty()
            && host.len() <= 253
            && host.split('.').all(|label| {
                !label.is_empty()
                    && label.len() <= 63
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            });
        if !is_host {
            return Err(error("its host is no name in lower case"));
        }
        Ok(Self { is_secure, below, host: host.to_owned(), port, path: path.to_owned() })
    }
}

/// A port in its shortest spelling.
fn port_of(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port != 0 && port.to_string() == text).then_some(port)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_secure, below, host, port, path } = self;
        let scheme = if *is_secure { "https" } else { "http" };
        let below = if *below { "*." } else { "" };
        write!(f, "{scheme}://{below}{host}")?;
        if *port != if *is_secure { 443 } else { 80 } {
            write!(f, ":{port}")?;
        }
        if path != "/" { f.write_str(path) } else { Ok(()) }
    }
}

impl BorshDeserialize for Origin {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let bad = |text: String| std::io::Error::new(std::io::ErrorKind::InvalidData, text);
        let is_secure = bool::deserialize_reader(reader)?;
        let below = bool::deserialize_reader(reader)?;
        let host = String::deserialize_reader(reader)?;
        let port = u16::deserialize_reader(reader)?;
        let path = String::deserialize_reader(reader)?;
        let origin = Self { is_secure, below, host, port, path };
        // Whoever wrote these bytes went through the same door as a text.
        let read: Self = origin.to_string().parse().map_err(|e: OriginError| bad(e.to_string()))?;
        if read == origin {
            Ok(origin)
        } else {
            Err(bad("an origin's parts do not fit".to_owned()))
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Origin {
    /// The port at which `host` may be reached over a bare connection, where no path can be held
    /// to: none if this is about another host, or about a part of this one only.
    pub fn port_of(&self, host: &str) -> Option<u16> {
        let is_below = host.strip_suffix(&self.host).and_then(|rest| rest.strip_suffix('.'));
        let is_meant = if self.below {
            is_below.is_some_and(|rest| !rest.is_empty())
        } else {
            self.host == host
        };
        (is_meant && self.path == "/").then_some(self.port)
    }

    /// Whether everything that `other` allows is allowed by this too.
    pub fn covers(&self, other: &Self) -> bool {
        let host = if self.below {
            let name = other.host.strip_suffix(&self.host).and_then(|rest| rest.strip_suffix('.'));
            // `*.a` covers `*.a` and `*.b.a` and `b.a`, not `a`.
            name.is_some_and(|rest| !rest.is_empty()) || (other.below && other.host == self.host)
        } else {
            !other.below && self.host == other.host
        };
        host && self.is_secure == other.is_secure
            && self.port == other.port
            && covers_path(&self.path, &other.path)
    }
}

/// `/v1` covers `/v1` and `/v1/x`, not `/v10`.
fn covers_path(prefix: &str, path: &str) -> bool {
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

/// What may be reached.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Web addresses that may be asked. Empty: no network at all, and so the same result on every
    /// node.
    pub network: Vec<Origin>,
}

impl Permissions {
    /// Whether a request to this address is allowed.
    pub fn allows(&self, url: &Origin) -> bool {
        self.network.iter().any(|origin| origin.covers(url))
    }

    /// What both allow: of every pair, the narrower where one covers the other.
    #[must_use]
    pub fn narrowed_by(&self, other: &Self) -> Self {
        let mut network: Vec<Origin> = Vec::new();
        for ours in &self.network {
            for theirs in &other.network {
                let narrow = if ours.covers(theirs) {
                    theirs
                } else if theirs.covers(ours) {
                    ours
                } else {
                    continue;
                };
                if !network.contains(narrow) {
                    network.push(narrow.clone());
                }
            }
        }
        network.sort();
        Self { network }
    }

    /// Whether a run depends on nothing but its inputs, so that honest nodes get the same result.
    pub fn is_deterministic(&self) -> bool {
        self.network.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        text.parse().unwrap()
    }

    #[test]
    fn an_origin_covers_its_names_and_paths_and_nothing_beside_them() {
        let covers = |a: &str, b: &str| origin(a).covers(&origin(b));
        assert!(covers("https://a.org", "https://a.org/v1/x"));
        assert!(covers("https://a.org/v1", "https://a.org/v1/x"));
        assert!(covers("https://a.org/v1", "https://a.org/v1"));
        assert!(covers("https://*.a.org", "https://b.a.org"));
        assert!(covers("https://*.a.org", "https://*.c.b.a.org"));
        assert!(covers("https://*.a.org", "https://*.a.org"));
        for (a, b) in [
            ("https://a.org", "http://a.org"),
            ("https://a.org", "https://a.org:8443"),
            ("https://a.org", "https://a.org.evil.example"),
            ("https://a.org", "https://b.a.org"),
            ("https://a.org", "https://*.a.org"),
            ("https://*.a.org", "https://a.org"),
            ("https://*.a.org", "https://evila.org"),
            ("https://a.org/v1", "https://a.org/v10"),
            ("https://a.org/v1/", "https://a.org/v1"),
        ] {
            assert!(!covers(a, b), "{a} {b}");
        }
    }

    #[test]
    fn a_bare_connection_needs_the_whole_origin() {
        let port = |a: &str, host: &str| origin(a).port_of(host);
        assert_eq!(port("https://a.org", "a.org"), Some(443));
        assert_eq!(port("http://*.a.org:81", "c.b.a.org"), Some(81));
        assert_eq!(port("http://*.a.org", "a.org"), None);
        assert_eq!(port("http://*.a.org", "evila.org"), None);
        assert_eq!(port("http://*.a.org", ".a.org"), None);
        assert_eq!(port("http://a.org", "b.a.org"), None);
        assert_eq!(port("http://a.org/v1", "a.org"), None);
    }

    #[test]
    fn one_origin_has_one_spelling() {
        for text in ["https://a.org", "http://*.a.org:8080/v1/", "https://a-b.c/x"] {
            assert_eq!(origin(text).to_string(), text);
        }
        assert_eq!(origin("https://a.org:443/").to_string(), "https://a.org");
        for bad in [
            "",
            "a.org",
            "ftp://a.org",
            "https://",
            "https://A.org",
            "https://a..org",
            "https://a.org:0",
            "https://a.org:08",
            "https://a.org:65536",
            "https://u@a.org",
            "https://a.org/../x",
            "https://a.org/?q",
            "https://a.org/%2e%2e",
            "https://*",
            "https://*.*.org",
            "https://[::1]",
            "https://-a.org",
            "file:///etc",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_narrows_and_never_widens() {
        let of =
            |texts: &[&str]| Permissions { network: texts.iter().map(|t| origin(t)).collect() };
        let manifest = of(&["https://*.a.org", "https://b.org/v1"]);
        let request = of(&["https://x.a.org", "https://b.org", "https://c.org"]);
        let both = manifest.narrowed_by(&request);
        assert_eq!(both, of(&["https://b.org/v1", "https://x.a.org"]));
        assert_eq!(both, request.narrowed_by(&manifest));
        assert!(
            both.allows(&origin("https://b.org/v1/x")) && !both.allows(&origin("https://b.org"))
        );
        assert!(manifest.narrowed_by(&Permissions::default()).is_deterministic());
    }
}
