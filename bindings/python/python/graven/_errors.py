"""What may go wrong, as exceptions. Where the operating system refused something, the exception is
an OSError with errno and filename, such as FileNotFoundError; all others stand under Error."""

from __future__ import annotations


class Error(Exception):
    """The base of graven's exceptions. ``path`` names the file that the error concerns, if any."""

    path: str | None

    def __init__(self, message: str, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path


class ClosedError(Error, ValueError):
    """The table, set, handle or builder was closed."""


class OptionError(Error, ValueError):
    """An option is out of its range. Change the call."""


class DataError(Error):
    """The file is not what was asked for."""


class NotATableError(DataError):
    """The file is no table, or stands where none can be built: check the path."""


class DamagedError(DataError):
    """The table or the set is damaged: copy or build it again. No bytes of the damaged page were
    returned."""


class UnsupportedError(DataError):
    """The table or the set needs a newer graven, a set of hash shards does not answer the query,
    or a value of a packed table is longer than ``max_value``."""


class OtherBuildError(DataError):
    """The table is sound, but another build than ``expect_build_id`` names, than ``expect_id`` of a
    set names, or than the set's manifest names for a shard."""


class TypeMismatchError(DataError):
    """The table's keys or values are of another type or length than was asked for."""


class EntryError(Error, ValueError):
    """An entry cannot be stored: its key or its value is too long."""


class DuplicateKeyError(EntryError):
    """A key occurs more than once, and the build rejects that."""


class OutOfOrderError(EntryError):
    """With ``sorted=True``: a key is smaller than the one before it."""


class BuildError(Error):
    """The table could not be built. Nothing was published."""


class NotDurableError(BuildError):
    """The table stands under its name and is complete, but the sync of its directory failed: a
    power loss may bring the old table back."""


class PublishError(Error):
    """The table was refused, or there is no such version. What was current stays current."""
