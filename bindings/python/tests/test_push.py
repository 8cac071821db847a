"""Tasks that share no disk send their shards to an object store: here moto's S3 server, from PyPI.
Without it and obstore the tests skip. What can go wrong is what a directory's locks keep from it:
two jobs at once, attempts that come late, jobs that were killed."""

import os
import pickle
import shutil
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

import graven
from graven.engines import ShardWriter
from test_engines import ENTRIES, hashed, ranges, rows

obstore = pytest.importorskip("obstore")
if find_spec("moto") is None:
    pytest.skip("there is no moto", allow_module_level=True)
from graven import _push  # noqa: E402
from obstore.store import from_url  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The environment of an S3 server with a bucket, also for the processes that tests start."""
    said = tmp_path_factory.mktemp("moto") / "said"
    with said.open("wb") as out:
        moto = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=out, stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + 120
        while "Running on http://" not in said.read_text():
            assert moto.poll() is None and time.monotonic() < end, said.read_text()
            time.sleep(0.1)
        address = "http://" + said.read_text().split("Running on http://")[1].split()[0]
        urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT")).close()
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, value in {
                "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
            }.items():
                patch.setenv(name, value)
            yield address
    finally:
        moto.terminate()
        moto.wait()


@pytest.fixture
def place(server, request):
    return f"s3://bucket/{request.node.name.split('[')[0]}"


def names(place, prefix=None):
    found = obstore.list(from_url(place), prefix).collect()
    return sorted(one["path"] for one in found)


def current(place):
    return bytes(obstore.get(from_url(place), "CURRENT").bytes()).decode()


def fetched(place, directory):
    """The current set, as a plain copy of its objects."""
    version = current(place)
    for name in names(place, version):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bytes(obstore.get(from_url(place), name).bytes()))
    return graven.TableSet(directory / version)


def push(place, parts=None, **options):
    writer = ShardWriter(None, push=place, **options)
    return writer.commit([writer.write(rows(part)) for part in parts or ranges(3)])


def test_range_shards(place, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    writer = ShardWriter(None, push=place + "/", temp_dir=tmp_path)
    infos = [writer.write(rows(part)) for part in reversed(ranges(7))]
    assert writer.write(rows({})) is None
    assert names(place, "versions") == [] and len(names(place, "staging")) == 7
    manifest = writer.commit([None, *infos])
    assert (manifest.partition, manifest.entries, len(manifest.shards)) == ("range", 1000, 7)
    assert current(place) == f"versions/00000001-{manifest.id[:8]}"
    assert names(place) == sorted([
        "CURRENT", f"{current(place)}/MANIFEST.json",
        *(f"{current(place)}/part-{at:05}.grv" for at in range(7)),
    ])
    assert os.listdir(tmp_path) == []
    found = fetched(place, tmp_path)
    assert found == ENTRIES and found.manifest == manifest and found.verify().entries == 1000
    assert len(names(place)) == 9


def test_abort_after_a_commit_asks_nothing(place, monkeypatch):
    """Otherwise a store that does not answer would make a job fail that has succeeded."""
    writer = ShardWriter(None, push=place)
    writer.commit([writer.write(rows(ENTRIES))])
    monkeypatch.setattr(_push.PushJob, "_listed", lambda *_: pytest.fail("asks the store"))
    writer.abort()


def test_hash_shards(place, tmp_path):
    writer = ShardWriter(None, push=place, hash_shards=5, validate=True)
    infos = [writer.write(rows(part), at) for at, part in enumerate(hashed(5)) if at != 3]
    # An engine may leave out tasks without rows.
    missing = {key: value for key, value in ENTRIES.items() if graven.hash_shard(key, 5) == 3}
    manifest = writer.commit(infos)
    assert (manifest.partition, manifest.entries) == ("hash", 1000 - len(missing))
    found = fetched(place, tmp_path)
    assert found.verify().shards == 5 and len(found) == manifest.entries


def test_an_empty_set(place, tmp_path):
    assert push(place, [{}]).entries == 0
    assert fetched(place, tmp_path) == {}


def test_the_program_pulls_it(place, tmp_path):
    program = os.environ.get("GRAVEN_PROGRAM")
    if program is None:
        pytest.skip("GRAVEN_PROGRAM names no program with the feature remote")
    push(place)
    push(place, ranges(4))
    subprocess.run([program, "pull", "-q", place, "served"], cwd=tmp_path, check=True)
    served = graven.TableSet(tmp_path / "served")
    assert served == ENTRIES and len(served.manifest.shards) == 4


def test_tasks_in_other_processes(place, tmp_path):
    writer = ShardWriter(None, push=place)
    low, high = ranges(2)
    program = (
        "import pickle, sys; import pyarrow\n"
        "writer, keys = pickle.load(sys.stdin.buffer)\n"
        "values = [str(int(key) ** 2).encode() for key in keys]\n"
        "info = writer.write(pyarrow.table({'key': keys, 'value': values}))\n"
        "sys.stdout.buffer.write(pickle.dumps(info))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps([writer, list(high)]),
        capture_output=True, check=True, cwd=tmp_path,
    )
    writer.commit([writer.write(rows(low)), pickle.loads(done.stdout)])
    assert fetched(place, tmp_path) == ENTRIES


def test_attempts_that_do_not_count(place, tmp_path):
    """Of two attempts one is named; the other's shard is removed, also if it comes late."""
    writer = ShardWriter(None, push=place, stale_after=0)
    late = pickle.loads(pickle.dumps(writer))
    low, high = ranges(2)
    infos = [writer.write(rows(low)), writer.write(rows(high))]
    assert writer.write(rows(high)) != infos[1]
    with pytest.raises(graven.PublishError, match="range shards overlap"):
        writer.commit([*infos, writer.write(rows(high))])
    assert names(place, "versions") == []
    writer.commit(infos)
    assert names(place, "staging") == []
    late.write(rows(high))
    assert len(names(place, "staging")) == 1
    time.sleep(1.1)  # the store's times have whole seconds
    push(place, stale_after=1)
    assert names(place, "staging") == [] and fetched(place, tmp_path) == ENTRIES


def test_abort(place):
    writer = ShardWriter(None, push=place)
    writer.write(rows(ENTRIES))
    writer.abort()
    assert names(place) == []


def test_of_two_jobs_at_once_one_wins(place, tmp_path, monkeypatch):
    first, second = (ShardWriter(None, push=place) for _ in range(2))
    info = first.write(rows({b"a": b"1"}))
    others = [second.write(rows(part)) for part in ranges(2)]
    point = _push.PushJob._point_to

    def between(job, directory, before):
        if job is first.job:
            second.commit(others)
        point(job, directory, before)

    monkeypatch.setattr(_push.PushJob, "_point_to", between)
    with pytest.raises(graven.PublishError, match="another job won: .* from none to versions/0000"):
        first.commit([info])
    assert fetched(place, tmp_path) == ENTRIES
    # The same with a version before them.
    first, second = (ShardWriter(None, push=place) for _ in range(2))
    info, others = first.write(rows({b"a": b"1"})), [second.write(rows({b"b": b"2"}))]
    with pytest.raises(graven.PublishError, match="another job won: .* from versions/.* to versi"):
        first.commit([info])
    assert fetched(place, tmp_path) == {b"b": b"2"}


def test_a_lost_answer_is_no_lost_race(place, monkeypatch):
    put, answers = _push.PushJob._put, []

    def twice(job, name, data, mode):
        put(job, name, data, mode)
        if name == "CURRENT":
            answers.append(mode)
            put(job, name, data, mode)  # as the client does when no answer comes

    monkeypatch.setattr(_push.PushJob, "_put", twice)
    push(place)
    manifest = push(place, ranges(2))
    assert current(place) == f"versions/00000002-{manifest.id[:8]}" and len(answers) == 2


def test_a_job_that_was_killed(place, tmp_path):
    """Between the shards and the manifest: what was current stays, and a later job cleans up."""
    push(place, [{b"old": b"1"}])
    program = (
        "import os, pickle, sys\n"
        "from graven import _push\n"
        "sys.path.insert(0, os.environ['TESTS'])\n"
        "from test_push import push, ranges\n"
        "_push.PushJob._put = lambda *_: os.kill(os.getpid(), 9)\n"
        f"push({place!r}, ranges(3))\n"
    )
    environment = {**os.environ, "TESTS": str(Path(__file__).parent)}
    killed = subprocess.run([sys.executable, "-c", program], env=environment)
    assert killed.returncode == -9
    assert fetched(place, tmp_path) == {b"old": b"1"}
    assert len(names(place, "staging")) == 3 and len(names(place, "versions")) == 5
    push(place, [{b"new": b"2"}])
    # Another job may still be at work there.
    assert len(names(place, "staging")) == 3 and len(names(place, "versions")) == 7
    time.sleep(1.1)
    push(place, [{b"newer": b"3"}], stale_after=0.5)
    assert names(place, "staging") == [] and len(names(place, "versions")) == 6
    assert fetched(place, tmp_path) == {b"newer": b"3"}


def test_versions_are_kept_and_removed(place, monkeypatch):
    for number in range(4):
        push(place, [{b"key": b"%d" % number}])
    numbers = lambda: sorted({int(name.split("/")[1][:8]) for name in names(place, "versions")})
    push(place, keep=2)  # but none is old enough
    assert numbers() == [1, 2, 3, 4, 5]
    monkeypatch.setattr("graven.engines.KEEP_SECONDS", 0.0)
    time.sleep(1.1)
    push(place, [{b"key": b"value"}], keep=2)
    assert numbers() == [5, 6]
    # What was current a moment ago stays also beyond `keep`: somebody may be fetching it.
    time.sleep(1.1)
    push(place, keep=1)
    assert numbers() == [6, 7]
    # The number goes on from the pointer's where versions are gone.
    obstore.delete(from_url(place), [name for name in names(place, "versions")])
    push(place)
    assert numbers() == [8]


def test_guards(place):
    push(place)
    with pytest.raises(graven.PublishError, match="has 10 entries, at least 11 are wanted"):
        push(place, [dict(list(ENTRIES.items())[:10])], min_entries=11)
    with pytest.raises(graven.PublishError, match=r"has 900 .* the current one 1000, .* most 5 %"):
        push(place, [dict(list(ENTRIES.items())[:900])], max_shrink=0.05)
    push(place, [dict(list(ENTRIES.items())[:900])], max_shrink=0.1)
    with pytest.raises(FileExistsError, match="has a set already, versions/00000002-"):
        push(place, replace=False)
    # Also if it came while the job ran.
    obstore.delete(from_url(place), "CURRENT")
    late = ShardWriter(None, push=place, replace=False)
    push(place)
    with pytest.raises(FileExistsError, match="has a set already, versions/00000003-"):
        late.commit([late.write(rows(ENTRIES))])
    obstore.delete(from_url(place), f"{current(place)}/MANIFEST.json")
    with pytest.raises(graven.PublishError, match="MANIFEST.json: is missing, so the sets can't"):
        push(place, max_shrink=0.1)


def test_shards_that_are_not_what_was_sent(place):
    writer = ShardWriter(None, push=place)
    info = writer.write(rows(ENTRIES))
    store, (name,) = from_url(place), names(place, "staging")
    obstore.put(store, name, b"short")
    with pytest.raises(graven.PublishError, match=f"{name}: has 5 bytes, and {info.bytes} bytes"):
        writer.commit([info])
    obstore.delete(store, name)
    with pytest.raises(graven.PublishError, match=f"{name}: is missing"):
        writer.commit([info])
    assert "CURRENT" not in names(place)


def test_a_shard_that_changed_on_its_way(place, monkeypatch):
    put = obstore.put

    def changed(store, name, file, **options):
        data = bytearray(file.read_bytes())
        data[100] ^= 1
        put(store, name, bytes(data), **options)

    monkeypatch.setattr(obstore, "put", changed)
    with pytest.raises(graven.DamagedError, match="has SHA-256 .* was sent: build the shard again"):
        ShardWriter(None, push=place, validate=True).write(rows(ENTRIES))


def test_large_shards_go_through_the_driver(place, tmp_path, monkeypatch):
    monkeypatch.setattr(_push, "_MOST_COPIED", 100)
    monkeypatch.setattr(obstore, "copy", lambda *_: pytest.fail("the store copies"))
    # In several parts, of which S3 wants 5 MiB and more.
    long = {b"%d" % n: os.urandom(1 << 20) for n in range(12)}
    push(place, [long])
    assert fetched(place, tmp_path) == long


def test_bad_pointers(place):
    obstore.put(from_url(place), "CURRENT", b"versions/../../x")
    with pytest.raises(graven.PublishError, match="CURRENT: leads to no version of a set: 'versio"):
        ShardWriter(None, push=place)
    obstore.put(from_url(place), "CURRENT", b"x" * 2000)
    with pytest.raises(graven.PublishError, match="CURRENT: has 2000 bytes, expected 1024 at most"):
        ShardWriter(None, push=place)


def test_what_is_refused(place, tmp_path):
    for arguments, text in [
        (dict(path=None), "option path is None"),
        (dict(path=tmp_path, push=place), "options path and push both say"),
        (dict(path=None, push=place, hash_shards=0), "option hash_shards is 0"),
        (dict(path=None, push=place, max_shrink=2), "option max_shrink is 2"),
        (dict(path=None, push=place, mode=0o644), "option mode is of files"),
    ]:
        with pytest.raises(graven.OptionError, match=text):
            ShardWriter(**arguments)
    with pytest.raises(FileNotFoundError, match="missing"):
        ShardWriter(None, push=place, temp_dir=tmp_path / "missing").write(rows(ENTRIES))
    with pytest.raises(graven.PublishError, match="nowhere"):
        ShardWriter(None, push="nowhere")
    with pytest.raises(graven.PublishError, match="s3://no-such-bucket/x/"):
        ShardWriter(None, push="s3://no-such-bucket/x").write(rows(ENTRIES))


def test_without_obstore(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(graven.OptionError, match=r'obstore: pip install "graven\[push\]"'):
        ShardWriter(None, push="s3://bucket/x")


SPARK = """
import os, sys
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark import TaskContext
from pyspark.sql import SparkSession, functions as sf
import graven.spark

builder = SparkSession.builder.master("local[2,4]").config("spark.ui.enabled", "false")
spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
def fails_once(batches):
    if TaskContext.get().attemptNumber() == 0 and TaskContext.get().partitionId() == 1:
        raise OSError("once")
    yield from batches
rows = spark.range(3000, numPartitions=3).select(
    sf.format_string("%05d", "id").alias("key"), sf.col("id").cast("string").alias("value")
)
rows = rows.mapInArrow(fails_once, rows.schema)
for partition in ("hash", "range"):
    graven.spark.write_table(rows, push=sys.argv[1], shards=4, partition=partition)
"""


def test_spark_tasks_send_their_shards(place, tmp_path):
    pytest.importorskip("pyspark", minversion="4.1")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("there is no Java")
    subprocess.run([sys.executable, "-c", SPARK, place], check=True, cwd=tmp_path)
    found = fetched(place, tmp_path)
    assert found == {b"%05d" % n: b"%d" % n for n in range(3000)} and found.verify()
    assert (found.manifest.partition, current(place)[:17]) == ("range", "versions/00000002")
    assert names(place, "staging") == []


def test_slices_pass_without_their_parents(place, tmp_path):
    whole = rows(ENTRIES)
    writer = ShardWriter(None, push=place)
    infos = [writer.write(whole.slice(at, 250).to_batches()) for at in range(0, 1000, 250)]
    assert [info.entries for info in infos] == [250] * 4
    writer.commit(infos)
    assert fetched(place, tmp_path) == ENTRIES
