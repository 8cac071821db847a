//! The model: what a table must answer.

use graven::{BuildError, BuildOptions, BuildSummary, Duplicates, HashIndex};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// A table as it should be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) map: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    pub(crate) metadata: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Model {
    pub(crate) fn new(entries: &[Entry], duplicates: Duplicates) -> Self {
        let mut map: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
        for (key, value) in entries {
            let values = map.entry(key.clone()).or_default();
            match duplicates {
                Duplicates::KeepFirst if !values.is_empty() => {}
                Duplicates::KeepLast => *values = vec![value.clone()],
                _ => values.push(value.clone()),
            }
        }
        Self { map, metadata: BTreeMap::new() }
    }

    /// All entries in order.
    pub(crate) fn flat(&self) -> Vec<(&[u8], &[u8])> {
        let entries = self.map.iter();
        entries
            .flat_map(|(key, values)| values.iter().map(|v| (key.as_slice(), v.as_slice())))
            .collect()
    }

    pub(crate) fn repeats(&self) -> bool {
        self.map.values().any(|values| values.len() > 1)
    }
}

/// Entries and options of one table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) entries: Vec<Entry>,
    pub(crate) duplicates: Duplicates,
    pub(crate) hash_index: HashIndex,
    pub(crate) value_align: u32,
    pub(crate) metadata: Vec<Entry>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            duplicates: Duplicates::KeepAll,
            hash_index: HashIndex::Auto,
            value_align: 1,
            metadata: Vec::new(),
        }
    }
}

impl Case {
    pub(crate) fn of(entries: Vec<Entry>) -> Self {
        Self { entries, ..Self::default() }
    }

    pub(crate) fn model(&self) -> Model {
        let mut model = Model::new(&self.entries, self.duplicates);
        model.metadata = self.metadata.iter().cloned().collect();
        model
    }

    /// The options that change bytes; not durable, since no test loses power.
    pub(crate) fn options(&self) -> BuildOptions {
        let options = BuildOptions::new()
            .duplicates(self.duplicates)
            .hash_index(self.hash_index)
            .value_align(self.value_align)
            .durable(false);
        self.metadata
            .iter()
            .fold(options, |options, (key, value)| options.metadata(key.clone(), value.clone()))
    }

    pub(crate) fn build(&self, path: &Path) -> Result<BuildSummary, BuildError> {
        self.build_with(self.options(), path)
    }

    pub(crate) fn build_with(
        &self,
        options: BuildOptions,
        path: &Path,
    ) -> Result<BuildSummary, BuildError> {
        let mut builder = options.create(path)?;
        for (key, value) in &self.entries {
            builder.insert(key, value)?;
        }
        builder.finish()
    }

    /// The bytes of the built table.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes_with(self.options())
    }

    pub(crate) fn bytes_with(&self, options: BuildOptions) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        self.build_with(options, &path).unwrap();
        std::fs::read(path).unwrap()
    }
}
