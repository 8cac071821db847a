//! The floors: not stores but the least that memory charges for a lookup. The payload lies back
//! to back; a query brings along where its record is (one line), or which slot says so (two).

use std::{path::Path, sync::OnceLock};

use crate::{
    Result,
    contestant::{Access, Contestant, Kind, Lane, Place, Session, Store},
    dataset::{Dataset, Input, Shape},
    mapping::{HugeMap, write_huge},
    queries::Probe,
    workload::slot_of,
};

const FILE: &str = "floor.bin";

/// Compared as constants, so that no length is looked at. Longer keys are compared this far.
const LONG: usize = 16;
const SHORT: usize = 8;

pub struct OneLine;
pub struct TwoLines;

/// Slots of 4 bytes where offsets fit, as a real index would choose.
fn slot_width(shape: &Shape) -> usize {
    if shape.payload <= u64::from(u32::MAX) { 4 } else { 8 }
}

fn payload(input: &Input) -> (Vec<u8>, Vec<u64>) {
    let mut bytes = Vec::with_capacity(input.shape.payload as usize + LONG);
    let mut starts = Vec::with_capacity(input.shape.entries as usize);
    for (key, value) in input.iter() {
        starts.push(bytes.len() as u64);
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    // Room for the constant-length comparison of a last short record.
    bytes.extend_from_slice(&[0; LONG]);
    (bytes, starts)
}

impl Contestant for OneLine {
    fn name(&self) -> &'static str {
        "floor: 1 line"
    }

    fn kind(&self) -> Kind {
        Kind::Floor
    }

    fn options(&self) -> &'static str {
        "offset known: one cold line per get; its scan is a bare walk over the payload with \
         lengths known; 2 MiB writes, 2 MiB-aligned mapping"
    }

    fn holds(&self, shape: &Shape) -> bool {
        shape.entries > 0
    }

    fn builds(&self) -> bool {
        false
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        write_huge(&dir.join(FILE), &[&payload(input).0])
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let map = HugeMap::open(&place.file(FILE))?;
        Ok(Box::new(Offsets { map, place: place.clone(), lengths: OnceLock::new() }))
    }
}

enum Lengths {
    Fixed(usize, usize),
    Varying(Vec<(u32, u32)>),
}

impl Lengths {
    fn read(place: &Place) -> Result<Lengths> {
        if let (Some(key), Some(value)) = (place.shape.key_len, place.shape.value_len) {
            return Ok(Lengths::Fixed(key as usize, value as usize));
        }
        let data = Dataset::open(&place.input)?;
        let lengths = data.iter().map(|(key, value)| (key.len() as u32, value.len() as u32));
        Ok(Lengths::Varying(lengths.collect()))
    }
}

struct Offsets {
    map: HugeMap,
    place: Place,
    /// For scans; read by the first, which verifies and is not timed.
    lengths: OnceLock<Lengths>,
}

impl Store for Offsets {
    type Session<'s> = &'s Offsets;

    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> &Offsets {
        self
    }
}

impl Session for &Offsets {
    #[inline(always)]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let at = probe.at() as usize + probe.key.len();
        self.map.bytes().get(at..at + probe.value_len()).map(f)
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let bytes = &self.map.bytes()[..self.map.bytes().len() - LONG];
        let read = || Lengths::read(&self.place).expect("the input is still there");
        match self.lengths.get_or_init(read) {
            Lengths::Fixed(key, value) => {
                let records = bytes.chunks_exact(key + value);
                if forward {
                    records.for_each(|record| f(&record[..*key], &record[*key..]));
                } else {
                    records.rev().for_each(|record| f(&record[..*key], &record[*key..]));
                }
            }
            Lengths::Varying(lengths) if forward => {
                let mut at = 0;
                for &(key, value) in lengths {
                    let middle = at + key as usize;
                    let end = middle + value as usize;
                    f(&bytes[at..middle], &bytes[middle..end]);
                    at = end;
                }
            }
            Lengths::Varying(lengths) => {
                let mut end = bytes.len();
                for &(key, value) in lengths.iter().rev() {
                    let middle = end - value as usize;
                    let at = middle - key as usize;
                    f(&bytes[at..middle], &bytes[middle..end]);
                    end = at;
                }
            }
        }
    }
}

impl Contestant for TwoLines {
    fn name(&self) -> &'static str {
        "floor: 2 lines"
    }

    fn kind(&self) -> Kind {
        Kind::Floor
    }

    fn options(&self) -> &'static str {
        "slot known: a slot of 4 bytes, then the record, 8 or 16 bytes of key compared as a \
         constant; 2 MiB writes, 2 MiB-aligned mapping"
    }

    fn holds(&self, shape: &Shape) -> bool {
        shape.entries > 0
    }

    fn builds(&self) -> bool {
        false
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let (bytes, starts) = payload(input);
        let width = slot_width(&input.shape);
        let mut slots = vec![0; starts.len() * width + 8];
        for (rank, start) in starts.iter().enumerate() {
            let slot = slot_of(rank as u64, input.shape.entries) as usize * width;
            slots[slot..slot + width].copy_from_slice(&start.to_le_bytes()[..width]);
        }
        write_huge(&dir.join(FILE), &[&bytes, &slots])
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let map = HugeMap::open(&place.file(FILE))?;
        let width = slot_width(&place.shape);
        let slots = place.shape.payload as usize + LONG;
        let mask = if width == 4 { u64::from(u32::MAX) } else { u64::MAX };
        Ok(match place.shape.key_len {
            Some(8) => Box::new(Slots::<SHORT> { map, slots, width, mask }),
            _ => Box::new(Slots::<LONG> { map, slots, width, mask }),
        })
    }
}

struct Slots<const COMPARED: usize> {
    map: HugeMap,
    /// Where the slots start.
    slots: usize,
    width: usize,
    mask: u64,
}

impl<const COMPARED: usize> Store for Slots<COMPARED> {
    type Session<'s> = &'s Slots<COMPARED>;

    fn session(&self) -> &Slots<COMPARED> {
        self
    }
}

impl<const COMPARED: usize> Session for &Slots<COMPARED> {
    #[inline(always)]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let bytes = self.map.bytes();
        let slot = bytes[self.slots + probe.slot() * self.width..].first_chunk::<8>()?;
        let at = (u64::from_le_bytes(*slot) & self.mask) as usize;
        let record = bytes.get(at..)?;
        let same = match probe.key.first_chunk::<COMPARED>() {
            Some(key) => record.first_chunk::<COMPARED>()? == key,
            None => record.starts_with(probe.key),
        };
        let value = record.get(probe.key.len()..probe.key.len() + probe.value_len())?;
        same.then(|| f(value))
    }
}
