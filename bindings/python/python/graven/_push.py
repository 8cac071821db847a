"""A set that tasks build on machines that share no disk: each sends its shard to an object store,
and the driver makes a version of them there. docs/remote.md says how a set lies in a store.

A shard is sent under the name that its builder gave it, to ``staging/ID``. Only the commit knows the
set's id, which is a part of the version's name, so it has the store copy the shards to their places.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._errors import DamagedError, Error, OptionError, PublishError
from ._graven import Manifest, SetJob, ShardInfo, plan_set

if TYPE_CHECKING:
    import obstore
    import obstore.store

_CURRENT, _MANIFEST, _STAGING, _VERSIONS = "CURRENT", "MANIFEST.json", "staging", "versions"
#: A version's name.
_NAME = re.compile(r"(\d{8,20})-([0-9a-f]{8})")
#: Most bytes of a pointer and of a manifest.
_MOST_POINTER, _MOST_MANIFEST = 1024, 256 << 20
#: Largest object that every store copies by itself, which is S3's limit. A larger one comes and goes
#: through this process.
_MOST_COPIED = 5 << 30
#: Bytes that move at once.
_PIECE = 8 << 20
#: Objects that move at once.
_JOBS = 8


@dataclass(frozen=True)
class _Pointer:
    """What ``CURRENT`` says, and which object it is."""

    version: str
    unmoved: obstore.PutMode


class PushJob:
    """A set that tasks build and send to `address`. What ``SetJob`` is in a directory. It pickles: a
    copy in another process takes part in the same job.

    - verify: each shard is read back from the store, and its SHA-256 compared
    - stale_after: seconds after which the next commit removes what other jobs have left
    """

    def __init__(
        self,
        address: str,
        *,
        hash_shards: int | None,
        replace: bool,
        stale_after: float,
        verify: bool,
        min_entries: int | None = None,
        max_shrink: float | None = None,
    ) -> None:
        if hash_shards is not None and not 1 <= hash_shards <= 1_000_000:
            raise OptionError(f"option hash_shards is {hash_shards}, expected 1 to 1000000")
        if max_shrink is not None and not 0 <= max_shrink <= 1:
            raise OptionError(f"option max_shrink is {max_shrink}, expected 0 to 1")
        self.address = address.rstrip("/")
        self.hash_shards = hash_shards
        self.id = secrets.token_hex(16)
        self._replace, self._verify = replace, verify
        self._stale_after = timedelta(seconds=stale_after)
        self._min_entries, self._max_shrink = min_entries, max_shrink
        self._opened: obstore.store.ObjectStore | None = None
        self._committed = False
        # A wrong address or missing credentials are found before anything is built.
        current = self._current()
        if current is not None and not replace:
            raise self._stands_already(current)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def __repr__(self) -> str:
        return f"<graven job {self.id} in '{self.address}'>"

    # -- In a task ---------------------------------------------------------------------------------

    def write_shard(
        self,
        batches: Any,
        *,
        key: str | int,
        value: str | int,
        number: int | None = None,
        even_empty: bool = False,
        **options: Any,
    ) -> ShardInfo | None:
        """As ``SetJob.write_shard``, in a directory under `temp_dir`, and sends the shard."""
        options["durable"] = False  # what a machine loses, another one builds again
        with (
            tempfile.TemporaryDirectory(prefix="graven-", dir=options.get("temp_dir")) as directory,
            SetJob(directory, hash_shards=self.hash_shards, durable=False) as job,
        ):
            info = job.write_shard(
                batches, key=key, value=value, number=number, even_empty=even_empty, **options
            )
            if info is not None:
                self._send(Path(job.path) / info.file, info)
            return info

    def _send(self, file: Path, info: ShardInfo) -> None:
        obstore = _client()
        name = f"{_STAGING}/{self.id}/{info.file}"
        with self._talking(name) as store:
            obstore.put(store, name, file, chunk_size=_part(info.bytes), max_concurrency=4)
            if self._verify:
                digest = hashlib.sha256()
                for piece in obstore.get(store, name).stream(_PIECE):
                    digest.update(piece)
                if digest.hexdigest() != info.sha256:
                    raise DamagedError(
                        f"{self._shown(name)}: has SHA-256 {digest.hexdigest()}, {info.sha256} was "
                        "sent: build the shard again", self._shown(name)
                    )

    # -- In the driver -----------------------------------------------------------------------------

    def commit(self, shards: Sequence[ShardInfo], keep: int | None, keep_seconds: float) -> Manifest:
        """Makes a version of the shards, and makes it current."""
        shards = list(shards)
        if not shards and self.hash_shards is None:
            empty = self.write_shard([], key=0, value=1, even_empty=True)
            assert empty is not None, "an empty shard was asked for"
            shards.append(empty)
        manifest, files = plan_set(shards, self.address, hash_shards=self.hash_shards)
        current = self._current()
        if current is not None and not self._replace:
            raise self._stands_already(current)
        self._guard(manifest, current)
        objects = self._objects()
        version = f"{self._next_number(objects, current):08}-{manifest.id[:8]}"
        directory = f"{_VERSIONS}/{version}"
        self._place(manifest, files, directory, objects)
        self._put(f"{directory}/{_MANIFEST}", manifest.to_json(), "overwrite")
        self._point_to(directory, current)
        self._committed = True
        # What can't be removed now, a later commit removes.
        with suppress(PublishError):
            self._remove(self._listed(f"{_STAGING}/{self.id}"))
            self._prune(objects, version, current, keep, timedelta(seconds=keep_seconds))
        return manifest

    def abort(self) -> None:
        """Removes all that the job's tasks have sent. Does nothing after ``commit``."""
        if not self._committed:
            self._remove(self._listed(f"{_STAGING}/{self.id}"))

    def _place(
        self, manifest: Manifest, files: list[str], directory: str, objects: dict[str, Any]
    ) -> None:
        """Gives the shards the names that they have in the version."""
        obstore = _client()

        def place(pair: tuple[str, Any]) -> None:
            file, shard = pair
            source, target = f"{_STAGING}/{self.id}/{file}", f"{directory}/{shard.file}"
            size = objects[source]["size"] if source in objects else None
            if size != shard.bytes:
                there = "is missing" if size is None else f"has {size} bytes"
                raise PublishError(
                    f"{self._shown(source)}: {there}, and {shard.bytes} bytes were sent: build the "
                    "shard again", self._shown(source)
                )
            with self._talking(source) as store:
                if shard.bytes <= _MOST_COPIED:
                    obstore.copy(store, source, target)
                else:
                    part = _part(shard.bytes)
                    with obstore.open_writer(store, target, buffer_size=part) as out:
                        for piece in obstore.get(store, source).stream(_PIECE):
                            out.write(piece)

        _side_by_side(place, zip(files, manifest.shards))

    def _guard(self, manifest: Manifest, current: _Pointer | None) -> None:
        entries = manifest.entries
        if self._min_entries is not None and entries < self._min_entries:
            raise PublishError(
                f"{self.address}: the set has {entries} entries, at least {self._min_entries} are "
                "wanted; nothing published: find out what its build has lost", self.address
            )
        if self._max_shrink is None or current is None:
            return
        name = f"{current.version}/{_MANIFEST}"
        text = self._get(name, _MOST_MANIFEST)
        if text is None:
            raise PublishError(
                f"{self._shown(name)}: is missing, so the sets can't be compared; nothing published: "
                "publish without max_shrink to replace it", self._shown(name)
            )
        there = Manifest.from_json(text[0], self._shown(name)).entries
        if there and (there - entries) / there > self._max_shrink:
            raise PublishError(
                f"{self.address}: the set has {entries} entries, the current one {there}, and at "
                f"most {100 * self._max_shrink:g} % may be missing; nothing published: find out what "
                "its build has lost", self.address
            )

    def _next_number(self, objects: dict[str, Any], current: _Pointer | None) -> int:
        numbers = [_number(version) for version in _versions(objects)]
        if current is not None:
            numbers.append(_number(current.version.removeprefix(f"{_VERSIONS}/")))
        return max(numbers, default=0) + 1

    def _point_to(self, directory: str, current: _Pointer | None) -> None:
        """Makes a version current, if nobody else has moved the pointer."""
        failures = _client().exceptions
        try:
            mode = "create" if current is None else current.unmoved
            self._put(_CURRENT, directory.encode(), mode)
        except (failures.AlreadyExistsError, failures.PreconditionError):
            now = self._current()
            # The answer to an earlier attempt of the same write may have been lost.
            if now is not None and now.version == directory:
                return
            before, after = (one.version if one else "none" for one in (current, now))
            raise PublishError(
                f"{self.address}: another job won: the current version went from {before} to "
                f"{after} while {directory} was written, which is not current: build it again if it "
                "is the newer one", self.address
            ) from None
        except (failures.NotSupportedError, NotImplementedError):
            raise PublishError(
                f"{self.address}: the store has no conditional writes, so of two jobs that end at "
                f"once both could seem to win; {directory} is complete and not current", self.address
            ) from None

    def _prune(
        self,
        objects: dict[str, Any],
        newest: str,
        before: _Pointer | None,
        keep: int | None,
        keep_age: timedelta,
    ) -> None:
        """Removes old versions, if `keep` says how many stay, and what jobs have left that ended
        long ago: their shards, and versions without a manifest. The version that was current `before`
        stays: somebody may be fetching it."""
        now = datetime.now(timezone.utc)
        # The objects of each job and of each version.
        within: dict[str, list[str]] = {}
        for name in objects:
            within.setdefault("/".join(name.split("/")[:2]), []).append(name)

        def remove_after(age: timedelta, directory: str) -> None:
            names = within[directory]
            if all(now - objects[name]["last_modified"] > age for name in names):
                # First the manifest: what is without one is no version.
                for manifest in (True, False):
                    self._remove([name for name in names if name.endswith(_MANIFEST) == manifest])

        for directory in within:
            if directory.startswith(f"{_STAGING}/"):
                remove_after(self._stale_after, directory)
        older = sorted(
            (name for name in _versions(objects) if _number(name) < _number(newest)),
            key=_number, reverse=True,
        )
        whole = [name for name in older if f"{_VERSIONS}/{name}/{_MANIFEST}" in objects]
        for name in older:
            directory = f"{_VERSIONS}/{name}"
            if name not in whole:
                remove_after(self._stale_after, directory)
            elif keep is not None and name not in whole[: keep - 1]:
                if before is None or before.version != directory:
                    remove_after(keep_age, directory)

    def _stands_already(self, current: _Pointer) -> Exception:
        text = f"{self.address}: has a set already, {current.version}: publish with replace=True"
        return FileExistsError(17, text, self.address)

    # -- The store ---------------------------------------------------------------------------------

    @contextmanager
    def _talking(self, name: str) -> Iterator[obstore.store.ObjectStore]:
        """The store; what goes wrong names the object."""
        failures = _client().exceptions
        try:
            if self._opened is None:
                self._opened = _client().store.from_url(self.address)
            yield self._opened
        except (
            failures.AlreadyExistsError, failures.PreconditionError,
            failures.NotSupportedError, NotImplementedError,
        ):
            raise
        except (failures.BaseError, OSError, ValueError) as error:
            if isinstance(error, Error):
                raise
            first = str(error).strip().splitlines()[0]
            raise PublishError(f"{self._shown(name)}: {first}", self._shown(name)) from error

    def _shown(self, name: str) -> str:
        return f"{self.address}/{name}"

    def _current(self) -> _Pointer | None:
        found = self._get(_CURRENT, _MOST_POINTER)
        if found is None:
            return None
        text, meta = found
        version = text.decode("utf-8", "replace").rstrip().removesuffix("/")
        name = version.removeprefix(f"{_VERSIONS}/")
        if not _NAME.fullmatch(name):
            raise PublishError(
                f"{self._shown(_CURRENT)}: leads to no version of a set: {version[:80]!r}",
                self._shown(_CURRENT),
            )
        # Stores have either or both.
        unmoved: obstore.UpdateVersion = {}
        if meta["e_tag"] is not None:
            unmoved["e_tag"] = meta["e_tag"]
        if meta["version"] is not None:
            unmoved["version"] = meta["version"]
        return _Pointer(f"{_VERSIONS}/{name}", unmoved)

    def _get(self, name: str, most: int) -> tuple[bytes, Any] | None:
        """An object's bytes and description; None if there is none."""
        obstore = _client()
        with self._talking(name) as store:
            try:
                found = obstore.get(store, name)
            except FileNotFoundError:
                return None
            if found.meta["size"] > most:
                raise PublishError(
                    f"{self._shown(name)}: has {found.meta['size']} bytes, expected {most} at most",
                    self._shown(name),
                )
            return bytes(found.bytes()), found.meta

    def _put(self, name: str, data: bytes, mode: obstore.PutMode) -> None:
        obstore = _client()
        with self._talking(name) as store:
            # Conditions and parts don't go together, and only manifests are long.
            obstore.put(store, name, data, mode=mode, use_multipart=len(data) > 64 << 20)

    def _objects(self) -> dict[str, Any]:
        """All objects of versions and jobs, by their names."""
        return {**self._listed(_VERSIONS), **self._listed(_STAGING)}

    def _listed(self, directory: str) -> dict[str, Any]:
        obstore = _client()
        with self._talking(directory) as store:
            try:
                batches = list(obstore.list(store, directory))
            except FileNotFoundError:
                return {}
        return {one["path"]: one for batch in batches for one in batch}

    def _remove(self, names: Iterable[str]) -> None:
        obstore = _client()
        names = list(names)
        if names:
            with self._talking(names[0]) as store, suppress(FileNotFoundError):
                obstore.delete(store, names)


def _client() -> Any:
    """The module that talks to stores."""
    try:
        import obstore.exceptions
        import obstore.store
    except ImportError:
        raise OptionError('option push needs obstore: pip install "graven[push]"') from None
    return obstore


def _versions(objects: Iterable[str]) -> set[str]:
    parts = (name.split("/") for name in objects)
    return {
        part[1] for part in parts
        if len(part) == 3 and part[0] == _VERSIONS and _NAME.fullmatch(part[1])
    }


def _number(version: str) -> int:
    return int(version.split("-")[0])


def _part(size: int) -> int:
    """Bytes of the parts of an object, of which S3 takes 10,000."""
    return max(_PIECE, -(-size // 10_000))


def _side_by_side(work: Callable[[Any], None], items: Iterable[Any]) -> None:
    with ThreadPoolExecutor(_JOBS) as pool:
        # Those that have not begun when one fails never begin.
        futures = [pool.submit(work, item) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
