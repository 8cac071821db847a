//! The input file: `header, (u32 key length, u32 value length, key, value)*`. It is the one form
//! in which data travels: builders read it whole, the harness maps it, readers take its shape.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use memmap2::Mmap;

use crate::Result;

const HEADER: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub entries: u64,
    /// Bytes of all keys and values.
    pub payload: u64,
    pub key_len: Option<u32>,
    pub value_len: Option<u32>,
}

impl Shape {
    pub fn read(path: &Path) -> Result<Shape> {
        let mut header = [0; HEADER];
        File::open(path)?.read_exact(&mut header)?;
        Ok(Shape::decode(&header))
    }

    fn decode(header: &[u8]) -> Shape {
        let word = |i: usize| u64::from_le_bytes(header[i * 8..i * 8 + 8].try_into().expect("8"));
        let fixed = |w: u64| u32::try_from(w).ok();
        Shape {
            entries: word(0),
            payload: word(1),
            key_len: fixed(word(2)),
            value_len: fixed(word(3)),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let fixed = |len: Option<u32>| len.map_or(u64::MAX, u64::from);
        [self.entries, self.payload, fixed(self.key_len), fixed(self.value_len)]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect()
    }

    fn observe(&mut self, key: &[u8], value: &[u8]) {
        let (klen, vlen) = (Some(key.len() as u32), Some(value.len() as u32));
        if self.entries == 0 {
            (self.key_len, self.value_len) = (klen, vlen);
        }
        self.key_len = self.key_len.filter(|_| self.key_len == klen);
        self.value_len = self.value_len.filter(|_| self.value_len == vlen);
        self.entries += 1;
        self.payload += (key.len() + value.len()) as u64;
    }
}

/// Writes an input file entry by entry; the header follows at the end.
pub struct InputWriter {
    out: BufWriter<File>,
    shape: Shape,
}

impl InputWriter {
    pub fn create(path: &Path) -> Result<InputWriter> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        out.write_all(&[0; HEADER])?;
        let shape = Shape { entries: 0, payload: 0, key_len: None, value_len: None };
        Ok(InputWriter { out, shape })
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.out.write_all(&(key.len() as u32).to_le_bytes())?;
        self.out.write_all(&(value.len() as u32).to_le_bytes())?;
        self.out.write_all(key)?;
        self.out.write_all(value)?;
        self.shape.observe(key, value);
        Ok(())
    }

    pub fn finish(mut self) -> Result<Shape> {
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&self.shape.encode())?;
        self.out.flush()?;
        Ok(self.shape)
    }
}

fn entry(bytes: &[u8], at: usize) -> (&[u8], &[u8], usize) {
    let word = |i: usize| u32::from_le_bytes(bytes[i..i + 4].try_into().expect("4")) as usize;
    let (klen, vlen) = (word(at), word(at + 4));
    let (key, value) = (at + 8, at + 8 + klen);
    (&bytes[key..value], &bytes[value..value + vlen], value + vlen)
}

/// What a builder gets: the whole input in memory.
pub struct Input {
    bytes: Vec<u8>,
    pub shape: Shape,
    pub sorted: bool,
}

impl Input {
    pub fn load(path: &Path, sorted: bool) -> Result<Input> {
        let bytes = std::fs::read(path)?;
        let shape = Shape::decode(&bytes);
        Ok(Input { bytes, shape, sorted })
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut at = HEADER;
        (0..self.shape.entries).map(move |_| {
            let (key, value, next) = entry(&self.bytes, at);
            at = next;
            (key, value)
        })
    }

    /// For the builders that take ascending keys only: their user has to sort.
    pub fn ascending(&self) -> Vec<(&[u8], &[u8])> {
        let mut pairs: Vec<_> = self.iter().collect();
        if !self.sorted {
            pairs.sort_unstable_by_key(|pair| pair.0);
        }
        pairs
    }
}

/// The sorted input, mapped: the truth that answers are held against.
pub struct Dataset {
    map: Mmap,
    /// Where each entry starts in the file.
    starts: Vec<u64>,
    pub shape: Shape,
}

impl Dataset {
    pub fn open(path: &Path) -> Result<Dataset> {
        let file = File::open(path)?;
        // SAFETY: the file lies in our own scratch directory; nobody changes it from here on.
        let map = unsafe { Mmap::map(&file)? };
        let shape = Shape::decode(&map);
        let mut starts = Vec::with_capacity(shape.entries as usize);
        let mut at = HEADER;
        for _ in 0..shape.entries {
            starts.push(at as u64);
            at = entry(&map, at).2;
        }
        Ok(Dataset { map, starts, shape })
    }

    pub fn len(&self) -> usize {
        self.starts.len()
    }

    pub fn get(&self, rank: usize) -> (&[u8], &[u8]) {
        let (key, value, _) = entry(&self.map, self.starts[rank] as usize);
        (key, value)
    }

    /// Where the entry would start if keys and values lay back to back, without lengths.
    pub fn payload_offset(&self, rank: usize) -> u64 {
        self.starts[rank] - HEADER as u64 - 8 * rank as u64
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        (0..self.len()).map(|rank| self.get(rank))
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).0.cmp(key) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }
}
