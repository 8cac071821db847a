//! What the fuzz targets share that knows of the campaign.

use std::fs::File;
use std::io::{Seek, Write};
use std::sync::Mutex;

/// The executions of this process that got past the parser, and where they are written.
static PAST: Mutex<(u64, Option<File>)> = Mutex::new((0, None));

/// Counts an execution if it got past the parser. The number is written to the file that
/// `GRAVEN_FUZZ_PAST` names after each of the first 64 and after every 64 of the others, since the fuzzer
/// ends its process as it likes.
pub fn count(past: bool) {
    if !past {
        return;
    }
    let mut state = PAST.lock().expect("nothing fails while it is held");
    let (count, file) = &mut *state;
    *count += 1;
    if *count == 1 {
        *file = std::env::var_os("GRAVEN_FUZZ_PAST").and_then(|path| File::create(path).ok());
    }
    if let Some(file) = file
        && (*count < 64 || count.is_multiple_of(64))
    {
        // It only grows, so it covers what stood there.
        let _ = file.rewind().and_then(|()| write!(file, "{count}"));
    }
}
