"""Examples in docstrings that do not run teach what does not work."""

import doctest
import inspect

import pytest

import graven

TESTS = [test for test in doctest.DocTestFinder().find(graven, "graven") if test.examples]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_examples(test, tmp_path, monkeypatch):
    path = tmp_path / "words.grv"
    graven.build(path, {b"ant": b"1", b"bee": b"2", b"cow": b"3", b"dog": b"4"})

    def graven_bytes(entries):
        graven.build(tmp_path / "other.grv", entries)
        return (tmp_path / "other.grv").read_bytes()

    monkeypatch.chdir(tmp_path)
    test.globs = {
        "graven": graven,
        "tmp": tmp_path,
        "words_path": path,
        "words": graven.open(path),
        "graven_bytes": graven_bytes,
    }
    flags = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    runner = doctest.DocTestRunner(optionflags=flags)
    assert runner.run(test).failed == 0


def test_most_of_the_module_has_examples():
    assert len(TESTS) >= 25


@pytest.mark.parametrize("name", graven.__all__)
def test_everything_public_has_a_docstring(name):
    thing = getattr(graven, name)
    assert thing.__doc__
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            if not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"
