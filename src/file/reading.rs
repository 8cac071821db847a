//! Files of tables on systems where tables are only read: how they are opened and read.

pub(crate) mod io {
    //! Opens files, and reads at any place of them.

    use crate::error::OpenFailure;
    use std::fs::{File, Metadata};
    use std::io::{self, Read, Seek, SeekFrom};
    use std::path::Path;

    /// Opens a regular file to read it. `failed` turns the system's error into the caller's.
    pub(crate) fn open_regular(
        path: &Path,
        failed: impl Fn(io::Error) -> OpenFailure,
    ) -> Result<(File, Metadata), OpenFailure> {
        // Windows refuses to open a directory: name its kind.
        if path.is_dir() {
            return Err(OpenFailure::NotARegularFile { kind: "directory" });
        }
        let file = File::open(path).map_err(&failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_file() {
            Ok((file, metadata))
        } else {
            Err(OpenFailure::NotARegularFile { kind: "device or terminal" })
        }
    }

    /// Fills `bytes` from the file, from offset `at` on. The file's position moves, so no other
    /// thread may read the same `file`.
    pub(crate) fn read_exact_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(bytes)
    }
}
