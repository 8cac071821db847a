//! A version that holds a set, while it is written.

use super::content::Content;
use super::copy::PublishOptions;
use super::filling::{Filling, number};
use super::guard::Incoming;
use super::version::Version;
use super::versions::Versions;
use crate::error::{BuildError, PublishError};
use crate::manifest::Manifest;
use std::fs::{OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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
        let filling = versions.begin(Content::Set, None, options)?;
        Ok(Self { versions, options: options.clone(), filling })
    }

    /// The directory for the tables.
    pub(crate) fn path(&self) -> &Path {
        &self.filling.path
    }

    /// Writes the manifest and makes the version current. The tables are complete, and synced if
    /// the options ask for it.
    pub(crate) fn publish(self, manifest: &Manifest) -> Result<Version, PublishError> {
        let Self { versions, options, mut filling } = self;
        let Manifest { id, entries, bytes, .. } = *manifest;
        let incoming = Incoming { entries, file_bytes: bytes, build_id: id };
        versions.permit(&incoming, &options)?;
        let path = filling.new_file();
        let write = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            let mut out = BufWriter::new(file);
            manifest.write(&mut out)?;
            out.flush()?;
            let file = out.get_ref();
            file.set_permissions(Permissions::from_mode(options.how.mode))?;
            if options.how.durable { file.sync_all() } else { Ok(()) }
        };
        write().map_err(|source| BuildError::io("write the manifest", &path, 0, source))?;
        // What readers will refuse is not published.
        let written = std::fs::read(&path);
        let written =
            written.map_err(|source| BuildError::io("read the manifest", &path, 0, source));
        if Manifest::parse(&written?).ok().as_ref() != Some(manifest) {
            let error = io::Error::other("it was not written as it should be");
            return Err(BuildError::io("write the manifest", &path, 0, error).into());
        }
        if options.how.read_back {
            manifest.check_files(&filling.path)?;
        }
        let version = incoming.version_id(number(&filling.id));
        filling.rename(version).map_err(versions.failed("name the new version"))?;
        versions.make_current(filling, &incoming, &options)
    }
}
