"""What the tests of the gate share: a policy, a run of the action, and the auditor's question."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from signer.action import act
from signer.errors import GateError, OutputError, ProviderError, SignerError
from signer.github.paths import JobPaths
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import VerifySettings
from signer.verify import job as verify_job
from tests.issuer import Issuer
from tests.unit.support import RecordedLog, payload_of

POLICY = """version: 1
issuer: {issuer}
rules:
  - name: main of payments
    runs:
      repository: acme/payments
      repository_id: "123"
      ref: refs/heads/*
      event_name: [push, pull_request]
    may_sign_with: {{provider: kms, key: alias/policy-audit, max_audit_file: 1KB}}
"""

EXIT_CODES: dict[type[SignerError], int] = {OutputError: 2, ProviderError: 3, GateError: 4}


def repin(environ: dict[str, str], text: str) -> None:
    """Put another policy in the place of the fixture's."""
    Path(environ["INPUT_SIGNING-POLICY"]).write_text(text)
    environ["INPUT_SIGNING-POLICY-SHA256"] = hashlib.sha256(text.encode()).hexdigest()


def signed(environ: dict[str, str], log: RecordedLog | None = None) -> dict[str, Any]:
    """Sign, and give the statement's predicate."""
    assert act(environ, log or RecordedLog(), container=False) == 0
    bundle = Path(environ["INPUT_AUDIT-FILE"] + ".sigstore.json")
    predicate: dict[str, Any] = payload_of(bundle.read_bytes())["predicate"]
    return predicate


def refused(environ: dict[str, str], code: str, kind: type[SignerError] = GateError) -> SignerError:
    """Fail to sign, for this reason; nothing is written."""
    with pytest.raises(kind) as caught:
        act(environ, RecordedLog(), container=False)
    assert caught.value.code == code, caught.value
    assert caught.value.exit_code == EXIT_CODES[kind]
    assert not Path(environ["INPUT_AUDIT-FILE"] + ".sigstore.json").exists()
    return caught.value


def verified(tmp_path: Path, issuer: Issuer, policy: str, **more: str) -> dict[str, Any]:
    """What verifying says, by the auditor's own policy and the issuer's keys."""
    keys = {"issuer": issuer.url, "keys": [issuer.jwk()]}
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    (tmp_path / "auditor.yml").write_text(policy)
    said = {
        "audit-file": tmp_path / "audit.jsonl",
        "public-key": tmp_path / "audit.jsonl.pub",
        "issuer-keys": tmp_path / "keys.json",
        "signing-policy": tmp_path / "auditor.yml",
        **more,
    }
    settings = load(VerifySettings, {n: Given(n, str(v)) for n, v in said.items()}, {})
    checked = verify_job.check(settings, {}, RecordedLog(), JobPaths({}, container=False))
    return checked.results[0]
