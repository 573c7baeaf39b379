"""The suite that every provider passes, for every kind of key and every algorithm it offers.

A new provider adds its variants to `VARIANTS`, and nothing else here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from signer.assurance import Assurance
from signer.crypto.algorithms import ALGORITHMS, KEY_SPECS, MessageType
from signer.errors import ProviderError, UsageError, VerificationError
from signer.kms.service import EmbeddedKms
from signer.providers import Provider, hmac_key, kms, sha256_digest
from signer.providers.aws import key as aws_key
from signer.providers.aws.reference import parse_key

from . import independent
from .aws.support import REGION, FakeCalls, Said
from .azure import support as azure

MESSAGE = b'{"decision_id":"4ca636c1","result":{"allow":true}}\n' * 40
SECRET = b"a secret of thirty-two bytes, ok"


@dataclass(frozen=True)
class Variant:
    """One provider with one kind of key and one algorithm.

    Attributes:
        open: the provider, given the embedded KMS's directory and the algorithm asked for.
        other: the same with another key of the same kind; None where there is no key.
        misfit: an algorithm that this key does not offer.
    """

    provider: str
    algorithm: str
    assurance: Assurance
    open: Callable[[Path, str], Provider]
    other: Callable[[Path], Provider] | None
    misfit: str
    key_spec: str = ""

    @property
    def signs_raw_messages(self) -> bool:
        return ALGORITHMS[self.algorithm].message_type is MessageType.RAW

    def __str__(self) -> str:
        return "-".join(part for part in (self.provider, self.key_spec, self.algorithm) if part)


def _kms_variant(key_spec: str, algorithm: str) -> Variant:
    def another(directory: Path) -> Provider:
        # A new key of RSA's larger sizes takes seconds; a smaller one is another key as well.
        spec = "RSA_2048" if key_spec.startswith("RSA_") else key_spec
        return kms.open_key(_another_key(directory, spec), directory, algorithm)

    is_mac = key_spec.startswith("HMAC_")
    return Variant(
        provider="kms",
        key_spec=key_spec,
        algorithm=algorithm,
        assurance=Assurance.SHARED_SECRET if is_mac else Assurance.SOFTWARE_KEY,
        open=lambda directory, asked: kms.open_key(f"alias/{key_spec}", directory, asked),
        other=another,
        misfit="ECDSA_SHA_384" if algorithm != "ECDSA_SHA_384" else "ECDSA_SHA_256",
    )


def _aws_variant(key_spec: str, algorithm: str) -> Variant:
    def open_alias(directory: Path, alias: str, asked: str | None) -> Provider:
        return aws_key.open_key(
            "aws_kms_sdk",
            FakeCalls(directory),
            parse_key(alias),
            REGION,
            Said().access(),
            algorithm=asked,
            pinned=None,
        )

    of_kms = _kms_variant(key_spec, algorithm)
    spec = "RSA_2048" if key_spec.startswith("RSA_") else key_spec
    is_mac = key_spec.startswith("HMAC_")
    return replace(
        of_kms,
        provider="aws_kms_sdk",
        assurance=Assurance.SHARED_SECRET if is_mac else Assurance.MANAGED_KEY,
        open=lambda directory, asked: open_alias(directory, f"alias/{key_spec}", asked),
        other=lambda directory: open_alias(directory, _another_key(directory, spec), None),
    )


def _azure_variant(kind: str, key_spec: str, algorithm: str) -> Variant:
    return Variant(
        provider="azure_kv_sdk",
        key_spec=key_spec,
        algorithm=algorithm,
        assurance=Assurance.MANAGED_KEY,
        open=lambda _, asked: azure.open_kind(kind, asked),
        other=lambda _: azure.open_kind(kind, algorithm, f"another-{kind.lower()}"),
        misfit="ECDSA_SHA_384" if algorithm != "ECDSA_SHA_384" else "ECDSA_SHA_256",
    )


AZURE_KINDS = {
    "P-256": "ECC_NIST_P256",
    "P-256K": "ECC_SECG_P256K1",
    "P-384": "ECC_NIST_P384",
    "P-521": "ECC_NIST_P521",
    "RSA-2048": "RSA_2048",
}


def _another_key(directory: Path, key_spec: str) -> str:
    alias = f"alias/another/{key_spec}"
    EmbeddedKms(directory).ensure_alias(alias, key_spec)
    return alias


VARIANTS = [
    *(_kms_variant(spec, algorithm) for spec in KEY_SPECS for algorithm in KEY_SPECS[spec]),
    *(_aws_variant(spec, algorithm) for spec in KEY_SPECS for algorithm in KEY_SPECS[spec]),
    *(
        _azure_variant(kind, spec, algorithm)
        for kind, spec in AZURE_KINDS.items()
        for algorithm in KEY_SPECS[spec]
    ),
    Variant(
        provider="hmac",
        algorithm="HMAC_SHA_256",
        assurance=Assurance.SHARED_SECRET,
        open=lambda _, asked: hmac_key.open_key(SECRET, asked),
        other=lambda _: hmac_key.open_key(SECRET[::-1]),
        misfit="HMAC_SHA_384",
    ),
    Variant(
        provider="sha256",
        algorithm="SHA_256",
        assurance=Assurance.DIGEST,
        open=lambda _, asked: sha256_digest.open_key(asked),
        other=None,
        misfit="ECDSA_SHA_256",
    ),
]


WITH_KEY = [variant for variant in VARIANTS if variant.other is not None]
"""Plain SHA-256 has no key, so no other key either."""

IN_A_KMS = [variant for variant in VARIANTS if variant.key_spec]
"""Elsewhere the hasher's result is the signature, and nothing is sent anywhere."""


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Variant:
    chosen: Variant = request.param
    return chosen


@pytest.fixture
def provider(variant: Variant, kms_directory: Path) -> Provider:
    return variant.open(kms_directory, variant.algorithm)


def _digest(provider: Provider, message: bytes) -> bytes:
    hasher = provider.hasher()
    hasher.update(message)
    return hasher.digest()


def test_it_says_what_it_is(variant: Variant, provider: Provider) -> None:
    assert provider.name == variant.provider
    assert provider.algorithm == variant.algorithm
    assert provider.assurance is variant.assurance
    assert provider.key_id
    assert SECRET.decode() not in provider.key_id
    if provider.public_key is None:
        assert not variant.assurance.covers(Assurance.SOFTWARE_KEY)
    else:
        assert provider.public_key.spec == variant.key_spec
        assert variant.algorithm in provider.public_key.algorithms


def test_it_says_when_its_key_was_made(variant: Variant, provider: Provider) -> None:
    created = provider.key_created()
    if variant not in IN_A_KMS:
        assert created is None
        return
    assert created is not None
    assert created.utcoffset() == timedelta(0)
    assert timedelta(0) <= datetime.now(UTC) - created < timedelta(hours=1)


def test_another_implementation_verifies_it(
    variant: Variant, provider: Provider, kms_directory: Path, tmp_path: Path
) -> None:
    digest = _digest(provider, MESSAGE)
    signature = provider.sign(digest)
    provider.verify(signature, digest)
    if provider.public_key is not None:
        assert independent.verifies(
            provider.public_key, variant.algorithm, MESSAGE, signature, tmp_path
        )
        assert not independent.verifies(
            provider.public_key, variant.algorithm, MESSAGE + b" ", signature, tmp_path
        )
    elif variant.provider == "sha256":
        assert signature == independent.sha256(MESSAGE, tmp_path)
    else:
        secret = SECRET
        if variant.key_spec:
            secret = independent.stored_secret(kms_directory, provider.key_id)
        assert signature == independent.mac(secret, variant.algorithm, MESSAGE, tmp_path)


def test_a_message_may_come_in_pieces(provider: Provider) -> None:
    hasher = provider.hasher()
    for start in range(0, len(MESSAGE), 7):
        hasher.update(memoryview(MESSAGE)[start : start + 7])
    assert hasher.digest() == _digest(provider, MESSAGE)


def test_another_message_is_rejected(provider: Provider) -> None:
    signature = provider.sign(_digest(provider, MESSAGE))
    for altered in (MESSAGE[:-1], MESSAGE + b"\0", MESSAGE.replace(b"true", b"TRUE", 1)):
        with pytest.raises(VerificationError) as refusal:
            provider.verify(signature, _digest(provider, altered))
        assert refusal.value.code == "signature-mismatch"


def test_another_signature_is_rejected(provider: Provider) -> None:
    digest = _digest(provider, MESSAGE)
    signature = provider.sign(digest)
    altered = [
        b"",
        signature[:-1],
        signature + b"\0",
        b"\0" + signature,
        signature[::-1],
        bytes(len(signature)),
    ]
    for place in (0, len(signature) // 2, len(signature) - 1):
        flipped = bytearray(signature)
        flipped[place] ^= 1
        altered.append(bytes(flipped))
    for wrong in altered:
        with pytest.raises(VerificationError) as refusal:
            provider.verify(wrong, digest)
        assert refusal.value.code == "signature-mismatch"
        assert refusal.value.fix


@pytest.mark.parametrize("variant", WITH_KEY, ids=str)
def test_another_key_is_rejected(variant: Variant, provider: Provider, kms_directory: Path) -> None:
    assert variant.other is not None
    other = variant.other(kms_directory)
    signature = provider.sign(_digest(provider, MESSAGE))
    with pytest.raises(VerificationError) as refusal:
        other.verify(signature, _digest(other, MESSAGE))
    assert refusal.value.code == "signature-mismatch"


def test_an_algorithm_that_does_not_fit_is_refused_before_signing(
    variant: Variant, kms_directory: Path
) -> None:
    with pytest.raises(UsageError) as refusal:
        variant.open(kms_directory, variant.misfit)
    assert refusal.value.code == "algorithm-not-offered"
    assert variant.misfit in refusal.value.message
    assert refusal.value.exit_code == 2


def test_an_unknown_algorithm_is_refused(variant: Variant, kms_directory: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        variant.open(kms_directory, "ECDSA_SHA_1")
    assert refusal.value.code == "algorithm-unknown"


def test_only_raw_messages_are_limited(variant: Variant, provider: Provider) -> None:
    hasher = provider.hasher()
    hasher.update(bytes(4096))
    if variant in IN_A_KMS and variant.signs_raw_messages:
        with pytest.raises(UsageError) as refusal:
            hasher.update(b"\0")
        assert refusal.value.code == "message-too-long"
    else:
        hasher.update(bytes(1_000_000))
    digest = hasher.digest()
    provider.verify(provider.sign(digest), digest)


@pytest.mark.parametrize("variant", IN_A_KMS, ids=str)
def test_what_is_no_digest_is_not_signed(variant: Variant, provider: Provider) -> None:
    for length in (0, 4097) if variant.signs_raw_messages else (0, 1, 31, 65, 4097):
        with pytest.raises(ProviderError) as refusal:
            provider.sign(bytes(length))
        assert refusal.value.code in ("kms-validation", "aws-message-length")
        assert refusal.value.exit_code == 3
