"""The embedded KMS as a provider: first use, versions, disabled keys."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signer.errors import ProviderError, UsageError
from signer.kms.service import EmbeddedKms
from signer.providers.kms import open_key


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "kms"


@pytest.mark.parametrize(
    ("algorithm", "key_spec"),
    [
        (None, "ECC_NIST_P256"),
        ("ES256K", "ECC_SECG_P256K1"),
        ("ES384", "ECC_NIST_P384"),
        ("ED25519_SHA_512", "ECC_NIST_EDWARDS25519"),
        ("ML_DSA_SHAKE_256", "ML_DSA_65"),
    ],
)
def test_an_alias_is_made_on_first_use(
    algorithm: str | None, key_spec: str, directory: Path
) -> None:
    first = open_key("alias/policy-audit", directory, algorithm)
    again = open_key("alias/policy-audit", directory, algorithm)
    assert (first.created, again.created) == (True, False)
    assert first.key_id == again.key_id
    assert first.public_key is not None
    assert first.public_key == again.public_key
    assert first.public_key.spec == key_spec


def test_a_key_id_is_never_made(directory: Path) -> None:
    for key in (
        "0e4a8d3c-5c0f-4d6f-9a57-3d5f3ad6b1f0",
        "urn:policy-audit:kms:key/0e4a8d3c-5c0f-4d6f-9a57-3d5f3ad6b1f0/1",
    ):
        with pytest.raises(ProviderError, match="NotFoundException") as refusal:
            open_key(key, directory)
        assert refusal.value.code == "kms-key-not-found"
        assert refusal.value.exit_code == 3
    assert not directory.exists()


def test_an_alias_is_not_made_for_verifying(directory: Path) -> None:
    with pytest.raises(ProviderError, match="NotFoundException"):
        open_key("alias/policy-audit", directory, create=False)
    assert not directory.exists()
    made = open_key("alias/policy-audit", directory)
    again = open_key("alias/policy-audit", directory, create=False)
    assert (again.key_id, again.created) == (made.key_id, False)


def test_nothing_is_made_where_the_algorithm_is_wrong(directory: Path) -> None:
    with pytest.raises(UsageError):
        open_key("alias/policy-audit", directory, "SHA_256")
    assert not directory.exists()


def test_key_ids_name_key_and_version_and_look_like_no_arn(directory: Path) -> None:
    kms = EmbeddedKms(directory)
    first = open_key("alias/policy-audit", directory)
    kms.rotate_key("alias/policy-audit")
    second = open_key("alias/policy-audit", directory)
    assert first.key_id.startswith("urn:policy-audit:kms:key/")
    assert first.key_id.removesuffix("/1") == second.key_id.removesuffix("/2")
    assert first.public_key != second.public_key
    assert open_key(first.key_id, directory).public_key == first.public_key
    assert open_key(first.key_id.removesuffix("/1"), directory).public_key == second.public_key


def test_a_key_that_is_rotated_meanwhile_still_signs_as_what_it_said(directory: Path) -> None:
    provider = open_key("alias/policy-audit", directory)
    EmbeddedKms(directory).rotate_key("alias/policy-audit")
    provider.verify(provider.sign(bytes(32)), bytes(32))


def _dated(directory: Path, *dates: str) -> None:
    """Write another date into each version of the one key there is."""
    [path] = directory.glob("key-*.json")
    document = json.loads(path.read_text())
    for version, date in zip(document["versions"], dates, strict=True):
        version["created"] = date
    path.write_text(json.dumps(document))


def test_the_date_is_that_of_the_version_that_signs(directory: Path) -> None:
    first = open_key("alias/policy-audit", directory)
    EmbeddedKms(directory).rotate_key("alias/policy-audit")
    second = open_key("alias/policy-audit", directory)
    _dated(directory, "2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert first.key_created() == datetime(2020, 1, 1, tzinfo=UTC)
    assert second.key_created() == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("date", ["", "None", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_a_date_that_is_none_is_damage(directory: Path, date: str) -> None:
    provider = open_key("alias/policy-audit", directory)
    _dated(directory, date)
    with pytest.raises(ProviderError) as refusal:
        provider.key_created()
    assert refusal.value.code == "kms-store-corrupt"


@pytest.mark.parametrize("algorithm", ["ECDSA_SHA_256", "HMAC_SHA_256"])
def test_a_disabled_key_is_refused(algorithm: str, directory: Path) -> None:
    provider = open_key("alias/policy-audit", directory, algorithm)
    EmbeddedKms(directory).disable_key("alias/policy-audit")
    with pytest.raises(ProviderError, match="DisabledException") as refusal:
        open_key("alias/policy-audit", directory, algorithm)
    assert refusal.value.code == "kms-key-disabled"
    with pytest.raises(ProviderError, match="DisabledException"):
        provider.sign(bytes(32))
    EmbeddedKms(directory).enable_key("alias/policy-audit")
    assert provider.sign(bytes(32))


def test_an_alias_whose_curve_does_not_fit_is_refused(directory: Path) -> None:
    open_key("alias/policy-audit", directory, "ES256K")
    with pytest.raises(UsageError, match="ES256 does not fit a key of the spec ECC_SECG_P256K1"):
        open_key("alias/policy-audit", directory, "ES256")
