"""A set must be published whole or not at all: no exception, wherever it comes from, may leave half a
version, a temporary file, or a version that is current and not what was asked for."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import duckdb
import polars
import pyarrow
import pytest
from conftest import CUTS

import graven

ENTRIES = {b"%05d" % n: b"%d" % n for n in range(2000)}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "set"


def names(place):
    """What stands in the directory of the set, and how many versions."""
    versions = os.listdir(place / "versions") if (place / "versions").exists() else []
    rest = sorted(name for name in os.listdir(place) if name != "versions") if place.exists() else []
    return rest, len(versions)


def sizes(place):
    return [shard.entries for shard in graven.TableSet(place).manifest.shards]


@pytest.mark.parametrize("sorted_", [False, True])
@pytest.mark.parametrize("cut", CUTS)
def test_build_set(place, cut, sorted_):
    entries = list(ENTRIES.items())[:300]
    if not sorted_:
        random.Random(1).shuffle(entries)
    version = graven.build_set(place, entries, sorted=sorted_, **CUTS[cut])
    assert version.current and names(place) == (["CURRENT"], 1)
    set_ = graven.TableSet(place)
    assert version.path == set_.path and set_.id[:8] in version.id and set_ == dict(entries)
    assert set_.verify().entries == 300
    # Equal entries and options give equal sets, sorted or not.
    graven.build_set(place, dict(sorted(entries)), **CUTS[cut])
    assert graven.TableSet(place).id == set_.id
    assert len(graven.Versions(place).list()) == 2


def test_where_shards_end(place):
    build = lambda **options: graven.build_set(place, ENTRIES, **options)
    build(shards=3)
    assert sizes(place) == [667, 667, 666]
    build(shards=1999)
    assert sizes(place) == [2] + [1] * 1998
    build(shard_entries=750, sorted=True)
    assert sizes(place) == [750, 750, 500]
    build(shard_bytes=4000)
    assert 5 < len(sizes(place)) < 20 and sum(sizes(place)) == 2000
    build()
    assert sizes(place) == [2000]
    build(hash_shards=5)
    assert len(sizes(place)) == 5 and sum(sizes(place)) == 2000
    build(shards=None, hash_shards=2)
    assert len(sizes(place)) == 2


def test_builder(place):
    with graven.SetBuilder(place, shards=2) as builder:
        builder.insert(b"b", b"2")
        builder.extend({b"c": b"3"})
        builder.extend(iter([(b"a", b"1"), [b"d", b"4"]]))
        assert builder.version is None and "open" in repr(builder)
        assert not (place / "CURRENT").exists()
    assert "finished" in repr(builder) and builder.version.current
    assert list(graven.TableSet(place).items()) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4")]
    for use in [
        lambda: builder.insert(b"e", b""),
        lambda: builder.extend([(b"e", b"")]),
        lambda: builder.finish(),
        lambda: builder.__enter__(),
    ]:
        with pytest.raises(graven.ClosedError, match="the builder is closed"):
            use()
    with graven.SetBuilder(place, hash_shards=2) as builder:
        builder.insert(b"e", b"5")
        assert builder.finish().current
    with graven.SetBuilder(place) as builder:
        builder.discard()
        builder.discard()
        assert "discarded" in repr(builder)
    assert graven.TableSet(place) == {b"e": b"5"} and names(place) == (["CURRENT"], 2)


def test_an_exception_in_the_block_discards(place):
    graven.build_set(place, {b"old": b""})
    for options in {"shards": 2}, {"hash_shards": 2}, {"sorted": True, "shard_entries": 1}:
        with pytest.raises(ZeroDivisionError):
            with graven.SetBuilder(place, **options) as builder:
                builder.insert(b"a", b"1")
                1 // 0
        assert builder.version is None
        assert graven.TableSet(place) == {b"old": b""} and names(place) == (["CURRENT"], 1)


def entries_that_fail(error):
    for n in range(20000):
        yield b"%05d" % n, b""
    raise error


@pytest.mark.parametrize("options", [{}, {"shards": 3}, {"hash_shards": 3}, {"sorted": True}])
def test_an_exception_of_the_iterable(place, options):
    with pytest.raises(LookupError, match="gone"):
        graven.build_set(place, entries_that_fail(LookupError("gone")), **options)
    with graven.SetBuilder(place, **options) as builder:
        with pytest.raises(LookupError):
            builder.extend(entries_that_fail(LookupError("gone")))
        with pytest.raises(graven.ClosedError):
            builder.insert(b"x", b"")
    assert names(place) == ([], 0)
    with pytest.raises(TypeError, match="entry 0 is no pair"):
        graven.build_set(place, [b"ab"], **options)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"shards": 0}, graven.OptionError, "option shards is 0, expected 1 or more"),
        ({"shard_bytes": -1}, graven.OptionError, "option shard_bytes is -1"),
        ({"shard_entries": 0, "sorted": True}, graven.OptionError, "option shard_entries is 0"),
        ({"hash_shards": 1_000_001}, graven.OptionError, "expected 1 to 1000000"),
        ({"shards": 2, "hash_shards": 2}, graven.OptionError, "shards and hash_shards both say"),
        ({"shards": "2"}, TypeError, "argument 'shards'"),
        ({"hash_shards": 2.5}, TypeError, "argument 'hash_shards'"),
        ({"sorted": 1}, TypeError, "argument 'sorted'"),
        ({"replace": True}, TypeError, "unexpected keyword argument 'replace'"),
        ({"nonsense": 1}, TypeError, "unexpected keyword argument 'nonsense'"),
        ({"value_align": 3}, graven.OptionError, "option value_align is 3"),
        ({"value_align": 3, "hash_shards": 2}, graven.OptionError, "option value_align is 3"),
        ({"max_shrink": 2.0}, graven.OptionError, "max_shrink"),
        ({"duplicates": "keep"}, graven.OptionError, '"keep-first"'),
    ],
)
def test_options(place, options, error, text):
    with pytest.raises(error, match=text):
        graven.build_set(place, {}, **options)
    assert names(place) == ([], 0)


def test_sorted_entries_have_to_ascend(place):
    with pytest.raises(graven.OutOfOrderError, match='key "a" of entry 1 comes after "b"'):
        graven.build_set(place, [(b"b", b""), (b"a", b"")], sorted=True)
    assert names(place) == ([], 0)


def test_a_directory_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        graven.build_set(tmp_path / "file" / "set", {})
    with pytest.raises(OSError) as error:
        graven.build_set(tmp_path / "file", {})
    assert str(tmp_path / "file") in str(error.value)
    with pytest.raises(FileNotFoundError):
        graven.build_set(tmp_path / "set", {}, temp_dir=tmp_path / "none")
    assert names(tmp_path / "set") == ([], 0)


def test_the_temporary_table(place, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with graven.SetBuilder(place, shards=2, temp_dir=temporary, memory_budget=1 << 20) as builder:
        builder.extend((b"%06d" % (n * 7919 % 100_003), bytes(50)) for n in range(100_003))
    assert os.listdir(temporary) == [] and names(place) == (["CURRENT"], 1)
    assert len(graven.TableSet(place)) == 100_003


def test_options_reach_the_shards(place):
    graven.build_set(
        place, ENTRIES, shards=2, metadata={b"source": b"atlas"}, value_align=8, mode=0o440,
        hash_index="always", durable=False, verify_after_write=True, threads=1,
    )  # fmt: skip
    set_ = graven.TableSet(place)
    for number in 0, 1:
        table = set_.table(number)
        assert table.metadata == {b"source": b"atlas"} and table.stats().value_align == 8
        assert table.stats().has_hash_index
        assert os.stat(table.path).st_mode & 0o777 == 0o440
    assert os.stat(os.path.join(set_.path, "MANIFEST.json")).st_mode & 0o777 == 0o440


def test_guards(place):
    graven.build_set(place, ENTRIES, shards=2)
    small = dict(list(ENTRIES.items())[:10])
    for options in {"shards": 2}, {"hash_shards": 2}:
        with pytest.raises(graven.PublishError, match="at least 20 are wanted"):
            graven.build_set(place, small, min_entries=20, **options)
        with pytest.raises(graven.PublishError, match="current one 2,?000"):
            graven.build_set(place, small, max_shrink=0.5, **options)
    assert graven.TableSet(place) == ENTRIES and names(place) == (["CURRENT"], 1)
    graven.build_set(place, small)
    versions = graven.Versions(place)
    versions.roll_back()
    assert graven.TableSet(place) == ENTRIES


@pytest.mark.parametrize("options", [{"shards": 3}, {"hash_shards": 3}])
def test_progress(place, options):
    calls = []
    entries = lambda: ((b"%07d" % (n * 7919 % 300000), bytes(50)) for n in range(300000))
    options = {"memory_budget": 8 << 20, **options}
    graven.build_set(place, entries(), progress=lambda *call: calls.append(call), **options)
    assert {phase for phase, _, _ in calls} >= {"sort", "merge", "index"}
    assert all(0 <= done <= total for _, done, total in calls)

    def refuse(*_):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        graven.build_set(place, entries(), progress=refuse, **options)
    assert names(place) == (["CURRENT"], 1)


ARROW = {
    "table": lambda table: table,
    "batches": lambda table: table.to_batches(max_chunksize=300),
    "reader": lambda table: table.to_reader(),
    "polars": polars.from_arrow,
    "duckdb": lambda rows: duckdb.sql("select * from rows"),
    "iterator": lambda table: iter([table, table.slice(0, 0)]),
}


@pytest.mark.parametrize("source", ARROW)
@pytest.mark.parametrize("cut", ["range", "hash"])
def test_build_set_arrow(place, source, cut):
    numbers = random.Random(2).sample(range(10_000), 1000)
    table = pyarrow.table({"n": pyarrow.array(numbers, pyarrow.uint64()), "s": [str(n) for n in numbers]})
    version = graven.build_set_arrow(place, ARROW[source](table), key="n", value="s", **CUTS[cut])
    assert version.current and names(place) == (["CURRENT"], 1)
    assert graven.TableSet(place).typed(key=">Q") == {n: b"%d" % n for n in numbers}


@pytest.mark.parametrize("options", [{"shards": 2}, {"hash_shards": 2}])
def test_arrow_that_fails(place, options):
    table = pyarrow.table({"k": ["a", None], "v": [1, 2]})
    with pytest.raises(graven.EntryError, match="key of row 1 is null"):
        graven.build_set_arrow(place, table, key="k", value="v", **options)
    with pytest.raises(ValueError, match='no column "x": the columns are k, v'):
        graven.build_set_arrow(place, table, key="x", value="v", **options)
    with pytest.raises(TypeError, match="expected Arrow data"):
        graven.build_set_arrow(place, 7, key="k", value="v", **options)
    with pytest.raises(graven.DuplicateKeyError):
        graven.build_set_arrow(place, [table.slice(0, 1)] * 2, key="k", value="v", **options)
    assert names(place) == ([], 0)


@pytest.mark.parametrize("options", [{"shards": 3}, {"hash_shards": 3}, {"sorted": True}])
def test_ctrl_c_ends_a_build(place, options):
    def endless():
        n = 0
        while True:
            yield b"%012d" % n, b""
            n += 1

    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        graven.build_set(place, endless(), **options)
    timer.join()
    assert names(place) == ([], 0)


def test_a_killed_builder_leaves_what_was_current(place):
    graven.build_set(place, {b"old": b"1"})
    program = """
import sys, graven
options = eval(sys.argv[2])
builder = graven.SetBuilder(sys.argv[1], **options)
builder.extend((b"%06d" % n, bytes(100)) for n in range(50000))
print("ready", flush=True)
while True:
    builder.extend((b"%08d" % n, bytes(100)) for n in range(10000000, 10050000))
    builder.insert(b"x", b"")
"""
    for options in {"shards": 3}, {"hash_shards": 3}, {"sorted": True, "shard_entries": 9000}:
        child = subprocess.Popen(
            [sys.executable, "-c", program, place, repr(options)], stdout=subprocess.PIPE
        )
        assert child.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        child.kill()
        child.wait()
        child.stdout.close()
        assert graven.TableSet(place) == {b"old": b"1"}
    graven.build_set(place, {b"new": b"2"})
    assert graven.TableSet(place) == {b"new": b"2"} and names(place)[1] == 2
    assert [name for name in names(place)[0] if name.endswith(".grv")] == []


def test_a_full_disk(place):
    """A limit on the size of files stands for the disk."""
    program = """
import resource, signal, sys, graven
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    graven.build_set(sys.argv[1], ((b"%06d" % n, bytes(100)) for n in range(50000)), **eval(sys.argv[2]))
except OSError as error:
    print(type(error).__name__, error.errno)
"""
    for options in {"shards": 2}, {"hash_shards": 2}, {"sorted": True}:
        done = subprocess.run(
            [sys.executable, "-c", program, place, repr(options)], capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("OSError 27\n", "")
        assert names(place) == ([], 0)


@pytest.mark.parametrize("options", [{"shards": 2}, {"hash_shards": 2}, {"sorted": True}])
def test_a_forked_child_leaves_the_build_alone(place, options):
    """It has the builder, but the files and the threads behind it are its parent's."""
    with graven.SetBuilder(place, **options) as builder:
        builder.extend((b"%06d" % n, bytes(100)) for n in range(50000))
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.alarm(20)
                with pytest.raises(graven.BuildError, match=f"process {os.getppid()} began this"):
                    builder.extend((b"%06d" % n, bytes(100)) for n in range(50000, 150000))
                with pytest.raises(graven.ClosedError):
                    builder.finish()
                builder.discard()
                del builder
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        builder.insert(b"x", b"1")
    assert len(graven.TableSet(place)) == 50001 and graven.TableSet(place).verify()
    builder = graven.SetBuilder(place, **options)
    pid = os.fork()
    if pid == 0:
        try:
            with pytest.raises(graven.BuildError, match="began this build"):
                builder.finish()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert not builder.finish().id.startswith("00000001")
