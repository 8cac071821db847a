"""graven and its rivals, each at the best options we found for reading. A store has one class:

- `build(path, entries)` makes it from a dict of bytes in no order;
- `Store(path)` opens it, `close()` closes it;
- `gets`, `views`, `many` and `scans` are the ways to do each thing, of which the fastest counts;
- `key(bytes)` is a key in the form that the store takes, made before the clock starts;
- `forks` says whether a store that the parent opened may be used in its children.

Nothing is built durably (no fsync), as the rivals differ in what they could promise.
"""

import mmap
import operator
import pickle
import shutil
import sqlite3
from collections import deque
from importlib.metadata import version
from pathlib import Path

import cdblib
import lmdb
import marisa_trie
import rocksdict

import graven


def consume(iterator):
    """Walks at the speed of C, and gives the number of items."""
    last = deque(enumerate(iterator, 1), maxlen=1)
    return last[0][0] if last else 0


class Graven:
    """`graven.open`, default options."""

    name, version, file_backed, forks = "graven", graven.__version__, True, True

    @staticmethod
    def build(path, entries):
        graven.build(path, entries, durable=False)

    def __init__(self, path):
        self.table = graven.open(path)
        self.gets = [self.table.get]
        self.views = [self.table.view]
        self.many = [self.table.get_many]
        self.scans = [lambda: consume(self.table.range())]

    key = staticmethod(bytes)

    def close(self):
        self.table.close()


class Dict:
    """A dict, pickled with protocol 5 and loaded with the garbage collector off. In memory: beside
    the others, not among them."""

    name, version, file_backed, forks = "dict", pickle.format_version, False, True

    @staticmethod
    def build(path, entries):
        with open(path, "wb") as file:
            pickle.dump(entries, file, protocol=5)

    def __init__(self, path):
        with open(path, "rb") as file:
            self.dict = pickle.load(file)
        get = self.dict.get
        self.gets, self.views = [get], []
        self.many = [
            lambda keys: list(map(get, keys)),
            lambda keys: operator.itemgetter(*keys)(self.dict),
        ]
        self.scans = [lambda: consume(self.dict.items())]

    key = staticmethod(bytes)

    def close(self):
        self.dict = None


class Lmdb:
    """One read transaction, without lock and read-ahead; values copied for `get`, buffers for
    `view`, both tried for the rest. Built sorted, with append, in one transaction."""

    name, version, file_backed, forks = "lmdb", version("lmdb"), True, False

    @staticmethod
    def build(path, entries):
        options = dict(subdir=False, sync=False, metasync=False, lock=False, writemap=True)
        with lmdb.open(str(path), map_size=1 << 32, **options) as env:
            with env.begin(write=True) as txn, txn.cursor() as cursor:
                cursor.putmulti(sorted(entries.items()), append=True)

    def __init__(self, path):
        self.env = lmdb.open(
            str(path), subdir=False, readonly=True, lock=False, readahead=False, max_spare_txns=2
        )
        self.copies = self.env.begin(buffers=False)
        self.buffers = None
        self.gets = [self.copies.get]

    # The second transaction and the cursors are not needed to open: made when asked for.
    def _buffers(self):
        if self.buffers is None:
            self.buffers = self.env.begin(buffers=True)
        return self.buffers

    @property
    def views(self):
        return [self._buffers().get]

    @property
    def many(self):
        copy, view = self.copies.get, self._buffers().get
        cursor, viewing = self.copies.cursor(), self._buffers().cursor()
        return [
            lambda keys: list(map(copy, keys)),
            lambda keys: list(map(view, keys)),
            cursor.getmulti,
            viewing.getmulti,
        ]

    @property
    def scans(self):
        return [
            lambda: consume(self.copies.cursor()),
            lambda: consume(self._buffers().cursor()),
        ]

    key = staticmethod(bytes)

    def close(self):
        self.copies.abort()
        if self.buffers is not None:
            self.buffers.abort()
        self.env.close()


class Marisa:
    """`BytesTrie`, mapped; the largest cache, one trie, children by label. Its keys are str, so
    each byte is a character (latin-1), but NUL, where it would cut the key off, is another one."""

    name, version, file_backed, forks = "marisa-trie", version("marisa-trie"), True, True

    @staticmethod
    def build(path, entries):
        marisa_trie.BytesTrie(
            ((Marisa.key(key), value) for key, value in entries.items()),
            num_tries=1, cache_size=marisa_trie.HUGE_CACHE, order=marisa_trie.LABEL_ORDER,
        ).save(str(path))  # fmt: skip

    def __init__(self, path):
        self.trie = marisa_trie.BytesTrie().mmap(str(path))
        get = self.trie.get
        self.gets, self.views = [get], []
        self.many = [lambda keys: list(map(get, keys))]
        self.scans = [lambda: consume(self.trie.iteritems())]

    @staticmethod
    def key(key):
        return key.decode("latin-1").replace("\0", "\u0100")

    def close(self):
        self.trie = None


class Rocks:
    """Raw mode, read-only, mapped reads without compression and checks of checksums, bloom filter
    of 10 bits, data blocks with a hash index. Built as one sorted file that is ingested."""

    name, version, file_backed, forks = "rocksdict", version("rocksdict"), True, False

    @staticmethod
    def options():
        table = rocksdict.BlockBasedOptions()
        table.set_bloom_filter(10, False)
        table.set_data_block_index_type(rocksdict.DataBlockIndexType.binary_and_hash())
        table.set_data_block_hash_ratio(0.75)
        table.set_block_size(4096)
        options = rocksdict.Options(raw_mode=True)
        options.set_compression_type(rocksdict.DBCompressionType.none())
        options.set_block_based_table_factory(table)
        options.set_allow_mmap_reads(True)
        options.set_max_open_files(-1)
        return options

    @classmethod
    def build(cls, path, entries):
        options = cls.options()
        db = rocksdict.Rdict(str(path), options)
        writer = rocksdict.SstFileWriter(options=options)
        sst = f"{path}.sst"
        writer.open(sst)
        for key, value in sorted(entries.items()):
            writer[key] = value
        writer.finish()
        ingest = rocksdict.IngestExternalFileOptions()
        ingest.set_move_files(True)
        db.ingest_external_file([sst], opts=ingest)
        db.close()

    def __init__(self, path):
        access = rocksdict.AccessType.read_only()
        self.db = rocksdict.Rdict(str(path), self.options(), access_type=access)
        reading = rocksdict.ReadOptions()
        reading.set_verify_checksums(False)
        self.db.set_read_options(reading)
        get = self.db.get
        self.gets, self.views = [get], []
        self.many = [get, lambda keys: list(map(get, keys))]
        self.scans = [lambda: consume(self.db.items())]

    key = staticmethod(bytes)

    def close(self):
        self.db.close()


class Cdb:
    """A mapped file, with the hash function in C; over a memoryview for `view`."""

    name, version, file_backed, forks = "pure-cdb", version("pure-cdb"), True, True

    @staticmethod
    def build(path, entries):
        with open(path, "wb") as file, cdblib.Writer(file) as writer:
            for key, value in entries.items():
                writer.put(key, value)

    def __init__(self, path):
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.reader = cdblib.Reader(self.map)
        get = self.reader.get
        self.gets = [get]
        self.many = [lambda keys: list(map(get, keys))]
        self.scans = [lambda: consume(self.reader.iteritems())]

    @property
    def views(self):
        return [cdblib.Reader(memoryview(self.map)).get]

    key = staticmethod(bytes)

    def close(self):
        self.reader = None


class Sqlite:
    """A table without rowid, immutable, mapped, one prepared statement; `in` with 1,000 parameters
    for many keys. Built sorted, in one transaction, without a journal."""

    name, version, file_backed, forks = "sqlite3", sqlite3.sqlite_version, True, False

    @staticmethod
    def build(path, entries):
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("pragma journal_mode = off")
        connection.execute("pragma synchronous = off")
        connection.execute("create table t (k blob primary key, v blob) without rowid")
        connection.execute("begin")
        connection.executemany("insert into t values (?, ?)", sorted(entries.items()))
        connection.execute("commit")
        connection.close()

    def __init__(self, path):
        self.connection = sqlite3.connect(
            f"file:{path}?mode=ro&immutable=1", uri=True, isolation_level=None
        )
        self.connection.execute("pragma mmap_size = 4294967296")
        execute = self.connection.execute
        one = "select v from t where k = ?"

        def get(key):
            row = execute(one, (key,)).fetchone()
            return row and row[0]

        def many(keys):
            marks = ",".join("?" * len(keys))
            found = dict(execute(f"select k, v from t where k in ({marks})", keys))
            return list(map(found.get, keys))

        self.gets, self.views = [get], []
        self.many = [many, lambda keys: list(map(get, keys))]
        self.scans = [lambda: consume(execute("select k, v from t"))]

    key = staticmethod(bytes)

    def close(self):
        self.connection.close()


STORES = [Graven, Lmdb, Marisa, Rocks, Cdb, Sqlite, Dict]


def remove(path: Path):
    """Removes a store, whatever files it is made of."""
    for file in path.parent.glob(path.name + "*"):
        shutil.rmtree(file) if file.is_dir() else file.unlink()
