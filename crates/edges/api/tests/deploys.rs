//! Deploys that five clients made offline: each is understood, valid, and comes back the same.

use std::{fs, path::Path};

use casper_types::{
    Deploy,
    bytesrepr::{FromBytes, ToBytes},
};
use girrona_api::Deploy15;
use serde_json::Value;

fn deploys() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploys");
    let mut deploys = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        if let Some(inner) = json.get_mut("deploy") {
            json = inner.take();
        }
        deploys.push((path.file_stem().unwrap().to_string_lossy().into_owned(), json));
    }
    deploys.sort_by(|a, b| a.0.cmp(&b.0));
    deploys
}

#[test]
fn deploys_of_every_client_are_valid_and_keep_their_hash() {
    let deploys = deploys();
    assert_eq!(deploys.len(), 25);
    for (name, json) in deploys {
        // As a node reads it: from text, not from a tree.
        let Deploy15(deploy) = serde_json::from_str(&json.to_string()).unwrap();
        assert_eq!(deploy.is_valid(), Ok(()), "{name}");
        let claimed = json["hash"].as_str().unwrap().to_lowercase();
        assert_eq!(format!("{:?}", deploy.hash().inner()), claimed, "{name}");

        let bytes = deploy.to_bytes().unwrap();
        assert_eq!(Deploy::from_bytes(&bytes).unwrap(), (deploy.clone(), &[][..]), "{name}");
    }
}

#[test]
fn deploys_are_written_in_the_form_in_which_the_command_line_client_writes_them() {
    for (name, mut json) in deploys() {
        let read: Deploy15 = serde_json::from_str(&json.to_string()).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<Deploy15>(written.clone()).unwrap(), read, "{name}");
        if name.starts_with("cli") {
            // What values mean is for people only; a client may leave it out or put it otherwise.
            let mut written = written;
            forget_parsed(&mut written);
            forget_parsed(&mut json);
            assert_eq!(written, json, "{name}");
        }
    }
}

fn forget_parsed(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_parsed),
        Value::Object(fields) => {
            if fields.contains_key("cl_type") {
                fields.remove("parsed");
            }
            fields.values_mut().for_each(forget_parsed);
        }
        _ => {}
    }
}
