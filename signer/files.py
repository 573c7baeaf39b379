"""Files that appear whole or not at all."""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from signer.errors import OutputError


def write_all(files: dict[Path, bytes], *, overwrite: bool) -> None:
    """Write several files, each whole or not at all, in the given order.

    All of them are written and synced under temporary names before the first one appears, so
    that a full disk or a signal leaves none; a kill between two renames leaves whole files.
    Written as root, a file gets the owner of its folder; an overwritten one keeps its mode.

    Raises:
        OutputError: ``output-exists`` (and nothing is written) or ``output-failed``.
    """
    refuse_existing(list(files), overwrite=overwrite)
    with _temporaries() as temporaries:
        for path, content in files.items():
            try:
                _make_directory(path.parent)
                name = f".{secrets.token_hex(16)}.tmp"
                temporaries.append(path.with_name(name))
                _write_temporary(temporaries[-1], path, content)
            except OSError as error:
                raise _failed(path, error) from error
        for path in files:
            try:
                _reveal(temporaries[0], path, overwrite=overwrite)
            except OSError as error:
                raise _failed(path, error) from error
            temporaries.pop(0)
        for directory in {path.parent for path in files}:
            _sync_directory(directory)


def refuse_existing(paths: list[Path], *, overwrite: bool) -> None:
    """Find out before any work whether a result is in the way.

    Raises:
        OutputError: ``output-exists``, or ``output-not-a-file`` whatever ``overwrite`` says.
    """
    for path in paths:
        if os.path.isdir(path):
            raise OutputError(
                "output-not-a-file",
                f"{path} is a directory, and a result of that name is to be written",
                fix="move it away, or set output-directory.",
            )
        if not overwrite and os.path.lexists(path):
            raise _exists(path)


def _exists(path: Path) -> OutputError:
    return OutputError(
        "output-exists",
        f"{path} is already there, and is not replaced",
        fix="move it away, set output-directory, or set overwrite: true (--overwrite).",
    )


def _failed(path: Path, error: OSError) -> OutputError:
    if isinstance(error, FileExistsError):
        return _exists(path)
    reasons = {
        errno.ENOSPC: "free some space there, or set output-directory to another disk.",
        errno.EROFS: "set output-directory to a folder that can be written.",
        errno.EACCES: "give this user the right to write there, or set output-directory.",
    }
    return OutputError(
        "output-failed",
        f"{path} could not be written: {error.strerror or error}",
        fix=reasons.get(error.errno or 0, "set output-directory to a folder that can be written."),
    )


@contextmanager
def _temporaries() -> Iterator[list[Path]]:
    paths: list[Path] = []
    try:
        yield paths
    finally:
        for path in paths:
            with suppress(OSError):
                path.unlink()


def _write_temporary(path: Path, target: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        _keep_mode_and_owner(file.fileno(), target)
        os.fsync(file.fileno())


def _keep_mode_and_owner(descriptor: int, target: Path) -> None:
    with suppress(FileNotFoundError):
        previous = os.lstat(target)
        if stat.S_ISREG(previous.st_mode):
            os.fchmod(descriptor, stat.S_IMODE(previous.st_mode) & 0o777)
    if os.geteuid() == 0:
        folder = os.stat(target.parent)
        # A user namespace may not map the folder's owner; the file is whole all the same.
        with suppress(OSError):
            os.fchown(descriptor, folder.st_uid, folder.st_gid)


def _make_directory(path: Path) -> None:
    if os.path.isdir(path):
        return
    _make_directory(path.parent)
    with suppress(FileExistsError):
        path.mkdir()
    if os.geteuid() == 0:
        folder = os.stat(path.parent)
        with suppress(OSError):
            os.chown(path, folder.st_uid, folder.st_gid)


def _reveal(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        # Unlike a rename, a link never replaces what another job put there meanwhile.
        os.link(temporary, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems have no hard links: there the check before is all there is.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(temporary, target)
        return
    temporary.unlink()


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Not every file system can sync a directory; the files themselves are synced.
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
