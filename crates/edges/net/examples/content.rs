//! Measures how fast content comes from one and from three providers, and what it costs when one
//! of four is killed, one sends wrong bytes and one stalls, midway or from the first want. Each provider is a process of its own,
//! on loopback, with the blocks in memory.
//!
//! `cargo run --release -p girrona-net --example content -- [MIB] [ROUNDS] [TRANSPORT] [faults]`,
//! TRANSPORT being `tcp` or `quic`; with `faults` only the last comparison. Prints lines for
//! `docs/benchmarks.md`.

use std::{
    collections::HashMap,
    env, io,
    io::BufRead as _,
    process::{Child, Command, Stdio},
    sync::{
        Arc, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use girrona_assembly::content::{Block, FileBuilder, Shape};
use girrona_net::{
    Blocks, Cid, Config, Content, Fetch, Fetched, Identity, Multiaddr, Net, Provider, PutError,
};
use libp2p::multiaddr::Protocol;
use prometheus_client::registry::Registry;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Its bytes are others than asked for.
    Wrong,
    /// It gives so many blocks and then none for a long time.
    Stalls,
    /// It says that it has everything and gives nothing.
    Silent,
}

#[derive(Debug)]
struct Shelf {
    blocks: RwLock<HashMap<Cid, Bytes>>,
    manner: Manner,
    given: AtomicUsize,
}

impl Shelf {
    fn new(manner: Manner) -> Self {
        Self { blocks: RwLock::default(), manner, given: AtomicUsize::new(0) }
    }

    fn find(&self, cid: &Cid) -> Option<Bytes> {
        self.blocks.read().ok()?.get(cid).cloned()
    }
}

impl Blocks for Shelf {
    fn get(&self, cid: &Cid) -> io::Result<Option<Bytes>> {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let is_silent = match self.manner {
            Manner::Honest | Manner::Wrong => false,
            Manner::Stalls => given > 20,
            Manner::Silent => true,
        };
        if is_silent {
            std::thread::sleep(Duration::from_secs(30));
        }
        let block = self.find(cid);
        if self.manner == Manner::Wrong {
            return Ok(block.map(|block| block.iter().map(|byte| byte ^ 1).collect()));
        }
        Ok(block)
    }

    fn has(&self, cid: &Cid) -> bool {
        self.find(cid).is_some()
    }

    fn size(&self, cid: &Cid) -> Option<u32> {
        self.find(cid).and_then(|block| u32::try_from(block.len()).ok())
    }

    fn put(&self, cid: &Cid, block: Bytes) -> Result<(), PutError> {
        self.blocks.write().map_err(|_| PutError::Full)?.insert(*cid, block);
        Ok(())
    }
}

/// A file of this many MiB, in the default shape but with leaves of 256 KiB if `small`.
fn fill(shelf: &Shelf, mib: usize) -> Cid {
    let mut put = |Block { cid, bytes }: Block| {
        let _ = shelf.put(&cid, Bytes::from(bytes));
    };
    let mut builder = FileBuilder::new(Shape::HELIA);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..mib {
        let mut piece = vec![0; 1 << 20];
        for word in piece.chunks_mut(8) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            word.copy_from_slice(&seed.to_le_bytes());
        }
        builder.push(&piece, &mut put);
    }
    builder.finish(&mut put).cid
}

fn config(shelf: Arc<Shelf>, listen: &str) -> Result<Config, Failure> {
    Ok(Config {
        listen: vec![listen.parse()?],
        discovery: false,
        content: Content { blocks: shelf, ..Content::default() },
        ..Config::new(Identity::generate(), "measure")
    })
}

async fn provide(mib: usize, manner: Manner, listen: &str) -> Result<(), Failure> {
    let shelf = Arc::new(Shelf::new(manner));
    let root = fill(&shelf, mib);
    let (net, mut events) = Net::start(config(shelf, listen)?, &mut Registry::default()).await?;
    let address = net.listen_addrs().into_iter().next().ok_or("no address")?;
    println!("{root} {}", address.with(Protocol::P2p(net.local_peer())));
    while events.recv().await.is_some() {}
    Ok(())
}

struct Remote {
    process: Child,
    address: Multiaddr,
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(mib: usize, manner: Manner, listen: &str) -> Result<(Cid, Remote), Failure> {
    let mut process = Command::new(env::current_exe()?)
        .args(["provide", &mib.to_string(), &format!("{manner:?}"), listen])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let out = process.stdout.take().ok_or("no output")?;
    io::BufReader::new(out).read_line(&mut line)?;
    let (root, address) = line.trim().split_once(' ').ok_or("no address")?;
    let (root, address) = (root.parse()?, address.parse()?);
    Ok((root, Remote { process, address }))
}

struct Run {
    fetched: Fetched,
    providers: usize,
    /// Peers with a bad score in the end.
    scored: usize,
}

/// One fetch by a new node from these.
async fn run(mib: usize, manners: &[Manner], kill: bool, listen: &str) -> Result<Run, Failure> {
    let mut remotes = Vec::new();
    let mut root = None;
    for manner in manners {
        let (cid, remote) = spawn(mib, *manner, listen)?;
        root = Some(cid);
        remotes.push(remote);
    }
    let shelf = Arc::new(Shelf::new(Manner::Honest));
    let peers: Vec<_> = remotes.iter().map(|remote| remote.address.clone()).collect();
    let config = Config { peers: peers.clone(), ..config(shelf.clone(), listen)? };
    let (net, mut events) = Net::start(config, &mut Registry::default()).await?;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    while net.peers().iter().filter(|peer| peer.member).count() < manners.len() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let providers: Vec<Provider> = peers.into_iter().map(Provider::from).collect();
    let fetch = Fetch::new(root.ok_or("nobody provides")?, providers);
    let mut progress = fetch.progress.subscribe();
    let (watched, others) = (fetch.progress.subscribe(), net.clone());
    let watch = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            eprintln!("slow: {:?}\n{:?}", *watched.borrow(), others.peers());
        }
    });
    let victim = if kill { remotes.pop() } else { None };
    tokio::spawn(async move {
        // Killed when an eighth is there.
        let enough = (mib as u64) << 17;
        let _ = progress.wait_for(|progress| progress.bytes > enough).await;
        drop(victim);
    });
    let fetched = net.fetch(fetch).await?;
    watch.abort();
    // Whoever stalled may be named a moment after the end.
    let bad = manners.iter().filter(|manner| **manner != Manner::Honest).count();
    let scored = || net.peers().iter().filter(|peer| peer.score < -50.0).count();
    for _ in 0..60 {
        if scored() >= bad {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let scored = scored();
    net.stop().await;
    Ok(Run { fetched, providers: manners.len(), scored })
}

/// Who provides, and what is seen of several runs.
struct Scene {
    name: &'static str,
    manners: Vec<Manner>,
    kill: bool,
    speeds: Vec<f64>,
    duplicates: f64,
    offenders: usize,
}

impl Scene {
    fn new(name: &'static str, manners: &[Manner], kill: bool) -> Self {
        let manners = manners.to_vec();
        Self { name, manners, kill, speeds: Vec::new(), duplicates: 0.0, offenders: usize::MAX }
    }

    async fn play(&mut self, mib: usize, listen: &str) -> Result<(), Failure> {
        let run = run(mib, &self.manners, self.kill, listen).await?;
        let Run { fetched, providers, scored } = run;
        let progress = &fetched.progress;
        self.speeds.push(mib as f64 / fetched.elapsed.as_secs_f64());
        let twice = progress.duplicate_bytes as f64 / progress.bytes as f64 * 100.0;
        self.duplicates = self.duplicates.max(twice);
        self.offenders = self.offenders.min(scored);
        let honest = self.manners.iter().all(|manner| *manner == Manner::Honest);
        if progress.by_peer.len() < providers && honest {
            eprintln!("only {} of {providers} gave something", progress.by_peer.len());
        }
        Ok(())
    }

    /// Prints a line; answers the median.
    fn end(mut self) -> f64 {
        self.speeds.sort_by(f64::total_cmp);
        let at = |place: usize| self.speeds.get(place).copied().unwrap_or_default();
        let (least, median) = (at(0), at(self.speeds.len() / 2));
        let most = at(self.speeds.len().saturating_sub(1));
        println!(
            "{:<34} {median:>5.0} MiB/s ({least:.0} to {most:.0}), duplicates at most {:.2} %, \
             scored at least {}",
            self.name, self.duplicates, self.offenders,
        );
        median
    }
}

/// Plays the scenes in turns, so that whatever else the machine does falls on all alike.
async fn measure(
    mut scenes: Vec<Scene>,
    rounds: usize,
    mib: usize,
    listen: &str,
) -> Result<Vec<f64>, Failure> {
    for _ in 0..rounds {
        for scene in &mut scenes {
            scene.play(mib, listen).await?;
        }
    }
    Ok(scenes.into_iter().map(Scene::end).collect())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = env::args().skip(1).collect();
    let number = |place: usize, default: usize| {
        words.get(place).and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    if words.first().is_some_and(|word| word == "provide") {
        let manner = match words.get(2).map(String::as_str) {
            Some("Wrong") => Manner::Wrong,
            Some("Stalls") => Manner::Stalls,
            Some("Silent") => Manner::Silent,
            _ => Manner::Honest,
        };
        return provide(number(1, 64), manner, words.get(3).map_or("", String::as_str)).await;
    }
    let (mib, rounds) = (number(0, 64), number(1, 5));
    let is_quic = words.get(2).is_some_and(|word| word == "quic");
    let listen = if is_quic { "/ip4/127.0.0.1/udp/0/quic-v1" } else { "/ip4/127.0.0.1/tcp/0" };
    let honest = [Manner::Honest; 4];
    println!("{mib} MiB, {rounds} rounds, {listen}");
    if words.get(3).is_none_or(|word| word != "faults") {
        let one = Scene::new("one provider", &honest[..1], false);
        let three = Scene::new("three providers", &honest[..3], false);
        measure(vec![one, three], rounds, mib, listen).await?;
    }
    let with = |bad| [Manner::Honest, Manner::Wrong, bad, Manner::Honest];
    let scenes = vec![
        Scene::new("four providers", &honest, false),
        Scene::new("one killed, one lies, one stalls", &with(Manner::Stalls), true),
        Scene::new("one killed, one lies, one is silent", &with(Manner::Silent), true),
    ];
    let speeds = measure(scenes, rounds, mib, listen).await?;
    if let [whole, hurt @ ..] = &speeds[..] {
        for hurt in hurt {
            println!("that takes {:.2} times as long as with four honest ones", whole / hurt);
        }
    }
    Ok(())
}
