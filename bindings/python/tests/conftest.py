import signal
from pathlib import Path

import pytest

import graven

# A shell has what it starts in the background ignore SIGINT, and Python keeps that: tests of Ctrl-C
# would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a table may be built."""
    return tmp_path / "table.grv"


@pytest.fixture
def make(path):
    """Builds a table of these entries and opens it."""

    def make(entries, *, opening={}, **options):
        graven.build(path, entries, **options)
        return graven.open(path, **opening)

    return make


@pytest.fixture
def words(make):
    return make({b"ant": b"1", b"bee": b"2", b"cow": b"3", b"dog": b"4"})


CUTS = {
    "range": {"shards": 4},
    "hash": {"hash_shards": 4},
    "one shard": {"shards": 1},
    "a shard per key": {"shard_entries": 1},
}
"""Ways to divide entries among shards."""


@pytest.fixture
def make_set(tmp_path):
    """Builds a set of these entries and opens it."""

    def make(entries, *, opening={}, **options):
        graven.build_set(tmp_path / "set", entries, **options)
        return graven.TableSet(tmp_path / "set", **opening)

    return make


def damage(source: Path, target: Path, at: int) -> Path:
    """A copy of a table, with another byte at `at`."""
    data = bytearray(source.read_bytes())
    data[at] ^= 0xFF
    target.write_bytes(data)
    return target
