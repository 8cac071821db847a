//! Sets that were written elsewhere: nothing of them is current before all of it is there.

use super::super::{numbered, open, quick, write};
use graven::{BuildError, Manifest, PublishError, PublishOptions, ReceivedSet, SetError, Versions};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A set of three shards, the directory of its version, and the text of its manifest, with a member
/// that this version of the library does not know.
fn set() -> (TempDir, PathBuf, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(4), &dir.path().join("far"), &numbered(12));
    let version = open(&dir.path().join("far")).path().to_owned();
    let text = fs::read_to_string(version.join("MANIFEST.json")).unwrap();
    let text = text.replacen("{\"format\"", "{\"later\": 1, \"format\"", 1);
    (dir, version, text.into_bytes())
}

fn options() -> PublishOptions {
    PublishOptions::new().durable(false)
}

fn bring(set: &ReceivedSet, far: &Path) {
    for shard in &set.manifest().shards {
        fs::hard_link(far.join(&shard.file), set.path().join(&shard.file)).unwrap();
    }
}

#[test]
fn a_received_set_answers_and_keeps_its_manifest() {
    let (dir, far, text) = set();
    let near = dir.path().join("near");
    let set = ReceivedSet::begin(&near, &text, Some(41), &options()).unwrap();
    assert_eq!(set.manifest(), &Manifest::from_json(&text, "there").unwrap());
    assert_eq!(set.id(), format!("00000041-{:.8}", set.manifest().id));
    bring(&set, &far);
    assert!(Versions::new(&near).current().is_err());
    assert!(Versions::new(&near).list().unwrap().is_empty());
    let version = set.publish().unwrap();
    assert!(version.current && version.id.starts_with("00000041-"), "{version}");
    assert_eq!(fs::read(version.path.join("MANIFEST.json")).unwrap(), text);
    let found = open(&near);
    found.verify().unwrap();
    assert_eq!(found.len(), 12);
    // The same version once more: it is there. The next number is the one after it.
    let error = ReceivedSet::begin(&near, &text, Some(41), &options()).unwrap_err();
    assert!(matches!(error, PublishError::Target(BuildError::Io { .. })), "{error}");
    let next = ReceivedSet::begin(&near, &text, None, &options()).unwrap();
    assert!(next.id().starts_with("00000042-"), "{}", next.id());
    let path = next.path().to_owned();
    drop(next);
    assert!(!path.exists());
    assert_eq!(Versions::new(&near).current().unwrap(), version.path);
    let error = ReceivedSet::begin(&near, &text, Some(0), &options()).unwrap_err();
    assert!(error.to_string().contains("number"), "{error}");
}

#[test]
fn what_is_missing_short_or_another_one_is_not_published() {
    let (dir, far, text) = set();
    let near = dir.path().join("near");
    for (options, fault) in [
        (options(), "missing"),
        (options(), "bytes, "),
        (options().verify_after_write(true), "has SHA-256 "),
    ] {
        let set = ReceivedSet::begin(&near, &text, None, &options).unwrap();
        bring(&set, &far);
        let part = set.path().join("part-00002.grv");
        let mut bytes = fs::read(&part).unwrap();
        fs::remove_file(&part).unwrap();
        match fault {
            "missing" => {}
            "bytes, " => fs::write(&part, &bytes[1..]).unwrap(),
            _ => {
                bytes[500] ^= 1;
                fs::write(&part, bytes).unwrap();
            }
        }
        let error = set.publish().unwrap_err();
        assert_eq!(error.path(), Some(part.as_path()), "{error}");
        match &error {
            PublishError::Set(SetError::Shard { what, .. }) => {
                assert!(what.contains(fault), "{what}");
            }
            PublishError::Set(SetError::Open(_)) => assert_eq!(fault, "missing"),
            other => panic!("{other}"),
        }
        assert!(Versions::new(&near).list().unwrap().is_empty());
        assert!(!part.parent().unwrap().exists());
    }
}

#[test]
fn guards_and_lies_are_refused_before_anything_is_brought() {
    let (dir, _far, text) = set();
    let near = dir.path().join("near");
    let error = ReceivedSet::begin(&near, &text, None, &options().min_entries(13)).unwrap_err();
    assert!(matches!(error, PublishError::TooFewEntries { entries: 12, .. }), "{error}");
    assert!(
        fs::read_dir(near.join("versions")).is_ok_and(|found| found.count() == 0)
            || !near.join("versions").exists()
    );
    let climbs = String::from_utf8(text).unwrap().replace("part-00001.grv", "../part-00001.grv");
    let error = ReceivedSet::begin(&near, climbs.as_bytes(), None, &options()).unwrap_err();
    assert!(error.to_string().contains("field shards[1].file"), "{error}");
    let error = Manifest::from_json(climbs.as_bytes(), "s3://b/MANIFEST.json").unwrap_err();
    assert!(error.to_string().starts_with("s3://b/MANIFEST.json: field "), "{error}");
    // More bytes than a manifest may have are not parsed.
    let long = vec![b' '; Manifest::MOST_BYTES as usize + 1];
    let error = Manifest::from_json(&long, "long").unwrap_err();
    assert!(error.to_string().contains("has more than 268435456 bytes"), "{error}");
}
