"""A view must never outlive the bytes it shows: not when the table is closed, not when it is gone,
not when numpy has taken the buffer over, not when the file was replaced."""

import ctypes
import gc
import subprocess
import sys
import threading

import numpy
import pytest

import graven


def mapped(path) -> bool:
    """Whether this process has the file mapped."""
    with open("/proc/self/maps") as maps:
        return any(line.rstrip().endswith(str(path)) for line in maps)


linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/maps")


def test_a_view_is_read_only_and_names_its_owner(words):
    view = words.view(b"ant")
    assert isinstance(view, memoryview) and isinstance(view.obj, graven.View)
    assert view.readonly and view.contiguous and view.format == "B" and view.nbytes == 1
    assert words.view(b"elk") is None
    with pytest.raises(TypeError):
        view[0] = 1
    with pytest.raises(TypeError, match="not writable"):
        ctypes.c_char.from_buffer(view.obj)
    with pytest.raises(TypeError):
        graven.View()
    assert memoryview(view.obj) == b"1" and len(view.obj) == 1 and not view.obj.is_faulted


@linux
def test_nothing_is_copied(make, path):
    value = bytes(range(256)) * 64
    table = make({b"a": b"1", b"b": value})
    array = numpy.frombuffer(table.view(b"b"), "u1")
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as maps:
        lines = [line.split() for line in maps if line.rstrip().endswith(str(path))]
    spans = [[int(end, 16) for end in line[0].split("-")] for line in lines]
    assert any(start <= address and address + len(value) <= end for start, end in spans)
    assert array.tobytes() == value


@linux
def test_close_unmaps_after_the_last_view(make, path):
    table = make({b"k": b"value"})
    view = table.view(b"k")
    array = numpy.frombuffer(view, "u1")
    some, walk = table.range(), iter(table)
    table.close()
    table.close()
    assert table.closed and mapped(path)
    assert bytes(view) == array.tobytes() == b"value"
    assert list(some) == [(b"k", b"value")] and next(walk) == b"k"
    view.release()
    del view, some, walk
    gc.collect()
    assert mapped(path) and array.tobytes() == b"value"
    del array
    gc.collect()
    assert not mapped(path)


@linux
def test_without_views_close_unmaps_at_once(words, path):
    assert mapped(path)
    words.close()
    assert not mapped(path)


def test_everything_outlives_the_table_object(make):
    table = make({b"a": b"1", b"b": b"2"})
    view, walk, some, keys = table.view(b"b"), iter(table.items()), table.range(), table.keys()
    next(walk)
    del table
    gc.collect()
    assert bytes(view) == b"2" and list(walk) == [(b"b", b"2")]
    assert some[0] == (b"a", b"1") and list(keys) == [b"a", b"b"]


def test_a_view_outlives_the_file(words, path):
    view = words.view(b"ant")
    graven.build(path, {b"ant": b"another"})
    assert bytes(view) == b"1" and words[b"ant"] == b"1"
    path.unlink()
    assert bytes(view) == b"1" and words[b"dog"] == b"4"


CLOSED = {
    "getitem": lambda table: table[b"ant"],
    "slice": lambda table: table[b"a":],
    "get": lambda table: table.get(b"ant"),
    "in": lambda table: b"ant" in table,
    "view": lambda table: table.view(b"ant"),
    "len": len,
    "iter": iter,
    "reversed": reversed,
    "keys": lambda table: table.keys(),
    "items": lambda table: table.items(),
    "values": lambda table: table.values(),
    "get_many": lambda table: table.get_many([b"ant"]),
    "get_many_into": lambda table: table.get_many_into([b"ant"], bytearray(1)),
    "range": lambda table: table.range(),
    "prefix": lambda table: table.prefix(b""),
    "first": lambda table: table.first(),
    "nth": lambda table: table.nth(0),
    "rank": lambda table: table.rank(b""),
    "count": lambda table: table.count(),
    "verify": lambda table: table.verify(),
    "warm": lambda table: table.warm(),
    "stats": lambda table: table.stats(),
    "metadata": lambda table: table.metadata,
    "build_id": lambda table: table.build_id,
    "with": lambda table: table.__enter__(),
    "eq": lambda table: table == {},
    "pickle": lambda table: table.__reduce__(),
    "copy": lambda table: table.__copy__(),
}


@pytest.mark.parametrize("name", CLOSED)
def test_a_closed_table_raises(words, name):
    with words as table:
        assert table is words
    for error in graven.ClosedError, ValueError, graven.Error:
        with pytest.raises(error, match="the table is closed"):
            CLOSED[name](words)
    assert repr(words).endswith(", closed>")


def test_closing_while_another_thread_reads(make):
    entries = {b"%05d" % n: b"%d" % n for n in range(20000)}
    for _ in range(5):
        table = make(entries)
        started, results = threading.Event(), []

        def read():
            walk = iter(table.items())
            first = next(walk)
            started.set()
            results.append([first, *walk])
            try:
                while True:
                    assert table[b"00007"] == b"7"
                    assert table.get_many([b"%05d" % n for n in range(100)])[99] == b"99"
            except graven.ClosedError:
                results.append("closed")

        thread = threading.Thread(target=read)
        thread.start()
        assert started.wait(60)
        table.close()
        thread.join()
        assert results == [list(entries.items()), "closed"]


def test_views_and_iterators_at_interpreter_shutdown(words, path):
    program = """
import sys, graven
table = graven.open(sys.argv[1])
view, walk, some = table.view(b"ant"), iter(table), table.range()
next(walk)
live = graven.Live(sys.argv[1])
live.refresh_every(0.0001)
class Late:
    def __del__(self):
        print(bytes(view), table[b"bee"], next(walk))
late = Late()
sys.modules["late"] = late
sys.modules["live"] = live
"""
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "b'1' b'2' b'bee'\n"
