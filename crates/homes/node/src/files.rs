//! The files that a node starts from: configuration, chainspec, keys, data folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use casper_types::SecretKey;
use girrona_chain::SharedScheme;
use girrona_consensus::CasperKeys;
use girrona_types::{Chainspec, config};
use toml::{Table, Value};

use crate::{config::NodeConfig, error::Error};

/// What `girrona node check` tells about a good configuration.
#[derive(Clone, Debug)]
pub struct CheckReport {
    /// The configuration, paths made absolute or relative to the working folder.
    pub config: NodeConfig,
    /// The law.
    pub law: Arc<Chainspec>,
    /// Whether this node has the key of a validator of that law.
    pub validates: bool,
}

/// Reads a node's configuration, its chainspec and its key, and looks whose its data folder is.
///
/// # Errors
/// Everything that would keep the node from starting, as far as it can be seen from files: when
/// one of them is bad, the others are still looked at.
pub fn check(path: &Path) -> Result<CheckReport, Error> {
    let text = read(path)?;
    let folder = path.parent().unwrap_or_else(|| Path::new(""));
    let mut errors = Vec::new();
    let parsed = config::parse::<NodeConfig>(&text);
    // A bad configuration may still name the other files.
    let named = match &parsed {
        Ok(config) => Some(config.clone()),
        Err(_) => files_named_in(&text),
    };
    if let Err(problems) = parsed {
        errors.push(Error::Config { path: path.display().to_string(), problems });
    }
    let named = named.map(|config| config.rooted_at(folder));
    if let Some(config) = named {
        let law = load_law(&config.chainspec).map_err(|error| errors.push(error));
        let scheme = load_scheme(&config).map_err(|error| errors.push(error));
        if let Ok(law) = &law
            && let Err(error) = owner_of_data(&config.data, law)
        {
            errors.push(error);
        }
        if let (Ok(law), Ok(scheme), true) = (law, scheme, errors.is_empty()) {
            let validates = scheme
                .public_key()
                .is_some_and(|key| law.genesis_validators().any(|(other, _)| other == key));
            return Ok(CheckReport { config, law, validates });
        }
    }
    match errors.pop() {
        Some(only) if errors.is_empty() => Err(only),
        last => Err(Error::Several(errors.into_iter().chain(last).collect())),
    }
}

/// The paths in a configuration that is otherwise of no use.
fn files_named_in(text: &str) -> Option<NodeConfig> {
    let table: Table = text.parse().ok()?;
    let path = |value: Option<&Value>, default: PathBuf| {
        value.and_then(Value::as_str).map_or(default, PathBuf::from)
    };
    let mut config = NodeConfig::default();
    let keys = table.get("keys").and_then(Value::as_table);
    config.chainspec = path(table.get("chainspec"), config.chainspec);
    config.data = path(table.get("data"), config.data);
    config.keys.validator =
        path(keys.and_then(|keys| keys.get("validator")), config.keys.validator);
    Some(config)
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        doing: "read",
        path: path.display().to_string(),
        source,
    })
}

pub(crate) fn load_law(path: &Path) -> Result<Arc<Chainspec>, Error> {
    let text = read(path)?;
    config::parse(&text)
        .map(Arc::new)
        .map_err(|problems| Error::Config { path: path.display().to_string(), problems })
}

pub(crate) fn load_scheme(config: &NodeConfig) -> Result<SharedScheme, Error> {
    if !config.is_validator() {
        return Ok(Arc::new(CasperKeys::observer()));
    }
    let path = &config.keys.validator;
    let bad = |reason: String| Error::Key { path: path.display().to_string(), reason };
    let pem = read(path)?;
    let secret = SecretKey::from_pem(pem).map_err(|error| bad(error.to_string()))?;
    let keys = CasperKeys::signer(secret).map_err(|error| bad(error.to_string()))?;
    Ok(Arc::new(keys))
}

/// The file that says whose data a folder holds.
fn owner_file(folder: &Path) -> PathBuf {
    folder.join("network")
}

/// Whether a data folder is already this network's.
fn owner_of_data(folder: &Path, law: &Chainspec) -> Result<bool, Error> {
    let path = owner_file(folder);
    let expected = law.network_id().to_string();
    match fs::read_to_string(&path) {
        Ok(found) if found.trim() == expected => Ok(true),
        Ok(found) => Err(Error::OtherNetwork {
            path: folder.display().to_string(),
            found: found.trim().to_owned(),
            expected,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::File { doing: "read", path: path.display().to_string(), source }),
    }
}

/// Makes sure that the data folder is this network's.
pub(crate) fn claim_data(folder: &Path, law: &Chainspec) -> Result<(), Error> {
    let failed = |doing, path: &Path| {
        let path = path.display().to_string();
        move |source| Error::File { doing, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("make folder", folder))?;
    if !owner_of_data(folder, law)? {
        let path = owner_file(folder);
        fs::write(&path, format!("{}\n", law.network_id())).map_err(failed("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_problems_of_all_files_are_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("girrona.toml");
        let text = "chainspec = \"law.toml\"\nbogus = 1\n[keys]\nvalidator = \"key.pem\"\n";
        fs::write(&config, text).unwrap();
        fs::write(folder.path().join("law.toml"), "[core]\nfoo = 2\n").unwrap();
        fs::write(folder.path().join("key.pem"), "no key").unwrap();
        let told = check(&config).unwrap_err().to_string();
        for problem in
            ["3 things are wrong", "unknown key `bogus`", "unknown key `core.foo`", "key.pem holds"]
        {
            assert!(told.contains(problem), "{problem} is missing in: {told}");
        }
    }

    #[test]
    fn a_single_problem_is_told_as_itself() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("girrona.toml");
        fs::write(&config, "chainspec = \"law.toml\"\n").unwrap();
        let told = check(&config).unwrap_err();
        assert!(matches!(told, Error::File { doing: "read", .. }), "{told}");
    }
}
