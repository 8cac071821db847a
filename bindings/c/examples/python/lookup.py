"""A table from Python, by ctypes:  python3 lookup.py names.grv

ctypes lets other Python threads run during each call, and they may use the table as well: lookups
take no lock. The text of an error belongs to the thread of the failed call.
"""

import sys
from ctypes import CDLL, POINTER, Structure, byref, c_char_p, c_int32, c_size_t, c_void_p, string_at


class Slice(Structure):
    _fields_ = [("data", c_void_p), ("len", c_size_t)]

    def copy(self):
        """The bytes as an object of Python, which outlives the table."""
        return string_at(self.data, self.len)


lib = CDLL("libgraven.so.0")
# Without these, ctypes would pass pointers as 32-bit numbers.
for name, *arguments in [
    ("graven_open", c_char_p, c_void_p, POINTER(c_void_p)),
    ("graven_get", c_void_p, c_char_p, c_size_t, POINTER(Slice)),
    ("graven_prefix", c_void_p, c_char_p, c_size_t, POINTER(c_void_p)),
    ("graven_iter_next", c_void_p, POINTER(Slice), POINTER(Slice)),
    ("graven_iter_close", c_void_p),
    ("graven_table_close", c_void_p),
]:
    getattr(lib, name).argtypes = arguments
    getattr(lib, name).restype = None if name.endswith("_close") else c_int32
lib.graven_last_error.restype = c_char_p


def check(status):
    """Whether there is a result. An error, which is below 0, is raised."""
    if status < 0:
        raise OSError(lib.graven_last_error().decode())
    return status == 0


class Table:
    def __init__(self, path):
        self.handle = c_void_p()
        check(lib.graven_open(path.encode(), None, byref(self.handle)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        lib.graven_table_close(self.handle)
        self.handle = None  # NULL is an error from here on, never a crash

    def get(self, key):
        value = Slice()
        return value.copy() if check(lib.graven_get(self.handle, key, len(key), byref(value))) else None

    def prefix(self, prefix):
        walk, key, value = c_void_p(), Slice(), Slice()
        check(lib.graven_prefix(self.handle, prefix, len(prefix), byref(walk)))
        try:
            while check(lib.graven_iter_next(walk, byref(key), byref(value))):
                yield key.copy(), value.copy()
        finally:
            lib.graven_iter_close(walk)


with Table(sys.argv[1]) as table:
    for key in (b"1F980", b"10FFFF"):
        print(key.decode(), (table.get(key) or b"not found").decode(), sep=": ")
    for key, value in table.prefix(b"1FBF"):
        print(key.decode(), value.decode(), sep=": ")
try:
    Table("none.grv")
except OSError as error:
    print("error:", error)
