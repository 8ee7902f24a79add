//! What a service runs: an assembly by its content, or a container image by its reference.

use std::{fmt, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use girrona_assembly::Cid;
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::problem::excerpt;

/// How an assembly is written.
const SCHEME: &str = "ipfs://";
/// The longest reference, in bytes.
const REFERENCE_MAX: usize = 512;
/// The longest name in a reference, registry included.
const NAME_MAX: usize = 255;

/// What a service runs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Image {
    /// An assembly, by the root of its content.
    Assembly(Cid),
    /// A container image, as it was written: `nginx:1.27`, `ghcr.io/ana/web@sha256:…`.
    Container(String),
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// Not a CID that assemblies use.
    #[error("`{0}` names no assembly: {1}; write `ipfs://` and the root that publishing printed")]
    Assembly(String, String),
    /// Another scheme.
    #[error("`{0}` is neither `ipfs://ROOT` nor a container image such as `nginx:1.27`")]
    Scheme(String),
    /// Not a container reference.
    #[error("`{0}` is no container image: {1}")]
    Container(String, &'static str),
}

impl Image {
    /// Whether it is an assembly.
    pub const fn is_assembly(&self) -> bool {
        matches!(self, Self::Assembly(_))
    }
}

impl FromStr for Image {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        if let Some(root) = text.strip_prefix(SCHEME) {
            let cid = root.parse();
            let cid = cid.map_err(|error: girrona_assembly::content::cid::CidError| {
                ImageError::Assembly(excerpt(text), error.to_string())
            })?;
            return Ok(Self::Assembly(cid));
        }
        if text.contains("://") {
            return Err(ImageError::Scheme(excerpt(text)));
        }
        match reference_fault(text) {
            Some(reason) => Err(ImageError::Container(excerpt(text), reason)),
            None => Ok(Self::Container(text.to_owned())),
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assembly(root) => write!(f, "{SCHEME}{root}"),
            Self::Container(reference) => f.write_str(reference),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({self})")
    }
}

impl Serialize for Image {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is wrong with a reference `[registry[:port]/]name[:tag][@sha256:digest]`.
fn reference_fault(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > REFERENCE_MAX {
        return Some("it is empty or longer than 512 bytes");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("after `@` comes `sha256:` and 64 small hex digits");
    }
    // A colon before the last slash belongs to a port.
    let last = rest.rfind('/').map_or(0, |at| at.saturating_add(1));
    let (name, tag) = match rest.get(last..).and_then(|word| word.find(':')) {
        Some(at) => rest.split_at_checked(last.saturating_add(at))?,
        None => (rest, ""),
    };
    if tag.strip_prefix(':').is_some_and(|tag| !is_tag(tag)) {
        return Some("after `:` comes a tag of up to 128 letters, digits, `_`, `.` and `-`");
    }
    if name.is_empty() || name.len() > NAME_MAX {
        return Some("its name is empty or longer than 255 bytes");
    }
    let path = match name.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => {
            if !is_registry(first) {
                return Some("its registry is no host name with an optional port");
            }
            path
        }
        _ => name,
    };
    if path.split('/').all(is_component) {
        None
    } else {
        Some("its name has small letters and digits, with `.`, `_`, `__` or `-` between them")
    }
}

fn is_digest(text: &str) -> bool {
    let small = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(small))
}

fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 128
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "443"));
    let port_is_good = !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port != 0);
    let label = |label: &str| {
        let edge = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(edge)
            && label.ends_with(edge)
            && label.chars().all(|c| edge(c) || c == '-')
    };
    port_is_good && host.split('.').all(label)
}

/// Small letters and digits; between them `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut separators = text.split(is_word).filter(|part| !part.is_empty());
    text.starts_with(is_word)
        && text.ends_with(is_word)
        && separators.all(|part| matches!(part, "." | "_" | "__") || part.chars().all(|c| c == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use girrona_assembly::content::Codec;

    #[test]
    fn references_that_registries_take() {
        let digest = "a".repeat(64);
        for text in [
            "nginx",
            "nginx:1.27-alpine",
            "library/nginx",
            "ghcr.io/ana/web_app:v1.0",
            "localhost/hello:1",
            "registry.example:5000/a/b--c__d.e:T_1",
            "127.0.0.1:5000/a",
            &format!("nginx@sha256:{digest}"),
            &format!("ghcr.io/a/b:1@sha256:{digest}"),
        ] {
            let image: Image = text.parse().unwrap();
            assert_eq!(image, Image::Container(text.to_owned()));
            assert_eq!(image.to_string(), *text);
        }
    }

    #[test]
    fn references_that_no_registry_takes() {
        for text in [
            "",
            "Nginx",
            "nginx:",
            "nginx:-a",
            "nginx@sha256:12",
            "a//b",
            "/a",
            "a/",
            "a b",
            "a..b",
            "a___b",
            "-a",
            "a:b:c",
            "exa_mple.com:5000/a",
            "host.example:0/a",
            "host.example:+1/a",
            "a:5000x/b",
            "nginx@",
            "ünicode",
        ] {
            let error = text.parse::<Image>().unwrap_err();
            assert!(matches!(error, ImageError::Container(..)), "{text}: {error}");
        }
        let error = "docker://nginx".parse::<Image>().unwrap_err();
        assert_eq!(error, ImageError::Scheme("docker://nginx".to_owned()));
    }

    #[test]
    fn an_assembly_is_named_by_its_root() {
        let root = Cid::of(Codec::DagPb, b"assembly");
        let image: Image = format!("ipfs://{root}").parse().unwrap();
        assert_eq!(image, Image::Assembly(root));
        assert_eq!(image.to_string(), format!("ipfs://{root}"));
        let error = "ipfs://QmNope".parse::<Image>().unwrap_err().to_string();
        assert_eq!(
            error,
            "`ipfs://QmNope` names no assembly: a CID is written in base32 with a `b` before it; \
             write `ipfs://` and the root that publishing printed"
        );
    }
}
