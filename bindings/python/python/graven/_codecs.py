"""Keys and values as Python objects: by a format of the module struct, or by the types that the file
of a typed table names. The grammar of those types stands in format.md."""

from __future__ import annotations

import re
import struct
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ._errors import UnsupportedError


# Type checkers want to know the fields.
_namedtuple: Any = namedtuple


class Codec(NamedTuple):
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]
    size: int | None
    """Bytes of each object; None for objects of any length."""
    ordered: bool
    """Whether the bytes sort as the objects do."""
    name: str


BYTES = Codec(lambda data: data, lambda data: data, None, True, "bytes")

_ORDERED = re.compile(r"\s*([>!]\s*(\d*\s*[xcbBHILQs?]\s*)*|[@=<>!]?\s*(\d*\s*[xcBs?]\s*)*)")
_SIGNED = re.compile(r"[bhilqn]")


def of_format(format: str) -> Codec:
    """One field is an object by itself, several are a tuple. The bytes are exactly struct's."""
    shape = struct.Struct(format)
    ordered = bool(_ORDERED.fullmatch(format)) and not _SIGNED.search(format)
    unpack = shape.unpack
    if len(unpack(bytes(shape.size))) == 1:
        return Codec(shape.pack, lambda data: unpack(data)[0], shape.size, ordered, format)

    def pack(fields: Any) -> bytes:
        return shape.pack(*fields)

    return Codec(pack, unpack, shape.size, ordered, format)


class _Type(NamedTuple):
    """A type of the grammar: how many bytes, and its object, out of bytes and in."""

    size: int
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]


_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|\d+|[()\[\]{},;:])")


class _Parser:
    def __init__(self, text: str, *, key: bool) -> None:
        self.text, self.key = text, key
        self.tokens: Iterator[str] = iter(_TOKEN.findall(text))
        self.next = next(self.tokens, "")

    def take(self, expected: str = "") -> str:
        token = self.next
        if not token or (expected and token != expected):
            raise UnsupportedError(f"the table's type {self.text} is unknown to this library")
        self.next = next(self.tokens, "")
        return token

    def whole(self) -> _Type:
        parsed = self.one()
        if self.next:
            self.take(" ")
        return parsed

    def one(self) -> _Type:
        token = self.take()
        if token == "[":
            element = self.one()
            self.take(";")
            count = int(self.take())
            self.take("]")
            return _bytes(count) if element is _U8 else _record([element] * count, tuple)
        if token == "(":
            parts = []
            while self.next != ")":
                parts.append(self.one())
                if self.next != ")":
                    self.take(",")
            self.take(")")
            return _record(parts, tuple)
        if self.next == "{":
            self.take("{")
            names, parts = [], []
            while self.next != "}":
                names.append(self.take())
                self.take(":")
                parts.append(self.one())
                if self.next != "}":
                    self.take(",")
            self.take("}")
            return _record(parts, _named(token, names))
        return self.number(token)

    def number(self, token: str) -> _Type:
        if token == "u8":
            return _U8
        match = re.fullmatch(r"([iuf])(\d+)", token)
        if not match:
            self.take(" ")
            raise AssertionError
        kind, bits = match[1], int(match[2])
        size = bits // 8
        if kind == "f":
            shape = struct.Struct("<f" if bits == 32 else "<d")
            return _Type(size, lambda data: shape.unpack(data)[0], shape.pack)
        order: Any = "big" if self.key else "little"
        # Signed keys have their sign bit flipped, so that bytes sort as numbers.
        shift = 1 << (bits - 1) if kind == "i" and self.key else 0
        signed = kind == "i" and not self.key
        return _Type(
            size,
            lambda data: int.from_bytes(data, order, signed=signed) - shift,
            lambda number: (number + shift).to_bytes(size, order, signed=signed),
        )


_U8 = _Type(1, lambda data: data[0], lambda number: bytes([number]))


def _named(name: str, fields: list[str]) -> Callable[[Iterator[Any]], Any]:
    make: Callable[[Iterator[Any]], Any] = _namedtuple(name, fields, rename=True)._make
    return make


def _bytes(count: int) -> _Type:
    def write(data: Any) -> bytes:
        if len(data) != count:
            raise ValueError(f"has {len(data)} bytes, expected {count}")
        return bytes(data)

    return _Type(count, bytes, write)


def _record(parts: list[_Type], make: Callable[[Iterator[Any]], Any]) -> _Type:
    starts = [sum(part.size for part in parts[:at]) for at in range(len(parts))]

    def read(data: bytes) -> Any:
        return make(
            part.read(data[start : start + part.size]) for part, start in zip(parts, starts)
        )

    def write(fields: Any) -> bytes:
        return b"".join(part.write(field) for part, field in zip(parts, fields, strict=True))

    return _Type(sum(part.size for part in parts), read, write)


def of_type(text: str, *, key: bool) -> Codec:
    """The codec of a type that the file of a typed table names."""
    parsed = _Parser(text, key=key).whole()
    return Codec(parsed.write, parsed.read, parsed.size, key, text)
