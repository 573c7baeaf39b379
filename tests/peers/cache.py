"""Where peers are kept, and why one is missing: one cache for every clone on the machine."""

import os
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "policy-audit-signer"
BIN = CACHE / "bin"
LOGS = CACHE / "logs"
_REASONS = CACHE / "missing"


class PeerError(Exception):
    """A peer could not be installed; the message says why, on one line."""


def missing_reason(name: str) -> str:
    """Why the last installation of a peer failed."""
    try:
        return (_REASONS / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return "not installed; run make peers"


def note(name: str, reason: str | None) -> None:
    """Keep the reason why a peer is missing, or forget it where it is there."""
    path = _REASONS / name
    path.unlink(missing_ok=True)
    if reason is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{reason}\n", encoding="utf-8")
