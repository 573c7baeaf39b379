"""The directory of the embedded KMS: one file a key, one of aliases, each replaced as a whole.

    DIR/              mode 0700
      key-UUID.json   mode 0600; a key with all its versions
      aliases.json    mode 0600
      lock            held by whoever writes

A reader takes no lock, because a file is only ever replaced by `os.replace`. A writer holds the
lock from before it reads until after it wrote, so no two of them can undo each other's work; what
one that was killed left half-written is the file ``new``, which nobody reads.
"""

import base64
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from signer.crypto.algorithms import KEY_SPECS
from signer.kms import errors

MAX_FILE = 4 * 1024 * 1024
"""No file of the store is larger, in bytes."""

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID = re.compile(UUID)
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a key.

    Attributes:
        created: RFC 3339 time in UTC, to the second.
        material: what `signer.kms.material` made.
    """

    created: str
    material: bytes


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key with all its versions, the current one last; versions count from 1."""

    uuid: str
    spec: str
    enabled: bool
    versions: tuple[Version, ...]

    def with_version(self, version: Version) -> "StoredKey":
        """The key after a rotation."""
        return replace(self, versions=(*self.versions, version))


class Store:
    """The files of one directory.

    Every method raises ProviderError: ``kms-store-exposed`` where others than the owner can get
    at the keys, ``kms-store-unusable``, ``kms-store-corrupt``.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock; makes the directory where there is none."""
        try:
            _make_directory(self._directory, 0o700)
            self._check_directory()
            lock = os.open(
                self._directory / "lock",
                os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
                0o600,
            )
        except OSError as error:
            raise errors.unusable(str(self._directory), error) from error
        try:
            _give_to_owner(lock, self._directory)
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def key(self, uuid: str) -> StoredKey | None:
        """A key; None where there is none of that id, or no directory yet."""
        if not _UUID.fullmatch(uuid):
            return None
        name = f"key-{uuid}.json"
        document = self._read(name)
        return None if document is None else self._parse_key(uuid, name, document)

    def uuids(self) -> list[str]:
        """The ids of all keys, sorted."""
        try:
            names = os.listdir(self._directory) if self._check_directory() else []
        except OSError as error:
            raise errors.unusable(str(self._directory), error) from error
        matches = (re.fullmatch(rf"key-({UUID})\.json", name) for name in names)
        return sorted(match[1] for match in matches if match)

    def aliases(self) -> dict[str, str]:
        """All aliases, each with the id of its key."""
        document = self._read("aliases.json") or {}
        if not all(isinstance(uuid, str) and _UUID.fullmatch(uuid) for uuid in document.values()):
            raise self._corrupt("aliases.json", "an alias does not name a key")
        return document

    def write_key(self, key: StoredKey) -> None:
        """Write a key, while holding the lock."""
        versions = [
            {"created": version.created, "material": base64.b64encode(version.material).decode()}
            for version in key.versions
        ]
        document = {
            "format": _FORMAT,
            "notice": "embedded KMS of policy-audit-signer, a simulation: unencrypted private key",
            "spec": key.spec,
            "enabled": key.enabled,
            "versions": versions,
        }
        self._write(f"key-{key.uuid}.json", document)

    def write_aliases(self, aliases: dict[str, str]) -> None:
        """Write all aliases, while holding the lock."""
        self._write("aliases.json", aliases)

    def _check_directory(self) -> bool:
        """Whether there is a directory; refuses one that others can get at."""
        try:
            mode = self._directory.stat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if mode & 0o077:
            raise errors.exposed(str(self._directory), stat.S_IMODE(mode), "700")
        return True

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self._directory / name
        try:
            if not self._check_directory():
                return None
            with open(path, "rb", opener=_open_without_following) as file:
                mode = os.fstat(file.fileno()).st_mode
                if not stat.S_ISREG(mode):
                    raise self._corrupt(name, "it is not a regular file")
                if mode & 0o077:
                    raise errors.exposed(str(path), stat.S_IMODE(mode), "600")
                content = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR):
                raise self._corrupt(name, "it is a symbolic link or a directory") from error
            raise errors.unusable(str(path), error) from error
        try:
            document = json.loads(content) if len(content) <= MAX_FILE else None
        except (ValueError, RecursionError) as error:
            raise self._corrupt(name, "it is not JSON") from error
        if not isinstance(document, dict):
            raise self._corrupt(name, "it is not a JSON object of sensible size")
        return document

    def _write(self, name: str, document: dict[str, Any]) -> None:
        new = self._directory / "new"
        content = json.dumps(document, indent=2).encode() + b"\n"
        try:
            with suppress(FileNotFoundError):
                new.unlink()
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                _give_to_owner(descriptor, self._directory)
                os.fsync(descriptor)
            os.replace(new, self._directory / name)
            self._sync_directory()
        except OSError as error:
            raise errors.unusable(str(self._directory / name), error) from error

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # not every file system can; the file itself is synced
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _parse_key(self, uuid: str, name: str, document: dict[str, Any]) -> StoredKey:
        try:
            versions = tuple(
                Version(
                    created=str(version["created"]),
                    material=base64.b64decode(version["material"], validate=True),
                )
                for version in document["versions"]
            )
            key = StoredKey(uuid, str(document["spec"]), document["enabled"], versions)
        except (KeyError, TypeError, ValueError) as error:
            raise self._corrupt(name, "a field is missing or malformed") from error
        whole = key.spec in KEY_SPECS and isinstance(key.enabled, bool) and key.versions
        if not whole or document.get("format") != _FORMAT:
            raise self._corrupt(name, "a field has a value that is not known")
        return key

    def _corrupt(self, name: str, reason: str) -> errors.KmsError:
        return errors.corrupt(str(self._directory / name), reason)


def _open_without_following(path: str, flags: int) -> int:
    """Open what is at ``path``, without following a link or waiting at a pipe put there."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _make_directory(path: Path, mode: int) -> None:
    if path.is_dir():
        return
    _make_directory(path.parent, 0o777)
    with suppress(FileExistsError):
        path.mkdir(mode)
    _give_to_owner(path, path.parent)


def _give_to_owner(path: Path | int, folder: Path) -> None:
    """As root, as in a container, give a file or descriptor to whom the folder belongs to."""
    if os.geteuid() == 0:
        owner = os.stat(folder)
        with suppress(OSError):  # a user namespace may not know the owner
            os.chown(path, owner.st_uid, owner.st_gid)
