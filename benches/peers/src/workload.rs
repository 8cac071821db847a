//! The workloads: data sets and keys that are not in them, the same on every machine.

use std::{collections::HashSet, fs::File, io::Read, path::Path};

use crate::{
    Result,
    dataset::{InputWriter, Shape},
};

/// SplitMix64: small, seeded, good enough for keys.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn fill(&mut self, out: &mut Vec<u8>, len: usize) {
        let end = out.len() + len;
        while out.len() < end {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(end);
    }
}

/// A permutation of 0..n without a table: neighbours land far apart.
pub fn slot_of(rank: u64, n: u64) -> u64 {
    fn gcd(a: u64, b: u64) -> u64 {
        if b == 0 { a } else { gcd(b, a % b) }
    }
    let mut step = (n as f64 * 0.618_033_988_749) as u64 | 1;
    while gcd(step, n) != 1 {
        step += 2;
    }
    (u128::from(rank) * u128::from(step) % u128::from(n)) as u64
}

/// Zipf over 0..n after Gray et al., "Quickly generating billion-record synthetic databases".
pub struct Zipf {
    n: f64,
    theta: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    pub fn new(n: u64, theta: f64) -> Zipf {
        let zeta: f64 = (1..=n).map(|i| (i as f64).powf(-theta)).sum();
        let zeta2 = 1.0 + 0.5f64.powf(theta);
        let eta = (1.0 - (2.0 / n as f64).powf(1.0 - theta)) / (1.0 - zeta2 / zeta);
        Zipf { n: n as f64, theta, zeta, eta }
    }

    pub fn draw(&self, rng: &mut Rng) -> u64 {
        let u = rng.unit();
        let scaled = u * self.zeta;
        if scaled < 1.0 {
            return 0;
        }
        if scaled < 1.0 + 0.5f64.powf(self.theta) {
            return 1;
        }
        let power = 1.0 / (1.0 - self.theta);
        let rank = self.n * (self.eta * u - self.eta + 1.0).powf(power);
        (rank as u64).min(self.n as u64 - 1)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    U64,
    Id,
    Url,
    /// Real data: `cldr.tsv.gz` in the directory that `GRAVEN_DATA` names.
    Cldr,
    /// Documents: lines, key TAB value, of the file that `GRAVEN_DOCS` names.
    Docs,
}

impl Workload {
    pub const ALL: [Workload; 5] =
        [Workload::U64, Workload::Id, Workload::Url, Workload::Cldr, Workload::Docs];

    /// The environment variable that names the data, if they are not generated.
    pub fn variable(self) -> Option<&'static str> {
        match self {
            Workload::Cldr => Some("GRAVEN_DATA"),
            Workload::Docs => Some("GRAVEN_DOCS"),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Workload::U64 => "u64",
            Workload::Id => "id",
            Workload::Url => "url",
            Workload::Cldr => "cldr",
            Workload::Docs => "docs",
        }
    }

    pub fn about(self) -> &'static str {
        match self {
            Workload::U64 => "random 8-byte keys, 8-byte values",
            Workload::Id => "random 16-byte keys, 64-byte values",
            Workload::Url => {
                "URL-like keys of 20-120 bytes with long shared prefixes, values of 20-400 bytes"
            }
            Workload::Cldr => "the Unicode locale data, path and text",
            Workload::Docs => "documents, name and JSON",
        }
    }

    /// Writes the data set sorted and shuffled. `entries` is a wish: cldr has what it has.
    pub fn generate(self, entries: usize, sorted: &Path, shuffled: &Path) -> Result<Shape> {
        let mut arena = Vec::new();
        let mut spans = self.fill(entries, &mut arena)?;
        let pair = |&(at, klen, vlen): &(usize, u32, u32)| {
            let middle = at + klen as usize;
            (&arena[at..middle], &arena[middle..middle + vlen as usize])
        };
        spans.sort_unstable_by(|a, b| pair(a).0.cmp(pair(b).0));
        spans.dedup_by(|b, a| pair(a).0 == pair(b).0);
        let write = |path: &Path, spans: &[(usize, u32, u32)]| {
            let mut out = InputWriter::create(path)?;
            for span in spans {
                let (key, value) = pair(span);
                out.push(key, value)?;
            }
            out.finish()
        };
        let shape = write(sorted, &spans)?;
        let mut rng = Rng::new(0x5117_ffed);
        for i in (1..spans.len()).rev() {
            spans.swap(i, rng.below(i as u64 + 1) as usize);
        }
        write(shuffled, &spans)?;
        Ok(shape)
    }

    fn fill(self, entries: usize, arena: &mut Vec<u8>) -> Result<Vec<(usize, u32, u32)>> {
        let mut spans = Vec::with_capacity(entries);
        if self.variable().is_some() {
            fill_lines(&self.lines()?, arena, &mut spans);
            return Ok(spans);
        }
        let mut rng = Rng::new(0x67_7261_7665_6e00 + self as u64);
        // URLs of 20 bytes may repeat by chance: the set keeps the count exact.
        let mut seen = HashSet::new();
        while spans.len() < entries {
            let at = arena.len();
            self.key(&mut rng, arena, entries);
            let klen = arena.len() - at;
            if self == Workload::Url && !seen.insert(fingerprint(&arena[at..])) {
                arena.truncate(at);
                continue;
            }
            match self {
                Workload::U64 => rng.fill(arena, 8),
                Workload::Id => rng.fill(arena, 64),
                _ => {
                    let len = 20 + rng.below(381) as usize;
                    text(&mut rng, arena, len);
                }
            }
            spans.push((at, klen as u32, (arena.len() - at - klen) as u32));
        }
        Ok(spans)
    }

    /// The lines of real data.
    fn lines(self) -> Result<Vec<u8>> {
        let variable = self.variable().unwrap_or_default();
        let named = std::env::var_os(variable).ok_or(format!("{variable} is not set"))?;
        let path = match self {
            Workload::Cldr => Path::new(&named).join("cldr.tsv.gz"),
            _ => Path::new(&named).to_owned(),
        };
        let mut file = File::open(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut bytes = Vec::new();
        match path.extension().is_some_and(|end| end == "gz") {
            true => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes)?,
            false => file.read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }

    /// Appends one key of this workload's kind.
    pub fn key(self, rng: &mut Rng, out: &mut Vec<u8>, entries: usize) {
        match self {
            Workload::U64 => rng.fill(out, 8),
            Workload::Id => rng.fill(out, 16),
            Workload::Url | Workload::Cldr | Workload::Docs => url(rng, out, entries),
        }
    }
}

fn fingerprint(key: &[u8]) -> u64 {
    key.iter().fold(0xcbf2_9ce4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

const WORDS: [&str; 32] = [
    "archive", "news", "static", "product", "user", "images", "2024", "docs", "item", "blog",
    "forum", "thread", "catalog", "review", "music", "video", "wiki", "index", "search", "tag",
    "category", "page", "travel", "sports", "science", "europe", "photo", "en", "de", "download",
    "release", "shop",
];

/// Few hosts with many pages each: neighbours share most of their bytes.
fn url(rng: &mut Rng, out: &mut Vec<u8>, entries: usize) {
    let start = out.len();
    let hosts = (entries as u64 / 200).max(1);
    // Squaring skews towards few big hosts.
    let u = rng.unit();
    let host = (u * u * hosts as f64) as u64;
    let word = |i: u64| WORDS[(i % 32) as usize];
    out.extend_from_slice(
        format!("https://www.{}-{}{host}.com", word(host * 7), word(host / 3)).as_bytes(),
    );
    let depth = rng.below(6);
    for level in 0..depth {
        out.push(b'/');
        out.extend_from_slice(word(host + level * 5 + rng.below(4)).as_bytes());
    }
    out.extend_from_slice(format!("/{:x}", rng.next() >> (12 + 4 * rng.below(5))).as_bytes());
    if rng.below(4) == 0 {
        out.extend_from_slice(
            format!("?ref={}&page={}", word(rng.next()), rng.below(50)).as_bytes(),
        );
    }
    out.truncate(start + 120);
}

fn text(rng: &mut Rng, out: &mut Vec<u8>, len: usize) {
    let end = out.len() + len;
    while out.len() < end {
        out.extend_from_slice(WORDS[rng.below(32) as usize].as_bytes());
        out.push(b' ');
    }
    out.truncate(end);
}

/// Key, TAB, value lines; escapes are left as they stand, which changes lengths a little and
/// no comparison.
fn fill_lines(bytes: &[u8], arena: &mut Vec<u8>, spans: &mut Vec<(usize, u32, u32)>) {
    for line in bytes.split(|&b| b == b'\n') {
        let Some(tab) = line.iter().position(|&b| b == b'\t') else { continue };
        let at = arena.len();
        arena.extend_from_slice(&line[..tab]);
        arena.extend_from_slice(&line[tab + 1..]);
        spans.push((at, tab as u32, (line.len() - tab - 1) as u32));
    }
}
