//! From what the user names to an object store and a place in it.

use crate::exit::Failure;
use graven::ErrorKind;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use std::env;
use std::ffi::OsStr;
use std::path;
use std::sync::Arc;
use std::time::Duration;
use url::{Position, Url};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);
const EXPECTED: &str = "expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX, \
                        http(s)://HOST/PATH, file:///PATH, or a directory";

/// How a store is talked to.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// How often the store's client tries a write again by itself. Reads are tried again by whoever
    /// asks for them, so that they can go on where an answer broke off.
    pub(crate) retries: u32,
    /// Longest wait for the next bytes of an answer.
    pub(crate) timeout: Duration,
}

/// A place in an object store.
pub(super) struct Address {
    /// For reading.
    pub(super) reader: Arc<dyn ObjectStore>,
    /// For writing.
    pub(super) writer: Arc<dyn ObjectStore>,
    pub(super) prefix: Path,
    pub(super) scheme: ObjectStoreScheme,
    /// The place as messages call it: without a password, and without a `/` at its end.
    pub(super) shown: String,
}

impl Address {
    pub(super) fn of(given: &OsStr, manner: Manner) -> Result<Self, Failure> {
        let mut shown = given.display().to_string();
        let failed = |shown: &str, what: String| Failure::at(ErrorKind::Usage, shown, what);
        let mut url = match given.to_str().filter(|text| text.contains("://")) {
            Some(text) => {
                Url::parse(text).map_err(|e| failed(&shown, format!("{e}: {EXPECTED}")))?
            }
            None => {
                let path = path::absolute(given).map_err(|error| Failure::io(&shown, &error))?;
                let url = Url::from_file_path(path);
                url.map_err(|()| failed(&shown, EXPECTED.into()))?
            }
        };
        let (scheme, prefix) = match ObjectStoreScheme::parse(&url) {
            // What is in memory ends with the process.
            Err(_) | Ok((ObjectStoreScheme::Memory, _)) => {
                return Err(failed(&shown, EXPECTED.into()));
            }
            Ok(parsed) => parsed,
        };
        if url.query().is_some() || url.fragment().is_some() {
            let what = "has a query or a fragment, and the objects of a set are found by their \
                        path: leave out what begins with ? or #";
            return Err(failed(&shown, what.into()));
        }
        let reader = store(&scheme, &url, Manner { retries: 0, ..manner });
        let writer = store(&scheme, &url, manner);
        if url.password().is_some() {
            // A URL that has a password can lose it.
            let _ = url.set_password(None);
            shown = url.to_string();
        }
        let both = reader.and_then(|reader| Ok((reader, writer?)));
        let (reader, writer) = both.map_err(|error| failed(&shown, error.to_string()))?;
        shown.truncate(shown.trim_end_matches('/').len().max(1));
        Ok(Self { reader, writer, prefix, scheme, shown })
    }
}

/// The store of an address, with what the environment says of it.
fn store(
    scheme: &ObjectStoreScheme,
    url: &Url,
    manner: Manner,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    // With several providers compiled in, TLS needs to be told which one serves. Another call may
    // have done so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // No time limit on a whole answer: a shard may take hours.
    let client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_read_timeout(manner.timeout);
    let retry = RetryConfig { max_retries: manner.retries as usize, ..RetryConfig::default() };
    macro_rules! build {
        ($builder:ty, $url:expr) => {{
            let builder = <$builder>::new().with_client_options(client).with_url($url);
            let builder = settings().fold(builder, |builder, (name, value)| match name.parse() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            });
            Arc::new(builder.with_retry(retry).build()?) as _
        }};
    }
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => build!(AmazonS3Builder, url.as_str()),
        ObjectStoreScheme::GoogleCloudStorage => build!(GoogleCloudStorageBuilder, url.as_str()),
        ObjectStoreScheme::MicrosoftAzure => build!(MicrosoftAzureBuilder, url.as_str()),
        ObjectStoreScheme::Http => {
            // Whoever writes http:// wants it.
            let client = client.with_allow_http(true);
            let builder = HttpBuilder::new().with_client_options(client);
            Arc::new(builder.with_url(&url[..Position::BeforePath]).with_retry(retry).build()?)
        }
        _ => Arc::new(LocalFileSystem::new().with_fsync(true)),
    })
}

/// Variables of the environment that are for clients of object stores, their names in lower case.
fn settings() -> impl Iterator<Item = (String, String)> {
    env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?.to_ascii_lowercase();
        let ours = ["aws_", "azure_", "google_"].iter().any(|prefix| name.starts_with(prefix));
        ours.then_some(())?;
        Some((name, value.to_str()?.to_owned()))
    })
}
