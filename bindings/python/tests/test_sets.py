"""A set must answer as one table with its entries would, however they are divided: each query is
compared with a dict or a sorted list, over ranges, hashes, a single shard and a shard for each key."""

import copy
import os
import random
import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

import numpy
import pytest
from conftest import CUTS
from test import mapping_tests

import graven


class TestGeneric(mapping_tests.BasicTestMappingProtocol):
    """CPython's tests of what any mapping does, without those that write."""

    test_write = test_update = test_setdefault = test_popitem = test_pop = None
    options = {"shards": 3}

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "set")

    def _reference(self):
        return {b"1": b"2", b"key1": b"value1", b"key2": b"value2"}

    def _empty_mapping(self):
        return self._full_mapping({})

    def _full_mapping(self, data):
        graven.build_set(self.path, data, **self.options)
        return graven.TableSet(self.path)


class TestHashed(TestGeneric):
    options = {"hash_shards": 3}


@pytest.fixture(scope="module")
def model():
    chance = random.Random(7)
    keys = {bytes(chance.choices(b"abc", k=chance.randrange(6))) for _ in range(300)}
    return [(key, b"%d" % at) for at, key in enumerate(sorted(keys))]


@pytest.fixture(params=CUTS)
def cut(request):
    return request.param


@pytest.fixture
def set_(make_set, model, cut):
    set_ = make_set(random.Random(1).sample(model, len(model)), **CUTS[cut])
    shards = {"range": 4, "hash": 4, "one shard": 1, "a shard per key": len(model)}
    assert len(set_.manifest.shards) == shards[cut]
    assert set_.manifest.partition == ("hash" if cut == "hash" else "range")
    return set_


PROBES = [b"", b"a", b"aa", b"ab", b"abc", b"b", b"bbbbbb", b"c", b"cccccc", b"d", b"\xff"]


def test_point_lookups(set_, model):
    assert isinstance(set_, Mapping)
    entries = dict(model)
    for key in PROBES + list(entries):
        assert set_.get(key) == entries.get(key) and (key in set_) == (key in entries)
        assert set_.get(key, 7) == entries.get(key, 7)
        assert set_.get(bytearray(key)) == set_.get(memoryview(key)) == entries.get(key)
        view = set_.view(key)
        assert (view and bytes(view)) == entries.get(key) if entries.get(key) else view is None
        assert set_.get_all(key) == ([entries[key]] if key in entries else [])
        assert set_.count_of(key) == (key in entries)
        if key in entries:
            assert set_[key] == entries[key]
        else:
            with pytest.raises(KeyError) as error:
                set_[key]
            assert error.value.args == (key,)
    assert len(set_) == len(model) and set_ == entries and entries == set_ and dict(set_) == entries


def test_views(set_, model):
    assert list(set_.keys()) == list(set_) == [key for key, _ in model]
    assert list(reversed(set_.keys())) == list(reversed(set_)) == [key for key, _ in model[::-1]]
    assert list(set_.values()) == [value for _, value in model]
    assert list(reversed(set_.values())) == [value for _, value in model[::-1]]
    assert list(set_.items()) == model and list(reversed(set_.items())) == model[::-1]
    assert model[3] in set_.items() and (model[3][0], b"x") not in set_.items()
    assert b"17" in set_.values() and b"x" not in set_.values()
    assert set_.keys() & {b"a", b"x"} == {b"a"} & dict(model).keys()


def test_neighbours_and_ranks(set_, model):
    keys = [key for key, _ in model]
    assert set_.first() == model[0] and set_.last() == model[-1]
    for probe in PROBES + keys:
        at, after = bisect_left(keys, probe), bisect_right(keys, probe)
        assert set_.rank(probe) == at
        assert set_.ceil(probe) == (model[at] if at < len(model) else None)
        assert set_.floor(probe) == (model[after - 1] if after else None)


def test_ranges_and_counts(set_, model, cut):
    for start in [None, *PROBES]:
        for stop in [None, *PROBES]:
            for ends in [
                dict(include_start=a, include_stop=b) for a in (True, False) for b in (True, False)
            ]:
                expected = [
                    (key, value)
                    for key, value in model
                    if (start is None or key > start or (ends["include_start"] and key == start))
                    and (stop is None or key < stop or (ends["include_stop"] and key == stop))
                ]
                found = set_.range(start, stop, **ends)
                assert list(found) == expected and len(found) == len(expected)
                assert list(reversed(found)) == expected[::-1]
                assert list(set_.range(start, stop, reverse=True, **ends)) == expected[::-1]
                assert set_.count(start, stop, **ends) == len(expected)
                if expected:
                    middle = len(expected) // 2
                    assert found[middle] == expected[middle] and found[-1] == expected[-1]
                    assert list(found[middle:]) == expected[middle:]
            assert list(set_[start:stop]) == list(set_.range(start, stop))


def test_prefixes(set_, model):
    for probe in PROBES + [b"\xff\xff"] + [key for key, _ in model]:
        expected = [item for item in model if item[0].startswith(probe)]
        assert list(set_.prefix(probe)) == expected
        assert list(set_.prefix(probe, reverse=True)) == expected[::-1]


def test_prefixes_at_the_end_of_all_bytes(make_set, cut):
    keys = sorted([b"\xff", b"\xff\xff", b"\xff\xffa", b"\xfe", b"\xfe\xff", b"\xfe\xff\xff", b"a"])
    set_ = make_set(dict.fromkeys(keys, b""), **CUTS[cut])
    for probe in keys + [b"", b"\xff\xff\xff"]:
        expected = [key for key in keys if key.startswith(probe)]
        assert list(set_.prefix(probe).keys()) == expected


def test_nth(set_, model, cut):
    if cut == "hash":
        with pytest.raises(graven.UnsupportedError, match="no entry by its rank: walk it") as error:
            set_.nth(0)
        assert error.value.path == set_.path
    else:
        for at in range(-len(model), len(model)):
            assert set_.nth(at) == model[at]
    for at in len(model), -len(model) - 1, 10**30, -(10**30):
        with pytest.raises(IndexError):
            set_.nth(at)
    with pytest.raises(TypeError):
        set_.nth("1")


@pytest.mark.parametrize("reverse", [False, True])
def test_a_range_is_a_sequence(set_, model, reverse):
    some = [item for item in model if b"aa" <= item[0] < b"c"][:: -1 if reverse else 1]
    found = set_.range(b"aa", b"c", reverse=reverse)
    assert isinstance(found, Sequence)
    assert list(found.keys()) == [key for key, _ in some]
    assert list(found.values()) == [value for _, value in some]
    for at in [0, 1, 5, -1, -5, len(some) - 1, -len(some)]:
        assert found[at] == some[at] and found.values()[at] == some[at][1]
    for at in [len(some), -len(some) - 1, 10**30]:
        with pytest.raises(IndexError):
            found[at]
    ends = [None, 0, 1, 7, len(some) - 1, len(some), 10**6, -1, -7, -(10**6)]
    for start in ends:
        for stop in ends:
            assert list(found[start:stop]) == some[start:stop]
            assert list(reversed(found[start:stop])) == some[start:stop][::-1]
    cut = found[5:50][3:-3]
    assert list(cut) == some[5:50][3:-3] and cut[2] == some[10] and len(cut) == len(some[8:47])
    assert found.index(some[3]) == found.index(some[3], 1, 9) == found.index(some[3], -len(some)) == 3
    assert found.count(some[3]) == 1 and some[3] in found and (b"aa", b"no") not in found
    assert f"of {len(some)} entries" in repr(found)
    with pytest.raises(ValueError, match="no step"):
        found[::2]


def test_iterators(set_, model):
    walk = iter(set_.items())
    assert isinstance(walk, Iterator) and iter(walk) is walk
    assert next(walk) == model[0] and walk.__length_hint__() == len(model) - 1
    assert list(walk) == model[1:] and list(walk) == []
    walk = iter(set_.range(b"a", b"b"))
    assert walk.__length_hint__() in (0, set_.count(b"a", b"b"))
    some = set_.range()
    first, second = iter(some), iter(some)
    assert next(first) == next(second) == model[0]
    with pytest.raises(TypeError, match="no step"):
        set_[b"a":b"b":2]


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_get_many(set_, model, count):
    entries, chance = dict(model), random.Random(count)
    keys = [chance.choice([model[at % len(model)][0], b"x%d" % at]) for at in range(count)]
    expected = [entries.get(key) for key in keys]
    assert set_.get_many(keys) == set_.get_many(iter(keys)) == expected
    assert set_.get_many([bytearray(key) for key in keys]) == expected
    assert set_.get_many(keys, b"-") == [b"-" if v is None else v for v in expected]


def test_get_many_into(make_set, cut):
    entries = {n.to_bytes(8, "big"): numpy.array([n, n * n], "<u4").tobytes() for n in range(0, 300, 2)}
    set_ = make_set(entries, **CUTS[cut])
    numbers = numpy.arange(70_000) % 307
    out, found = numpy.zeros((len(numbers), 2), "<u4"), numpy.zeros(len(numbers), "?")
    hit = (numbers < 300) & (numbers % 2 == 0)
    assert set_.get_many_into(numbers.astype(">u8"), out, found) == hit.sum()
    assert (found == hit).all()
    assert (out == numpy.stack([numbers, numbers**2], 1) * hit[:, None]).all()
    with pytest.raises(graven.TypeMismatchError, match="the value of key 0 has 8 bytes"):
        set_.get_many_into([bytes(8)], bytearray(7))
    with pytest.raises(TypeError, match="sequence of keys, got bytes"):
        set_.get_many(b"abc")


@pytest.mark.parametrize("cut", CUTS)
def test_an_empty_set(make_set, cut):
    set_ = make_set({}, **CUTS[cut])
    assert len(set_) == 0 and not set_ and set_ == {} and set_ == make_set({}, **CUTS[cut])
    assert list(set_) == list(set_.items()) == list(reversed(set_)) == list(set_.range()) == []
    assert set_.get(b"") is None and b"" not in set_ and set_.view(b"") is None
    assert set_.first() is set_.last() is set_.floor(b"x") is set_.ceil(b"") is None
    assert set_.rank(b"x") == set_.count() == len(set_.prefix(b"")) == set_.count_of(b"") == 0
    assert set_.get_many([b"a", b""]) == [None, None] and set_.get_all(b"") == []
    assert set_.verify().entries == 0 and set_.typed(">I", "<d") == {}
    assert {shard.first_key for shard in set_.manifest.shards} == {None}
    for wrong in lambda: set_.nth(0), lambda: set_.range()[0], lambda: set_[b""]:
        with pytest.raises((IndexError, KeyError)):
            wrong()


def test_the_empty_key_the_longest_and_the_empty_value(make_set, cut):
    longest = b"k" * 65535
    set_ = make_set({b"": b"nothing", longest: b"", b"k": b"x"}, **CUTS[cut])
    assert set_[b""] == b"nothing" and set_[longest] == b"" and longest + b"k" not in set_
    assert list(set_) == [b"", b"k", longest] and set_.view(longest).nbytes == 0
    with pytest.raises(graven.EntryError, match="65536 bytes"):
        make_set({longest + b"k": b""}, **CUTS[cut])


def test_repeated_keys_stay_together(make_set, cut):
    entries = [(b"%d" % (n % 7), b"%02d" % n) for n in range(40)]
    expected = sorted(entries)
    set_ = make_set(entries, duplicates="keep-all", **CUTS[cut])
    assert len(set_) == 40 and list(set_.items()) == expected
    assert set_[b"3"] == b"03" and set_.count_of(b"3") == 6
    assert set_.get_all(b"3") == [value for key, value in expected if key == b"3"]
    assert (b"3", b"17") in set_.items()
    assert set_.verify().keys == 7
    everything, backwards = set_.range(), set_.range(reverse=True)
    for at in range(40):
        assert everything[at] == expected[at] and list(everything[at:]) == expected[at:]
        assert list(everything[:at]) == expected[:at] and list(everything[at : at + 1]) == expected[at : at + 1]
        assert list(backwards[at:]) == expected[::-1][at:]
        assert list(backwards[:at]) == expected[::-1][:at]
    assert list(set_.range(b"2", b"5", include_start=False)[5:9]) == expected[18 + 5 : 18 + 9]
    assert make_set(entries, duplicates="keep-last", **CUTS[cut])[b"3"] == b"38"
    with pytest.raises(graven.DuplicateKeyError):
        make_set(entries, **CUTS[cut])


def test_keys_have_to_be_bytes(set_):
    for query in [
        set_.get, set_.view, set_.__contains__, set_.__getitem__, set_.get_all, set_.count_of,
        set_.floor, set_.ceil, set_.rank, set_.range, set_.prefix, set_.shard_of, set_.count,
    ]:  # fmt: skip
        with pytest.raises(TypeError, match="encode it"):
            query("apple")


def test_equality(make_set, set_, model, tmp_path):
    entries = dict(model)
    other = {**entries, b"abc": b"another"}
    assert set_ != other and set_ != {**entries, b"more": b""} and set_ != 4
    graven.build_set(tmp_path / "other", entries, hash_shards=3)
    again = graven.TableSet(tmp_path / "other")
    assert again.id != set_.id and again == set_
    graven.build_set(tmp_path / "other", other, shards=3)
    assert graven.TableSet(tmp_path / "other") != set_
    graven.build(tmp_path / "table", entries)
    table = graven.open(tmp_path / "table")
    assert table == set_ and set_ == table
    with pytest.raises(TypeError, match="unhashable"):
        hash(set_)


def test_the_manifest_and_the_shards(set_, model, cut):
    manifest = set_.manifest
    assert manifest == set_.manifest and manifest.version == 1 and manifest.id == set_.id
    assert (manifest.entries, manifest.bytes) == (len(model), sum(s.bytes for s in manifest.shards))
    assert manifest.id in repr(manifest) and manifest.shards[0].file in repr(manifest.shards[0])
    assert (manifest.shards[0] == manifest.shards[-1]) == (len(manifest.shards) == 1)
    seen = []
    for number, shard in enumerate(manifest.shards):
        table = set_.table(number)
        assert table.path == os.path.join(set_.path, shard.file)
        assert os.path.getsize(table.path) == shard.bytes
        assert (table.build_id, len(table)) == (shard.build_id, shard.entries)
        assert (shard.first_key, shard.last_key) == (table.first()[0], table.last()[0])
        assert len(shard.sha256) == 64
        assert {set_.shard_of(key) for key in table} == {number}
        if cut == "hash":
            assert {graven.hash_shard(key, 4) for key in table} == {number}
        seen += table.items()
    assert sorted(seen) == model
    assert set_.table(-1) == set_.table(len(manifest.shards) - 1)
    for wrong in len(manifest.shards), -len(manifest.shards) - 1:
        with pytest.raises(IndexError):
            set_.table(wrong)
    report = set_.verify()
    assert (report.shards, report.entries, report.keys, report.bytes) == (
        len(manifest.shards), len(model), len(model), manifest.bytes
    )  # fmt: skip
    assert f"shards={report.shards}" in repr(report)
    calls = []
    set_.verify(progress=lambda *call: calls.append(call))
    assert calls[-1][0] == "verify" and 0 < calls[-1][1] <= calls[-1][2]

    def refuse(*_):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        set_.verify(progress=refuse)
    assert f"{len(model)} entries" in repr(set_) and set_.path in repr(set_)


def test_what_no_shard_can_have(make_set):
    set_ = make_set({b"b": b"1", b"d": b"2"}, shards=2)
    assert set_.shard_of(b"a") is None and set_.shard_of(b"c") == 0 and set_.shard_of(b"e") == 1
    assert set_.get(b"a") is None and set_.count_of(b"a") == 0 and set_.mapped_bytes == 0


# docs/sets.md has them; they are Spark's xxhash64 and pmod.
VECTORS = [
    (b"", 4, 652),
    (b"a", 12, 716),
    (b"Spark", 7, 95),
    (b"graven", 2, 786),
    (bytes(range(32)), 2, 82),
    (bytes(range(100)), 7, 39),
]


@pytest.mark.parametrize("key, of_16, of_1000", VECTORS)
def test_hash_shards_are_those_of_spark(key, of_16, of_1000):
    assert graven.hash_shard(key, 16) == graven.hash_shard(bytearray(key), 16) == of_16
    assert graven.hash_shard(key, 1000) == of_1000 and graven.hash_shard(key, 1) == 0


def test_what_hash_shard_refuses():
    with pytest.raises(graven.OptionError, match="option shards is 0"):
        graven.hash_shard(b"a", 0)
    with pytest.raises(OverflowError):
        graven.hash_shard(b"a", -1)
    with pytest.raises(graven.OptionError):
        graven.hash_shard(b"a", 2**63)
    with pytest.raises(TypeError, match="encode it"):
        graven.hash_shard("a", 4)


def test_shards_are_mapped_when_they_are_asked(make_set):
    set_ = make_set({b"%03d" % n: b"%d" % n for n in range(100)}, shards=4)
    assert set_.mapped_bytes == 0
    assert set_[b"000"] == b"0" and set_.mapped_bytes == set_.manifest.shards[0].bytes
    assert next(iter(set_)) == b"000" and set_.mapped_bytes == set_.manifest.shards[0].bytes
    assert len(list(set_)) == 100 and set_.mapped_bytes == set_.manifest.bytes


def test_shards_are_let_go(make_set, tmp_path):
    entries = {b"%03d" % n: b"%d" % n for n in range(100)}
    make_set(entries, shards=10)
    for most in 1, 10_000:
        set_ = graven.TableSet(tmp_path / "set", max_mapped_bytes=most)
        largest = max(shard.bytes for shard in set_.manifest.shards)
        view, some = set_.view(b"000"), set_.range(b"05", b"06")
        walk = iter(some)
        assert next(walk) == (b"050", b"50")
        for _ in range(3):
            for key, value in entries.items():
                assert set_[key] == value and set_.mapped_bytes <= max(most, largest)
        assert bytes(view) == b"0" and len(list(walk)) == 9 and some[3] == (b"053", b"53")
        assert set_ == entries
    with pytest.raises(OverflowError):
        graven.TableSet(tmp_path / "set", max_mapped_bytes=-1)


@pytest.mark.parametrize(
    "options",
    [
        {"page_checks": "at-open"},
        {"page_checks": "never"},
        {"warm": "index"},
        {"warm": "all"},
        {"access": "random"},
        {"max_mapped_bytes": 1},
    ],
)
def test_every_way_of_opening(set_, model, options):
    with graven.TableSet(set_.path, **options) as opened:
        assert opened == set_ and opened.get(model[7][0]) == model[7][1]
        assert opened.floor(b"b") == set_.floor(b"b") and opened[b"a":b"b"][0] == set_[b"a":b"b"][0]
    assert opened.closed


def test_open_opens_sets(set_, model, path, tmp_path):
    for place in tmp_path / "set", set_.path:
        opened = graven.open(place, warm="index")
        assert isinstance(opened, graven.TableSet) and opened == dict(model)
    for options in [
        {"load": True}, {"section": (0, 1)}, {"expect_build_id": "0" * 32}, {"allow_patch": True},
        {"tolerate_footer": True}, {"max_value": 1},
    ]:  # fmt: skip
        with pytest.raises(graven.OptionError, match=f"{[*options][0]} does not go with .*is a set"):
            graven.open(tmp_path / "set", **options)
    graven.build(path, {})
    assert isinstance(graven.open(path), graven.Table)


def test_a_set_stays_with_its_version(make_set, set_, model, tmp_path):
    assert set_.path.startswith(str(tmp_path / "set" / "versions"))
    new = make_set({b"new": b"1"}, **CUTS["range"])
    assert set_ == dict(model) and new == {b"new": b"1"} and new.path != set_.path
    versions = graven.Versions(tmp_path / "set")
    assert [version.path for version in versions.list()] == [set_.path, new.path]
    assert versions.list()[0].file_bytes > set_.manifest.bytes
    # It has a lock on its version.
    assert versions.prune(1, 0) == []
    set_.close()
    assert len(versions.prune(1, 0)) == 1


def test_a_closed_set(set_, model):
    view, some, table = set_.view(b"a"), set_.range(), set_.table(0)
    again = copy.copy(set_)
    with set_ as same:
        assert same is set_ and not set_.closed
    assert set_.closed and "closed" in repr(set_)
    for use in [
        lambda: set_[b"a"],
        lambda: set_.get(b"a"),
        lambda: set_.view(b"a"),
        lambda: b"a" in set_,
        lambda: len(set_),
        lambda: iter(set_),
        lambda: set_.keys(),
        lambda: set_ == {},
        lambda: set_.range(),
        lambda: set_.first(),
        lambda: set_.count(),
        lambda: set_.get_many([b"a"]),
        lambda: set_.verify(),
        lambda: set_.manifest,
        lambda: set_.mapped_bytes,
        lambda: set_.path,
        lambda: set_.table(0),
        lambda: set_.shard_of(b"a"),
        lambda: set_.typed(),
        set_.__enter__,
        set_.__copy__,
        set_.__reduce__,
    ]:
        with pytest.raises(graven.ClosedError, match="the set is closed"):
            use()
    set_.close()
    assert bytes(view) == dict(model)[b"a"] and list(some) == model
    assert len(table) > 0 and table.first() in model
    assert again == dict(model) and copy.deepcopy([again])[0] == again


def test_a_typed_set(make_set, cut):
    import struct

    entries = {struct.pack(">I", n): struct.pack("<dI", n / 2, n) for n in range(100)}
    set_ = make_set(entries, **CUTS[cut])
    numbers = set_.typed(key=">I", value="<dI")
    assert numbers[7] == (3.5, 7) and 200 not in numbers and len(numbers) == 100
    assert numbers.floor(1000) == (99, (49.5, 99)) and numbers.get_many([1, 500]) == [(0.5, 1), None]
    assert list(numbers) == list(range(100)) and numbers.table is set_
    assert [key for key, _ in numbers.range(10, 13)] == [10, 11, 12]
    assert list(reversed(numbers.items()))[0] == (99, (49.5, 99)) and numbers.count(50) == 50
    with pytest.raises(graven.TypeMismatchError, match="keys have 4 bytes"):
        set_.typed(key=">Q")


def test_a_typed_set_of_mixed_lengths(make_set):
    set_ = make_set({b"a": b"1234", b"b": b"12345"}, shards=2)
    numbers = set_.typed(value="<I")
    assert numbers[b"a"] == int.from_bytes(b"1234", "little")
    with pytest.raises(graven.TypeMismatchError, match="the entry has 5 bytes, <I has 4"):
        numbers[b"b"]
