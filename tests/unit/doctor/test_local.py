"""The embedded KMS, a shared secret and a digest: looked at, and no key made."""

import os
from pathlib import Path
from typing import Any

import pytest

from signer.doctor.check import Check
from signer.doctor.local import look_at_kms, look_at_secret
from signer.kms.service import EmbeddedKms
from tests.unit.doctor.support import Said, by_name, looked, settings, statuses


def _look(directory: Path, **given: Any) -> dict[str, Check]:
    chosen = {"provider": "kms", "kms_directory": directory, **given}
    return by_name(looked(look_at_kms, settings(**chosen)).checks)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A KMS with a key ``alias/policy-audit``."""
    found = tmp_path / "kms"
    EmbeddedKms(found).ensure_alias("alias/policy-audit", "ECC_NIST_P256")
    return found


def test_a_key_that_is_there(directory: Path) -> None:
    chosen = settings(provider="kms", kms_directory=directory)
    found = looked(look_at_kms, chosen)
    assert statuses(found.checks) == {"kms-directory": "ok", "key": "ok"}
    assert found.provider is not None
    assert found.provider.key_id in by_name(found.checks)["key"].detail
    assert "simulation" in by_name(found.checks)["key"].detail
    assert found.created is not None
    assert found.created.tzinfo is not None


def test_the_age_is_that_of_the_version(directory: Path) -> None:
    kms = EmbeddedKms(directory)
    [path] = directory.glob("key-*.json")
    path.write_text(path.read_text().replace('"created": "20', '"created": "19'))
    kms.rotate_key("alias/policy-audit")
    first = kms.describe_key("alias/policy-audit").key_id.removesuffix("2") + "1"
    for key, years in (("alias/policy-audit", range(2000, 2100)), (first, range(1900, 2000))):
        chosen = settings(provider="kms", kms_directory=directory, kms_key=key)
        created = looked(look_at_kms, chosen).created
        assert created is not None
        assert created.year in years


def test_an_alias_that_is_free_is_warned_of_and_no_key_is_made(
    directory: Path, tmp_path: Path
) -> None:
    for place in (directory, tmp_path / "not" / "yet"):
        before = sorted(tmp_path.rglob("*"))
        found = _look(place, kms_key="alias/new", algorithm="RSASSA_PSS_SHA_256")
        assert (found["kms-directory"].status, found["key"].status) == ("ok", "warn")
        assert "RSA_" in found["key"].detail
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("given", "code", "exit_code"),
    [
        ({"kms_key": "12345678-1234-1234-1234-123456789012"}, "kms-key-not-found", 3),
        ({"kms_key": "alias/aws/x"}, "kms-alias-invalid", 3),
        ({"kms_key": "policy-audit"}, "kms-validation", 3),
        ({"algorithm": "ECDSA_SHA_384"}, "algorithm-not-offered", 2),
    ],
)
def test_a_key_that_would_not_sign(
    directory: Path, given: dict[str, str], code: str, exit_code: int
) -> None:
    check = _look(directory, **given)["key"]
    assert (check.status, check.code, check.exit_code) == ("fail", code, exit_code)


def test_a_disabled_key(directory: Path) -> None:
    EmbeddedKms(directory).disable_key("alias/policy-audit")
    check = _look(directory)["key"]
    assert (check.status, check.code) == ("fail", "kms-key-disabled")
    assert "enable-key" in check.fix


def test_a_directory_that_others_can_read(directory: Path) -> None:
    directory.chmod(0o750)
    found = _look(directory)
    assert (found["kms-directory"].status, found["key"].status) == ("fail", "skip")
    assert found["kms-directory"].code == "kms-store-exposed"
    assert "chmod 700" in found["kms-directory"].fix


def test_another_keys_file_is_warned_of(directory: Path) -> None:
    other = EmbeddedKms(directory).create_key("ECC_NIST_P384").key_id.split("/")[1]
    (directory / f"key-{other}.json").chmod(0o644)
    found = _look(directory)
    assert (found["kms-directory"].status, found["key"].status) == ("warn", "ok")
    assert other in found["kms-directory"].detail


def test_a_directory_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    found = _look(tmp_path / "file")
    assert found["kms-directory"].code == "kms-store-unusable"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = _look(tmp_path / "new")
    assert found["kms-directory"].code == found["key"].code == "kms-store-unusable"
    assert not (tmp_path / "new").exists()


def test_no_home_for_keys() -> None:
    found = by_name(
        looked(look_at_kms, settings(provider="kms"), Said().host({"HOME": "~nobody-here"})).checks
    )
    assert (found["kms-directory"].code, found["key"].status) == ("setting-missing", "skip")


@pytest.mark.parametrize(
    ("secret", "status", "code"),
    [(b"x" * 15, "fail", "hmac-key-too-short"), (b"x" * 31, "warn", ""), (b"x" * 32, "ok", "")],
)
def test_a_shared_secret_is_measured_and_not_shown(secret: bytes, status: str, code: str) -> None:
    found = looked(look_at_secret, settings(**{"signing-key": secret}))
    [check] = found.checks
    assert (check.status, check.code) == (status, code)
    assert secret.decode() not in check.detail + check.fix
    assert found.created is None


def test_a_digest_is_warned_of() -> None:
    [check] = looked(look_at_secret, settings()).checks
    assert (check.status, "integrity only" in check.detail) == ("warn", True)
