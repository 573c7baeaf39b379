"""A progress bar on standard error, for large files on a terminal."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from signer.github.commands import log_line

# How far a file was read, in bytes, of its size in bytes.
Progress = Callable[[Path, int, int], None]

# Smaller files are read before a person has seen a bar.
LARGE_FILE = 64 << 20
_WIDTH = 30


def progress_of(path: Path, progress: Progress | None) -> Callable[[int], None] | None:
    """The progress of one file: a function of the bytes read so far."""
    if progress is None:
        return None
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError):  # reading it says why
        size = 0
    return lambda done: progress(path, done, size)


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """A progress function that draws; None where standard error is no terminal.

    The line is wiped at the end, also when the work fails.
    """
    if not sys.stderr.isatty():
        yield None
        return
    drawn: list[str] = []

    def draw(path: Path, done: int, size: int) -> None:
        if size < LARGE_FILE:
            return
        filled = min(_WIDTH, _WIDTH * done // size)
        line = f"{'#' * filled}{'.' * (_WIDTH - filled)} {100 * done // size:3d}% "
        line += log_line(path.name)[:40]
        if drawn != [line]:
            drawn[:] = [line]
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    try:
        yield draw
    finally:
        if drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
