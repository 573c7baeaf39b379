"""max_key_age with Key Vault: the date of the version that signs, and the age that decides."""

import base64
import hashlib
import json
import shutil
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from signer.audit.statement import format_time
from tests.integration.azure.conftest import Ended, Place

DAY = 86_400
POLICY = """version: 1
identity: environment
rules:
  - name: this repository
    runs: {repository: acme/payments, repository_id: 123456789}
    may_sign_with: {provider: [azure_kv, azure_kv_sdk], max_key_age: 365d}
"""


@pytest.fixture
def limited(place: Place) -> Place:
    """The job, with a policy that limits the key's age to a year."""
    (place.folder / "policy.yml").write_text(POLICY)
    place.environ |= {
        "GITHUB_REPOSITORY": "acme/payments",
        "GITHUB_REPOSITORY_ID": "123456789",
        "RUNNER_ENVIRONMENT": "github-hosted",
        "POLICY_SIGNING_POLICY": "policy.yml",
        "GITHUB_EVENT_NAME": "push",
    }
    place.said = ("--signing-policy-sha256", hashlib.sha256(POLICY.encode()).hexdigest())
    return place


def _date(place: Place, days: int) -> str:
    """Make the current version be of this age, and give its date."""
    created = int(time.time()) - days * DAY
    place.vault.keys["policy"].versions[-1].created = created
    return format_time(datetime.fromtimestamp(created, UTC))


def _stated(place: Place, ended: Ended) -> Any:
    assert ended.code == 0, ended.log
    bundle = json.loads((place.folder / "audit.jsonl.sigstore.json").read_bytes())
    return json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))["predicate"]["signing"]


def test_the_age_decides_until_the_key_is_rotated(limited: Place) -> None:
    for days in (291, 292):
        created = _date(limited, days)
        ended = limited.sign()
        assert _stated(limited, ended)["keyCreated"] == created
        assert ended.outputs["key-created"] == created
        warned = f"{days} of 365 days old; rotate it: az keyvault key rotate"
        assert (warned in ended.log) is (days == 292)
    _date(limited, 366)
    limited.azure.log.clear()
    ended = limited.sign()
    assert (ended.code, ended.error) == (4, "not-allowed"), ended.log
    assert "wanted at most 365 days" in ended.log
    assert limited.asked("/sign") == 0
    limited.vault.add("policy")
    created = _date(limited, 1)
    assert _stated(limited, limited.sign())["keyCreated"] == created


def test_a_pinned_key_is_read_for_its_date_and_needs_the_permission(limited: Place) -> None:
    created = _date(limited, 10)
    assert limited.sign().code == 0
    shutil.copy(limited.folder / "audit.jsonl.pub", limited.folder / "pinned.pub")
    version = limited.vault.keys["policy"].versions[-1].version
    limited.vault.add("policy")
    ended = limited.sign("--public-key=pinned.pub", key=f"policy/{version}")
    assert _stated(limited, ended)["keyCreated"] == created
    limited.vault.grants.discard((limited.application.client_id, "keys/read"))
    limited.azure.log.clear()
    ended = limited.sign("--public-key=pinned.pub", key=f"policy/{version}")
    assert (ended.code, ended.error) == (3, "azure-denied-by-role"), ended.log
    assert "Microsoft.KeyVault/vaults/keys/read" in ended.log
    assert limited.asked("/sign") == 0


def test_an_age_that_the_vault_does_not_say_is_refused(limited: Place) -> None:
    limited.vault.keys["policy"].versions[-1].created = None  # type: ignore[assignment]
    ended = limited.sign()
    assert (ended.code, ended.error) == (4, "not-allowed"), ended.log
    assert "max_key_age is 'not known'" in ended.log
