"""The real programs that tests hold the signer against, and how they get on this machine.

``python -m tests.peers`` (``make peers``) installs what it can into a cache that every clone on
the machine shares. A test asks for what it needs: :func:`require` gives the program, or skips
the test by name with the reason. With ``REQUIRE_PEERS=1`` such a skip is a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

from tests.peers import aws_v2, engine, npm_tools, python_tools
from tests.peers.cache import BIN, missing_reason
from tests.peers.go_tools import GO_TOOLS
from tests.peers.npm_tools import NPM_TOOLS
from tests.peers.python_tools import PYTHON_TOOLS

SKIP_PREFIX = "peer missing: "

# Peers that are ordinary programs on PATH, and the Debian package each comes in.
SYSTEM_TOOLS = {
    "git": "git",
    "jq": "jq",
    "openssl": "openssl",
    "ssh-keygen": "openssh-client",
}


def find(name: str) -> Path | None:
    """The peer's program (of packages, their folder), or nothing where it is not on this machine.

    Args:
        name: ``docker`` (a client whose engine answers), ``aws-v2``, a key of :data:`GO_TOOLS`, of
            :data:`PYTHON_TOOLS`, of :data:`SYSTEM_TOOLS` or of :data:`NPM_TOOLS` (the folder
            with ``node_modules``).

    Raises:
        KeyError: no such peer.
    """
    if name == "docker":
        return engine.client() if engine.answers() else None
    if name == "aws-v2":
        return aws_v2.program()
    if name in NPM_TOOLS:
        return npm_tools.folder(name)
    if name in PYTHON_TOOLS:
        return python_tools.program(name)
    if name in GO_TOOLS:
        cached = BIN / name
        if cached.exists():
            return cached
    elif name not in SYSTEM_TOOLS:
        raise KeyError(name)
    on_path = shutil.which(name)
    return Path(on_path) if on_path else None


def require(name: str) -> Path:
    """The peer's program; where it is missing the calling test is skipped with the reason.

    Args:
        name: as :func:`find` takes it.

    Raises:
        pytest.skip.Exception: the peer is not on this machine.
    """
    program = find(name)
    if program is None:
        pytest.skip(f"{SKIP_PREFIX}{name}: {missing_reason(name)}")
    return program


def required() -> bool:
    """Whether a missing peer is a failure (``REQUIRE_PEERS=1``)."""
    return os.environ.get("REQUIRE_PEERS") == "1"
