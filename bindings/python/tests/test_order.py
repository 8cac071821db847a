"""Queries by order, against a sorted list that answers them in the plainest way."""

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import pytest


@pytest.fixture
def model():
    chance = random.Random(7)
    keys = {bytes(chance.choices(b"abc", k=chance.randrange(6))) for _ in range(300)}
    return [(key, b"%d" % at) for at, key in enumerate(sorted(keys))]


@pytest.fixture
def table(make, model):
    return make(random.Random(1).sample(model, len(model)))


PROBES = [b"", b"a", b"aa", b"ab", b"abc", b"b", b"bbbbbb", b"c", b"cccccc", b"d", b"\xff"]


def test_neighbours_and_ranks(table, model):
    keys = [key for key, _ in model]
    assert table.first() == model[0] and table.last() == model[-1]
    for probe in PROBES + keys:
        at, after = bisect_left(keys, probe), bisect_right(keys, probe)
        assert table.rank(probe) == at
        assert table.ceil(probe) == (model[at] if at < len(model) else None)
        assert table.floor(probe) == (model[after - 1] if after else None)


def test_ranges_and_counts(table, model):
    for start in [None, *PROBES]:
        for stop in [None, *PROBES]:
            for include_start in True, False:
                for include_stop in True, False:
                    ends = dict(include_start=include_start, include_stop=include_stop)
                    expected = [
                        (key, value)
                        for key, value in model
                        if (start is None or key > start or (include_start and key == start))
                        and (stop is None or key < stop or (include_stop and key == stop))
                    ]
                    found = table.range(start, stop, **ends)
                    assert list(found) == expected and len(found) == len(expected)
                    assert list(reversed(found)) == expected[::-1]
                    back = table.range(start, stop, reverse=True, **ends)
                    assert list(back) == expected[::-1]
                    assert table.count(start, stop, **ends) == len(expected)
            assert list(table[start:stop]) == list(table.range(start, stop))


def test_prefixes(table, model):
    for probe in PROBES + [key for key, _ in model]:
        expected = [item for item in model if item[0].startswith(probe)]
        assert list(table.prefix(probe)) == expected
        assert list(table.prefix(probe, reverse=True)) == expected[::-1]
        of = [item for item in model if probe.startswith(item[0])][::-1]
        assert table.prefixes(probe) == of
        assert table.longest_prefix(probe) == (of[0] if of else None)


def test_nth(table, model):
    for at in range(-len(model), len(model)):
        assert table.nth(at) == model[at]
    for at in len(model), -len(model) - 1, 10**30, -(10**30):
        with pytest.raises(IndexError):
            table.nth(at)
    with pytest.raises(TypeError):
        table.nth("1")


@pytest.mark.parametrize("reverse", [False, True])
def test_a_range_is_a_sequence(table, model, reverse):
    some = [item for item in model if b"aa" <= item[0] < b"c"][:: -1 if reverse else 1]
    found = table.range(b"aa", b"c", reverse=reverse)
    assert isinstance(found, Sequence)
    assert list(found.keys()) == [key for key, _ in some]
    assert list(found.values()) == [value for _, value in some]
    assert list(found.keys().items()) == some
    for at in [0, 1, 5, -1, -5, len(some) - 1, -len(some)]:
        assert found[at] == some[at]
        assert found.values()[at] == some[at][1]
    for at in [len(some), -len(some) - 1, 10**30]:
        with pytest.raises(IndexError):
            found[at]
    ends = [None, 0, 1, 7, len(some) - 1, len(some), 10**6, -1, -7, -(10**6)]
    for start in ends:
        for stop in ends:
            assert list(found[start:stop]) == some[start:stop]
    assert list(found[5:50][3:-3]) == some[5:50][3:-3]
    assert found.index(some[3]) == found.index(some[3], 1, 9) == found.index(some[3], -len(some)) == 3
    assert found.count(some[3]) == 1 and found.keys().count(b"x") == 0
    for missing in [(some[3], 4), (some[3], 0, 3), ((b"x", b""),)]:
        with pytest.raises(ValueError):
            found.index(*missing)
    assert some[3] in found and (b"aa", b"no") not in found
    with pytest.raises(ValueError, match="no step"):
        found[::2]


def test_shards_are_everything(table, model):
    everything = table.range()
    for shards in 1, 3, 7, 1000:
        cuts = [len(model) * part // shards for part in range(shards + 1)]
        parts = [everything[start:stop] for start, stop in zip(cuts, cuts[1:])]
        assert [item for part in parts for item in part] == model


def test_a_slice_by_keys_has_no_step(table):
    with pytest.raises(TypeError, match="no step"):
        table[b"a":b"b":2]


def test_iterators(table, model):
    walk = iter(table.items())
    assert isinstance(walk, Iterator) and iter(walk) is walk
    assert next(walk) == model[0]
    assert walk.__length_hint__() == len(model) - 1
    assert list(walk) == model[1:] and list(walk) == []
    with pytest.raises(StopIteration):
        next(walk)
    some = table.range()
    first, second = iter(some), iter(some)
    assert next(first) == next(second) == model[0]
