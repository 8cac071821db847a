//! The options with which a table was built, as far as its bytes depend on them.

use crate::codec::Compression;
use crate::error::{ReadError, ReadResult};
use crate::format::types::Types;
use crate::read::{Metadata, Packing, Table, TypesSection};
use crate::write::{BuildOptions, Duplicates, HashIndex};

impl Table {
    /// The options to build a table like this one: its types, alignment, metadata, kind of index, and how
    /// it is packed.
    /// A build of the same entries with these options gives the same bytes. Reads the metadata, and
    /// the types of a typed table.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let (path, copy) = (dir.path().join("t"), dir.path().join("copy"));
    /// # let mut builder = graven::BuildOptions::new().metadata("source", "census").create(&path)?;
    /// # builder.insert(b"a", b"1")?;
    /// # builder.finish()?;
    /// let table = graven::Table::load(&path)?;
    /// let mut builder = table.build_options()?.create(&copy)?;
    /// for entry in table.iter() {
    ///     let (key, value) = entry?;
    ///     builder.insert(key, value)?;
    /// }
    /// builder.finish()?;
    /// assert_eq!(std::fs::read(&path)?, std::fs::read(&copy)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if metadata or types are damaged.
    pub fn build_options(&self) -> Result<BuildOptions, ReadError> {
        let recipe = Recipe::of(self);
        let repeated = self.view().layout().repeated_keys;
        let duplicates = if repeated { Duplicates::KeepAll } else { Duplicates::Reject };
        let options = recipe.apply(BuildOptions::new().duplicates(duplicates))?;
        Ok(PackedAs::of(self)?.apply(options))
    }
}

/// How a table is packed, if at all.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PackedAs {
    compression: Option<Compression>,
    compact_keys: bool,
}

impl PackedAs {
    /// How a table is packed. Checks the page of its packing section.
    pub(super) fn of(table: &Table) -> ReadResult<Self> {
        let Some(block) = Packing::block(table.view())? else { return Ok(Self::default()) };
        let compression = Compression::of(&block);
        // Nothing but compact keys makes a packed table whose values stand as they are.
        let compact_keys = Packing::encodes_keys(&block) || compression.is_none();
        Ok(Self { compression, compact_keys })
    }

    /// Options to pack a table in this way.
    pub(super) fn apply(self, options: BuildOptions) -> BuildOptions {
        options.compress(self.compression).compact_keys(self.compact_keys)
    }
}

/// What the bytes of a table depend on, apart from its entries.
#[derive(Clone, Copy)]
pub(super) struct Recipe<'t> {
    pub(super) types: Types,
    pub(super) align_log2: u8,
    pub(super) hash_index: HashIndex,
    /// The table whose metadata and types section it has.
    pub(super) texts: &'t Table,
}

impl<'t> Recipe<'t> {
    /// The recipe of a table. A hash index that was built where it was wanted is the one that is built
    /// always, and one that was left out is left out; only the line index needs the free choice.
    pub(super) fn of(table: &'t Table) -> Self {
        let layout = table.view().layout();
        let hash_index = match (&layout.lines, layout.hash.or(layout.hash_of_decoded)) {
            (Some(_), _) => HashIndex::Auto,
            (None, Some(_)) => HashIndex::Always,
            (None, None) => HashIndex::Never,
        };
        let align_log2 = layout.record.align_log2;
        Self { types: layout.type_tags(), align_log2, hash_index, texts: table }
    }

    /// Options that follow the recipe. Those that say how a table is written and published stay.
    pub(super) fn apply(&self, options: BuildOptions) -> Result<BuildOptions, ReadError> {
        let names = TypesSection::read(self.texts.view())?;
        let metadata = self.texts.metadata()?;
        Ok(self.apply_with(options, names.as_ref(), Some(&metadata)))
    }

    /// Options that follow the recipe, with as much of metadata and types section as there is.
    pub(super) fn apply_with(
        &self,
        options: BuildOptions,
        names: Option<&TypesSection<'_>>,
        metadata: Option<&Metadata<'_>>,
    ) -> BuildOptions {
        let options = options
            .without_metadata()
            .types(self.types, names.map(|section| section.names))
            .value_align(1 << self.align_log2)
            .hash_index(self.hash_index);
        let pairs = metadata.into_iter().flat_map(Metadata::iter);
        pairs.fold(options, |options, (key, value)| options.metadata(key, value))
    }
}
