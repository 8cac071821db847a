//! One file per contestant.

mod floor;
mod fst;
#[cfg(feature = "graven")]
pub mod graven;
mod heap;
mod lmdb;
mod lsm_tree;
#[cfg(has_marisa)]
mod marisa;
mod mdbx;
#[cfg(has_mtbl)]
mod mtbl;
mod odht;
#[cfg(feature = "graven")]
mod packed;
mod ptr_hash;
mod redb;
mod rkyv;
#[cfg(has_rocksdb)]
mod rocksdb;
mod sparkey;
mod sqlite;
#[cfg(has_cdb)]
mod tinycdb;

use crate::contestant::Contestant;

/// Everybody, in the order in which the report lists them.
pub fn all() -> Vec<Box<dyn Contestant>> {
    vec![
        #[cfg(feature = "graven")]
        Box::new(graven::DEFAULT),
        #[cfg(feature = "graven")]
        Box::new(graven::HASHED),
        #[cfg(feature = "graven")]
        Box::new(graven::ORDERED),
        #[cfg(feature = "graven")]
        Box::new(graven::UNVERIFIED),
        #[cfg(feature = "graven")]
        Box::new(packed::ZSTD),
        #[cfg(feature = "graven")]
        Box::new(packed::ZSTD_19),
        #[cfg(feature = "graven")]
        Box::new(packed::KEYS),
        #[cfg(feature = "graven")]
        Box::new(packed::FSST),
        #[cfg(has_cdb)]
        Box::new(tinycdb::TinyCdb),
        Box::new(sparkey::Sparkey),
        Box::new(odht::Odht),
        Box::new(rkyv::Vectors),
        Box::new(rkyv::Arrays),
        Box::new(rkyv::Tree),
        Box::new(ptr_hash::PerfectHash),
        Box::new(lmdb::Lmdb),
        Box::new(mdbx::Mdbx),
        Box::new(fst::Fst),
        #[cfg(has_marisa)]
        Box::new(marisa::Marisa),
        Box::new(redb::Redb),
        Box::new(sqlite::Sqlite),
        #[cfg(has_mtbl)]
        Box::new(mtbl::PLAIN),
        #[cfg(has_mtbl)]
        Box::new(mtbl::COMPRESSED),
        #[cfg(has_rocksdb)]
        Box::new(rocksdb::PLAIN),
        #[cfg(has_rocksdb)]
        Box::new(rocksdb::COMPRESSED),
        Box::new(lsm_tree::LsmTree),
        Box::new(heap::Hash),
        Box::new(heap::Tree),
        Box::new(floor::OneLine),
        Box::new(floor::TwoLines),
    ]
}

/// Contestants that this build lacks, with the reason.
pub fn missing() -> Vec<(String, String)> {
    let mut missing: Vec<(String, String)> = env!("PEERS_MISSING")
        .split(';')
        .filter_map(|line| line.split_once('='))
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()))
        .collect();
    if cfg!(not(feature = "graven")) {
        missing.push(("graven".into(), "built without the feature `graven`".into()));
    }
    missing
}
