//! Lines of an input.

use crate::input::{LONG, Window};
use std::io::{self, Read};

/// A line without its LF.
#[derive(Debug, PartialEq)]
pub(crate) enum Line<'a> {
    /// A line of at most [`LONG`] bytes.
    Whole(&'a [u8]),
    /// The first bytes of a longer line, or all of it: however an input arrives, its long lines are
    /// long. [`Lines::rest`] returns them again.
    Start(&'a [u8]),
}

/// Lines of an input; the last one may lack its LF. A line of any length takes no more memory than
/// a few times [`LONG`].
pub(crate) struct Lines<R> {
    window: Window<R>,
    number: u64,
    /// Length of the current line with its LF. These bytes are taken off when the next line is
    /// asked for.
    current: usize,
    /// Bytes at the window's start that are known to hold no LF.
    searched: usize,
    /// Whether the current line is a long one.
    long: bool,
    /// Where in the window the current long line ends, once that is known.
    end: Option<usize>,
    /// Whether the source has ended.
    ended: bool,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            window: Window::new(source),
            number: 0,
            current: 0,
            searched: 0,
            long: false,
            end: None,
            ended: false,
        }
    }

    /// The next line. Reads from the source if the line is not in memory.
    #[inline]
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.long {
            self.skip()?;
        }
        let mut len = self.find();
        while len.is_none() {
            if self.window.bytes().len() > LONG {
                self.number += 1;
                self.long = true;
                return Ok(Some(Line::Start(self.window.bytes())));
            }
            self.more()?;
            if self.ended {
                let rest = self.window.bytes().len();
                self.searched = 0;
                self.current = rest;
                self.number += u64::from(rest > 0);
                return Ok((rest > 0).then(|| Line::Whole(self.window.bytes())));
            }
            len = self.find();
        }
        Ok(len.map(|len| match len {
            ..=LONG => Line::Whole(self.yielded(len)),
            _ => Line::Start(self.long_one(len)),
        }))
    }

    /// The next line if it is a whole one and in memory.
    pub(crate) fn buffered(&mut self) -> Option<&[u8]> {
        if self.long {
            return None;
        }
        let len = self.find()?;
        if len > LONG {
            // The next search finds its end again.
            self.searched = len;
            return None;
        }
        Some(self.yielded(len))
    }

    /// Whether [`buffered`](Self::buffered) has a line, so that [`next`](Self::next) does not wait.
    pub(crate) fn is_buffered(&mut self) -> bool {
        if self.long {
            return false;
        }
        let found = self.find();
        if let Some(at) = found {
            // The next search starts at the LF and finds it again.
            self.searched = at;
        }
        found.is_some()
    }

    /// The number of the current line, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes of the lines before the current one, and the bytes that were taken of a current long
    /// line.
    pub(crate) fn taken(&self) -> u64 {
        self.window.taken()
    }

    /// The current line, unless it is a long one.
    pub(crate) fn line(&self) -> &[u8] {
        let line = &self.window.bytes()[..self.current];
        line.strip_suffix(b"\n").unwrap_or(line)
    }

    /// All bytes in memory, from the start of the current line on.
    pub(crate) fn in_memory(&self) -> &[u8] {
        self.window.bytes()
    }

    /// The bytes of a long line that are in memory and were not taken, and whether the line ends
    /// with them.
    pub(crate) fn rest(&mut self) -> (&[u8], bool) {
        let bytes = self.window.bytes();
        if self.end.is_none() {
            let searched = std::mem::replace(&mut self.searched, bytes.len());
            self.end = memchr::memchr(b'\n', &bytes[searched..]).map(|at| searched + at);
        }
        match self.end {
            Some(end) => (&bytes[..end], true),
            None => (bytes, self.ended),
        }
    }

    /// Takes bytes off the start of [`rest`](Self::rest).
    pub(crate) fn take(&mut self, len: usize) {
        self.window.take(len);
        self.searched -= len;
        self.end = self.end.map(|end| end - len);
    }

    /// Reads once from the source. Afterwards [`rest`](Self::rest) has more bytes, or has the last
    /// ones.
    pub(crate) fn more(&mut self) -> io::Result<()> {
        self.ended = !self.window.more()?;
        Ok(())
    }

    /// Skips the rest of a long line.
    #[cold]
    fn skip(&mut self) -> io::Result<()> {
        loop {
            let (bytes, all) = self.rest();
            let len = bytes.len();
            self.take(len);
            if all {
                break;
            }
            self.more()?;
        }
        self.current = usize::from(self.end.take().is_some());
        self.searched = 0;
        self.long = false;
        Ok(())
    }

    /// Takes the current line off and looks for the end of the next line.
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

    /// A long line that is in memory to its end.
    #[cold]
    fn long_one(&mut self, len: usize) -> &[u8] {
        self.number += 1;
        self.long = true;
        self.end = Some(len);
        &self.window.bytes()[..len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::Drip;

    /// All lines. Long lines are read in pieces of at most `piece` bytes.
    fn lines(text: &[u8], drip: usize, piece: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Drip(text, drip));
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            match line {
                Line::Whole(line) => all.push(line.to_vec()),
                Line::Start(start) => {
                    assert!(start.len() > LONG);
                    let mut line = Vec::new();
                    loop {
                        let (bytes, whole) = lines.rest();
                        let some = bytes.len().min(piece);
                        line.extend_from_slice(&bytes[..some]);
                        let done = whole && some == bytes.len();
                        lines.take(some);
                        if done {
                            break;
                        }
                        if !whole {
                            lines.more().unwrap();
                        }
                    }
                    all.push(line);
                }
            }
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
                assert_eq!(lines(text, drip, 1), expected, "{text:?} in pieces of {drip}");
            }
        }
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let long: Vec<u8> = (0..3 * LONG + 17).map(|i| b'a' + (i % 26) as u8).collect();
        for end in [&b"\nend"[..], b"\n", b""] {
            let text = [&b"short\n"[..], &long, b"\n\n", &long[7..], end].concat();
            let mut expected = vec![&b"short"[..], &long, b"", &long[7..]];
            if end.len() > 1 {
                expected.push(b"end");
            }
            for (drip, piece) in [(LONG / 3, 1000), (LONG / 3 + 1, LONG), (text.len(), 1 << 30)] {
                let found = lines(&text, drip, piece);
                assert!(found == expected, "{} lines, {drip} {piece}", found.len());
            }
        }
    }

    /// The bytes of a long line that were not taken are skipped, and memory does not grow.
    #[test]
    fn a_long_line_may_be_left_behind() {
        let long = vec![b'x'; 20 * LONG];
        let text = [&long[..], b"\nb\n", &long, b"\n", &long].concat();
        let mut lines = Lines::new(Drip(&text, LONG / 2 + 5));
        assert!(matches!(lines.next().unwrap(), Some(Line::Start(_))));
        lines.take(12);
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"b")));
        assert!(matches!(lines.next().unwrap(), Some(Line::Start(_))));
        assert!(lines.buffered().is_none(), "its end is not there yet");
        assert!(matches!(lines.next().unwrap(), Some(Line::Start(_))));
        assert_eq!(lines.number(), 4);
        assert!(lines.next().unwrap().is_none());
        assert!(lines.window.capacity() <= 4 * LONG, "{} bytes", lines.window.capacity());
    }

    /// An error for a long line must not depend on whether its end has come already.
    #[test]
    fn a_line_is_long_by_its_length_however_it_arrives() {
        let text = |len: usize| [b"x\n", &vec![b'y'; len][..], b"\nend\n"].concat();
        for drip in [1000, LONG / 3, LONG] {
            let whole = text(LONG);
            let mut lines = Lines::new(Drip(&whole, drip));
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"x")));
            assert!(matches!(lines.next().unwrap(), Some(Line::Whole(line)) if line.len() == LONG));

            let long = text(LONG + 1);
            let mut lines = Lines::new(Drip(&long, drip));
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"x")));
            if drip == LONG {
                lines.more().unwrap();
                assert!(lines.is_buffered(), "its end is there");
            }
            assert!(lines.buffered().is_none());
            let Some(Line::Start(start)) = lines.next().unwrap() else { panic!("{drip}") };
            assert!(start.len() > LONG && start.iter().all(|&byte| byte == b'y'), "{drip}");
            assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"end")));
            assert_eq!(lines.number(), 3);
        }
    }

    #[test]
    fn only_whole_lines_are_buffered() {
        let mut lines = Lines::new(Drip(b"a\nb\ncd\n", 5));
        assert!(lines.buffered().is_none(), "nothing is read yet");
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"a")));
        assert_eq!(lines.buffered(), Some(&b"b"[..]));
        assert!(lines.buffered().is_none(), "c has no end yet");
        assert_eq!(lines.next().unwrap(), Some(Line::Whole(b"cd")));
        assert_eq!(lines.number(), 3);
    }
}
