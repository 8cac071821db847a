"""Typed views: exactly the bytes of struct, and an error where the bytes would mean something else:
another length, keys that do not sort, or types that the file itself names."""

import os
import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

import graven

DATA = Path(os.environ.get("GRAVEN_TEST_DATA", Path(__file__).parents[3] / "tests" / "data")) / "v1"


@pytest.fixture
def shapes(make):
    entries = ((struct.pack(">IH", n // 10, n % 10), struct.pack("<dI", n / 2, n)) for n in range(99))
    return make(entries).typed(key=">IH", value="<dI")


def test_tuples(shapes):
    model = {(n // 10, n % 10): (n / 2, n) for n in range(99)}
    assert isinstance(shapes, Mapping)
    assert dict(shapes) == model and list(shapes) == list(model) and len(shapes) == 99
    assert list(reversed(shapes)) == list(model)[::-1]
    assert list(shapes.items()) == list(model.items())
    assert list(reversed(shapes.items())) == list(model.items())[::-1]
    assert list(shapes.values()) == list(model.values())
    assert list(reversed(shapes.values())) == list(model.values())[::-1]
    assert shapes.keys() & {(3, 4), (99, 9)} == {(3, 4)} and shapes == model
    assert (1.5, 3) in shapes.values() and ((0, 3), (1.5, 3)) in shapes.items()
    assert shapes[3, 4] == (17.0, 34) and shapes.get((99, 9)) is None and (3, 4) in shapes
    with pytest.raises(KeyError) as error:
        shapes[99, 9]
    assert error.value.args == ((99, 9),)
    assert shapes.get_many([(0, 1), (99, 9)], "none") == [(0.5, 1), "none"]
    assert shapes.get_all((0, 1)) == [(0.5, 1)]
    assert shapes.table[shapes.pack_key((0, 1))] == struct.pack("<dI", 0.5, 1)


def test_order(shapes):
    assert shapes.first() == ((0, 0), (0.0, 0)) and shapes.last() == ((9, 8), (49.0, 98))
    assert shapes.floor((3, 77)) == ((3, 9), (19.5, 39))
    assert shapes.ceil((3, 77)) == ((4, 0), (20.0, 40)) and shapes.ceil((99, 0)) is None
    assert shapes.rank((4, 0)) == 40 and shapes.nth(40)[0] == (4, 0) and shapes.nth(-1)[0] == (9, 8)
    some = shapes.range((9, 5), (9, 7), include_stop=True, reverse=True)
    assert isinstance(some, Sequence)
    assert [key for key, _ in some] == [(9, 7), (9, 6), (9, 5)] and len(some) == 3
    assert some[0] == ((9, 7), (48.5, 97)) and some[1:][0][0] == (9, 6)
    assert list(reversed(some))[0][0] == (9, 5)
    assert shapes.count((9, 5)) == 4 and shapes.count(stop=(0, 5)) == 5 == len(shapes.range(stop=(0, 5)))
    with pytest.raises(IndexError):
        shapes.nth(99)


def test_scalars_and_bytes(make):
    table = make({struct.pack(">Q", n): b"%03d" % n for n in range(10)})
    assert dict(table.typed(key=">Q")) == {n: b"%03d" % n for n in range(10)}
    assert table.typed(value="3s")[struct.pack(">Q", 3)] == b"003"
    assert table.typed(key="8s").floor(b"\xff" * 8)[1] == b"009"
    assert dict(table.typed()) == dict(table)


@pytest.mark.parametrize("format", ["<Q", "Q", ">q", ">d", ">eeee", "<HHHH", ">bxxxxxxx", "=Q", ">Hhhh"])
def test_keys_that_do_not_sort(make, format):
    fields = struct.unpack(format, struct.pack(">Q", 1))
    table = make({struct.pack(format, *fields): b"x"})
    typed = table.typed(key=format)
    key = fields[0] if len(fields) == 1 else fields
    assert typed[key] == b"x" and list(typed) == [key]
    for query in [
        lambda: typed.floor(key),
        lambda: typed.ceil(key),
        lambda: typed.rank(key),
        lambda: typed.range(key),
        lambda: typed.range(),
        lambda: typed.count(stop=key),
    ]:
        with pytest.raises(ValueError, match="do not sort as the keys do"):
            query()


@pytest.mark.parametrize("format", [">Q", "!Q", "> 2I", ">IHBB", "8s", ">8s", "8B", ">?xHI", "<8c", ">LL"])
def test_keys_that_sort(make, format):
    fields = struct.unpack(format, struct.pack(">Q", 258))
    key = fields[0] if len(fields) == 1 else fields
    typed = make({struct.pack(format, *fields): b"x"}).typed(key=format)
    assert typed.floor(key) == typed.ceil(key) == (key, b"x")


def test_what_does_not_fit(shapes, make):
    for key in [(1,), (1, 2, 3), 1, "ab", (-1, 0), (1, 1 << 16), None, (1.5, 2)]:
        for query in shapes.get, shapes.__getitem__, shapes.__contains__, shapes.pack_key:
            with pytest.raises(ValueError, match="key .* does not fit >IH"):
                query(key)
    table = shapes.table
    with pytest.raises(graven.TypeMismatchError, match="keys have 6 bytes, >Q has 8"):
        table.typed(key=">Q")
    with pytest.raises(graven.TypeMismatchError, match="values have 12 bytes, <d has 8"):
        table.typed(value="<d")
    with pytest.raises(struct.error):
        table.typed(key="nonsense")
    with pytest.raises(graven.TypeMismatchError, match="values have 1 to 2 bytes"):
        make({b"a": b"1", b"b": b"22"}).typed(value="B")
    empty = make({}).typed(key=">Q", value="<d")
    assert dict(empty) == {} and empty.get(3) is None and empty.floor(3) is None


def test_pickle(shapes):
    again = pickle.loads(pickle.dumps(shapes))
    assert dict(again) == dict(shapes) and again[3, 4] == (17.0, 34) and repr(again) == repr(shapes)


def test_closed(shapes):
    shapes.table.close()
    with pytest.raises(graven.ClosedError):
        shapes[3, 4]
    with pytest.raises(graven.ClosedError):
        shapes.table.typed()


def test_a_table_that_rust_typed():
    numbers = [-(2**31), -70000, -1, 0, 1, 70000, 2**31 - 1]
    table = graven.open(DATA / "typed.grv")
    typed = table.typed()
    assert dict(typed) == {n: n % 2**64 for n in numbers}
    assert typed.floor(-2)[0] == -70000 and typed.ceil(2)[0] == 70000 and typed.rank(0) == 3
    assert [key for key, _ in typed.range(-1, 1, include_stop=True)] == [-1, 0, 1]
    assert "i32, u64" in repr(typed)
    for key in 2**31, "x", None, (1,):
        with pytest.raises(ValueError, match="does not fit i32"):
            typed[key]
    assert dict(table.typed(value="<q"))[-1] == -1
    with pytest.raises(graven.TypeMismatchError, match="its keys are i32: leave the format out"):
        table.typed(key=">i")


def test_structs_that_rust_typed():
    typed = graven.open(DATA / "structs.grv").typed()
    for n in range(40):
        key = (n // 9, b"ab" + bytes([n % 3]), n % 9 - 4)
        reading = typed[key]
        assert (reading.celsius, reading.counts) == (n / 4, (n, 2 * n))
        assert (reading.at.number, reading.at.kind) == (-n, b"kt")
        assert type(reading).__name__ == "Reading"
    keys = list(typed)
    assert keys == sorted(keys) and len(keys) == 40
    assert typed.floor((0, b"ab\0", 127))[0] == max(key for key in keys if key[:2] == (0, b"ab\0"))
    for key in [(0, b"abcd", 0), (0, b"ab"), (0, b"ab\0", 128)]:
        with pytest.raises(ValueError, match="does not fit"):
            typed[key]


@pytest.mark.parametrize("text", ["u9x", "(u8", "[u8; ]", "u8 u8", "f33 {", "", "x", "S { a u8 }"])
def test_unknown_types(text):
    from graven import _codecs

    with pytest.raises((graven.UnsupportedError, ValueError)):
        _codecs.of_type(text, key=True)


@pytest.mark.parametrize(
    "text, data, value",
    [
        ("()", b"", ()),
        ("u128", bytes([1] + [0] * 15), 1),
        ("i128", b"\xff" * 16, -1),
        ("[f32; 2]", struct.pack("<ff", 0.5, -2), (0.5, -2.0)),
        ("[[i16; 2]; 2]", struct.pack("<hhhh", 1, -2, 3, -4), ((1, -2), (3, -4))),
        ("[u8; 3]", b"abc", b"abc"),
        ("S { a: u8, b: (), c: [T { d: i8 }; 1] }", b"\x07\xff", (7, (), ((-1,),))),
    ],
)
def test_types_of_values(text, data, value):
    from graven import _codecs

    codec = _codecs.of_type(text, key=False)
    assert codec.unpack(data) == value and codec.pack(value) == data and codec.size == len(data)
