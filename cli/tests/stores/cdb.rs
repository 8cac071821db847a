//! The cdb of tinycdb, in both forms, and cdb64.

use crate::tool::Sandbox;
use crate::{awkward, installed, python_with, raw, same};

#[test]
fn a_table_becomes_a_cdb_and_comes_back() {
    if !installed(&["cdb"]) {
        return;
    }
    let (dir, mut entries) = (Sandbox::new(), awkward(true));
    entries.insert(0, (vec![], b"under the empty key".to_vec()));
    dir.raw_table("t", &entries);
    dir.ran("graven dump -o cdb t > text && cdb -c c.cdb text");
    // The tool reads what graven wrote, and writes the same.
    same(&dir.ran("cdb -d c.cdb"), &dir.read("text"), "cdb -d");
    assert_eq!(dir.ran("cdb -q -n 2 c.cdb repeated"), b"1");
    // From both forms, in key order and sorted or not, the same table.
    for input in ["text", "c.cdb"] {
        for sorted in ["", "--sorted"] {
            let build = format!("graven build --quiet --dup keep -i cdb {sorted} u {input}");
            dir.ran(&build);
            same(&dir.read("u"), &dir.read("t"), &build);
        }
    }
    same(&dir.ran("graven dump -o raw u"), &raw(&entries), "the entries");
    // From a pipe, which gives less at a time.
    dir.ran("cat c.cdb | graven build --quiet --dup keep -i cdb v");
    same(&dir.read("v"), &dir.read("t"), "from a pipe");
}

#[test]
fn a_cdb_in_any_order_keeps_repeated_keys_in_order() {
    if !installed(&["cdb"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.write("text", "+1,1:b->2\n+1,1:a->3\n+1,1:b->1\n+1,1:a->1\n\n");
    dir.ran("cdb -c c.cdb text");
    dir.ran("graven build --quiet --dup keep -i cdb t c.cdb");
    assert_eq!(dir.ran("graven dump t"), b"a\t3\na\t1\nb\t2\nb\t1\n");
    // Without a word about repeated keys, the first one is named with its places.
    let ran = dir.run(&["build", "-i", "cdb", "u", "c.cdb"]);
    ran.failed(
        3,
        "c.cdb: key \"a\" is repeated",
        &["entry 2 at byte 2058", "entry 4 at byte 2078"],
    );
    // cdb -0 leaves a record of zeros, which cdb -d shows, too.
    dir.ran("cdb -c -0 z.cdb text && cdb -d z.cdb > z");
    dir.ran("graven build --quiet --dup keep -i cdb t z.cdb");
    dir.ran("graven build --quiet --dup keep -i cdb u z");
    same(&dir.read("t"), &dir.read("u"), "what cdb -d shows");
}

#[test]
fn nothing_is_a_cdb_too() {
    if !installed(&["cdb"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.table("t", "");
    assert_eq!(dir.ran("graven dump -o cdb t"), b"\n");
    dir.ran("graven dump -o cdb t | cdb -c c.cdb && graven build --quiet -i cdb u c.cdb");
    same(&dir.read("u"), &dir.read("t"), "an empty table");
}

#[test]
fn a_cdb_that_was_cut_builds_nothing() {
    if !installed(&["cdb"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.write("text", "+1,1:a->1\n+1,1:b->2\n\n");
    dir.ran("cdb -c c.cdb text");
    let whole = dir.read("c.cdb");
    for cut in [0, 1, 2047, 2048, 2049, 2060, 2068, 2069, 2084] {
        dir.write("cut.cdb", &whole[..cut]);
        dir.run(&["build", "-i", "cdb", "t", "cut.cdb"]).failed(3, "cut.cdb: ", &[]);
    }
    dir.write("cut.cdb", &whole[..whole.len() - 1]);
    let ran = dir.run(&["build", "-i", "cdb", "t", "cut.cdb"]);
    ran.failed(3, "cut.cdb: cut short: the header says 2100 bytes, 2099 are there", &[]);
    assert_eq!(dir.names(), ["c.cdb", "cut.cdb", "text"]);
    // What cdb -d -m writes is another format.
    dir.ran("cdb -d -m c.cdb > map");
    let ran = dir.run(&["build", "-i", "cdb", "t", "map"]);
    ran.failed(3, "map: no cdb and not the output of cdb -d (without -m)", &[]);
}

/// The module `cdblib` of PyPI's pure-cdb writes and reads cdb64.
#[test]
fn cdb64_of_python() {
    let Some(python) = python_with("cdblib") else { return };
    let (dir, entries) = (Sandbox::new(), awkward(true));
    dir.raw_table("t", &entries);
    dir.write("raw", raw(&entries));
    dir.write(
        "write.py",
        "import cdblib, struct\n\
         raw = open('raw', 'rb').read()\n\
         at = 0\n\
         with open('c.cdb', 'wb') as file, cdblib.Writer64(file) as cdb:\n\
         \x20   while at < len(raw):\n\
         \x20       k, v = struct.unpack_from('<LL', raw, at)\n\
         \x20       cdb.put(raw[at + 8 : at + 8 + k], raw[at + 8 + k : at + 8 + k + v])\n\
         \x20       at += 8 + k + v\n",
    );
    dir.ran(&format!("{python} write.py && graven build --quiet --dup keep -i cdb u c.cdb"));
    same(&dir.read("u"), &dir.read("t"), "cdb64");
}
