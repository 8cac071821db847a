"""Typed views of a table: keys and values as Python objects instead of bytes."""

from __future__ import annotations

import struct
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any, overload

from . import _codecs
from ._codecs import Codec
from ._errors import TypeMismatchError
from ._graven import Range, Stats, Table, TableSet


def _codec(
    part: str, format: str | None, stored: str | None, lengths: tuple[int | None, int]
) -> Codec:
    """The codec of keys or values, which have these lengths. None if the shortest is not known."""
    if format is None:
        codec = _codecs.of_type(stored, key=part == "key") if stored else _codecs.BYTES
    else:
        codec = _codecs.of_format(format)
        if stored and part == "key":
            raise TypeMismatchError(
                f"the table says that its keys are {stored}: leave the format out"
            )
    least, most = lengths
    if least is None:
        return _checked(codec)
    if codec.size is not None and least <= most and (least, most) != (codec.size, codec.size):
        found = f"{least}" if least == most else f"{least} to {most}"
        raise TypeMismatchError(f"{part}s have {found} bytes, {codec.name} has {codec.size}")
    return codec


def _sample(set: TableSet) -> Stats:
    """What the first shard that has entries says of itself."""
    shards = set.manifest.shards
    number = next((number for number, shard in enumerate(shards) if shard.entries), 0)
    return set.table(number).stats()


def _checked(codec: Codec) -> Codec:
    """The codec for bytes whose length nobody has compared."""
    size, unpack = codec.size, codec.unpack
    if size is None:
        return codec

    def checked(data: bytes) -> Any:
        if len(data) != size:
            raise TypeMismatchError(f"the entry has {len(data)} bytes, {codec.name} has {size}")
        return unpack(data)

    return codec._replace(unpack=checked)


class Typed(Mapping[Any, Any]):
    """A table or a set whose keys and values are Python objects. ``Table.typed`` makes it, and
    ``TableSet.typed``.

    >>> import struct
    >>> path = tmp / "shapes.grv"
    >>> entries = ((struct.pack(">I", n), struct.pack("<dI", n / 2, n)) for n in range(1, 100))
    >>> _ = graven.build(path, entries)
    >>> shapes = graven.open(path).typed(key=">I", value="<dI")
    >>> shapes[7], shapes.get(0), 7 in shapes
    ((3.5, 7), None, True)
    >>> list(shapes.range(98)), shapes.floor(1000)
    ([(98, (49.0, 98)), (99, (49.5, 99))], (99, (49.5, 99)))

    The bytes are exactly those of the module struct; one field is an object by itself, several are
    a tuple. Queries by order need keys whose bytes sort as they do: unsigned numbers, big-endian,
    and byte strings. Without a format, keys or values are as the file of a typed table names them
    (those that Rust's ``build_typed`` makes), and bytes where it names none.
    """

    __slots__ = ("_key", "_table", "_value", "_arguments")

    def __init__(
        self, table: Table | TableSet, key: str | None = None, value: str | None = None
    ) -> None:
        stats = _sample(table) if isinstance(table, TableSet) else table.stats()
        self._table = table
        self._arguments = key, value
        # Of an empty table, no length is known.
        any_length = (1, 0)
        self._key = _codec(
            "key", key, stats.key_type,
            (stats.key_len_min, stats.key_len_max) if stats.entries else any_length,
        )  # fmt: skip
        self._value = _codec(
            "value", value, stats.value_type,
            (stats.value_len_min, stats.value_len_max) if stats.entries else any_length,
        )  # fmt: skip
        if isinstance(table, TableSet):
            self._key, self._value = _checked(self._key), _checked(self._value)

    @property
    def table(self) -> Table | TableSet:
        """The table or the set, for lookups by bytes."""
        return self._table

    def pack_key(self, key: Any) -> bytes:
        """The bytes of a key; ValueError if it has none."""
        try:
            return self._key.pack(key)
        except (struct.error, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"key {key!r} does not fit {self._key.name}: {error}") from error

    def _ordered_key(self, key: Any) -> bytes | None:
        if not self._key.ordered:
            raise ValueError(
                f"bytes of keys of format {self._key.name} do not sort as the keys do: queries by "
                "order need unsigned numbers, big-endian"
            )
        return None if key is None else self.pack_key(key)

    def _item(self, item: tuple[bytes, bytes] | None) -> tuple[Any, Any] | None:
        return item and (self._key.unpack(item[0]), self._value.unpack(item[1]))

    def _range(self, range: Range[tuple[bytes, bytes]]) -> TypedRange:
        return TypedRange(range, self._key.unpack, self._value.unpack)

    def __getitem__(self, key: Any) -> Any:
        value = self._table.get(self.pack_key(key))
        if value is None:
            raise KeyError(key)
        return self._value.unpack(value)

    def get(self, key: Any, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        value = self._table.get(self.pack_key(key))
        return default if value is None else self._value.unpack(value)

    def __contains__(self, key: object) -> bool:
        return self.pack_key(key) in self._table

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Any]:
        return map(self._key.unpack, self._table)

    def __reversed__(self) -> Iterator[Any]:
        return map(self._key.unpack, reversed(self._table))

    def keys(self) -> KeysView[Any]:
        """The keys in their order, as a set-like view."""
        return KeysView(self)

    def values(self) -> ValuesView[Any]:
        """The values in the order of their keys, as a view."""
        return _Values(self)

    def items(self) -> ItemsView[Any, Any]:
        """The entries as pairs, as a set-like view."""
        return _Items(self)

    def get_many(self, keys: Iterable[Any], default: Any = None) -> list[Any]:
        """The values of many keys, as a list: `default` stands for each that is missing. For
        arrays of numpy there is ``Table.get_many_into``."""
        unpack = self._value.unpack
        values = self._table.get_many([self.pack_key(key) for key in keys])
        return [default if value is None else unpack(value) for value in values]

    def get_all(self, key: Any) -> list[Any]:
        """All values of a key."""
        return [self._value.unpack(value) for value in self._table.get_all(self.pack_key(key))]

    def range(
        self,
        start: Any = None,
        stop: Any = None,
        *,
        include_start: bool = True,
        include_stop: bool = False,
        reverse: bool = False,
    ) -> TypedRange:
        """The entries from `start` up to `stop`, a sequence, as ``Table.range``."""
        return self._range(
            self._table.range(
                self._ordered_key(start),
                self._ordered_key(stop),
                include_start=include_start,
                include_stop=include_stop,
                reverse=reverse,
            )
        )

    def count(
        self,
        start: Any = None,
        stop: Any = None,
        *,
        include_start: bool = True,
        include_stop: bool = False,
    ) -> int:
        """The number of entries from `start` up to `stop`, as ``Table.count``."""
        return self._table.count(
            self._ordered_key(start),
            self._ordered_key(stop),
            include_start=include_start,
            include_stop=include_stop,
        )

    def first(self) -> tuple[Any, Any] | None:
        """The first entry in the order of the keys' bytes, or None."""
        return self._item(self._table.first())

    def last(self) -> tuple[Any, Any] | None:
        """The last entry in the order of the keys' bytes, or None."""
        return self._item(self._table.last())

    def floor(self, key: Any) -> tuple[Any, Any] | None:
        """The entry with the largest key that is not above `key`, or None."""
        packed = self._ordered_key(key)
        return self._item(self._table.floor(b"" if packed is None else packed))

    def ceil(self, key: Any) -> tuple[Any, Any] | None:
        """The entry with the smallest key that is not below `key`, or None."""
        packed = self._ordered_key(key)
        return self._item(self._table.ceil(b"" if packed is None else packed))

    def rank(self, key: Any) -> int:
        """The number of entries whose keys are below `key`."""
        packed = self._ordered_key(key)
        return self._table.rank(b"" if packed is None else packed)

    def nth(self, rank: int) -> tuple[Any, Any]:
        """The entry at a rank, as ``Table.nth``."""
        key, value = self._table.nth(rank)
        return self._key.unpack(key), self._value.unpack(value)

    def __repr__(self) -> str:
        return f"<graven.Typed of {self._table!r}: {self._key.name}, {self._value.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Typed, (self._table, *self._arguments)


class TypedRange(Sequence[tuple[Any, Any]]):
    """Entries of a typed table, as ``Range`` has those of a table."""

    __slots__ = ("_key", "_range", "_value")

    def __init__(self, range: Range[tuple[bytes, bytes]], key: Any, value: Any) -> None:
        self._range, self._key, self._value = range, key, value

    def _item(self, item: tuple[bytes, bytes]) -> tuple[Any, Any]:
        return self._key(item[0]), self._value(item[1])

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> tuple[Any, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> TypedRange: ...
    def __getitem__(self, index: int | slice) -> tuple[Any, Any] | TypedRange:
        if isinstance(index, slice):
            return TypedRange(self._range[index], self._key, self._value)
        return self._item(self._range[index])

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return map(self._item, self._range)

    def __reversed__(self) -> Iterator[tuple[Any, Any]]:
        return map(self._item, reversed(self._range))

    def __repr__(self) -> str:
        return f"<graven.TypedRange of {len(self)} entries>"


class _Values(ValuesView[Any]):
    __slots__ = ()
    _mapping: Typed

    def __iter__(self) -> Iterator[Any]:
        return map(self._mapping._value.unpack, self._mapping.table.values())

    def __reversed__(self) -> Iterator[Any]:
        return map(self._mapping._value.unpack, reversed(self._mapping.table.range().values()))

    def __contains__(self, value: object) -> bool:
        return any(value == other for other in self)


class _Items(ItemsView[Any, Any]):
    __slots__ = ()
    _mapping: Typed

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return iter(self._mapping._range(self._mapping.table.range()))

    def __reversed__(self) -> Iterator[tuple[Any, Any]]:
        return reversed(self._mapping._range(self._mapping.table.range()))
