//! Small tables of every layout, from which bad ones are made.

use super::Case;
use super::craft::Image;
use graven::HashIndex;

/// Keys and values of several lengths, several blocks, both indexes, metadata.
pub(crate) fn varied() -> Image {
    let entries = (0..120usize).map(|i| {
        let end = if i % 4 == 1 { "x" } else { "" };
        (format!("key-{i:03}{end}").into_bytes(), vec![b'v'; i % 10])
    });
    Image::of(&Case {
        hash_index: HashIndex::Always,
        metadata: vec![(b"a".to_vec(), b"1".to_vec()), (b"bb".to_vec(), b"22".to_vec())],
        ..Case::of(entries.collect())
    })
}

/// Four blocks of 30 records, an ordered index of one leaf.
pub(crate) fn even() -> Image {
    let entries = (0..120).map(|i| {
        let value = if i < 119 { "vvvv" } else { "vvvvv" };
        (format!("key{i:03}").into_bytes(), value.as_bytes().to_vec())
    });
    Image::of(&Case { hash_index: HashIndex::Never, ..Case::of(entries.collect()) })
}

/// Keys of one hash, which begin with a constant of the hash function, so that a factor is zero;
/// before and behind others.
pub(crate) fn crowded() -> Image {
    let equal = (0..20).map(of_hash_0);
    let others = (0..100).map(|i| format!("{}key-{i:03}", if i < 50 { "A" } else { "" }));
    let keys = equal.chain(others.map(String::into_bytes));
    Image::of(&Case {
        hash_index: HashIndex::Always,
        ..Case::of(keys.map(|key| (key, b"v".to_vec())).collect())
    })
}

/// A key whose hash is 0, one for each number.
pub(crate) fn of_hash_0(number: u64) -> Vec<u8> {
    [0xA076_1D64_78BD_642F_u64.to_le_bytes(), number.to_be_bytes()].concat()
}

/// An ordered index of two levels, nothing else.
pub(crate) fn deep() -> Image {
    let entries = (0..1_100).map(|i| (format!("{i:x}").into_bytes(), Vec::new()));
    Image::of(&Case { hash_index: HashIndex::Never, ..Case::of(entries.collect()) })
}

/// Keys and values of four bytes each, spread unevenly: both indexes.
pub(crate) fn fixed() -> Image {
    let entries =
        (0..100u32).map(|i| ((i * i * i).to_be_bytes().to_vec(), i.to_le_bytes().to_vec()));
    Image::of(&Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) })
}

/// Fixed width, spread evenly: a line index.
pub(crate) fn lined() -> Image {
    let entries = (0..100u32).map(|i| ((i * 3).to_be_bytes().to_vec(), i.to_le_bytes().to_vec()));
    Image::of(&Case::of(entries.collect()))
}

/// Fixed width with padding before the first key and after each value.
pub(crate) fn padded() -> Image {
    let entries = (0..10u8).map(|i| (vec![b'k', i, i], vec![i; 6]));
    Image::of(&Case { value_align: 8, ..Case::of(entries.collect()) })
}

/// Padding inside records.
pub(crate) fn aligned() -> Image {
    let entries = (0..10u8).map(|i| (vec![b'k'; usize::from(i)], vec![i; usize::from(i) + 3]));
    Image::of(&Case { value_align: 16, ..Case::of(entries.collect()) })
}

/// One block without any index.
pub(crate) fn small() -> Image {
    let entries = [("a", "1"), ("bb", "22"), ("ccc", "")];
    let entries = entries.map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec()));
    Image::of(&Case::of(entries.to_vec()))
}

/// Each key three times.
pub(crate) fn repeated() -> Image {
    let entries = (0..90u8).map(|i| (vec![b'k', i / 3], vec![i; usize::from(i % 3)]));
    Image::of(&Case { hash_index: HashIndex::Always, ..Case::of(entries.collect()) })
}

/// One key with five values.
pub(crate) fn equals() -> Image {
    Image::of(&Case::of((0..5).map(|i| (b"k".to_vec(), vec![b'v'; i])).collect()))
}

pub(crate) fn empty() -> Image {
    Image::of(&Case::default())
}

/// Keys of four bytes, and one value too long for the length word.
pub(crate) fn long_value() -> Image {
    let entries = (0..40u32).map(|i| {
        let len = if i == 20 { 300 } else { i as usize % 7 };
        ((i * i).to_be_bytes().to_vec(), vec![b'v'; len])
    });
    Image::of(&Case::of(entries.collect()))
}

/// Values of four bytes, and one key too long for the length word.
pub(crate) fn long_key() -> Image {
    let entries = (0..40u32).map(|i| {
        let len = if i == 20 { 300 } else { i as usize % 7 };
        ([vec![i as u8], vec![b'k'; len]].concat(), i.to_le_bytes().to_vec())
    });
    Image::of(&Case::of(entries.collect()))
}
