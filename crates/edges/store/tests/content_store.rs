//! The content store on a real disk: what it holds, what it gives up, what it does about damage,
//! and what is left after it was killed.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use girrona_assembly::content::{Cid, Codec, car};
use girrona_store::content::{ContentError, ContentStore, Reservation, RootInfo, pack, write_car};
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;
const NONE: &BTreeSet<Cid> = &BTreeSet::new();

/// A folder with a small file, one of `mib` MiB and one below a folder.
fn files(seed: u64, mib: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut large = vec![0; usize::try_from(mib * MIB).unwrap()];
    rng.fill_bytes(&mut large);
    fs::write(dir.path().join("large"), large).unwrap();
    fs::write(dir.path().join("small"), seed.to_string()).unwrap();
    fs::create_dir_all(dir.path().join("a/b")).unwrap();
    fs::write(dir.path().join("a/b/same"), "in every one of them").unwrap();
    dir
}

fn car_of(path: &Path) -> (Cid, Vec<u8>) {
    let packed = pack(path, &[], &mut |_| {}).unwrap();
    let mut bytes = Vec::new();
    write_car(path, &[], packed.built.cid, &mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, packed.car_bytes);
    (packed.built.cid, bytes)
}

fn import(store: &ContentStore, bytes: &[u8], now_ms: u64) -> Result<RootInfo, ContentError> {
    let mut import = store.import(None, u64::MAX, now_ms);
    for piece in bytes.chunks(100_000) {
        import.push(piece)?;
    }
    import.finish()
}

fn open(dir: &TempDir, quota: u64) -> ContentStore {
    ContentStore::open(dir.path(), quota).unwrap()
}

/// Every block's file.
fn block_files(dir: &Path) -> Vec<PathBuf> {
    let shards = fs::read_dir(dir.join("blocks")).unwrap();
    let of = |shard: PathBuf| fs::read_dir(shard).unwrap().map(|file| file.unwrap().path());
    shards.flat_map(|shard| of(shard.unwrap().path())).collect()
}

fn reservation(root: Cid, size: u64, blocks: u64, score: u64) -> Reservation {
    Reservation { root, size, blocks, score, note: b"note".to_vec() }
}

#[test]
fn what_goes_in_as_a_car_file_comes_out_as_the_same_files_and_the_same_car_file() {
    let (source, dir, other) =
        (files(1, 3), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (root, bytes) = car_of(source.path());
    let store = open(&dir, 100 * MIB);
    let info = import(&store, &bytes, 5).unwrap();
    assert!(info.is_whole && info.root == root);
    assert_eq!(info.size, 3 * MIB + 1 + 20);
    let read = |path: &str| store.read_file(&root, path, 10 * MIB).unwrap();
    assert_eq!(read("large"), fs::read(source.path().join("large")).unwrap());
    assert_eq!(read("a/b/same"), b"in every one of them");
    assert!(matches!(store.read_file(&root, "large", MIB), Err(ContentError::Long { .. })));
    for missing in ["b", "a/b", "large/x", "", "../small"] {
        assert!(matches!(store.read_file(&root, missing, MIB), Err(ContentError::NoFile(_))));
    }
    let out = tempfile::tempdir().unwrap();
    store.unpack(&root, &out.path().join("x")).unwrap();
    assert_eq!(car_of(&out.path().join("x")).0, root);

    let exported: Vec<u8> = store.export(&root).unwrap().flat_map(Result::unwrap).collect();
    assert_eq!(exported.len(), bytes.len());
    assert_eq!(import(&open(&other, 100 * MIB), &exported, 5).unwrap().root, root);
    drop(store);
    let again = open(&dir, 100 * MIB);
    assert!(again.holds(&root));
    assert_eq!(again.root(&root).unwrap(), info);
    assert_eq!(again.usage().held, info.weight);
}

#[test]
fn a_car_file_that_is_broken_leaves_nothing_behind() {
    let (source, dir) = (files(2, 2), tempfile::tempdir().unwrap());
    let (root, bytes) = car_of(source.path());
    let store = open(&dir, 100 * MIB);
    let mut damaged = bytes.clone();
    let at = damaged.len() / 2;
    damaged[at] ^= 1;
    let short = &bytes[..bytes.len() - 10];
    let empty = car::header(&[root]);
    for bad in [damaged.as_slice(), short, &empty, b"no car at all"] {
        import(&store, bad, 0).unwrap_err();
        assert_eq!(store.usage().held + store.usage().reserved, 0);
        assert_eq!(store.roots(), []);
        assert_eq!(block_files(dir.path()), Vec::<PathBuf>::new());
    }
    // What the root does not link to is not kept.
    let mut more = bytes.clone();
    let stowaway = b"somebody else's disk";
    let cid = Cid::of(Codec::Raw, stowaway);
    more.extend(car::section(&cid, stowaway.len()));
    more.extend(stowaway);
    import(&store, &more, 0).unwrap();
    assert!(!store.has(&cid) && store.holds(&root));
    let mut import = store.import(None, MIB, 0);
    let too_long = bytes.chunks(1_000).try_for_each(|piece| import.push(piece));
    assert!(matches!(too_long, Ok(()) | Err(ContentError::Unreserved)));
}

#[test]
fn what_is_worth_least_makes_room_and_what_is_pinned_or_in_use_never_does() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, 7 * MIB);
    let cars: Vec<_> = (10..13).map(|seed| car_of(files(seed, 2).path())).collect();
    for (number, (root, bytes)) in cars.iter().enumerate() {
        import(&store, bytes, 0).unwrap();
        store.note(root, Vec::new(), 100 * (number as u64 + 1)).unwrap();
    }
    let [first, second, third] = [cars[0].0, cars[1].0, cars[2].0];
    store.pin(&first, true).unwrap();
    let wanted = |seed: u8, score| reservation(Cid::of(Codec::Raw, &[seed]), 2 * MIB, 3, score);
    // Worth less than what is there.
    let refused = store.reserve(wanted(1, 50), NONE, 0).unwrap_err();
    assert!(refused.to_string().contains("are wanted"), "{refused}");
    // The third alone may go, without the file and the folders that it shares with the others.
    let third_alone = store.room(1_000, 0, &BTreeSet::from([second])) - store.usage().free;
    let shared = store.root(&third).unwrap().weight - third_alone;
    assert!((21..300).contains(&shared), "{shared}");
    assert_eq!(store.reserve(wanted(2, 900), NONE, 0).unwrap(), [second]);
    assert!(store.holds(&first) && store.holds(&third) && !store.holds(&second));
    // A small file that all of them have is still there.
    assert_eq!(store.read_file(&third, "a/b/same", 100).unwrap(), b"in every one of them");
    let busy = BTreeSet::from([third]);
    assert!(matches!(store.reserve(wanted(3, 900), &busy, 0), Err(ContentError::NoRoom(_))));
    assert_eq!(store.reserve(wanted(3, 900), NONE, 0).unwrap(), [third]);
    assert!(matches!(store.reserve(wanted(4, 1_000), NONE, 0), Err(ContentError::NoRoom(_))));
    drop(store);
    // Reservations hold over a restart.
    let store = open(&dir, 7 * MIB);
    assert_eq!(store.roots().iter().filter(|root| !root.is_whole).count(), 2);
    assert!(matches!(store.reserve(wanted(4, 1_000), NONE, 0), Err(ContentError::NoRoom(_))));
    for root in store.roots() {
        store.remove(&root.root).unwrap();
    }
    assert_eq!(store.usage().free, 7 * MIB);
    assert_eq!(block_files(dir.path()), Vec::<PathBuf>::new());
}

#[test]
fn blocks_come_only_into_reserved_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, 100 * MIB);
    let block = |byte: u8| vec![byte; 500_000];
    let put = |byte| store.put(&Cid::of(Codec::Raw, &block(byte)), &block(byte));
    assert!(matches!(put(1), Err(ContentError::Unreserved)));
    let root = Cid::of(Codec::Raw, &block(1));
    store.reserve(reservation(root, 1_000_000, 2, 500), NONE, 0).unwrap();
    put(1).unwrap();
    put(1).unwrap();
    put(2).unwrap();
    assert!(matches!(put(3), Err(ContentError::Unreserved)));
    // A file of one block: what was put beside it belongs to nobody.
    assert_eq!(store.complete(&root, 7).unwrap().size, 500_000);
    assert_eq!(store.root(&root).unwrap().note, b"note");
    drop(store);
    let store = open(&dir, 100 * MIB);
    assert_eq!(block_files(dir.path()).len(), 1);
    assert_eq!(store.usage().held, 500_000);
}

#[test]
fn a_half_fetched_root_goes_on_where_it_was_and_a_short_block_is_found() {
    let (source, whole) = (files(20, 6), tempfile::tempdir().unwrap());
    let (root, bytes) = car_of(source.path());
    let holder = open(&whole, 100 * MIB);
    let info = import(&holder, &bytes, 0).unwrap();
    let blocks = holder.blocks(&root).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir, 100 * MIB);
    let fetch = |store: &ContentStore, cid: &Cid| {
        store.put(cid, &holder.get(cid).unwrap().unwrap()).unwrap();
    };
    store.reserve(reservation(root, info.size, blocks.len() as u64, 500), NONE, 0).unwrap();
    let (now, later) = blocks.split_at(blocks.len() - 3);
    now.iter().for_each(|cid| fetch(&store, cid));
    assert!(matches!(store.complete(&root, 0), Err(ContentError::Missing(_))));
    assert!(!store.holds(&root));
    drop(store);

    // The system crashed: the last block was not written to its end, another file is nobody's.
    let cut = block_files(dir.path()).into_iter().max_by_key(|p| fs::metadata(p).unwrap().len());
    let cut = cut.unwrap();
    File::options().write(true).open(&cut).unwrap().set_len(1_000).unwrap();
    fs::write(cut.with_file_name("nobody's"), "x").unwrap();
    fs::write(dir.path().join("creating/0"), "half").unwrap();
    let store = open(&dir, 100 * MIB);
    assert!(!dir.path().join("creating/0").exists());
    let cut: Cid = cut.file_name().unwrap().to_str().unwrap().parse().unwrap();
    assert_eq!(store.get(&cut).unwrap(), None);
    assert!(!store.has(&cut));
    let kept = now.iter().filter(|cid| store.get(cid).unwrap().is_some()).count();
    assert_eq!(kept, now.len() - 1);
    later.iter().chain([&cut]).for_each(|cid| fetch(&store, cid));
    let done = store.complete(&root, 0).unwrap();
    assert_eq!((done.size, done.weight), (info.size, info.weight));
}

#[test]
fn damage_is_found_and_only_what_is_damaged_is_fetched_again() {
    let (source, dir) = (files(30, 4), tempfile::tempdir().unwrap());
    let (root, bytes) = car_of(source.path());
    let store = open(&dir, 100 * MIB);
    import(&store, &bytes, 0).unwrap();
    let clean = store.check(&root, 77).unwrap();
    assert!(clean.bad.is_empty() && clean.broken.is_empty() && clean.blocks > 4);
    assert_eq!(store.root(&root).unwrap().checked_ms, 77);

    let victim = store.blocks(&root).unwrap()[2];
    let good = store.get(&victim).unwrap().unwrap();
    let path = block_files(dir.path()).into_iter().find(|p| p.ends_with(victim.to_string()));
    let path = path.unwrap();
    let mut bad = good.clone();
    bad[0] ^= 1;
    fs::write(&path, &bad).unwrap();
    let found = store.check(&root, 78).unwrap();
    assert_eq!((found.bad, found.broken), (vec![victim], vec![root]));
    assert!(!store.holds(&root) && !store.has(&victim));
    assert_eq!(store.take_broken(), [root]);
    assert_eq!(store.take_broken(), []);
    store.put(&victim, &good).unwrap();
    assert!(store.complete(&root, 79).unwrap().is_whole);

    // After a restart a block is checked when it is first read.
    drop(store);
    fs::write(&path, &bad).unwrap();
    let store = open(&dir, 100 * MIB);
    assert!(store.holds(&root));
    assert_eq!(store.get(&victim).unwrap(), None);
    assert_eq!(store.take_broken(), [root]);
    // And one that is gone altogether is missed at once.
    store.put(&victim, &good).unwrap();
    store.complete(&root, 80).unwrap();
    drop(store);
    fs::remove_file(&path).unwrap();
    assert!(!open(&dir, 100 * MIB).holds(&root));
}

/// Names the folder for the process that gets killed.
const DIR: &str = "CONTENT_TO_WRITE_TO";

/// Not a test by itself: the process that the next test kills.
#[test]
fn a_process_that_imports_until_it_is_killed() {
    let Ok(dir) = env::var(DIR) else { return };
    let store = ContentStore::open(Path::new(&dir), 1 << 40).unwrap();
    let mut rng = rand::thread_rng();
    loop {
        let source = files(rng.r#gen(), 1);
        let (root, bytes) = car_of(source.path());
        import(&store, &bytes, 0).unwrap();
        println!("\nholds {root}");
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn killed_at_any_moment_what_was_whole_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut promised = Vec::new();
    let mut rng = rand::thread_rng();
    for _ in 0..20 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_process_that_imports_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let listener = std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            let holds = lines.filter_map(|line| line.strip_prefix("holds ")?.parse().ok());
            holds.collect::<Vec<Cid>>()
        });
        std::thread::sleep(Duration::from_millis(rng.gen_range(0..300)));
        child.kill().unwrap();
        child.wait().unwrap();
        promised.extend(listener.join().unwrap());
    }
    assert!(!promised.is_empty());
    let store = open(&dir, 1 << 40);
    for root in &promised {
        assert!(store.holds(root));
        assert!(store.check(root, 1).unwrap().bad.is_empty());
    }
    // What was on its way does not stay for ever.
    for root in store.roots().iter().filter(|root| !root.is_whole) {
        store.remove(&root.root).unwrap();
    }
    assert_eq!(store.usage().reserved, 0);
    let held: BTreeSet<Cid> =
        store.roots().iter().flat_map(|root| store.blocks(&root.root).unwrap().to_vec()).collect();
    assert_eq!(block_files(dir.path()).len(), held.len());
}
