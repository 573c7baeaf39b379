"""Where the embedded KMS lives."""

from collections.abc import Mapping
from pathlib import Path

from signer.errors import UsageError


def default_directory(environ: Mapping[str, str]) -> Path:
    """Where the embedded KMS lives by default (XDG Base Directory Specification).

    Raises:
        UsageError: ``setting-missing``: this user has no home directory.
    """
    data = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or "~", ".local/share"))
    try:
        return Path(data).expanduser() / "policy-audit-signer" / "kms"
    except RuntimeError as error:
        raise UsageError(
            "setting-missing",
            f"kms-directory is not set, and {data!r} leads to no home directory",
            fix="set kms-directory (or POLICY_KMS_DIRECTORY).",
        ) from error
