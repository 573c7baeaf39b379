"""A job with a token of an issuer over TLS, and a signing policy of its own."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from signer.gate import issuer as issuers
from tests.integration.gate.support import POLICY
from tests.issuer import Issuer
from tests.unit.support import EVENTS


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    one = Issuer(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(one.authority))
    monkeypatch.setattr(issuers, "_cache", {})
    yield one
    one.close()


@pytest.fixture
def environ(issuer: Issuer, tmp_path: Path) -> dict[str, str]:
    audit, policy = tmp_path / "audit.jsonl", tmp_path / "policy.yml"
    audit.write_bytes(EVENTS)
    policy.write_text(POLICY.format(issuer=issuer.url))
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(tmp_path),
        "GITHUB_REPOSITORY": "acme/liar",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "POLICY_KMS_DIRECTORY": str(tmp_path / "kms"),
        "INPUT_AUDIT-FILE": str(audit),
        "INPUT_PROVIDER": "kms",
        "INPUT_SIGNING-POLICY": str(policy),
        "INPUT_SIGNING-POLICY-SHA256": hashlib.sha256(policy.read_bytes()).hexdigest(),
        **issuer.environ(),
    }
