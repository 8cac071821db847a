"""A build must publish all that it was given, or nothing: no exception, wherever it comes from, may
leave half a table, a temporary file, or a builder that publishes what is left."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

import graven

NAMES = ["table.grv"]


def test_builder(path):
    with graven.Builder(path) as builder:
        builder.insert(b"b", b"2")
        builder.extend({b"c": b"3"})
        builder.extend(iter([(b"a", b"1"), [b"d", b"4"]]))
        assert builder.summary is None and not path.exists() and "open" in repr(builder)
    assert "finished" in repr(builder)
    summary = builder.summary
    assert (summary.entries, summary.keys, summary.key_bytes, summary.value_bytes) == (4, 4, 4, 4)
    assert summary.file_bytes == path.stat().st_size
    table = graven.open(path)
    assert table.build_id == summary.build_id
    assert list(table.items()) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3"), (b"d", b"4")]
    for use in [
        lambda: builder.insert(b"e", b""),
        lambda: builder.extend([(b"e", b"")]),
        lambda: builder.finish(),
        lambda: builder.__enter__(),
    ]:
        with pytest.raises(graven.ClosedError, match="the builder is closed"):
            use()
    assert len(graven.open(path)) == 4


def test_finish_and_discard_inside_of_the_block(path):
    with graven.Builder(path) as builder:
        builder.insert(b"a", b"1")
        assert builder.finish().entries == 1
    with graven.Builder(path) as builder:
        builder.discard()
        builder.discard()
        assert "discarded" in repr(builder)
    assert graven.open(path) == {b"a": b"1"} and os.listdir(path.parent) == NAMES


def test_an_exception_in_the_block_discards(path):
    graven.build(path, {b"old": b""})
    with pytest.raises(ZeroDivisionError):
        with graven.Builder(path) as builder:
            builder.insert(b"a", b"1")
            1 // 0
    assert builder.summary is None
    assert graven.open(path) == {b"old": b""} and os.listdir(path.parent) == NAMES


def test_a_forgotten_builder_leaves_nothing(path):
    builder = graven.Builder(path)
    builder.insert(b"a", b"1")
    del builder
    gc.collect()
    assert os.listdir(path.parent) == []


def entries_that_fail(error):
    for n in range(20000):
        yield b"%05d" % n, b""
    raise error


@pytest.mark.parametrize("options", [{}, {"sorted": True}, {"memory_budget": 1 << 20}])
def test_an_exception_of_the_iterable(path, options):
    with pytest.raises(LookupError, match="gone"):
        graven.build(path, entries_that_fail(LookupError("gone")), **options)
    assert os.listdir(path.parent) == []
    # A builder that goes on must not publish the entries before the exception alone.
    with graven.Builder(path, **options) as builder:
        with pytest.raises(LookupError):
            builder.extend(entries_that_fail(LookupError("gone")))
        with pytest.raises(graven.ClosedError):
            builder.insert(b"x", b"")
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize(
    "entries, text",
    [
        ([b"ab"], "entry 0 is no pair"),
        ([(b"a", b"1"), (b"b",)], "entry 1 is no pair"),
        ([(b"a", b"1", b"2")], "entry 0 is no pair"),
        ([(b"a", b"1"), 7], "entry 1 is no pair"),
        ([("a", b"1")], "got str"),
        ([(b"a", "1")], "got str"),
        (7, "not iterable"),
        ("ab", "entry 0 is no pair"),
    ],
)
def test_what_is_no_entry(path, entries, text):
    with pytest.raises(TypeError, match=text):
        graven.build(path, entries)
    assert os.listdir(path.parent) == []


def test_sorted(path):
    graven.build(path, ((b"%05d" % n, b"") for n in range(70000)), sorted=True)
    assert len(graven.open(path)) == 70000
    with pytest.raises(graven.OutOfOrderError, match='key "a" of entry 1 comes after "b"'):
        graven.build(path, [(b"b", b""), (b"a", b"")], sorted=True)
    with pytest.raises(graven.OutOfOrderError):
        with graven.Builder(path, sorted=True) as builder:
            for n in range(70000, 0, -1):
                builder.insert(b"%05d" % n, b"")
    assert len(graven.open(path)) == 70000 and os.listdir(path.parent) == NAMES


def test_larger_than_its_memory(path):
    entries = {b"%07d" % (n * 7919 % 100000): bytes([n % 256]) * (n % 90) for n in range(100000)}
    graven.build(path, entries, memory_budget=1 << 20, threads=2, expected_bytes=1000)
    assert graven.open(path) == entries


def test_large_values(path):
    entries = {b"%d" % n: bytes([n]) * (3 << 20 if n % 2 else 5) for n in range(6)}
    graven.build(path, entries)
    assert graven.open(path) == entries
    graven.build(path, ((key, bytearray(value)) for key, value in entries.items()))
    assert graven.open(path) == entries
    # Those that are handed on by themselves keep their place among the others.
    graven.build(path, [(b"k", value) for value in entries.values()], duplicates="keep-all")
    assert graven.open(path).get_all(b"k") == list(entries.values())


def test_options_are_heeded(path, tmp_path):
    (tmp_path / "temp").mkdir()
    graven.build(
        path,
        [(b"a", b"1"), (b"a", b"2")],
        duplicates="keep-last",
        value_align=16,
        metadata={b"k": b"v"},
        mode=0o600,
        durable=False,
        verify_after_write=True,
        temp_dir=tmp_path / "temp",
        hash_index="always",
        replace=False,
        progress=None,
    )
    table = graven.open(path)
    assert table == {b"a": b"2"} and table.metadata == {b"k": b"v"}
    assert table.stats().value_align == 16 and path.stat().st_mode & 0o777 == 0o600


def test_progress(path):
    calls = []
    entries = ((b"%07d" % (n * 7919 % 200000), b"") for n in range(200000))
    graven.build(path, entries, progress=lambda *report: calls.append(report))
    phases = [phase for phase, _, _ in calls]
    assert list(dict.fromkeys(phases)) == ["sort", "merge", "index", "sync"]
    assert all(0 <= done <= total for _, done, total in calls)
    assert calls[-1] == ("sync", path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize("phase", ["sort", "merge", "index"])
def test_an_exception_of_the_callback_ends_the_build(path, phase):
    """The reports of a short build may come when it is over, so this one is longer than that."""

    def progress(now, done, total):
        if now == phase:
            raise LookupError(phase)

    with pytest.raises(LookupError, match=phase):
        entries = ((b"%07d" % (n * 7919 % 600000), bytes(50)) for n in range(600000))
        graven.build(path, entries, progress=progress, memory_budget=8 << 20)
    # The indexes may have been the last that took long enough for a look at the callback.
    assert phase == "index" or os.listdir(path.parent) == []


def test_a_callback_may_use_the_builder(path):
    seen = []

    def progress(*_):
        seen.append(repr(builder))

    with graven.Builder(path, progress=progress) as builder:
        builder.insert(b"a", b"1")
    assert seen and seen[0] == "<graven.Builder, discarded>" or "open" in seen[0]
    assert len(graven.open(path)) == 1


def test_a_circle_through_the_callback_is_collected(path):
    import weakref

    class Progress:
        def __call__(self, *_):
            pass

    progress = Progress()
    progress.builder = graven.Builder(path, progress=progress)
    gone = weakref.ref(progress)
    del progress
    gc.collect()
    assert gone() is None


def test_threads_share_a_builder(path):
    with graven.Builder(path) as builder:

        def insert(part):
            for n in range(5000):
                builder.insert(b"%d %05d" % (part, n), b"x" * 100)

        threads = [threading.Thread(target=insert, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(graven.open(path)) == 20000


PROGRAM = """
import itertools, sys, graven
def entries():
    for n in itertools.count():
        yield b"%012d" % (n * 7919 % 10**9), bytes(60)
what, path = sys.argv[1:]
try:
    print("ready", flush=True)
    if what == "iterable":
        # Neither this iterator nor what calls it runs Python code.
        graven.build(path, zip(itertools.repeat(b"k"), itertools.repeat(b"v")),
                     duplicates="keep-first", memory_budget=4 << 20)
    else:
        with graven.Builder(path, memory_budget=1 << 20,
                            progress=lambda *_: print("working", flush=True)) as builder:
            builder.extend(itertools.islice(entries(), 2000000))
            print("finishing", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("what, when", [("iterable", "ready"), ("finish", "finishing")])
def test_ctrl_c(path, what, when):
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, what, path], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in child.stdout:
            if line.strip() == when:
                break
        if what == "finish":
            assert child.stdout.readline() == "working\n"
        else:
            time.sleep(0.3)
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert output.splitlines()[-1] == "interrupted"
    assert os.listdir(path.parent) == []


def test_fork_while_a_builder_is_open(path):
    """A child that ends with a copy of the builder must not publish or remove the parent's table."""
    with graven.Builder(path) as builder:
        builder.insert(b"a", b"1")
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert graven.open(path) == {b"a": b"1"}
