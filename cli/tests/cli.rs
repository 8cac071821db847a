//! Guards against a binary that lies to the script that runs it: a wrong exit code, an output
//! that another program cannot read back, a half-written table under the final name, an error
//! that names neither file nor line, a pipe that ends in a scare instead of in silence. Nothing
//! here knows the library: every test runs the program as a shell would, and compares bytes.
#![cfg(unix)]

#[path = "cli/build.rs"]
mod build;
#[path = "cli/compress.rs"]
mod compress;
#[path = "cli/coprocess.rs"]
mod coprocess;
#[path = "cli/csv.rs"]
mod csv;
#[path = "cli/exits.rs"]
mod exits;
#[path = "cli/fields.rs"]
mod fields;
#[path = "cli/find.rs"]
mod find;
#[path = "cli/guide.rs"]
mod guide;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/inspect.rs"]
mod inspect;
#[path = "cli/jsonl.rs"]
mod jsonl;
#[path = "cli/long.rs"]
mod long;
#[path = "cli/lookup.rs"]
mod lookup;
#[path = "cli/malformed.rs"]
mod malformed;
#[path = "cli/merge.rs"]
mod merge;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/packed.rs"]
mod packed;
#[path = "cli/progress.rs"]
mod progress;
#[path = "cli/publish.rs"]
mod publish;
#[path = "cli/roundtrip.rs"]
mod roundtrip;
#[path = "cli/scan.rs"]
mod scan;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/set_build.rs"]
mod set_build;
#[path = "cli/sets.rs"]
mod sets;
#[path = "cli/several.rs"]
mod several;
#[path = "cli/skip.rs"]
mod skip;
#[path = "cli/stat.rs"]
mod stat;
#[path = "cli/stumbles.rs"]
mod stumbles;
#[path = "cli/text.rs"]
mod text;
#[path = "cli/tool.rs"]
mod tool;
