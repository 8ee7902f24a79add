//! A network on disk.
//!
//! ```text
//! DIR/
//!   chainspec.toml        the law, with everybody's money at the start
//!   users/NAME/           keys of funded accounts: faucet, ana, bo
//!   node-0/girrona.toml   one node; node-1, node-2 ... beside it
//!   node-0/keys/          its validator key; observers have none
//!   node-0/data/          what the node itself keeps
//!   node-0/log            what it says
//!   lock                  held while somebody uses the folder
//! ```

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

use casper_types::{PublicKey, TimeDiff, Timestamp, U512};
use girrona_node::NodeConfig;
use girrona_types::{
    Chainspec,
    chainspec::{GenesisAccount, GenesisValidator, MOTES_PER_GIRRO},
    config,
};

use crate::{
    config_text,
    error::Error,
    key_folder::{Algorithm, KeyFolder},
    ports::{NodePorts, Ports},
};

const CHAINSPEC: &str = "chainspec.toml";
const USERS: &str = "users";
const NODE: &str = "node-";
const LOCK: &str = "lock";

/// What network to lay out.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Nodes that vote.
    pub validators: usize,
    /// Nodes that only follow.
    pub observers: usize,
    /// Which ports they listen on.
    pub ports: Ports,
    /// The rules; genesis time and accounts are filled in.
    pub law: Chainspec,
    /// Funded accounts: name and GIRRO.
    pub users: Vec<(String, u64)>,
    /// Stakes of the validators in GIRRO; the last one counts for all further validators.
    pub stakes: Vec<u64>,
    /// Whether nodes look for more nodes than those of the layout.
    pub discovery: bool,
}

impl Default for Spec {
    fn default() -> Self {
        let user = |name: &str, girro| (name.to_owned(), girro);
        Self {
            validators: 4,
            observers: 0,
            ports: Ports::Default,
            law: Chainspec::default(),
            users: vec![user("faucet", 1_000_000_000), user("ana", 100_000), user("bo", 100_000)],
            stakes: vec![1_000_000],
            discovery: true,
        }
    }
}

impl Spec {
    /// Sets the time between blocks.
    #[must_use]
    pub fn with_block_time(mut self, block_time: TimeDiff) -> Self {
        self.law.core.minimum_block_time = block_time;
        self
    }
}

/// A network on disk. Nobody else uses the folder while this value lives.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
    /// The rules of the network.
    pub law: Chainspec,
    /// Validators first, then observers.
    pub nodes: Vec<NodePlace>,
    /// Funded accounts, sorted by name.
    pub users: Vec<User>,
    // Holds the lock until dropped.
    _lock: File,
}

/// One node's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodePlace {
    /// Such as `node-0`.
    pub name: String,
    folder: PathBuf,
}

/// A funded account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Such as `ana`.
    pub name: String,
    /// Its key.
    pub keys: KeyFolder,
}

impl NodePlace {
    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.join("girrona.toml")
    }

    /// Its log file.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// Its configuration, with relative paths made relative to its folder.
    ///
    /// # Errors
    /// When the file is absent or wrong.
    pub fn config(&self) -> Result<NodeConfig, Error> {
        Ok(self.raw_config()?.rooted_at(&self.folder))
    }

    /// Changes its configuration file; takes effect at the next start.
    ///
    /// # Errors
    /// When the file is absent or wrong, or cannot be written.
    pub fn change_config(&self, change: impl FnOnce(&mut NodeConfig)) -> Result<(), Error> {
        let mut config = self.raw_config()?;
        change(&mut config);
        self.write_config(&config)
    }

    /// The configuration as the file has it.
    fn raw_config(&self) -> Result<NodeConfig, Error> {
        let path = self.config_path();
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        config::parse(&text).map_err(|problems| Error::Config { path, problems })
    }

    /// Writes the configuration.
    fn write_config(&self, config: &NodeConfig) -> Result<(), Error> {
        let path = self.config_path();
        fs::write(&path, config_text::node_config(config)).map_err(Error::file("write", path))
    }
}

impl Layout {
    /// Lays out a new network.
    ///
    /// # Errors
    /// When the folder has one already, a port is taken, or the rules contradict themselves.
    pub fn create(root: impl Into<PathBuf>, spec: &Spec) -> Result<Self, Error> {
        let root = root.into();
        if spec.validators == 0 {
            return Err(Error::Spec("a network needs at least one validator".to_owned()));
        }
        let ports = spec.ports.pick(spec.validators + spec.observers)?;
        fs::create_dir_all(&root).map_err(Error::file("create", &root))?;
        // Names in configuration files must not depend on where somebody starts a node.
        let root = fs::canonicalize(&root).map_err(Error::file("find", &root))?;
        let lock = lock(&root)?;
        if root.join(CHAINSPEC).exists() {
            return Err(Error::Exists(root));
        }
        let mut accounts = Vec::new();
        let mut users = Vec::new();
        for (name, girro) in &spec.users {
            let keys = KeyFolder::generate(root.join(USERS).join(name), Algorithm::Ed25519)?;
            accounts.push((name.clone(), account(keys.public_key()?, *girro, None)));
            users.push(User { name: name.clone(), keys });
        }
        users.sort_by(|a, b| a.name.cmp(&b.name));
        let mut nodes = Vec::new();
        for index in 0..ports.len() {
            let name = format!("{NODE}{index}");
            let place = NodePlace { folder: root.join(&name), name };
            fs::create_dir_all(&place.folder).map_err(Error::file("create", &place.folder))?;
            if index < spec.validators {
                let keys = KeyFolder::generate(place.folder.join("keys"), Algorithm::Ed25519)?;
                let listed = spec.stakes.get(index).or_else(|| spec.stakes.last());
                let stake = listed.copied().unwrap_or(1);
                let genesis = account(keys.public_key()?, 1_000, Some(stake));
                accounts.push((place.name.clone(), genesis));
            }
            place.write_config(&node_config(spec, &ports, index))?;
            nodes.push(place);
        }
        let mut law = spec.law.clone();
        law.protocol.activation_point = Timestamp::now();
        law.accounts = accounts.iter().map(|(_, account)| account.clone()).collect();
        let text = config_text::chainspec(&law, &accounts);
        let path = root.join(CHAINSPEC);
        // Written last: a folder with a chainspec is a whole layout.
        config::parse::<Chainspec>(&text)
            .map_err(|problems| Error::Config { path: path.clone(), problems })?;
        fs::write(&path, text).map_err(Error::file("write", &path))?;
        Ok(Self { root, law, nodes, users, _lock: lock })
    }

    /// Opens the network in a folder.
    ///
    /// # Errors
    /// When there is none, it is in use, or a file is wrong.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        if !root.join(CHAINSPEC).exists() {
            return Err(Error::Missing(root));
        }
        let root = fs::canonicalize(&root).map_err(Error::file("find", &root))?;
        let lock = lock(&root)?;
        let path = root.join(CHAINSPEC);
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let law = config::parse(&text).map_err(|problems| Error::Config { path, problems })?;
        let mut nodes = Vec::new();
        loop {
            let name = format!("{NODE}{}", nodes.len());
            let place = NodePlace { folder: root.join(&name), name };
            if !place.config_path().exists() {
                break;
            }
            nodes.push(place);
        }
        let mut users = Vec::new();
        for name in names_in(&root.join(USERS))? {
            let keys = KeyFolder::open(root.join(USERS).join(&name));
            users.push(User { name, keys });
        }
        Ok(Self { root, law, nodes, users, _lock: lock })
    }

    /// Whether a folder has a network.
    pub fn exists(root: &Path) -> bool {
        root.join(CHAINSPEC).exists()
    }

    /// Deletes the network in a folder, if there is one.
    ///
    /// # Errors
    /// When it is in use, or the folder has something else in it.
    pub fn clean(root: &Path) -> Result<(), Error> {
        if !root.exists() {
            return Ok(());
        }
        let names = names_in(root)?;
        let ours = |name: &str| {
            name == CHAINSPEC || name == USERS || name == LOCK || name.starts_with(NODE)
        };
        if let Some(stranger) = names.iter().find(|name| !ours(name)) {
            return Err(Error::NotOurs { folder: root.to_owned(), stranger: stranger.clone() });
        }
        let _lock = lock(root)?;
        fs::remove_dir_all(root).map_err(Error::file("delete", root))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The file with the rules.
    pub fn chainspec_path(&self) -> PathBuf {
        self.root.join(CHAINSPEC)
    }

    /// How many of the nodes vote.
    ///
    /// # Errors
    /// When a node's configuration cannot be read.
    pub fn validators(&self) -> Result<usize, Error> {
        let mut count = 0;
        for node in &self.nodes {
            count += usize::from(node.config()?.is_validator());
        }
        Ok(count)
    }

    /// A funded account by name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }
}

/// Takes the folder for this process.
fn lock(root: &Path) -> Result<File, Error> {
    let path = root.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(root.to_owned())),
        Err(TryLockError::Error(source)) => Err(Error::File { doing: "lock", path, source }),
    }
}

/// Names of what lies in a folder, sorted; none if there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        let entry = entry.map_err(Error::file("list", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// An account of the genesis block.
fn account(public_key: PublicKey, girro: u64, stake: Option<u64>) -> GenesisAccount {
    let motes = |girro: u64| U512::from(girro) * U512::from(MOTES_PER_GIRRO);
    GenesisAccount {
        public_key,
        balance: motes(girro),
        validator: stake
            .map(|girro| GenesisValidator { bonded_amount: motes(girro), delegation_rate: 10 }),
    }
}

/// The configuration of one node among others on this machine.
fn node_config(spec: &Spec, ports: &[NodePorts], index: usize) -> NodeConfig {
    let chainspec = Path::new("..").join(CHAINSPEC);
    let mut config = NodeConfig { chainspec, ..NodeConfig::default() };
    if index < spec.validators {
        config.keys.validator = Path::new("keys").join("secret_key.pem");
    }
    config.keys.swarm = "swarm.key".into();
    config.swarm.discovery = spec.discovery;
    config.swarm.listen.clear();
    config.swarm.peers.clear();
    for (other, ports) in ports.iter().enumerate() {
        let tcp = format!("/ip4/127.0.0.1/tcp/{}", ports.swarm);
        if other == index {
            config.rpc.address = format!("127.0.0.1:{}", ports.rpc);
            config.speculative.address = format!("127.0.0.1:{}", ports.speculative);
            config.rest.address = format!("127.0.0.1:{}", ports.rest);
            config.events.address = format!("127.0.0.1:{}", ports.events);
            config.swarm.listen.push(tcp);
            config.swarm.listen.push(format!("/ip4/127.0.0.1/udp/{}/quic-v1", ports.swarm));
        } else {
            config.swarm.peers.push(tcp);
        }
    }
    // Whoever develops a web page against this network serves it from somewhere else.
    config.rpc.cors_origin = "*".to_owned();
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> Spec {
        Spec { validators: 2, observers: 1, ports: Ports::Free, ..Spec::default() }
            .with_block_time(TimeDiff::from_millis(500))
    }

    #[test]
    fn what_is_laid_out_is_opened_again_with_the_same_law_keys_and_nodes() {
        let folder = tempfile::tempdir().unwrap();
        let made = Layout::create(folder.path(), &spec()).unwrap();
        let (law, nodes, users) = (made.law.clone(), made.nodes.clone(), made.users.clone());
        drop(made);
        let opened = Layout::open(folder.path()).unwrap();
        assert_eq!(opened.law, law);
        assert_eq!(opened.law.network_id(), law.network_id());
        assert_eq!(opened.law.core.minimum_block_time, TimeDiff::from_millis(500));
        assert_eq!(opened.nodes, nodes);
        assert_eq!(opened.users, users);
        assert_eq!(opened.validators().unwrap(), 2);
        let validators: Vec<_> = law.genesis_validators().map(|(key, _)| key.clone()).collect();
        let keys = opened.nodes[0].config().unwrap().keys;
        let key = crate::key_folder::read_secret_key(&keys.validator).unwrap();
        assert_eq!(validators[0], PublicKey::from(&key));
    }

    #[test]
    fn every_node_knows_all_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path(), &spec()).unwrap();
        for node in &layout.nodes {
            let swarm = node.config().unwrap().swarm;
            assert_eq!(swarm.peers.len(), 2);
            assert!(!swarm.peers.contains(&swarm.listen[0]));
        }
    }

    #[test]
    fn named_users_have_what_the_spec_says() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path(), &spec()).unwrap();
        let ana = layout.user("ana").unwrap().keys.public_key().unwrap();
        let account = layout.law.accounts.iter().find(|a| a.public_key == ana).unwrap();
        assert_eq!(account.balance, U512::from(100_000_000_000_000_u64));
        assert!(layout.user("nobody").is_none());
    }

    #[test]
    fn unequal_stakes_are_given_in_order_and_the_last_counts_for_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let spec =
            Spec { validators: 3, stakes: vec![5, 2], ports: Ports::Free, ..Spec::default() };
        let layout = Layout::create(folder.path(), &spec).unwrap();
        let stakes: Vec<u64> = layout
            .law
            .genesis_validators()
            .map(|(_, motes)| (motes / MOTES_PER_GIRRO).as_u64())
            .collect();
        assert_eq!(stakes, [5, 2, 2]);
    }

    #[test]
    fn a_network_in_use_is_neither_opened_nor_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let held = Layout::create(folder.path(), &spec()).unwrap();
        assert!(matches!(Layout::open(folder.path()), Err(Error::InUse(_))));
        assert!(matches!(Layout::clean(folder.path()), Err(Error::InUse(_))));
        drop(held);
        assert!(matches!(Layout::create(folder.path(), &spec()), Err(Error::Exists(_))));
        Layout::clean(folder.path()).unwrap();
        assert!(!folder.path().exists());
    }

    #[test]
    fn a_folder_with_something_else_in_it_is_not_deleted() {
        let folder = tempfile::tempdir().unwrap();
        drop(Layout::create(folder.path(), &spec()).unwrap());
        fs::write(folder.path().join("thesis.txt"), "years").unwrap();
        let text = Layout::clean(folder.path()).unwrap_err().to_string();
        assert!(text.contains("`thesis.txt`"), "{text}");
        assert!(folder.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_law_that_contradicts_itself_is_refused_with_its_problems() {
        let folder = tempfile::tempdir().unwrap();
        let mut spec = spec();
        spec.law.deploys.max_ttl = TimeDiff::from_millis(1);
        let text = Layout::create(folder.path(), &spec).unwrap_err().to_string();
        assert!(text.contains("`deploys.max_ttl`"), "{text}");
    }

    #[test]
    fn a_network_without_validators_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec { validators: 0, ..spec() };
        let text = Layout::create(folder.path(), &spec).unwrap_err().to_string();
        assert_eq!(text, "a network needs at least one validator");
    }
}
