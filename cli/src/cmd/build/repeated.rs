//! Finds where in the input a repeated key stands. Sorting loses these places, and keeping them
//! would cost every build memory that only failed builds need. So a failed build reads its input
//! again.

use crate::args::Build;
use crate::formats::Entries;
use crate::input::{Input, InputError};
use std::io::Seek;
use std::path::PathBuf;

/// The first two places of a key, each a file and the place in it. There are fewer if an input
/// cannot be read twice.
pub(super) fn places(args: &Build, paths: &[PathBuf], key: &[u8]) -> Vec<(String, String)> {
    let mut places = Vec::new();
    for path in paths {
        let Ok(mut input) = Input::open(path) else { continue };
        // A pipe cannot be read again. If standard input is a file, it is read again from its
        // start.
        if input.len().is_none() || input.file.rewind().is_err() {
            continue;
        }
        let (name, Ok((source, _))) = (input.name.clone(), input.source()) else { continue };
        let mut entries = Entries::new(&args.format, source);
        loop {
            match entries.next() {
                Ok(Some(entry)) if entry.key() == key => {}
                Ok(Some(_)) => continue,
                Err(InputError::Malformed(_)) if args.skip_bad => continue,
                Ok(None) | Err(_) => break,
            }
            places.push((name.clone(), entries.place()));
            if places.len() == 2 {
                return places;
            }
        }
    }
    places
}
