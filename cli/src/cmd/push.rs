//! `graven push`: sends a set to an object store.

use crate::args::Push;
use crate::exit::{self, Failure, Outcome};
use crate::open;
use crate::progress::{Progress, Unit};
use crate::remote::address::Manner;
use crate::remote::fault::Fault;
use crate::remote::layout::{CURRENT, MANIFEST, Name, VERSIONS};
use crate::remote::patience::Patience;
use crate::remote::store::{Condition, Remote, within};
use crate::remote::{upload, workers};
use graven::{AccessPattern, ErrorKind, Manifest, PublishError, Shard};
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Shortest wait for an answer: a part has to be sent before there is one.
const WAIT: Duration = Duration::from_secs(300);

pub(crate) fn run(args: &Push) -> Result<Outcome, Failure> {
    if !open::is_set(&args.dir) {
        // What is not there is named by whoever opens it.
        fs::metadata(&args.dir).map_err(|error| Failure::io(args.dir.display(), &error))?;
        let what =
            "holds no set, and push sends sets: graven shard --shards 1 makes one of a table";
        return Err(Failure::at(ErrorKind::Usage, args.dir.display(), what));
    }
    // While this is open, nobody prunes the version.
    let set = open::packed_set(&args.dir, AccessPattern::Random)?;
    let path = set.path().join(MANIFEST);
    let text = fs::read(&path).map_err(|error| Failure::io(path.display(), &error))?;
    let manifest = Manifest::from_json(&text, &path).map_err(|error| Failure::set(&error))?;
    let timeout = WAIT.max(Duration::from_secs_f64(args.talking.timeout));
    let (retries, quiet) = (args.talking.retries, args.talking.quiet);
    let remote = Remote::new(&args.target, Manner { retries, timeout })?;
    if remote.is_web() {
        let what = "is a web server, which is only read: push to an object store or a directory";
        return Err(Failure::at(ErrorKind::Usage, remote.place(), what));
    }
    let patience = Patience { retries, quiet };
    let push = Run { args, remote, patience, directory: set.path(), manifest: &manifest };
    let current = push.current()?;
    if let Some(current) = &current {
        if current.manifest.as_ref().is_some_and(|there| there.id == manifest.id) && !args.again {
            let (place, name) = (push.remote.place(), &current.name);
            push.say(format_args!("{place}: version {name} is current already; nothing sent"));
            return Ok(Outcome::Fine);
        }
        if push.remote.is_local() && !args.unconditional {
            return Err(push.lacks_conditions());
        }
    }
    push.guard(current.as_ref())?;
    let name = push.name(current.as_ref())?;
    let sent = push.shards(&name, current.as_ref())?;
    let object = within(&name.directory(), MANIFEST);
    upload::text(&push.remote, &object, text).map_err(|f| f.at(push.remote.shown(&object)))?;
    push.point_to(&name, current)?;
    let (place, shards, all) = (push.remote.place(), sent, manifest.shards.len());
    let bytes = manifest.bytes;
    push.say(format_args!(
        "{place}: version {name} is current, {bytes} bytes; {shards} of {all} shards sent"
    ));
    Ok(Outcome::Fine)
}

struct Run<'a> {
    args: &'a Push,
    remote: Remote,
    patience: Patience,
    /// Where the shards are.
    directory: &'a Path,
    manifest: &'a Manifest,
}

/// The version that is current in the store.
struct Current {
    name: Name,
    /// As long as this holds, nobody has moved the pointer.
    unmoved: Condition,
    /// `None` if it cannot be read.
    manifest: Option<Manifest>,
}

impl Run<'_> {
    fn say(&self, what: std::fmt::Arguments<'_>) {
        if !self.args.talking.quiet {
            exit::say(what);
        }
    }

    fn failed(&self, name: &str) -> impl Fn(Fault) -> Failure + '_ {
        let object = self.remote.shown(name);
        move |fault| fault.at(&object)
    }

    /// Asks for an object, also again. `None` if there is none of this name.
    fn ask<T>(
        &self,
        name: &str,
        ask: impl FnMut() -> Result<T, Fault>,
    ) -> Result<Option<T>, Failure> {
        match self.patience.of(self.remote.shown(name), ask) {
            Ok(answer) => Ok(Some(answer)),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(self.failed(name)(fault)),
        }
    }

    /// The version that is current in the store. `None` if there is none yet.
    fn current(&self) -> Result<Option<Current>, Failure> {
        let Some((name, pointer)) = self.ask(CURRENT, || self.remote.current())?.flatten() else {
            // A copy of a directory of versions in which the link was followed, or such a directory
            // itself: its readers need the link.
            let followed = within(CURRENT, MANIFEST);
            return match self.ask(&followed, || self.remote.len(&followed))? {
                Some(_) => {
                    let what = "is a directory, as of a set that publish or shard has written: push \
                                to another place";
                    Err(Failure::at(ErrorKind::Usage, self.remote.shown(CURRENT), what))
                }
                None => Ok(None),
            };
        };
        let Some(name) = name else {
            let text = String::from_utf8_lossy(&pointer.bytes).into_owned();
            let what = format_args!(
                "is no name of a version: {text:.80?}; if nothing else uses it, remove it"
            );
            return Err(Failure::at(ErrorKind::Data, self.remote.shown(CURRENT), what));
        };
        let directory = name.directory();
        let object = within(&directory, MANIFEST);
        let text = self.ask(&object, || match self.remote.manifest(&directory) {
            // One that is too long is as damaged as any.
            Err(Fault::Refused(_)) => Err(Fault::Missing),
            text => text,
        })?;
        let manifest = text.and_then(|text| Manifest::from_json(&text, object).ok());
        let unmoved = Condition::Same(pointer.version);
        Ok(Some(Current { name, unmoved, manifest }))
    }

    /// Refuses a set that is too small.
    fn guard(&self, current: Option<&Current>) -> Result<(), Failure> {
        let entries = self.manifest.entries;
        let refused = |error| Err(Failure::publish(Path::new(self.remote.place()), &error));
        if let Some(min_entries) = self.args.guards.min_entries.filter(|&least| entries < least) {
            return refused(PublishError::TooFewEntries { entries, min_entries });
        }
        let (Some(max_shrink), Some(current)) = (self.args.guards.max_shrink, current) else {
            return Ok(());
        };
        let Some(there) = current.manifest.as_ref().map(|manifest| manifest.entries) else {
            let object = within(&current.name.directory(), MANIFEST);
            let what = "is missing or damaged, so the sets cannot be compared; nothing sent: leave \
                        --max-shrink out to replace it";
            return Err(Failure::at(ErrorKind::Data, self.remote.shown(&object), what));
        };
        let missing = there.saturating_sub(entries);
        if missing > 0 && missing as f64 / there as f64 > max_shrink {
            return refused(PublishError::Shrunk { entries, current: there, max_shrink });
        }
        Ok(())
    }

    /// The name of the new version: that under which an earlier run began to send the same set, or
    /// one with a new number.
    fn name(&self, current: Option<&Current>) -> Result<Name, Failure> {
        let versions = self.ask(VERSIONS, || self.remote.versions())?.unwrap_or_default();
        let start = format!("{:.8}", self.manifest.id);
        let above = current.map_or(0, |current| current.name.number);
        let begun = versions.iter().filter(|name| name.start == start && name.number > above);
        if let Some(begun) = begun.max() {
            return Ok(begun.clone());
        }
        let last = versions.iter().map(|name| name.number).max().unwrap_or(0).max(above);
        let next = last.checked_add(1).filter(|next| *next < u64::MAX);
        let number = next.ok_or_else(|| {
            let what = format_args!("has a version of number {last}, the last there can be");
            Failure::at(ErrorKind::Io, self.remote.place(), what)
        })?;
        Ok(Name { number, start })
    }

    /// Brings all shards there. Returns how many were sent.
    fn shards(&self, name: &Name, current: Option<&Current>) -> Result<usize, Failure> {
        let to = name.directory();
        let there = current.and_then(|current| Some((current, current.manifest.as_ref()?)));
        let there: HashMap<_, _> = there.map_or_else(HashMap::new, |(current, manifest)| {
            let from = current.name.directory();
            let shards = manifest.shards.iter();
            shards.map(|shard| (shard.sha256, within(&from, &shard.file))).collect()
        });
        let sent = AtomicUsize::new(0);
        let quiet = self.args.talking.quiet;
        let progress = Progress::new("pushing", Unit::Bytes, Some(self.manifest.bytes), quiet);
        workers::each(&self.manifest.shards, self.args.talking.jobs, |shard, stop| {
            let object = within(&to, &shard.file);
            if !self.args.again && self.is_there(&object, shard, &there)? {
                progress.add(shard.bytes);
                return Ok(());
            }
            let path = self.directory.join(&shard.file);
            upload::shard(&self.remote, &object, shard, &path, &progress, stop)?;
            sent.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })?;
        Ok(sent.into_inner())
    }

    /// Whether the store has a shard under its name, or under another one and copies it.
    fn is_there(
        &self,
        object: &str,
        shard: &Shard,
        there: &HashMap<[u8; 32], String>,
    ) -> Result<bool, Failure> {
        let has = |name: &str| -> Result<bool, Failure> {
            Ok(self.ask(name, || self.remote.len(name))? == Some(shard.bytes))
        };
        if has(object)? {
            return Ok(true);
        }
        match there.get(&shard.sha256) {
            // What the store does not copy, for example because it is too large, is sent.
            Some(from) if has(from)? => Ok(self.remote.copy(from, object).is_ok()),
            _ => Ok(false),
        }
    }

    /// Makes the version current, if nobody else has moved the pointer.
    fn point_to(&self, name: &Name, current: Option<Current>) -> Result<(), Failure> {
        let before = current.as_ref().map(|current| current.name.clone());
        let unmoved = current.map_or(Condition::Absent, |current| current.unmoved);
        let when = if self.args.unconditional { Condition::Always } else { unmoved };
        if self.args.unconditional && self.pointer()? != before {
            return Err(self.lost(name, before.as_ref()));
        }
        match self.remote.put(CURRENT, name.directory().into(), when) {
            Ok(()) => Ok(()),
            // The answer to an earlier attempt of the same write may have been lost.
            Err(Fault::Changed) if self.pointer()?.as_ref() == Some(name) => Ok(()),
            Err(Fault::Changed) => Err(self.lost(name, before.as_ref())),
            Err(Fault::Unsupported) => Err(self.lacks_conditions()),
            Err(fault) => Err(self.failed(CURRENT)(fault)),
        }
    }

    /// Where the pointer leads now.
    fn pointer(&self) -> Result<Option<Name>, Failure> {
        let current = self.ask(CURRENT, || self.remote.current())?.flatten();
        Ok(current.and_then(|(name, _)| name))
    }

    /// Another process has moved the pointer.
    fn lost(&self, name: &Name, before: Option<&Name>) -> Failure {
        let shown = |name: Option<&Name>| name.map_or("none".into(), ToString::to_string);
        let now = match self.pointer() {
            Ok(now) => shown(now.as_ref()),
            Err(_) => "another one".into(),
        };
        let what = format_args!(
            "another push won: the current version went from {} to {now} while {name} was sent, \
             which is not current: push again if it is the newer one",
            shown(before)
        );
        Failure::at(ErrorKind::Io, self.remote.place(), what)
    }

    fn lacks_conditions(&self) -> Failure {
        let what = "the store has no conditional writes, so of two that push at once both could \
                    seem to win: push with --unconditional if nobody else does meanwhile";
        Failure::at(ErrorKind::Usage, self.remote.place(), what)
    }
}
