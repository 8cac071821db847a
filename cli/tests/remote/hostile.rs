//! Stores that lie.

use super::{ENTRIES, is_empty, is_whole, name_of, push};
use crate::tool::Sandbox;
use std::fs::{self, File};

/// A store with the first set, and the path of its manifest.
fn store() -> (Sandbox, String) {
    let dir = Sandbox::new();
    push(&dir, "first");
    (dir, format!("far/versions/{}/MANIFEST.json", name_of("first", 1)))
}

#[test]
fn a_pointer_leads_to_a_version_or_nowhere() {
    let (dir, _) = store();
    for pointer in ["", "../../etc", "versions/..", "versions/00000001-ABCDEF01", "<html></html>"] {
        dir.write("far/CURRENT", pointer);
        dir.run(&["pull", "far", "near"]).failed(3, "far/CURRENT: ", &["no name of a version"]);
        dir.run(&["push", "--unconditional", &super::set("second"), "far"]).failed(
            3,
            "far/CURRENT: ",
            &["no name of a version"],
        );
    }
    dir.write("far/CURRENT", "x".repeat(1 << 20));
    dir.run(&["pull", "far", "near"]).failed(4, "far/CURRENT: ", &["more than 1024 bytes"]);
    dir.write("far/CURRENT", "versions/00000009-01234567");
    let place = "far/versions/00000009-01234567: ";
    dir.run(&["pull", "far", "near"]).failed(4, place, &["holds no set"]);
    is_empty(&dir, "near");
    assert!(!dir.path("near").exists());
}

#[test]
fn lies_of_a_manifest_are_named_before_anything_is_fetched() {
    let (dir, manifest) = store();
    let good = String::from_utf8(dir.read(&manifest)).unwrap();
    let entries = format!("\"entries\": {ENTRIES}");
    for (from, to, what) in [
        ("part-00001.grv", "../../../../near/x", "shards[1].file"),
        ("part-00001.grv", "/etc/passwd", "shards[1].file"),
        ("part-00001.grv", "MANIFEST.json", "shards[1].file"),
        ("part-00001.grv", "table.grv", "shards[1].file"),
        (&entries, "\"entries\": 18446744073709551615", "entries"),
        ("\"version\": 1", "\"version\": 2", "version"),
        ("{", "[", "(JSON)"),
    ] {
        assert!(good.contains(from), "{from}");
        fs::remove_file(dir.path(&manifest)).unwrap();
        dir.write(&manifest, good.replacen(from, to, 1));
        let ran = dir.run(&["pull", "far", "near"]);
        ran.failed(3, &format!("{manifest}: field "), &[what]);
        assert!(!dir.path("near").exists(), "{what}");
    }
    // The name of the version does not fit.
    dir.write("far/CURRENT", "00000001-00000000");
    fs::create_dir(dir.path("far/versions/00000001-00000000")).unwrap();
    dir.write("far/versions/00000001-00000000/MANIFEST.json", &good);
    dir.run(&["pull", "far", "near"]).failed(3, "far/versions/00000001-00000000/", &["has id "]);
    // A gigabyte that is not read.
    let long = File::create(dir.path("far/versions/00000001-00000000/MANIFEST.json")).unwrap();
    long.set_len(1 << 30).unwrap();
    let ran = dir.run(&["pull", "far", "near"]);
    ran.failed(4, "far/versions/00000001-00000000/", &["more than 268435456 bytes"]);
    assert!(!dir.path("near").exists());
}

#[test]
fn a_shard_of_another_length_is_refused_at_once() {
    let (dir, manifest) = store();
    let part = manifest.replace("MANIFEST.json", "part-00002.grv");
    let bytes = dir.read(&part);
    for other in [&bytes[..bytes.len() - 1], &[&bytes[..], b"x"].concat(), b""] {
        fs::remove_file(dir.path(&part)).unwrap();
        dir.write(&part, other);
        dir.run(&["pull", "far", "near"]).failed(4, &format!("{part}: "), &["bytes, ", "manifest"]);
        is_empty(&dir, "near");
    }
    fs::remove_file(dir.path(&part)).unwrap();
    dir.run(&["pull", "far", "near"]).failed(4, &format!("{part}: "), &["no such object"]);
    dir.write(&part, &bytes);
    dir.run(&["pull", "-q", "far", "near"]).printed("");
    is_whole(&dir, "near", "first");
}

#[test]
fn what_an_earlier_run_left_is_compared() {
    let (dir, manifest) = store();
    let part = manifest.replace("MANIFEST.json", "part-00000.grv");
    let good = dir.read(&part);
    let sha = {
        let text = String::from_utf8(dir.read(&manifest)).unwrap();
        let from = text.find("\"sha256\":\"").unwrap() + 10;
        text[from..from + 64].to_owned()
    };
    let mut flipped = good.clone();
    flipped[77] ^= 1;
    let longer = [&good[..], b"x"].concat();
    // Too short to be a whole piece, a piece and more, all of it, wrong bytes, too many.
    for left in [&good[..1000], &good[..2_500_000], &good, &flipped, &flipped[..2_500_000], &longer]
    {
        let _ = fs::remove_dir_all(dir.path("near"));
        fs::create_dir_all(dir.path("near/.pull")).unwrap();
        dir.write(&format!("near/.pull/{sha}"), left);
        // Of a version that nobody wants any more.
        dir.write(&format!("near/.pull/{}", "0".repeat(64)), "old");
        dir.run(&["pull", "-q", "far", "near"]).printed("");
        is_whole(&dir, "near", "first");
    }
}
