//! Input files, read in large pieces.

use crate::closed;
use crate::exit::Failure;
use graven::ErrorKind;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;

/// Bytes asked for in one read.
const PIECE: usize = 1 << 20;

/// An input with the name that messages call it.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) file: File,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Self::standard();
        }
        let name = Self::name(path);
        match File::open(path) {
            Ok(file) => Ok(Self { name, file }),
            Err(error) => Err(Failure::io(name, &error)),
        }
    }

    /// Standard input without the standard library's buffer.
    pub(crate) fn standard() -> Result<Self, Failure> {
        let name = Self::name(Path::new("-"));
        let input = match io::stdin().as_fd().try_clone_to_owned() {
            Ok(file) => Self { name, file: file.into() },
            Err(error) => return Err(Failure::io(name, &error)),
        };
        if closed::input() {
            let what = "is closed: name an input, or say </dev/null for a table without entries";
            return Err(Failure::at(ErrorKind::Io, input.name, what));
        }
        Ok(input)
    }

    /// What messages call the input at a path.
    pub(crate) fn name(path: &Path) -> String {
        match path.as_os_str() {
            name if name == "-" => "standard input".into(),
            _ => path.display().to_string(),
        }
    }

    /// Its length, where it is a regular file.
    pub(crate) fn len(&self) -> Option<u64> {
        self.file.metadata().ok().and_then(|metadata| regular(&metadata))
    }

    /// The length that [`len`](Self::len) will give, without opening: a FIFO opens only once.
    pub(crate) fn size(path: &Path) -> Result<Option<u64>, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self::standard()?.len());
        }
        let metadata = fs::metadata(path).map_err(|error| Failure::io(path.display(), &error))?;
        Ok(regular(&metadata))
    }
}

fn regular(metadata: &Metadata) -> Option<u64> {
    metadata.is_file().then_some(metadata.len())
}

/// A key and its value, in the reader's memory.
pub(crate) type Entry<'a> = (&'a [u8], &'a [u8]);

/// Why an input gives no further entry.
#[derive(Debug)]
pub(crate) enum InputError {
    /// The operating system refused to read.
    Read(io::Error),
    /// The bytes are not of the format.
    Malformed(String),
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// The part of an input that is in memory: bytes are added behind and taken off in front. Its
/// size follows what was read, never a length that the input claims.
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    before: u64,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), start: 0, end: 0, before: 0 }
    }

    /// The bytes that have been read and not taken.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Takes bytes off in front.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) {
        debug_assert!(len <= self.end - self.start, "cannot take what is not there");
        self.start += len;
        self.before += len as u64;
    }

    /// Bytes taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.before
    }

    /// Reads once and adds what came. False at the end of the input.
    #[cold]
    pub(crate) fn more(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            let more = self.buffer.len().max(PIECE);
            self.buffer.try_reserve_exact(more).map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.buffer.resize(self.buffer.len() + more, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Lines of an input, without their LF; the last one may lack it.
pub(crate) struct Lines<R> {
    window: Window<R>,
    number: u64,
    /// Length of the current line with its LF, taken off when the next is asked for.
    current: usize,
    /// Bytes at the window's start that are known to hold no LF.
    searched: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { window: Window::new(source), number: 0, current: 0, searched: 0 }
    }

    /// The next line, read if need be.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let mut len = self.find();
        while len.is_none() {
            if !self.window.more()? {
                let rest = self.window.bytes().len();
                self.searched = 0;
                self.current = rest;
                self.number += u64::from(rest > 0);
                return Ok((rest > 0).then(|| self.window.bytes()));
            }
            len = self.find();
        }
        Ok(len.map(|len| self.yielded(len)))
    }

    /// The next line if all of it is in memory.
    pub(crate) fn buffered(&mut self) -> Option<&[u8]> {
        let len = self.find()?;
        Some(self.yielded(len))
    }

    /// The number of the current line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read as lines before the current one.
    pub(crate) fn taken(&self) -> u64 {
        self.window.taken()
    }

    /// Leaves the current line behind and looks for the end of the next.
    #[inline]
    fn find(&mut self) -> Option<usize> {
        self.window.take(std::mem::take(&mut self.current));
        let bytes = self.window.bytes();
        let found = memchr::memchr(b'\n', &bytes[self.searched..]);
        let searched = std::mem::replace(&mut self.searched, bytes.len());
        found.map(|at| searched + at)
    }

    #[inline]
    fn yielded(&mut self, len: usize) -> &[u8] {
        self.searched = 0;
        self.current = len + 1;
        self.number += 1;
        &self.window.bytes()[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes per read, as a pipe may.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(self.0.len()).min(into.len());
            let (now, later) = self.0.split_at(len);
            into[..len].copy_from_slice(now);
            self.0 = later;
            Ok(len)
        }
    }

    fn lines(text: &[u8], drip: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Drip(text, drip));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(line.to_vec());
        }
        assert!(lines.next().unwrap().is_none(), "the end stays the end");
        assert_eq!(lines.number(), all.len() as u64);
        assert_eq!(lines.taken(), text.len() as u64);
        all
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        for text in [&b""[..], b"\n", b"a", b"a\n", b"\n\na", b"one\ntwo\r\n\nfour and more\nlast"]
        {
            let mut expected: Vec<_> = text.split(|&byte| byte == b'\n').collect();
            expected.pop_if(|last| last.is_empty());
            for drip in 1..=text.len() + 1 {
                assert_eq!(lines(text, drip), expected, "{text:?} in pieces of {drip}");
            }
        }
    }

    #[test]
    fn a_line_may_be_longer_than_a_piece() {
        let long = vec![b'x'; 2 * PIECE + 17];
        let text = [&b"short\n"[..], &long, b"\nend"].concat();
        let found = lines(&text, PIECE / 3);
        assert!(found == [&b"short"[..], &long, b"end"], "{} lines", found.len());
    }

    #[test]
    fn only_whole_lines_are_buffered() {
        let mut lines = Lines::new(Drip(b"a\nb\ncd\n", 5));
        assert!(lines.buffered().is_none(), "nothing is read yet");
        assert_eq!(lines.next().unwrap(), Some(&b"a"[..]));
        assert_eq!(lines.buffered(), Some(&b"b"[..]));
        assert!(lines.buffered().is_none(), "c has no end yet");
        assert_eq!(lines.next().unwrap(), Some(&b"cd"[..]));
        assert_eq!(lines.number(), 3);
    }
}
