//! Many keys at once: all through their shards together, or, under a bound on mapped bytes, grouped by
//! shard.

use super::shard::{PackedValue, ShardTable};
use super::shards::Shards;
use crate::codec::ValueBuffer;
use crate::error::SetError;
use crate::read::{PackedTable, Table, Value, get_many_among};

/// The places of keys, ordered by shard.
struct Groups {
    /// Shard and place of a key, in one number.
    places: Vec<u64>,
}

/// Bits of a place: the shard's number takes the rest.
const PLACE_BITS: u32 = 44;

impl Groups {
    /// Groups the keys that a shard may have.
    fn of<T: ShardTable, K: AsRef<[u8]>>(shards: &Shards<T>, keys: &[K]) -> Self {
        let place = |(place, key): (usize, &K)| {
            let shard = shards.of_key(key.as_ref())? as u64;
            Some(shard << PLACE_BITS | place as u64)
        };
        let places: Vec<u64> = keys.iter().enumerate().filter_map(place).collect();
        if shards.len() > 4 * keys.len() {
            let mut places = places;
            places.sort_unstable();
            return Self { places };
        }
        // By counting: a sort by comparisons would cost as much as the lookups.
        let shard = |place: u64| (place >> PLACE_BITS) as usize;
        let mut ends = vec![0usize; shards.len() + 1];
        places.iter().for_each(|&place| ends[shard(place) + 1] += 1);
        for i in 1..ends.len() {
            ends[i] += ends[i - 1];
        }
        let mut ordered = vec![0; places.len()];
        for place in places {
            let next = &mut ends[shard(place)];
            ordered[*next] = place;
            *next += 1;
        }
        Self { places: ordered }
    }

    /// Hands each shard that is asked to `ask`, with the places of its keys and the keys.
    fn each<'k, K: AsRef<[u8]>>(
        &self,
        keys: &'k [K],
        mut ask: impl FnMut(usize, &[usize], &[&'k [u8]]) -> Result<(), SetError>,
    ) -> Result<(), SetError> {
        let (mut places, mut asked) = (Vec::new(), Vec::new());
        for group in self.places.chunk_by(|a, b| a >> PLACE_BITS == b >> PLACE_BITS) {
            places.clear();
            places.extend(group.iter().map(|place| (place & ((1 << PLACE_BITS) - 1)) as usize));
            asked.clear();
            asked.extend(places.iter().map(|&place| keys[place].as_ref()));
            ask((group[0] >> PLACE_BITS) as usize, &places, &asked)?;
        }
        Ok(())
    }
}

/// Hands the values of keys to `each`, in their order, each from its shard.
pub(super) fn together<'r>(
    asked: &[(&'r Table, &[u8])],
    mut each: impl FnMut(Option<&'r [u8]>),
) -> Result<(), SetError> {
    if !get_many_among(asked.iter().copied(), &mut each)? {
        // Few sets have shards of several kinds: it is enough to be right.
        for &(table, key) in asked {
            each(table.get(key)?);
        }
    }
    Ok(())
}

/// The values of `keys`, in their order: one shard after the other, so that few are mapped at once.
pub(super) fn grouped<K: AsRef<[u8]>>(
    keys: &[K],
    shards: &Shards<Table>,
) -> Result<Vec<Option<Value>>, SetError> {
    let mut found = vec![None; keys.len()];
    Groups::of(shards, keys).each(keys, |shard, places, asked| {
        shards.ask(shard, |table| {
            let mut places = places.iter();
            table.get_many_with(asked, |value| {
                if let (Some(&place), Some(value)) = (places.next(), value) {
                    found[place] = table.slice_ref(value);
                }
            })
        })
    })?;
    Ok(found)
}

/// The values of `keys` in packed shards, in their order, as [`grouped`] finds them. They are decoded
/// later.
pub(super) fn packed<K: AsRef<[u8]>>(
    keys: &[K],
    shards: &Shards<PackedTable>,
    buffer: &mut ValueBuffer,
) -> Result<Vec<Option<PackedValue>>, SetError> {
    let mut found = vec![None; keys.len()];
    Groups::of(shards, keys).each(keys, |shard, places, asked| {
        shards.ask(shard, |table| {
            let mut places = places.iter();
            table.packed().get_many(asked, &mut buffer.key, |stored| {
                if let (Some(&place), Some(stored)) = (places.next(), stored) {
                    found[place] = PackedValue::new(table, stored);
                }
                Ok(())
            })
        })
    })?;
    Ok(found)
}
