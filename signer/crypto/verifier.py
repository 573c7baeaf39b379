"""What a signature is checked with: the verifier's choice, never the bundle's."""

from dataclasses import dataclass
from typing import Protocol

from signer.crypto.hashers import Hasher, hasher_for
from signer.crypto.keys import PublicKey


class Verifier(Protocol):
    """A key, or what stands for one, with one algorithm. Every provider is one."""

    @property
    def algorithm(self) -> str:
        """AWS's name of the algorithm."""

    @property
    def public_key(self) -> PublicKey | None:
        """The public key; None for a MAC or a digest."""

    def hasher(self) -> Hasher:
        """A new hasher; what its ``digest()`` returns is what ``verify`` takes."""

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Check a signature over what the hasher made of a message.

        Raises:
            VerificationError: it is not valid.
        """


@dataclass(frozen=True, slots=True)
class PublicKeyVerifier:
    """A trusted public key and the algorithm it is used with."""

    public_key: PublicKey
    algorithm: str

    def hasher(self) -> Hasher:
        """A hasher without the limit that a KMS sets: here the message need not travel."""
        return hasher_for(self.algorithm, self.public_key, max_raw_message=None)

    def verify(self, signature: bytes, digest: bytes) -> None:
        """Check with the public key (see `PublicKey.verify`)."""
        self.public_key.verify(self.algorithm, signature, digest)
