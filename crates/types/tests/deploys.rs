//! Deploys that casper-client 2.0.0 and 5.0.1, casper-js-sdk 2.15.7 and 5.0.12 and pycspr 0.12.4
//! made offline: every one has to be read, checked and hashed as its maker did.

use std::{fs, path::Path};

use casper_types::{Deploy, bytesrepr::ToBytes};

fn deploys() -> Vec<(String, serde_json::Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/deploys");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        // Some tools wrap the deploy.
        if let Some(inner) = json.get_mut("deploy") {
            json = inner.take();
        }
        found.push((path.file_name().unwrap().to_string_lossy().into_owned(), json));
    }
    found
}

#[test]
fn every_foreign_deploy_is_valid_and_keeps_its_hash() {
    let deploys = deploys();
    assert_eq!(deploys.len(), 25);
    for (name, json) in deploys {
        let hash = json["hash"].as_str().unwrap().to_lowercase();
        let deploy: Deploy = serde_json::from_value(json).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(deploy.hash().inner().value(), *hex::decode(&hash).unwrap(), "{name}");
        assert_eq!(deploy.is_valid(), Ok(()), "{name}");
        let bytes = deploy.to_bytes().unwrap();
        let (back, rest) =
            <Deploy as casper_types::bytesrepr::FromBytes>::from_bytes(&bytes).unwrap();
        assert!(rest.is_empty() && back == deploy, "{name}");
        let text = serde_json::to_string(&deploy).unwrap();
        assert_eq!(serde_json::from_str::<Deploy>(&text).unwrap(), deploy, "{name}");
    }
}

#[test]
fn a_changed_body_or_signature_is_noticed() {
    for (name, mut json) in deploys() {
        json["header"]["ttl"] = "31m".into();
        let changed: Deploy = serde_json::from_value(json).unwrap();
        assert!(changed.is_valid().is_err(), "{name}");
    }
}
