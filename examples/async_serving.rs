//! Serves the table that the example `write` builds from async handlers: lookups are plain calls,
//! and what they find leaves the handler without a copy.
//!
//! ```sh
//! cargo run --release --example write
//! cargo run --release --example async_serving    # reads characters.grv
//! ```

use bytes::Bytes;
use graven::{Live, OpenOptions, Table, Warm};
use std::error::Error;
use std::sync::Arc;

/// What a handler sends back: bytes of the table, which stays open for as long as they are in use.
type Answer = Result<Option<Bytes>, graven::ReadError>;

/// A lookup in a table that is in memory takes less time than a task switch, so the handler just
/// calls it. Nothing here waits: there is no await.
async fn get(live: Arc<Live>, name: String) -> Answer {
    let value = live.pin().get_owned(name.as_bytes())?;
    Ok(value.map(Bytes::from_owner))
}

/// Where pages may be on the disk, a lookup blocks its thread until they are read. The runtime then
/// needs to know, so that it moves the other tasks of this thread to another one.
async fn get_cold(live: Arc<Live>, name: String) -> Answer {
    let value = tokio::task::block_in_place(|| live.pin().get_owned(name.as_bytes()))?;
    Ok(value.map(Bytes::from_owner))
}

/// A walk that a task holds across its awaits. A long one gives way to other tasks now and then.
async fn count_with_prefix(
    live: Arc<Live>,
    prefix: &'static str,
) -> Result<u64, graven::ReadError> {
    let mut walk = Table::clone(&live.pin()).into_prefix(prefix);
    let mut count = 0;
    while let Some(entry) = walk.lend_next() {
        entry?;
        count += 1;
        if count % 1024 == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(count)
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| "characters.grv".into());
    // Read before the first request, and again for each later table before it is served. Where the
    // limit allows it, lock_memory(true) keeps it there.
    let options = OpenOptions::new().warm(Warm::All);
    let live =
        Arc::new(open(&path, &options).map_err(|error| {
            format!("{}: {error}; the example `write` builds it", path.display())
        })?);
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    runtime.block_on(async {
        let handlers = [
            tokio::spawn(get(live.clone(), "CRAB".into())),
            tokio::spawn(get_cold(live.clone(), "LOBSTER".into())),
        ];
        let chess = tokio::spawn(count_with_prefix(live.clone(), "CHESS SYMBOL "));
        drop(live);
        for handler in handlers {
            let answer = handler.await??;
            println!("{}", std::str::from_utf8(&answer.unwrap_or_default())?);
        }
        println!("{} chess symbols", chess.await??);
        Ok(())
    })
}

#[expect(unsafe_code, reason = "following a path is a promise about its files")]
fn open(path: &std::ffi::OsStr, options: &OpenOptions) -> Result<Live, graven::OpenError> {
    // SAFETY: tables at this path are replaced by rename and never changed in place.
    unsafe { Live::open_with(path, options) }
}
