"""Workers of a data loader get the table by a pickle or by a fork. LMDB's users in PyTorch meet
crashes and wrong pages there; a table has to arrive in every way that multiprocessing has."""

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

import graven

METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture
def large(make):
    return make({b"%06d" % n: b"%d" % n for n in range(20000)})


def test_a_pickle_is_path_options_and_build_id(words, path, tmp_path, monkeypatch):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(words, protocol))
        assert again == words and again is not words and again.path == words.path
    assert len(pickle.dumps(words)) < 300
    monkeypatch.chdir(path.parent)
    table = graven.open("table.grv", load=True, page_checks="never", access="random", warm="index")
    monkeypatch.chdir(tmp_path.parent)
    reopen, arguments = table.__reduce__()
    assert arguments == (
        str(path),
        {"load": True, "page_checks": "never", "access": "random", "warm": "index"},
        table.build_id,
    )
    assert pickle.loads(pickle.dumps(table)).__reduce__() == table.__reduce__()
    data = path.read_bytes()
    (tmp_path / "archive").write_bytes(b"x" * 4096 + data)
    inner = graven.open(tmp_path / "archive", section=(4096, len(data)))
    assert pickle.loads(pickle.dumps(inner)) == words


def test_a_pickle_of_another_build(words, path):
    pickled = pickle.dumps(words)
    graven.build(path, {b"ant": b"another"})
    with pytest.raises(graven.OtherBuildError, match=words.build_id) as error:
        pickle.loads(pickled)
    assert error.value.path == str(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


def test_what_has_no_pickle(words, path):
    for thing in graven.from_bytes(path.read_bytes()), words.range(), iter(words), words.view(b"ant"):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
    with graven.Builder(path) as builder, pytest.raises(TypeError):
        pickle.dumps(builder)


def look_up(table, numbers):
    return os.getpid(), [table[b"%06d" % n] for n in numbers], len(list(table.prefix(b"0100")))


def child(table, pipe):
    pipe.send(look_up(table, range(100)))
    pipe.close()


@pytest.mark.parametrize("method", METHODS)
def test_a_process_gets_the_table(large, method):
    context = multiprocessing.get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=child, args=(large, there))
    process.start()
    pid, values, count = here.recv()
    process.join()
    assert process.exitcode == 0 and pid == process.pid != os.getpid()
    assert values == [b"%d" % n for n in range(100)] and count == 100


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_gets_the_table_with_each_task(large, method):
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        tasks = [pool.submit(look_up, large, range(n, n + 50)) for n in range(0, 1000, 50)]
        for n, task in zip(range(0, 1000, 50), tasks):
            assert task.result(60)[1] == [b"%d" % k for k in range(n, n + 50)]


class Dataset:
    """As those of PyTorch: made once, sent to each worker, asked for one sample after another."""

    def __init__(self, path):
        self.table = graven.open(path)

    def __len__(self):
        return len(self.table)

    def __getitem__(self, index):
        key, value = self.table.nth(index)
        assert self.table.view(key) == value
        return int(value)


def worker(dataset, tasks, results):
    """Prefetches: looks samples up in a thread, and answers in another."""
    with ThreadPoolExecutor(2) as threads:
        for batch in iter(tasks.get, None):
            results.put((batch[0], list(threads.map(dataset.__getitem__, batch))))


@pytest.mark.parametrize("method", METHODS)
def test_a_data_loader(large, path, method):
    context = multiprocessing.get_context(method)
    dataset = Dataset(path)
    dataset[0]  # used before the fork, too
    tasks, results = context.Queue(), context.Queue()
    workers = [context.Process(target=worker, args=(dataset, tasks, results)) for _ in range(3)]
    for process in workers:
        process.start()
    batches = [list(range(start, start + 32)) for start in range(0, 3200, 32)]
    for epoch in range(2):
        for batch in batches:
            tasks.put(batch)
        loaded = dict(results.get(timeout=60) for _ in batches)
        assert [loaded[batch[0]] for batch in batches] == batches
    for _ in workers:
        tasks.put(None)
    for process in workers:
        process.join(60)
        assert process.exitcode == 0


def test_fork_while_threads_read(large):
    """A fork copies the state of every thread's lookups, in the midst of them."""
    stop = threading.Event()

    def read():
        while not stop.is_set():
            large.get_many([b"%06d" % n for n in range(500)])
            list(large.prefix(b"00"))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    fine = large[b"000777"] == b"777" and len(list(large)) == 20000
                    fine = fine and large.get_many([b"000001"] * 200) == [b"1"] * 200
                    fine = fine and large.verify().entries == 20000
                    large.close()
                    code = 0 if fine else 2
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_build_in_a_forked_child(large, tmp_path):
    """The threads of the parent's builds are not there in the child."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            graven.build(tmp_path / "child", ((b"%06d" % (n * 7 % 50000), b"") for n in range(50000)))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(graven.open(tmp_path / "child")) == 50000


def test_threads_share_a_table(large):
    with ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda part: look_up(large, range(part, 20000, 4))[1], range(4))
        for part, values in enumerate(parts):
            assert values == [b"%d" % n for n in range(part, 20000, 4)]
