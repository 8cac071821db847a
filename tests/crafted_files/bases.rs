//! The tables that are crafted from: one of each layout.

use crate::common::bases;
use crate::common::craft::{HASH, Image, at};
use crate::common::{Case, data};
#[cfg(all(feature = "fsst", feature = "zstd"))]
use graven::{BuildOptions, Compression};
use graven::{HashIndex, Table};

/// A sound table, and a name for its layout.
pub(crate) struct Base {
    pub(crate) name: &'static str,
    pub(crate) image: Image,
}

pub(crate) fn all() -> Vec<Base> {
    let base = |name, image| Base { name, image };
    let golden = |name: &'static str| {
        let path = data("v1").join(name).with_extension("grv");
        base(name, Image::new(std::fs::read(path).expect("a golden table")))
    };
    #[cfg_attr(
        not(all(feature = "fsst", feature = "zstd")),
        expect(unused_mut, reason = "packed tables come with their features")
    )]
    let mut all = vec![
        base("variable", bases::varied()),
        base("tree-of-levels", levels()),
        base("fixed", bases::fixed()),
        base("lines", bases::lined()),
        base("padded", bases::padded()),
        base("aligned", bases::aligned()),
        base("repeated", bases::repeated()),
        base("one-key", bases::equals()),
        base("long-value", bases::long_value()),
        base("long-key", bases::long_key()),
        base("slots-of-5", wide(5)),
        base("slots-of-6", wide(6)),
        golden("empty"),
        golden("seeded"),
        golden("set-aside"),
        golden("typed"),
        golden("structs"),
        golden("patch"),
    ];
    #[cfg(all(feature = "fsst", feature = "zstd"))]
    all.extend([
        base("packed-fsst", packed(|options| options.compress(Compression::fsst()))),
        base("packed-keys", packed(|options| options.compact_keys(true))),
        base(
            "packed-zstd",
            packed(|options| options.compress(Compression::zstd().dictionary_bytes(1024))),
        ),
    ]);
    all
}

/// An ordered index of two levels. Its separators are long, so few keys make several leaves.
fn levels() -> Image {
    let entries = (0..340usize).map(|i| {
        let group = format!("{:02}", i / 40).repeat(15);
        (format!("{group}{:02}", i % 40).into_bytes(), vec![b'v'; i % 3])
    });
    let image = Image::of(&Case { hash_index: HashIndex::Never, ..Case::of(entries.collect()) });
    assert!(image.bytes[at::INDEX_LEVELS] == 2, "{} levels", image.bytes[at::INDEX_LEVELS]);
    image
}

/// A hash index of one bucket with slots of `width` bytes, which a writer uses in tables of more
/// than 4 GiB only.
fn wide(width: u8) -> Image {
    let entries = (0..8u8).map(|i| (vec![b'k'; usize::from(i) + 1], vec![i; usize::from(i) % 3]));
    let case = Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) };
    let mut image = Image::of(&case);
    let (at, len) = image.section(HASH);
    assert_eq!(len, 64, "more than one bucket");
    let references = 1u32 << (32 - (image.section(1).1 as u32 - 1).leading_zeros());
    let old: [u8; 64] = image.get(at);
    let (tags, slots) = if width == 5 { (4, 10) } else { (1, 9) };
    let mut bucket = [0; 64];
    let taken = (0..12).filter(|slot| old[4 + slot] != 0);
    for (to, from) in taken.enumerate() {
        bucket[tags + to] = old[4 + from];
        let held = u32::from_le_bytes(old[16 + 4 * from..][..4].try_into().expect("a slot"));
        let start = tags + slots + to * usize::from(width);
        bucket[start..start + 4].copy_from_slice(&(held % references).to_le_bytes());
    }
    image.put(at, &bucket);
    image.put8(at::SLOT_WIDTH, width);
    image.seal();
    let table = Table::from_bytes(image.bytes.clone()).expect("a table");
    table.verify().expect("a sound table");
    image
}

/// Text of which some stands as it is, under keys that share much.
#[cfg(all(feature = "fsst", feature = "zstd"))]
fn packed(how: impl FnOnce(BuildOptions) -> BuildOptions) -> Image {
    let entry = |i: u32| {
        let key = format!("https://example.org/{}/page-{i:03}", ["en", "de"][i as usize % 2]);
        let value = match i % 10 {
            0 => vec![],
            1 => i.wrapping_mul(0x85EB_CA6B).to_le_bytes().to_vec(),
            _ => format!("{{\"title\":\"Page {i}\",\"parent\":\"/page-{}\"}}", i / 7).into(),
        };
        (key.into_bytes(), value)
    };
    let case = Case { hash_index: HashIndex::Always, ..Case::of((0..60).map(entry).collect()) };
    Image::new(case.bytes_with(how(case.options())))
}
