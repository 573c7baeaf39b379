"""A key of Azure Key Vault: what the vault says of it, and what it may refuse to say."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from signer.crypto.keys import PublicKey
from signer.doctor.azure import look_at_key
from signer.doctor.check import Check
from signer.doctor.findings import Findings
from signer.errors import ProviderError
from signer.providers.azure.jwk import VaultKey
from signer.providers.azure.names import Reference
from tests.azure_stand_in import Vault
from tests.unit.doctor.support import Said, by_name, looked, settings, statuses
from tests.unit.providers.azure.support import TENANT, InMemory

DAY = 86_400


class Calls(InMemory):
    """A vault in memory; errors that are ordered come first. It never signs."""

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault)
        self.refuses: dict[str, str] = {}
        self.rotation: Mapping[str, Any] = {}
        self.date = ""

    def read_key(self, reference: Reference) -> VaultKey:
        self._refuse("read")
        return super().read_key(reference)

    def read_rotation(self, reference: Reference) -> Mapping[str, Any]:
        self._refuse("rotation")
        return self.rotation

    def sign(self, reference: Reference, algorithm: str, digest: bytes) -> tuple[str, str]:
        raise AssertionError("the doctor signs nothing")

    verify = sign  # type: ignore[assignment]

    def _refuse(self, what: str) -> None:
        if code := self.refuses.get(what):
            raise ProviderError(code, f"the vault says {code}", fix="allow it.")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    vault = Vault(host="acme-audit.vault.azure.net", tenant=TENANT)
    vault.add("policy")
    one = Calls(vault)
    monkeypatch.setattr("signer.providers.azure.sdk.SdkCalls", lambda *_: one)
    return one


def _look(key: str = "policy", *, dated: bool = False, **given: Any) -> Findings:
    chosen = {
        "provider": "azure_kv_sdk",
        "azure_kv_name": "acme-audit",
        "azure_kv_key": key,
        **given,
    }
    return looked(look_at_key, settings(**chosen), dated=dated)


def _key(key: str = "policy", **given: Any) -> Check:
    return by_name(_look(key, **given).checks)["key"]


def test_a_key_that_signs(calls: Calls) -> None:
    calls.date = formatdate(time.time() - 100, usegmt=True)
    found = _look()
    assert statuses(found.checks) == {
        "credentials": "ok",
        "key": "ok",
        "rotation": "ok",
        "dry-run": "skip",
        "role-assignments": "skip",
    }
    checks = by_name(found.checks)
    assert checks["credentials"].detail == "signed in with in memory"
    assert calls.vault.key_id("policy") in checks["key"].detail
    assert "for sign and verify, enabled, ECDSA_SHA_256; it does not expire" in checks["key"].detail
    assert found.provider is not None
    assert found.created == datetime.fromtimestamp(
        calls.vault.keys["policy"].versions[-1].created, UTC
    )
    assert found.ahead == pytest.approx(-100, abs=5)
    assert calls.reads == 1


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"enabled": False}, "azure-key-disabled"),
        ({"exp": int(time.time()) - 60}, "azure-key-expired"),
        ({"nbf": int(time.time()) + DAY}, "azure-key-not-yet-valid"),
        ({"key_ops": ("verify",)}, "azure-sign-not-permitted"),
    ],
)
def test_a_key_that_would_not_sign(calls: Calls, attributes: dict[str, Any], code: str) -> None:
    calls.vault.add("off", **attributes)
    found = _look("off")
    check = by_name(found.checks)["key"]
    assert (check.status, check.code, check.exit_code) == ("fail", code, 3)
    assert statuses(found.checks)["credentials"] == statuses(found.checks)["rotation"] == "ok"
    assert found.provider is None
    assert found.created is not None


def test_a_key_that_does_not_offer_the_algorithm(calls: Calls) -> None:
    check = _key(algorithm="ES384")
    assert (check.code, check.exit_code) == ("algorithm-not-offered", 2)


@pytest.mark.parametrize(("days", "status"), [(29, "warn"), (31, "ok")])
def test_a_key_that_expires_soon(calls: Calls, days: int, status: str) -> None:
    calls.vault.add("soon", exp=int(time.time()) + days * DAY)
    check = _key("soon")
    assert (check.status, "it expires 20" in check.detail) == (status, True)
    assert ("rotate" in check.fix) == (status == "warn")


@pytest.mark.parametrize(
    ("code", "credentials", "key"),
    [
        ("azure-denied-by-role", "ok", "fail"),
        ("azure-key-not-found", "ok", "fail"),
        ("azure-not-signed-in", "fail", "skip"),
        ("azure-assertion-rejected", "fail", "skip"),
        ("oidc-not-offered", "fail", "skip"),
        ("azure-unreachable", "skip", "fail"),
        ("azure-vault-not-found", "skip", "fail"),
    ],
)
def test_what_could_not_be_read_and_whose_fault_it_is(
    calls: Calls, code: str, credentials: str, key: str
) -> None:
    calls.refuses["read"] = code
    found = _look()
    assert statuses(found.checks) == {
        "credentials": credentials,
        "key": key,
        "rotation": "skip",
        "dry-run": "skip",
        "role-assignments": "skip",
    }
    [failed] = [check for check in found.checks if check.status == "fail"]
    assert (failed.code, failed.exit_code) == (code, 3)
    assert found.created is None
    assert found.no_age


@pytest.mark.parametrize("denied", ["azure-denied-by-role", "azure-denied-by-policy"])
def test_a_pinned_key_need_not_be_read(calls: Calls, tmp_path: Path, denied: str) -> None:
    version = calls.vault.keys["policy"].versions[-1]
    pem = tmp_path / "pinned.pem"
    public_key = calls.read_key(Reference("https://x", "keys", "policy")).public_key
    assert public_key is not None
    pem.write_bytes(public_key.pem)
    calls.refuses["read"] = denied
    found = _look(f"policy/{version.version}", public_key=pem)
    check = by_name(found.checks)["key"]
    assert (check.status, check.fix) == ("skip", "to have it looked at: allow it.")
    assert found.provider is not None
    assert isinstance(found.provider.public_key, PublicKey)
    assert _key("policy", public_key=pem).status == "fail"  # its version is asked for
    aged = by_name(_look(f"policy/{version.version}", dated=True, public_key=pem).checks)["key"]
    assert (aged.status, aged.code) == ("fail", denied)  # its age is asked for
    pem.write_bytes(b"no key")
    assert _key(f"policy/{version.version}", public_key=pem).code == "key-unreadable"


def test_a_pinned_key_that_is_another(calls: Calls, tmp_path: Path) -> None:
    calls.vault.add("other")
    public_key = calls.read_key(Reference("https://x", "keys", "other")).public_key
    assert public_key is not None
    pem = tmp_path / "pinned.pem"
    pem.write_bytes(public_key.pem)
    check = _key(public_key=pem)
    assert (check.status, check.code) == ("fail", "pinned-key-differs")


SERVICE = {
    "lifetimeActions": [
        {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}},
        {"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}},
    ]
}
FLAT = {
    "lifetimeActions": [
        {"action": "Rotate", "timeAfterCreate": None, "timeBeforeExpiry": "P10D"},
        {"action": "Notify", "timeAfterCreate": None, "timeBeforeExpiry": "P30D"},
    ]
}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (SERVICE, "the vault makes a new version P90D after the last one"),
        (FLAT, "the vault makes a new version P10D before it expires"),
        ({"lifetimeActions": None}, "the vault makes no new version by itself"),
        ({}, "the vault makes no new version by itself"),
    ],
)
def test_rotation(calls: Calls, policy: dict[str, Any], said: str) -> None:
    calls.rotation = policy
    check = by_name(_look().checks)["rotation"]
    assert (check.status, check.detail) == ("ok", said)


def test_a_rotation_policy_that_may_not_be_read(calls: Calls) -> None:
    calls.refuses["rotation"] = "azure-denied-by-role"
    check = by_name(_look().checks)["rotation"]
    assert (check.status, "keyrotationpolicies/read" in check.fix) == ("skip", True)
    calls.refuses["rotation"] = "azure-unavailable"
    check = by_name(_look().checks)["rotation"]
    assert (check.status, "azure-unavailable" in check.detail) == ("skip", True)


def test_no_command_line() -> None:
    chosen = settings(provider="azure_kv", azure_kv_name="acme-audit", azure_kv_key="policy")
    found = looked(look_at_key, chosen, Said().host({"PATH": "/nonexistent"}))
    assert statuses(found.checks) == {
        "command-line": "fail",
        "credentials": "skip",
        "key": "skip",
        "rotation": "skip",
        "dry-run": "skip",
        "role-assignments": "skip",
    }
