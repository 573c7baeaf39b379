"""Who signs: one module a provider, loaded only when it is chosen.

A provider signs what its own hasher made of a message: the digest for RSA and ECDSA, the
64-byte mu for ML-DSA, the message itself for Ed25519 and HMAC keys held by a KMS. A message
of any size is thus hashed here, once, while it is read, and never sent anywhere.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # a digest or a MAC needs no library for public keys
    from datetime import datetime

    from signer.assurance import Assurance
    from signer.crypto.hashers import Hasher
    from signer.crypto.keys import PublicKey


class Provider(Protocol):
    """One key, ready to sign with one algorithm that was checked against it."""

    @property
    def name(self) -> str:
        """The value of ``POLICY_SIGNING_PROVIDER``: such as ``aws_kms_sdk``."""

    @property
    def assurance(self) -> "Assurance":
        """What a signature of this key proves."""

    @property
    def algorithm(self) -> str:
        """AWS's name of the algorithm, such as ``ECDSA_SHA_256``."""

    @property
    def key_id(self) -> str:
        """The key's full identifier: an ARN, a versioned vault key, a label for a secret."""

    @property
    def public_key(self) -> "PublicKey | None":
        """The public key; None for a MAC or a digest."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the log says of this key, a line each."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before they rely on such a signature."""

    def key_created(self) -> "datetime | None":
        """When what signs was made, in UTC: the key, or the version of it where it has versions.

        A service may need a permission of its own for it, and is asked once at most.

        Returns:
            None where nobody knows.

        Raises:
            ProviderError: the service refused or failed.
        """

    def hasher(self) -> "Hasher":
        """A new hasher; what its ``digest()`` returns is what ``sign`` takes."""

    def sign(self, digest: bytes) -> bytes:
        """The signature over ``digest`` (DER for ECDSA, the MAC for an HMAC key).

        Raises:
            ProviderError: the service refused or failed.
        """

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Check a signature of this key, locally wherever there is a public key.

        Raises:
            VerificationError: the signature is not this key's over ``digest``.
            ProviderError: the service could not be asked.
        """
