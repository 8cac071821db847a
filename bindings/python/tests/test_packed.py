"""A packed table that answers otherwise than a plain one, or that hands out what is stored instead of
what it stands for, gives wrong data without a sign of it."""

import copy
import gc
import multiprocessing
import os
import pickle
import struct
import threading

import numpy
import pyarrow
import pytest
from conftest import damage

import graven
import test_mapping
import test_order
import test_sets
from graven._graven import ArrowScan, SetJob, lookup_arrow

WAYS = {
    "zstd": {"compress": "zstd"},
    "zstd alone": {"compress": "zstd", "level": 1, "dictionary_bytes": 0},
    "fsst": {"compress": "fsst"},
    "keys": {"compact_keys": True},
    "zstd, keys": {"compress": "zstd", "compact_keys": True},
    "fsst, keys": {"compress": "fsst", "compact_keys": True},
}
"""Ways to pack a table."""


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def make(path, way):
    """Builds a packed table of these entries and opens it."""

    def make(entries, *, opening={}, **options):
        graven.build(path, entries, **way, **options)
        return graven.open(path, **opening)

    return make


def page(n: int) -> tuple[bytes, bytes]:
    words = " ".join(f"word{n * i % 97}" for i in range(n % 30))
    return b"https://example.org/page/%06d" % n, b'{"page": %d, "text": "%b"}' % (n, words.encode())


PAGES = dict(map(page, range(0, 6000, 2)))


@pytest.fixture
def pages(make):
    return make(PAGES)


# The tests of plain tables, with the tables of this file.
model, table = test_order.model, test_order.table
for _name, _test in {**vars(test_mapping), **vars(test_order)}.items():
    if _name.startswith("test_") and callable(_test):
        globals()[_name] = _test


def mapping_of(options):
    """CPython's tests of mappings, with tables that were packed so."""

    class TestPacked(test_mapping.TestGeneric):
        def _full_mapping(self, data):
            graven.build(self.path, data, **options)
            return graven.open(self.path)

    return TestPacked


TestZstd, TestKeys = mapping_of(WAYS["zstd"]), mapping_of(WAYS["fsst, keys"])


@pytest.fixture
def plain(tmp_path):
    graven.build(tmp_path / "plain", PAGES)
    return graven.open(tmp_path / "plain")


def test_every_query_answers_as_a_plain_table_and_a_dict(pages, plain, way):
    assert type(pages) is graven.Table and len(pages) == len(PAGES)
    assert pages == PAGES and PAGES == pages and pages == plain and plain == pages
    assert dict(pages) == PAGES and list(pages) == sorted(PAGES)
    some = sorted(PAGES)[::37]
    probes = [*some, *(key + b"!" for key in some), *(key[:-3] for key in some), b"", b"zzz", b"\xff"]
    for probe in probes:
        assert pages.get(probe) == plain.get(probe) == PAGES.get(probe)
        assert (probe in pages) == (probe in plain) == (probe in PAGES)
        view, other = pages.view(probe), plain.view(probe)
        assert (view and bytes(view)) == (other and bytes(other))
        for query in "floor", "ceil", "longest_prefix", "prefixes", "rank", "get_all", "count_of", "count":
            assert getattr(pages, query)(probe) == getattr(plain, query)(probe), query
        assert list(pages.prefix(probe)) == list(plain.prefix(probe))
        assert list(pages.prefix(probe, reverse=True)) == list(plain.prefix(probe, reverse=True))
        assert list(pages[probe:])[:3] == list(plain[probe:])[:3]
        assert len(pages[:probe]) == len(plain[:probe])
    for at in 0, 1, 1234, -1, -1234:
        assert pages.nth(at) == plain.nth(at)
        assert pages.range()[at] == plain.range()[at]
        assert list(pages.range(reverse=True)[at:])[:3] == list(plain.range(reverse=True)[at:])[:3]
    assert pages.first() == plain.first() and pages.last() == plain.last()
    assert list(reversed(pages)) == list(reversed(plain))
    for part in "keys", "values", "items":
        mine, others = getattr(pages, part)(), getattr(plain, part)()
        assert list(mine) == list(others) and list(reversed(mine)) == list(reversed(others))
    for missing in b"", b"zzz":
        with pytest.raises(KeyError):
            pages[missing]
    assert pages.distinct_keys == plain.distinct_keys and pages.verify().entries == len(PAGES)
    assert plain.stats().file_bytes > pages.stats().file_bytes


@pytest.mark.parametrize("count", [0, 1, 63, 64, 5000])
def test_many(pages, plain, count):
    keys = [page(n)[0] for n in range(count)]
    assert pages.get_many(keys) == plain.get_many(keys) == [PAGES.get(key) for key in keys]
    assert pages.get_many(keys, b"-") == plain.get_many(keys, b"-")
    column = pyarrow.array(keys, pyarrow.binary())
    assert pyarrow.array(lookup_arrow(pages, column)) == pyarrow.array(lookup_arrow(plain, column))


def test_many_into(make):
    entries = {struct.pack(">Q", n): struct.pack("<QQ", n, n % 7) for n in range(0, 10000, 2)}
    table = make(entries)
    numbers = numpy.arange(10001, dtype=">u8")
    out, found = numpy.zeros((10001, 2), "<u8"), numpy.zeros(10001, bool)
    assert table.get_many_into(numbers, out, found) == 5000
    assert list(found[:10000]) == [True, False] * 5000
    assert (out[found][:, 0] == numbers[found]).all() and not out[~found].any()
    with pytest.raises(graven.TypeMismatchError, match="has 16 bytes, out has rows of 8"):
        table.get_many_into(numbers[:1], numpy.zeros(1, "<u8"))


def test_arrow_batches(pages, plain):
    columns = [("key", True), ("value", False)]
    ends = page(100)[0], page(5000)[0]
    batches = [
        pyarrow.record_batch(batch)
        for batch in ArrowScan(pages, columns, *ends, rows=1000, bytes=1 << 20)
    ]
    rows = [(row["key"], row["value"]) for batch in batches for row in batch.to_pylist()]
    assert len(batches) > 1 and rows == list(plain.range(*ends))


def test_slices_of_repeated_keys(make):
    entries = [(b"%03d" % (n // 7), b"value %d" % n) for n in range(700)]
    table = make(entries, duplicates="keep-all")
    everything = table.range()
    for start in range(0, 700, 13):
        for stop in start, start + 1, start + 5, start + 30, 700:
            part = everything[start:stop]
            assert list(part) == entries[start:stop] and len(part) == len(entries[start:stop])
            assert list(reversed(part)) == entries[start:stop][::-1]
            walk = iter(part)
            assert walk.__length_hint__() == len(part)
    assert table.get_all(b"003") == [b"value %d" % n for n in range(21, 28)]
    assert table.prefixes(b"0031") == entries[21:28]
    assert table.distinct_keys == 100 and table.count_of(b"003") == 7


def test_values_of_every_length(make):
    text = b" ".join(b"%d" % n for n in range(400_000))
    noise = os.urandom(2 << 20)
    lengths = 0, 1, 2, 255, 256, 300_000, 1 << 20, 2 << 20
    kinds = {b"text": text, b"noise": noise}
    entries = {b"%s %d" % (kind, n): kinds[kind][:n] for kind in kinds for n in lengths}
    table = make(entries)
    assert table == entries and table.verify().entries == len(entries)
    assert bytes(table.view(b"text 2097152")) == text[: 2 << 20]
    assert table.view(b"text 0").nbytes == 0 and table[b"noise 0"] == b""
    for _ in range(3):
        assert table.get_many(list(entries)) == list(entries.values())
    assert dict(table.items()) == entries


def test_views_keep_what_they_show(pages, path):
    key, value = page(58)
    view = pages.view(key)
    array = numpy.frombuffer(view, "u1")
    assert view.readonly and isinstance(view.obj, graven.View) and not view.obj.is_faulted
    others = [pages.view(key) for key in PAGES]
    pages.close()
    path.unlink()
    gc.collect()
    assert bytes(view) == array.tobytes() == value
    assert [bytes(other) for other in others] == list(PAGES.values())
    with pytest.raises(graven.ClosedError):
        pages.view(key)


def test_iterators_keep_the_table(pages):
    walk, some = iter(pages.items()), pages.range(reverse=True)
    first = next(walk)
    pages.close()
    del pages
    gc.collect()
    assert [first, *walk] == sorted(PAGES.items()) and list(some) == sorted(PAGES.items())[::-1]


def child(table, queue):
    queue.put((dict(table) == PAGES, table.get_many(list(PAGES)) == list(PAGES.values())))


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_other_processes(pages, start):
    context = multiprocessing.get_context(start)
    queue = context.Queue()
    process = context.Process(target=child, args=(pages, queue))
    process.start()
    assert queue.get(timeout=60) == (True, True)
    process.join()


def test_pickles_and_copies(pages, path):
    for again in pickle.loads(pickle.dumps(pages)), copy.copy(pages), copy.deepcopy(pages):
        assert again == pages and again.build_id == pages.build_id
    with pytest.raises(TypeError, match="pickle its bytes"):
        pickle.dumps(graven.from_bytes(path.read_bytes()))
    pickled = pickle.dumps(pages)
    graven.build(path, {b"other": b""}, compress="fsst")
    with pytest.raises(graven.OtherBuildError):
        pickle.loads(pickled)


def test_threads(pages):
    wrong = []

    def read(part):
        for key in sorted(PAGES)[part::4]:
            if pages[key] != PAGES[key] or pages.floor(key) != (key, PAGES[key]):
                wrong.append(key)
        if list(pages.items()) != sorted(PAGES.items()):
            wrong.append(part)

    threads = [threading.Thread(target=read, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class Finalized:
    """Asks the table again while an answer of it is made."""

    def __init__(self, table):
        self.table, self.circle = table, self

    def __del__(self):
        assert self.table[page(58)[0]] == page(58)[1]


def test_lookups_within_lookups(pages):
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for key, value in list(PAGES.items())[:300]:
            Finalized(pages)
            assert pages.floor(key) == (key, value)
            assert pages.get_many([key]) == [value]
    finally:
        gc.set_threshold(*threshold)


@pytest.mark.parametrize(
    "options",
    [
        {"load": True},
        {"page_checks": "at-open"},
        {"page_checks": "never"},
        {"warm": "all"},
        {"access": "random"},
    ],
)
def test_every_way_of_opening(pages, path, options):
    assert graven.open(path, **options) == PAGES
    assert graven.open(path, expect_build_id=pages.build_id)[page(58)[0]] == page(58)[1]


def test_in_memory_and_inside_of_a_file(pages, path, tmp_path):
    data = path.read_bytes()
    assert graven.from_bytes(data) == PAGES
    (tmp_path / "archive").write_bytes(b"x" * 4096 + data + b"y")
    assert graven.open(tmp_path / "archive", section=(4096, len(data))) == PAGES


def test_what_a_table_tells(make, path, way):
    table = make(PAGES, metadata={b"source": b"crawl"})
    assert table.metadata == {b"source": b"crawl"} and repr(table).endswith("3000 entries>")
    stats = table.stats()
    assert stats.codec == way.get("compress") and stats.compact_keys == ("compact_keys" in way)
    key_lengths, value_lengths = list(map(len, PAGES)), list(map(len, PAGES.values()))
    assert (stats.key_bytes, stats.value_bytes) == (sum(key_lengths), sum(value_lengths))
    assert (stats.key_len_max, stats.value_len_max) == (max(key_lengths), max(value_lengths))
    keys, values = not stats.compact_keys, stats.codec is None
    assert stats.key_len_min == stats.fixed_key_len == (min(key_lengths) if keys else None)
    assert stats.value_len_min == (min(value_lengths) if values else None)
    assert stats.fixed_value_len is None
    assert (stats.stored_key_bytes < stats.key_bytes) == stats.compact_keys
    assert (stats.stored_value_bytes < stats.value_bytes) == (stats.codec is not None)
    assert (stats.smallest_key, stats.largest_key) == (min(PAGES), max(PAGES))
    assert stats.codec is None or stats.codec in str(stats)
    assert stats.sections["packing"] > 0 and stats.file_bytes == path.stat().st_size
    summary = graven.build(path, PAGES, **way)
    assert summary.key_bytes == stats.key_bytes and summary.value_bytes == stats.value_bytes
    assert summary.stored_key_bytes == stats.stored_key_bytes
    assert summary.stored_value_bytes == stats.stored_value_bytes


def test_a_plain_table_tells_as_much(path):
    summary = graven.build(path, PAGES, compress=None, level=None, compact_keys=False)
    stats = graven.open(path).stats()
    assert stats.codec is None and not stats.compact_keys and "packing" not in stats.sections
    assert stats.stored_key_bytes == stats.key_bytes == summary.stored_key_bytes
    assert stats.stored_value_bytes == stats.value_bytes == summary.stored_value_bytes


def test_an_empty_packed_table(make):
    stats = make({}).stats()
    assert stats.smallest_key is stats.largest_key is None and stats.value_bytes == 0


def test_typed(make):
    entries = {struct.pack(">I", n): struct.pack("<dI", n / 2, n) for n in range(1000)}
    table = make(entries)
    typed = table.typed(key=">I", value="<dI")
    assert typed[7] == (3.5, 7) and typed.floor(5000) == (999, (499.5, 999)) and 1000 not in typed
    assert list(typed.range(3, 5)) == [(3, (1.5, 3)), (4, (2.0, 4))]
    assert typed.get_many([1, 2000]) == [(0.5, 1), None]
    assert dict(table.typed()) == entries
    # Where no length is known beforehand, an entry tells.
    with pytest.raises(graven.TypeMismatchError, match="12 bytes"):
        table.typed(key=">I", value="<d")[7]


def test_builders(path, way):
    with graven.Builder(path, **way) as builder:
        builder.extend(PAGES)
        builder.insert(b"one more", b"")
    assert graven.open(path) == {**PAGES, b"one more": b""}
    first = path.read_bytes()
    shuffled = sorted([*PAGES.items(), (b"one more", b"")], key=hash)
    graven.build(path, shuffled, memory_budget=1 << 20, threads=2, verify_after_write=True, **way)
    assert path.read_bytes() == first
    graven.build(path, sorted(shuffled), sorted=True, **way)
    assert path.read_bytes() == first
    columns = pyarrow.table({"key": list(PAGES), "value": list(PAGES.values())})
    graven.build_arrow(path, columns, key="key", value="value", **way)
    assert graven.open(path) == PAGES


def test_options_are_heeded(path):
    def stored(**options):
        return graven.build(path, PAGES, compress="zstd", **options).stored_value_bytes

    assert stored(level=19) < stored() == stored(level=3) < stored(level=1)
    assert stored() < stored(dictionary_bytes=1024) < stored(dictionary_bytes=0)
    sizes = [graven.build(path, PAGES, compress="zstd", dictionary_bytes=n).file_bytes for n in (0, 50_000)]
    assert sizes[0] != sizes[1]


def test_progress(path, way):
    calls = []
    entries = ((b"%07d" % (n * 7919 % 200000), b"value %d" % n) for n in range(200000))
    graven.build(path, entries, progress=lambda *report: calls.append(report), **way)
    assert list(dict.fromkeys(phase for phase, _, _ in calls)) == ["sort", "merge", "compress", "index", "sync"]
    assert all(0 <= done <= total for _, done, total in calls)


def test_merges_of_plain_tables_may_be_packed(path, tmp_path, way):
    keys = sorted(PAGES)
    parts = []
    for number in range(2):
        graven.build(tmp_path / str(number), {key: PAGES[key] for key in keys[number::2]})
        parts.append(graven.open(tmp_path / str(number)))
    graven.merge(path, parts, **way)
    merged = graven.open(path)
    assert merged == PAGES and merged.stats().codec == way.get("compress")


def test_copies_and_versions(pages, path, tmp_path):
    assert graven.publish(path, tmp_path / "copy") == pages.build_id
    assert graven.open(tmp_path / "copy") == PAGES
    versions = graven.Versions(tmp_path / "versions")
    versions.publish(path)
    assert graven.open(versions.current()) == PAGES


@pytest.mark.parametrize("codec", ["zstd", "fsst"])
def test_values_that_are_longer_than_allowed(path, tmp_path, codec):
    """A few bytes of a table from elsewhere stand for many; the bound comes before the memory."""
    short, long = b"a short value " * 70, b"a long value " * 100_000
    entries = [*((b"%03d" % n, short) for n in range(100)), (b"long", long), (b"long", b"short")]
    graven.build(path, entries, compress=codec, duplicates="keep-all")
    table, most = graven.open(path, max_value=len(short)), len(short)
    for allowed in graven.open(path, max_value=len(long)), graven.open(path):
        assert allowed[b"long"] == long and allowed.get_all(b"long") == [long, b"short"]
    graven.build(tmp_path / "old", {})
    old = graven.open(tmp_path / "old")
    # The smallest bound of tables that meet holds for all of them.
    graven.build(tmp_path / "few", {b"few": short}, compress=codec)
    few, unbound = graven.open(tmp_path / "few", max_value=most), graven.open(path)
    for refused in [
        lambda: table[b"long"],
        lambda: table.view(b"long"),
        lambda: table.get_many([b"long"]),
        lambda: table.get_all(b"long"),
        lambda: table.ceil(b"long"),
        lambda: table.nth(100),
        lambda: table.prefixes(b"longer"),
        lambda: list(table.items()),
        lambda: list(reversed(table.range())),
        lambda: list(graven.diff(old, table)),
        lambda: graven.merge(tmp_path / "merged", [old, table], policy="keep-all"),
        lambda: graven.merge(tmp_path / "merged", [few, unbound], policy="keep-all"),
        lambda: list(graven.diff(few, unbound)),
        lambda: list(graven.diff(unbound, few)),
        lambda: graven.from_bytes(path.read_bytes(), max_value=most)[b"long"],
        lambda: graven.Live(path, max_value=most)[b"long"],
        lambda: graven.Live(path, max_value=most).pin()[b"long"],
        lambda: pickle.loads(pickle.dumps(table))[b"long"],
        lambda: copy.copy(table)[b"long"],
    ]:
        with pytest.raises(graven.UnsupportedError, match=str(most)):
            refused()
        assert table[b"007"] == short and graven.open(path)[b"long"] == long
    assert not (tmp_path / "merged").exists()
    assert b"long" in table and table.count_of(b"long") == 2
    # What stands in the file as it is needs no memory.
    graven.build(path, {b"long": long})
    assert graven.open(path, max_value=1)[b"long"] == long
    for wrong in -1, 1 << 32:
        with pytest.raises(OverflowError):
            graven.open(path, max_value=wrong)


def halves(tmp_path, *options):
    """Tables of every second page, each packed in its own way."""
    parts = []
    for number, options_ in enumerate(options):
        graven.build(tmp_path / str(number), dict(list(PAGES.items())[number :: len(options)]), **options_)
        parts.append(graven.open(tmp_path / str(number)))
    return parts


def packed_as(table):
    stats = table.stats()
    return {"compress": stats.codec, "compact_keys": stats.compact_keys}


def test_a_merge_of_packed_tables_is_packed_as_the_first(path, tmp_path, way):
    parts = halves(tmp_path, way, {"compress": "fsst", "compact_keys": True})
    for some in parts, parts[::-1]:
        graven.merge(path, some)
        assert graven.open(path) == PAGES and packed_as(graven.open(path)) == packed_as(some[0])
    # Options say otherwise, each for itself.
    graven.merge(path, parts, compress=None)
    assert packed_as(graven.open(path)) == packed_as(parts[0]) | {"compress": None}
    graven.merge(path, parts, compact_keys=False, compress="zstd", level=1)
    assert packed_as(graven.open(path)) == {"compress": "zstd", "compact_keys": False}
    graven.merge(path, parts, compact_keys=False, compress=None)
    plain, merged = tmp_path / "plain", path.read_bytes()
    graven.build(plain, PAGES)
    assert graven.open(path) == PAGES and merged == plain.read_bytes()


def test_a_merge_of_both_kinds_is_plain(path, tmp_path, way):
    for parts in halves(tmp_path, way, {}), halves(tmp_path, {}, way):
        graven.merge(path, parts)
        assert graven.open(path) == PAGES
        assert packed_as(graven.open(path)) == {"compress": None, "compact_keys": False}


@pytest.mark.parametrize(
    "policy", ["keep-first", "keep-last", "keep-all", "concat"]
)
def test_policies_of_merges(pages, plain, path, tmp_path, policy):
    """Equal keys meet, however they are written."""
    key, value = page(58)
    graven.build(tmp_path / "other", {key: b"another value"}, compress="fsst", compact_keys=True)
    values = [b"another value", value, value]
    expected = {"keep-first": values[:1], "keep-last": values[2:], "keep-all": values, "concat": [b"".join(values)]}
    graven.merge(tmp_path / "merged", [graven.open(tmp_path / "other"), pages, plain], policy=policy)
    assert graven.open(tmp_path / "merged").get_all(key) == expected[policy]
    with pytest.raises(graven.DuplicateKeyError):
        graven.merge(tmp_path / "rejected", [plain, pages])
    assert not (tmp_path / "rejected").exists()


def test_differences(pages, plain, tmp_path, way):
    changed = {**PAGES, page(58)[0]: b"another value", b"one more": b"", b"two more": b"text " * 1000}
    del changed[page(60)[0]]
    expected = [
        (key, PAGES.get(key), changed.get(key))
        for key in sorted(PAGES.keys() | changed.keys())
        if PAGES.get(key) != changed.get(key)
    ]
    assert len(expected) == 4
    for options in {}, way, {"compress": "fsst"}:
        graven.build(tmp_path / "new", changed, **options)
        new = graven.open(tmp_path / "new")
        for old in pages, plain:
            assert list(graven.diff(old, new)) == expected
            assert list(graven.diff(new, old)) == [(key, to, of) for key, of, to in expected]
            graven.build(tmp_path / "empty", {}, **options)
            removed = graven.diff(old, graven.open(tmp_path / "empty"))
            assert list(removed) == [(key, value, None) for key, value in sorted(PAGES.items())]
        assert list(graven.diff(new, new)) == []
    assert list(graven.diff(plain, pages)) == list(graven.diff(pages, plain)) == []
    # A comparison keeps both tables.
    differences = graven.diff(pages, new)
    pages.close()
    new.close()
    gc.collect()
    assert list(differences) == expected


def test_damage_met_by_merges_and_comparisons(pages, plain, path, tmp_path):
    bad = graven.open(damage(path, tmp_path / "bad", path.stat().st_size // 4))
    for use in [
        lambda: graven.merge(tmp_path / "out", [bad]),
        lambda: list(graven.diff(plain, bad)),
        lambda: list(graven.diff(bad, plain)),
    ]:
        with pytest.raises(graven.DamagedError) as error:
            use()
        assert error.value.path == str(tmp_path / "bad")
    assert not (tmp_path / "out").exists()


def test_a_handle_follows_tables_of_both_kinds(path, way):
    """One kind takes the place of the other; what was taken of a table before stays."""
    key, value = page(58)
    taken = []
    graven.build(path, PAGES)
    with graven.Live(path) as live:
        for generation, options in enumerate([{}, way, way, {}, {"compress": "fsst"}], start=1):
            now = b"%d" % generation + value
            graven.build(path, {**PAGES, key: now}, **options)
            assert live.refresh() and live.status().generation == generation + 1
            table, view = live.pin(), live.view(key)
            assert live[key] == live.get(key) == bytes(view) == table[key] == now
            assert (key in live) and page(59)[0] not in live and len(live) == len(PAGES)
            assert live.get(page(59)[0]) is None and live.view(page(59)[0]) is None
            assert table == {**PAGES, key: now} and table.build_id == live.status().build_id
            assert packed_as(table) == {"compress": options.get("compress"), "compact_keys": "compact_keys" in options}
            assert pickle.loads(pickle.dumps(table)) == table and pickle.loads(pickle.dumps(live))[key] == now
            taken.append((table, view, now))
    for table, view, now in taken:
        assert table[key] == bytes(view) == now


def test_a_plain_table_that_took_the_place_of_a_packed_one_lends_its_bytes(pages, path):
    """A view of a packed table is a copy of one value; one of a plain table keeps the mapping."""
    live = graven.Live(path)
    graven.build(path, PAGES)
    assert live.refresh()
    views = [live.view(page(58)[0]) for _ in range(2)]
    addresses = {numpy.frombuffer(view, "u1").ctypes.data for view in views}
    assert len(addresses) == 1 and bytes(views[0]) == page(58)[1]
    live.close()
    path.unlink()
    assert bytes(views[1]) == page(58)[1]


@pytest.mark.parametrize("old", [{}, {"compress": "fsst"}], ids=["plain", "packed"])
def test_a_packed_table_that_cannot_be_decoded_leaves_the_old_one(old, path, tmp_path, way):
    served, (key, value) = tmp_path / "served", page(58)
    graven.build(served, PAGES, **old)
    graven.build(path, {**PAGES, key: b"new"}, **way)
    with graven.Live(served) as live:
        os.replace(damage(path, tmp_path / "bad", packing(path)), served)
        with pytest.raises(graven.DamagedError) as error:
            live.refresh()
        assert error.value.path == str(served) and live.status().failure == str(error.value)
        assert live[key] == value and live.status().generation == 1
        os.replace(path, served)
        assert live.refresh() and live[key] == b"new" and live.status().failure is None


def packing(path):
    """Where the section that says how a table is packed begins."""
    header = path.read_bytes()[:448]
    (count,) = struct.unpack_from("<I", header, 116)
    sections = [struct.unpack_from("<IIQQQ", header, 192 + 32 * n) for n in range(count)]
    (offset,) = (offset for kind, _, offset, *_ in sections if kind == 10)
    return offset


@pytest.mark.parametrize("cut", [{"shards": 4}, {"hash_shards": 3}], ids=["range", "hash"])
def test_a_set_of_packed_shards_answers_as_a_plain_one(tmp_path, way, cut):
    graven.build_set(tmp_path / "plain", PAGES, **cut)
    graven.build_set(tmp_path / "packed", PAGES, **cut, **way)
    plain, packed = graven.open(tmp_path / "plain"), graven.open(tmp_path / "packed")
    assert type(packed) is graven.TableSet and len(packed) == len(PAGES)
    assert packed == PAGES and packed == plain and plain == packed
    assert [shard.packed for shard in packed.manifest.shards] == [True] * len(packed.manifest.shards)
    assert not any(shard.packed for shard in plain.manifest.shards)
    keys = sorted(PAGES)
    probes = [*keys[::97], *(key + b"!" for key in keys[::97]), b"", b"zzz"]
    assert packed.get_many(probes) == plain.get_many(probes) == [PAGES.get(key) for key in probes]
    column = pyarrow.array(probes, pyarrow.binary())
    assert pyarrow.array(lookup_arrow(packed, column)).to_pylist() == packed.get_many(probes)
    for probe in probes:
        assert packed.get(probe) == PAGES.get(probe) and (probe in packed) == (probe in PAGES)
        view = packed.view(probe)
        assert (view and bytes(view)) == PAGES.get(probe)
        for query in "floor", "ceil", "rank", "get_all", "count_of", "count", "shard_of":
            assert getattr(packed, query)(probe) == getattr(plain, query)(probe), query
        assert list(packed.prefix(probe)) == list(plain.prefix(probe))
        assert list(packed[probe:])[:3] == list(plain[probe:])[:3]
        assert list(packed.range(stop=probe, reverse=True))[:3] == list(plain.range(stop=probe, reverse=True))[:3]
    assert packed.range()[1234] == plain.range()[1234]
    assert packed.first() == plain.first() and packed.last() == plain.last()
    assert list(reversed(packed)) == list(reversed(plain))
    assert packed.verify().entries == len(PAGES)
    shard = packed.table(0)
    assert shard.first()[1] == PAGES[shard.first()[0]] and shard == dict(shard)
    view = packed.view(keys[7])
    with pickle.loads(pickle.dumps(packed)) as again:
        assert again[keys[7]] == PAGES[keys[7]]
    packed.close()
    assert view == PAGES[keys[7]]
    if "shards" in cut:
        assert graven.open(tmp_path / "packed").nth(-1) == plain.nth(-1)


class TestPackedSet(test_sets.TestGeneric):
    """CPython's tests of mappings, with sets of packed shards."""

    options = {"hash_shards": 3, "compact_keys": True, "compress": "fsst"}


def test_shards_of_both_kinds(tmp_path, way):
    keys = sorted(PAGES)
    with SetJob(tmp_path / "job") as job:
        parts = (keys[:1000], {}), (keys[1000:2000], way), (keys[2000:], {})
        shards = [
            job.write_shard(
                pyarrow.table({"key": part, "value": [PAGES[key] for key in part]}), key="key", value="value", **options
            )
            for part, options in parts
        ]
        job.commit(shards)
    set_ = graven.open(tmp_path / "job")
    assert [shard.packed for shard in set_.manifest.shards] == [False, True, False]
    assert set_ == PAGES and list(set_.items()) == sorted(PAGES.items())
    assert set_.get_many([*keys, b""]) == [*map(PAGES.get, keys), None]
    for shard, key in enumerate([keys[999], keys[1000], keys[2000]]):
        table, value = set_.table(shard), PAGES[key]
        assert set_.shard_of(key) == shard and table[key] == value
        options = parts[shard][1]
        assert packed_as(table) == {"compress": options.get("compress"), "compact_keys": "compact_keys" in options}
        assert set_.floor(key + b"!") == set_.ceil(key) == (key, value) and set_.get_all(key) == [value]
        # The value in a plain shard is lent, and each view of a packed one has its copy.
        views = set_.view(key), set_.view(key)
        assert bytes(views[0]) == bytes(views[1]) == value
        addresses = {numpy.frombuffer(view, "u1").ctypes.data for view in views}
        assert len(addresses) == (2 if shard == 1 else 1)


def test_a_handle_follows_sets_of_both_kinds(tmp_path, way):
    path, (key, value) = tmp_path / "set", page(58)
    graven.build_set(path, PAGES, shards=2)
    taken = []
    with graven.LiveSet(path) as live:
        for generation, options in enumerate([{}, way, {}], start=1):
            now = b"%d" % generation + value
            graven.build_set(path, {**PAGES, key: now}, shards=3, **options)
            assert live.refresh() and live.generation == generation + 1
            pinned, view = live.pin(), live.view(key)
            assert live[key] == live.get(key) == bytes(view) == pinned[key] == now
            assert key in live and page(59)[0] not in live and len(live) == len(PAGES)
            assert live.get(page(59)[0]) is None and live.view(b"") is None
            assert type(pinned) is graven.TableSet and pinned == {**PAGES, key: now}
            assert pinned.get_many([key, b"", page(58)[0]]) == [now, None, now]
            assert pinned.floor(key) == (key, now) and pinned.get_all(key) == [now]
            assert all(shard.packed == bool(options) for shard in pinned.manifest.shards)
            assert packed_as(pinned.table(0))["compress"] == options.get("compress")
            assert pickle.loads(pickle.dumps(pinned)) == pinned
            # The value in a plain shard is lent, and each view of a packed one has its copy.
            addresses = {numpy.frombuffer(view, "u1").ctypes.data for view in (view, live.view(key), pinned.view(key))}
            assert len(addresses) == (3 if options else 1)
            taken.append((pinned, view, now))
    for pinned, view, now in taken:
        assert pinned[key] == bytes(view) == now


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"compress": "lz4"}, graven.OptionError, 'option compress is "lz4", expected "zstd", "fsst"'),
        ({"compress": True}, TypeError, "argument 'compress'"),
        ({"compress": "zstd", "level": 0}, graven.OptionError, "a level from 1 to 22"),
        ({"compress": "zstd", "level": 23}, graven.OptionError, "a level from 1 to 22"),
        ({"compress": "zstd", "level": "3"}, TypeError, "argument 'level'"),
        ({"level": 3}, graven.OptionError, 'option level is for compress="zstd"'),
        ({"level": 3, "compress": "fsst"}, graven.OptionError, "option level is for"),
        ({"dictionary_bytes": 0, "compress": "fsst"}, graven.OptionError, "dictionary_bytes is for"),
        ({"dictionary_bytes": 1 << 21, "compress": "zstd"}, graven.OptionError, "at most 1 MiB"),
        ({"dictionary_bytes": -1, "compress": "zstd"}, graven.OptionError, "dictionary_bytes is -1"),
        ({"level": 1 << 40, "compress": "zstd"}, graven.OptionError, "out of its range"),
        ({"compact_keys": 1}, TypeError, "argument 'compact_keys'"),
        ({"compress": "zstd", "value_align": 8}, graven.OptionError, "no value_align"),
        ({"compact_keys": True, "value_align": 8}, graven.OptionError, "no value_align"),
    ],
)
def test_wrong_options(path, options, error, text):
    with pytest.raises(error, match=text):
        graven.build(path, {b"key": b"value"}, **options)
    assert os.listdir(path.parent) == []


def test_damage(pages, path, tmp_path):
    bad = damage(path, tmp_path / "bad", pages.stats().file_bytes // 4)
    table = graven.open(bad)
    failed = 0
    for key in PAGES:
        try:
            assert table[key] == PAGES[key]
        except graven.DamagedError as error:
            assert error.path == str(bad)
            failed += 1
    assert failed
    for query in [
        lambda: list(table),
        lambda: list(table.values()),
        lambda: list(reversed(table.range())),
        lambda: table.get_many(list(PAGES)),
        lambda: table.verify(),
        lambda: table == PAGES,
    ]:
        with pytest.raises(graven.DamagedError):
            query()
