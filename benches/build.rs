//! Building a table from ascending and from shuffled input, without syncing it to disk.

mod common;

use common::WORKLOADS;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graven::BuildOptions;

fn build(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for workload in WORKLOADS {
        let mut group = c.benchmark_group("build");
        group.sample_size(10);
        for (name, sorted) in [("sorted", true), ("shuffled", false)] {
            let entries = workload.entries(common::entries(), sorted);
            let path = dir.path().join(format!("{}-{name}", workload.name()));
            let options = BuildOptions::new().durable(false).sorted(sorted);
            group.throughput(Throughput::Elements(entries.len() as u64));
            group.bench_function(format!("{}/{name}", workload.name()), |b| {
                b.iter(|| {
                    let mut builder = options.create(&path).expect("create");
                    for (key, value) in &entries {
                        builder.insert(key, value).expect("insert");
                    }
                    builder.finish().expect("finish").file_bytes
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, build);
criterion_main!(benches);
