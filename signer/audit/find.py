"""Which audit files the lines of ``audit-file`` name."""

import glob
import os
from dataclasses import dataclass
from pathlib import Path

# What the signer itself writes is never an audit file, so that a glob can be run twice.
OWN_SUFFIXES = (".sigstore.json", ".sig", ".pub")


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

    A line that is the path of something there is taken as it is, whatever characters it has.
    """
    excluded: set[str] = set()
    for line in lines:
        if line.startswith("!"):
            excluded |= {os.path.realpath(path) for path in _matches(line[1:].strip())}
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
            if real not in excluded:
                files.setdefault(real, Path(path))
    return Found(tuple(files.values()), tuple(unmatched))


def _matches(line: str) -> list[str]:
    if os.path.lexists(line):
        return [line]
    return sorted(path for path in glob.glob(line, recursive=True) if not os.path.isdir(path))
