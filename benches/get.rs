//! Point reads: hits, misses, and hits of which each depends on the one before.

mod common;

use common::{BATCH, Fixture, WORKLOADS};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn get(c: &mut Criterion) {
    for workload in WORKLOADS {
        let fixture = Fixture::new(workload);
        let table = &fixture.table;
        let hits = workload.hits(fixture.entries, common::queries());
        let hits = hits.slices();
        let misses = workload.misses(fixture.entries, common::queries());
        let misses = misses.slices();

        let mut group = c.benchmark_group("get");
        group.throughput(Throughput::Elements(BATCH as u64));

        let mut queries = hits.chunks_exact(BATCH).cycle();
        group.bench_function(format!("{}/hit", workload.name()), |b| {
            b.iter(|| {
                for key in queries.next().expect("a cycle") {
                    let value = table.get(black_box(key)).expect("a good table").expect("a hit");
                    black_box(value[0]);
                }
            });
        });

        let mut queries = misses.chunks_exact(BATCH).cycle();
        group.bench_function(format!("{}/miss", workload.name()), |b| {
            b.iter(|| {
                for key in queries.next().expect("a cycle") {
                    let value = table.get(black_box(key)).expect("a good table");
                    assert!(black_box(value).is_none());
                }
            });
        });

        let mut at = 0;
        group.bench_function(format!("{}/dependent", workload.name()), |b| {
            b.iter(|| {
                for _ in 0..BATCH {
                    let value = table.get(hits[at]).expect("a good table").expect("a hit");
                    // Which key comes next stands in the value.
                    at = (at + 1 + usize::from(value[0])) % hits.len();
                }
                black_box(at)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, get);
criterion_main!(benches);
