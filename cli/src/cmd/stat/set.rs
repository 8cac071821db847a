//! The figures of a set: those of its manifest.

use crate::terminal;
use data_encoding::HEXLOWER;
use graven::{Manifest, Partition, Shard};
use serde_json::json;
use std::path::Path;

pub(super) fn json(path: &Path, manifest: &Manifest) -> String {
    let key = |key: &Option<Vec<u8>>| key.as_deref().map(|key| HEXLOWER.encode(key));
    let shards = manifest.shards.iter().map(|shard| {
        json!({
            "file": shard.file, "entries": shard.entries, "bytes": shard.bytes,
            "build_id": shard.build_id.to_string(), "first_key_hex": key(&shard.first_key),
            "last_key_hex": key(&shard.last_key), "sha256": HEXLOWER.encode(&shard.sha256),
            "packed": shard.packed,
        })
    });
    let object = json!({
        "set": path.to_string_lossy(),
        "id": manifest.id.to_string(),
        "partition": name(manifest.partition),
        "entries": manifest.entries,
        "file_bytes": manifest.bytes,
        "shards": shards.collect::<Vec<_>>(),
    });
    format!("{object:#}\n")
}

pub(super) fn text(manifest: &Manifest, terminal: bool) -> String {
    let Manifest { id, entries, bytes, .. } = manifest;
    let shown = |key: &[u8]| match terminal {
        true => terminal::shown(key),
        false => key.escape_ascii().to_string(),
    };
    let key = |key: Option<&Vec<u8>>| key.map_or("none".into(), |key| shown(key));
    let smallest = manifest.shards.iter().filter_map(|shard| shard.first_key.as_ref()).min();
    let largest = manifest.shards.iter().filter_map(|shard| shard.last_key.as_ref()).max();
    let sizes = |of: fn(&Shard) -> u64| {
        let all = || manifest.shards.iter().map(of);
        format!("{} to {}", all().min().unwrap_or(0), all().max().unwrap_or(0))
    };
    let packed = match manifest.shards.iter().filter(|shard| shard.packed).count() {
        0 => String::new(),
        packed => format!(", {packed} packed"),
    };
    format!(
        "set id         {id}\n\
         partition      {}\n\
         shards         {}{packed}\n\
         entries        {entries}\n\
         files          {bytes} bytes\n\
         entries/shard  {}\n\
         bytes/shard    {}\n\
         smallest key   {}\n\
         largest key    {}\n",
        name(manifest.partition),
        manifest.shards.len(),
        sizes(|shard| shard.entries),
        sizes(|shard| shard.bytes),
        key(smallest),
        key(largest),
    )
}

fn name(partition: Partition) -> &'static str {
    match partition {
        Partition::Range => "range",
        _ => "hash",
    }
}
