"""A server must go on serving while its set is replaced: one pin sees one version of all shards, the
new version is found, and a bad one is not served."""

import multiprocessing
import os
import pickle
import threading
import time
from pathlib import Path

import pytest

import graven


def publish(place, price, **options):
    """Three shards, so that a mixture of versions would show."""
    entries = {key: price for key in (b"apple", b"pear", b"plum")}
    return graven.build_set(place, entries, **(options or {"shards": 3}))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "prices"


@pytest.fixture
def live(place):
    publish(place, b"3")
    with graven.LiveSet(place) as live:
        yield live


def test_a_replaced_set(live, place):
    set_, view = live.pin(), live.view(b"apple")
    assert not live.refresh() and live.generation == 1
    version = publish(place, b"4")
    assert live[b"apple"] == b"3"
    assert live.refresh() and not live.refresh()
    assert live[b"apple"] == live.get(b"apple") == bytes(live.view(b"apple")) == b"4"
    # Shards of the old version that were not mapped before the swap, too.
    assert set(set_.values()) == {b"3"} and bytes(view) == b"3" and set(live.pin().values()) == {b"4"}
    assert b"apple" in live and len(live) == 3 and live.generation == 2
    assert live.pin().path == version.path != set_.path and isinstance(set_, graven.TableSet)
    assert live.path == str(place) and "generation 2" in repr(live)
    status = live.status()
    assert (status.generation, status.build_id) == (2, live.pin().id)
    assert 0 <= status.age < 60 and status.version == version.id and status.failure is None


@pytest.mark.parametrize("options", [{"hash_shards": 2}, {"shard_entries": 1}])
def test_another_partition(live, place, options):
    publish(place, b"4", **options)
    assert live.refresh() and set(live.pin().values()) == {b"4"}


def test_a_version_that_is_rolled_back(live, place):
    publish(place, b"4")
    assert live.refresh()
    graven.Versions(place).roll_back()
    assert live.refresh() and live[b"pear"] == b"3" and live.generation == 3


def test_a_pinned_version_is_not_pruned(live, place):
    set_ = live.pin()
    publish(place, b"4")
    assert live.refresh()
    versions = graven.Versions(place)
    assert versions.prune(1, 0) == [] and set(set_.values()) == {b"3"}


def test_what_is_missing(live):
    assert live.get(b"fig") is None and live.get(b"fig", b"?") == b"?" and b"fig" not in live
    assert live.view(b"fig") is None
    with pytest.raises(KeyError) as error:
        live[b"fig"]
    assert error.value.args == (b"fig",)
    for query in live.get, live.view, live.__contains__, live.__getitem__:
        with pytest.raises(TypeError, match="encode it"):
            query("apple")


def test_a_bad_version_is_not_served(live, place):
    manifest = Path(publish(place, b"4").path) / "MANIFEST.json"
    text = manifest.read_bytes()
    manifest.chmod(0o644)
    manifest.write_bytes(text[:-9])
    with pytest.raises(graven.DamagedError) as error:
        live.refresh()
    assert error.value.path == str(manifest)
    assert live[b"apple"] == b"3" and live.generation == 1
    assert "MANIFEST.json" in live.status().failure
    manifest.write_bytes(text)
    assert live.refresh() and live[b"apple"] == b"4" and live.status().failure is None
    os.remove(place / "CURRENT")
    with pytest.raises(FileNotFoundError):
        live.refresh()
    assert live[b"apple"] == b"4"


def wait_for(live, price):
    deadline = time.monotonic() + 60
    while live[b"apple"] != price and time.monotonic() < deadline:
        time.sleep(0.01)
    assert live[b"apple"] == price


def test_a_thread_refreshes(live, place):
    live.refresh_every(0.01, 0.01)
    publish(place, b"4")
    wait_for(live, b"4")
    again = pickle.loads(pickle.dumps(live))
    publish(place, b"5")
    wait_for(again, b"5")
    again.close()
    for wrong in -1.0, float("nan"), float("inf"), 1e300:
        with pytest.raises(ValueError, match="seconds"):
            live.refresh_every(wrong)
        with pytest.raises(ValueError, match="seconds"):
            live.refresh_every(1.0, wrong)


def test_threads_read_while_it_is_replaced(live, place):
    over, failures = threading.Event(), []

    def read():
        try:
            while not over.is_set():
                assert len(set(live.pin().values())) == 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for price in range(10, 40):
        publish(place, b"%d" % price, shards=3, durable=False)
        assert live.refresh()
    over.set()
    for thread in threads:
        thread.join()
    assert not failures and live[b"apple"] == b"39"


def test_a_closed_handle(place):
    publish(place, b"3")
    with graven.LiveSet(place, warm="all", page_checks="at-open", max_mapped_bytes=1) as live:
        set_ = live.pin()
        publish(place, b"4")
        assert live.refresh() and live[b"plum"] == b"4"
    assert live.closed and set_[b"apple"] == b"3" and "closed" in repr(live)
    for use in [
        live.pin,
        live.refresh,
        live.status,
        lambda: live.refresh_every(1.0),
        lambda: live.generation,
        lambda: live[b"apple"],
        lambda: live.get(b"apple"),
        lambda: b"apple" in live,
        lambda: len(live),
        live.__enter__,
        live.__reduce__,
    ]:
        with pytest.raises(graven.ClosedError, match="the handle is closed"):
            use()
    live.close()


def test_opening(tmp_path):
    with pytest.raises(FileNotFoundError):
        graven.LiveSet(tmp_path / "none")
    with pytest.raises(graven.OptionError, match="option warm"):
        graven.LiveSet(tmp_path / "none", warm="x")
    with pytest.raises(TypeError, match="load"):
        graven.LiveSet(tmp_path / "none", load=True)


def child(live, set_, pipe):
    pipe.send((live[b"apple"], set_[b"apple"]))
    pipe.recv()
    pipe.send((live.refresh(), live[b"apple"], set_[b"apple"], live.generation))


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_handle_in_another_process(live, place, method):
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=child, args=(live, live.pin(), there))
    process.start()
    assert here.recv() == (b"3", b"3")
    publish(place, b"4")
    here.send(None)
    assert here.recv() == (True, b"4", b"3", 2)
    process.join()
    assert live[b"apple"] == b"3"


def test_a_pickle(live, place):
    assert pickle.loads(pickle.dumps(live)).path == str(place)
    options = {"access": "random", "max_mapped_bytes": 5}
    assert graven.LiveSet(place, **options).__reduce__()[1] == (str(place), options, None)
    set_ = live.pin()
    publish(place, b"4")
    assert pickle.loads(pickle.dumps(set_)) == set_
