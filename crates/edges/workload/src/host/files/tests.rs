//! What paths lead to, and what the quota counts.

use std::sync::{Arc, Mutex};

use super::*;

const WRITE: Open =
    Open { create: true, exclusive: false, folder: false, truncate: false, write: true };

fn files(max: u64) -> (Handle, Handle) {
    let app =
        Tree::from_files([("main.wasm", Bytes::from_static(b"wasm")), ("data/a", Bytes::new())]);
    let files = Arc::new(Mutex::new(Files::new(app.unwrap(), max, 5)));
    (Handle::mount(&files, Place::App(0)), Handle::mount(&files, Place::Out(0)))
}

fn write(folder: &Handle, path: &str, data: &[u8]) -> Result<(), Fault> {
    folder.open(path, WRITE)?.with(|files, place| files.write(place, 0, data))
}

#[test]
fn no_path_leads_out() {
    let (app, out) = files(100);
    for path in ["..", "../out", "data/../..", "/", "/etc/passwd", "data/../../app", "./.."] {
        assert_eq!(app.open(path, Open::default()).err(), Some(Fault::Outside), "{path}");
    }
    assert_eq!(app.open("data/../main.wasm", Open::default()).map(|_| ()), Ok(()));
    assert_eq!(app.open("main.wasm/..", Open::default()).err(), Some(Fault::NotFolder));
    assert_eq!(app.open("main.wasm/", Open::default()).err(), Some(Fault::NotFolder));
    assert_eq!(app.open("\0", Open::default()).err(), Some(Fault::BadName));
    assert_eq!(write(&out, "../x", b""), Err(Fault::Outside));
    assert_eq!(write(&out, "a\\b", b""), Err(Fault::BadName));
    assert_eq!(write(&out, &"n".repeat(256), b""), Err(Fault::LongName));
    assert_eq!(write(&app, "new", b""), Err(Fault::ReadOnly));
    assert_eq!(write(&app, "main.wasm", b""), Err(Fault::ReadOnly));
    let gone = app.with(|files, place| files.remove(place, "main.wasm", false));
    assert_eq!(gone, Err(Fault::ReadOnly));
    let root = out.place();
    let stolen = app.with(|files, app| files.rename((app, "main.wasm"), (root, "x")));
    assert_eq!(stolen, Err(Fault::ReadOnly));
}

#[test]
fn the_quota_counts_what_is_there_and_nothing_else() {
    let full = Err(Fault::Halt(Halt::Trap(Trap::Files)));
    let (_, out) = files(10);
    write(&out, "a", b"123456").unwrap();
    assert_eq!(write(&out, "b", b"12345"), full);
    write(&out, "a", b"12").unwrap();
    write(&out, "b", b"1234").unwrap();
    // Removed while it is open, it still counts; then not.
    let a = out.open("a", Open::default()).unwrap();
    out.with(|files, place| files.remove(place, "a", false)).unwrap();
    assert_eq!(write(&out, "c", b"1"), full);
    drop(a);
    write(&out, "c", b"123456").unwrap();
    let far = out.open("c", WRITE).unwrap();
    assert_eq!(far.with(|files, place| files.write(place, u64::MAX, b"1")), full);
    assert_eq!(far.with(|files, place| files.set_size(place, u64::MAX)), full);
    // A sparse file takes its whole length.
    assert_eq!(far.with(|files, place| files.write(place, 1 << 40, b"1")), full);
}

#[test]
fn there_is_an_end_to_files_and_folders() {
    let full = Err(Fault::Halt(Halt::Trap(Trap::Files)));
    let (_, out) = files(1);
    for index in 0..FILES_MAX {
        write(&out, &index.to_string(), b"").unwrap();
    }
    assert_eq!(write(&out, "one more", b""), full);
    let (_, out) = files(1);
    let deepest = vec!["d"; DEPTH_MAX];
    for depth in 1..=DEPTH_MAX {
        out.with(|files, root| files.create_folder(root, &deepest[..depth].join("/"))).unwrap();
    }
    let deeper = [&deepest[..], &["d"]].concat().join("/");
    assert_eq!(out.with(|files, root| files.create_folder(root, &deeper)), full);
    // Nor by moving folders into each other.
    out.with(|files, root| files.create_folder(root, "e")).unwrap();
    assert_eq!(out.with(|files, root| files.rename((root, "d"), (root, "e/d"))), full);
    let inside = out.with(|files, root| files.rename((root, "d"), (root, "d/d/x")));
    assert_eq!(inside, Err(Fault::Invalid));
}

#[test]
fn what_is_left_behind_is_listed_by_path() {
    let (_, out) = files(100);
    out.with(|files, root| files.create_folder(root, "b")).unwrap();
    out.with(|files, root| files.create_folder(root, "empty")).unwrap();
    write(&out, "b/two", b"2").unwrap();
    write(&out, "a", b"1").unwrap();
    write(&out, "moved", b"3").unwrap();
    out.with(|files, root| files.rename((root, "moved"), (root, "a"))).unwrap();
    let left = out.with(|files, _| files.take_output());
    let left: Vec<(&str, &[u8])> = left.iter().map(|(p, b)| (p.as_str(), &b[..])).collect();
    assert_eq!(left, [("a", &b"3"[..]), ("b/two", &b"2"[..])]);
}

#[test]
fn a_removed_folder_that_is_open_takes_nothing_any_more() {
    let (_, out) = files(100);
    out.with(|files, root| files.create_folder(root, "d")).unwrap();
    let folder = out.open("d", Open { folder: true, ..Open::default() }).unwrap();
    out.with(|files, root| files.remove(root, "d", true)).unwrap();
    assert_eq!(write(&folder, "x", b""), Err(Fault::NoEntry));
}
