//! What the store says when its folder is not as it should be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use girrona_store::{OpenError, Store};

use crate::chain::{Chain, open, options};

fn made() -> (tempfile::TempDir, Chain) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    for height in 0..30 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    (dir, chain)
}

#[test]
fn a_folder_in_use_is_refused_until_its_last_reader_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let reader = store.reader();
    let refused = Store::open(dir.path(), &options()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }));
    assert!(refused.to_string().contains("in use by another process"), "{refused}");
    drop(store);
    assert!(matches!(Store::open(dir.path(), &options()), Err(OpenError::Locked { .. })));
    drop(reader);
    open(dir.path());
}

#[test]
fn a_folder_of_another_format_is_refused_and_left_alone() {
    let (dir, _) = made();
    fs::write(dir.path().join("data/format"), "girrona store 9\n").unwrap();
    let refused = Store::open(dir.path(), &options()).unwrap_err().to_string();
    assert!(
        refused.contains("holds \"girrona store 9\" and this program reads \"girrona store 2\""),
        "{refused}"
    );
    assert!(dir.path().join("data/state").exists());
}

#[test]
fn a_store_whose_creation_was_cut_short_is_created_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("creating/blocks")).unwrap();
    fs::write(dir.path().join("creating/blocks/0.jnl"), b"half").unwrap();
    let mut store = open(dir.path());
    let mut chain = Chain::default();
    chain.live(&mut store, 0, |_, _| {}).unwrap();
    assert!(!dir.path().join("creating").exists());
}

#[test]
fn a_state_tree_from_another_time_is_noticed() {
    let (dir, mut chain) = made();
    let old = tempfile::tempdir().unwrap();
    copy(&dir.path().join("data/state"), &old.path().join("state"));
    let mut store = open(dir.path());
    for height in 30..33 {
        chain.live(&mut store, height, |_, _| {}).unwrap();
    }
    drop(store);
    fs::remove_dir_all(dir.path().join("data/state")).unwrap();
    copy(&old.path().join("state"), &dir.path().join("data/state"));
    let refused = Store::open(dir.path(), &options()).unwrap_err();
    assert!(matches!(refused, OpenError::Diverged { height: 32, .. }), "{refused}");
    assert!(refused.to_string().contains("start in an empty folder and sync"), "{refused}");
    fs::remove_dir_all(dir.path().join("data/state")).unwrap();
    let refused = Store::open(dir.path(), &options()).unwrap_err();
    assert!(matches!(refused, OpenError::Part { what: "the state tree", .. }), "{refused}");
}

/// Cuts, empties, garbles and removes every file in turn. Whatever the databases can still make of
/// it: either the store opens and what it reads is right or an error, or it says why not.
#[test]
fn a_damaged_file_gives_an_error_or_no_wrong_answer_but_never_a_panic() {
    let (dir, mut chain) = made();
    for file in files(&dir.path().join("data")) {
        let relative = file.strip_prefix(dir.path()).unwrap();
        for how in ["cut", "emptied", "garbled", "removed"] {
            let copied = tempfile::tempdir().unwrap();
            copy(dir.path(), copied.path());
            let victim = copied.path().join(relative);
            let mut bytes = fs::read(&victim).unwrap();
            let middle = bytes.len() / 2;
            match how {
                "cut" => bytes.truncate(middle),
                "emptied" => bytes.clear(),
                _ => {
                    for byte in bytes.iter_mut().skip(middle.min(20)).take(200) {
                        *byte ^= 0x5a;
                    }
                }
            }
            if how == "removed" {
                fs::remove_file(&victim).unwrap();
            } else {
                fs::write(&victim, bytes).unwrap();
            }
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                try_everything(copied.path(), &mut chain)
            }));
            match outcome {
                Ok(text) => println!("{} {how}: {text}", relative.display()),
                Err(_) => panic!("{} {how} made it panic", relative.display()),
            }
        }
    }
}

/// Opens and reads; a readable tip must be a block of the chain.
fn try_everything(dir: &Path, chain: &mut Chain) -> String {
    use girrona_chain::Disk as _;
    use girrona_state::Reader as _;
    let store = match Store::open(dir, &options()) {
        Ok(store) => store,
        Err(error) => {
            return format!(
                "{error}: {:?}",
                std::error::Error::source(&error).map(ToString::to_string)
            );
        }
    };
    let Some(tip) = store.tip().unwrap() else { return "no tip".to_owned() };
    let height = tip.block.height();
    chain.reach(height);
    assert_eq!(tip.block, chain.blocks[height as usize]);
    let mut errors = 0;
    for number in 0..crate::chain::KEYS {
        let key = crate::chain::key(number);
        match store.read(&key) {
            Ok(value) => {
                assert_eq!(value, chain.states[height as usize].read(&key).unwrap());
            }
            Err(_) => errors += 1,
        }
    }
    let reader = store.reader();
    errors += usize::from(reader.events(0, usize::MAX).is_err());
    for height in 0..=height {
        errors += usize::from(reader.block(girrona_types::Height(height)).is_err());
        for deploy in crate::chain::deploys(height) {
            errors += usize::from(reader.deploy(deploy.hash()).is_err());
        }
    }
    format!("opens at {height} with {errors} errors")
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
