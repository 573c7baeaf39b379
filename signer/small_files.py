"""Small files that a user or the runner names: bundles, keys, policies, tokens, events."""

import errno
import os
import stat
from pathlib import Path


def read_small_file(path: Path, limit: int) -> bytes:
    """The first bytes of a regular file; a pipe or device is refused and never waited for.

    Args:
        path: the file; links to it are followed.
        limit: how many bytes to read at most.

    Raises:
        OSError: it cannot be read, or is no regular file (``EINVAL``).
    """
    # Without O_NONBLOCK, opening a FIFO waits for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)
