//! Arguments of `pull` and `push`.

use super::values::{count, number, octal, seconds};
use super::versions::{Guards, Keeping};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Fetch a set from an object store, and make it the current version of a directory
///
/// SRC is where `push` has put it, or a copy of a directory of versions: s3://BUCKET/PREFIX,
/// gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, http(s)://HOST/PATH, file:///PATH, or a directory.
/// Its CURRENT says which version comes; SRC/versions/ID names another one. Shards that a version in
/// CACHE has already are linked, not fetched. What has come stays in CACHE/.pull if the run dies,
/// and the next one goes on from there. Every byte is compared with the SHA-256 of the manifest
/// before the version becomes current; until then, and after any error, the one before stays.
///
/// The environment has the credentials: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION,
/// AWS_ENDPOINT_URL, AWS_ALLOW_HTTP=true for servers without TLS, and so on; GOOGLE_… and AZURE_….
/// If CACHE has the version, or a newer one, that is said, nothing is fetched, and the exit code is
/// 0.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven pull colours-set served\n\
\x20 graven pull --jobs 8 --keep 2 file://$PWD/colours-set served")]
pub(crate) struct Pull {
    /// Where the set is
    #[arg(value_name = "SRC")]
    pub(crate) source: OsString,
    /// The directory of versions, made if it is missing
    #[arg(value_name = "CACHE")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) talking: Talking,
    #[command(flatten)]
    pub(crate) keeping: Keeping,
    #[command(flatten)]
    pub(crate) guards: Guards,
    /// Go back where SRC has: make its version current though the one in CACHE is newer
    #[arg(long)]
    pub(crate) allow_older: bool,
    /// Wait so long for another pull into CACHE to end
    #[arg(long, value_name = "SECONDS", value_parser = number::<u64>, default_value_t = 60)]
    pub(crate) wait: u64,
    /// Permissions of shards and manifest, octal
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "0444")]
    pub(crate) mode: u32,
    /// Publish without fsync: faster, and lost or torn if the power fails soon after
    #[arg(long)]
    pub(crate) no_sync: bool,
    /// Read all shards back from the disk and compare their SHA-256 before they are published, also
    /// those of older versions
    #[arg(long)]
    pub(crate) verify: bool,
}

/// Send a set to an object store, and make it the current version there
///
/// DST is as SRC of `pull`, without http(s)://. The current version of DIR gets the next number of
/// DST. Shards that DST has already are copied inside the store; the others are compared with the
/// SHA-256 of the manifest while they are sent. The manifest follows, and last CURRENT, on condition
/// that nobody else has moved it: of two that push at once one fails, and its set is not current.
/// Until then, and after any error, the version before stays current.
///
/// The environment has the credentials, as for `pull`. If DST has the set as its current version
/// already, that is said, nothing is sent, and the exit code is 0.
#[derive(Args)]
#[command(after_help = "Examples:\n\
\x20 graven push colours-set published\n\
\x20 graven push --jobs 8 colours-set file://$PWD/store/colours")]
pub(crate) struct Push {
    /// The set: a directory of versions, or that of one version
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Where to send it
    #[arg(value_name = "DST")]
    pub(crate) target: OsString,
    #[command(flatten)]
    pub(crate) talking: Talking,
    #[command(flatten)]
    pub(crate) guards: Guards,
    /// Move CURRENT also where the store has no conditional writes: nobody else may push meanwhile
    #[arg(long)]
    pub(crate) unconditional: bool,
    /// Send every shard, also those that DST has
    #[arg(long)]
    pub(crate) again: bool,
}

/// How a store is talked to.
#[derive(Args)]
pub(crate) struct Talking {
    /// Move so many shards at once
    #[arg(short = 'j', long, value_name = "N", value_parser = count, default_value = "4")]
    pub(crate) jobs: usize,
    /// Attempts after a failed one, with growing pauses: the store is busy, or a connection breaks
    #[arg(long, value_name = "N", value_parser = number::<u32>, default_value_t = 5)]
    pub(crate) retries: u32,
    /// Longest wait for the next bytes from the store
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    pub(crate) timeout: f64,
    /// Print only errors
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
}
