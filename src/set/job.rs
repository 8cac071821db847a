//! A set whose shards are built by several processes: each builds its shards as tables in the
//! directory of a job, and one of them makes a version of those that it is told of.

use super::filling::{Filling, Size};
use super::plan::{SetPlan, ShardInfo};
use crate::error::{BuildError, PublishError, SetError};
use crate::manifest::MOST_SHARDS;
use crate::manifest::partition::hash_shard;
use crate::publish::{NewSet, PublishOptions, Staging, Version};
use crate::write::{BuildOptions, Value};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::Duration;

/// Options for a set whose shards are built by several processes, as tasks of an engine build them;
/// [`SetJobOptions::begin`] starts it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("ages");
/// use graven::{BuildOptions, SetJobOptions};
///
/// let options = SetJobOptions::new();
/// let job = options.begin(&path)?;
/// // In other processes, which see the same directory:
/// let id = job.id().to_owned();
/// let mut infos = Vec::new();
/// for part in [["Ann", "Bob"], ["Eve", "Zoe"]] {
///     let mut shard = options.join(&path, &id)?.range_shard(&BuildOptions::new())?;
///     for name in part {
///         shard.insert(name, "7")?;
///     }
///     infos.push(shard.finish()?); // goes back to the first process, through serde
/// }
/// let version = job.commit(infos)?;
/// assert!(version.current);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SetJobOptions {
    hash_shards: Option<usize>,
    publish: PublishOptions,
    stale_after: Duration,
}

impl Default for SetJobOptions {
    fn default() -> Self {
        let stale_after = Duration::from_secs(24 * 60 * 60);
        Self { hash_shards: None, publish: PublishOptions::new(), stale_after }
    }
}

impl SetJobOptions {
    /// The defaults: range shards.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many hash shards, 1 to 1,000,000, in place of range shards.
    #[must_use]
    pub fn hash_shards(mut self, shards: usize) -> Self {
        self.hash_shards = Some(shards);
        self
    }

    /// How the version is published: its guards, permissions of directories and of the manifest,
    /// whether it is synced. With [`verify_after_write`](PublishOptions::verify_after_write) the
    /// commit reads all shards and compares their SHA-256. Whether shards are synced is up to the
    /// options of each.
    #[must_use]
    pub fn publish(mut self, options: PublishOptions) -> Self {
        self.publish = options;
        self
    }

    /// Age at which a [detached](SetJob::detach) job is removed by the next one that begins: nothing
    /// has changed in it for so long, and no process has joined it. Default: a day.
    #[must_use]
    pub fn stale_after(mut self, age: Duration) -> Self {
        self.stale_after = age;
        self
    }

    /// Begins a job that writes the next version of the set in `directory`, a directory of versions
    /// that is made if it is missing. Its shards are built in `directory/staging/ID`, on the same
    /// file system as the versions. Removes what jobs left whose processes ended.
    ///
    /// # Errors
    /// [`PublishError::Target`] if an option is out of its range or the directory can't be written.
    pub fn begin(&self, directory: impl AsRef<Path>) -> Result<SetJob, PublishError> {
        if let Some(shards) = self.hash_shards
            && !(1..=MOST_SHARDS).contains(&shards)
        {
            let (option, got) = ("hash_shards", shards.to_string());
            let expected = "1 to 1000000";
            return Err(BuildError::InvalidOption { option, got, expected }.into());
        }
        let directory = directory.as_ref();
        let staging = Staging::make(directory, &self.publish, self.stale_after)?;
        Ok(self.job(directory, staging, Some(process::id())))
    }

    /// Joins the job with this [id](SetJob::id), in this or another process. The options are those
    /// with which it began.
    ///
    /// # Errors
    /// [`SetError::Job`] if there is no such job any more.
    pub fn join(&self, directory: impl AsRef<Path>, id: &str) -> Result<SetJob, SetError> {
        let directory = directory.as_ref();
        Ok(self.job(directory, Staging::join(directory, id)?, None))
    }

    /// Makes the manifest of shards that are kept elsewhere, as in an object store, and which were
    /// built by jobs of several directories: by tasks on machines that share none. Checks what
    /// [`SetJob::commit`] checks without the files. Whoever calls this places each shard under the
    /// name that the manifest has for it. `place` names it all in errors, as `s3://bucket/ages` does.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// use graven::{BuildOptions, SetJobOptions};
    ///
    /// let options = SetJobOptions::new();
    /// let mut infos = Vec::new();
    /// for (machine, name) in [("b", "Zoe"), ("a", "Ann")] {
    ///     let job = options.begin(dir.path().join(machine))?;
    ///     let mut shard = job.range_shard(&BuildOptions::new())?;
    ///     shard.insert(name, "7")?;
    ///     infos.push(shard.finish()?); // whose file is sent to the store
    /// }
    /// let built = infos[1].shard.file.clone();
    /// let plan = options.plan(infos, "s3://bucket/ages")?;
    /// assert_eq!(plan.manifest.shards[0].file, "part-00000.grv");
    /// assert_eq!(plan.files[0], built); // Ann's
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SetError::Job`] and [`SetError::Manifest`] if the shards make no set; also if there are none:
    /// an empty set of range shards has one, which is empty.
    pub fn plan(
        &self,
        shards: impl IntoIterator<Item = ShardInfo>,
        place: impl AsRef<Path>,
    ) -> Result<SetPlan, SetError> {
        SetPlan::new(self.hash_shards, shards.into_iter().collect(), place.as_ref())
    }

    fn job(&self, directory: &Path, staging: Staging, owner: Option<u32>) -> SetJob {
        let (directory, options) = (directory.to_owned(), self.clone());
        SetJob { directory, options, staging: Arc::new(staging), owner }
    }
}

/// A set whose shards are built by several processes. Each shard is built under a name of its own,
/// so a task that is tried again, runs twice, or ends too late does no harm: [`commit`](Self::commit)
/// takes exactly the shards that it is told of. Nobody reads them before.
///
/// A job ends with the process that began it: if this is dropped there before
/// [`commit`](Self::commit), or the process is killed, what was built is removed, now or by the next
/// job. [`detach`](Self::detach) lets it go on in others. [`SetJobOptions`] has an example.
#[derive(Debug)]
pub struct SetJob {
    directory: PathBuf,
    options: SetJobOptions,
    staging: Arc<Staging>,
    /// The process that began the job; a child of it inherits this value, but does not end the job.
    owner: Option<u32>,
}

impl SetJob {
    /// Names the job to processes that are to join it: 32 digits.
    #[must_use]
    pub fn id(&self) -> &str {
        self.staging.id()
    }

    /// The directory in which the shards are built.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Begins a range shard. The ranges of keys of all shards are disjoint in the end; entries of a
    /// repeated key are in one shard.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the file can't be made; [`PublishError::Set`] if the job has hash
    /// shards or is over.
    pub fn range_shard(&self, tables: &BuildOptions) -> Result<ShardBuilder, PublishError> {
        match self.options.hash_shards {
            None => self.shard(0, None, tables),
            Some(_) => Err(self.wrong("the job has hash shards: begin one by its number").into()),
        }
    }

    /// Begins the hash shard of this number. It takes only keys that belong to it.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the file can't be made; [`PublishError::Set`] if the job has no
    /// such shard or is over.
    pub fn hash_shard(
        &self,
        number: usize,
        tables: &BuildOptions,
    ) -> Result<ShardBuilder, PublishError> {
        match self.options.hash_shards {
            Some(of) if number < of => self.shard(number, Some((number, of)), tables),
            Some(of) => {
                let what = format!("there is no hash shard {number}: the job has {of}, from 0 on");
                Err(self.wrong(what).into())
            }
            None => Err(self.wrong("the job has range shards, which have no numbers").into()),
        }
    }

    fn shard(
        &self,
        number: usize,
        hash_shard: Option<(usize, usize)>,
        tables: &BuildOptions,
    ) -> Result<ShardBuilder, PublishError> {
        self.staging.check()?;
        let (file, path) = self
            .staging
            .new_shard(number)
            .map_err(|source| BuildError::io("name a shard", self.staging.path(), 0, source))?;
        let filling = Filling::create(file, path, tables, Size::ANY)?;
        Ok(ShardBuilder { filling, hash_shard, staging: Arc::clone(&self.staging) })
    }

    /// Makes a version of these shards, in any order, and makes it current: checks what is said of
    /// them against each other and against their files, of which the two ends are read, writes the
    /// manifest, moves the pointer, and removes the job's directory with all other shards. A set of
    /// range shards may have none: it is empty then.
    ///
    /// # Errors
    /// [`PublishError::Set`] with [`SetError::Job`] if the shards make no set: ranges overlap, a
    /// hash shard is missing or comes twice, or a shard is not as it is said to be;
    /// [`PublishError::Source`] if a file is missing or is no table; [`PublishError::TooFewEntries`],
    /// [`PublishError::Shrunk`] if a guard refuses the set; [`PublishError::Target`] if the directory
    /// can't be written. The version that was current stays current, except for
    /// [`BuildError::PublishedButNotDurable`], and the job goes on: another commit may follow.
    pub fn commit(
        &self,
        shards: impl IntoIterator<Item = ShardInfo>,
    ) -> Result<Version, PublishError> {
        self.staging.check()?;
        let mut infos: Vec<ShardInfo> = shards.into_iter().collect();
        if infos.is_empty() && self.options.hash_shards.is_none() {
            infos.push(self.range_shard(&BuildOptions::new())?.finish()?);
        }
        let plan = SetPlan::new(self.options.hash_shards, infos, self.staging.path())?;
        for (file, shard) in plan.files.iter().zip(&plan.manifest.shards) {
            self.staging.check_shard(file, shard)?;
        }
        let SetPlan { manifest, files } = plan;
        let new = NewSet::begin(&self.directory, &self.options.publish)?;
        // Before the shards move, where they do: a job that is refused can be committed again.
        new.permit(&manifest)?;
        for (from, to) in files.iter().zip(&manifest.shards) {
            let path = new.path().join(&to.file);
            let placed = self.staging.place(from, &path);
            placed.map_err(|source| BuildError::io("place the shard", path, 0, source))?;
        }
        let version = new.publish(&manifest)?;
        // What can't be removed now, the next job removes.
        let _ = self.staging.remove();
        Ok(version)
    }

    /// Ends the job: removes its directory with all shards in it. Tasks that still build shards get
    /// an error.
    ///
    /// # Errors
    /// [`SetError::Io`] if the directory can't be removed.
    pub fn abort(&self) -> Result<(), SetError> {
        self.staging.remove().map_err(|source| SetError::Io {
            action: "remove the job's directory",
            path: self.staging.path().to_owned(),
            source,
        })
    }

    /// Lets the job go on after the process that began it, and returns its id. What is left of it is
    /// removed once it is [stale](SetJobOptions::stale_after).
    ///
    /// # Errors
    /// [`SetError::Io`] if the job's directory can't be written.
    pub fn detach(mut self) -> Result<String, SetError> {
        self.staging.detach()?;
        self.owner = None;
        Ok(self.id().to_owned())
    }

    fn wrong(&self, what: impl Into<String>) -> SetError {
        SetError::Job { path: self.staging.path().to_owned(), what: what.into() }
    }
}

impl Drop for SetJob {
    fn drop(&mut self) {
        if self.owner == Some(process::id()) {
            // After a commit there is nothing left. What can't be removed, the next job removes.
            let _ = self.staging.remove();
        }
    }
}

/// Writes one shard of a job, entry by entry. If it is dropped before [`finish`](Self::finish),
/// nothing is left of it. [`SetJobOptions`] has an example.
pub struct ShardBuilder {
    filling: Filling,
    /// Its number, and how many there are.
    hash_shard: Option<(usize, usize)>,
    staging: Arc<Staging>,
}

impl fmt::Debug for ShardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShardBuilder")
            .field("path", &self.filling.path())
            .field("hash_shard", &self.hash_shard)
            .field("entries", &self.filling.entries())
            .finish_non_exhaustive()
    }
}

impl ShardBuilder {
    /// Adds an entry, in any order unless the options say [`sorted`](BuildOptions::sorted). What
    /// becomes of repeated keys is up to [`duplicates`](BuildOptions::duplicates).
    ///
    /// # Errors
    /// [`BuildError::OtherShard`] if the key belongs to another hash shard, otherwise those of
    /// [`Builder::insert`](crate::Builder::insert).
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), BuildError> {
        let key = key.as_ref();
        if let Some((shard, of)) = self.hash_shard {
            let expected = hash_shard(key, of);
            if expected != shard {
                return Err(BuildError::OtherShard { key: key.to_vec(), shard, expected, of });
            }
        }
        self.filling.insert(key, Value::Bytes(value.as_ref()), true)
    }

    /// Entries that were inserted, before the policy for repeated keys.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.filling.entries()
    }

    /// Completes the shard's table, and returns what [`SetJob::commit`] is to be told of it. Reads
    /// the file once for its SHA-256.
    ///
    /// # Errors
    /// [`PublishError::Target`] if the table can't be written; [`PublishError::Set`] if the job is
    /// over.
    pub fn finish(self) -> Result<ShardInfo, PublishError> {
        let Self { filling, hash_shard, staging } = self;
        let finished = filling.finish();
        // Whatever else went wrong, this is why.
        staging.check()?;
        Ok(ShardInfo { shard: finished?, hash_shard })
    }
}
