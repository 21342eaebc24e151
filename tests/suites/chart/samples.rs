//! Every sample is what the API server takes.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::suite::{Suite, id, objects, repository};

fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository("deploy/samples")).unwrap();
    let mut folders: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// What `kubectl apply -f` of the folder applies.
fn sample(folder: &PathBuf) -> Vec<Value> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.flat_map(|text| objects(&text)).collect()
}

#[test]
fn the_api_server_takes_every_sample() {
    let suite = Suite::get();
    for folder in folders() {
        let objects = sample(&folder);
        assert!(!objects.is_empty(), "{}", folder.display());
        suite.admits(&objects);
    }
}

#[test]
fn every_sample_shows_the_field_it_is_named_after() {
    for (folder, kind, pointer) in [
        (
            "dataset-by-name",
            "AepDataflow",
            "/spec/target/existing/datasetName",
        ),
        (
            "subscription",
            "AepDataflow",
            "/spec/subscription/customerIo/events",
        ),
        ("outputs", "AepDataflow", "/spec/outputs/secretName"),
        ("adopt", "AepDataflow", "/spec/adopt/flowId"),
        (
            "adopt",
            "CustomerIoSource",
            "/spec/adopt/sourceConnectionId",
        ),
        ("deletion-policy", "AepDataflow", "/spec/deletionPolicy"),
        ("expect", "AepDataflow", "/spec/expect/every"),
        ("mapping-set", "AepDataflow", "/spec/mappingSet/id"),
        ("suspend", "AepDataflow", "/spec/suspend"),
    ] {
        let objects = sample(&repository("deploy/samples").join(folder));
        let object = crate::suite::only(&objects, kind);
        assert!(object.pointer(pointer).is_some(), "{folder}: no {pointer}");
    }
}

#[test]
fn a_sample_is_whole_its_dataflow_has_its_source() {
    for folder in folders() {
        let objects = sample(&folder);
        let ids: Vec<String> = objects.iter().map(id).collect();
        let flows = objects
            .iter()
            .filter(|object| object["kind"] == "AepDataflow");
        for flow in flows {
            let source = flow["spec"]["sourceRef"]["name"].as_str().unwrap();
            let source = format!("CustomerIoSource/{source}");
            assert!(ids.contains(&source), "{}: {source}", folder.display());
            assert_eq!(flow["metadata"]["namespace"], "marketing");
        }
    }
}

#[test]
fn the_readme_lists_every_folder() {
    let readme = fs::read_to_string(repository("deploy/samples/README.md")).unwrap();
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("| [{name}]({name}) |")), "{name}");
    }
}
