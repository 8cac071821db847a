"""Ways of opening a table, and what a table tells of itself."""

import copy
import re

import pytest

import graven


@pytest.fixture
def large(make):
    return make({b"%06d" % n: b"%d" % n for n in range(50000)}, metadata={b"a": b"1", b"": b""})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"load": True},
        {"page_checks": "at-open"},
        {"page_checks": "never"},
        {"warm": "index"},
        {"warm": "all"},
        {"warm": "large-pages"},
        {"access": "random"},
        {"access": "sequential"},
        {"access": "normal"},
        {"lock_memory": True, "load": True},
    ],
)
def test_every_way_of_opening(large, path, options):
    with graven.open(path, **options) as table:
        assert table == large and table[b"000777"] == b"777"


def test_a_table_inside_of_a_file(words, path, tmp_path):
    data = path.read_bytes()
    (tmp_path / "archive").write_bytes(b"x" * 4096 + data + b"y")
    table = graven.open(tmp_path / "archive", section=(4096, len(data)))
    assert table == words


def test_a_table_in_memory(words, path):
    data = bytearray(path.read_bytes())
    table = graven.from_bytes(data)
    data[:] = bytes(len(data))  # the table has a copy
    assert table == words and table.path is None and "in memory" in repr(table)
    assert graven.from_bytes(path.read_bytes(), expect_build_id=words.build_id) == words
    with pytest.raises(graven.OtherBuildError):
        graven.from_bytes(path.read_bytes(), expect_build_id="f" * 32)


def test_what_a_table_tells(large, path):
    assert large.path == str(path) and repr(large) == f"<graven.Table '{path}', 50000 entries>"
    assert large.metadata == {b"a": b"1", b"": b""}
    assert len(large.build_id) == 32 and not large.is_faulted and not large.is_guarded
    stats = large.stats()
    assert stats.entries == stats.keys == large.distinct_keys == len(large) == 50000
    assert stats.fixed_key_len == stats.key_len_min == stats.key_len_max == 6
    assert stats.fixed_value_len is None
    assert (stats.value_len_min, stats.value_len_max) == (1, 5)
    assert stats.key_bytes == 300000 and stats.value_bytes == sum(len(v) for v in large.values())
    assert (stats.smallest_key, stats.largest_key) == (b"000000", b"049999")
    assert stats.file_bytes == path.stat().st_size and stats.build_id == large.build_id
    assert stats.key_type is stats.value_type is None and stats.value_align == 1
    assert sum(stats.sections.values()) <= stats.file_bytes
    assert stats.sections["records"] > 300000
    assert "50000" in str(stats).replace(",", "")
    residency = large.residency()
    assert residency is None or all(0 <= some <= all_ for some, all_ in residency.values())


def test_the_hash_index(make):
    assert make({b"a": b"1"}, hash_index="always").stats().has_hash_index
    assert not make({b"a": b"1"}, hash_index="never").stats().has_hash_index


def test_verify_and_warm(large, path):
    calls = []
    report = large.verify(progress=lambda *report: calls.append(report))
    assert (report.entries, report.keys) == (50000, 50000)
    assert report.bytes == path.stat().st_size and report.pages > 100
    phase, done, total = calls[-1]
    assert phase == "verify" and 0 < done <= total
    calls.clear()
    assert large.warm(progress=lambda *report: calls.append(report)) == path.stat().st_size
    assert calls[-1][0] == "warm" and calls[-1][1] == calls[-1][2]
    assert 0 < large.warm("index") < path.stat().st_size
    assert large.warm("large-pages") == path.stat().st_size
    assert large.warm("none") == 0


@pytest.mark.parametrize("work", ["verify", "warm"])
def test_an_exception_of_the_callback(large, work):
    def progress(*_):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        getattr(large, work)(progress=progress)
    with pytest.raises(TypeError, match="not callable"):
        getattr(large, work)(progress=3)


def test_the_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", graven.__version__)


def test_copies_share_the_mapping(words):
    for again in copy.copy(words), copy.deepcopy(words), copy.deepcopy([words])[0]:
        assert again is not words and again == words
        again.close()
    assert words[b"ant"] == b"1"
