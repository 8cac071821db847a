//! Every contestant is verified before it is measured: all keys, some misses, the whole order.

use crate::{
    Result,
    contestant::{SEEK_ENTRIES, Session, Store},
    dataset::Dataset,
    queries::Probe,
};

pub fn check<S: Store>(store: &S, data: &Dataset) -> Result<()> {
    let mut session = store.session();
    for rank in 0..data.len() {
        let expected = data.get(rank).1;
        if session.get(Probe::for_rank(data, rank), |value| value == expected) != Some(true) {
            return Err(format!("get of entry {rank} gives a wrong value or none").into());
        }
    }
    check_batch(store, data)?;
    if S::SEEK {
        check_seek(store, data)?;
    }
    if S::FORWARD {
        check_scan(store, data, true)?;
    }
    if S::BACKWARD {
        check_scan(store, data, false)?;
    }
    Ok(())
}

fn check_batch<S: Store>(store: &S, data: &Dataset) -> Result<()> {
    let step = (data.len() / 1000).max(1);
    let ranks: Vec<usize> = (0..data.len()).rev().step_by(step).collect();
    let queries = crate::queries::Queries::of_ranks(data, ranks.iter().copied());
    let keys = queries.keys();
    let mut good = 0;
    store.session().batch(queries.window(&keys), |i, value| {
        good += usize::from(value == Some(data.get(ranks[i]).1));
    });
    if good == ranks.len() { Ok(()) } else { Err("a batch gives wrong values".into()) }
}

fn check_seek<S: Store>(store: &S, data: &Dataset) -> Result<()> {
    let mut session = store.session();
    for rank in (0..data.len()).step_by((data.len() / 500).max(1)) {
        let mut expected = data.iter().skip(rank).take(SEEK_ENTRIES);
        let mut good = true;
        session.seek(Probe::for_rank(data, rank), SEEK_ENTRIES, |key, value| {
            good &= expected.next() == Some((key, value));
        });
        if !good || expected.next().is_some() {
            return Err(format!("seek to entry {rank} gives wrong entries").into());
        }
    }
    Ok(())
}

/// Ordered stores entry by entry; the others by a sum that knows no order.
fn check_scan<S: Store>(store: &S, data: &Dataset, forward: bool) -> Result<()> {
    let mut session = store.session();
    let mut seen = 0;
    let mut good = true;
    if S::ORDERED {
        session.scan(forward, |key, value| {
            let rank = if forward { seen } else { data.len().wrapping_sub(seen + 1) };
            good &= rank < data.len() && data.get(rank) == (key, value);
            seen += 1;
        });
    } else {
        let mut sum = 0u64;
        session.scan(forward, |key, value| {
            sum = sum.wrapping_add(mark(key, value));
            seen += 1;
        });
        good = data.iter().fold(0u64, |s, (k, v)| s.wrapping_add(mark(k, v))) == sum;
    }
    if good && seen == data.len() {
        Ok(())
    } else {
        let direction = if forward { "forward" } else { "backward" };
        Err(format!("a scan {direction} gives wrong entries ({seen} of {})", data.len()).into())
    }
}

fn mark(key: &[u8], value: &[u8]) -> u64 {
    crate::contestant::touch(key)
        .wrapping_mul(31)
        .wrapping_add(crate::contestant::touch(value))
        .wrapping_add((key.len() as u64) << 32)
}
