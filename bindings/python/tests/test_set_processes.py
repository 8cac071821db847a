"""A set maps shards while it is asked, under a lock. A worker that was forked while another thread of
its parent held that lock would wait for ever; one that gets the set by pickle must read the same
version, whatever is current by then."""

import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
from conftest import CUTS
from test_released import is_released

import graven

METHODS = ["fork", "spawn", "forkserver"]
ENTRIES = {b"%05d" % n: b"%d" % n for n in range(4000)}


@pytest.fixture(params=["range", "hash"])
def large(make_set, request):
    return make_set(ENTRIES, **CUTS[request.param])


def test_a_pickle_is_the_version_its_options_and_its_id(large, tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(large, protocol))
        assert again == large and again is not large and again.path == large.path
    options = {"page_checks": "never", "access": "random", "warm": "index", "max_mapped_bytes": 9}
    set_ = graven.TableSet(tmp_path / "set", **options)
    assert set_.__reduce__()[1] == (large.path, options, large.id)
    assert pickle.loads(pickle.dumps(set_)).__reduce__() == set_.__reduce__()
    table = set_.table(1)
    assert table.__reduce__()[1] == (
        table.path,
        {"page_checks": "never", "access": "random", "warm": "index"},
        table.build_id,
    )
    assert pickle.loads(pickle.dumps(table)) == table
    typed = set_.typed(key="5s")
    assert pickle.loads(pickle.dumps(typed)) == typed


def test_a_pickle_stays_with_its_version(large, make_set):
    pickled = pickle.dumps(large)
    make_set({b"other": b""}, shards=1)
    assert pickle.loads(pickled) == ENTRIES
    path, id = large.path, large.id
    large.close()
    graven.Versions(os.path.dirname(os.path.dirname(path))).prune(1, 0)
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


def test_what_has_no_pickle(large):
    for thing in large.range(), iter(large), large.manifest, large.manifest.shards[0]:
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def look_up(set_, numbers):
    return os.getpid(), [set_[b"%05d" % n] for n in numbers], len(list(set_.prefix(b"010")))


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_gets_the_set_with_each_task(large, method):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        tasks = [pool.submit(look_up, large, range(n, 4000, 16)) for n in range(16)]
        for n, task in enumerate(tasks):
            pid, values, count = task.result(60)
            assert values == [b"%d" % k for k in range(n, 4000, 16)] and count == 100
            assert pid != os.getpid()


def test_threads_share_a_set(large, tmp_path):
    bounded = graven.TableSet(tmp_path / "set", max_mapped_bytes=1)
    with ThreadPoolExecutor(4) as pool:
        for set_ in large, bounded:
            parts = pool.map(lambda part: look_up(set_, range(part, 4000, 4))[1], range(4))
            for part, values in enumerate(parts):
                assert values == [b"%d" % n for n in range(part, 4000, 4)]


def test_fork_while_threads_map(large, tmp_path):
    """Each lookup maps a shard and lets another go, so that forks fall into the midst of it."""
    set_ = graven.TableSet(tmp_path / "set", max_mapped_bytes=1)
    walk = iter(set_)
    next(walk)
    stop = threading.Event()

    def read():
        while not stop.is_set():
            set_.get_many([b"%05d" % (n * 1009 % 4000) for n in range(100)])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    signal.alarm(20)
                    fine = all(set_[b"%05d" % n] == b"%d" % n for n in range(0, 4000, 500))
                    fine = fine and len(list(walk)) == 3999 and len(list(set_)) == 4000
                    fine = fine and set_.get_many(list(ENTRIES)) == list(ENTRIES.values())
                    set_.close()
                    code = 0 if fine else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


CALLS = {
    "open": lambda large, tmp: lambda: graven.TableSet(large.path),
    "graven.open": lambda large, tmp: lambda: graven.open(large.path),
    "get, page_checks": lambda large, tmp: lambda: graven.TableSet(
        large.path, page_checks="at-open"
    ).get(b"00001"),
    "next": lambda large, tmp: lambda: next(
        reversed(graven.TableSet(large.path, page_checks="at-open").range())
    ),
    "get_many": lambda large, tmp: lambda: large.get_many(list(ENTRIES)[:1000]),
    "get_many_into": lambda large, tmp: lambda: large.get_many_into([b"00001"] * 100, bytearray(100)),
    "floor": lambda large, tmp: lambda: large.floor(b"x"),
    "count": lambda large, tmp: lambda: large.count(b"1"),
    "len(range)": lambda large, tmp: lambda: len(large.range(b"1")),
    "iter": lambda large, tmp: lambda: iter(large),
    "table": lambda large, tmp: lambda: large.table(0),
    "verify": lambda large, tmp: large.verify,
    "==": lambda large, tmp: lambda: large == graven.TableSet(large.path),
    "build_set": lambda large, tmp: lambda: graven.build_set(tmp / "new", {b"a": b"1"}),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_interpreter_is_released(large, tmp_path, name):
    assert is_released(CALLS[name](large, tmp_path), patience=60)
