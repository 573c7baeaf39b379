"""A public key that the user names by its path."""

from pathlib import Path

from signer.crypto.keys import MAX_KEY_FILE, PublicKey
from signer.errors import UsageError, VerificationError
from signer.small_files import read_small_file


def read_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file.

    Raises:
        UsageError: ``public-key-not-found``.
        VerificationError: ``key-unreadable`` or ``key-not-accepted``.
    """
    try:
        pem = read_small_file(path, MAX_KEY_FILE + 1)
    except OSError as error:
        raise UsageError(
            "public-key-not-found",
            f"the public key {path} cannot be read: {error.strerror}",
            fix="check the path given as public-key (--key).",
        ) from error
    try:
        return PublicKey.from_pem(pem)
    except VerificationError as error:
        raise VerificationError(error.code, f"{path}: {error.message}", fix=error.fix) from None
