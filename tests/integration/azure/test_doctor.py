"""The doctor beside the stand-in, through the SDK and the real command line."""

import json
import time
from typing import Any

import pytest

from tests.azure_stand_in.answers import Answer
from tests.azure_stand_in.server import Fault
from tests.integration.azure.conftest import Ended, Place

DAY = 86_400
Checks = dict[str, dict[str, Any]]


def _doctor(
    place: Place, *options: str, key: str = "policy", federated: bool = True
) -> tuple[Ended, Checks]:
    """Run it; nothing is signed, nothing is written, and no token is shown."""
    place.azure.log.clear()
    before = sorted(place.folder.rglob("*"))
    chosen = [f"--provider={place.provider}", "--azure-kv-name=acme-audit", f"--azure-kv-key={key}"]
    done = place.signer("doctor", *chosen, *(place.federated if federated else ()), *options)
    assert sorted(place.folder.rglob("*")) == before
    assert place.asked("/sign") == 0
    said = json.dumps(done.outputs) + done.log
    assert "eyJ" not in said
    assert place.environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] not in said
    return done, {check["name"]: check for check in done.outputs["checks"]}


def test_a_key_that_signs(place: Place) -> None:
    done, checks = _doctor(place, "audit.jsonl")
    assert done.code == 0, done.outputs
    for name in ("audit-files", "outputs", "token", "clock", "credentials", "key", "key-age"):
        assert checks[name]["status"] == "ok", checks[name]
    assert place.vault.key_id("policy") in checks["key"]["detail"]
    assert "this job's OIDC token" in checks["credentials"]["detail"]
    for name in ("dry-run", "role-assignments"):
        assert checks[name]["status"] == "skip"
    assert checks["rotation"]["status"] == "skip"
    assert "keyrotationpolicies/read" in checks["rotation"]["fix"]
    assert ("command-line" in checks) == (place.provider == "azure_kv")
    if place.provider == "azure_kv":
        assert checks["command-line"]["detail"].endswith(", 2.91.0")


def test_the_rotation_policy_where_it_may_be_read(place: Place) -> None:
    place.vault.grants.add((place.application.client_id, "keyrotationpolicies/read"))
    assert _doctor(place)[1]["rotation"]["detail"].endswith("no new version by itself")
    place.vault.keys["policy"].rotates_after = "P90D"
    checks = _doctor(place)[1]
    assert checks["rotation"]["detail"].endswith("makes a new version P90D after the last one")


def test_the_vaults_clock_where_there_is_no_token(sdk: Place) -> None:
    secret = sdk.application.secret
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        sdk.environ[name] = ""
    sdk.environ |= {
        "AZURE_TENANT_ID": sdk.azure.entra.tenant,
        "AZURE_CLIENT_ID": sdk.application.client_id,
        "AZURE_CLIENT_SECRET": secret,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "nothing-there",
    }
    done, checks = _doctor(sdk, federated=False)
    assert done.code == 0, done.outputs
    assert checks["clock"]["detail"] == "within 60 s of the vault"
    assert secret not in json.dumps(done.outputs)


def test_what_the_key_is_decides(place: Place) -> None:
    now = int(time.time())
    for name, attributes, code in (
        ("off", {"enabled": False}, "azure-key-disabled"),
        ("late", {"exp": now - 60}, "azure-key-expired"),
        ("verify", {"key_ops": ("verify",)}, "azure-sign-not-permitted"),
    ):
        place.vault.add(name, **attributes)
        done, checks = _doctor(place, key=name)
        assert (done.code, checks["key"]["code"]) == (3, code)
    done, checks = _doctor(place, key="absent")
    assert (done.code, checks["key"]["code"]) == (3, "azure-key-not-found")
    assert checks["credentials"]["status"] == "ok"


def test_an_old_key_that_expires_soon(place: Place) -> None:
    now = int(time.time())
    place.vault.add("old", exp=now + 5 * DAY, created=now - 400 * DAY)
    done, checks = _doctor(place, key="old")
    assert (done.code, checks["key"]["status"], checks["key-age"]["status"]) == (0, "warn", "warn")
    assert "400 days ago" in checks["key-age"]["detail"]


def test_who_may_not_read_the_key(place: Place) -> None:
    place.vault.grants.discard((place.application.client_id, "keys/read"))
    done, checks = _doctor(place)
    assert (done.code, checks["key"]["code"]) == (3, "azure-denied-by-role")
    assert checks["credentials"]["status"] == "ok"


def test_a_pinned_key_need_not_be_read(place: Place) -> None:
    assert place.sign().code == 0
    pem, version = place.folder / "audit.jsonl.pub", place.vault.keys["policy"].versions[-1].version
    place.vault.grants.discard((place.application.client_id, "keys/read"))
    done, checks = _doctor(place, f"--public-key={pem}", key=f"policy/{version}")
    assert (done.code, checks["key"]["status"]) == (0, "skip")
    assert checks["assurance"] == {
        "name": "assurance",
        "status": "ok",
        "detail": "managed-key",
        "fix": "",
    }


@pytest.mark.parametrize("wrong", ["subject", "login"])
def test_who_cannot_sign_in(place: Place, wrong: str) -> None:
    if wrong == "subject":
        place.azure.subject = "repo:acme/other:ref:refs/heads/main"
    done, checks = _doctor(place, federated=wrong == "subject")
    code = {"subject": "azure-assertion-rejected", "login": "azure-not-signed-in"}[wrong]
    assert (done.code, checks["credentials"]["code"], checks["key"]["status"]) == (3, code, "skip")


def test_a_vault_that_does_not_answer(sdk: Place) -> None:
    sdk.azure.faults.append(Fault("GET acme-audit*", Answer(cut=True), times=1000))
    done, checks = _doctor(sdk, "--provider-timeout=2s")
    assert (done.code, checks["key"]["code"]) == (3, "azure-unreachable")
    assert checks["credentials"]["status"] == "skip"
