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
    PatchError,
    PublishError,
    TypeMismatchError,
    UnsupportedError,
)
from ._graven import (
    Builder,
    BuildSummary,
    Range,
    RangeIterator,
    Stats,
    Table,
    VerifyReport,
    View,
    build,
    from_bytes,
    install_sigbus_guard,
    open,
)

__all__ = [
    "BuildError",
    "BuildSummary",
    "Builder",
    "ClosedError",
    "DamagedError",
    "DataError",
    "DuplicateKeyError",
    "EntryError",
    "Error",
    "NotATableError",
    "NotDurableError",
    "OptionError",
    "OtherBuildError",
    "OutOfOrderError",
    "PatchError",
    "PublishError",
    "Range",
    "RangeIterator",
    "Stats",
    "Table",
    "TypeMismatchError",
    "UnsupportedError",
    "VerifyReport",
    "View",
    "build",
    "from_bytes",
    "install_sigbus_guard",
    "open",
]

Mapping.register(Table)
Sequence.register(Range)
Iterator.register(RangeIterator)

# Exceptions show the name under which they are imported.
for _class in (
    BuildError, ClosedError, DamagedError, DataError, DuplicateKeyError, EntryError, Error,
    NotATableError, NotDurableError, OptionError, OtherBuildError, OutOfOrderError, PatchError,
    PublishError, TypeMismatchError, UnsupportedError,
):
    _class.__module__ = "graven"
del _class, Iterator, Mapping, Sequence
