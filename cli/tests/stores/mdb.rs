//! LMDB's mdb_dump and mdb_load, and py-lmdb where it is installed.

use crate::tool::Sandbox;
use crate::{Entries, awkward, installed, python_with, raw, same};

/// The entries that LMDB can hold.
fn for_lmdb(repeated: bool) -> Entries {
    let mut entries = awkward(repeated);
    if repeated {
        // No value of a database with repeated keys is longer than 511 bytes.
        entries.retain(|(_, value)| value.len() <= 511);
        // It sorts the values of a key.
        entries.sort();
    }
    entries
}

/// The lines of a dump without those that depend on the machine and on the map's size.
fn portable(dump: &[u8]) -> Vec<u8> {
    let lines = dump.split_inclusive(|&byte| byte == b'\n');
    let local = |line: &&[u8]| {
        !["db_pagesize=", "mapsize=", "mapaddr="]
            .iter()
            .any(|name| line.starts_with(name.as_bytes()))
    };
    lines.filter(local).collect::<Vec<_>>().concat()
}

#[test]
fn a_table_becomes_a_database_and_comes_back() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    for repeated in [false, true] {
        let (dir, entries) = (Sandbox::new(), for_lmdb(repeated));
        dir.raw_table("t", &entries);
        // `ran` sees to it that mdb_load does not grumble.
        dir.ran("graven dump -o mdb t > dump && mkdir env && mdb_load env < dump");
        dir.ran("mdb_dump env > back");
        let (dump, back) = (dir.read("dump"), dir.read("back"));
        // mdb_dump writes `duplicates=1` as well, which mdb_load does not know.
        let own = String::from_utf8(portable(&back)).unwrap().replace("duplicates=1\n", "");
        same(own.as_bytes(), &portable(&dump), "mdb_dump");
        dir.ran("graven build --quiet --dup keep --sorted -i mdb u back");
        same(&dir.ran("graven dump -o raw u"), &raw(&entries), "the entries");
        // Flags of the database are metadata of the table, so another way round gives the same.
        dir.ran("graven dump -o mdb u > again && graven build --quiet --dup keep -i mdb v again");
        same(&dir.read("again"), &dump, "dump -o mdb");
        same(&dir.read("u"), &dir.read("v"), "the table");
    }
}

#[test]
fn a_database_in_its_tools_own_form_comes_back_byte_for_byte() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    let (dir, entries) = (Sandbox::new(), for_lmdb(false));
    dir.raw_table("t", &entries);
    dir.ran("mkdir env env2 && graven dump -o mdb t | mdb_load env && mdb_dump env > own");
    dir.ran("graven build --quiet -i mdb u own && graven dump -o mdb u | mdb_load env2");
    same(&dir.ran("mdb_dump env2"), &dir.read("own"), "mdb_dump of both");
}

#[test]
fn a_large_table_fits_into_its_map() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    let dir = Sandbox::new();
    // Half of the pages of LMDB stay empty where large and small values take turns.
    let entries = (0..30_000u32).map(|i| {
        let len = if i % 3 == 0 { 2_500 } else { i as usize % 900 };
        (format!("{:08}", i.reverse_bits()).into_bytes(), vec![i as u8; len])
    });
    let mut entries: Entries = entries.collect();
    entries.sort();
    dir.raw_table("t", &entries);
    dir.ran("mkdir env && graven dump -o mdb t | mdb_load env");
    dir.ran("mdb_dump env | graven build --quiet -i mdb u");
    same(&dir.read("u"), &dir.read("t"), "30,000 entries");
}

#[test]
fn integer_keys_are_in_the_order_of_their_numbers_and_turned_back() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.write(
        "dump",
        "VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=10485760\nmaxreaders=126\nintegerkey=1\n\
         HEADER=END\n 0001000000000000\n 6e323536\n 0100000000000000\n 6e31\n \
         0300000000000000\n 6e33\nDATA=END\n",
    );
    dir.ran("mkdir env env2 && mdb_load env < dump && mdb_dump env > own");
    dir.ran("graven build --quiet -i mdb t own");
    assert_eq!(dir.ran("graven scan --values t"), b"n1\nn3\nn256\n");
    let key = ["get", "--hex", "t", "0000000000000100"];
    dir.run(&key).printed("n256");
    dir.ran("graven dump -o mdb t | mdb_load env2");
    same(&dir.ran("mdb_dump env2"), &dir.read("own"), "mdb_dump of both");
    // In other formats the keys stay as the table has them.
    assert_eq!(dir.ran("graven scan --limit 1 -o cdb t"), b"+8,2:\0\0\0\0\0\0\0\x01->n1\n\n");
    // Inputs that have the property do not go with such that lack it.
    dir.ran("sed '/integerkey/d' own > plain");
    let ran = dir.run(&["build", "-i", "mdb", "u", "own", "plain"]);
    ran.failed(3, "plain: has other flags (integerkey, dupsort ...)", &[]);
}

#[test]
fn one_of_several_databases() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    let dir = Sandbox::new();
    for (name, tsv) in [("one", "a\t1\n"), ("two", "b\t1\nb\t2\n")] {
        dir.table(name, tsv);
        dir.ran(&format!("mkdir -p env && graven dump -o mdb {name} | mdb_load -s {name} env"));
    }
    dir.ran("mdb_dump -a env > all");
    let ran = dir.run(&["build", "-i", "mdb", "t", "all"]);
    ran.failed(3, "all: has several databases, \"one\", \"two\": name one with --db", &[]);
    let ran = dir.run(&["build", "-i", "mdb", "--db", "three", "t", "all"]);
    ran.failed(3, "all: has no database \"three\", but \"one\", \"two\"", &[]);
    dir.ran("graven build --quiet --dup keep -i mdb --db two t all");
    assert_eq!(dir.ran("graven dump t"), b"b\t1\nb\t2\n");
    // The main database has the records of the others.
    let ran = dir.shell("mdb_dump env | graven build --quiet -i mdb u");
    assert_eq!(ran.code, 0);
    let what = "graven: standard input: warning: line 9 has the record of a named database";
    assert!(ran.err.starts_with(what), "{}", ran.err);
    let ran = dir.run(&["build", "-i", "tsv", "--db", "two", "t", "all"]);
    ran.failed(2, "--db goes with mdb", &[]);
    // The place of a repeated key is found in the chosen database.
    let ran = dir.run(&["build", "-i", "mdb", "--db", "two", "u", "all"]);
    ran.failed(3, "all: key \"b\" is repeated", &["line 23 and line 25"]);
}

#[test]
fn what_lmdb_cannot_hold_is_said_before_anything_is_written() {
    let dir = Sandbox::new();
    let long = "x".repeat(512);
    for (tsv, what) in [
        ("a\t1\n\t2\n".to_owned(), "key \"\": LMDB has no empty key"),
        (format!("a\t1\n{long}\t2\n"), "(512 bytes): 512 bytes, and LMDB's keys have at most 511"),
        (format!("a\t1\nb\t{long}\nb\t2\n"), "key \"b\": a value of 512 bytes"),
        ("a\t1\nb\t\nb\t2\n".to_owned(), "key \"b\": a repeated key with an empty value"),
        ("a\t1\nb\t1\nb\t2\nb\t1\n".to_owned(), "key \"b\": value \"1\" twice"),
    ] {
        dir.table("t", tsv);
        for verb in ["dump", "scan"] {
            let ran = dir.run(&[verb, "-o", "mdb", "t"]);
            ran.failed(3, "t: ", &[what]);
            assert_eq!(ran.out, b"", "{what}");
        }
    }
    // What scan leaves out need not fit.
    dir.table("t", format!("a\t1\n{long}\t2\n"));
    assert_eq!(dir.run(&["scan", "-o", "mdb", "--limit", "1", "t"]).code, 0);
}

/// Debian's mdb_dump -p does not double a backslash.
#[test]
fn the_printed_form_is_read_and_lossy_lines_are_named() {
    if !installed(&["mdb_dump", "mdb_load"]) {
        return;
    }
    let dir = Sandbox::new();
    let tsv = "a b\t\\x00\\xff\nk\t\n\\xc5\t\\n\n";
    dir.table("t", tsv);
    dir.ran("mkdir env && graven dump -o mdb t | mdb_load env && mdb_dump -p env > printed");
    dir.ran("graven build --quiet -i mdb u printed");
    same(&dir.read("u"), &dir.read("t"), "printed");
    dir.write("lone", "VERSION=3\nformat=print\nHEADER=END\n a\\\n v\nDATA=END\n");
    let ran = dir.run(&["build", "--quiet", "-i", "mdb", "w", "lone"]);
    assert_eq!(ran.code, 0);
    assert_eq!(
        ran.err,
        "graven: lone: warning: line 4 has a backslash that escapes nothing, which was taken as it \
         is: the mdb_dump that wrote it writes different bytes alike with -p; use mdb_dump without \
         -p\n"
    );
    assert_eq!(dir.ran("graven dump w"), b"a\\\\\tv\n");
}

/// py-lmdb dumps and restores the text of cdbmake.
#[test]
fn the_text_of_py_lmdb() {
    let Some(python) = python_with("lmdb.tool") else { return };
    let tool = format!("{python} -m lmdb.tool");
    let (dir, entries) = (Sandbox::new(), for_lmdb(false));
    dir.raw_table("t", &entries);
    dir.ran("graven dump -o cdb t > main.cdbmake");
    dir.ran(&format!("mkdir env && {tool} -S 64 restore -e env :main:=main.cdbmake > /dev/null"));
    dir.ran(&format!("{tool} dump -e env :main:=back.cdbmake > /dev/null"));
    same(&dir.read("back.cdbmake"), &dir.read("main.cdbmake"), "py-lmdb's dump");
    dir.ran("graven build --quiet -i cdb u back.cdbmake");
    same(&dir.read("u"), &dir.read("t"), "the table");
}
