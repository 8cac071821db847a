"""Arrow data has many ways to hold the same cells: offsets of slices, views, chunks, fixed widths.
A way that is misread builds a table that is wrong in silence, so each is compared with the rows that
Python sees."""

import os
import signal
import subprocess
import sys

import duckdb
import numpy
import polars
import pyarrow
import pyarrow.parquet
import pytest

import graven

KEYS = [b"%05d" % (n * 7919 % 1000) for n in range(1000)]
VALUES = [bytes([n % 256]) * (n % 40) for n in range(1000)]
ENTRIES = dict(zip(KEYS, VALUES))


def table(key=pyarrow.binary(), value=pyarrow.binary()):
    return pyarrow.table(
        {"other": range(1000), "k": pyarrow.array(KEYS, key), "v": pyarrow.array(VALUES, value)}
    )


KINDS = [pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary_view()]
STRINGS = [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()]


@pytest.mark.parametrize("value", KINDS)
@pytest.mark.parametrize("key", [*KINDS, *STRINGS, pyarrow.binary(5)])
def test_binary_and_strings(path, key, value):
    summary = graven.build_arrow(path, table(key, value), key="k", value="v")
    assert summary.entries == 1000
    assert graven.open(path) == ENTRIES


SOURCES = {
    "table": lambda data: data,
    "batch": lambda data: data.combine_chunks().to_batches()[0],
    "reader": lambda data: data.to_reader(max_chunksize=77),
    "batches": lambda data: data.to_batches(max_chunksize=77),
    "generator": lambda data: (batch for batch in data.to_batches(max_chunksize=77)),
    "tables": lambda data: [data.slice(0, 300), data.slice(300)],
    "struct array": lambda data: data.to_struct_array().combine_chunks(),
    "chunked": lambda data: pyarrow.chunked_array(data.to_struct_array()),
    "polars": lambda data: polars.from_arrow(data),
    "duckdb": lambda data: duckdb.arrow(data),
    "duckdb query": lambda data: duckdb.sql("select * from data order by other desc"),
    "python's reader": lambda data: pyarrow.RecordBatchReader.from_batches(
        data.schema, (batch for batch in data.to_batches(max_chunksize=100))
    ),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_source(path, source):
    graven.build_arrow(path, SOURCES[source](table()), key="k", value="v")
    assert graven.open(path) == ENTRIES


def test_parquet(path, tmp_path):
    pyarrow.parquet.write_table(table(), tmp_path / "file.parquet", row_group_size=100)
    with pyarrow.parquet.ParquetFile(tmp_path / "file.parquet") as file:
        graven.build_arrow(path, file.iter_batches(batch_size=64), key="k", value="v")
    assert graven.open(path) == ENTRIES


@pytest.mark.parametrize("key", [*KINDS, *STRINGS, pyarrow.binary(5)])
@pytest.mark.parametrize("start, length", [(1, 7), (63, 65), (999, 1), (500, 0)])
def test_slices(path, key, start, length):
    data = table(key)
    expected = dict(zip(KEYS[start : start + length], VALUES[start : start + length]))
    sliced = data.slice(start, length)
    graven.build_arrow(path, sliced, key="k", value="v")
    assert graven.open(path) == expected
    batch = data.combine_chunks().to_batches()[0].slice(start, length)
    graven.build_arrow(path, batch, key="k", value="v")
    assert graven.open(path) == expected
    graven.build_arrow(path, polars.from_arrow(data).slice(start, length), key="k", value="v")
    assert graven.open(path) == expected
    # A slice of a slice, and columns that were sliced by themselves.
    columns = [column.combine_chunks().slice(start, length) for column in data.columns]
    batch = pyarrow.RecordBatch.from_arrays(columns, names=data.column_names)
    graven.build_arrow(path, [batch.slice(0, length)], key="k", value="v")
    assert graven.open(path) == expected


INTEGERS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"]


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers(path, kind):
    info = numpy.iinfo(kind)
    numbers = sorted({0, 1, 2, 77, info.max // 2, info.max - 1, info.max})
    data = pyarrow.table({"k": pyarrow.array(numpy.array(numbers, kind)), "v": range(len(numbers))})
    graven.build_arrow(path, data.slice(1), key="k", value="v")
    expected = [
        (numpy.array(key, f">{kind}").tobytes(), numpy.array(value, "<i8").tobytes())
        for value, key in enumerate(numbers)
    ]
    assert list(graven.open(path).items()) == expected[1:]


@pytest.mark.parametrize("kind", [*INTEGERS, "f4", "f8"])
def test_numbers_as_values(path, kind):
    numbers = numpy.array([1, 0, 100] + ([-1, -128] if kind[0] != "u" else [255]), kind)
    data = pyarrow.table({"k": [f"{n}" for n in range(len(numbers))], "v": numbers})
    graven.build_arrow(path, data, key=0, value=1)
    values = b"".join(graven.open(path).values())
    assert numpy.frombuffer(values, f"<{kind}").tolist() == numbers.tolist()


def test_negative_keys_are_refused(path):
    data = pyarrow.table({"k": [5, 7, -1, 3], "v": [b""] * 4})
    with pytest.raises(graven.EntryError, match="key of row 2 is negative"):
        graven.build_arrow(path, data, key="k", value="v")
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("column, what", [("k", "key"), ("v", "value")])
def test_nulls_name_their_row(path, column, what):
    """Also in the second batch, in a slice, and where the array begins before the slice."""
    cells = {"k": list(KEYS[:300]), "v": list(VALUES[:300])}
    cells[column][250] = None
    data = pyarrow.table({name: pyarrow.array(part, pyarrow.binary()) for name, part in cells.items()})
    for batches, row in [
        (data, 250),
        (data.to_batches(max_chunksize=100), 250),
        (data.slice(200), 50),
        (polars.from_arrow(data.slice(1)), 249),
    ]:
        with pytest.raises(graven.EntryError, match=f"^{what} of row {row} is null"):
            graven.build_arrow(path, batches, key="k", value="v")
        assert os.listdir(path.parent) == []
    graven.build_arrow(path, data.slice(0, 250), key="k", value="v")
    assert len(graven.open(path)) == 250


@pytest.mark.parametrize(
    "batches, error, text",
    [
        (7, TypeError, "expected Arrow data .* got int"),
        ([7], TypeError, "expected Arrow data .* got int"),
        ({"k": [1]}, TypeError, "expected Arrow data .* got str"),
        (pyarrow.array([1, 2]), TypeError, "no batches of rows"),
        (pyarrow.chunked_array([[1, 2]]), TypeError, "no batches of rows"),
        (pyarrow.array([None, {"k": 1, "v": 2}]), TypeError, "no batches of rows.* 1 nulls"),
        (pyarrow.table({"k": [b"a"]}), ValueError, 'no column "v": the columns are k'),
        (pyarrow.table({"k": [1.5], "v": [1]}), TypeError, "type Float64: cast it to binary, string"),
        (pyarrow.table({"k": [1], "v": [True]}), TypeError, 'column "v" has type Boolean'),
        (pyarrow.table({"k": [[1]], "v": [1]}), TypeError, 'column "k" has type List'),
        (
            pyarrow.table({"k": pyarrow.array(["a"]).dictionary_encode(), "v": [1]}),
            TypeError,
            "here Utf8",
        ),
        (pyarrow.table({"k": ["b", "b"], "v": [1, 2]}), graven.DuplicateKeyError, '"b"'),
    ],
)
def test_what_is_refused(path, batches, error, text):
    with pytest.raises(error, match=text):
        graven.build_arrow(path, batches, key="k", value="v")
    assert os.listdir(path.parent) == []


def test_columns_by_number(path):
    graven.build_arrow(path, table(), key=1, value=2)
    assert graven.open(path) == ENTRIES
    with pytest.raises(ValueError, match="no column 3: the columns are other, k, v"):
        graven.build_arrow(path, table(), key=3, value=2)
    with pytest.raises(TypeError):
        graven.build_arrow(path, table(), key=-1, value=2)
    with pytest.raises(TypeError, match="key"):
        graven.build_arrow(path, table())


def test_options(path):
    calls = []
    data = pyarrow.table({"k": ["b", "a", "b"], "v": [b"1", b"2", b"3"]})
    graven.build_arrow(
        path, data, key="k", value="v", duplicates="keep-last", metadata={b"m": b"n"},
        progress=lambda *report: calls.append(report),
    )  # fmt: skip
    assert graven.open(path) == {b"a": b"2", b"b": b"3"}
    assert graven.open(path).metadata == {b"m": b"n"} and calls[-1][0] == "sync"
    with pytest.raises(graven.OutOfOrderError, match="entry 1"):
        graven.build_arrow(path, data, key="k", value="v", sorted=True)


def failing(error):
    yield table().slice(0, 500)
    raise error


def test_a_source_that_fails(path):
    with pytest.raises(LookupError, match="gone"):
        graven.build_arrow(path, failing(LookupError("gone")), key="k", value="v")
    batches = (batch for part in failing(LookupError("gone")) for batch in part.to_batches())
    reader = pyarrow.RecordBatchReader.from_batches(table().schema, batches)
    with pytest.raises(graven.BuildError, match="could not read the batches: .*gone"):
        graven.build_arrow(path, reader, key="k", value="v")
    reader = table().to_reader()
    graven.build_arrow(path, reader, key="k", value="v")
    graven.build_arrow(path, reader, key="k", value="v")  # a reader that was read is empty
    assert len(graven.open(path)) == 0


def test_a_stream_of_another_schema_in_the_midst(path):
    parts = [table(), pyarrow.table({"k": [b"x"], "w": [b""]})]
    with pytest.raises(ValueError, match='no column "v"'):
        graven.build_arrow(path, parts, key="k", value="v")
    assert os.listdir(path.parent) == []


def test_sources_are_released(path):
    """Buffers of Python objects, which the library gives back from a thread of its own."""
    data = numpy.arange(100, dtype="u8")
    start = sys.getrefcount(data)
    batch = pyarrow.table({"k": pyarrow.array(data), "v": pyarrow.array(data)})
    graven.build_arrow(path, batch, key="k", value="v")
    with pytest.raises(graven.DuplicateKeyError):
        graven.build_arrow(path, [batch, batch], key="k", value="v")
    del batch
    assert sys.getrefcount(data) == start


PROGRAM = """
import itertools, sys, pyarrow, graven
batch = pyarrow.record_batch({"k": pyarrow.array([b"k"] * 100000), "v": pyarrow.array([b"v"] * 100000)})
stream = pyarrow.RecordBatchReader.from_batches(batch.schema, itertools.repeat(batch))
try:
    print("ready", flush=True)
    graven.build_arrow(sys.argv[1], stream, key="k", value="v", duplicates="keep-first",
                       memory_budget=16 << 20)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c(path):
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert output == "interrupted\n" and os.listdir(path.parent) == []
