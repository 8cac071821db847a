"""Keys come as whatever holds bytes. A str must not silently be a key that is never found, and a
buffer with gaps must not be read as if it had none."""

import array
import mmap

import numpy
import pytest

import graven

QUERIES = [
    lambda table, key: table[key],
    lambda table, key: table.get(key),
    lambda table, key: key in table,
    lambda table, key: table.view(key),
    lambda table, key: table.get_many([key]),
    lambda table, key: table.get_many_into([key], bytearray(1)),
    lambda table, key: table.get_all(key),
    lambda table, key: table.count_of(key),
    lambda table, key: table.floor(key),
    lambda table, key: table.ceil(key),
    lambda table, key: table.rank(key),
    lambda table, key: table.range(key),
    lambda table, key: table.range(stop=key),
    lambda table, key: table.count(key),
    lambda table, key: table.prefix(key),
    lambda table, key: table.longest_prefix(key),
    lambda table, key: table.prefixes(key),
    lambda table, key: table[key:],
    lambda table, key: key in table.keys(),
    lambda table, key: (key, b"1") in table.items(),
]


@pytest.mark.parametrize("query", QUERIES)
def test_str_is_refused(words, query):
    with pytest.raises(TypeError, match=r"got str: encode it, for example with \.encode\(\)"):
        query(words, "ant")


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("key", [3, 3.5, (b"ant",), object()])
def test_what_has_no_buffer_is_refused(words, query, key):
    with pytest.raises(TypeError, match="expected bytes or another buffer, got "):
        query(words, key)


@pytest.mark.parametrize(
    "buffer",
    [
        bytes,
        bytearray,
        memoryview,
        lambda data: memoryview(bytearray(data)),
        lambda data: numpy.frombuffer(data, "u1"),
        lambda data: numpy.frombuffer(data, "S1"),
        lambda data: array.array("B", data),
        lambda data: memoryview(b"xx" + data + b"xx")[2:-2],
    ],
)
def test_any_buffer_is_a_key(words, buffer):
    key = buffer(b"bee")
    assert words[key] == words.get(key) == bytes(words.view(key)) == b"2"
    assert key in words
    assert words.get_many([key, key]) == [b"2", b"2"]
    assert words.floor(key) == words.ceil(key) == (b"bee", b"2")
    assert words.rank(key) == 1 and words.count_of(key) == 1
    assert list(words.prefix(key)) == [(b"bee", b"2")]
    assert list(words[key:]) == list(words.items())[1:]


def test_a_buffer_of_any_item_is_its_bytes(make):
    table = make({(7).to_bytes(8, "little"): b"seven"})
    assert table[numpy.array([7], "<u8")] == b"seven"
    assert table[numpy.array(7, "<u8")] == b"seven"


def test_entries_are_built_of_any_buffer(make):
    entries = [
        (bytearray(b"a"), memoryview(b"1")),
        (numpy.frombuffer(b"b", "u1"), numpy.array([2], "<u4")),
        [b"c", b"3"],
    ]
    assert make(entries) == {b"a": b"1", b"b": b"\2\0\0\0", b"c": b"3"}


def test_gaps_are_refused(words):
    gaps = numpy.frombuffer(b"b_e_e_", "u1")[::2]
    assert gaps.tobytes() == b"bee"
    for key in gaps, memoryview(b"eeb")[::-1]:
        with pytest.raises(BufferError, match="not contiguous"):
            words[key]


def test_a_key_is_released(words, tmp_path):
    key = bytearray(b"bee")
    assert words[key] == b"2"
    key.extend(b"s")  # a BufferError if a query still held the buffer
    file = tmp_path / "key"
    file.write_bytes(b"ant")
    with file.open("r+b") as handle, mmap.mmap(handle.fileno(), 0) as mapped:
        assert words[mapped] == b"1"


@pytest.mark.parametrize("value", ["1", 1, None])
def test_values_are_bytes(path, value):
    with pytest.raises(TypeError, match="expected bytes or another buffer"):
        graven.build(path, {b"a": value})
    assert not path.exists()
