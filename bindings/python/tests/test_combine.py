"""Merges and comparisons, against what dicts give."""

import random

import pytest

import graven


def tables(tmp_path, count, **options):
    chance = random.Random(3)
    made = []
    for at in range(count):
        entries = {b"%03d" % chance.randrange(200): b"%d-%d" % (at, n) for n in range(100)}
        graven.build(tmp_path / f"{at}", entries, **options)
        made.append((graven.open(tmp_path / f"{at}"), entries))
    return made


def test_merge(tmp_path, path):
    made = tables(tmp_path, 3)
    opened, dicts = [table for table, _ in made], [entries for _, entries in made]
    keys = sorted(set().union(*dicts))
    summary = graven.merge(path, opened, policy="keep-last")
    assert graven.open(path) == dicts[0] | dicts[1] | dicts[2] and summary.entries == len(keys)
    graven.merge(path, iter(opened), policy="keep-first")
    assert graven.open(path) == dicts[2] | dicts[1] | dicts[0]
    graven.merge(path, opened, policy="concat")
    joined = {key: b"".join(entries.get(key, b"") for entries in dicts) for key in keys}
    assert graven.open(path) == joined
    graven.merge(path, opened, policy="keep-all")
    assert len(graven.open(path)) == sum(map(len, dicts))
    for key in keys:
        expected = [entries[key] for entries in dicts if key in entries]
        assert graven.open(path).get_all(key) == expected
    with pytest.raises(graven.DuplicateKeyError, match="key"):
        graven.merge(path, opened)
    graven.merge(path, [])
    assert graven.open(path) == {}


def test_options_of_merge(tmp_path, path):
    made = tables(tmp_path, 2, metadata={b"a": b"1", b"b": b"2"}, value_align=8)
    opened = [table for table, _ in made]
    calls = []
    graven.merge(
        path, opened, policy="keep-last", metadata={b"b": b"3"},
        progress=lambda *report: calls.append(report),
    )  # fmt: skip
    merged = graven.open(path)
    assert merged.metadata == {b"a": b"1", b"b": b"3"} and merged.stats().value_align == 8
    assert calls[-1][0] == "sync"
    with pytest.raises(graven.OptionError, match='option policy is "x"'):
        graven.merge(path, opened, policy="x")
    for wrong in 3, [b"x"], [path]:
        with pytest.raises(TypeError):
            graven.merge(path, wrong)
    opened[1].close()
    with pytest.raises(graven.ClosedError):
        graven.merge(path, opened)
    assert graven.open(path) == merged


def test_diff(tmp_path):
    (old, before), (new, after) = tables(tmp_path, 2)
    expected = [
        (key, before.get(key), after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    changes = graven.diff(old, new)
    old.close()  # the comparison keeps both
    new.close()
    assert iter(changes) is changes and list(changes) == expected and list(changes) == []


def test_diff_of_many_changes(tmp_path, path):
    graven.build(path, {b"%05d" % n: b"%d" % n for n in range(3000)})
    graven.build(tmp_path / "new", {b"%05d" % n: b"%d" % (n % 1000) for n in range(3000)})
    old, new = graven.open(path), graven.open(tmp_path / "new")
    assert list(graven.diff(old, new)) == [
        (b"%05d" % n, b"%d" % n, b"%d" % (n % 1000)) for n in range(1000, 3000)
    ]
    assert list(graven.diff(old, old)) == []
    with pytest.raises(TypeError):
        graven.diff(old, {})
