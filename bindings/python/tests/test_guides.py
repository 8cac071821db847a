"""A guide that tells its readers something that does not work is worse than none. The blocks of
each guide are run as one program, in a directory of their own, and the `text` block behind a block
of Python is what it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# CI sets it where it copies the tests away from the sources.
DOCS = Path(os.environ.get("GRAVEN_DOCS") or Path(__file__).parents[3] / "docs")
END = "-- end of a block --"


def program(guide: str) -> tuple[str, list[str | None]]:
    """The blocks as one program whose lines stand where they stand in the guide, and what each
    block prints; None where the guide does not show it."""
    lines, printed, language = [], [], None
    behind_python = False
    for number, line in enumerate(guide.splitlines(), 1):
        if language is None:
            if match := re.fullmatch(r"```(\w*)", line):
                language = match[1]
                if language == "python":
                    printed.append(None)
                elif language == "text" and behind_python:
                    printed[-1] = ""
                else:
                    raise AssertionError(f"line {number}: a block that no test reads")
            behind_python = False
            lines.append("")
        elif line == "```":
            behind_python = language == "python"
            lines.append(f"print({END!r}, flush=True)" if behind_python else "")
            language = None
        elif language == "python":
            lines.append(line)
        else:
            printed[-1] += line + "\n"
            lines.append("")
    assert language is None, "the last block has no end"
    return "\n".join(lines), printed


@pytest.mark.parametrize("name", ["python.md", "from-pickle.md"])
def test_the_blocks_print_what_the_guide_says(name, tmp_path):
    script, printed = program((DOCS / name).read_text())
    assert len(printed) >= 5 and sum(text is not None for text in printed) >= 5
    path = tmp_path / name.replace("md", "py")
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    *got, rest = done.stdout.split(END + "\n")
    assert rest == "" and len(got) == len(printed)
    for text, wanted in zip(got, printed):
        assert text == (wanted or "")


def test_a_program_is_made_of_a_guide():
    guide = "a\n```python\nb\n```\n```text\nc\n```\n\n```python\nd\n```\n"
    script, printed = program(guide)
    end = f"print({END!r}, flush=True)"
    assert script.splitlines() == ["", "", "b", end, "", "", "", "", "", "d", end]
    assert printed == ["c\n", None]
    with pytest.raises(AssertionError, match="line 1: a block that no test reads"):
        program("```sh\nls\n```\n")
