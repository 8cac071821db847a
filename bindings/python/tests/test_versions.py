"""Publishing decides what all readers get: a table that is refused must leave the current version
as it was, and an exception in the midst must leave no version that is half made."""

import os
import pickle

import pytest

import graven


@pytest.fixture
def versions(tmp_path):
    return graven.Versions(tmp_path / "served")


def test_versions(versions, words, path):
    assert versions.list() == []
    with pytest.raises(graven.PublishError, match="has no version") as error:
        versions.current()
    assert error.value.path == versions.directory
    first = versions.publish(path)
    assert first.current and first.file_bytes == path.stat().st_size
    assert graven.open(first.path) == words and versions.current() == first.path
    with versions.create() as new:
        assert not os.path.exists(new.path)
        graven.build(new.path, {b"elk": b"5"})
    second = versions.list()[-1]
    assert [version.id for version in versions.list()] == [first.id, second.id]
    assert [version.current for version in versions.list()] == [False, True]
    assert graven.open(versions.current()) == {b"elk": b"5"}
    assert second.id in repr(second) and versions.directory in repr(versions)
    assert versions.roll_back().id == first.id and versions.current() == first.path
    assert versions.roll_back(second.id).path == second.path
    with pytest.raises(graven.PublishError, match="has no version nonsense"):
        versions.roll_back("nonsense")
    assert [version.id for version in versions.prune(1, 0)] == [first.id]
    assert [version.id for version in versions.list()] == [second.id]
    with pytest.raises(graven.OptionError, match="min_age is -1 seconds"):
        versions.prune(1, -1)


def test_live_follows_versions(versions, path, words):
    versions.publish(path)
    with graven.Live(versions.directory) as live:
        table = live.pin()
        assert table == words and live.status().version == versions.list()[0].id
        with versions.create() as new:
            graven.build(new.path, {b"elk": b"5"})
        assert live.refresh() and live[b"elk"] == b"5" and table == words


def test_an_exception_discards_the_version(versions, path):
    graven.build(path, {b"a": b"1"})
    versions.publish(path)
    with pytest.raises(ZeroDivisionError):
        with versions.create() as new:
            graven.build(new.path, {b"b": b"2"})
            1 // 0
    assert len(versions.list()) == 1 and graven.open(versions.current()) == {b"a": b"1"}
    new = versions.create()
    new.discard()
    new.discard()
    for use in new.publish, new.__enter__:
        with pytest.raises(graven.ClosedError, match="the version is closed"):
            use()
    with pytest.raises((graven.Error, OSError)):
        with versions.create():
            pass  # nothing was built
    with versions.create() as new:
        graven.build(new.path, {b"c": b"3"})
        assert new.publish().current
    assert len(versions.list()) == 2
    assert len(os.listdir(os.path.join(versions.directory, "versions"))) == 2


def test_guards(versions, path, words):
    versions.publish(path)
    graven.build(path, {b"ant": b"1"})
    with pytest.raises(graven.PublishError, match="at least 2 are wanted"):
        versions.publish(path, min_entries=2)
    with pytest.raises(graven.PublishError, match="current one 4"):
        versions.publish(path, max_shrink=0.5)
    with pytest.raises(graven.PublishError):
        with versions.create(max_shrink=0.5) as new:
            graven.build(new.path, {b"ant": b"1"})
    assert len(versions.list()) == 1 and graven.open(versions.current()) == words
    for options, error in [({"max_shrink": 2.0}, graven.OptionError), ({"nonsense": 1}, TypeError)]:
        for call in (lambda: versions.publish(path, **options)), lambda: versions.create(**options):
            with pytest.raises(error):
                call()


def test_publish(words, path, tmp_path):
    target = tmp_path / "target.grv"
    assert graven.publish(path, target, mode=0o600, durable=False) == words.build_id
    assert graven.open(target) == words and target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        graven.publish(path, target, replace=False)
    with pytest.raises(FileNotFoundError) as error:
        graven.publish(tmp_path / "none", target)
    assert error.value.filename == str(tmp_path / "none")
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(graven.DamagedError) as error:
        graven.publish(path, target)
    assert error.value.path == str(path) and graven.open(target) == words


def test_versions_pickle(versions):
    assert pickle.loads(pickle.dumps(versions)).directory == versions.directory
