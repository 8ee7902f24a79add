//! Content to and from a node, and what is said about it.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use casper_types::SecretKey;
use futures::{StreamExt, stream};
use girrona_api::methods::assembly::{AssemblyPublish, AssemblyWithdraw, EnvelopeParams};
use girrona_assembly::{
    Cid, Manifest, Permissions,
    content::car::{CarReader, Item},
    manifest::{self, Entry, import::blockless as import_manifest},
    message::{
        Announcement, Content, Needs, Payload, Runtime, Update, Withdrawal, payload::Limits,
    },
};
use girrona_store::content::{Packed, pack, write_car};
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    Node,
    args::{ExportArgs, ImportArgs, PublishArgs, WithdrawArgs},
    token,
};
use crate::{
    ask::explained,
    show::{self, BOLD, Bar, DIM, GOOD, say, styled},
    wallet::secret_key,
};

/// How much of a file is sent at a time.
const PIECE: usize = 256 * 1024;
/// Files of one folder that are put where they are not on disk.
type Extra = Vec<(String, Vec<u8>)>;

/// What was announced.
pub(crate) struct Announced {
    pub(crate) content: Content,
    name: String,
    version: String,
    /// The message's id.
    message: String,
}

/// `girrona assembly publish`
pub(super) async fn publish(arguments: PublishArgs) -> Result<ExitCode> {
    let key = secret_key(&arguments.key)?;
    let node = Node::ask(&arguments.at.node).await?;
    let Announced { content, name, version, message } = announce(&node, &key, &arguments).await?;
    if arguments.at.json {
        show::json(&json!({
            "root": content.root, "message": message, "size": content.size,
            "blocks": content.blocks, "name": name, "version": version,
        }))?;
    } else {
        say!("{} {} {}", styled(GOOD, "announced"), styled(BOLD, name), version);
        say!("{} {}", styled(BOLD, "root   "), content.root);
        say!("{} {} bytes in {} blocks", styled(BOLD, "content"), content.size, content.blocks);
        let root = content.root;
        show::note(&format!("who caches it and why: girrona assembly show {root}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads what is announced, signs, and brings the node what it lacks.
///
/// # Errors
/// When it cannot be read, or the node does not take it.
pub(crate) async fn announce(
    node: &Node,
    key: &SecretKey,
    arguments: &PublishArgs,
) -> Result<Announced> {
    let (manifest, extra) = manifest_of(arguments)?;
    let path = arguments.path.clone();
    let files = extra.clone();
    let bar = Bar::start("reading", total_of(&path)?);
    let reading = bar.clone();
    let packed: Packed =
        tokio::task::spawn_blocking(move || pack(&path, &files, &mut |bytes| reading.add(bytes)))
            .await
            .context("read the files")??;
    bar.end();
    let built = packed.built;
    let content = Content { root: built.cid, size: built.size, blocks: built.blocks };
    let announcement = announcement(&manifest, content, arguments, node)?;
    let payload = match &arguments.replaces {
        Some(old) => Payload::Update(Update { replaces: node.root(old).await?, announcement }),
        None => Payload::Announce(announcement),
    };
    let envelope = node.sign(key, payload, arguments.ttl.millis())?;
    let params = EnvelopeParams { envelope };
    let answer = node.client.call::<AssemblyPublish>(&params).await.map_err(explained)?;
    if !answer.is_announced {
        let bar = Bar::start("sending", packed.car_bytes);
        send(node, &arguments.path, extra, built.cid, &bar).await?;
        bar.end();
    }
    let Manifest { name, version, .. } = manifest;
    Ok(Announced { content, name, version, message: answer.message })
}

/// Bytes below a path, for the bar.
fn total_of(path: &Path) -> Result<u64> {
    let data = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    if data.is_file() {
        return Ok(data.len());
    }
    let mut total = 0_u64;
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let entry = entry?;
            let data = entry.metadata()?;
            if data.is_dir() {
                open.push(entry.path());
            } else {
                total = total.saturating_add(data.len());
            }
        }
    }
    Ok(total)
}

/// The manifest in a folder, ours or the incumbent's, or one that is made for a single Wasm file.
fn manifest_of(arguments: &PublishArgs) -> Result<(Manifest, Extra)> {
    let path = &arguments.path;
    if path.is_dir() {
        let file = path.join(manifest::FILE);
        let bytes = fs::read(&file)
            .with_context(|| format!("read {}; it says what the assembly is", file.display()))?;
        return match Manifest::read(&bytes) {
            Ok(manifest) => Ok((manifest, Vec::new())),
            Err(error) => match import_manifest(&bytes) {
                Ok(imported) => {
                    for left_out in &imported.left_out {
                        show::note(&format!("not taken over from the manifest: {left_out}"));
                    }
                    let text = imported.manifest.to_json().into_bytes();
                    Ok((imported.manifest, vec![(manifest::FILE.to_owned(), text)]))
                }
                Err(_) => Err(error).with_context(|| format!("understand {}", file.display())),
            },
        };
    }
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let file = path.file_name().and_then(|name| name.to_str()).context("the file has no name")?;
    let stem = path.file_stem().and_then(|name| name.to_str()).unwrap_or(file);
    let runtime = match bytes.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Runtime::WasiModule,
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Runtime::WasiComponent,
        _ => bail!("{} is no WebAssembly, and no folder with a {}", path.display(), manifest::FILE),
    };
    let manifest = Manifest {
        name: arguments.name.clone().unwrap_or_else(|| stem.to_owned()),
        version: arguments.version_name.clone(),
        description: String::new(),
        runtime,
        entries: vec![Entry {
            name: "main".to_owned(),
            file: file.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
        }],
        permissions: Permissions::default(),
        limits: Limits::default(),
        needs: Needs::default(),
        tags: Vec::new(),
    };
    manifest.check()?;
    let text = manifest.to_json().into_bytes();
    Ok((manifest, vec![(manifest::FILE.to_owned(), text)]))
}

fn announcement(
    manifest: &Manifest,
    content: Content,
    arguments: &PublishArgs,
    node: &Node,
) -> Result<Announcement> {
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words.dedup();
        words
    };
    let mut announcement = manifest.announce(content);
    announcement.tags = sorted(manifest.tags.iter().chain(&arguments.tags).cloned().collect());
    announcement.groups = sorted(arguments.groups.clone());
    announcement.replication = arguments.replication;
    announcement.publishers = node.said.addresses.clone();
    Ok(announcement)
}

/// Sends files as a CAR file, made on the way.
async fn send(node: &Node, path: &Path, extra: Extra, root: Cid, bar: &Bar) -> Result<()> {
    let (pieces, taken) = mpsc::channel::<io::Result<Vec<u8>>>(4);
    let path = path.to_owned();
    let sending = bar.clone();
    let writer = tokio::task::spawn_blocking(move || {
        let mut out = Pieces { out: pieces, held: Vec::new(), bar: sending };
        write_car(&path, &extra, root, &mut out)
    });
    let sent = node.client.upload(&root.to_string(), None, as_stream(taken)).await;
    // What stopped the writer says more than that the file broke off.
    match writer.await.context("read the files")? {
        Err(error) if sent.is_ok() => return Err(error.into()),
        _ => {}
    }
    sent.map_err(explained)
}

fn as_stream(
    taken: mpsc::Receiver<io::Result<Vec<u8>>>,
) -> impl futures::Stream<Item = io::Result<Vec<u8>>> + Send + 'static {
    stream::unfold(taken, |mut taken| async move { Some((taken.recv().await?, taken)) })
}

/// A writer into a channel.
struct Pieces {
    out: mpsc::Sender<io::Result<Vec<u8>>>,
    held: Vec<u8>,
    bar: Bar,
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.held);
        self.bar.add(piece.len() as u64);
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the node took no more");
        self.out.blocking_send(Ok(piece)).map_err(gone)
    }
}

/// `girrona assembly withdraw`
pub(super) async fn withdraw(arguments: WithdrawArgs) -> Result<ExitCode> {
    let key = secret_key(&arguments.key)?;
    let node = Node::ask(&arguments.at.node).await?;
    let root = node.root(&arguments.root).await?;
    let payload = Payload::Withdraw(Withdrawal { root, reason: arguments.reason });
    let envelope = node.sign(&key, payload, u64::MAX)?;
    let params = EnvelopeParams { envelope };
    let answer = node.client.call::<AssemblyWithdraw>(&params).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&answer)?;
    } else {
        say!("{} {root}", styled(GOOD, "withdrawn"));
    }
    Ok(ExitCode::SUCCESS)
}

/// `girrona assembly export`
pub(super) async fn export(arguments: ExportArgs) -> Result<ExitCode> {
    let node = Node::ask(&arguments.at.node).await?;
    let root = node.root(&arguments.root).await?;
    let mut pieces = Box::pin(node.client.download(&root.to_string()).await.map_err(explained)?);
    let path = &arguments.file;
    let failed = || format!("write {}", path.display());
    let beside = path.with_extension("part");
    let mut file = File::create(&beside).with_context(failed)?;
    // What comes is checked like anything else from a stranger.
    let mut reader = CarReader::new();
    let bar = Bar::start("receiving", 0);
    let (mut blocks, mut is_root) = (0_u64, false);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(explained)?;
        reader.push(&piece);
        while let Some(item) = reader.read().context("understand what the node sends")? {
            match item {
                Item::Roots(roots) => is_root = roots == [root],
                Item::Block(_) => blocks += 1,
            }
        }
        file.write_all(&piece).with_context(failed)?;
        bar.add(piece.len() as u64);
    }
    bar.end();
    reader.finish().context("understand what the node sends")?;
    if !is_root {
        bail!("the node sent something else than {root}");
    }
    file.sync_all().with_context(failed)?;
    fs::rename(&beside, path).with_context(failed)?;
    if arguments.at.json {
        show::json(&json!({ "root": root, "blocks": blocks, "file": path }))?;
    } else {
        say!(
            "{} {} {}",
            styled(GOOD, "wrote"),
            path.display(),
            styled(DIM, format!("{blocks} blocks"))
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// `girrona assembly import`
pub(super) async fn import(arguments: ImportArgs) -> Result<ExitCode> {
    let token = token(arguments.token.as_deref())?;
    let node = Node::ask(&arguments.at.node).await?;
    let path = arguments.file.clone();
    let root = root_in(&path)?;
    let length = fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?.len();
    let bar = Bar::start("sending", length);
    let (pieces, taken) = mpsc::channel(4);
    let sending = bar.clone();
    let from = path.clone();
    tokio::task::spawn_blocking(move || {
        let mut file = match File::open(&from) {
            Ok(file) => file,
            Err(error) => return drop(pieces.blocking_send(Err(error))),
        };
        loop {
            let mut piece = vec![0; PIECE];
            let piece = match file.read(&mut piece) {
                Ok(0) => return,
                Ok(length) => {
                    piece.truncate(length);
                    sending.add(length as u64);
                    Ok(piece)
                }
                Err(error) => Err(error),
            };
            if pieces.blocking_send(piece).is_err() {
                return;
            }
        }
    });
    let sent = node.client.upload(&root.to_string(), Some(&token), as_stream(taken)).await;
    sent.map_err(explained)?;
    bar.end();
    if arguments.at.json {
        show::json(&json!({ "root": root, "bytes": length }))?;
    } else {
        say!("{} {root}", styled(GOOD, "imported"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The one root that a CAR file is about.
fn root_in(path: &Path) -> Result<Cid> {
    let mut file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut reader = CarReader::new();
    let mut piece = vec![0; 4_096];
    loop {
        let length = file.read(&mut piece).with_context(|| format!("read {}", path.display()))?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else {
            bail!("{} is no CAR file", path.display());
        };
        reader.push(read);
        let item = reader.read().with_context(|| format!("understand {}", path.display()))?;
        match item {
            Some(Item::Roots(roots)) => match roots.as_slice() {
                [root] => return Ok(*root),
                other => bail!("{} has {} roots, it should have one", path.display(), other.len()),
            },
            Some(Item::Block(_)) => bail!("{} has a block before its roots", path.display()),
            None => {}
        }
    }
}
