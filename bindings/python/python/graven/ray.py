"""Sets that Ray Data builds and looks keys up in (``graven[ray]``): an example of how little an
engine needs beside ``graven.engines``.

``write`` sorts a Dataset, so that its blocks have ranges of keys, and writes each block as a shard;
``lookup`` adds a column with the values of a set::

    graven.ray.write(ds, "/data/cities", key="name", value="people")
    graven.ray.lookup(ds, "/data/cities", on="name", value="people")

All nodes have the package installed, and see the set's directory under the same path.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import pyarrow
from ray.data import Datasink
from ray.data.block import BlockAccessor

from . import engines
from ._errors import OptionError
from ._graven import Manifest
from .engines import ShardInfo, ShardWriter

if TYPE_CHECKING:
    from ray.data import Dataset

__all__ = ["SetDatasink", "lookup", "write"]

_Path = str | PathLike[str]


class SetDatasink(Datasink[ShardInfo | None]):
    """Writes a Dataset whose blocks have ranges of keys that do not overlap, as ``Dataset.sort``
    makes them, as the next version of the set in `path`. The options are those of
    ``graven.engines.ShardWriter``. `manifest` is there once the set is written."""

    manifest: Manifest | None = None

    def __init__(self, path: _Path | None, *, key: str, value: str, **options: Any) -> None:
        if options.get("hash_shards") is not None:
            raise OptionError("option hash_shards does not go with Ray: write range shards")
        # Begun here, in the driver: a job ends with the object that began it.
        self.writer = ShardWriter(path, key=key, value=value, **options)

    def write(self, blocks: Iterable[Any], ctx: Any) -> ShardInfo | None:
        return self.writer.write(BlockAccessor.for_block(block).to_arrow() for block in blocks)

    def on_write_complete(self, write_result: Any) -> None:
        self.manifest = self.writer.commit(write_result.write_returns)

    def on_write_failed(self, error: Exception) -> None:
        self.writer.abort()


def write(
    ds: Dataset, path: _Path | None = None, *, key: str, value: str, **options: Any
) -> Manifest:
    """Writes two columns of a Dataset as the next version of the set in `path`, and returns its
    manifest. Rows of one key have to be in one block, which the sort sees to unless there are more
    than fill a block. The options are those of ``graven.engines.ShardWriter``."""
    sink = SetDatasink(path, key=key, value=value, **options)
    ds.select_columns([key, value]).sort(key).write_datasink(sink)
    assert sink.manifest is not None, "a write that ended was committed"
    return sink.manifest


def lookup(
    ds: Dataset,
    path: _Path,
    *,
    on: str,
    value: str = "value",
    how: Literal["left", "inner"] = "left",
    **options: Any,
) -> Dataset:
    """Adds the binary column `value` to a Dataset: the values that the set in `path` has for the
    keys in the column `on`, null where it has none; with ``how="inner"``, rows without a value are
    left out. Each worker opens the set once. All read the version that is current when this is
    called. The options are those of ``Dataset.map_batches``."""
    if how not in ("left", "inner"):
        raise OptionError(f'option how is "{how}", expected "left" or "inner"')
    pinned = engines.pin(path)

    def look_up(batch: pyarrow.Table) -> pyarrow.Table:
        keys = batch.column(on)
        chunks = [engines.lookup(pinned, chunk) for chunk in keys.chunks]
        found = pyarrow.chunked_array(chunks, pyarrow.binary())
        batch = batch.append_column(value, found)
        return batch.filter(found.is_valid()) if how == "inner" else batch

    return ds.map_batches(look_up, batch_format="pyarrow", **options)
