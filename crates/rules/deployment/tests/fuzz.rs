//! Files and manifests from strangers: refused or understood, never a panic, never much memory.
//!
//! `cargo test` runs each for a moment, `cargo xtask fuzz SECONDS` for as long as you like.

use std::num::NonZeroU64;

use bolero::check;
use girrona_deployment::{Manifest, read};

const GOODS: [&str; 4] = [
    include_str!("golden/sdl-small.yaml"),
    include_str!("golden/sdl-full.yaml"),
    include_str!("golden/sdl21.yaml"),
    include_str!("golden/icl-full.yaml"),
];

fn block_time() -> NonZeroU64 {
    NonZeroU64::new(1_000).unwrap()
}

/// What is read can be sent, and is taken by whoever gets it.
fn reads(text: &str) {
    match read(text, block_time()) {
        Ok(deployment) => {
            for group in deployment.groups.values() {
                let again = Manifest::from_bytes(&group.manifest.to_bytes());
                let again = again.unwrap_or_else(|error| panic!("{error}\n{text}"));
                group.order.check(&again).unwrap();
            }
        }
        Err(problems) => assert!((1..=32).contains(&problems.iter().count()), "{problems}"),
    }
}

#[test]
fn fuzz_files() {
    check!().for_each(|input: &[u8]| reads(&String::from_utf8_lossy(input)));
}

/// Good files with lines swapped, pieces replaced, and parts of others put in.
#[test]
fn fuzz_damaged_files() {
    let words = [
        "",
        "{",
        "}",
        "[",
        "]",
        "*a",
        "&a ",
        "<<: ",
        "- ",
        ": ",
        "'",
        "\"",
        "|\n",
        "\t",
        "!!str ",
        "0",
        "-1",
        "99999999999999999999",
        "null",
        "true",
        "1.5",
        "ipfs://",
        "\u{feff}",
        "\n---\n",
        "80",
    ];
    check!().for_each(|input: &[u8]| {
        let Some((first, input)) = input.split_first() else { return };
        let mut text = GOODS[usize::from(*first) % GOODS.len()].to_owned();
        let (changes, _) = input.as_chunks();
        for [low, high, length, word] in changes {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let Some(count) = places.len().checked_sub(1).filter(|count| *count > 0) else { break };
            let from = usize::from(u16::from_le_bytes([*low, *high])) % count;
            let to = (from + usize::from(*length) % 8).min(count);
            let word = words[usize::from(*word) % words.len()];
            text.replace_range(places[from]..places[to], word);
        }
        reads(&text);
    });
}

#[test]
fn fuzz_manifests() {
    let goods: Vec<_> = GOODS
        .iter()
        .flat_map(|text| read(text, block_time()).unwrap().groups.into_values())
        .map(|group| group.manifest.to_bytes())
        .collect();
    check!().for_each(|input: &[u8]| {
        let _ = Manifest::from_bytes(input);
        for good in &goods {
            let mut bytes = good.clone();
            let (changes, _) = input.as_chunks();
            for [low, high, byte] in changes {
                let at = usize::from(u16::from_le_bytes([*low, *high])) % bytes.len();
                bytes[at] ^= *byte;
            }
            if let Ok(read) = Manifest::from_bytes(&bytes) {
                assert_eq!(read.to_bytes(), bytes, "one manifest, one form");
            }
        }
    });
}
