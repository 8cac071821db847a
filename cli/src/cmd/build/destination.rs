//! What a build makes of its entries: a table, a table that is a version, or a set; and what is said
//! of it.

use crate::args::Build;
use crate::cmd::{publish, shard};
use crate::exit::{Failure, Outcome, counted, note, say};
use graven::{
    BuildError, BuildOptions, BuildProgress, BuildSummary, Builder, ErrorKind, HashIndexOutcome,
    NewVersion, PublishError, PublishOptions, SetBuildOptions, SetBuilder, Version, Versions,
};
use std::io::Read;
use std::path::Path;

/// Fails where the options that say what is built contradict each other.
pub(super) fn check(args: &Build) -> Result<(), Failure> {
    let refused = |what: &str| Err(Failure::new(ErrorKind::Usage, what));
    if args.makes_set() {
        shard::check_directory(&args.out)?;
    } else if args.out.as_os_str() == "-" {
        let what = "a table cannot be written to standard output: name a file";
        return Err(Failure::at(ErrorKind::Usage, "-", what));
    }
    if args.dividing.partition.is_some() && !args.makes_set() {
        return refused(
            "--partition says how the keys of a set are divided: give --shards, too, or \
             --target-bytes; see graven build --help",
        );
    }
    if args.dividing.is_hashed() && args.dividing.shards.is_none() {
        return refused(
            "--partition hash needs --shards: a key's shard depends on their number, and how many \
             bytes come is known at the end only; see graven build --help",
        );
    }
    Ok(())
}

/// Where entries go.
pub(super) enum Destination {
    Table(Box<Builder>, Option<NewVersion>),
    Set(Box<SetBuilder>),
}

/// What came of a build.
pub(super) enum Built {
    Table(BuildSummary, Option<NewVersion>),
    Set(Version),
}

impl Destination {
    pub(super) fn begin(
        args: &Build,
        input_bytes: Option<u64>,
        tell: impl Fn(BuildProgress) + Send + Sync + 'static,
        metadata: &[(String, String)],
    ) -> Result<Self, Failure> {
        let options = options(args, input_bytes, metadata).progress(tell);
        if args.makes_set() {
            let options = SetBuildOptions::new().tables(options).publish(publishing(args));
            let builder = shard::cut(options, &args.dividing).create(&args.out);
            let builder = builder.map_err(|error| Failure::publish(&args.out, &error))?;
            return Ok(Self::Set(Box::new(builder)));
        }
        // A version is written where it stays, and not copied.
        let begin = |dir: &Path| Versions::new(dir).create(&publishing(args));
        let new = args.dir.as_deref().map(begin).transpose();
        let new = new.map_err(|error| Failure::publish(&args.out, &error))?;
        let path = new.as_ref().map_or(args.out.as_path(), NewVersion::path);
        let builder = options.create(path).map_err(|error| Failure::build(&args.out, &error))?;
        Ok(Self::Table(Box::new(builder), new))
    }

    pub(super) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        match self {
            Self::Table(builder, _) => builder.insert(key, value),
            Self::Set(builder) => builder.insert(key, value),
        }
    }

    pub(super) fn insert_from(&mut self, key: &[u8], value: impl Read) -> Result<(), BuildError> {
        match self {
            Self::Table(builder, _) => builder.insert_from(key, value),
            Self::Set(builder) => builder.insert_from(key, value),
        }
    }

    /// Completes what is built. A table that is a version has still to be published.
    pub(super) fn finish(self) -> Result<Built, PublishError> {
        Ok(match self {
            Self::Table(builder, new) => Built::Table(builder.finish()?, new),
            Self::Set(builder) => Built::Set(builder.finish()?),
        })
    }
}

impl Built {
    /// Says what came of the build, and publishes it if that is left.
    pub(super) fn report(self, args: &Build) -> Result<Outcome, Failure> {
        let (dir, quiet) = (&args.out, args.quiet);
        match self {
            Self::Set(version) => publish::say_set(quiet, dir, &version),
            Self::Table(summary, new) => {
                if let Some(warning) = slower(&summary) {
                    note(format_args!("{}: warning: {warning}", dir.display()));
                }
                if !quiet {
                    say(line(dir, &summary));
                }
                let Some(new) = new else { return Ok(Outcome::Fine) };
                let version = new.publish().map_err(|error| Failure::publish(dir, &error))?;
                publish::say_current(quiet, dir, &version);
            }
        }
        publish::prune(&Versions::new(dir), &args.keeping, dir, quiet)
    }
}

/// How a version is published.
fn publishing(args: &Build) -> PublishOptions {
    let options = args.keeping.options().mode(args.mode).durable(!args.no_sync);
    let options = options.replace(!args.no_replace);
    args.guards.add_to(match args.makes_set() {
        true => options.verify_after_write(args.verify),
        // The table itself is read back.
        false => options,
    })
}

/// How a table, or each shard, is built.
fn options(args: &Build, input_bytes: Option<u64>, metadata: &[(String, String)]) -> BuildOptions {
    // Escapes and lengths make an input longer than its entries, but seldom twice as long.
    let at_least = input_bytes.map(|bytes| bytes / 2);
    let mut options = BuildOptions::new()
        .sorted(args.sorted)
        .duplicates(args.dup.into())
        .expected_bytes(at_least)
        .hash_index(args.hash_index.into())
        .value_align(args.value_align)
        .mode(args.mode)
        .durable(!args.no_sync)
        .replace(!args.no_replace)
        .verify_after_write(args.verify);
    options = args.packing.set(args.resources.set(options));
    for (key, value) in metadata {
        options = options.metadata(&key[..], &value[..]);
    }
    for pair in &args.meta {
        options = options.metadata(&pair.key[..], &pair.value[..]);
    }
    options
}

/// The warning about a table whose lookups are slower than those of other tables. It is printed
/// even with --quiet.
fn slower(summary: &BuildSummary) -> Option<String> {
    let BuildSummary { keys, set_aside, .. } = *summary;
    match summary.hash_index {
        HashIndexOutcome::Abandoned { attempts } => Some(format!(
            "no hash index could be built in {}: a get takes 5 to 12 times as long",
            counted(attempts.into(), "attempt", "attempts")
        )),
        // Up to one key in a thousand is not noticed. More than that is no coincidence.
        _ if set_aside > keys / 1000 => Some(format!(
            "{set_aside} of {keys} keys have the hash of another key: a get of one of them takes 5 to \
             12 times as long (were the keys chosen to slow the table down?)"
        )),
        _ => None,
    }
}

/// The line about the table that was built.
fn line(out: &Path, summary: &BuildSummary) -> String {
    let BuildSummary { entries, keys, file_bytes, key_bytes, value_bytes, .. } = *summary;
    let hash = match summary.hash_index {
        HashIndexOutcome::Built if summary.set_aside > 0 => {
            let keys = counted(summary.set_aside, "key", "keys");
            format!("with a hash index of all but {keys}")
        }
        HashIndexOutcome::Built => "with a hash index".into(),
        HashIndexOutcome::Abandoned { attempts } => {
            let attempts = counted(attempts.into(), "attempt", "attempts");
            format!("hash index given up after {attempts}")
        }
        _ => "without a hash index".to_owned(),
    };
    let stored = summary.stored_key_bytes + summary.stored_value_bytes;
    let overhead = (file_bytes - stored) as f64 / entries.max(1) as f64;
    let packed = match key_bytes + value_bytes {
        raw if raw == stored => String::new(),
        raw => format!("{stored} bytes of {raw} stored, "),
    };
    format!(
        "{}: {}, {}, {file_bytes} bytes, {packed}{overhead:.2} bytes of overhead per entry, {hash}",
        out.display(),
        counted(entries, "entry", "entries"),
        counted(keys, "key", "keys")
    )
}
