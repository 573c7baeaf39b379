"""The fallback without a key: plain SHA-256 (FIPS 180-4).

It proves integrity against accidents, and no origin: anyone can make it. Needs no permissions
and no network.
"""

import hashlib
import hmac

from signer.assurance import Assurance
from signer.crypto.algorithms import algorithm_named
from signer.crypto.hashers import Hasher
from signer.errors import UsageError, VerificationError

_INTEGRITY_ONLY = (
    "This is a plain SHA-256 record: it proves integrity only, and anybody could have made it. "
    "Choose a provider, or set POLICY_SIGNING_KEY."
)


class Sha256Digest:
    """A provider that holds no key; see `signer.providers.Provider`."""

    name = "sha256"
    assurance = Assurance.DIGEST
    algorithm = "SHA_256"
    key_id = "sha256"
    public_key = None
    notes = ()
    warnings = (_INTEGRITY_ONLY,)

    def key_created(self) -> None:
        """Nothing is known of it."""

    def hasher(self) -> Hasher:
        """A new SHA-256."""
        return hashlib.sha256()

    def sign(self, digest: bytes) -> bytes:
        """The digest, 32 bytes, which the hasher made already."""
        return digest

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Compare two digests.

        Raises:
            VerificationError: ``signature-mismatch``.
        """
        if not hmac.compare_digest(signature, digest):
            raise VerificationError(
                "signature-mismatch",
                "the SHA-256 is not that of this content",
                fix="get content and signature anew from where they were made",
            )


def open_key(algorithm: str | None = None) -> Sha256Digest:
    """The provider that only hashes.

    Args:
        algorithm: what the user asked for; ``SHA_256`` or None.

    Raises:
        UsageError: ``algorithm-unknown``, or ``algorithm-not-offered`` for one that needs a key.
    """
    if algorithm is not None and algorithm_named(algorithm) != "SHA_256":
        raise UsageError(
            "algorithm-not-offered",
            f"the algorithm {algorithm} needs a key, and no provider that has one was chosen",
            fix="choose a provider, or leave the algorithm empty for plain SHA-256",
        )
    return Sha256Digest()
