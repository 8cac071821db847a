"""Sets that Spark builds, reads and joins with (PySpark 4.1 or newer, ``graven[spark]``).

``write_table`` writes a DataFrame as a set: its rows are divided among the shards by ranges of the
key or by its hash, each task writes one shard, and the driver commits them::

    manifest = graven.spark.write_table(df, "/data/cities", key="name", value="people", shards=8)

``lookup_join`` adds a column with the values of a set; each Python worker maps the set once, and
nothing is shuffled or broadcast::

    graven.spark.lookup_join(df, "/data/cities", on="name", value="people")

``register`` makes the format "graven" known to a session::

    graven.spark.register(spark)
    spark.read.format("graven").load("/data/cities").where("key >= X'42'")

The driver and all executors have the package installed, and see the set's directory under the same
path. docs/spark.md is the guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import pyarrow
from pyspark import TaskContext
from pyspark.sql import functions as sf
from pyspark.sql.datasource import (
    DataSource,
    DataSourceArrowWriter,
    DataSourceReader,
    EqualNullSafe,
    EqualTo,
    Filter,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    InputPartition,
    IsNotNull,
    LessThan,
    LessThanOrEqual,
    StringStartsWith,
    WriterCommitMessage,
)
from pyspark.sql.types import (
    BinaryType,
    ByteType,
    DataType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    ShortType,
    StringType,
    StructField,
    StructType,
)

from . import engines
from ._errors import OptionError
from ._graven import Manifest
from .engines import Part, ShardInfo, ShardWriter

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

__all__ = ["GravenDataSource", "lookup_join", "partitioned", "register", "write_table"]

_Path = str | PathLike[str]
_Partition = Literal["range", "hash"]
_INTEGERS = (ByteType, ShortType, IntegerType, LongType)
_FIXED: dict[type[DataType], int] = {
    ByteType: 1, ShortType: 2, IntegerType: 4, LongType: 8, FloatType: 4, DoubleType: 8,
}
#: What an entry takes in a shard besides its key and its value, about.
_OVERHEAD = 8
_SCHEMA = "key binary, value binary"


# -- Writing ---------------------------------------------------------------------------------------


def write_table(
    df: DataFrame,
    path: _Path | None = None,
    *,
    key: str = "key",
    value: str = "value",
    push: str | None = None,
    shards: int | None = None,
    target_bytes: int | None = None,
    partition: _Partition = "range",
    dup: Literal["reject", "keep-first", "keep-last", "keep-all"] = "reject",
    keep: int | None = None,
    validate: bool = False,
    sort: Literal["graven", "spark"] = "graven",
    **options: Any,
) -> Manifest:
    """Writes two columns of a DataFrame as the next version of the set in `path`, a directory of
    versions, makes it current, and returns its manifest. Until then, and after any error, what was
    current stays current. A task that fails is tried again as Spark is configured to.

    - key, value: the columns. Binary and string columns give their bytes. Integers as keys become
      big-endian, so that they sort as numbers; negative ones are an error. Numbers as values become
      little-endian. A null is an error.
    - push: in place of `path`, where executors share no disk: the address in an object store, such as
      "s3://bucket/cities". Each task sends its shard, and the driver makes a version of them there.
      Needs ``graven[push]`` on all of them, and the credentials in their environments.
    - shards: number of shards. Of range shards there may be fewer, where there are fewer keys.
    - target_bytes: a size for shards instead; 1 GiB if neither is said. It costs a pass over the
      DataFrame that adds up the lengths.
    - partition: "range", for queries by order, or "hash"
    - dup: of repeated keys, "reject" the set, or "keep-first", "keep-last", "keep-all". Which row of
      a key is the first is up to Spark: it keeps no order across a shuffle.
    - keep: so many versions are kept, and older ones removed
    - validate: shards are read back and checked before the set becomes current
    - sort: whether graven sorts the rows of a shard, with `memory_budget` bytes of memory in each
      task (256 MiB), or Spark does

    The other options are those of ``graven.engines.ShardWriter``.

    ``partition="range"`` samples the DataFrame to find the ranges, so its plan runs up to three
    times: persist what is costly to compute, and what is not the same each time.
    """
    rows, shards = _divided(df, key, value, shards, target_bytes, partition, sort)
    writer = ShardWriter(
        path, push=push, hash_shards=shards if partition == "hash" else None, duplicates=dup,
        sorted=sort == "spark", keep=keep, validate=validate, **options,
    )
    try:
        infos = rows.mapInArrow(_task(writer), "info string").collect()
        return writer.commit([ShardInfo.from_json(row.info) for row in infos])
    finally:
        writer.abort()


def _task(
    writer: ShardWriter,
) -> Callable[[Iterable[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]]:
    """What a task does with its rows: writes them as a shard, of which it gives the description."""

    def write(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        info = writer.write(batches, _number(writer))
        if info is not None:
            yield pyarrow.record_batch({"info": [info.to_json()]})

    return write


def _number(writer: ShardWriter) -> int | None:
    """The number of the hash shard of this task: partition and shard have the same."""
    if writer.job.hash_shards is None:
        return None
    context = TaskContext.get()
    assert context is not None, "this runs in a task"
    number: int = context.partitionId()
    return number


def partitioned(
    df: DataFrame,
    *,
    key: str = "key",
    value: str = "value",
    shards: int,
    partition: _Partition = "range",
) -> DataFrame:
    """The columns "key" and "value" of a DataFrame, divided as the shards of a set are: what
    ``df.write.format("graven")`` takes. ``write_table`` does both.

    Range shards are divided by ``repartitionByRange``, hash shards by ``repartitionById`` with
    ``pmod(xxhash64(key), shards)``: the shard of a key is that of ``graven.hash_shard``."""
    rows, _ = _divided(df, key, value, shards, None, partition, "graven")
    return rows


def _divided(
    df: DataFrame,
    key: str,
    value: str,
    shards: int | None,
    target_bytes: int | None,
    partition: str,
    sort: str,
) -> tuple[DataFrame, int]:
    """The rows, divided among the shards, and the number of these."""
    for option, got, allowed in (
        ("partition", partition, ("range", "hash")), ("sort", sort, ("graven", "spark")),
    ):
        if got not in allowed:
            raise OptionError(f'option {option} is "{got}", expected "{allowed[0]}" or '
                              f'"{allowed[1]}"')
    if shards is not None and target_bytes is not None:
        raise OptionError("options shards and target_bytes both say where shards end: give one")
    for option, number in (("shards", shards), ("target_bytes", target_bytes)):
        if number is not None and number < 1:
            raise OptionError(f"option {option} is {number}, expected 1 or more")
    rows = df.select(_key(df, key).alias("key"), _value(df, value).alias("value"))
    if shards is None:
        total = rows.agg(sf.sum(_bytes_of(rows))).first()
        target = target_bytes if target_bytes is not None else 1 << 30
        shards = max(1, -(-int((total and total[0]) or 0) // target))
    if partition == "hash":
        shard = sf.pmod(sf.xxhash64("key"), sf.lit(shards)).cast("int")
        rows = rows.repartitionById(shards, shard)
    else:
        rows = rows.repartitionByRange(shards, "key")
    return (rows.sortWithinPartitions("key") if sort == "spark" else rows), shards


def _field(df: DataFrame, name: str) -> StructField:
    for field in df.schema.fields:
        if field.name == name:
            return field
    names = ", ".join(field.name for field in df.schema.fields)
    raise ValueError(f'no column "{name}": the columns are {names}')


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _key(df: DataFrame, name: str) -> Column:
    """A key as binary, which Spark compares by its bytes, as graven does."""
    field = _field(df, name)
    column = sf.col(_quoted(name))
    if isinstance(field.dataType, BinaryType):
        return column
    if isinstance(field.dataType, StringType):
        return column.cast("binary")
    if isinstance(field.dataType, _INTEGERS):
        text = sf.concat(
            sf.lit(f"key of a row is negative, in column {name}: "), column.cast("string"),
            sf.lit(": negative numbers do not sort as their bytes do, so shift them"),
        )
        digits = 2 * _FIXED[type(field.dataType)]
        number = sf.unhex(sf.lpad(sf.hex(column), digits, "0"))
        return sf.when(column < 0, sf.raise_error(text).cast("binary")).otherwise(number)
    raise TypeError(_unfit(field, "binary, string or an integer"))


def _value(df: DataFrame, name: str) -> Column:
    field = _field(df, name)
    column = sf.col(_quoted(name))
    if isinstance(field.dataType, StringType):
        return column.cast("binary")
    if isinstance(field.dataType, (BinaryType, *_FIXED)):
        return column
    raise TypeError(_unfit(field, "binary, string or a number, for example with to_json"))


def _unfit(field: StructField, wanted: str) -> str:
    kind = field.dataType.simpleString()
    return f'column "{field.name}" has type {kind}: cast it to {wanted}'


def _bytes_of(rows: DataFrame) -> Column:
    kind = rows.schema["value"].dataType
    fixed = _FIXED.get(type(kind))
    value = sf.lit(fixed) if fixed else sf.octet_length("value")
    return (sf.octet_length("key") + value + sf.lit(_OVERHEAD)).cast("long")


# -- Joining ---------------------------------------------------------------------------------------


def lookup_join(
    df: DataFrame,
    path: _Path,
    *,
    on: str,
    value: str = "value",
    how: Literal["left", "inner"] = "left",
    max_mapped_bytes: int | None = None,
) -> DataFrame:
    """Adds the binary column `value` to a DataFrame: the values that the set in `path` has for the
    keys in the column `on`, null where it has none; with ``how="inner"``, rows without a value are
    left out. Of a repeated key, the first value.

    Each Python worker opens the set once and maps its shards as they are asked; the workers of a
    machine share the pages. Nothing is shuffled. All tasks read the version that is current when
    this is called: keep it (``keep=2`` or more) as long as the DataFrame is used.

    - on: a binary or string column, or an integer column whose numbers were keys
    - max_mapped_bytes: most bytes that each worker keeps mapped
    """
    if how not in ("left", "inner"):
        raise OptionError(f'option how is "{how}", expected "left" or "inner"')
    field = _field(df, on)
    if not isinstance(field.dataType, (BinaryType, StringType, *_INTEGERS)):
        raise TypeError(_unfit(field, "what the set's keys are: binary, string or an integer"))
    if value in df.columns:
        raise ValueError(f'the DataFrame has a column "{value}" already: choose another name')
    pinned = engines.pin(path)
    at = df.columns.index(on)

    def look_up(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        for batch in batches:
            found = engines.lookup(pinned, batch.column(at), max_mapped_bytes=max_mapped_bytes)
            batch = pyarrow.RecordBatch.from_arrays(
                [*batch.columns, found], names=[*batch.schema.names, value]
            )
            yield batch.filter(found.is_valid()) if how == "inner" else batch

    schema = StructType([*df.schema.fields, StructField(value, BinaryType())])
    return df.mapInArrow(look_up, schema)


# -- The data source -------------------------------------------------------------------------------


def register(spark: SparkSession) -> None:
    """Makes the format "graven" known to a session, for ``spark.read`` and ``df.write``, and lets
    Spark push filters on the key (``spark.sql.python.filterPushdown.enabled``, which is off unless
    somebody sets it)."""
    spark.conf.set("spark.sql.python.filterPushdown.enabled", "true")
    spark.dataSource.register(GravenDataSource)


class GravenDataSource(DataSource):
    """The format "graven".

    Reading: the columns are key and value, as binary; ``schema("key string, value string")`` reads
    either as text. Filters on the key (=, IN, <, <=, >, >=, and prefixes of strings) decide which
    shards and pages are read. Options:

    - partBytes: bytes that a task reads, about; 128 MiB

    Writing: the rows must be divided as shards are, which ``partitioned`` does; mode "overwrite"
    writes the next version, and "append" is refused where there is a version. Options:

    - key, value: the columns
    - hashShards: number of hash shards, the one that ``partitioned`` was given
    - dup, keep, validate: as in ``write_table``
    """

    @classmethod
    def name(cls) -> str:
        return "graven"

    def schema(self) -> str:
        return _SCHEMA

    def reader(self, schema: StructType) -> DataSourceReader:
        return _Reader(_path(self.options), schema, _number_of(self.options, "partBytes"))

    def writer(self, schema: StructType, overwrite: bool) -> _Writer:
        options: dict[str, Any] = {
            name: self.options[name] for name in ("key", "value") if name in self.options
        }
        columns = [field.name for field in schema.fields]
        for name in ("key", "value"):
            column = options.get(name, name)
            if column not in columns:
                raise ValueError(
                    f'no column "{column}": the columns are {", ".join(columns)}; name the {name} '
                    f'with option("{name}", …)'
                )
        if "validate" in self.options:
            options["validate"] = self.options["validate"].lower() == "true"
        # The commit runs in another process than this method.
        return _Writer(ShardWriter(
            _path(self.options),
            hash_shards=_number_of(self.options, "hashShards"),
            duplicates=self.options.get("dup", "reject"),
            keep=_number_of(self.options, "keep"),
            replace=overwrite,
            detached=True,
            **options,
        ))


def _path(options: Mapping[str, str]) -> str:
    if "path" not in options:
        raise OptionError('give the path of the set: load("…") or save("…")')
    return options["path"]


def _number_of(options: Mapping[str, str], name: str) -> int | None:
    if name not in options:
        return None
    try:
        return int(options[name])
    except ValueError:
        raise OptionError(f'option {name} is "{options[name]}", expected a number') from None


@dataclass
class _Message(WriterCommitMessage):
    info: ShardInfo | None


class _Writer(DataSourceArrowWriter):
    def __init__(self, writer: ShardWriter) -> None:
        self.writer = writer

    def write(self, iterator: Iterator[pyarrow.RecordBatch]) -> _Message:
        return _Message(self.writer.write(iterator, _number(self.writer)))

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        self.writer.commit([message.info for message in messages if isinstance(message, _Message)])

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        self.writer.abort()


class _ReadPartition(InputPartition):
    def __init__(self, part: Part) -> None:
        super().__init__(part)


class _Reader(DataSourceReader):
    def __init__(self, path: str, schema: StructType, part_bytes: int | None) -> None:
        names = [field.name for field in schema.fields]
        kinds = [type(field.dataType) for field in schema.fields]
        if names != ["key", "value"] or not all(kind in _ARROW for kind in kinds):
            raise TypeError(
                f"the schema is {schema.simpleString()}, expected the columns key and value, each "
                "binary or string"
            )
        self.path = path
        self.kinds = [_ARROW[kind]() for kind in kinds]
        self.part_bytes = part_bytes if part_bytes is not None else 128 << 20
        self.start: bytes | None = None
        self.stop: bytes | None = None
        self.points: set[bytes] | None = None

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:
        return [filter for filter in filters if not self._push(filter)]

    def _push(self, filter: Filter) -> bool:
        """Takes a filter over; returns whether nothing of it is left to Spark."""
        if getattr(filter, "attribute", None) != ("key",):
            return False
        if isinstance(filter, IsNotNull):
            return True  # a key is never null
        if isinstance(filter, In):
            keys = [_bytes(value) for value in filter.value if value is not None]
            if None in keys:
                return False
            self._only({key for key in keys if key is not None})
            return True
        key = _bytes(getattr(filter, "value", None))
        if key is None:
            return False
        if isinstance(filter, (EqualTo, EqualNullSafe)):
            self._only({key})
        elif isinstance(filter, GreaterThanOrEqual):
            self._from(key)
        elif isinstance(filter, GreaterThan):
            self._from(engines.after(key))
        elif isinstance(filter, LessThan):
            self._up_to(key)
        elif isinstance(filter, LessThanOrEqual):
            self._up_to(engines.after(key))
        elif isinstance(filter, StringStartsWith):
            self._from(key)
            above = engines.after_prefix(key)
            if above is not None:
                self._up_to(above)
        else:
            return False
        return True

    def _only(self, keys: set[bytes]) -> None:
        self.points = keys if self.points is None else self.points & keys

    def _from(self, key: bytes) -> None:
        self.start = key if self.start is None else max(self.start, key)

    def _up_to(self, key: bytes) -> None:
        self.stop = key if self.stop is None else min(self.stop, key)

    def partitions(self) -> list[InputPartition]:
        points = None
        if self.points is not None:
            points = [
                key for key in self.points
                if (self.start is None or key >= self.start)
                and (self.stop is None or key < self.stop)
            ]
        found = engines.parts(
            self.path, start=self.start, stop=self.stop, points=points, part_bytes=self.part_bytes
        )
        return [_ReadPartition(part) for part in found] or [InputPartition(None)]

    def read(self, partition: InputPartition) -> Iterator[pyarrow.RecordBatch]:
        if partition.value is None:
            return
        names = ["key", "value"]
        for batch in engines.read(partition.value):
            columns = [column.cast(kind) for column, kind in zip(batch.columns, self.kinds)]
            yield pyarrow.RecordBatch.from_arrays(columns, names=names)


_ARROW: dict[type[DataType], Callable[[], pyarrow.DataType]] = {
    BinaryType: pyarrow.binary, StringType: pyarrow.string,
}


def _bytes(value: Any) -> bytes | None:
    """A literal as a key; None if it is none."""
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else None
