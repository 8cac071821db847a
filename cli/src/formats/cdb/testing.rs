//! Files for the tests of this format, and for the seeds of the fuzz targets.

/// A cdb or cdb64 as its writers make it. All keys are in one hash table: which one does not matter
/// to a reader of all records. `length`: bytes of a record's length.
pub(crate) fn file(entries: &[(Vec<u8>, Vec<u8>)], width: usize, length: usize) -> Vec<u8> {
    let number = |number: usize, width: usize| (number as u64).to_le_bytes()[..width].to_vec();
    let mut records = Vec::new();
    for (key, value) in entries {
        records.extend([number(key.len(), length), number(value.len(), length)].concat());
        records.extend_from_slice(key);
        records.extend_from_slice(value);
    }
    let (end, slots) = (512 * width + records.len(), 2 * entries.len());
    let mut file = Vec::new();
    for table in 0..256 {
        let (position, slots) = match table {
            0..7 => (end, 0),
            7 => (end, slots),
            _ => (end + 2 * width * slots, 0),
        };
        file.extend([number(position, width), number(slots, width)].concat());
    }
    file.extend_from_slice(&records);
    file.resize(end + 2 * width * slots, 0);
    file
}
