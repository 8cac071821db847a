"""Measures sets built by Spark, and joins with them, in one run.

    pip install './bindings/python[spark]'
    python bindings/python/bench/spark.py --rows 10000000

The rows are keys like those of locale data (about 50 bytes, long common prefixes) with values of 8
to 30 bytes, written as Parquet once. Each measure is a process of its own with a new JVM,
``local[2]``, warmed up by a job on some rows; its time is that on the clock, and its memory the most
that its processes had together (PSS, so that shared pages count once), looked at twice a second.

Builds: a scan of the rows, then the same with the shuffle, with Spark's sort, and with the set
written, so that the differences are what each step costs; beside it the table that one process
builds of the same Parquet file, by ``graven.build_arrow`` and, with --graven PROGRAM, by ``graven
build`` from lines. Each set is compared with that table: number of entries, and a SHA-256 over all
entries in order. The same for two sets that were written under faults: of ranges, by a task that
fails twice amid its rows, and by hash, in a cluster of two executors, one of which is killed. Joins:
every key once in random order, and one in ten that no set has, joined by ``lookup_join``, by Spark's
broadcast join and by its shuffle join; each sums the values' lengths.

Results go to bench/results/spark.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHARDS = 8


# -- One measure, in a process of its own ----------------------------------------------------------


#: Where a measure runs: with two threads, with tasks that are tried again, in two processes.
MASTERS = {"twice": "local[2,4]", "killed": "local-cluster[2,1,3072]"}


def session(memory, master):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    import pyspark
    from pyspark.sql import SparkSession

    os.environ.setdefault("SPARK_HOME", os.path.dirname(pyspark.__file__))
    builder = SparkSession.builder.master(master).config("spark.ui.enabled", "false")
    for name, value in {
        "spark.driver.memory": memory,
        "spark.driver.maxResultSize": "0",
        "spark.executor.memory": "3g",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": SHARDS,
        "spark.sql.autoBroadcastJoinThreshold": -1,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def measured(name, work, memory):
    """Runs one measure; gives seconds and what the work returned."""
    import graven.spark
    from pyspark.sql import functions as sf

    if name == "build_arrow":
        import graven
        import pyarrow.parquet

        def batches():
            for file in sorted((work / "rows").glob("*.parquet")):
                yield from pyarrow.parquet.ParquetFile(file).iter_batches(1 << 16)

        begin = time.perf_counter()
        graven.build_arrow(work / "table.grv", batches(), key="key", value="value")
        return time.perf_counter() - begin
    spark = session(memory, MASTERS.get(name.split()[-1], "local[2]"))
    if name == "rows":
        number = sf.col("id")
        key = sf.concat_ws(
            "/",
            sf.concat(sf.lit("l"), sf.conv((number % 701).cast("string"), 10, 36), sf.lit("-"),
                      sf.upper(sf.conv((number % 251).cast("string"), 10, 36))),
            sf.lit("ca-generic/dates/calendars"),
            sf.element_at(sf.array(*map(sf.lit, ("generic", "gregorian", "buddhist", "chinese"))),
                          (number % 4 + 1).cast("int")),
            sf.lit("months/format"),
            sf.lower(sf.conv(sf.hash("id").cast("string"), 10, 36)),
            number.cast("string"),
        )
        value = sf.concat(sf.lit("value "), sf.repeat(sf.lit("x"), (number % 17).cast("int")),
                          number.cast("string"))
        rows = spark.range(work_rows(work), numPartitions=16)
        rows = rows.select(key.alias("key"), value.alias("value")).orderBy(sf.rand(1))
        rows.repartition(4).write.mode("overwrite").parquet(str(work / "rows"))
        asked = spark.read.parquet(str(work / "rows")).select("key")
        absent = asked.where(sf.pmod(sf.hash("key"), sf.lit(10)) == 0)
        absent = absent.select(sf.concat("key", sf.lit("/absent")).alias("key"))
        asked.union(absent).orderBy(sf.rand(2)).repartition(4).write.mode("overwrite").parquet(
            str(work / "asked"))
        return 0.0
    rows = spark.read.parquet(str(work / "rows"))
    asked = spark.read.parquet(str(work / "asked"))

    def sunk(frame):
        frame.write.format("noop").mode("overwrite").save()

    def summed(frame):
        row = frame.agg(sf.count("*"), sf.count("value"), sf.sum(sf.length("value"))).first()
        print("SUM", list(row), flush=True)

    def run(rows, asked, target):
        kind, _, step = name.partition(" ")
        if step == "":
            sunk(rows)
        elif kind == "join":
            if step == "lookup":
                summed(graven.spark.lookup_join(asked, target, on="key"))
            else:
                # As a set is, each side is what it was asked for: all keys, with their values.
                right = rows.select("key", rows.value.cast("binary").alias("value"))
                right = sf.broadcast(right) if step == "broadcast" else right
                summed(asked.join(right, "key", "left"))
        elif step in ("divided", "sorted"):
            sort = "spark" if step == "sorted" else "graven"
            divided, _ = graven.spark._divided(rows, "key", "value", SHARDS, None, kind, sort)
            sunk(divided)
        elif step in MASTERS:
            faulty(rows, target, kind, step)
        else:
            graven.spark.write_table(rows, target, shards=SHARDS, partition=kind, sort=step)

    # Everything once, on some rows.
    few = rows.limit(20000)
    graven.spark.write_table(few, work / "warm", shards=2)
    run(few, asked.limit(20000), work / "warm")
    begin = time.perf_counter()
    kind, _, step = name.partition(" ")
    target = work / ("range" if kind == "join" else f"{kind}-{step}" if step in MASTERS else kind)
    run(rows, asked, target)
    seconds = time.perf_counter() - begin
    assert step != "killed" or os.path.exists(f"{target}.killed"), "no executor was killed"
    spark.stop()
    return seconds


def faulty(rows, target, kind, step):
    """As ``write_table`` writes, with a fault in the task of shard 1."""
    import graven.spark
    from graven.engines import ShardInfo, ShardWriter
    from pyspark import TaskContext

    divided, shards = graven.spark._divided(rows, "key", "value", SHARDS, None, kind, "graven")
    writer = ShardWriter(target, hash_shards=shards if kind == "hash" else None)
    mark = str(target) + ".killed"

    def amid(batches):
        context = TaskContext.get()
        for number, batch in enumerate(batches):
            yield batch
            if context.partitionId() != 1 or number < 20:
                continue
            if step == "twice" and context.attemptNumber() < 2:
                raise RuntimeError("amid the rows")
            if step == "killed" and not os.path.exists(mark):
                Path(mark).touch()
                status = Path(f"/proc/{os.getppid()}/stat").read_text()
                os.kill(int(status.rsplit(")")[1].split()[1]), signal.SIGKILL)
                time.sleep(600)

    infos = divided.mapInArrow(amid, divided.schema).mapInArrow(
        graven.spark._task(writer), "info string").collect()
    writer.commit([ShardInfo.from_json(row.info) for row in infos])


def work_rows(work):
    return int((work / "count").read_text())


# -- All measures ----------------------------------------------------------------------------------


def descendants(root):
    """Ids of a process and all below it."""
    below = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            below.setdefault(int(stat.rsplit(")")[1].split()[1]), []).append(int(name))
    found, rest = [], [root]
    while rest:
        found.append(rest.pop())
        rest += below.get(found[-1], [])
    return found


def pss(root):
    total = 0
    for process in descendants(root):
        try:
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def watched(command):
    """Runs a command; gives what it printed, and the most memory that its processes had."""
    most, process = 0, subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ended = threading.Event()

    def watch():
        nonlocal most
        while not ended.wait(0.5):
            most = max(most, pss(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    printed = process.communicate()[0]
    ended.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{command} failed")
    return printed, most


def digest(entries):
    total, count = hashlib.sha256(), 0
    for key, value in entries:
        total.update(b"%d %d " % (len(key), len(value)) + key + value)
        count += 1
    return count, total.hexdigest()


MEASURES = {
    "scan": "scan of the rows",
    "range divided": "range: + sample and shuffle",
    "range sorted": "range: + Spark's sort",
    "range spark": "range: written, sorted by Spark",
    "range graven": "range: written, sorted by graven",
    "hash divided": "hash: + shuffle",
    "hash sorted": "hash: + Spark's sort",
    "hash spark": "hash: written, sorted by Spark",
    "hash graven": "hash: written, sorted by graven",
    "range twice": "range: written, one task fails twice",
    "hash killed": "hash: written by two executors, one of which is killed",
    "build_arrow": "one table, one process: `graven.build_arrow`",
    "join lookup": "join: `lookup_join`",
    "join broadcast": "join: broadcast",
    "join shuffle": "join: shuffle (sort-merge)",
}


def cpu():
    """The processor's own name, with family and model where the name alone says little."""
    lines = [line.split(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    fields = {line[0].strip(): line[1].strip() for line in lines if len(line) == 2}
    if "model name" not in fields:
        return platform.machine()
    return "{model name} (family {cpu family}, model {model})".format_map(fields)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--memory", default="12g", help="heap of the JVM; a broadcast join needs most")
    parser.add_argument("--directory", type=Path, help="for some GB of files")
    parser.add_argument("--graven", help="the program, to measure `graven build`")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "spark.md")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        seconds = measured(arguments.only, arguments.directory, arguments.memory)
        print("SECONDS", seconds, flush=True)
        return
    work = Path(tempfile.mkdtemp(dir=arguments.directory, prefix="graven-spark-"))
    try:
        report(work, arguments)
    finally:
        shutil.rmtree(work)


def report(work, arguments):
    import graven
    import pyspark

    (work / "count").write_text(str(arguments.rows))

    def one(name):
        command = [sys.executable, __file__, "--only", name, "--directory", str(work),
                   "--memory", arguments.memory]
        printed, most = watched(command)
        words = {line.split(" ", 1)[0]: line.split(" ", 1)[1] for line in printed.splitlines()
                 if line.startswith(("SECONDS ", "SUM "))}
        print(f"{name:16} {float(words['SECONDS']):8.1f} s {most / 2**20:8.0f} MiB", flush=True)
        return float(words["SECONDS"]), most, words.get("SUM")

    one("rows")
    results = {name: one(name) for name in MEASURES}
    assert len({results[f"join {kind}"][2] for kind in ("lookup", "broadcast", "shuffle")}) == 1
    with graven.open(work / "table.grv") as table:
        wanted = digest(table.items())
        size = os.path.getsize(work / "table.grv")
    assert wanted[0] == arguments.rows
    for kind in ("range", "hash", "range-twice", "hash-killed"):
        with graven.TableSet(work / kind) as found:
            assert digest(found.items()) == wanted, kind
            found.verify()
        assert os.listdir(work / kind / "staging") == [], kind
    lines = [
        "# Sets from Spark", "",
        f"{arguments.rows:,} rows, {size / 1e6:,.0f} MB as a table; {SHARDS} shards; `local[2]`, heap of "
        f"{arguments.memory}; PySpark {pyspark.__version__}, {cpu()}, {os.cpu_count()} processors, "
        f"{time.strftime('%B %Y')}. By `bench/spark.py --rows {arguments.rows}`, which says what is "
        "measured. Time on the clock, one run: compare within it. Contents were compared: equal.", "",
        "| | s | most memory, MiB |", "|---|---:|---:|",
    ]
    lines += [
        f"| {text} | {results[name][0]:.1f} | {results[name][1] / 2**20:,.0f} |"
        for name, text in MEASURES.items()
    ]
    if arguments.graven:
        seconds = by_program(work, arguments.graven)
        lines.append(f"| one table, one process: `graven build` of lines | {seconds:.1f} | |")
    text = "\n".join(lines) + "\n"
    arguments.out.write_text(text)
    print(text)


def by_program(work, program):
    import pyarrow.csv
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(work / "rows")
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    pyarrow.csv.write_csv(rows, work / "rows.tsv", options)
    del rows
    begin = time.perf_counter()
    subprocess.run([program, "build", str(work / "rows.tsv"), "-o", str(work / "lines.grv")],
                   check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
