"""The operations of the embedded KMS, held against AWS's limits and error names."""

import hashlib
import hmac
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from signer.crypto.algorithms import KEY_SPECS, MessageType
from signer.crypto.hashers import hasher_for
from signer.errors import VerificationError
from signer.kms.errors import KmsError
from signer.kms.service import EmbeddedKms

RAW, DIGEST, EXTERNAL_MU = MessageType.RAW, MessageType.DIGEST, MessageType.EXTERNAL_MU
ECDSA = "ECDSA_SHA_256"
NO_KEY = "0e4a8d3c-5c0f-4d6f-9a57-3d5f3ad6b1f0"
FAST_SPECS = [spec for spec in KEY_SPECS if not spec.startswith("RSA_")]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "kms"


@pytest.fixture
def kms(directory: Path) -> EmbeddedKms:
    """With an ECDSA key, an Ed25519 key, an ML-DSA key and an HMAC key."""
    kms = EmbeddedKms(directory)
    kms.ensure_alias("alias/ecdsa", "ECC_NIST_P256")
    kms.ensure_alias("alias/ed25519", "ECC_NIST_EDWARDS25519")
    kms.ensure_alias("alias/ml-dsa", "ML_DSA_44")
    kms.ensure_alias("alias/hmac", "HMAC_256")
    return kms


@pytest.mark.parametrize("key_spec", FAST_SPECS)
def test_create_and_describe(key_spec: str, directory: Path) -> None:
    kms = EmbeddedKms(directory)
    made = kms.create_key(key_spec)
    assert re.fullmatch(r"urn:policy-audit:kms:key/[0-9a-f-]{36}/1", made.key_id)
    assert made.key_spec == key_spec
    assert made.key_usage == (
        "GENERATE_VERIFY_MAC" if key_spec.startswith("HMAC_") else "SIGN_VERIFY"
    )
    assert made.enabled
    assert made.algorithms == KEY_SPECS[key_spec]
    assert made.aliases == ()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made.created[0])
    uuid = made.key_id.split("/")[1]
    for name in (made.key_id, uuid, f"{uuid}/1", made.key_id.removesuffix("/1")):
        assert kms.describe_key(name) == made
    assert kms.list_keys() == (made,)


def test_list_is_empty_before_the_first_key(directory: Path) -> None:
    assert EmbeddedKms(directory).list_keys() == ()
    assert not directory.exists()


def test_raw_messages_are_hashed_by_the_service(kms: EmbeddedKms) -> None:
    message = b"m" * 4096
    key = kms.get_public_key("alias/ecdsa").key
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(kms.sign("alias/ecdsa", message, RAW, ECDSA), message, ec.ECDSA(hashes.SHA256()))
    digest = hashlib.sha256(message).digest()
    signature = kms.sign("alias/ecdsa", digest, DIGEST, ECDSA)
    key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    kms.verify("alias/ecdsa", message, RAW, ECDSA, signature)
    kms.verify("alias/ecdsa", digest, DIGEST, ECDSA, signature)


def test_ml_dsa_takes_the_message_or_mu(kms: EmbeddedKms) -> None:
    public_key = kms.get_public_key("alias/ml-dsa")
    assert isinstance(public_key.key, mldsa.MLDSA44PublicKey)
    hasher = hasher_for("ML_DSA_SHAKE_256", public_key)
    hasher.update(b"message")
    for message, kind in ((b"message", RAW), (hasher.digest(), EXTERNAL_MU)):
        signature = kms.sign("alias/ml-dsa", message, kind, "ML_DSA_SHAKE_256")
        assert len(signature) == 2420
        public_key.key.verify(signature, b"message")


def test_ed25519_is_the_pure_one(kms: EmbeddedKms) -> None:
    key = kms.get_public_key("alias/ed25519").key
    assert isinstance(key, ed25519.Ed25519PublicKey)
    key.verify(kms.sign("alias/ed25519", b"message", RAW, "ED25519_SHA_512"), b"message")


def test_macs(kms: EmbeddedKms) -> None:
    mac = kms.generate_mac("alias/hmac", b"message", "HMAC_SHA_256")
    assert len(mac) == 32
    kms.verify_mac("alias/hmac", b"message", "HMAC_SHA_256", mac)
    for message, wrong in ((b"massage", mac), (b"message", mac[:-1]), (b"message", b"")):
        with pytest.raises(VerificationError, match="KMSInvalidMacException"):
            kms.verify_mac("alias/hmac", message, "HMAC_SHA_256", wrong)


@pytest.mark.parametrize(
    ("key_spec", "length"), [("HMAC_256", 32), ("HMAC_384", 48), ("HMAC_512", 64)]
)
def test_hmac_keys_are_as_long_as_the_mac(key_spec: str, length: int, directory: Path) -> None:
    from signer.kms import material

    secret = material.generate(key_spec)
    assert len(secret) == length
    algorithm = KEY_SPECS[key_spec][0]
    expected = hmac.digest(secret, b"message", f"sha{length * 8}")
    assert material.mac(secret, algorithm, b"message") == expected


def test_a_wrong_signature_is_not_verified(kms: EmbeddedKms) -> None:
    signature = kms.sign("alias/ecdsa", b"message", RAW, ECDSA)
    with pytest.raises(VerificationError) as refusal:
        kms.verify("alias/ecdsa", b"massage", RAW, ECDSA, signature)
    assert refusal.value.code == "signature-mismatch"


REFUSALS: dict[str, tuple[Callable[[EmbeddedKms], object], str, str]] = {
    "no such key": (lambda kms: kms.describe_key(NO_KEY), "NotFoundException", "kms-key-not-found"),
    "no such alias": (
        lambda kms: kms.sign("alias/none", b"m", RAW, ECDSA),
        "NotFoundException",
        "kms-key-not-found",
    ),
    "no such version": (
        lambda kms: kms.get_public_key(kms.describe_key("alias/ecdsa").key_id[:-1] + "2"),
        "NotFoundException",
        "kms-key-not-found",
    ),
    "version 0": (
        lambda kms: kms.get_public_key(kms.describe_key("alias/ecdsa").key_id[:-1] + "0"),
        "ValidationException",
        "kms-validation",
    ),
    "a bare name": (
        lambda kms: kms.describe_key("policy-audit"),
        "ValidationException",
        "kms-validation",
    ),
    "an ARN": (
        lambda kms: kms.describe_key(f"arn:aws:kms:eu-west-1:111122223333:key/{NO_KEY}"),
        "ValidationException",
        "kms-validation",
    ),
    "a path": (
        lambda kms: kms.describe_key("../../etc/passwd"),
        "ValidationException",
        "kms-validation",
    ),
    "a path as an alias": (
        lambda kms: kms.describe_key("alias/../../etc/passwd"),
        "NotFoundException",
        "kms-key-not-found",
    ),
    "a new alias that is a path": (
        lambda kms: kms.ensure_alias("alias/../x", "ECC_NIST_P256"),
        "InvalidAliasNameException",
        "kms-alias-invalid",
    ),
    "an alias without a name": (
        lambda kms: kms.create_alias("alias/", kms.describe_key("alias/ecdsa").key_id),
        "InvalidAliasNameException",
        "kms-alias-invalid",
    ),
    "an alias without the prefix": (
        lambda kms: kms.create_alias("policy", kms.describe_key("alias/ecdsa").key_id),
        "InvalidAliasNameException",
        "kms-alias-invalid",
    ),
    "an alias that is too long": (
        lambda kms: kms.ensure_alias("alias/" + "x" * 251, "ECC_NIST_P256"),
        "InvalidAliasNameException",
        "kms-alias-invalid",
    ),
    "an alias with a line feed": (
        lambda kms: kms.ensure_alias("alias/x\n", "ECC_NIST_P256"),
        "InvalidAliasNameException",
        "kms-alias-invalid",
    ),
    "a reserved alias": (
        lambda kms: kms.ensure_alias("alias/aws/s3", "ECC_NIST_P256"),
        "InvalidAliasNameException",
        "kms-alias-invalid",
    ),
    "an alias twice": (
        lambda kms: kms.create_alias("alias/ecdsa", _id(kms, "alias/ed25519")),
        "AlreadyExistsException",
        "kms-alias-exists",
    ),
    "an alias for one version": (
        lambda kms: kms.create_alias("alias/new", kms.describe_key("alias/ecdsa").key_id),
        "ValidationException",
        "kms-validation",
    ),
    "an alias for no key": (
        lambda kms: kms.create_alias("alias/new", NO_KEY),
        "NotFoundException",
        "kms-key-not-found",
    ),
    "an alias that does not exist to another key": (
        lambda kms: kms.update_alias("alias/new", _id(kms, "alias/ecdsa")),
        "NotFoundException",
        "kms-key-not-found",
    ),
    "an alias to a key of another usage": (
        lambda kms: kms.update_alias("alias/ecdsa", _id(kms, "alias/hmac")),
        "ValidationException",
        "kms-validation",
    ),
    "rotating one version": (
        lambda kms: kms.rotate_key(kms.describe_key("alias/ecdsa").key_id),
        "ValidationException",
        "kms-validation",
    ),
    "an unknown spec": (
        lambda kms: kms.create_key("ECC_NIST_P224"),
        "ValidationException",
        "kms-validation",
    ),
    "an empty message": (
        lambda kms: kms.sign("alias/ecdsa", b"", RAW, ECDSA),
        "ValidationException",
        "kms-validation",
    ),
    "a long message": (
        lambda kms: kms.sign("alias/ed25519", bytes(4097), RAW, "ED25519_SHA_512"),
        "ValidationException",
        "kms-validation",
    ),
    "a short digest": (
        lambda kms: kms.sign("alias/ecdsa", bytes(31), DIGEST, ECDSA),
        "ValidationException",
        "kms-validation",
    ),
    "a long digest": (
        lambda kms: kms.verify("alias/ecdsa", bytes(48), DIGEST, ECDSA, b""),
        "ValidationException",
        "kms-validation",
    ),
    "a digest for Ed25519": (
        lambda kms: kms.sign("alias/ed25519", bytes(64), DIGEST, "ED25519_SHA_512"),
        "ValidationException",
        "kms-validation",
    ),
    "a digest for ML-DSA": (
        lambda kms: kms.sign("alias/ml-dsa", bytes(64), DIGEST, "ML_DSA_SHAKE_256"),
        "ValidationException",
        "kms-validation",
    ),
    "mu of a wrong length": (
        lambda kms: kms.sign("alias/ml-dsa", bytes(63), EXTERNAL_MU, "ML_DSA_SHAKE_256"),
        "ValidationException",
        "kms-validation",
    ),
    "mu for ECDSA": (
        lambda kms: kms.sign("alias/ecdsa", bytes(64), EXTERNAL_MU, ECDSA),
        "ValidationException",
        "kms-validation",
    ),
    "an empty message for a MAC": (
        lambda kms: kms.generate_mac("alias/hmac", b"", "HMAC_SHA_256"),
        "ValidationException",
        "kms-validation",
    ),
    "a long message for a MAC": (
        lambda kms: kms.generate_mac("alias/hmac", bytes(4097), "HMAC_SHA_256"),
        "ValidationException",
        "kms-validation",
    ),
    "an algorithm of another curve": (
        lambda kms: kms.sign("alias/ecdsa", b"m", RAW, "ECDSA_SHA_384"),
        "InvalidKeyUsageException",
        "kms-key-usage",
    ),
    "an algorithm of another kind": (
        lambda kms: kms.sign("alias/ecdsa", b"m", RAW, "HMAC_SHA_256"),
        "InvalidKeyUsageException",
        "kms-key-usage",
    ),
    "signing with an HMAC key": (
        lambda kms: kms.sign("alias/hmac", b"m", RAW, "HMAC_SHA_256"),
        "InvalidKeyUsageException",
        "kms-key-usage",
    ),
    "a MAC with an ECDSA key": (
        lambda kms: kms.generate_mac("alias/ecdsa", b"m", ECDSA),
        "InvalidKeyUsageException",
        "kms-key-usage",
    ),
    "the public key of an HMAC key": (
        lambda kms: kms.get_public_key("alias/hmac"),
        "UnsupportedOperationException",
        "kms-no-public-key",
    ),
}


def _id(kms: EmbeddedKms, alias: str) -> str:
    return kms.describe_key(alias).key_id.removesuffix("/1")


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_have_aws_s_names_and_stable_codes(case: str, kms: EmbeddedKms) -> None:
    call, aws_name, code = REFUSALS[case]
    before = kms.list_keys()
    with pytest.raises(KmsError) as refusal:
        call(kms)
    assert (refusal.value.aws_name, refusal.value.code) == (aws_name, code)
    assert aws_name in refusal.value.message
    assert refusal.value.fix
    assert refusal.value.exit_code == 3
    assert kms.list_keys() == before


DISABLED: dict[str, Callable[[EmbeddedKms], object]] = {
    "Sign": lambda kms: kms.sign("alias/ecdsa", b"m", RAW, ECDSA),
    "Verify": lambda kms: kms.verify("alias/ecdsa", b"m", RAW, ECDSA, b""),
    "GetPublicKey": lambda kms: kms.get_public_key("alias/ecdsa"),
    "rotation": lambda kms: kms.rotate_key("alias/ecdsa"),
    "GenerateMac": lambda kms: kms.generate_mac("alias/hmac", b"m", "HMAC_SHA_256"),
    "VerifyMac": lambda kms: kms.verify_mac("alias/hmac", b"m", "HMAC_SHA_256", b""),
}


@pytest.mark.parametrize("operation", DISABLED)
def test_a_disabled_key_does_nothing(operation: str, kms: EmbeddedKms) -> None:
    for alias in ("alias/ecdsa", "alias/hmac"):
        kms.disable_key(alias)
        assert not kms.describe_key(alias).enabled
    with pytest.raises(KmsError, match="DisabledException") as refusal:
        DISABLED[operation](kms)
    assert refusal.value.code == "kms-key-disabled"
    for alias in ("alias/ecdsa", "alias/hmac"):
        kms.enable_key(alias)
    assert kms.sign("alias/ecdsa", b"m", RAW, ECDSA)
    assert kms.generate_mac("alias/hmac", b"m", "HMAC_SHA_256")


def test_rotation_makes_a_version_and_keeps_the_older_ones(kms: EmbeddedKms) -> None:
    first = kms.describe_key("alias/ecdsa")
    signature = kms.sign("alias/ecdsa", b"m", RAW, ECDSA)
    second = kms.rotate_key("alias/ecdsa")
    assert second.key_id == first.key_id.removesuffix("/1") + "/2"
    assert second.created[0] == first.created[0]
    assert len(second.created) == 2
    assert kms.describe_key("alias/ecdsa") == second
    keys = [kms.get_public_key(key_id) for key_id in (first.key_id, second.key_id)]
    assert keys[0] != keys[1]
    assert kms.get_public_key("alias/ecdsa") == keys[1]
    kms.verify(first.key_id, b"m", RAW, ECDSA, signature)
    with pytest.raises(VerificationError):
        kms.verify(second.key_id, b"m", RAW, ECDSA, signature)


def test_an_hmac_key_rotates_too(kms: EmbeddedKms) -> None:
    first = kms.generate_mac("alias/hmac", b"m", "HMAC_SHA_256")
    metadata = kms.rotate_key("alias/hmac")
    assert kms.generate_mac("alias/hmac", b"m", "HMAC_SHA_256") != first
    pinned = metadata.key_id.removesuffix("/2") + "/1"
    assert kms.generate_mac(pinned, b"m", "HMAC_SHA_256") == first


def test_aliases(kms: EmbeddedKms) -> None:
    key = _id(kms, "alias/ecdsa")
    kms.create_alias("alias/team/A_b-1", key)
    assert kms.describe_key(key).aliases == ("alias/ecdsa", "alias/team/A_b-1")
    kms.update_alias("alias/team/A_b-1", _id(kms, "alias/ed25519"))
    assert kms.describe_key(key).aliases == ("alias/ecdsa",)
    assert kms.describe_key("alias/team/A_b-1").key_spec == "ECC_NIST_EDWARDS25519"
    assert not kms.ensure_alias("alias/team/A_b-1", "RSA_4096")
