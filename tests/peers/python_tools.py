"""Peers that are Python programs: each as the image of ``cli/`` has it, by the same lock."""

import hashlib
import sys
from pathlib import Path

from tests.peers.cache import CACHE
from tests.peers.commands import logged

# The program, and the lock it is installed from.
PYTHON_TOOLS = {
    name: Path(__file__).parents[2] / "requirements" / f"{name}.txt" for name in ("aws", "az")
}


def program(name: str) -> Path | None:
    """The command, where it is there as the lock has it."""
    place = _place(name)
    return place / "bin" / name if (place / "installed").exists() else None


def install(name: str) -> str:
    """Install a tool into the cache by its lock, unless it is there.

    Returns:
        What was done.

    Raises:
        PeerError: it could not be installed.
    """
    if program(name):
        return "in the cache"
    place = _place(name)
    logged(f"{name}-venv", [sys.executable, "-m", "venv", "--clear", place], timeout=120)
    pip: list[str | Path] = [place / "bin" / "python", "-m", "pip", "install", "--prefer-binary"]
    logged(name, [*pip, "--no-deps", "--require-hashes", "-r", PYTHON_TOOLS[name]], timeout=600)
    (place / "installed").touch()
    return "installed"


def _place(name: str) -> Path:
    lock = hashlib.sha256(PYTHON_TOOLS[name].read_bytes()).hexdigest()
    return CACHE / f"{name}-{lock[:16]}"
