"""An audit file while it is read: once, from one descriptor, and unchanged all the time."""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from signer.envelope.dsse import PAE_PREFIX
from signer.errors import AuditFileError


class Source:
    """A regular file, opened for one pass; a context manager that closes it.

    Args:
        path: the file, as the user named it.
        progress: called with the number of bytes read so far, on the reading thread.

    Raises:
        AuditFileError: from every method; ``audit-file-…`` with ``not-found``, ``unreadable``,
            ``not-regular``, ``empty``, ``is-dsse`` or ``changed``.
    """

    def __init__(self, path: Path, progress: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.size = 0
        self._progress = progress
        self._head = b""
        self._descriptor = _open(path)
        try:
            self._before = os.fstat(self._descriptor)
            if not stat.S_ISREG(self._before.st_mode):
                raise _not_regular(path)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    @property
    def expected_size(self) -> int:
        """The file's size in bytes when it was opened."""
        return self._before.st_size

    def chunks(self, chunk_bytes: int) -> Iterator[bytes]:
        """Read the file from start to end; it is known to be whole once this is exhausted.

        Args:
            chunk_bytes: how many bytes a chunk has at most; none is empty.
        """
        while chunk := self._read(chunk_bytes):
            self.size += len(chunk)
            if self.size > self._before.st_size:
                raise self._changed("it grew")
            self._refuse_dsse(chunk)
            if self._progress:
                self._progress(self.size)
            yield chunk
        self._refuse_change()
        if not self.size:
            raise AuditFileError(
                "audit-file-empty",
                "the audit file is empty",
                fix="check the step that writes it; an audit without events is not signed.",
                path=str(self.path),
            )

    def _read(self, chunk_bytes: int) -> bytes:
        try:
            return os.read(self._descriptor, chunk_bytes)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def _refuse_dsse(self, chunk: bytes) -> None:
        if len(self._head) == len(PAE_PREFIX):
            return
        self._head += chunk[: len(PAE_PREFIX) - len(self._head)]
        if self._head == PAE_PREFIX:
            raise AuditFileError(
                "audit-file-is-dsse",
                "the file starts with 'DSSEv1 ': a signature over it could pass for one over "
                "another statement",
                fix="sign the audit file itself, not an encoding made for signing.",
                path=str(self.path),
            )

    def _refuse_change(self) -> None:
        try:
            after, named = os.fstat(self._descriptor), os.stat(self.path)
        except OSError as error:
            raise self._changed("it was removed or replaced") from error
        before = self._before
        if (named.st_dev, named.st_ino) != (before.st_dev, before.st_ino):
            raise self._changed("it was replaced")
        if not self.size == before.st_size == after.st_size:
            raise self._changed("its size changed")
        if after.st_mtime_ns != before.st_mtime_ns:
            raise self._changed("it was written to")

    def _changed(self, how: str) -> AuditFileError:
        return AuditFileError(
            "audit-file-changed",
            f"the file changed while it was read: {how}",
            fix="sign it after the step that writes it has ended.",
            path=str(self.path),
        )


def _open(path: Path) -> int:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for a writer.
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise AuditFileError(
            "audit-file-not-found",
            "there is no such file",
            fix="check audit-file, and that the step that writes it came before.",
            path=str(path),
        ) from error
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):  # a socket, a device without a driver
            raise _not_regular(path) from error
        raise _unreadable(path, error) from error


def _not_regular(path: Path) -> AuditFileError:
    return AuditFileError(
        "audit-file-not-regular",
        "this is not a regular file",
        fix="name a file; directories, pipes and devices cannot be signed.",
        path=str(path),
    )


def _unreadable(path: Path, error: OSError) -> AuditFileError:
    return AuditFileError(
        "audit-file-unreadable",
        f"the file cannot be read: {error.strerror or type(error).__name__}",
        fix="give the user that signs the right to read it.",
        path=str(path),
    )
