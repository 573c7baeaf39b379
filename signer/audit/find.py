"""Which audit files the lines of ``audit-file`` name."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What the signer itself writes is never an audit file, so that a glob can be run twice.
OWN_SUFFIXES = (".sigstore.json", ".identity.jwt", ".sig", ".pub")


@dataclass(frozen=True, slots=True)
class Found:
    """The audit files, each once, in the order of the lines and sorted within a glob.

    Attributes:
        files: paths as the user named them, relative ones relative to the working directory.
        unmatched: the lines that name no file.
    """

    files: tuple[Path, ...]
    unmatched: tuple[str, ...]


def find_audit_files(lines: tuple[str, ...]) -> Found:
    """Resolve paths and globs (``*``, ``?``, ``[…]``, ``**`` for any depth, ``!`` leaves out).

    ``**`` enters no directory through a symbolic link, so that links in circles end; what ``!``
    leaves out is the path it names and links to it, not what that is a link to.

    A line that is the path of something there is taken as it is, whatever characters it has.
    """
    excluded: set[str] = set()
    for line in lines:
        if line.startswith("!"):
            excluded |= {_place(path) for path in _matches(line[1:].strip())}
    files: dict[str, Path] = {}
    unmatched = []
    for line in lines:
        if line.startswith("!"):
            continue
        matches = [path for path in _matches(line) if not path.endswith(OWN_SUFFIXES)]
        if not matches:
            unmatched.append(line)
        for path in matches:
            real = os.path.realpath(path)
            if excluded.isdisjoint((_place(path), real)):
                files.setdefault(real, Path(path))
    return Found(tuple(files.values()), tuple(unmatched))


def _place(path: str) -> str:
    """The path without links on the way to it; it may be a link itself."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _matches(line: str) -> list[str]:
    if os.path.lexists(line):
        return [line]
    return sorted({path for path in _expand(line) if not os.path.isdir(path)})


def _expand(pattern: str) -> Iterator[str]:
    """As ``glob.iglob(pattern, recursive=True)``, but ``**`` does not follow symbolic links."""
    before, after = [], pattern.split("/")
    while after and after[0] != "**":
        before.append(after.pop(0))
    if not after:
        yield from glob.iglob(pattern)
        return
    while after and after[0] == "**":
        after.pop(0)
    rest = "/".join(after) or "*"
    # With "/" at its end, a pattern matches directories alone.
    tops = glob.iglob("/".join([*before, ""])) if before else [os.curdir]
    for top in tops:
        for directory, names, _ in os.walk(top):
            names[:] = [name for name in names if not name.startswith(".")]
            path = os.path.join(directory, "")
            if not before:
                path = path.removeprefix("./")
            yield from _expand(glob.escape(path) + rest)
