//! `graven pull`: fetches a set from an object store into a directory of versions.

use super::publish;
use crate::args::Pull;
use crate::exit::{self, Failure, Outcome};
use crate::progress::{Progress, Unit};
use crate::remote::address::Manner;
use crate::remote::cache::{self, Cache, Held};
use crate::remote::fault::Fault;
use crate::remote::fetch::Fetch;
use crate::remote::layout::{CURRENT, MANIFEST, Name};
use crate::remote::patience::Patience;
use crate::remote::store::{Remote, within};
use crate::remote::workers;
use graven::{ErrorKind, Manifest, PublishError, ReceivedSet, Shard, Version, Versions};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How often a pull begins anew because another version became current meanwhile.
const ATTEMPTS: u32 = 5;

pub(crate) fn run(args: &Pull) -> Result<Outcome, Failure> {
    let timeout = Duration::from_secs_f64(args.talking.timeout);
    let (retries, quiet) = (args.talking.retries, args.talking.quiet);
    let remote = Remote::new(&args.source, Manner { retries, timeout })?;
    let patience = Patience { retries, quiet };
    let pull = Run { args, remote, patience, versions: Versions::new(&args.dir) };
    let mut there = pull.find()?;
    let wait = Duration::from_secs(args.wait);
    let cache = Cache::lock(&args.dir, wait, quiet)?;
    let mut attempt = 1;
    let version = loop {
        let outdated = AtomicBool::new(false);
        match pull.bring(&cache, &there, &outdated) {
            Err(failure) if outdated.into_inner() && attempt < ATTEMPTS => {
                let now = pull.find()?;
                if now.manifest.id == there.manifest.id && now.directory == there.directory {
                    return Err(failure);
                }
                attempt += 1;
                pull.say(format_args!(
                    "{}: another version became current meanwhile; it is pulled instead",
                    pull.remote.place()
                ));
                there = now;
            }
            brought => break brought?,
        }
    };
    cache.keep_only(&HashSet::new())?;
    if let Some(version) = version {
        publish::say_current(quiet, &args.dir, &version);
    }
    publish::prune(&pull.versions, &args.keeping, &args.dir, quiet)
}

struct Run<'a> {
    args: &'a Pull,
    remote: Remote,
    patience: Patience,
    versions: Versions,
}

/// A version in the store.
struct There {
    /// Where its objects are.
    directory: String,
    /// Its number, if that is known.
    number: Option<u64>,
    /// Whether the user named this version.
    named: bool,
    text: Vec<u8>,
    manifest: Manifest,
}

impl Run<'_> {
    fn say(&self, what: std::fmt::Arguments<'_>) {
        if !self.args.talking.quiet {
            exit::say(what);
        }
    }

    /// Does what may fail for reasons that pass. `None` if there is no such object.
    fn ask<T>(
        &self,
        name: &str,
        ask: impl FnMut() -> Result<T, Fault>,
    ) -> Result<Option<T>, Failure> {
        let object = self.remote.shown(name);
        match self.patience.of(&object, ask) {
            Ok(answer) => Ok(Some(answer)),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(fault.at(object)),
        }
    }

    /// The version that is to be pulled: the one that `CURRENT` points to; the one that `CURRENT`
    /// is, where a link to a directory was followed; the one at the place itself.
    fn find(&self) -> Result<There, Failure> {
        let current = self.ask(CURRENT, || match self.remote.current() {
            Ok(current) => current.ok_or(Fault::Missing),
            // A web server may send anything for a directory.
            Err(Fault::Refused(_)) if self.remote.is_web() => Err(Fault::Missing),
            Err(fault) => Err(fault),
        })?;
        if let Some((Some(name), _)) = &current {
            let directory = name.directory();
            let there = self.version(&directory, Some(name), false)?;
            return there.ok_or_else(|| self.no_set(&directory));
        }
        if let Some(there) = self.version(CURRENT, None, false)? {
            return Ok(there);
        }
        if let Some((None, pointer)) = current {
            let text = String::from_utf8_lossy(&pointer.bytes).into_owned();
            let what = format_args!("is no name of a version: {text:.80?}");
            return Err(Failure::at(ErrorKind::Data, self.remote.shown(CURRENT), what));
        }
        let name = self.remote.named_after();
        let there = self.version("", name.as_ref(), true)?;
        there.ok_or_else(|| self.no_set(""))
    }

    /// The version in a directory; `None` if there is no manifest.
    fn version(
        &self,
        directory: &str,
        name: Option<&Name>,
        named: bool,
    ) -> Result<Option<There>, Failure> {
        let object = within(directory, MANIFEST);
        let Some(text) = self.ask(&object, || self.remote.manifest(directory))? else {
            return Ok(None);
        };
        let object = self.remote.shown(&object);
        let manifest = Manifest::from_json(&text, &object).map_err(|e| Failure::set(&e))?;
        if let Some(name) = name
            && !manifest.id.to_string().starts_with(&name.start)
        {
            let id = manifest.id;
            let what = format_args!("has id {id}, and its version is {name}: push the set again");
            return Err(Failure::at(ErrorKind::Data, object, what));
        }
        let number = name.map(|name| name.number);
        Ok(Some(There { directory: directory.into(), number, named, text, manifest }))
    }

    fn no_set(&self, directory: &str) -> Failure {
        let place = within(self.remote.place(), directory);
        let table = within(directory, "table.grv");
        let what = match self.ask(&table, || self.remote.len(&table)) {
            Ok(Some(_)) => {
                "holds a table, and pull fetches sets: graven shard --shards 1 makes a set of \
                      a table, and push sends it"
            }
            _ => "holds no set: there is no CURRENT and no MANIFEST.json",
        };
        Failure::at(ErrorKind::Io, place.trim_end_matches('/'), what)
    }

    /// Makes a version of the store the current one. `None` if it is that, or an older one.
    fn bring(
        &self,
        cache: &Cache,
        there: &There,
        outdated: &AtomicBool,
    ) -> Result<Option<Version>, Failure> {
        let failed = |error: PublishError| Failure::publish(&self.args.dir, &error);
        let held = cache::held(&self.versions, &self.args.dir)?;
        if self.is_here(there, &held)? {
            return Ok(None);
        }
        if let Some(same) = held.iter().find(|held| held.manifest.id == there.manifest.id) {
            // All of it is compared with its manifest before the pointer moves.
            return self.versions.roll_back(Some(&same.version.id)).map(Some).map_err(failed);
        }
        let options = self.args.keeping.options().mode(self.args.mode);
        let options = options.durable(!self.args.no_sync).verify_after_write(self.args.verify);
        let options = self.args.guards.add_to(options);
        let set = ReceivedSet::begin(&self.args.dir, &there.text, there.number, &options);
        let set = set.map_err(failed)?;
        self.fill(cache, there, &held, &set, outdated)?;
        set.publish().map(Some).map_err(failed)
    }

    /// Whether the version is the current one here, or older than that. Says so.
    fn is_here(&self, there: &There, held: &[Held]) -> Result<bool, Failure> {
        let dir = self.args.dir.display();
        let list = self.versions.list().map_err(|e| Failure::publish(&self.args.dir, &e))?;
        let Some(current) = list.into_iter().find(|version| version.current) else {
            return Ok(false);
        };
        let id = &current.id;
        let same = |held: &&Held| held.version.current && held.manifest.id == there.manifest.id;
        if held.iter().any(|held| same(&held)) {
            self.say(format_args!("{dir}: version {id} is current already; nothing fetched"));
            return Ok(true);
        }
        // A table among the versions has the same form of name.
        let number = id.parse::<Name>().map_or(0, |name| name.number);
        let older = there.number.filter(|&theirs| theirs < number);
        if let Some(theirs) = older
            && !(there.named || self.args.allow_older)
        {
            let place = self.remote.place();
            self.say(format_args!(
                "{dir}: version {id} is current, and {place} has an older one, number {theirs}; \
                 nothing fetched: --allow-older goes back to it"
            ));
            return Ok(true);
        }
        Ok(false)
    }

    /// Puts all shards into the directory of the new version.
    fn fill(
        &self,
        cache: &Cache,
        there: &There,
        held: &[Held],
        set: &ReceivedSet,
        outdated: &AtomicBool,
    ) -> Result<(), Failure> {
        let near = cache::shards(held);
        let mut fetched: HashMap<[u8; 32], (&Shard, Vec<PathBuf>)> = HashMap::new();
        for shard in &set.manifest().shards {
            let path = set.path().join(&shard.file);
            if !near.get(&shard.sha256).is_some_and(|old| link(old, &path, shard)) {
                fetched.entry(shard.sha256).or_insert((shard, Vec::new())).1.push(path);
            }
        }
        let wanted = fetched.keys().copied().collect();
        cache.keep_only(&wanted)?;
        // File systems without links: what an older version has is copied, and then compared.
        for (sha256, old) in near.iter().filter(|(sha256, _)| wanted.contains(*sha256)) {
            if cache.found(sha256) == 0 {
                let _ = fs::copy(old, cache.file(sha256));
            }
        }
        let total = fetched.values().map(|(shard, _)| shard.bytes).sum::<u64>();
        let come = fetched.values().map(|(shard, _)| cache.found(&shard.sha256).min(shard.bytes));
        cache.has_room(total.saturating_sub(come.sum()))?;
        let mut shards: Vec<&Shard> = fetched.values().map(|(shard, _)| *shard).collect();
        // The largest first, so that none of them is left alone at the end.
        shards.sort_by_key(|shard| (std::cmp::Reverse(shard.bytes), shard.sha256));
        let progress = Progress::new("pulling", Unit::Bytes, Some(total), self.args.talking.quiet);
        let fetch = Fetch {
            remote: &self.remote,
            directory: &there.directory,
            patience: self.patience,
            mode: self.args.mode,
            durable: !self.args.no_sync,
            progress: &progress,
            outdated,
        };
        workers::each(&shards, self.args.talking.jobs, |shard, stop| {
            fetch.shard(shard, &cache.file(&shard.sha256), stop)
        })?;
        drop(progress);
        for (shard, paths) in fetched.values() {
            place(&cache.file(&shard.sha256), paths)?;
        }
        Ok(())
    }
}

/// Gives a shard of an older version one more name. Returns false if it is not there, has another
/// length, or the file system has no links.
fn link(old: &Path, path: &Path, shard: &Shard) -> bool {
    let whole =
        fs::symlink_metadata(old).is_ok_and(|found| found.is_file() && found.len() == shard.bytes);
    whole && fs::hard_link(old, path).is_ok()
}

/// Gives a shard that has come its names in the version. The file stays until the version is
/// current: a run that dies before finds it again.
fn place(file: &Path, paths: &[PathBuf]) -> Result<(), Failure> {
    for (left, path) in (0..paths.len()).rev().zip(paths) {
        let placed = match fs::hard_link(file, path) {
            Ok(()) => Ok(()),
            // The file system has no links.
            Err(_) if left == 0 => fs::rename(file, path),
            Err(_) => fs::copy(file, path).map(drop),
        };
        placed.map_err(|error: io::Error| Failure::io(path.display(), &error))?;
    }
    Ok(())
}
