//! `graven merge`: many tables into one, or a table and patches into the new one.

use crate::args::{Merge, Policy};
use crate::exit::{Failure, Outcome, counted, reading, say};
use crate::formats::tsv::shown;
use crate::progress::{Progress, Unit};
use crate::source::{self, Source};
use crate::{open, signals};
use graven::{
    BuildOptions, BuildSummary, ErrorKind, MergeError, OpenOptions, PackedTable, Patch, Patched,
};
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &Merge) -> Result<Outcome, Failure> {
    no_table_to_standard_output(&args.out)?;
    signals::clean_up_and_exit()?;
    let options = OpenOptions::new().access(args.reading.access());
    // The parser asks for at least one table. Shards of a set have keys of their own, so they are
    // merged as if they had been named in its place.
    let (mut tables, mut paths) = (Vec::new(), Vec::new());
    for (path, number) in args.tables.iter().zip(0..) {
        let source = match open::is_set(path) {
            true => Source::open(path, args.reading.access())?,
            false => {
                let options = options.allow_patch(number > 0).allow_packed(true);
                Source::Packed(open::unpacked(open::with(&options, path)?, path)?)
            }
        };
        let named = source.tables(path)?.into_iter();
        named.for_each(|(table, path)| {
            tables.push(table);
            paths.push(path);
        });
    }
    let patched = tables[1..].iter().any(is_patch);
    if let Some(set) = args.tables.iter().find(|path| patched && open::is_set(path)) {
        let instead = "patches apply to a table; merge the set into a table first, without patches";
        return Err(source::no_set(set, instead));
    }
    let progress = Progress::new("merging", Unit::Entries, None, args.writing.quiet);
    let merged = if patched { patch(args, &tables) } else { merge(args, &tables, &paths) }?;
    for (table, path) in tables.iter().zip(&paths) {
        open::intact(table.stored(), path)?;
    }
    drop(progress);
    if !args.writing.quiet {
        say(report(&args.out, &merged));
    }
    Ok(Outcome::Fine)
}

fn is_patch(table: &PackedTable) -> bool {
    !matches!(Patch::new(table.stored().clone()), Err(MergeError::NotAPatch { .. }))
}

fn merge(args: &Merge, tables: &[PackedTable], paths: &[PathBuf]) -> Result<BuildSummary, Failure> {
    let failed = |error| failure(&error, &args.out, paths);
    let policy = args.dup.unwrap_or(Policy::Error);
    let merge = graven::Merge::new(tables).policy(policy.into());
    let mut options = args.writing.set(merge.build_options().map_err(failed)?);
    if args.plain || args.packing.is_given() {
        options = args.packing.set(options);
    }
    if let Some(hash_index) = args.hash_index {
        options = options.hash_index(hash_index.into());
    }
    if let Some(align) = args.value_align {
        options = options.value_align(align);
    }
    for pair in &args.meta {
        options = options.metadata(&pair.key[..], &pair.value[..]);
    }
    merge.build(&args.out, &options).map_err(failed)
}

fn patch(args: &Merge, tables: &[PackedTable]) -> Result<BuildSummary, Failure> {
    let given = [
        ("--dup", args.dup.is_some()),
        ("--hash-index", args.hash_index.is_some()),
        ("--value-align", args.value_align.is_some()),
        ("--meta", !args.meta.is_empty()),
        ("--plain", args.plain),
        (args.packing.name(), args.packing.is_given()),
    ];
    if let Some((option, _)) = given.iter().find(|(_, given)| *given) {
        let what = format_args!("{option} does not go with patches: they say how OUT is built");
        return Err(Failure::new(ErrorKind::Usage, what));
    }
    let patches = tables[1..].iter().zip(&args.tables[1..]).map(|(table, path)| {
        Patch::new(table.stored().clone()).map_err(|error| match error {
            MergeError::NotAPatch { .. } => Failure::at(
                ErrorKind::Data,
                path.display(),
                "is a table among patches: merge the tables first, or name the patches alone",
            ),
            MergeError::Read { source, .. } => reading(path)(source),
            error => Failure::at(error.kind(), path.display(), error),
        })
    });
    let patches = patches.collect::<Result<Vec<_>, _>>()?;
    let options = args.writing.set(BuildOptions::new());
    let patched = Patched::new(&tables[0], &patches);
    let built = patched.and_then(|patched| patched.build(&args.out, &options));
    built.map_err(|error| failure(&error, &args.out, &args.tables))
}

/// Fails where a table would have to go to standard output.
pub(super) fn no_table_to_standard_output(out: &Path) -> Result<(), Failure> {
    if out.as_os_str() != "-" {
        return Ok(());
    }
    let what = "a table cannot be written to standard output: name a file";
    Err(Failure::at(ErrorKind::Usage, "-", what))
}

/// The failure of a command that makes `out` of these tables.
pub(super) fn failure(error: &MergeError, out: &Path, tables: &[PathBuf]) -> Failure {
    let name = |table: usize| tables.get(table).unwrap_or(&tables[0]).display();
    let (at, what) = match error {
        MergeError::Build(error) => return Failure::build(out, error),
        MergeError::Read { table, source } => (name(*table), source.failure().to_string()),
        MergeError::DuplicateKey { key, tables: [first, second] } => {
            let repeated = match first == second {
                true => "is repeated".to_owned(),
                false => format!("is in {} as well", name(*first)),
            };
            let what = format!("key {} {repeated}, and --dup says what to do then", shown(key));
            (name(*second), what)
        }
        MergeError::TypeMismatch { table } => {
            let what = format!("has keys or values of other types than {}", name(0));
            (name(*table), what)
        }
        MergeError::OtherBase { patch, expected, got } => {
            let what =
                format!("is a patch for the table with build id {expected}, and not for {got}");
            (name(patch + 1), what)
        }
        MergeError::BadPatch { patch, what, key } => {
            (name(patch + 1), format!("{what} at key {}: make the patch again", shown(key)))
        }
        error => (out.display(), error.to_string()),
    };
    Failure::at(error.kind(), at, what)
}

/// The line about the table that was made.
pub(super) fn report(out: &Path, summary: &BuildSummary) -> String {
    let BuildSummary { entries, keys, file_bytes, .. } = summary;
    let entries = counted(*entries, "entry", "entries");
    let keys = counted(*keys, "key", "keys");
    format!("{}: {entries}, {keys}, {file_bytes} bytes", out.display())
}
