"""A long call that holds the interpreter stops every other thread of a server. Here the interpreter
goes to another thread only where a call gives it up by itself: the other thread asks for it before,
and the time after which it would be taken away is longer than the test."""

import sys
import threading
import time

import numpy
import pyarrow
import pytest

import graven

KEYS = [b"%06d" % (n * 7919 % 50000) for n in range(50000)]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "table.grv"
    graven.build(path, dict.fromkeys(KEYS, b"12345678"))
    return graven.open(path)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    path = tmp_path_factory.mktemp("other") / "table.grv"
    graven.build(path, dict.fromkeys(KEYS, b"87654321"))
    return graven.open(path)


CALLS = {
    "get_many": lambda large, other, tmp: lambda: large.get_many(KEYS[:1000]),
    "get_many_into": lambda large, other, tmp: lambda: large.get_many_into(
        KEYS[:1000], numpy.zeros(1000, "S8")
    ),
    "verify": lambda large, other, tmp: large.verify,
    "warm": lambda large, other, tmp: large.warm,
    "residency": lambda large, other, tmp: large.residency,
    "load": lambda large, other, tmp: lambda: graven.open(large.path, load=True),
    "open": lambda large, other, tmp: lambda: graven.open(large.path),
    "eq": lambda large, other, tmp: lambda: large == other,
    "diff": lambda large, other, tmp: lambda: next(graven.diff(large, other)),
    "insert": lambda large, other, tmp: (
        lambda builder: lambda: builder.insert(b"k", bytes(2 << 20))
    )(graven.Builder(tmp / "new", duplicates="keep-first")),
    "extend": lambda large, other, tmp: lambda: graven.Builder(
        tmp / "new", duplicates="keep-first"
    ).extend([(b"k", bytes(2 << 20))]),
    "build": lambda large, other, tmp: lambda: graven.build(tmp / "new", {b"a": b"1"}),
    "build_arrow": lambda large, other, tmp: lambda: graven.build_arrow(
        tmp / "new", pyarrow.table({"k": KEYS, "v": KEYS}), key="k", value="v"
    ),
    "merge": lambda large, other, tmp: lambda: graven.merge(tmp / "new", [large]),
    "publish": lambda large, other, tmp: lambda: graven.publish(large.path, tmp / "new"),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_interpreter_is_released(large, other, tmp_path, name):
    assert is_released(CALLS[name](large, other, tmp_path), patience=60)


def is_released(call, patience):
    """Whether another thread ever runs while `call` is called again and again."""
    go, ran = threading.Event(), []
    thread = threading.Thread(target=lambda: (go.wait(), ran.append(True)))
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100)
    try:
        go.set()
        # The thread that waits may be late for a short release, not for all of them.
        deadline = time.monotonic() + patience
        while not ran and time.monotonic() < deadline:
            call()
        released = bool(ran)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    return released


def test_the_test_bites(large):
    """A lookup is too short to give the interpreter up for it."""
    assert not is_released(lambda: large.get(KEYS[0]), patience=1)
