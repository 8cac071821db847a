//! `graven sample`: random entries, by rank.

use crate::args::Sample;
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::random::Random;
use crate::source::{ALL, Source};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

/// Up to this many ranks are kept in memory and sorted. More are drawn in ascending order: that
/// takes no memory, and a random number for each entry of the table.
const MOST: u64 = 1 << 20;

pub(crate) fn run(args: &Sample) -> Result<Outcome, Failure> {
    let source = Source::open(&args.table, args.reading.access())?;
    let mut out = Output::new()?;
    let alone = args.keys || args.values;
    let separator = out.separator(args.bare, alone, "--values or --keys")?;
    let mut print = |key: &[u8], value: &[u8]| match (args.keys, args.values, separator) {
        (true, _, Some(separator)) => out.bare(key, separator),
        (true, _, None) => out.key(key),
        (_, true, Some(separator)) => out.bare(value, separator),
        (_, true, None) => out.value(value),
        _ => out.entry(key, value),
    };
    // The standard library's seed for hash maps is different at every call.
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    let ranks = ranks(source.len(), args.entries, Random(seed));
    match source.is_hashed() {
        true => of_hashed(&source, args, ranks, &mut print)?,
        false => {
            let mut places = source.by_place(&args.table);
            for rank in ranks {
                places.entry(rank, &mut print)?;
            }
        }
    }
    out.flush()?;
    source.intact(&args.table)?;
    Ok(Outcome::Fine)
}

/// Hands entries of a set of hash shards to `each`, in key order: those with these ranks, or as many
/// others of which every set is as likely.
fn of_hashed(
    source: &Source,
    args: &Sample,
    mut ranks: Box<dyn Iterator<Item = u64>>,
    each: &mut dyn FnMut(&[u8], &[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if args.entries.min(source.len()) > MOST {
        let mut wanted = ranks.next();
        return source.walk(&args.table, ALL, false, u64::MAX, |rank, key, value| {
            if wanted == Some(rank) {
                each(key, value)?;
                wanted = ranks.next();
            }
            Ok(())
        });
    }
    // Places are not in key order. Entries of one key are in one shard, and keep their order there.
    let mut places = source.by_place(&args.table);
    let mut drawn = Vec::new();
    for place in ranks {
        drawn.extend(places.key(place)?.map(|key| (key, place)));
    }
    drawn.sort();
    drawn.iter().try_for_each(|&(_, place)| places.entry(place, &mut *each))
}

/// `wanted` of the numbers below `all`, ascending; every set of so many is equally likely.
fn ranks(all: u64, wanted: u64, mut random: Random) -> Box<dyn Iterator<Item = u64>> {
    let wanted = wanted.min(all);
    if wanted > MOST {
        return Box::new(in_order(all, wanted, random));
    }
    // Floyd's algorithm (Bentley and Floyd 1987): one draw for each number that is wanted.
    let mut drawn = BTreeSet::new();
    for last in all - wanted..all {
        let rank = random.below(last + 1);
        if !drawn.insert(rank) {
            drawn.insert(last);
        }
    }
    Box::new(drawn.into_iter())
}

/// The same by selection (Knuth, The Art of Computer Programming, volume 2, algorithm 3.4.2 S): each
/// number is taken with the probability that is left for it.
fn in_order(all: u64, mut wanted: u64, mut random: Random) -> impl Iterator<Item = u64> {
    (0..all).filter(move |rank| {
        let taken = random.below(all - rank) < wanted;
        wanted -= u64::from(taken);
        taken
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set of 2 out of 5 comes up about as often as every other one.
    #[test]
    fn every_set_is_equally_likely() {
        const DRAWS: u32 = 20_000;
        let draw: [fn(Random) -> Vec<u64>; 2] =
            [|random| ranks(5, 2, random).collect(), |random| in_order(5, 2, random).collect()];
        for draw in draw {
            let mut seen = std::collections::BTreeMap::new();
            for seed in 0..DRAWS {
                let ranks = draw(Random(u64::from(seed) << 32));
                assert!(ranks.len() == 2 && ranks[0] < ranks[1] && ranks[1] < 5, "{ranks:?}");
                *seen.entry(ranks).or_insert(0u32) += 1;
            }
            assert_eq!(seen.len(), 10);
            // Six standard deviations of a binomial count.
            let (expected, most) =
                (f64::from(DRAWS) / 10.0, 6.0 * f64::from(DRAWS * 9 / 100).sqrt());
            for (ranks, count) in seen {
                assert!((f64::from(count) - expected).abs() < most, "{ranks:?}: {count}");
            }
        }
    }

    #[test]
    fn as_many_as_wanted_or_all() {
        let few = |all, wanted| ranks(all, wanted, Random(7)).collect::<Vec<_>>();
        assert_eq!(few(0, 3), [0; 0]);
        assert_eq!(few(3, 0), [0; 0]);
        assert_eq!(few(3, 3), [0, 1, 2]);
        assert_eq!(few(3, u64::MAX), [0, 1, 2]);
        let many = ranks(3 * MOST, MOST + 1, Random(7));
        let many: BTreeSet<u64> = many.collect();
        assert_eq!(many.len() as u64, MOST + 1);
        assert!(many.last() < Some(&(3 * MOST)));
    }
}
