"""The views that keys(), values() and items() of a table or a set return. The classes of collections.abc
bring the operations on sets; what is here goes in one walk over the table."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Table, TableSet


class Keys(KeysView[bytes]):
    __slots__ = ()
    _mapping: Table | TableSet

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._mapping)

    def __reversed__(self) -> Iterator[bytes]:
        return reversed(self._mapping)


class Values(ValuesView[bytes]):
    __slots__ = ()
    _mapping: Table | TableSet

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._mapping.range().values())

    def __reversed__(self) -> Iterator[bytes]:
        return reversed(self._mapping.range().values())

    def __contains__(self, value: object) -> bool:
        return any(value == other for other in self)


class Items(ItemsView[bytes, bytes]):
    __slots__ = ()
    _mapping: Table | TableSet

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._mapping.range())

    def __reversed__(self) -> Iterator[tuple[bytes, bytes]]:
        return reversed(self._mapping.range())

    def __contains__(self, item: object) -> bool:
        if not (isinstance(item, tuple) and len(item) == 2):
            return False
        key, value = item
        return any(value == other for other in self._mapping.get_all(key))
