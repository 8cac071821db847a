"""Spark runs tasks again, twice, on executors that die, and gives rows in no order that it keeps. Each
of these must give the set of exactly the rows, or an error and the set that was current."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

pytest.importorskip("pyspark", minversion="4.1")
pytest.importorskip("pyarrow")
if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
    pytest.skip("there is no Java", allow_module_level=True)

import pyspark
from pyspark import TaskContext
from pyspark.errors import PythonException
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

import graven
import graven.spark
from graven import engines
from graven.engines import ShardWriter
from test_guides import DOCS, END, program

os.environ["PYSPARK_PYTHON"] = sys.executable
#: One executor of two threads that tries a failed task three times more, and two executors.
LOCAL, CLUSTER = "local[2,4]", "local-cluster[2,1,1024]"
#: Spark's own programs, which a cluster starts.
SPARK = os.environ | {"SPARK_HOME": os.path.dirname(pyspark.__file__)}
COUNT = 3000


def session(master, **options):
    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    builder = builder.config("spark.sql.shuffle.partitions", "3")
    builder = builder.config("spark.driver.host", "127.0.0.1")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    for name, value in options.items():
        builder = builder.config(name.replace("__", "."), value)
    found = builder.getOrCreate()
    found.sparkContext.setLogLevel("OFF")
    return found


@pytest.fixture(scope="module")
def spark():
    found = session(LOCAL)
    yield found
    found.stop()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set"


def staging(path):
    return os.listdir(path / "staging")


def frame(spark, count=COUNT):
    """Keys of several lengths whose order as strings is not that of their numbers."""
    number = sf.col("id")
    key = sf.concat(sf.lit("key/"), sf.conv(number.cast("string"), 10, 36))
    value = sf.concat(sf.lit("value "), number.cast("string"))
    return spark.range(count, numPartitions=3).select(
        "id", key.cast("binary").alias("key"), value.cast("binary").alias("value")
    )


def entries(count=COUNT):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

    def text(n):
        return (text(n // 36) if n >= 36 else "") + digits[n % 36]

    return {f"key/{text(n)}".encode(): b"value %d" % n for n in range(count)}


def digest(items):
    """A digest over entries in order; each length is part of it."""
    total = hashlib.sha256()
    for key, value in items:
        total.update(b"%d %d " % (len(key), len(value)) + key + value)
    return total.hexdigest()


def check(path, wanted=None):
    """The set has these entries, each shard is sound and has its keys, and nothing else is left."""
    wanted = entries() if wanted is None else wanted
    with graven.TableSet(path) as found:
        assert len(found) == len(wanted)
        assert digest(found.items()) == digest(sorted(wanted.items()))
        assert found.verify().entries == len(wanted)
        assert len(os.listdir(found.path)) == len(found.manifest.shards) + 1
    assert staging(path) == []


# -- Writing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["graven", "spark"])
@pytest.mark.parametrize("partition", ["range", "hash"])
def test_write_table(spark, path, partition, sort):
    manifest = graven.spark.write_table(
        frame(spark), path, shards=4, partition=partition, sort=sort, validate=True
    )
    assert (manifest.partition, manifest.entries, len(manifest.shards)) == (partition, COUNT, 4)
    check(path)
    # The same rows in another order, as strings.
    text = frame(spark).select(
        sf.col("key").cast("string").alias("a.b"), sf.col("value").cast("string").alias("v")
    )
    options = {"shards": 4, "partition": partition, "sort": sort, "keep": 2}
    graven.spark.write_table(text.orderBy("v"), path, key="a.b", value="v", **options)
    check(path)
    assert len(graven.Versions(path).list()) == 2


def test_target_bytes(spark, path):
    # An entry has 16 to 17 bytes, and 8 for what the table adds.
    manifest = graven.spark.write_table(frame(spark), path, target_bytes=20_000)
    assert len(manifest.shards) == 4 and max(shard.bytes for shard in manifest.shards) < 30_000
    check(path)
    assert len(graven.spark.write_table(frame(spark), path).shards) == 1


def test_the_hash_is_sparks(spark):
    keys = [os.urandom(length) for length in range(100)] + [b"", b"a", b"Spark", b"graven"]
    rows = spark.createDataFrame([(key,) for key in keys], "key binary")
    for shards in (1, 16, 1000):
        number = sf.pmod(sf.xxhash64("key"), sf.lit(shards))
        for row in rows.select("key", number.alias("number")).collect():
            assert row.number == graven.hash_shard(row.key, shards)


def test_the_order_is_that_of_bytes(spark, path):
    """Spark's order of binary columns is that of unsigned bytes, also in its sort by prefixes."""
    wanted = {bytes([a, b]): b"" for a in range(0, 256, 3) for b in (0, 1, 127, 128, 255)}
    wanted |= {bytes([a]) * 9: b"" for a in range(256)} | {b"": b""}
    rows = spark.createDataFrame(list(wanted.items()), "key binary, value binary")
    graven.spark.write_table(rows.repartition(3), path, shards=5, sort="spark")
    check(path, wanted)


def test_numbers(spark, path):
    rows = spark.range(1000).select("id", (sf.col("id") * 0.5).alias("half"))
    for partition in ("range", "hash"):
        graven.spark.write_table(
            rows, path, key="id", value="half", shards=3, partition=partition
        )
        typed = graven.TableSet(path).typed(key=">q", value="<d")
        assert (typed[7], typed[999], len(typed)) == (3.5, 499.5, 1000)
        check(path, dict(graven.TableSet(path).items()))
        found = graven.spark.lookup_join(rows.select("id"), path, on="id").where("value is null")
        assert found.count() == 0
    with pytest.raises(Exception, match="key of a row is negative, in column id: -1"):
        graven.spark.write_table(
            rows.select(sf.col("id") - 1).toDF("id").withColumn("half", sf.lit(1)),
            path, key="id", value="half", shards=2,
        )
    assert len(graven.TableSet(path)) == 1000 and staging(path) == []


@pytest.mark.parametrize("partition", ["range", "hash"])
def test_frames_without_rows(spark, path, partition):
    nothing = frame(spark).where("id < 0")
    manifest = graven.spark.write_table(nothing, path, shards=3, partition=partition)
    assert len(manifest.shards) == (3 if partition == "hash" else 1)
    check(path, {})
    literally = spark.createDataFrame([], "key string, value string")
    graven.spark.write_table(literally, path, shards=3, partition=partition)
    check(path, {})
    # More shards than keys: most partitions are empty.
    few = frame(spark).where("id < 2")
    manifest = graven.spark.write_table(few, path, shards=20, partition=partition)
    assert len(manifest.shards) == (20 if partition == "hash" else 2)
    check(path, entries(2))


@pytest.mark.parametrize("partition", ["range", "hash"])
def test_rows_that_are_refused(spark, path, partition):
    graven.spark.write_table(frame(spark, 10), path)
    options = {"shards": 2, "partition": partition}
    null = frame(spark, 10).withColumn("key", sf.when(sf.col("id") != 5, sf.col("key")))
    with pytest.raises(PythonException, match=r"key of row \d is null: leave the row out"):
        graven.spark.write_table(null, path, **options)
    null = frame(spark, 10).withColumn("value", sf.when(sf.col("id") != 5, sf.col("value")))
    with pytest.raises(PythonException, match=r"value of row \d is null: leave the row out"):
        graven.spark.write_table(null, path, **options)
    twice = frame(spark, 10).union(frame(spark, 3))
    with pytest.raises(PythonException, match="occurs more than once"):
        graven.spark.write_table(twice, path, **options)
    check(path, entries(10))
    for dup, count in [("keep-first", 1), ("keep-last", 1), ("keep-all", 2)]:
        manifest = graven.spark.write_table(twice, path, dup=dup, **options)
        assert manifest.entries == 7 + 3 * count
        assert graven.TableSet(path).count_of(b"key/1") == count
        assert graven.TableSet(path).verify().keys == 10


def test_what_is_refused_beforehand(spark, path):
    rows = frame(spark, 10).withColumn("when", sf.current_date())
    for arguments, error, text in [
        ({"key": "k"}, ValueError, 'no column "k": the columns are id, key, value, when'),
        ({"key": "when"}, TypeError, 'column "when" has type date: cast it to binary, string'),
        ({"value": "when"}, TypeError, "for example with to_json"),
        ({"shards": 0}, graven.OptionError, "option shards is 0, expected 1 or more"),
        ({"shards": 2, "target_bytes": 9}, graven.OptionError, "give one"),
        ({"partition": "list"}, graven.OptionError, 'partition is "list", expected "range" or'),
        ({"sort": "list"}, graven.OptionError, 'sort is "list", expected "graven" or "spark"'),
        ({"shards": 1, "keep": 0}, graven.OptionError, "keep is 0, expected 1 or more"),
        ({"shards": 1, "max_shrink": 2}, graven.OptionError, "max_shrink"),
    ]:
        with pytest.raises(error, match=text):
            graven.spark.write_table(rows, path, **arguments)
    assert not path.exists()
    graven.spark.write_table(rows, path, shards=2)
    with pytest.raises(graven.PublishError, match="at most 50 % may be missing"):
        graven.spark.write_table(rows.where("id < 2"), path, shards=2, max_shrink=0.5)
    check(path, entries(10))


# -- Attempts --------------------------------------------------------------------------------------


def write_with(spark, path, partition, before=None, after=None, shards=4):
    """As `write_table` writes, with a function in the task before the shard is written, and one
    behind it."""
    rows, shards = graven.spark._divided(
        frame(spark), "key", "value", shards, None, partition, "graven"
    )
    writer = ShardWriter(path, hash_shards=shards if partition == "hash" else None)
    if before is not None:
        rows = rows.mapInArrow(before, rows.schema)
    infos = rows.mapInArrow(graven.spark._task(writer), "info string")
    if after is not None:
        infos = infos.mapInArrow(after, infos.schema)
    found = [engines.ShardInfo.from_json(row.info) for row in infos.collect()]
    return writer, found


@pytest.mark.parametrize("partition", ["range", "hash"])
def test_a_task_that_fails_twice(spark, path, partition):
    def amid(batches):
        for number, batch in enumerate(batches):
            yield batch
            if TaskContext.get().partitionId() == 1 and TaskContext.get().attemptNumber() < 2:
                raise RuntimeError("amid the rows")

    writer, infos = write_with(spark, path, partition, before=amid)
    assert writer.commit(infos).entries == COUNT
    check(path)


def test_a_task_that_fails_after_its_shard(spark, path):
    def behind(batches):
        found = list(batches)
        if TaskContext.get().partitionId() == 1 and TaskContext.get().attemptNumber() < 2:
            raise RuntimeError("behind the shard")
        yield from found

    writer, infos = write_with(spark, path, "range", after=behind)
    shards = [name for name in os.listdir(path / "staging" / writer.job.id) if name[0] != "j"]
    assert (len(infos), len(shards)) == (4, 6)
    assert writer.commit(infos).entries == COUNT
    check(path)


def test_a_job_that_fails(spark, path):
    graven.spark.write_table(frame(spark, 10), path)
    broken = frame(spark).withColumn("value", sf.when(sf.col("id") < 2990, sf.col("value"))
                                     .otherwise(sf.raise_error(sf.lit("broken"))))
    with pytest.raises(Exception, match="broken"):
        graven.spark.write_table(broken, path, shards=3)
    check(path, entries(10))


DRIVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import test_spark
from pyspark import TaskContext

def slow(batches):
    yield from batches
    if TaskContext.get().partitionId() == 1:
        time.sleep(600)

test_spark.write_with(test_spark.session(test_spark.LOCAL), sys.argv[2], "range", before=slow)
"""


def until(true, seconds=180):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.2)


def test_a_killed_driver(spark, path):
    graven.spark.write_table(frame(spark, 10), path)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, __file__, path], start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=path.parent,
    )
    try:
        # Some shard is there, and no manifest.
        until(lambda: driver.poll() is not None or list((path / "staging").glob("*/*.grv")))
        assert driver.poll() is None
    finally:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
    with graven.TableSet(path) as found:
        assert dict(found) == entries(10)
    # Once its tasks have noticed, the next job removes what it left.
    left = staging(path)
    assert len(left) == 1

    def swept():
        ShardWriter(path).abort()
        return staging(path) == []

    until(swept)
    graven.spark.write_table(frame(spark), path, shards=3)
    check(path)


CLUSTERED = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, str(Path(sys.argv[1]).parent))
import test_spark
from pyspark import TaskContext

what, path, marks, master = sys.argv[2:]

def first(name):
    try:
        os.close(os.open(f"{marks}/{name}", os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False

def killing(batches):
    for batch in batches:
        yield batch
        # The first attempt of this shard takes its executor with it.
        if TaskContext.get().partitionId() == 1 and first("killed"):
            daemon = os.getppid()
            executor = int(Path(f"/proc/{daemon}/stat").read_text().rsplit(")")[1].split()[1])
            os.kill(executor, signal.SIGKILL)
            time.sleep(600)

def slow(batches):
    yield from batches
    # The first attempt of this shard hangs, until another one has won.
    if TaskContext.get().partitionId() == 1 and first("slow"):
        time.sleep(600)

spark = test_spark.session(master, **{
    "spark__speculation": what == "slow", "spark__speculation__interval": "200ms",
    "spark__speculation__quantile": 0.5, "spark__speculation__minTaskRuntime": "200ms",
    "spark__speculation__multiplier": 1.1, "spark__executor__memory": "512m",
    "spark__executorEnv__PYTHONPATH": str(Path(sys.argv[1]).parent),
})
before, partition = (killing, "hash") if what == "killed" else (slow, "range")
writer, infos = test_spark.write_with(spark, path, partition, before)
writer.commit(infos)
print("attempts", sorted(os.listdir(marks)), len(infos))
spark.stop()
"""


def clustered(what, master, path, tmp_path):
    """Writes a set in a cluster of two executors in processes of their own."""
    marks = tmp_path / "marks"
    marks.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CLUSTERED, __file__, what, path, marks, master], env=SPARK,
        cwd=tmp_path, capture_output=True, text=True, timeout=540,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"attempts ['{what}'] 4" in done.stdout
    check(path)


def test_an_executor_that_is_killed(path, tmp_path):
    clustered("killed", CLUSTER, path, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the addresses 127.0.0.2 and 127.0.0.3")
def test_a_task_that_is_overtaken(path, tmp_path):
    """Speculation starts another attempt on another host only, so each worker has its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    master = f"spark://127.0.0.1:{port}"
    deploy = [f"{SPARK['SPARK_HOME']}/bin/spark-class", "org.apache.spark.deploy"]
    commands = [["master.Master", "--host", "127.0.0.1", "--port", port]] + [
        ["worker.Worker", "--host", f"127.0.0.{n}", "--cores", "1", "--memory", "1g",
         "--work-dir", tmp_path / f"work-{n}", master]
        for n in (2, 3)
    ]
    running = [
        subprocess.Popen(
            [deploy[0], f"{deploy[1]}.{kind}", *arguments, "--webui-port", "0"], env=SPARK,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        for kind, *arguments in commands
    ]
    try:
        clustered("slow", master, path, tmp_path)
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# -- Joining ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("partition", ["range", "hash"])
def test_lookup_join(spark, path, partition):
    graven.spark.write_table(frame(spark), path, shards=3, partition=partition)
    keys = [b"key/1", b"key/ZZZZ", None, b"", b"key/2BB", b"key/1"]
    rows = spark.createDataFrame([(n, key) for n, key in enumerate(keys)], "n int, k binary")
    found = graven.spark.lookup_join(rows, path, on="k")
    assert found.columns == ["n", "k", "value"] and found.schema["value"].dataType.typeName() == "binary"
    wanted = [(n, entries().get(key)) for n, key in enumerate(keys)]
    assert sorted((row.n, row.value) for row in found.collect()) == wanted
    inner = graven.spark.lookup_join(rows, path, on="k", how="inner", value="found")
    assert sorted((row.n, row.found) for row in inner.collect()) == [w for w in wanted if w[1]]
    # As a join of Spark's own.
    left = frame(spark, 2 * COUNT).select(sf.col("key").cast("string").alias("k"))
    joined = graven.spark.lookup_join(left, path, on="k", how="inner", max_mapped_bytes=1)
    right = frame(spark).select(sf.col("key").cast("string").alias("k"), "value")
    assert joined.exceptAll(left.join(right, "k")).count() == 0 and joined.count() == COUNT
    # A version that comes later is not seen.
    graven.spark.write_table(frame(spark, 1), path)
    assert inner.count() == 3
    with pytest.raises(ValueError, match='has a column "k" already'):
        graven.spark.lookup_join(rows, path, on="k", value="k")
    with pytest.raises(ValueError, match='no column "key"'):
        graven.spark.lookup_join(rows, path, on="key")
    with pytest.raises(graven.OptionError, match='how is "outer"'):
        graven.spark.lookup_join(rows, path, on="k", how="outer")
    with pytest.raises(FileNotFoundError):
        graven.spark.lookup_join(rows, path / "nothing", on="k")


# -- The data source -------------------------------------------------------------------------------


@pytest.fixture
def registered(spark):
    graven.spark.register(spark)
    return spark


def load(spark, path, schema=None, **options):
    reader = spark.read.format("graven").options(**options)
    return (reader.schema(schema) if schema else reader).load(str(path))


@pytest.mark.parametrize("partition", ["range", "hash"])
def test_read(registered, path, partition):
    graven.spark.write_table(frame(registered), path, shards=3, partition=partition)
    wanted = sorted(entries().items())
    for options in ({}, {"partBytes": 5000}):
        rows = load(registered, path, **options)
        assert rows.columns == ["key", "value"]
        assert rows.rdd.getNumPartitions() >= (9 if options else 3)
        assert sorted((bytes(row.key), bytes(row.value)) for row in rows.collect()) == wanted
    text = load(registered, path, "key string, value string")
    assert text.where("key = 'key/A'").collect() == [("key/A", "value 10")]
    assert text.where("value = 'value 10'").collect() == [("key/A", "value 10")]
    with pytest.raises(Exception, match="expected the columns key and value, each binary or string"):
        load(registered, path, "key binary, value int").collect()
    with pytest.raises(Exception, match='partBytes is "many", expected a number'):
        load(registered, path, partBytes="many").collect()
    with pytest.raises(Exception, match="give the path of the set"):
        registered.read.format("graven").load().collect()
    graven.spark.write_table(frame(registered, 0), path, shards=3, partition=partition)
    assert load(registered, path).collect() == []


FILTERS = [
    ("key = X'6B65792F41'", lambda key: key == b"key/A"),
    ("key <=> X'6B65792F41'", lambda key: key == b"key/A"),
    ("key IN (X'6B65792F41', X'00', X'6B65792F41', X'6B65792F42')", lambda key: key in (b"key/A", b"key/B")),
    ("key > X'6B65792F41'", lambda key: key > b"key/A"),
    ("key >= X'6B65792F41'", lambda key: key >= b"key/A"),
    ("key < X'6B65792F41'", lambda key: key < b"key/A"),
    ("key <= X'6B65792F41' AND key > X'6B65792F3100'", lambda key: b"key/1\0" < key <= b"key/A"),
    ("key > X'6B65792F41' AND key < X'6B'", lambda key: False),
    ("key = X'6B65792F41' AND key > X'6B65792F41'", lambda key: False),
    ("key IN (X'6B65792F41', X'6B65792F42') AND key = X'6B65792F42'", lambda key: key == b"key/B"),
    ("key IN (X'6B65792F41', X'6B65792F42') AND key IN (X'6B65792F42', X'6B65792F43')", lambda key: key == b"key/B"),
    ("key IS NULL", lambda key: False),
    ("key IS NOT NULL", lambda key: True),
    ("key <> X'6B65792F41'", lambda key: key != b"key/A"),
    ("NOT key > X'6B65792F41'", lambda key: not key > b"key/A"),
    ("key = X'6B65792F41' OR key = X'6B65792F42'", lambda key: key in (b"key/A", b"key/B")),
]
TEXT_FILTERS = [
    ("key LIKE 'key/A%'", lambda key: key.startswith(b"key/A")),
    ("key LIKE '%A'", lambda key: key.endswith(b"A")),
    ("key LIKE 'key/A%' AND key >= 'key/A5'", lambda key: key.startswith(b"key/A") and key >= b"key/A5"),
    ("key BETWEEN 'key/1' AND 'key/2'", lambda key: b"key/1" <= key <= b"key/2"),
    ("startswith(key, '')", lambda key: True),
]


def test_filters(registered, path):
    graven.spark.write_table(frame(registered), path, shards=3)
    everything = set(entries())
    for schema, filters in ((None, FILTERS), ("key string, value binary", TEXT_FILTERS)):
        for condition, wanted in filters:
            rows = load(registered, path, schema, partBytes=10000).where(condition)
            found = [row.key if schema is None else row.key.encode() for row in rows.collect()]
            assert sorted(map(bytes, found)) == sorted(filter(wanted, everything)), condition


def test_filters_decide_what_is_read(registered, path):
    graven.spark.write_table(frame(registered), path, shards=3)
    first = graven.TableSet(path).manifest.shards[0]
    # Two shards that nobody may touch.
    for shard in graven.TableSet(path).manifest.shards[1:]:
        os.remove(os.path.join(graven.TableSet(path).path, shard.file))
    rows = load(registered, path)
    key = sf.col("key")
    assert rows.where(key == sf.lit(first.first_key)).count() == 1
    assert rows.where(key.isin(first.first_key, first.last_key)).count() == 2
    assert rows.where(key.isin(first.first_key, first.last_key, None)).count() == 2
    assert rows.where(key <= sf.lit(first.last_key)).count() == first.entries
    text = load(registered, path, "key string, value string")
    assert text.where(f"key <= '{first.last_key.decode()}'").count() == first.entries
    assert text.where("key LIKE 'a%'").count() == 0
    with pytest.raises(Exception, match="No such file"):
        rows.where(key > sf.lit(first.last_key)).count()


@pytest.mark.parametrize("partition", ["range", "hash"])
def test_the_writer_of_the_format(registered, path, partition):
    def save(rows, mode="overwrite", **options):
        rows.write.format("graven").mode(mode).options(**options).save(str(path))

    options = {"hashShards": 3} if partition == "hash" else {}
    divided = graven.spark.partitioned(
        frame(registered), key="key", value="value", shards=3, partition=partition
    )
    save(divided, "append", keep=5, validate="true", **options)
    check(path)
    # A version is never added to.
    with pytest.raises(Exception, match="was not to be replaced"):
        save(divided, "append", **options)
    save(divided, **options)
    check(path)
    assert len(graven.Versions(path).list()) == 2
    with pytest.raises(Exception, match="range shards overlap|belongs to hash shard"):
        save(frame(registered).repartition(3), **options)
    renamed = frame(registered).toDF("id", "k", "v")
    with pytest.raises(Exception, match='no column "key": the columns are id, k, v; name the key'):
        save(renamed, **options)
    with pytest.raises(Exception, match='keep is "two", expected a number'):
        save(divided, keep="two", **options)
    check(path)
    twice = graven.spark.partitioned(
        frame(registered, 10).union(frame(registered, 10)), shards=3, partition=partition
    )
    save(twice.toDF("k", "v"), key="k", value="v", dup="keep-last", **options)
    check(path, entries(10))
    assert load(registered, path).count() == 10


# -- The guide -------------------------------------------------------------------------------------


def test_the_guide(tmp_path):
    """The blocks of Python in docs/spark.md run as one program, and print what stands below them."""
    script, printed = program(without_commands((DOCS / "spark.md").read_text()))
    assert len(printed) == 5 and all(printed)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=540
    )
    assert done.returncode == 0, done.stderr[-4000:]
    *got, rest = done.stdout.split(END + "\n")
    assert got == printed and rest == ""


def without_commands(guide):
    """The guide without the picture and the commands: only Python, and what it prints."""
    kept, inside = [], None
    for line in guide.splitlines(keepends=True):
        if inside is None and line.startswith("```"):
            inside = line[3:].strip() or "none"
            kept.append(line if inside in ("python", "text") else "\n")
        elif line == "```\n":
            kept.append(line if inside in ("python", "text") else "\n")
            inside = None
        else:
            kept.append("\n" if inside in ("none", "sh") else line)
    return "".join(kept)
