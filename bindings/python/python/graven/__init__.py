"""Immutable sorted tables: built once, memory-mapped, read by many processes.

>>> import graven
>>> path = tmp / "capitals.grv"
>>> graven.build(path, {b"Norway": b"Oslo", b"Japan": b"Tokyo"}).entries
2
>>> with graven.open(path) as table:
...     table[b"Japan"], table.ceil(b"K"), list(table.prefix(b"N"))
(b'Tokyo', (b'Norway', b'Oslo'), [(b'Norway', b'Oslo')])
"""

from collections.abc import Iterator, Mapping, Sequence

from ._errors import (
    BuildError,
    ClosedError,
    DamagedError,
    DataError,
    DuplicateKeyError,
    EntryError,
    Error,
    NotATableError,
    NotDurableError,
    OptionError,
    OtherBuildError,
    OutOfOrderError,
    PublishError,
    TypeMismatchError,
    UnsupportedError,
)
from ._graven import (
    Builder,
    BuildSummary,
    DiffIterator,
    Live,
    LiveSet,
    LiveStatus,
    Manifest,
    NewVersion,
    Range,
    RangeIterator,
    SetBuilder,
    SetReport,
    Shard,
    Stats,
    Table,
    TableSet,
    VerifyReport,
    Version,
    Versions,
    View,
    __version__,
    build,
    build_arrow,
    build_set,
    build_set_arrow,
    diff,
    from_bytes,
    hash_shard,
    install_sigbus_guard,
    merge,
    open,
    publish,
)
from ._typed import Typed, TypedRange

__all__ = [
    "BuildError",
    "BuildSummary",
    "Builder",
    "ClosedError",
    "DamagedError",
    "DataError",
    "DiffIterator",
    "DuplicateKeyError",
    "EntryError",
    "Error",
    "Live",
    "LiveSet",
    "LiveStatus",
    "Manifest",
    "NewVersion",
    "NotATableError",
    "NotDurableError",
    "OptionError",
    "OtherBuildError",
    "OutOfOrderError",
    "PublishError",
    "Range",
    "RangeIterator",
    "SetBuilder",
    "SetReport",
    "Shard",
    "Stats",
    "Table",
    "TableSet",
    "TypeMismatchError",
    "Typed",
    "TypedRange",
    "UnsupportedError",
    "VerifyReport",
    "Version",
    "Versions",
    "View",
    "build",
    "build_arrow",
    "build_set",
    "build_set_arrow",
    "diff",
    "from_bytes",
    "hash_shard",
    "install_sigbus_guard",
    "merge",
    "open",
    "publish",
]

Mapping.register(Table)
Mapping.register(TableSet)
Sequence.register(Range)
Iterator.register(RangeIterator)
Iterator.register(DiffIterator)

# Classes show the name under which they are imported.
for _class in (
    BuildError, ClosedError, DamagedError, DataError, DuplicateKeyError, EntryError, Error,
    NotATableError, NotDurableError, OptionError, OtherBuildError, OutOfOrderError, PublishError,
    TypeMismatchError, Typed, TypedRange, UnsupportedError,
):
    _class.__module__ = "graven"
del _class, Iterator, Mapping, Sequence
