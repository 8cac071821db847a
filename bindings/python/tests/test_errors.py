"""An exception of the wrong class is not caught, and one without its file or its cause is no help."""

import errno
import os
import pickle
import resource
import subprocess
import sys

import pytest
from conftest import damage

import graven


def test_os_errors(tmp_path):
    missing = tmp_path / "no" / "table.grv"
    with pytest.raises(FileNotFoundError, match="could not open the file: No such file") as error:
        graven.open(missing)
    assert error.value.errno == errno.ENOENT and error.value.filename == str(missing)
    with pytest.raises(FileNotFoundError) as error:
        graven.build(missing, {})
    assert error.value.errno == errno.ENOENT
    with pytest.raises(FileExistsError, match="exists already") as error:
        graven.build(tmp_path / "t", {})
        graven.build(tmp_path / "t", {}, replace=False)
    assert error.value.errno == errno.EEXIST and error.value.filename == str(tmp_path / "t")
    with pytest.raises(NotADirectoryError):
        graven.open(tmp_path / "t" / "u")


def test_permission(words, path):
    path.chmod(0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)  # root may read everything
            graven.open(path)
        except PermissionError as error:
            code = 0 if (error.errno, error.filename) == (errno.EACCES, str(path)) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_full_disk(tmp_path):
    """A limit on the size of files stands for the disk."""
    program = """
import resource, signal, sys, graven
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    graven.build(sys.argv[1], ((b"%06d" % n, bytes(100)) for n in range(50000)))
except OSError as error:
    print(type(error).__name__, error.errno, "nothing was published" in str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "t"], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (f"OSError {errno.EFBIG} True\n", "")
    assert os.listdir(tmp_path) == []


def test_what_is_no_table(tmp_path):
    file = tmp_path / "file"
    for data, text in [(b"", "0 bytes"), (b"\x7fELF" + bytes(5000), "is no graven table")]:
        file.write_bytes(data)
        with pytest.raises(graven.NotATableError, match=text) as error:
            graven.open(file)
        assert error.value.path == str(file) and str(error.value).startswith(f"{file}: ")
    with pytest.raises(graven.NotATableError, match="is a directory, and a table is a file"):
        graven.open(tmp_path)
    with pytest.raises(graven.NotATableError, match="is a file but no graven table"):
        graven.build(file, {})
    with pytest.raises(graven.NotATableError):
        graven.from_bytes(b"")


def test_a_damaged_table(make, path, tmp_path):
    values = {b"%05d" % n: b"%d" % n for n in range(5000)}
    make(values)
    bad = damage(path, tmp_path / "bad", 8000)
    table = graven.open(bad)
    failed = []
    for key in values:
        try:
            assert table[key] == values[key]
        except graven.DamagedError as error:
            assert error.path == str(bad) and str(bad) in str(error) and "checksum" in str(error)
            failed.append(key)
    assert 0 < len(failed) < 1000
    for query in [
        lambda: list(table),
        lambda: list(table.items()),
        lambda: list(table.range(reverse=True)),
        lambda: table.get_many(list(values)),
        lambda: table.view(failed[0]),
        lambda: table.verify(),
        lambda: table == dict(values),
        lambda: graven.open(bad, page_checks="at-open"),
    ]:
        with pytest.raises(graven.DamagedError):
            query()
    assert graven.open(bad, page_checks="never").get_many(failed) != [None]
    with pytest.raises(graven.DamagedError, match="is cut off"):
        (tmp_path / "short").write_bytes(path.read_bytes()[:-1])
        graven.open(tmp_path / "short")
    with pytest.raises(graven.DamagedError, match="header is damaged"):
        graven.open(damage(path, tmp_path / "head", 60))


def test_a_newer_version(words, path, tmp_path):
    with pytest.raises(graven.UnsupportedError, match="use a newer graven"):
        graven.open(damage(path, tmp_path / "new", 8))


def test_another_build(words, path):
    assert graven.open(path, expect_build_id=words.build_id) == words
    other = "0" * 32
    with pytest.raises(graven.OtherBuildError, match=f"build {other} was expected"):
        graven.open(path, expect_build_id=other)
    with pytest.raises(graven.OptionError, match="expect_build_id"):
        graven.open(path, expect_build_id="xyz")


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"page_checks": "often"}, graven.OptionError, '"first-touch", "at-open", "never"'),
        ({"warm": "hot"}, graven.OptionError, 'option warm is "hot"'),
        ({"access": "x"}, graven.OptionError, "option access"),
        ({"section": (0, 10**9)}, graven.OptionError, "reaches beyond the file"),
        ({"section": (-1, 5)}, OverflowError, "negative"),
        ({"load": 1}, TypeError, "bool"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_options_of_open(words, path, options, error, text):
    with pytest.raises(error, match=text):
        graven.open(path, **options)


@pytest.mark.parametrize(
    "options, error, text",
    [
        ({"duplicates": "keep"}, graven.OptionError, '"keep-first"'),
        ({"hash_index": True}, TypeError, "hash_index"),
        ({"value_align": 3}, graven.OptionError, "option value_align is 3"),
        ({"memory_budget": 5}, graven.OptionError, "option memory_budget is 5"),
        ({"memory_budget": -5}, OverflowError, "negative"),
        ({"threads": 0}, graven.OptionError, "option threads is 0"),
        ({"mode": 0o1777}, graven.OptionError, "option mode"),
        ({"metadata": {"a": b"1"}}, TypeError, "got str"),
        ({"metadata": [b"a"]}, AttributeError, "items"),
        ({"sorted": 1}, TypeError, "argument 'sorted'"),
        ({"nonsense": 1}, TypeError, "unexpected keyword argument 'nonsense'"),
    ],
)
def test_options_of_build(path, options, error, text):
    with pytest.raises(error, match=text):
        graven.build(path, {}, **options)
    assert os.listdir(path.parent) == []


def test_bytes_are_paths(path):
    name = os.fsencode(path)
    graven.build(name, {b"a": b"1"})
    assert graven.open(name)[b"a"] == graven.open(str(path))[b"a"] == b"1"
    strange = os.fsencode(path.parent) + b"/\xff"
    graven.build(strange, {b"a": b"2"})
    table = graven.open(os.fsdecode(strange))
    assert table[b"a"] == b"2" and os.fsencode(table.path) == strange
    assert pickle.loads(pickle.dumps(table)) == table
    for wrong in 3, None, ["x"]:
        with pytest.raises(TypeError):
            graven.open(wrong)
    with pytest.raises(ValueError, match="embedded null byte"):
        graven.open("a\0b")


def test_exceptions_are_a_tree_and_pickle():
    for name in graven.__all__:
        thing = getattr(graven, name)
        if name.endswith("Error"):
            assert issubclass(thing, graven.Error) and thing.__module__ == "graven"
    error = pickle.loads(pickle.dumps(graven.DamagedError("text", "path")))
    assert (str(error), error.path, type(error)) == ("text", "path", graven.DamagedError)


def test_a_lost_page_is_an_error_under_the_guard(make, path):
    """In a process of its own: the guard stays installed."""
    make({b"%06d" % n: bytes(100) for n in range(20000)})
    program = """
import os, sys, graven
graven.install_sigbus_guard()
table = graven.open(sys.argv[1])
assert table.is_guarded and not table.is_faulted
os.chmod(sys.argv[1], 0o644)
os.truncate(sys.argv[1], 4096)
try:
    list(table)
except OSError as error:
    print(error.errno, error.filename == sys.argv[1], table.is_faulted)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == (f"{errno.EIO} True True\n", "")


def test_too_little_address_space(make, path):
    make({b"%06d" % n: bytes(4000) for n in range(20000)})
    program = """
import resource, sys, graven
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * 4096 + (32 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    graven.open(sys.argv[1])
except MemoryError as error:
    print("ulimit -v" in str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
