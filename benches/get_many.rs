//! Point reads in batches of 8, 64 and 1024 keys.

mod common;

use common::{BATCH, Fixture, WORKLOADS};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn get_many(c: &mut Criterion) {
    for workload in WORKLOADS {
        let fixture = Fixture::new(workload);
        let table = &fixture.table;
        let hits = workload.hits(fixture.entries, common::queries());
        let hits = hits.slices();
        let mut out = Vec::with_capacity(BATCH);

        let mut group = c.benchmark_group("get_many");
        for batch in [8, 64, BATCH] {
            group.throughput(Throughput::Elements(batch as u64));
            let mut queries = hits.chunks_exact(batch).cycle();
            group.bench_function(format!("{}/{batch}", workload.name()), |b| {
                b.iter(|| {
                    let keys = queries.next().expect("a cycle");
                    table.get_many_into(black_box(keys), &mut out).expect("a good table");
                    for value in &out {
                        black_box(value.expect("a hit")[0]);
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, get_many);
criterion_main!(benches);
