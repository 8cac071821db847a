"""What Ray divides and moves must come back as the same set; a task that fails must leave nothing."""

import os

import pytest

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

import pyarrow

import graven
import graven.ray
from graven import engines


@pytest.fixture(scope="module", autouse=True)
def cluster():
    # Workers find the package where this process does.
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    yield
    ray.shutdown()


COUNT = 2000
ENTRIES = {b"%05d" % (n * 7919 % 100003): b"%d" % n for n in range(COUNT)}


def dataset(blocks=5):
    table = pyarrow.table({
        "other": range(COUNT),
        "k": pyarrow.array(list(ENTRIES), pyarrow.binary()),
        "v": pyarrow.array(list(ENTRIES.values()), pyarrow.binary()),
    })
    return ray.data.from_arrow(table).repartition(blocks)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "set"


def test_write_and_lookup(path):
    manifest = graven.ray.write(dataset(), path, key="k", value="v", validate=True)
    assert (manifest.partition, manifest.entries) == ("range", COUNT)
    found = graven.TableSet(path)
    assert found == ENTRIES and found.verify().entries == COUNT
    assert os.listdir(path / "staging") == []
    keys = [b"no", *list(ENTRIES)[:100], None]
    asked = ray.data.from_arrow(pyarrow.table({"k": pyarrow.array(keys, pyarrow.binary())}))
    rows = graven.ray.lookup(asked, path, on="k").take_all()
    assert sorted((row["k"] or b"", row["value"] or b"") for row in rows) == sorted(
        (key or b"", ENTRIES.get(key, b"")) for key in keys
    )
    # A column in several pieces.
    pieces = pyarrow.chunked_array([keys[:3], keys[3:50], [], keys[50:]], pyarrow.binary())
    pieces = ray.data.from_arrow(pyarrow.table({"k": pieces}))
    rows = graven.ray.lookup(pieces, path, on="k").take_all()
    assert [row["value"] for row in rows] == [ENTRIES.get(key) for key in keys]
    rows = graven.ray.lookup(asked, path, on="k", value="found", how="inner").take_all()
    assert {row["k"]: row["found"] for row in rows} == {key: ENTRIES[key] for key in keys[1:-1]}
    with pytest.raises(graven.OptionError, match='how is "outer"'):
        graven.ray.lookup(asked, path, on="k", how="outer")


def test_a_task_that_is_tried_again(path, tmp_path):
    """The write of one block is lost after its shard was built."""
    mark = str(tmp_path / "mark")

    class Flaky(graven.ray.SetDatasink):
        def write(self, blocks, ctx):
            info = super().write(blocks, ctx)
            try:
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return info
            os._exit(1)  # Ray tries tasks again whose worker died

    sink = Flaky(path, key="k", value="v")
    dataset().sort("k").write_datasink(sink)
    assert os.path.exists(mark) and sink.manifest.entries == COUNT
    assert graven.TableSet(path) == ENTRIES and os.listdir(path / "staging") == []


def test_a_job_that_fails(path):
    graven.ray.write(dataset(), path, key="k", value="v")
    twice = ray.data.from_arrow(pyarrow.table({"k": ["b", "a", "b"], "v": ["1", "2", "3"]}))
    with pytest.raises(Exception, match="occurs more than once"):
        graven.ray.write(twice, path, key="k", value="v")
    with pytest.raises(graven.OptionError, match="hash_shards does not go with Ray"):
        graven.ray.write(twice, path, key="k", value="v", hash_shards=3)
    assert graven.TableSet(path) == ENTRIES and os.listdir(path / "staging") == []


def test_without_rows(path):
    nothing = ray.data.from_arrow(pyarrow.table({"k": ["a"], "v": ["1"]}).slice(0, 0))
    assert graven.ray.write(nothing, path, key="k", value="v").entries == 0
    assert dict(graven.TableSet(path)) == {} and os.listdir(path / "staging") == []
    asked = ray.data.from_arrow(pyarrow.table({"k": ["a"]}))
    assert graven.ray.lookup(asked, path, on="k").take_all() == [{"k": "a", "value": None}]
    assert engines.parts(path) == []
    # More blocks than rows.
    few = ray.data.from_arrow(pyarrow.table({"k": ["b", "a"], "v": ["2", "1"]})).repartition(5)
    assert graven.ray.write(few, path, key="k", value="v").entries == 2
    assert dict(graven.TableSet(path)) == {b"a": b"1", b"b": b"2"}
    for nobody in (few.filter(lambda row: row["k"] == "c"), few.limit(0), ray.data.from_items([])):
        assert graven.ray.write(nobody, path, key="k", value="v").entries == 0
