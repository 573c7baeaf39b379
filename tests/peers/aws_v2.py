"""The ``aws`` command line in version 2, which PyPI does not have: this machine's, or Debian's."""

import os
import shutil
from pathlib import Path

from tests.peers.cache import PeerError
from tests.peers.commands import answer, apt_install

_FOLDERS = ("/usr/local/bin", "/usr/bin")


def program() -> Path | None:
    """The command, wherever there is one of version 2."""
    folders = os.pathsep.join((os.environ.get("PATH", ""), *_FOLDERS))
    for folder in folders.split(os.pathsep):
        found = shutil.which("aws", path=folder)
        if found and (answer([found, "--version"]) or "").startswith("aws-cli/2."):
            return Path(found)
    return None


def install() -> str:
    """Install Debian's, unless there is one.

    Returns:
        What was done.

    Raises:
        PeerError: it could not be installed.
    """
    if found := program():
        return str(found)
    apt_install("aws-v2", ["awscli"])
    if program() is None:
        raise PeerError("this system's awscli is not version 2")
    return "installed"
