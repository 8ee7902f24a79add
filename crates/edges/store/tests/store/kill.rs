//! A process that writes is killed at random moments, many times.

use std::{
    env,
    io::{BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use girrona_chain::Disk;
use girrona_types::Height;
use rand::Rng;

use crate::chain::{Chain, deploys, open};

/// Names the folder for the process that gets killed.
const DIR: &str = "STORE_TO_WRITE_TO";
const KILLS: usize = 60;

/// Not a test by itself: the process that [`killed_at_any_moment_nothing_promised_is_lost`] kills.
#[test]
fn a_process_that_writes_until_it_is_killed() {
    let Ok(dir) = env::var(DIR) else { return };
    let mut store = open(Path::new(&dir));
    let mut chain = Chain::default();
    let first = store.tip().unwrap().map_or(0, |tip| tip.block.height());
    let mut out = std::io::stdout();
    for height in first.. {
        chain
            .live(&mut store, height, |what, height| {
                writeln!(out, "\npromise {what} {height}").unwrap();
                out.flush().unwrap();
            })
            .unwrap();
    }
}

#[test]
fn killed_at_any_moment_nothing_promised_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::default();
    let mut rng = rand::thread_rng();
    let mut heights = Vec::new();
    for _ in 0..KILLS {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "kill::a_process_that_writes_until_it_is_killed", "--nocapture"])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let listener = thread::spawn(move || promises(output));
        thread::sleep(Duration::from_millis(rng.gen_range(0..500)));
        child.kill().unwrap();
        let status = child.wait_with_output().unwrap();
        assert!(
            !String::from_utf8_lossy(&status.stderr).contains("panicked"),
            "{}",
            String::from_utf8_lossy(&status.stderr)
        );
        let promised = listener.join().unwrap();

        let store = open(dir.path());
        chain.check(&store);
        let tip = store.tip().unwrap().map(|tip| tip.block.height());
        for (what, height) in promised {
            let passed = tip >= Some(height);
            match what.as_str() {
                "tip" => assert!(passed, "block {height} is lost, the tip is {tip:?}"),
                "accepted" => {
                    assert!(store.fate(deploys(height)[0].hash()).unwrap().is_some());
                }
                "voted" if !passed => {
                    assert_eq!(store.wal(Height(height)).unwrap().len(), 3);
                    assert_eq!(store.guard().unwrap(), Some(height.to_le_bytes().to_vec()));
                    let decided = chain.decided(height);
                    assert!(store.proposal(&decided).unwrap().is_some());
                }
                "signed" => {
                    let signature = chain.signature(height);
                    assert!(
                        store
                            .has_finality_signature(&signature.block, &signature.public_key)
                            .unwrap()
                    );
                }
                _ => {}
            }
        }
        heights.push(tip);
    }
    heights.dedup();
    assert!(heights.len() > KILLS / 3, "the killed processes did not get far: {heights:?}");
}

/// Whole lines `promise <what> <height>`; the last line of a killed process may be cut.
fn promises(mut output: impl std::io::BufRead) -> Vec<(String, u64)> {
    let mut promises = Vec::new();
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        if let Some(rest) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("promise "))
            && let Some((what, height)) = rest.split_once(' ')
        {
            promises.push((what.to_owned(), height.parse().unwrap()));
        }
        line.clear();
    }
    promises
}
