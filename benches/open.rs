//! Opening a table, alone and with the first lookup. The pages are in the page cache.

mod common;

use common::{Fixture, WORKLOADS};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;

fn open(c: &mut Criterion) {
    for workload in WORKLOADS {
        let fixture = Fixture::new(workload);
        let hits = workload.hits(fixture.entries, common::queries());
        let hits = hits.slices();

        let mut group = c.benchmark_group("open");
        group.bench_function(format!("{}/open", workload.name()), |b| {
            b.iter(|| black_box(common::open(&fixture.path).len()));
        });

        let mut queries = hits.iter().cycle();
        group.bench_function(format!("{}/open_get", workload.name()), |b| {
            b.iter(|| {
                let key = queries.next().expect("a cycle");
                let table = common::open(&fixture.path);
                let value = table.get(key).expect("a good table").expect("a hit");
                black_box(value[0])
            });
        });
        group.finish();
    }
}

criterion_group!(benches, open);
criterion_main!(benches);
