//! Counts words: of standard input, or of the files below `/app` that are named as arguments. Writes
//! each word and its count to `/out/words.txt`, the most frequent first, and says how many there are.

use std::{collections::BTreeMap, fs, io, process::ExitCode};

fn main() -> ExitCode {
    match count() {
        Ok(words) => {
            println!("{words} different words");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn count() -> io::Result<usize> {
    let mut text = String::new();
    let mut paths = std::env::args().skip(1).peekable();
    if paths.peek().is_none() {
        text = io::read_to_string(io::stdin())?;
    }
    for path in paths {
        let read = fs::read_to_string(format!("/app/{path}"));
        text.push_str(&read.map_err(|error| io::Error::other(format!("{path}: {error}")))?);
        text.push('\n');
    }
    let mut counts = BTreeMap::<String, u64>::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let mut words: Vec<(String, u64)> = counts.into_iter().collect();
    words.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let lines: String = words.iter().map(|(word, count)| format!("{count} {word}\n")).collect();
    fs::write("/out/words.txt", lines)?;
    Ok(words.len())
}
