"""A progress bar on standard error, for large files on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from signer.github.commands import log_line

if TYPE_CHECKING:  # the help needs nothing that signs
    from signer.signing import Progress

# Smaller files are read before a person has seen a bar.
LARGE_FILE = 64 << 20
_WIDTH = 30


@contextmanager
def progress_bar() -> Iterator["Progress | None"]:
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
