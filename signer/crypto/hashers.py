"""Hashers: what turns a message of any size into the few bytes that a key signs.

That is the digest for RSA and ECDSA, the 64-byte mu for ML-DSA (FIPS 204, section 6.2, with an
empty context), and the message itself, limited to 4,096 bytes, for Ed25519 and KMS HMAC keys.
"""

import hashlib
from typing import TYPE_CHECKING, Protocol

from signer.crypto.algorithms import ALGORITHMS, MAX_RAW_MESSAGE, MessageType
from signer.errors import UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSAMuHasher

    from signer.crypto.keys import PublicKey


class Hasher(Protocol):
    """Takes a message piece by piece; hashlib's objects are hashers."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes of the message.

        Raises:
            UsageError: ``message-too-long`` for a key that signs the message itself.
        """

    def digest(self) -> bytes:
        """What the key signs, for the message so far; may be called again."""


class RawMessage:
    """A hasher that keeps the message itself, for keys that hash it on their own.

    Args:
        algorithm: AWS's name.
        limit: how many bytes the message may have; None for any number.
    """

    def __init__(self, algorithm: str, limit: int | None) -> None:
        self._algorithm = algorithm
        self._limit = limit
        self._message = bytearray()

    def update(self, data: bytes | memoryview, /) -> None:
        """Keep ``data``, unless the message becomes too long."""
        length = len(self._message) + memoryview(data).nbytes
        if self._limit is not None and length > self._limit:
            raise UsageError(
                "message-too-long",
                f"{self._algorithm} signs a message of at most {self._limit} bytes, "
                "and this one is longer",
                fix="use a key that signs a digest, such as ECDSA or RSA, for longer messages",
            )
        self._message += data

    def digest(self) -> bytes:
        """The message."""
        return bytes(self._message)


class _MessageRepresentative:
    """A hasher that makes ML-DSA's mu, which binds the public key as well."""

    def __init__(self, mu: "MLDSAMuHasher") -> None:
        self._mu = mu

    def update(self, data: bytes | memoryview, /) -> None:
        self._mu.update(data)

    def digest(self) -> bytes:
        return self._mu.copy().finalize()


def hasher_for(
    algorithm: str,
    public_key: "PublicKey | None" = None,
    *,
    max_raw_message: int | None = MAX_RAW_MESSAGE,
) -> Hasher:
    """A new hasher for an algorithm.

    Args:
        algorithm: AWS's name.
        public_key: needed for ML-DSA alone, whose mu depends on it.
        max_raw_message: how many bytes a message may have that is signed as it is, by default
            what a KMS takes; None for any number, where it is only verified.

    Raises:
        ValueError: ML-DSA without a public key of that kind.
    """
    entry = ALGORITHMS[algorithm]
    if entry.message_type is MessageType.RAW:
        return RawMessage(algorithm, max_raw_message)
    if entry.message_type is MessageType.DIGEST:
        return hashlib.new(entry.hash_name)
    from cryptography.hazmat.primitives.asymmetric import mldsa

    key = None if public_key is None else public_key.key
    if not isinstance(
        key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
    ):
        raise ValueError(f"{algorithm} needs the ML-DSA public key to hash a message")
    return _MessageRepresentative(mldsa.MLDSAMuHasher(key))
