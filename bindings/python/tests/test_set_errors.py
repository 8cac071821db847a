"""A set whose files are not those of its manifest must raise an exception that names the file: not
answer from what is there."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import damage

import graven

ENTRIES = {b"%04d" % n: b"%d" % n for n in range(1000)}


@pytest.fixture
def files(make_set):
    """The directory of a version of 4 range shards, which may be changed."""
    directory = Path(make_set(ENTRIES, shards=4).path)
    for file in directory.iterdir():
        file.chmod(0o644)
    return directory


def shard(files, number):
    return files / f"part-{number:05}.grv"


def test_no_set(tmp_path, path):
    with pytest.raises(FileNotFoundError) as error:
        graven.TableSet(tmp_path / "none")
    assert error.value.errno == errno.ENOENT and error.value.filename == str(tmp_path / "none")
    with pytest.raises(FileNotFoundError) as error:
        graven.TableSet(tmp_path)
    assert error.value.filename == str(tmp_path / "MANIFEST.json")
    graven.build(path, {})
    with pytest.raises(OSError):
        graven.TableSet(path)
    versions = graven.Versions(tmp_path / "versions of a table")
    versions.publish(path)
    with pytest.raises(OSError):
        graven.TableSet(versions.directory)
    for wrong in 3, None:
        with pytest.raises(TypeError):
            graven.TableSet(wrong)
    with pytest.raises(ValueError, match="embedded null byte"):
        graven.TableSet("a\0b")


def test_options(files):
    for options, error, text in [
        ({"page_checks": "often"}, graven.OptionError, '"first-touch", "at-open", "never"'),
        ({"warm": "hot"}, graven.OptionError, 'option warm is "hot"'),
        ({"access": "x"}, graven.OptionError, "option access"),
        ({"expect_id": "xyz"}, graven.OptionError, "option expect_id"),
        ({"expect_id": "0" * 32}, graven.OtherBuildError, "set 0{32} was expected, this is"),
        ({"load": True}, TypeError, "load"),
    ]:
        with pytest.raises(error, match=text):
            graven.TableSet(files, **options)
    graven.TableSet(files, expect_id=graven.TableSet(files).id).close()


@pytest.mark.parametrize(
    "change, error, text",
    [
        (lambda m: m.update(format="x"), graven.NotATableError, "field format"),
        (lambda m: m.update(version=2), graven.UnsupportedError, "field version is 2"),
        (lambda m: m.update(entries=7), graven.DamagedError, "field entries is 7"),
        (lambda m: m.update(partition="x"), graven.DamagedError, "field partition"),
        (lambda m: m["shards"].reverse(), graven.DamagedError, r"shards\[1\].first_key"),
        (lambda m: m["shards"].pop(), graven.DamagedError, "field entries"),
        (lambda m: m["shards"][2].update(file="../x"), graven.DamagedError, r"shards\[2\].file"),
        (lambda m: m["shards"][0].update(sha256="0" * 64), graven.DamagedError, "field id"),
    ],
)
def test_a_hostile_manifest(files, change, error, text):
    file = files / "MANIFEST.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))
    for use in graven.TableSet, graven.open:
        with pytest.raises(error, match=text) as failed:
            use(files)
        assert failed.value.path == str(file) and str(file) in str(failed.value)


def test_what_is_no_manifest(files):
    file = files / "MANIFEST.json"
    text = file.read_bytes()
    for data in b"", b"{", text[:-5], b"\xff" * 100, b"[]", b"null":
        file.write_bytes(data)
        with pytest.raises(graven.DataError) as error:
            graven.TableSet(files)
        assert error.value.path == str(file)
    file.unlink()
    file.mkdir()
    with pytest.raises(graven.NotATableError, match="is a directory"):
        graven.TableSet(files)


QUERIES = {
    "[]": lambda set_: set_[b"0300"],
    "in": lambda set_: b"0300" in set_,
    "view": lambda set_: set_.view(b"0300"),
    "get_all": lambda set_: set_.get_all(b"0300"),
    "count_of": lambda set_: set_.count_of(b"0300"),
    "get_many": lambda set_: set_.get_many([b"0000", b"0300"]),
    "get_many_into": lambda set_: set_.get_many_into([b"0300"], bytearray(3)),
    "list": list,
    "reversed": lambda set_: list(reversed(set_)),
    "items": lambda set_: list(set_.items()),
    "range": lambda set_: list(set_.range(b"0300", b"0301")),
    "index": lambda set_: set_.range()[300],
    "slice": lambda set_: list(set_.range()[300:301]),
    "floor": lambda set_: set_.floor(b"0300"),
    "ceil": lambda set_: set_.ceil(b"0300"),
    "rank": lambda set_: set_.rank(b"0300"),
    "nth": lambda set_: set_.nth(300),
    "==": lambda set_: set_ == ENTRIES,
    "table": lambda set_: set_.table(1),
    "verify": lambda set_: set_.verify(),
}


@pytest.mark.parametrize("query", QUERIES)
def test_a_missing_shard(files, query):
    shard(files, 1).unlink()
    set_ = graven.TableSet(files)
    with pytest.raises(FileNotFoundError) as error:
        QUERIES[query](set_)
    assert error.value.filename == str(shard(files, 1))
    assert set_[b"0000"] == b"0" and set_.nth(-1) == (b"0999", b"999")


@pytest.mark.parametrize("query", QUERIES)
def test_a_swapped_shard(files, query):
    shutil.copy(shard(files, 2), shard(files, 1))
    set_ = graven.TableSet(files)
    error = graven.DamagedError if query == "verify" else graven.OtherBuildError
    with pytest.raises(error) as failed:
        QUERIES[query](set_)
    assert failed.value.path == str(shard(files, 1))
    assert set_[b"0000"] == b"0"


def test_a_damaged_shard(files, tmp_path):
    size = os.path.getsize(shard(files, 1))
    damage(shard(files, 1), tmp_path / "bad", size // 3)
    shutil.copy(tmp_path / "bad", shard(files, 1))
    set_ = graven.TableSet(files)
    with pytest.raises(graven.DamagedError) as error:
        set_.verify()
    assert error.value.path == str(shard(files, 1)) and "SHA-256" in str(error.value)
    with pytest.raises(graven.DamagedError) as error:
        for key in ENTRIES:
            assert set_[key] == ENTRIES[key]
    assert error.value.path == str(shard(files, 1))
    with pytest.raises(graven.DamagedError):
        list(set_.items())
    with pytest.raises(graven.DamagedError):
        graven.TableSet(files, page_checks="at-open").get(b"0300")


def test_an_iterator_ends_after_an_error(files):
    shard(files, 1).unlink()
    walk = iter(graven.TableSet(files))
    assert [next(walk) for _ in range(250)] == list(ENTRIES)[:250]
    with pytest.raises(FileNotFoundError):
        next(walk)
    assert list(walk) == []


def test_more_than_the_address_space(tmp_path):
    """Under ulimit -v below the set's size, shards are let go instead of failing."""
    entries = ((b"%06d" % n, n.to_bytes(4, "big") * 1000) for n in range(40000))
    graven.build_set(tmp_path / "set", entries, sorted=True, shard_bytes=8 << 20)
    program = """
import resource, sys, graven
set_ = graven.TableSet(sys.argv[1])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * 4096 + (48 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
assert set_.manifest.bytes > 3 * (48 << 20)
for n in range(0, 40000, 100):
    assert set_[b"%06d" % n] == n.to_bytes(4, "big") * 1000
print(sum(1 for _ in set_), set_.mapped_bytes < (48 << 20))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "set"], capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("40000 True\n", "")
