"""A server must go on serving while its table is replaced: old tables stay valid for who has them,
the new one is found, and a bad one is not served."""

import multiprocessing
import pickle
import threading
import time

import pytest

import graven


def publish(path, price):
    graven.build(path, {b"apple": price})


@pytest.fixture
def live(path):
    publish(path, b"3")
    with graven.Live(path) as live:
        yield live


def test_a_replaced_table(live, path):
    table, view = live.pin(), live.view(b"apple")
    assert not live.refresh() and live.status().generation == 1
    publish(path, b"4")
    assert live[b"apple"] == b"3"
    assert live.refresh() and not live.refresh()
    assert live[b"apple"] == live.get(b"apple") == bytes(live.view(b"apple")) == b"4"
    assert table[b"apple"] == bytes(view) == b"3"
    assert live.pin()[b"apple"] == b"4" and b"apple" in live and len(live) == 1
    status = live.status()
    assert status.generation == 2 and status.build_id == live.pin().build_id
    assert 0 <= status.age < 60 and status.version is None and status.failure is None
    assert live.path == str(path) and "generation 2" in repr(live)


def test_what_is_missing(live):
    assert live.get(b"pear") is None and live.get(b"pear", b"?") == b"?" and b"pear" not in live
    assert live.view(b"pear") is None
    with pytest.raises(KeyError) as error:
        live[b"pear"]
    assert error.value.args == (b"pear",)
    for query in live.get, live.view, live.__contains__, live.__getitem__:
        with pytest.raises(TypeError, match="encode it"):
            query("apple")


def test_a_bad_table_is_not_served(live, path):
    path.unlink()
    with pytest.raises(FileNotFoundError):
        live.refresh()
    path.write_bytes(b"no table" * 100)
    with pytest.raises(graven.NotATableError):
        live.refresh()
    assert live[b"apple"] == b"3" and "no graven table" in live.status().failure
    path.unlink()
    publish(path, b"5")
    assert live.refresh() and live[b"apple"] == b"5" and live.status().failure is None


def test_a_thread_refreshes(live, path):
    live.refresh_every(0.01, 0.01)
    publish(path, b"4")
    deadline = time.monotonic() + 60
    while live[b"apple"] != b"4" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert live[b"apple"] == b"4"
    for wrong in -1.0, float("nan"), float("inf"), 1e300:
        with pytest.raises(ValueError, match="seconds"):
            live.refresh_every(wrong)
        with pytest.raises(ValueError, match="seconds"):
            live.refresh_every(1.0, wrong)


def test_threads_read_while_it_is_replaced(live, path):
    seen, over, failures = set(), threading.Event(), []

    def read():
        try:
            while not over.is_set():
                table = live.pin()
                assert table[b"apple"] == table[b"apple"]
                seen.add(live[b"apple"])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for price in range(10, 60):
        publish(path, b"%d" % price)
        assert live.refresh()
    over.set()
    for thread in threads:
        thread.join()
    assert not failures and live[b"apple"] == b"59"


def test_a_closed_handle(path):
    publish(path, b"3")
    with graven.Live(path, warm="all", page_checks="at-open") as live:
        table = live.pin()
        live.refresh_every(0.01)
    assert live.closed and table[b"apple"] == b"3" and "closed" in repr(live)
    for use in [
        live.pin,
        live.refresh,
        live.status,
        lambda: live.refresh_every(1.0),
        lambda: live[b"apple"],
        lambda: live.get(b"apple"),
        lambda: len(live),
        live.__enter__,
        live.__reduce__,
    ]:
        with pytest.raises(graven.ClosedError, match="the handle is closed"):
            use()
    live.close()


def test_opening(tmp_path):
    with pytest.raises(FileNotFoundError):
        graven.Live(tmp_path / "none")
    with pytest.raises(graven.OptionError, match="option warm"):
        graven.Live(tmp_path / "none", warm="x")
    with pytest.raises(TypeError, match="load"):
        graven.Live(tmp_path / "none", load=True)


def child(live, pipe):
    first = live[b"apple"]
    pipe.send(first)
    deadline = time.monotonic() + 60
    while live[b"apple"] == first and time.monotonic() < deadline:
        time.sleep(0.01)
    pipe.send((live[b"apple"], live.status().generation))


def test_a_pickled_handle_follows_the_path(live, path):
    live.refresh_every(0.02, 0.01)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=child, args=(live, there))
    process.start()
    assert here.recv() == b"3"
    publish(path, b"4")
    assert here.recv() == (b"4", 2)
    process.join()
    assert pickle.loads(pickle.dumps(live)).path == str(path)


def test_a_pinned_table_pickles(live, path):
    table = live.pin()
    assert pickle.loads(pickle.dumps(table)) == table
    publish(path, b"4")
    with pytest.raises(graven.OtherBuildError):
        pickle.loads(pickle.dumps(table))
