"""Files that were crafted to break a reader must raise an exception: not end the process, and not
give an answer that the file's writer chose."""

import os
from pathlib import Path

import pytest

import graven

DATA = Path(os.environ.get("GRAVEN_TEST_DATA", Path(__file__).parents[3] / "tests" / "data"))
GOLDEN = sorted(DATA.glob("v1/*.grv"))
BAD = sorted(DATA.glob("bad/*.grv"))
# Some have only what a reader is to ignore.
ACCEPTED = {
    line.split("`")[1]
    for line in (DATA / "bad" / "README.md").read_text().splitlines()
    if "| accepted |" in line
}


def test_there_are_files():
    assert len(GOLDEN) > 10 and len(BAD) > 50 and len(ACCEPTED) > 2


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path):
    with graven.open(path, allow_patch=True) as table:
        report = table.verify()
        entries = list(table.items())
        assert report.entries == len(table) == len(entries) and report.keys == table.distinct_keys
        assert table.get_many([key for key, _ in entries]) == [table[key] for key, _ in entries]
    if path.stem == "patch":
        with pytest.raises(graven.NotATableError, match="is a patch"):
            graven.open(path)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
@pytest.mark.parametrize("load", [False, True])
def test_bad_files(path, load):
    if path.name in ACCEPTED:
        assert graven.open(path, load=load).verify().entries > 0
        return
    with pytest.raises(graven.Error) as error:
        with graven.open(path, load=load) as table:
            for key, value in table.items():
                table.get(key), table.floor(key), table.rank(key)
            list(reversed(table.items()))
            table.verify()
    assert str(path) in str(error.value)
