//! SQLite, through its program.

use crate::installed;
use crate::tool::Sandbox;

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
    dir.run(&["get", "s.db", "a"]).failed(
        3,
        "s.db: is a database of SQLite",
        &["sqlite3 -csv s.db"],
    );
}
