//! Malformed entries that are left out of the table (`--skip-bad`).

use super::{VALUE_TOO_LONG, misplaced};
use crate::args::Build;
use crate::exit::{Failure, counted};
use crate::input::InputError;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Longest value of a table.
const MAX_VALUE: u64 = u32::MAX as u64;
/// Bytes of a value that are copied at once.
const PIECE: usize = 1 << 20;

/// The malformed entries of an input: how many, and what was wrong with the first one and where it
/// is.
#[derive(Default)]
pub(super) struct Skipped {
    count: u64,
    first: Option<(String, String)>,
}

impl Skipped {
    pub(super) fn add(&mut self, what: String, place: String) {
        self.count += 1;
        self.first.get_or_insert((what, place));
    }

    /// The report about what was left out of the input, if anything was. It is a failure if the input has no other entries: it is
    /// of another format, and the table would lack all of it.
    pub(super) fn report(self, input: &str, good: u64) -> Result<Option<String>, Failure> {
        let Some((what, place)) = self.first else { return Ok(None) };
        if good == 0 {
            let what = format_args!("all entries are malformed, the first one: {what}");
            return Err(misplaced(input, what, place));
        }
        let left = counted(self.count, "malformed entry", "malformed entries");
        Ok(Some(format!("left out {left}, kept {good}; the first one: {what}, {place}")))
    }
}

/// A long value, read to its end into a file without a name. What is wrong with the value is the
/// inner error.
pub(super) fn held(
    value: &mut impl Read,
    args: &Build,
) -> Result<Result<File, InputError>, Failure> {
    let directory = directory(args);
    let unwritten = |error: io::Error| Failure::io(directory.display(), &error);
    let mut file = tempfile::tempfile_in(&directory).map_err(unwritten)?;
    let (mut piece, mut len) = (vec![0; PIECE], 0);
    loop {
        match value.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                len += read as u64;
                if len > MAX_VALUE {
                    return Ok(Err(InputError::Malformed(VALUE_TOO_LONG.into())));
                }
                file.write_all(&piece[..read]).map_err(unwritten)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(InputError::within(error))),
        }
    }
    file.rewind().map_err(unwritten)?;
    Ok(Ok(file))
}

/// Where the build sorts what exceeds its memory.
fn directory(args: &Build) -> PathBuf {
    let beside = args.out.parent().filter(|parent| *parent != Path::new(""));
    args.resources.tmp_dir.clone().or(beside.map(Path::to_owned)).unwrap_or_else(|| ".".into())
}
