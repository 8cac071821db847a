//! SQLite, through its program.

use crate::installed;
use crate::tool::Sandbox;

/// The commands of the README.
#[test]
fn csv_goes_both_ways() {
    if !installed(&["sqlite3"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.ran(
        "sqlite3 s.db \"create table t (k, v); insert into t values ('b,', char(34)), \
         ('a' || char(10), 'x y'), ('c', '')\"",
    );
    dir.ran("sqlite3 -csv s.db 'select k, v from t' | graven build --quiet -i csv t");
    assert_eq!(dir.ran("graven dump t"), b"a\\n\tx y\nb,\t\"\nc\t\n");
    dir.ran(
        "sqlite3 new.db 'create table t (k, v)' \
         && graven dump -o csv t | sqlite3 new.db '.import --csv /dev/stdin t'",
    );
    let rows = "select hex(k), hex(v) from t order by k";
    let expected = dir.ran(&format!("sqlite3 s.db '{rows}'"));
    assert_eq!(dir.ran(&format!("sqlite3 new.db '{rows}'")), expected);
    let ran = dir.run(&["get", "s.db", "a"]);
    let what = "s.db: is a database of SQLite, not a graven table: sqlite3 -csv s.db 'select KEY,";
    ran.failed(3, what, &["graven build -i csv TABLE"]);
}

/// Hexadecimal digits carry every byte: blobs, and texts with line ends or TABs.
#[test]
fn a_table_of_sqlite_becomes_a_table_and_comes_back() {
    if !installed(&["sqlite3", "sed"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.ran(
        "sqlite3 s.db \"create table t (k text, v blob); \
         insert into t values ('b', x'00ff0a5c'), ('a' || char(9) || 'c', ''), ('', 'text')\"",
    );
    dir.ran(
        "sqlite3 -tabs s.db 'select hex(k), hex(v) from t' | sed 's/[0-9A-F][0-9A-F]/\\\\x&/g' \
         | graven build --quiet t",
    );
    let dump = b"\ttext\na\\tc\t\nb\t\\0\xff\\n\\\\\n";
    assert_eq!(dir.ran("graven dump t"), dump);
    // Back: a blob literal for each field.
    dir.ran(
        "graven scan --from a -o mdb t | sed -n \
         '/^ /{s/^ //;h;n;s/^ //;H;g;s/\\(.*\\)\\n\\(.*\\)/insert into u values (x'\\''\\1'\\'', \
         x'\\''\\2'\\'');/p}' | sqlite3 -cmd 'create table u (k blob, v blob)' s.db",
    );
    let rows = dir.ran("sqlite3 s.db 'select hex(k), hex(v) from u order by k'");
    assert_eq!(rows, b"610963|\n62|00FF0A5C\n");
}
