//! How fast the content store writes and reads blocks of 1 MiB, hashing each.
//!
//! Prints one line for each; the disk's cache is warm, as it is right after a fetch.

use std::{collections::BTreeSet, error::Error, time::Instant};

use girrona_assembly::content::{Cid, Codec};
use girrona_store::content::{ContentStore, Reservation};
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

/// How many blocks.
const BLOCKS: u32 = 256;
const MIB: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let store = ContentStore::open(dir.path(), 10 << 30)?;
    let mut rng = StdRng::seed_from_u64(1);
    let mut blocks = Vec::new();
    for _ in 0..BLOCKS {
        let mut block = vec![0; MIB];
        rng.fill_bytes(&mut block);
        blocks.push((Cid::of(Codec::Raw, &block), block));
    }
    let root = blocks.first().ok_or("no blocks")?.0;
    let reservation = Reservation { root, size: 1 << 30, blocks: 300, score: 1, note: Vec::new() };
    store.reserve(reservation, &BTreeSet::new(), 0)?;

    let start = Instant::now();
    for (cid, block) in &blocks {
        store.put(cid, block)?;
    }
    say("into the store", start);
    let start = Instant::now();
    for (cid, _) in &blocks {
        store.get(cid)?.ok_or("a block is gone")?;
    }
    say("out of it", start);
    Ok(())
}

fn say(what: &str, start: Instant) {
    println!("{:.0} MiB a second {what}", f64::from(BLOCKS) / start.elapsed().as_secs_f64());
}
