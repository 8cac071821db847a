"""Batches: the answers of single lookups, in the order of the keys, whatever holds the keys."""

import numpy
import pytest

import graven


@pytest.fixture
def squares(make):
    """8-byte big-endian keys, values of two 4-byte integers."""
    return make({key(n): numpy.array([n, n * n], "<u4").tobytes() for n in range(0, 1000, 2)})


def key(number: int) -> bytes:
    return number.to_bytes(8, "big")


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_get_many(squares, count):
    keys = [key(n) for n in range(count)]
    expected = [squares.get(k) for k in keys]
    assert squares.get_many(keys) == expected
    assert squares.get_many(tuple(keys)) == expected
    assert squares.get_many(k for k in keys) == expected
    assert squares.get_many([bytearray(k) for k in keys]) == expected
    assert squares.get_many(keys, b"-") == [b"-" if v is None else v for v in expected]


def test_what_get_many_refuses(squares):
    with pytest.raises(TypeError, match="sequence of keys, got bytes"):
        squares.get_many(b"abc")
    with pytest.raises(TypeError):
        squares.get_many(3)
    with pytest.raises(TypeError, match="got str"):
        squares.get_many(["abc"])
    with pytest.raises(ZeroDivisionError):
        squares.get_many(1 // 0 for _ in range(3))


KEYS = {
    "list": lambda numbers: [key(n) for n in numbers],
    "rows of bytes": lambda numbers: numpy.array(numbers, ">u8").view("u1").reshape(-1, 8),
    "big-endian": lambda numbers: numpy.array(numbers, ">u8"),
    "void": lambda numbers: numpy.array(numbers, ">u8").view("V8"),
    "S8": lambda numbers: numpy.array(numbers, ">u8").view("S8"),
    "memoryview": lambda numbers: memoryview(
        numpy.array(numbers, ">u8").view("u1").reshape(-1, 8)
    ),
}
OUT = {
    "structured": lambda n: numpy.full(n, 9, [("n", "<u4"), ("square", "<u4")]),
    "rows of numbers": lambda n: numpy.full((n, 2), 9, "<u4"),
    "rows of bytes": lambda n: numpy.full((n, 2), 9, "<u4").view("u1"),
    "bytearray": lambda n: bytearray(numpy.full((n, 2), 9, "<u4").tobytes()),
}


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("out", OUT)
@pytest.mark.parametrize("count", [0, 1, 100, 5000])
def test_get_many_into(squares, keys, out, count):
    numbers = [n * 7 % 1200 for n in range(count)]
    found = numpy.full(count, 7, "u1").view("?")
    rows = OUT[out](count)
    hit = [n < 1000 and n % 2 == 0 for n in numbers]
    assert squares.get_many_into(KEYS[keys](numbers), rows, found) == sum(hit)
    assert found.tolist() == hit and found.view("u1").tolist() == [int(h) for h in hit]
    got = numpy.frombuffer(rows, "<u4").reshape(-1, 2)
    assert got.tolist() == [[n, n * n] if h else [9, 9] for n, h in zip(numbers, hit)]
    assert squares.get_many_into(KEYS[keys](numbers), OUT[out](count)) == sum(hit)


def test_more_keys_than_are_looked_up_at_once(squares):
    numbers = numpy.arange(200_000) % 1003
    out, found = numpy.zeros((len(numbers), 2), "<u4"), numpy.zeros(len(numbers), "?")
    hit = (numbers < 1000) & (numbers % 2 == 0)
    assert squares.get_many_into(numbers.astype(">u8"), out, found) == hit.sum()
    assert (found == hit).all()
    assert (out == numpy.stack([numbers, numbers**2], 1) * hit[:, None]).all()
    keys = [key(n) for n in numbers.tolist()]
    assert squares.get_many(keys) == [squares.get(k) for k in keys]


def test_empty_keys_and_values(make):
    table = make({b"": b""})
    found = bytearray(3)
    assert table.get_many_into(numpy.zeros((3, 0), "u1"), bytearray(), found) == 3
    assert found == b"\1\1\1"
    assert table.get_many_into([b"", b"x"], bytearray()) == 1


def test_what_get_many_into_refuses(squares, make):
    two = [key(2), key(4)]
    for out, error, text in [
        (bytearray(15), ValueError, "expected one for each of 2 keys"),
        (numpy.zeros((3, 8), "u1"), ValueError, "out has 3 rows, expected one for each of 2 keys"),
        (bytes(16), BufferError, "cannot be written"),
        (numpy.zeros((2, 16), "u1")[:, ::2], BufferError, "not contiguous"),
        (numpy.zeros((2, 8), "u1", order="F"), BufferError, "not contiguous"),
        ("text", TypeError, "got str"),
        (None, TypeError, "got NoneType"),
        (bytearray(12), graven.TypeMismatchError, "key 0 has 8 bytes, out has rows of 6"),
        (bytearray(20), graven.TypeMismatchError, "key 0 has 8 bytes, out has rows of 10"),
    ]:
        with pytest.raises(error, match=text):
            squares.get_many_into(two, out)
    with pytest.raises(ValueError, match="found has rows of several bytes"):
        squares.get_many_into(two, bytearray(16), numpy.zeros(2, "<u4"))
    with pytest.raises(ValueError, match="found has 3 rows"):
        squares.get_many_into(two, bytearray(16), numpy.zeros((3, 1), "u1"))
    with pytest.raises(TypeError, match="a key in each row, got single bytes"):
        squares.get_many_into(b"".join(two), bytearray(16))
    with pytest.raises(TypeError, match="no dimension"):
        squares.get_many_into(numpy.array(2, ">u8"), bytearray(8))
    with pytest.raises(BufferError, match="not contiguous"):
        squares.get_many_into(numpy.array([2, 3, 4, 5], ">u8")[::2], bytearray(16))


def test_a_value_of_another_length_is_no_partial_row(make):
    table = make({b"a": b"12", b"b": b"123"})
    out = bytearray(b"....")
    with pytest.raises(graven.TypeMismatchError, match="the value of key 1 has 3 bytes"):
        table.get_many_into([b"a", b"b"], out)
    assert out == b"12.."
