"""Sets that the tasks of an engine build, and read: what ``graven.spark`` and ``graven.ray`` are
made of. It needs pyarrow, and nothing of any engine.

A driver begins the job, tasks write a shard each, and the driver commits what they returned:

>>> import pyarrow
>>> from graven.engines import ShardWriter
>>> writer = ShardWriter(tmp / "cities", key="name", value="people")
>>> parts = [{"name": ["Basel", "Bern"], "people": ["173863", "133883"]},
...          {"name": ["Chur"], "people": ["38293"]}]
>>> infos = [writer.write(pyarrow.table(part)) for part in parts]     # each in another process
>>> writer.commit(infos).entries
3
>>> graven.TableSet(tmp / "cities")[b"Chur"]
b'38293'

All processes see the directory under the same path. Rows pass as Arrow data and never as Python
objects. Each call of ``write`` writes a file of its own, and ``commit`` takes exactly those that it
is told of: a task may be tried again, run twice, or end too late.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import OptionError
from ._graven import (
    ArrowScan,
    Manifest,
    SetJob,
    ShardInfo,
    Table,
    TableSet,
    Versions,
    lookup_arrow,
    open,
)
from ._push import PushJob

if TYPE_CHECKING:
    import pyarrow

__all__ = ["Part", "SetJob", "ShardInfo", "ShardWriter", "lookup", "parts", "pin", "read"]

_Path = str | bytes | PathLike[str] | PathLike[bytes]

#: Seconds for which a version that is not current is kept whatever ``keep`` says: a reader may be
#: about to open its shards.
KEEP_SECONDS = 60.0
#: Options of ``Versions.publish``; all others are those of ``Builder``.
_PUBLISH = ("min_entries", "max_shrink", "directory_mode")


class ShardWriter:
    """Writes the next version of the set in `path`, a directory of versions that is made if it is
    missing, from the tasks of an engine; or, if `path` is None, of the set in the object store at
    `push`. It pickles: a copy in another process takes part in the same job.

    - push: an address such as "s3://bucket/cities", where the tasks share no disk: each builds its
      shard in `temp_dir` and sends it, and ``commit`` moves the pointer on condition that nobody else
      has. ``graven pull`` fetches the set. Needs ``graven[push]``; the environment has the
      credentials.
    - key, value: the columns, as in ``build_arrow``
    - hash_shards: so many hash shards; without it, each shard has a range of keys, and no two ranges
      overlap
    - duplicates: of repeated keys within a shard, "reject" the shard, or "keep-first", "keep-last",
      "keep-all"
    - sorted: the rows of each task come in ascending order of the keys' bytes
    - memory_budget: bytes of memory with which a task sorts; what does not fit goes to temporary
      files
    - validate: each shard is read back from the disk and checked when it is built, and its SHA-256
      is compared once more before the set becomes current
    - replace: False is an error if a set stands there already
    - keep: so many versions are kept, this one among them, and older ones removed
    - detached, stale_after: as in ``SetJob``. In a store a job ends with ``commit`` or ``abort``; what
      a killed one left, a commit removes once it is stale.

    The other options are those of ``Builder`` and of ``Versions.publish``: min_entries, max_shrink,
    directory_mode, mode, durable, hash_index, value_align, metadata, temp_dir, threads.
    """

    def __init__(
        self,
        path: _Path | None,
        *,
        push: str | None = None,
        key: str | int = "key",
        value: str | int = "value",
        hash_shards: int | None = None,
        duplicates: str = "reject",
        sorted: bool = False,
        memory_budget: int | None = 256 << 20,
        validate: bool = False,
        replace: bool = True,
        keep: int | None = None,
        detached: bool = False,
        stale_after: float = 86400.0,
        **options: Any,
    ) -> None:
        if keep is not None and keep < 1:
            raise OptionError(f"option keep is {keep}, expected 1 or more")
        publish = {name: options.pop(name) for name in _PUBLISH if name in options}
        both: dict[str, Any] = {
            name: options[name] for name in ("mode", "durable") if name in options
        }
        both["verify_after_write"] = validate
        self.key, self.value, self.keep = key, value, keep
        self.tables: dict[str, Any] = {
            **options, **both, "duplicates": duplicates, "sorted": sorted,
            "memory_budget": memory_budget,
        }
        self.job: SetJob | PushJob
        if push is not None and path is not None:
            raise OptionError("options path and push both say where the set goes: give one")
        if push is not None:
            for option in ("directory_mode", "mode"):
                if option in publish or option in both:
                    raise OptionError(f"option {option} is of files, and push sends objects")
            self.job = PushJob(
                push, hash_shards=hash_shards, replace=replace, stale_after=stale_after,
                verify=validate, **publish,
            )
        elif path is not None:
            self.job = SetJob(
                path, hash_shards=hash_shards, detached=detached, stale_after=stale_after,
                replace=replace, **publish, **both,
            )
        else:
            raise OptionError("option path is None: say where the set goes, or where to push it")

    def write(self, batches: Any, number: int | None = None) -> ShardInfo | None:
        """In a task: writes its rows as one shard, and returns what ``commit`` is to be told of it;
        None if there are no rows and the shard is a range.

        - batches: whatever ``build_arrow`` takes. They are read one after the other, and none is
          kept: a slice keeps no more than itself alive.
        - number: the number of the hash shard
        """
        options = self.tables
        return self.job.write_shard(
            batches, key=self.key, value=self.value, number=number, **options
        )

    def commit(self, infos: Iterable[ShardInfo | None]) -> Manifest:
        """In the driver: makes a version of these shards, makes it current, and removes what else
        the tasks have built. Of hash shards, those that are missing are empty: an engine may leave
        out tasks without rows, so it has to know that no task was lost. PublishError if the shards
        make no set; the set that was current stays current then."""
        shards = [info for info in infos if info is not None]
        if self.job.hash_shards is not None:
            built = {info.number for info in shards}
            for number in range(self.job.hash_shards):
                if number not in built:
                    empty = self.write([], number)
                    assert empty is not None, "hash shards are built also without rows"
                    shards.append(empty)
        if isinstance(self.job, PushJob):
            return self.job.commit(shards, self.keep, KEEP_SECONDS)
        version = self.job.commit(shards)
        if self.keep is not None:
            Versions(self.job.directory).prune(self.keep, KEEP_SECONDS)
        return TableSet(version.path).manifest

    def abort(self) -> None:
        """In the driver: removes all that the tasks have built. Does nothing after ``commit``."""
        self.job.abort()

    def __repr__(self) -> str:
        return f"<graven.engines.ShardWriter of {self.job!r}>"


@dataclass(frozen=True)
class Part:
    """A part of a set that a task reads: a shard's file, and the keys from `start` up to `stop`, or
    `points` alone."""

    file: str
    build_id: str
    start: bytes | None = None
    stop: bytes | None = None
    points: tuple[bytes, ...] | None = None


def pin(path: _Path) -> tuple[str, str]:
    """The directory of the version of a set that is current now, and its id: what a driver hands to
    its tasks, so that all read the same version. A version is kept for as long as ``prune`` lets it:
    `keep` two or more versions where jobs read while others write."""
    with TableSet(path) as current:
        return current.path, current.id


def parts(
    path: _Path,
    *,
    start: bytes | None = None,
    stop: bytes | None = None,
    points: Sequence[bytes] | None = None,
    part_bytes: int = 128 << 20,
) -> list[Part]:
    """The set's entries with keys from `start` up to `stop`, or with one of the keys in `points`, as
    parts of about `part_bytes` bytes for as many tasks. Reads the manifest, and a few pages of each
    shard that is divided."""
    if part_bytes < 1:
        raise OptionError(f"option part_bytes is {part_bytes}, expected 1 or more")
    if start is not None and stop is not None and start >= stop:
        return []
    found: list[Part] = []
    with TableSet(path) as current:
        if points is not None:
            return _points(current, points)
        directory = Path(current.path)
        for shard in current.manifest.shards:
            first, last = shard.first_key, shard.last_key
            if first is None or last is None:
                continue
            if (stop is not None and first >= stop) or (start is not None and last < start):
                continue
            file = str(directory / shard.file)
            number = -(-shard.bytes // part_bytes)
            if number == 1:
                found.append(Part(file, shard.build_id, start, stop))
                continue
            with open(file, expect_build_id=shard.build_id) as table:
                entries = table.range(start, stop)
                total = len(entries)
                ranks = sorted({total * at // number for at in range(1, number)} - {0})
                # A key that is repeated is in one part, so a boundary may come twice.
                cuts = sorted({entries[rank][0] for rank in ranks if rank < total})
            bounds = [start, *cuts, stop]
            if total:
                pairs = [(a, b) for a, b in zip(bounds, bounds[1:]) if a is None or a != b]
                found += [Part(file, shard.build_id, a, b) for a, b in pairs]
    return found


def _points(current: TableSet, points: Sequence[bytes]) -> list[Part]:
    shards = current.manifest.shards
    asked: dict[int, list[bytes]] = {}
    for key in sorted(set(points)):
        shard = current.shard_of(key)
        if shard is not None:
            asked.setdefault(shard, []).append(key)
    return [
        Part(str(Path(current.path) / shards[at].file), shards[at].build_id, points=tuple(keys))
        for at, keys in sorted(asked.items())
    ]


def read(
    part: Part, *, key: str = "key", value: str = "value", rows: int = 10_000
) -> Iterator[pyarrow.RecordBatch]:
    """The entries of a part as record batches with two binary columns, in order."""
    import pyarrow

    columns = [(key, True), (value, False)]
    with open(part.file, expect_build_id=part.build_id) as table:
        if part.points is None:
            bounds: Iterable[tuple[bytes | None, bytes | None]] = [(part.start, part.stop)]
        else:
            bounds = [(point, after(point)) for point in part.points]
        for start, stop in bounds:
            for batch in ArrowScan(table, columns, start, stop, rows=rows):
                yield pyarrow.record_batch(batch)


def after(key: bytes) -> bytes:
    """The smallest key above `key`."""
    return key + b"\0"


def after_prefix(prefix: bytes) -> bytes | None:
    """The smallest key above all keys that start with `prefix`; None if there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else None


@lru_cache(maxsize=8)
def _opened(path: str, id: str, max_mapped_bytes: int | None) -> TableSet:
    return TableSet(path, expect_id=id, max_mapped_bytes=max_mapped_bytes)


def lookup(
    pinned: tuple[str, str] | Table | TableSet,
    keys: Any,
    *,
    max_mapped_bytes: int | None = None,
) -> pyarrow.Array:
    """The values of the keys in an Arrow array, as a binary array with a null for each key that is
    missing or null. `pinned` is what ``pin`` returned: the set is opened once in each process."""
    import pyarrow

    store = _opened(*pinned, max_mapped_bytes) if isinstance(pinned, tuple) else pinned
    return pyarrow.array(lookup_arrow(store, keys))
