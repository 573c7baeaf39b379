"""The fallback with a shared secret: HMAC-SHA256 (RFC 2104; FIPS 198-1).

The key is the UTF-8 bytes of the environment variable ``POLICY_SIGNING_KEY``. Whoever can check
such a signature can also make one. Needs no permissions and no network.
"""

import hmac

from signer.assurance import Assurance
from signer.crypto.algorithms import choose_algorithm
from signer.crypto.hashers import Hasher
from signer.errors import UsageError, VerificationError

MIN_SECRET = 16
"""A shorter secret, in bytes, is refused."""

SHORT_SECRET = 32
"""A shorter secret, in bytes, is warned of: it is shorter than the MAC (RFC 2104, section 3)."""


class HmacKey:
    """A provider that signs with a secret it was given; see `signer.providers.Provider`."""

    name = "hmac"
    assurance = Assurance.SHARED_SECRET
    algorithm = "HMAC_SHA_256"
    key_id = "hmac:POLICY_SIGNING_KEY"
    public_key = None
    notes = ()

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @property
    def warnings(self) -> tuple[str, ...]:
        """That the secret is short, where it has less than `SHORT_SECRET` bytes."""
        if len(self._secret) >= SHORT_SECRET:
            return ()
        short = f"POLICY_SIGNING_KEY has less than {SHORT_SECRET} bytes"
        return (f"{short}: HMAC-SHA256 deserves as many random ones.",)

    def key_created(self) -> None:
        """Nothing is known of it."""

    def hasher(self) -> Hasher:
        """A new hasher, keyed with the secret: its ``digest()`` is the MAC, 32 bytes."""
        return hmac.new(self._secret, digestmod="sha256")

    def sign(self, digest: bytes) -> bytes:
        """The MAC, which the hasher made already."""
        return digest

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Compare two MACs in constant time.

        Raises:
            VerificationError: ``signature-mismatch``.
        """
        if not hmac.compare_digest(signature, digest):
            raise VerificationError(
                "signature-mismatch",
                "the HMAC-SHA256 is not that of this content with POLICY_SIGNING_KEY",
                fix="check that it is the secret that signed, and that nothing was altered",
            )


def open_key(secret: bytes, algorithm: str | None = None) -> HmacKey:
    """The provider for a shared secret.

    Args:
        secret: the key's bytes; never shown in any message.
        algorithm: what the user asked for; ``HMAC_SHA_256`` (``HS256``) or None.

    Raises:
        UsageError: ``hmac-key-too-short``, or an algorithm that does not fit.
    """
    choose_algorithm(algorithm, "HMAC_256")
    if len(secret) < MIN_SECRET:
        raise UsageError(
            "hmac-key-too-short",
            f"POLICY_SIGNING_KEY has {len(secret)} bytes, and at least {MIN_SECRET} are needed",
            fix="use 32 random bytes or more, for instance from `openssl rand -base64 32`",
        )
    return HmacKey(secret)
