"""Peers that are Python programs: each at a pinned version, in a virtual environment of its own."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.peers.cache import CACHE
from tests.peers.commands import logged


@dataclass(frozen=True)
class PythonTool:
    """A command of a distribution at a pinned version."""

    distribution: str
    version: str


PYTHON_TOOLS = {
    "aws": PythonTool("awscli", "1.46.3"),
    "az": PythonTool("azure-cli", "2.91.0"),
}


def program(name: str) -> Path | None:
    """The command, where it is there at the pinned version."""
    tool = PYTHON_TOOLS[name]
    place = CACHE / f"{tool.distribution}-{tool.version}"
    return place / "bin" / name if (place / "installed").exists() else None


def install(name: str) -> str:
    """Install a tool into the cache, unless it is there at that version.

    Returns:
        What was done.

    Raises:
        PeerError: it could not be installed.
    """
    tool = PYTHON_TOOLS[name]
    if program(name):
        return f"{tool.version} in the cache"
    place = CACHE / f"{tool.distribution}-{tool.version}"
    logged(f"{name}-venv", [sys.executable, "-m", "venv", "--clear", place], timeout=120)
    pip: list[str | Path] = [place / "bin" / "python", "-m", "pip", "install"]
    logged(name, [*pip, f"{tool.distribution}=={tool.version}"], timeout=600)
    (place / "installed").touch()
    return f"{tool.version} installed"
