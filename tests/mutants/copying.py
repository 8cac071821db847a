"""The copies of the sources that are compiled."""

import re
import shutil
import subprocess


def tracked(root):
    """The files of a repository, each with its path and its bytes."""
    command = ["git", "ls-files", "-coz", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    for file in filter(None, listed.stdout.split("\0")):
        path = root / file
        if not path.is_file():
            continue
        data = path.read_bytes()
        if file == "Cargo.toml":
            # Of the benchmarks, and of a test that is not among these: they take long to compile.
            data = re.sub(rb"(?m)^(criterion|fuser) = .*\n", b"", data)
        yield file, path, data


def put(copy, data, like):
    """Writes a file unless it is the same, so that cargo keeps what it made of it."""
    if not copy.exists() or copy.read_bytes() != data:
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
        shutil.copymode(like, copy)
