"""The ``az`` command line at a pinned version, in a virtual environment of its own."""

import subprocess
import sys
from pathlib import Path

from tests.peers.cache import CACHE
from tests.peers.commands import logged

VERSION = "2.91.0"
_PLACE = CACHE / f"azure-cli-{VERSION}"
_DONE = _PLACE / "installed"


def program() -> Path | None:
    """The ``az`` of the cache, where it is wholly installed."""
    return _PLACE / "bin" / "az" if _DONE.exists() else None


def python() -> Path:
    """The interpreter of ``az``, for what compares imports and sizes."""
    return _PLACE / "bin" / "python"


def install() -> str:
    """Install it into the cache, byte-compiled, unless it is there.

    Returns:
        What was done.

    Raises:
        PeerError: pip failed.
    """
    if _DONE.exists():
        return "in the cache"
    logged("az-venv", [sys.executable, "-m", "venv", "--clear", _PLACE], timeout=120)
    pip = [python(), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    logged("az", [*pip, f"azure-cli=={VERSION}"], timeout=900)
    # pip compiles what it installs; a second pass leaves nothing to the first command.
    subprocess.run([python(), "-m", "compileall", "-q", _PLACE / "lib"], check=False)
    _DONE.touch()
    return f"azure-cli {VERSION} installed"
