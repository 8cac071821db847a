"""A table that is not quite a mapping breaks the code that takes one for a dict: CPython's own tests
of mappings decide, and the rest is what those tests leave out."""

import os
import tempfile
from collections.abc import ItemsView, KeysView, Mapping, ValuesView

import pytest
from test import mapping_tests

import graven

class TestGeneric(mapping_tests.BasicTestMappingProtocol):
    """CPython's tests of what any mapping does. A table cannot be filled one by one, so each mapping
    is built whole, and the tests that write are left out."""

    test_write = test_update = test_setdefault = test_popitem = test_pop = None

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "table.grv")

    def _reference(self):
        return {b"1": b"2", b"key1": b"value1", b"key2": b"value2"}

    def _empty_mapping(self):
        return self._full_mapping({})

    def _full_mapping(self, data):
        graven.build(self.path, data)
        return graven.open(self.path)


def test_is_a_mapping(words):
    assert isinstance(words, Mapping)
    assert isinstance(words.keys(), KeysView)
    assert isinstance(words.values(), ValuesView)
    assert isinstance(words.items(), ItemsView)
    assert dict(words) == {b"ant": b"1", b"bee": b"2", b"cow": b"3", b"dog": b"4"}
    match words:
        case {b"bee": value, **rest}:
            assert value == b"2" and len(rest) == 3
        case _:
            pytest.fail("no match")


def test_views(words):
    assert list(words.keys()) == [b"ant", b"bee", b"cow", b"dog"]
    assert list(reversed(words.keys())) == list(reversed(words)) == [b"dog", b"cow", b"bee", b"ant"]
    assert list(words.values()) == [b"1", b"2", b"3", b"4"]
    assert list(reversed(words.values())) == [b"4", b"3", b"2", b"1"]
    assert list(words.items())[0] == (b"ant", b"1")
    assert list(reversed(words.items()))[0] == (b"dog", b"4")
    assert len(words.keys()) == len(words.values()) == len(words.items()) == 4
    assert b"bee" in words.keys() and b"elk" not in words.keys()
    assert b"3" in words.values() and b"9" not in words.values()
    assert (b"ant", b"1") in words.items()
    assert (b"ant", b"2") not in words.items()
    assert "ant" not in words.items()
    assert words.keys() & {b"ant", b"elk"} == {b"ant"}
    assert words.keys() | {b"elk"} == {b"ant", b"bee", b"cow", b"dog", b"elk"}
    assert words.items() - {(b"ant", b"1")} == {(b"bee", b"2"), (b"cow", b"3"), (b"dog", b"4")}
    assert words.keys() == {b"ant", b"bee", b"cow", b"dog"}
    assert words.keys().isdisjoint({b"elk"})


def test_equality(words, tmp_path):
    entries = dict(words)
    assert words == entries and entries == words
    assert not words != entries
    assert words != {**entries, b"dog": b"5"}
    assert words != {b"ant": b"1", b"bee": b"2", b"cow": b"3", b"elk": b"4"}
    assert words != {b"ant": b"1"}
    assert words != [(b"ant", b"1")] and words != 4
    # Another file of the same entries has another build id if other options made it.
    graven.build(tmp_path / "other", entries, value_align=8)
    other = graven.open(tmp_path / "other")
    assert other.build_id != words.build_id and other == words
    graven.build(tmp_path / "other", {**entries, b"dog": b"5"})
    assert graven.open(tmp_path / "other") != words
    with pytest.raises(TypeError, match="unhashable"):
        hash(words)


def test_an_empty_table(make):
    table = make({})
    assert len(table) == 0 and not table and table == {}
    assert list(table) == list(table.items()) == list(reversed(table)) == []
    assert table.get(b"") is None and b"" not in table and table.view(b"") is None
    assert table.first() is table.last() is table.floor(b"x") is table.ceil(b"") is None
    assert table.rank(b"x") == table.count() == table.distinct_keys == 0
    assert list(table.range()) == list(table.prefix(b"")) == table.prefixes(b"x") == []
    assert table.get_many([b"a", b""]) == [None, None]
    assert table.verify().entries == 0
    with pytest.raises(KeyError):
        table[b""]
    with pytest.raises(IndexError):
        table.nth(0)


def test_the_empty_key_and_the_longest(make):
    longest = b"k" * 65535
    table = make({b"": b"nothing", longest: b"much"})
    assert table[b""] == b"nothing" and table[longest] == b"much"
    assert list(table) == [b"", longest]
    assert table.longest_prefix(b"x") == (b"", b"nothing")
    assert table.get(longest + b"k") is None and longest + b"k" not in table
    with pytest.raises(graven.EntryError, match="65536 bytes"):
        graven.build(table.path, {longest + b"k": b""})


def test_the_empty_value(make):
    table = make({b"a": b"", b"b": b"x"})
    assert table[b"a"] == b"" and table.get(b"a", b"?") == b""
    view = table.view(b"a")
    assert view.nbytes == 0 and bytes(view) == b""


def test_repeated_keys(make):
    entries = [(b"b", b"2"), (b"a", b"1"), (b"b", b"3")]
    table = make(entries, duplicates="keep-all")
    assert table[b"b"] == b"2" and table.get_all(b"b") == [b"2", b"3"]
    assert table.count_of(b"b") == 2 and table.count_of(b"x") == 0
    assert len(table) == 3 and table.distinct_keys == 2
    assert list(table) == [b"a", b"b", b"b"]
    assert (b"b", b"3") in table.items()
    assert table != {b"a": b"1", b"b": b"2", b"c": b"3"}
    assert make(entries, duplicates="keep-last") == {b"a": b"1", b"b": b"3"}
    assert make(entries, duplicates="keep-first") == {b"a": b"1", b"b": b"2"}
    with pytest.raises(graven.DuplicateKeyError, match='key "b" occurs more than once'):
        make(entries)


def test_get_has_a_default(words):
    default = object()
    assert words.get(b"elk", default) is default
    assert words.get(b"ant", default) == b"1"
    with pytest.raises(KeyError) as error:
        words[b"elk"]
    assert error.value.args == (b"elk",)
