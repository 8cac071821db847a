//! Files of other stores, as their own tools made them, where a table or an input is expected. The
//! command that the message names makes the table.

use crate::tool::Sandbox;
use crate::{installed, same};

/// What a message recommends behind its last colon, with `out` for OUT.
fn command(message: &str, out: &str) -> String {
    let (_, command) = message.trim_end().rsplit_once(": ").expect("a command");
    command.replace("TABLE", out)
}

#[track_caller]
fn is_named(dir: &Sandbox, file: &str, what: &str, code: i32) {
    let named = format!("{file}: is {what}, not a graven table: ");
    for verb in ["get", "mget", "scan", "stat", "verify", "dump", "warm", "bench"] {
        let args: &[&str] = if verb == "get" { &[verb, file, "k"] } else { &[verb, file] };
        let ran = dir.run(args);
        ran.failed(code, &named, &[]);
    }
    let ran = dir.run(&["publish", file, "copy"]);
    ran.failed(code, &named, &[]);
    dir.ran(&format!("{{ {}; }} 2> /dev/null", command(&ran.err, "converted")));
    same(&dir.ran("graven dump converted"), b"a\t1\nb\t2\n", file);
    for format in ["tsv", "raw"] {
        let ran = dir.run(&["build", "-i", format, "t2", file]);
        ran.failed(3, &format!("{file}: is {what}"), &[]);
        dir.ran(&format!("{{ {}; }} 2> /dev/null", command(&ran.err, "")));
        same(&dir.ran("graven dump t2"), b"a\t1\nb\t2\n", file);
        dir.ran("rm -f t2 .t2.lock");
    }
}

#[test]
fn a_cdb() {
    if !installed(&["cdb"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.table("t", "a\t1\nb\t2\n");
    dir.ran("graven dump -o cdb t | cdb -c in.cdb");
    is_named(&dir, "in.cdb", "a cdb", 3);
    // As mdb, too.
    let ran = dir.run(&["build", "-i", "mdb", "u", "in.cdb"]);
    ran.failed(3, "in.cdb: is a cdb: graven build -i cdb u in.cdb", &[]);
}

#[test]
fn a_database_of_lmdb() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.table("t", "a\t1\nb\t2\n");
    dir.ran("mkdir env && graven dump -o mdb t | mdb_load env");
    is_named(&dir, "env/data.mdb", "a data file of LMDB 0.9", 3);
    is_named(&dir, "env", "an LMDB environment", 4);
    // From a pipe, the file has to be named by the user.
    let ran = dir.shell("cat env/data.mdb | graven build u");
    ran.failed(3, "standard input: is a data file of LMDB 0.9: mdb_dump -n FILE", &["-i mdb u"]);
}

#[test]
fn text_forms_and_what_is_compressed() {
    let dir = Sandbox::new();
    dir.write("text", "+1,1:a->1\n\n");
    dir.write("dump", "VERSION=3\nHEADER=END\n 61\n 31\nDATA=END\n");
    for (file, what, format) in
        [("text", "the text of a cdb", "cdb"), ("dump", "a dump of LMDB", "mdb")]
    {
        let ran = dir.run(&["get", file, "a"]);
        ran.failed(
            3,
            &format!("{file}: is {what}, not a graven table: graven build -i {format}"),
            &[],
        );
        let ran = dir.run(&["build", "t", file]);
        ran.failed(3, &format!("{file}: is {what}, which -i {format} reads"), &[]);
        dir.run(&["build", "--quiet", "-i", format, "t", file]).printed("");
        dir.run(&["get", "t", "a"]).printed("1");
    }
    dir.write("t.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0");
    let ran = dir.run(&["stat", "t.gz"]);
    ran.failed(3, "t.gz: is compressed by gzip", &["zcat t.gz > TABLE"]);
    // Other files are no table and nothing more.
    dir.write("other", [b'x'; 4096]);
    dir.run(&["stat", "other"]).failed(3, "other: starts with \"xxxxxxxx\" and is no graven", &[]);
}

#[test]
fn files_that_are_known_by_their_end() {
    let dir = Sandbox::new();
    let mut table = b"block\n".repeat(1000);
    table.extend_from_slice(&0x88E2_41B7_85F4_CFF7u64.to_le_bytes());
    dir.write("000008.sst", table);
    let what = "000008.sst: is a table file of RocksDB";
    dir.run(&["stat", "000008.sst"]).failed(3, what, &["docs/from-rocksdb.md"]);
    dir.run(&["build", "t", "000008.sst"]).failed(3, what, &["docs/from-rocksdb.md"]);
    for format in ["raw", "lines", "csv", "jsonl"] {
        dir.run(&["build", "-i", format, "t", "000008.sst"]).failed(3, what, &[]);
    }
    dir.write(
        "m.mmdb",
        [&b"tree\n"[..], &[0; 5000], b"\xab\xcd\xefMaxMind.com\xe9", &[1; 90_000]].concat(),
    );
    dir.run(&["get", "m.mmdb", "k"]).failed(3, "m.mmdb: is a database of MaxMind", &[]);
    dir.run(&["build", "t", "m.mmdb"]).failed(3, "m.mmdb: is a database of MaxMind", &[]);
}
