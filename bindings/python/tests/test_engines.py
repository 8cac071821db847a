"""Tasks of an engine run in other processes, twice, too late, or not to their end. A set that takes a
row of an attempt that did not count, or loses one of an attempt that did, is wrong in silence."""

import doctest
import os
import pickle
import signal
import subprocess
import sys

import pyarrow
import pytest

import graven
from graven import engines
from graven.engines import ShardInfo, ShardWriter

ENTRIES = {b"%05d" % n: b"%d" % (n * n) for n in range(1000)}


def rows(entries):
    return pyarrow.table({
        "key": pyarrow.array(list(entries), pyarrow.binary()),
        "value": pyarrow.array(list(entries.values()), pyarrow.binary()),
    })


def ranges(number):
    """Parts of all entries, by ranges of their keys."""
    items, step = sorted(ENTRIES.items()), -(-len(ENTRIES) // number)
    return [dict(items[at : at + step]) for at in range(0, len(items), step)]


def hashed(number):
    parts = [{} for _ in range(number)]
    for key, value in ENTRIES.items():
        parts[graven.hash_shard(key, number)][key] = value
    return parts


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set"


def staging(path):
    return os.listdir(path / "staging")


def test_the_example(tmp_path):
    found = doctest.DocTestFinder().find(engines, globs={"graven": graven, "tmp": tmp_path})
    ran = [doctest.DocTestRunner().run(test) for test in found if test.examples]
    assert [(one.failed, one.attempted) for one in ran] == [(0, 7)]


def test_range_shards(path):
    writer = ShardWriter(path)
    infos = [writer.write(rows(part)) for part in reversed(ranges(7))]
    assert writer.write(rows({})) is None and writer.write([]) is None
    manifest = writer.commit([None, *infos])
    assert (manifest.partition, manifest.entries, len(manifest.shards)) == ("range", 1000, 7)
    current = graven.TableSet(path)
    assert current == ENTRIES and current.manifest == manifest
    assert current.verify().entries == 1000 and staging(path) == []


def test_hash_shards(path):
    writer = ShardWriter(path, hash_shards=5)
    infos = [writer.write(rows(part), at) for at, part in enumerate(hashed(5))]
    assert [info.number for info in infos] == [0, 1, 2, 3, 4]
    # An engine may leave out tasks without rows.
    assert writer.commit(infos).partition == "hash"
    assert graven.TableSet(path) == ENTRIES and graven.TableSet(path).verify()
    few = ShardWriter(path, hash_shards=1000)
    keys = [b"a", b"Spark"]
    infos = [few.write(rows({key: key}), graven.hash_shard(key, 1000)) for key in keys]
    assert len(few.commit(infos).shards) == 1000
    assert graven.TableSet(path) == {key: key for key in keys}
    assert graven.TableSet(path).verify().shards == 1000


def test_infos_and_writers_go_to_other_processes(path):
    writer = ShardWriter(path)
    low, high = ranges(2)
    copy = pickle.loads(pickle.dumps(writer))
    info = copy.write(rows(low))
    for arrived in (pickle.loads(pickle.dumps(info)), ShardInfo.from_json(info.to_json())):
        assert arrived == info and repr(arrived) == repr(info)
    assert (info.entries, info.first_key, info.last_key) == (500, b"00000", b"00499")
    assert info.number is None and len(info.build_id) == 32 and len(info.sha256) == 64
    del copy  # does not end the job
    program = (
        "import pickle, sys; import pyarrow\n"
        "writer, low, keys = pickle.load(sys.stdin.buffer)\n"
        "values = [str(int(key) ** 2).encode() for key in keys]\n"
        "info = writer.write(pyarrow.table({'key': keys, 'value': values}))\n"
        "sys.stdout.buffer.write(pickle.dumps([low, info]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps([writer, info, list(high)]),
        capture_output=True, check=True, cwd=path.parent,
    )
    writer.commit(pickle.loads(done.stdout))
    assert graven.TableSet(path) == ENTRIES
    with pytest.raises(ValueError, match="describes no shard"):
        ShardInfo.from_json("{}")
    with pytest.raises(graven.PublishError, match="there is no such job"):
        pickle.loads(pickle.dumps(writer))


def test_attempts_of_a_task(path):
    writer = ShardWriter(path)
    low, high = map(rows, ranges(2))

    def fails():
        yield high
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        writer.write(fails())
    infos = [writer.write(high), writer.write(low), writer.write(low)]
    assert infos[1] != infos[2] and infos[1].sha256 == infos[2].sha256
    with pytest.raises(graven.PublishError, match="range shards overlap"):
        writer.commit(infos)
    assert not (path / "CURRENT").exists()
    writer.commit(infos[:2])
    assert graven.TableSet(path) == ENTRIES
    assert staging(path) == [] and len(os.listdir(graven.TableSet(path).path)) == 3
    for late in (lambda: writer.write(low), lambda: writer.commit(infos[:2])):
        with pytest.raises(graven.ClosedError, match="the job is closed"):
            late()
    writer.abort()
    assert graven.TableSet(path) == ENTRIES


def test_what_a_shard_refuses(path):
    writer = ShardWriter(path)
    null = pyarrow.table({"key": [b"a", None], "value": [b"1", b"2"]})
    with pytest.raises(graven.EntryError, match="key of row 1 is null: leave the row out"):
        writer.write(null)
    twice = pyarrow.table({"key": [b"b", b"a", b"b"], "value": [b"1", b"2", b"3"]})
    with pytest.raises(graven.DuplicateKeyError, match='key "b"'):
        writer.write(twice)
    hashing = ShardWriter(path, hash_shards=16)
    spark = pyarrow.table({"key": [b"Spark"], "value": [b""]})
    with pytest.raises(graven.EntryError, match='"Spark" belongs to hash shard 7 of 16'):
        hashing.write(spark, 8)
    with pytest.raises(graven.PublishError, match="the job has hash shards: begin one by"):
        hashing.write(spark)
    with pytest.raises(graven.PublishError, match="the job has range shards"):
        writer.write(spark, 7)
    with pytest.raises(ValueError, match='no column "key": the columns are k'):
        writer.write(pyarrow.table({"k": [b"a"]}))
    with pytest.raises(graven.OutOfOrderError):
        ShardWriter(path, sorted=True).write(twice)
    for wrong in ({"keep": 0}, {"hash_shards": 0}, {"stale_after": -1}, {"max_shrink": 2}):
        with pytest.raises(graven.OptionError):
            ShardWriter(path, **wrong)
    with pytest.raises(TypeError, match="nonsense"):
        ShardWriter(path, nonsense=1).write(spark)
    assert not (path / "CURRENT").exists()


@pytest.mark.parametrize(
    "duplicates, kept",
    [("keep-first", [b"1"]), ("keep-last", [b"3"]), ("keep-all", [b"1", b"3"])],
)
def test_repeated_keys(path, duplicates, kept):
    writer = ShardWriter(path, duplicates=duplicates)
    twice = pyarrow.table({"key": [b"b", b"a", b"b"], "value": [b"1", b"2", b"3"]})
    manifest = writer.commit([writer.write(twice)])
    assert manifest.entries == 1 + len(kept)
    assert graven.TableSet(path).get_all(b"b") == kept


def test_sets_without_entries(path):
    assert ShardWriter(path).commit([]).entries == 0
    assert ShardWriter(path).commit([None, None]).entries == 0
    assert dict(graven.TableSet(path)) == {}
    assert len(ShardWriter(path, hash_shards=3).commit([]).shards) == 3
    assert engines.parts(path) == [] and dict(graven.TableSet(path)) == {}


def test_guards_versions_and_validation(path):
    for count in (1000, 900):
        writer = ShardWriter(path, max_shrink=0.2, validate=True)
        writer.commit([writer.write(rows(dict(sorted(ENTRIES.items())[:count])))])
    writer = ShardWriter(path, max_shrink=0.2)
    few = writer.write(rows({b"a": b"1"}))
    with pytest.raises(graven.PublishError, match="at most 20 % may be missing"):
        writer.commit([few])
    assert len(graven.TableSet(path)) == 900
    writer.abort()
    assert staging(path) == []
    versions = graven.Versions(path)
    versions.roll_back()
    assert graven.TableSet(path) == ENTRIES
    with pytest.raises(FileExistsError):
        ShardWriter(path, replace=False)
    # Another version was current a moment ago, so a reader may be about to open it.
    writer = ShardWriter(path, keep=1)
    writer.commit([writer.write(rows(ENTRIES))])
    assert len(versions.list()) == 3
    engines.KEEP_SECONDS, kept = 0, engines.KEEP_SECONDS
    try:
        writer = ShardWriter(path, keep=1)
        writer.commit([writer.write(rows(ENTRIES))])
    finally:
        engines.KEEP_SECONDS = kept
    assert len(versions.list()) == 1 and graven.TableSet(path) == ENTRIES


KILLED = """
import pickle, sys, time, pyarrow
from graven.engines import ShardWriter
writer = ShardWriter(sys.argv[1])
writer.write(pyarrow.table({"key": [b"a"], "value": [b"1"]}))
print("ready", flush=True)
time.sleep(600)
"""


def test_a_killed_driver(path):
    writer = ShardWriter(path)
    writer.commit([writer.write(rows(ENTRIES))])
    driver = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
    try:
        assert driver.stdout.readline() == b"ready\n"
        ShardWriter(path).abort()
        assert len(staging(path)) == 1  # alive, it is left alone
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        driver.stdout.close()
    assert graven.TableSet(path) == ENTRIES and len(staging(path)) == 1
    writer = ShardWriter(path)
    assert staging(path) == [writer.job.id]
    writer.commit([writer.write(rows({b"b": b"2"}))])
    assert graven.TableSet(path) == {b"b": b"2"} and staging(path) == []


def test_a_detached_job(path):
    writer = ShardWriter(path, detached=True)
    pickled = pickle.dumps(writer)
    del writer
    ShardWriter(path).abort()
    assert len(staging(path)) == 1
    copy = pickle.loads(pickled)
    info = copy.write(rows(ENTRIES))
    assert copy.commit([info]).entries == 1000 and staging(path) == []
    left = ShardWriter(path, detached=True)
    left.write(rows(ENTRIES))
    del left
    ShardWriter(path, stale_after=0).abort()
    assert staging(path) == []


def test_slices_keep_nothing_of_their_parents(path):
    """A slice of an Arrow array keeps the buffers of all of it alive. What is kept per batch until a
    shard is complete would be all batches of the task."""
    big = pyarrow.table({
        "key": [b"%08d" % n for n in range(2000)], "value": [bytes(1000)] * 2000,
    })
    allocated = []

    def slices():
        for at in range(0, 2000, 100):
            # A parent for each slice, which is dropped after it.
            parent = pyarrow.concat_tables([big, big]).combine_chunks()
            batch = parent.slice(at, 100).to_batches()[0]
            del parent
            yield batch
            del batch
            allocated.append(pyarrow.total_allocated_bytes())

    writer = ShardWriter(path)
    writer.commit([writer.write(slices())])
    assert len(graven.TableSet(path)) == 2000
    assert max(allocated) - min(allocated) < 4 * big.nbytes


def test_reading_in_parts(path):
    writer = ShardWriter(path, duplicates="keep-all")
    infos = []
    for part in ranges(3):
        table = rows(part)
        # Some key is repeated so often that it is longer than a part.
        first = table.slice(0, 1)
        infos.append(writer.write(pyarrow.concat_tables([table] + [first] * 400)))
    writer.commit(infos)
    everything = list(graven.TableSet(path).items())

    def read(**options):
        parts = engines.parts(path, **options)
        batches = [batch for part in parts for batch in engines.read(part, rows=70)]
        for batch in batches:
            assert batch.schema.names == ["key", "value"] and 0 < batch.num_rows <= 70
        cells = [(row["key"], row["value"]) for batch in batches for row in batch.to_pylist()]
        return len(parts), cells

    for part_bytes, least in ((1 << 30, 3), (3000, 6), (1, 100)):
        parts, cells = read(part_bytes=part_bytes)
        assert parts >= least and cells == everything
        for start, stop in [(b"00100", b"00101"), (b"00333", b"00900"), (None, b"00001"), (b"9", None)]:
            _, cells = read(part_bytes=part_bytes, start=start, stop=stop)
            assert cells == list(graven.TableSet(path)[start:stop].items())
    assert read(start=b"b", stop=b"a") == (0, [])
    points = [b"00999", b"00000", b"nothing", b"00000", b""]
    assert read(points=points) == (2, [(b"00000", b"0")] * 401 + [(b"00999", b"998001")])
    with pytest.raises(graven.OptionError, match="part_bytes is 0"):
        engines.parts(path, part_bytes=0)
    # A version that was exchanged under the parts is not read in its place.
    part = engines.parts(path)[0]
    os.chmod(os.path.dirname(part.file), 0o755)
    os.remove(part.file)
    graven.build(part.file, {b"x": b"y"})
    with pytest.raises(graven.OtherBuildError):
        list(engines.read(part))


@pytest.mark.parametrize("prefix, after", [
    (b"", None), (b"a", b"b"), (b"a\xff", b"b"), (b"\xff\xff", None), (b"a\x00", b"a\x01"),
])
def test_the_end_of_a_prefix(prefix, after):
    assert engines.after_prefix(prefix) == after


KINDS = [pyarrow.binary(), pyarrow.large_binary(), pyarrow.string(), pyarrow.large_string(),
         pyarrow.binary_view(), pyarrow.string_view()]


@pytest.mark.parametrize("kind", KINDS)
def test_lookups(path, kind):
    writer = ShardWriter(path, hash_shards=3)
    writer.commit([writer.write(rows(part), at) for at, part in enumerate(hashed(3))])
    keys = [b"00007", None, b"no", b"", b"00999", b"00007"] * 50
    text = "string" in str(kind)
    array = pyarrow.array([key and key.decode() if text else key for key in keys], kind)
    wanted = [ENTRIES.get(key) for key in keys]
    pinned = engines.pin(path)
    for store in (pinned, graven.TableSet(path), graven.TableSet(path).table(0)):
        found = engines.lookup(store, array)
        assert found.type == pyarrow.binary()
        if store is pinned:
            assert found.to_pylist() == wanted
            sliced = engines.lookup(store, array.slice(3, 7))
            assert sliced.to_pylist() == wanted[3:10]
    assert engines.lookup(pinned, array.slice(0, 0)).to_pylist() == []
    # A newer version is not read by those who are pinned to this one.
    writer = ShardWriter(path)
    writer.commit([])
    assert engines.lookup(pinned, array).to_pylist() == wanted
    assert engines.lookup(engines.pin(path), array).null_count == len(array)


def test_a_null_is_not_the_empty_key(path):
    writer = ShardWriter(path)
    writer.commit([writer.write(rows({b"": b"empty", b"a": b"1"}))])
    found = engines.lookup(engines.pin(path), pyarrow.array([None, b"", None, b"a"]))
    assert found.to_pylist() == [None, b"empty", None, b"1"]


def test_lookups_of_numbers(path):
    writer = ShardWriter(path)
    numbers = pyarrow.table({"key": range(500), "value": [n * 0.5 for n in range(500)]})
    writer.commit([writer.write(numbers)])
    pinned = engines.pin(path)
    found = engines.lookup(pinned, pyarrow.array([3, None, -3, 500, 0]))
    assert [value and len(value) for value in found.to_pylist()] == [8, None, None, None, 8]
    with pytest.raises(TypeError, match="keys have type Float64"):
        engines.lookup(pinned, pyarrow.array([1.5]))
    with pytest.raises(TypeError, match="expected an Arrow array"):
        engines.lookup(pinned, [b"a"])
    with pytest.raises(TypeError, match="expected a Table or a TableSet"):
        engines.lookup({}, pyarrow.array([b"a"]))
