//! A version that holds a set, while it is written, or while its shards come from elsewhere.

use super::content::Content;
use super::copy::PublishOptions;
use super::filling::{Filling, number};
use super::guard::Incoming;
use super::version::Version;
use super::versions::Versions;
use crate::error::{BuildError, PublishError};
use crate::manifest::{MANIFEST, Manifest};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A version that is being filled with the tables of a set. Nobody reads it before
/// [`publish`](Self::publish). If this is dropped before, the directory is removed with what is in
/// it; if the process is killed, the next version that is made removes it.
#[derive(Debug)]
pub(crate) struct NewSet {
    versions: Versions,
    options: PublishOptions,
    filling: Filling,
}

impl NewSet {
    /// Makes the directory of the version.
    pub(crate) fn begin(directory: &Path, options: &PublishOptions) -> Result<Self, PublishError> {
        options.check()?;
        let versions = Versions::new(directory);
        let filling = versions.begin(Content::Set, None, None, options)?;
        Ok(Self { versions, options: options.clone(), filling })
    }

    /// The directory for the tables.
    pub(crate) fn path(&self) -> &Path {
        &self.filling.path
    }

    /// Asks the guards of the options whether the set may be published.
    pub(crate) fn permit(&self, manifest: &Manifest) -> Result<(), PublishError> {
        self.versions.permit(&Incoming::of_set(manifest), &self.options)
    }

    /// Writes the manifest and makes the version current. The tables are complete, and synced if
    /// the options ask for it.
    pub(crate) fn publish(self, manifest: &Manifest) -> Result<Version, PublishError> {
        self.permit(manifest)?;
        let Self { versions, options, mut filling } = self;
        let incoming = Incoming::of_set(manifest);
        let mut text = Vec::new();
        // Writing to a vector cannot fail.
        let _ = manifest.write(&mut text);
        write_manifest(&text, manifest, &filling.new_file(), &options)?;
        if options.how.read_back {
            manifest.check_files(&filling.path)?;
        }
        let version = incoming.version_id(number(&filling.id));
        filling.rename(version).map_err(versions.failed("name the new version"))?;
        versions.make_current(filling, &incoming, &options)
    }
}

/// A version for a set that was written elsewhere, while its shards are brought to this machine:
/// copied, fetched, linked. Nobody reads it before [`publish`](Self::publish). If this is dropped
/// before, the directory is removed with what is in it; if the process is killed, the next version
/// that is made removes it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (far, near) = (dir.path().join("far"), dir.path().join("near"));
/// # let mut builder = graven::SetBuildOptions::new().create(&far)?;
/// # builder.insert("Ann", "31")?;
/// # let far = builder.finish()?.path;
/// let manifest = std::fs::read(far.join("MANIFEST.json"))?;
/// let options = graven::PublishOptions::new();
/// let set = graven::ReceivedSet::begin(&near, &manifest, None, &options)?;
/// for shard in &set.manifest().shards {
///     std::fs::copy(far.join(&shard.file), set.path().join(&shard.file))?;
/// }
/// let version = set.publish()?;
/// assert!(version.current);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ReceivedSet {
    versions: Versions,
    options: PublishOptions,
    filling: Filling,
    manifest: Manifest,
    text: Vec<u8>,
}

impl ReceivedSet {
    /// Makes the directory of a new version in `directory`, a directory of versions that is made if
    /// it is missing, for the set that the text of a manifest describes. The version gets `number`,
    /// which no other version with the same content has, or the one after the last version's.
    ///
    /// # Errors
    /// [`PublishError::Set`] if the text is no sound manifest; [`PublishError::TooFewEntries`],
    /// [`PublishError::Shrunk`], [`PublishError::Current`] if a guard of the options refuses the
    /// set; [`PublishError::Target`] if the number is 0, the version exists, or the directory can't
    /// be written.
    pub fn begin(
        directory: impl Into<PathBuf>,
        manifest: &[u8],
        number: Option<u64>,
        options: &PublishOptions,
    ) -> Result<Self, PublishError> {
        options.check()?;
        if number == Some(0) {
            let (got, expected) = ("0".into(), "1 or more");
            return Err(BuildError::InvalidOption { option: "number", got, expected }.into());
        }
        let text = manifest.to_vec();
        let manifest = Manifest::from_json(manifest, MANIFEST)?;
        let versions = Versions::new(directory);
        let incoming = Incoming::of_set(&manifest);
        let filling = versions.begin(Content::Set, Some(&incoming), number, options)?;
        Ok(Self { versions, options: options.clone(), filling, manifest, text })
    }

    /// The directory for the shards, each under its name in the manifest. The permissions of the
    /// shards are those that their writer gives them.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.filling.path
    }

    /// The version's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.filling.id
    }

    /// What the set consists of.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Writes the text of the manifest as it was given, and makes the version current. The length
    /// of each shard is compared with the manifest, and the shard is synced, which costs nothing if
    /// its writer has done so; with [`verify_after_write`](PublishOptions::verify_after_write) each
    /// shard is read and its SHA-256 compared.
    ///
    /// # Errors
    /// [`PublishError::Set`] if a shard is missing or is another one than the manifest says; the
    /// errors of [`begin`](Self::begin) for guards and directory. The version that was current stays
    /// current, except for [`BuildError::PublishedButNotDurable`].
    pub fn publish(self) -> Result<Version, PublishError> {
        let Self { versions, options, mut filling, manifest, text } = self;
        let incoming = Incoming::of_set(&manifest);
        versions.permit(&incoming, &options)?;
        for shard in &manifest.shards {
            let file = shard.open_file(&filling.path)?;
            if options.how.durable {
                let path = filling.path.join(&shard.file);
                file.sync_all().map_err(|e| BuildError::io("sync the shard", path, 0, e))?;
            }
        }
        if options.how.read_back {
            manifest.check_files(&filling.path)?;
        }
        write_manifest(&text, &manifest, &filling.new_file(), &options)?;
        let version = filling.id.clone();
        filling.rename(version).map_err(versions.failed("name the new version"))?;
        versions.make_current(filling, &incoming, &options)
    }
}

/// Writes the text of a manifest to the file that becomes the version's manifest, and reads it back
/// as a reader does: what readers will refuse is not published.
fn write_manifest(
    text: &[u8],
    manifest: &Manifest,
    path: &Path,
    options: &PublishOptions,
) -> Result<(), PublishError> {
    let failed = |source| BuildError::io("write the manifest", path, 0, source);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text)?;
        file.set_permissions(Permissions::from_mode(options.how.mode))?;
        if options.how.durable { file.sync_all() } else { Ok(()) }
    };
    write().map_err(failed)?;
    let written = fs::read(path);
    let written = written.map_err(|source| BuildError::io("read the manifest", path, 0, source))?;
    if Manifest::parse(&written).ok().as_ref() != Some(manifest) {
        return Err(failed(io::Error::other("it was not written as it should be")).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Partition, Shard};

    /// Before the shards are moved to where they are published.
    #[test]
    fn a_set_that_is_too_small_is_refused_early() {
        let directory = tempfile::tempdir().unwrap();
        let options = PublishOptions::new().min_entries(3);
        let new = NewSet::begin(directory.path(), &options).unwrap();
        let permit = |entries| {
            let shard = Shard {
                file: "0.grv".into(),
                entries,
                bytes: 1,
                build_id: [0; 16].into(),
                first_key: Some(b"a".to_vec()),
                last_key: Some(b"z".to_vec()),
                sha256: [0; 32],
                packed: false,
            };
            new.permit(&Manifest::new(Partition::Range, vec![shard]).unwrap())
        };
        permit(3).unwrap();
        let error = permit(2).unwrap_err();
        assert!(matches!(error, PublishError::TooFewEntries { entries: 2, .. }), "{error:?}");
    }
}
