"""What a key signs: digests, ML-DSA's mu, and messages as they are."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signer.crypto.algorithms import ALGORITHMS, MessageType
from signer.crypto.hashers import hasher_for
from signer.crypto.keys import PublicKey
from signer.errors import UsageError

RAW = [name for name, entry in ALGORITHMS.items() if entry.message_type is MessageType.RAW]
DIGEST = [name for name, entry in ALGORITHMS.items() if entry.message_type is MessageType.DIGEST]


@pytest.mark.parametrize("algorithm", DIGEST)
def test_digests(algorithm: str) -> None:
    hasher = hasher_for(algorithm)
    hasher.update(b"policy ")
    hasher.update(memoryview(b"audit"))
    expected = hashlib.new(f"sha{algorithm[-3:]}", b"policy audit").digest()
    assert hasher.digest() == hasher.digest() == expected


@pytest.mark.parametrize("algorithm", RAW)
def test_raw_messages_stay_as_they_are(algorithm: str) -> None:
    hasher = hasher_for(algorithm)
    hasher.update(b"a" * 4000)
    hasher.update(memoryview(b"b" * 96))
    assert hasher.digest() == b"a" * 4000 + b"b" * 96


@pytest.mark.parametrize("algorithm", RAW)
def test_raw_messages_are_limited(algorithm: str) -> None:
    hasher = hasher_for(algorithm)
    hasher.update(b"a" * 4096)
    hasher.update(b"")
    with pytest.raises(UsageError) as refusal:
        hasher.update(b"b")
    assert refusal.value.code == "message-too-long"
    assert "4096" in refusal.value.message
    assert hasher.digest() == b"a" * 4096


def test_the_limit_counts_bytes_and_not_elements() -> None:
    with pytest.raises(UsageError):
        hasher_for("ED25519_SHA_512").update(memoryview(bytes(8192)).cast("Q"))


def test_a_verifier_may_lift_the_limit() -> None:
    hasher = hasher_for("ED25519_SHA_512", max_raw_message=None)
    hasher.update(b"a" * 100_000)
    assert len(hasher.digest()) == 100_000


@pytest.mark.parametrize(
    "kind", [mldsa.MLDSA44PrivateKey, mldsa.MLDSA65PrivateKey, mldsa.MLDSA87PrivateKey]
)
def test_mu_is_that_of_fips_204(
    kind: type[mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey],
) -> None:
    """Algorithm 7, line 6, and section 5.2: mu = H(H(pk, 64) || 0 || |ctx| || ctx || M, 64)."""
    key = kind.generate().public_key()
    public_key = PublicKey.from_key(key)
    hasher = hasher_for("ML_DSA_SHAKE_256", public_key)
    hasher.update(b"policy ")
    hasher.update(b"audit")
    tr = hashlib.shake_256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).digest(64)
    expected = hashlib.shake_256(tr + b"\x00\x00" + b"policy audit").digest(64)
    assert hasher.digest() == hasher.digest() == expected


def test_mu_needs_the_public_key() -> None:
    with pytest.raises(ValueError, match="needs the ML-DSA public key"):
        hasher_for("ML_DSA_SHAKE_256")
