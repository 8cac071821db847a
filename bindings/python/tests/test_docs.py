"""Examples in docstrings that do not run teach what does not work."""

import doctest
import inspect
import re
from pathlib import Path

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


README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_readme(tmp_path, monkeypatch):
    """Its block runs, and each line gives what the comment behind it says."""
    monkeypatch.chdir(tmp_path)
    names, checked = {}, 0
    for line in "".join(BLOCKS).splitlines():
        code, _, comment = line.partition("#")
        exec(code, names)
        if match := re.match(r" ((b'|\[|\().*)", comment):
            expected = match[1].split(", a copy")[0]
            assert eval(code, names) == eval(expected), line
            checked += 1
    assert checked == 6
    assert bytes(names["table"].view(b"Norway")) == b"Oslo"


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
