"""The reusable workflow under act: audit files through artifacts, signed, and the results back.

act knows no ``job.workflow_sha`` and fetches actions from GitHub: the workflow is run with the
caller's own repository in their place, and with stand-ins for the actions of artifacts.
"""

import hashlib
import json
import re
import shutil
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signer.github.paths import JobPaths
from signer.settings.given import Given
from signer.settings.load import load
from signer.settings.models import VerifySettings
from signer.verify import job as verify_job
from tests.container.runner import REPOSITORY
from tests.container.test_act import _act, checkout
from tests.container.test_aws import ROLE, _job_environ, cloud
from tests.integration.aws.cloud import Cloud
from tests.issuer import Issuer
from tests.peers import engine
from tests.unit.support import RecordedLog, payload_of

__all__ = ["checkout", "cloud"]

STAND_INS = Path(__file__).parent / "stand_ins"
CALLER = Path("tests/container/workflows/reusable.yml")
CALLED = Path(".github/workflows/sign.yml")
OWN = re.compile(r"\$\{\{ job\.workflow_(repository|sha) \}\}")
SIGNED = {
    "policy-audit-opa/some decisions.jsonl": '{"decision_id":"1","result":true}\n',
    "policy-audit-opa/decisions[1].jsonl": '{"decision_id":"2","result":false}\n',
    "policy-audit-conftest/report.json": '[{"filename":"a.yaml","successes":1}]\n',
}
POLICY = """version: 1
issuer: {issuer}
rules:
  - name: the one workflow
    runs:
      job_workflow_ref: acme/signer/.github/workflows/sign.yml@refs/tags/v1
      repository_owner_id: "7"
    may_sign_with: {{provider: kms, key: alias/policy-audit}}
"""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def caller(checkout: Path, tmp_path: Path) -> Path:
    """A clone whose sign.yml takes the place of its own commit from the github context."""
    clone = tmp_path / "clone"
    shutil.copytree(checkout, clone, symlinks=True)
    text = (clone / CALLED).read_text()
    assert len(OWN.findall(text)) == 4
    guard, found, step = text.partition("      # The action of this very commit.")
    assert found
    guard = OWN.sub(lambda match: f"${{{{ github.{match[1]} }}}}", guard)
    # act's checkout of its own working copy, and not of GitHub's, has neither.
    step = re.sub(rf" +(repository|ref): {OWN.pattern}\n", "", step)
    assert not OWN.search(guard + step)
    (clone / CALLED).write_text(guard + found + step)
    return clone


def _run(clone: Path, variables: dict[str, str], *options: str) -> tuple[int, str, Path]:
    """Run the caller; its exit code, log and artifacts."""
    artifacts = clone.parent / "artifacts"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [f"--artifact-server-path={artifacts}", "--artifact-server-addr=127.0.0.1"]
    words += [f"--artifact-server-port={port}", f"--platform=ubuntu-24.04={engine.BASE_IMAGE}"]
    words += [f"--var={name}={value}" for name, value in variables.items()]
    for name in ("upload-artifact", "download-artifact"):
        folder = clone.parent / name
        folder.mkdir()
        shutil.copy(STAND_INS / f"{name}.yml", folder / "action.yml")
        shutil.copy(STAND_INS / "artifact.py", folder)
        [commit] = set(re.findall(rf"actions/{name}@(\w+)", (REPOSITORY / CALLED).read_text()))
        words.append(f"--local-repository=actions/{name}@{commit}={folder}")
    code, log = _act(clone, CALLER, *words, *options)
    return code, log, artifacts


def _results(artifacts: Path, folder: Path) -> dict[str, bytes]:
    [archive] = artifacts.glob("*/signed-policy-audit/signed-policy-audit.zip")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _verified(folder: Path, name: str, **said: Path) -> dict[str, Any]:
    given = {"audit-file": folder / name, "public-key": folder / f"{name}.pub", **said}
    settings = load(VerifySettings, {n: Given(n, str(v)) for n, v in given.items()}, {})
    checked = verify_job.check(settings, {}, RecordedLog(), JobPaths({}, container=False))
    return checked.results[0]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[Issuer]:
    (tmp_path / "issuer").mkdir()
    one = Issuer(tmp_path / "issuer")
    one.claims["run_id"] = "1"  # act's
    one.claims["job_workflow_ref"] = "acme/signer/.github/workflows/sign.yml@refs/tags/v1"
    yield one
    one.close()


def _gated(caller: Path, issuer: Issuer) -> tuple[dict[str, str], list[str]]:
    policy = caller / "audit-policy.yml"
    policy.write_text(POLICY.format(issuer=issuer.url))
    shutil.copy(issuer.authority, caller / "issuer.pem")
    variables = {
        "PROVIDER": "kms",
        "MINIMUM_ASSURANCE": "software-key",
        "SIGNING_POLICY": policy.name,
        "POLICY_SIGNING_POLICY_SHA256": hashlib.sha256(policy.read_bytes()).hexdigest(),
    }
    # The caller's repository is checked out beside the audit files.
    environ = {"SSL_CERT_FILE": f"{caller}/caller/issuer.pem", **issuer.environ()}
    return variables, [f"--env={name}={value}" for name, value in environ.items()]


def test_only_the_one_workflow_signs_and_proves_it(
    caller: Path, issuer: Issuer, tmp_path: Path
) -> None:
    variables, options = _gated(caller, issuer)
    code, log, artifacts = _run(caller, variables, *options)
    assert code == 0, log
    assert "assurance software-key, rule 'the one workflow'" in log
    assert "first audit/artifacts/policy-audit-conftest/report.json" in log
    folder = tmp_path / "results"
    results = _results(artifacts, folder)
    kept = {
        f"{name}{suffix}"
        for name in SIGNED
        for suffix in ("", ".sigstore.json", ".pub", ".identity.jwt")
    }
    assert results.keys() == kept
    keys = tmp_path / "issuer-keys.json"
    keys.write_text(json.dumps({"issuer": issuer.url, "keys": [issuer.jwk()]}))
    for name, content in SIGNED.items():
        assert results[name] == content.encode()
        verified = _verified(
            folder, name, **{"issuer-keys": keys, "signing-policy": caller / "audit-policy.yml"}
        )
        assert (verified["verified"], verified["identity"]) == (True, "proved")
        statement = payload_of(results[f"{name}.sigstore.json"])
        assert statement["subject"][0]["name"] == f"audit/artifacts/{name}"


def test_another_workflow_is_refused_and_nothing_is_uploaded(caller: Path, issuer: Issuer) -> None:
    issuer.claims["job_workflow_ref"] = "acme/payments/.github/workflows/sign.yml@refs/heads/main"
    variables, options = _gated(caller, issuer)
    code, log, artifacts = _run(caller, variables, *options)
    assert code == 1, log
    assert "title=policy audit%3A not-allowed" in log
    assert "job_workflow_ref is" in log
    assert not list(artifacts.glob("*/signed-policy-audit"))


def test_a_policy_that_is_not_the_organizations_is_refused(caller: Path, issuer: Issuer) -> None:
    variables, options = _gated(caller, issuer)
    variables["POLICY_SIGNING_POLICY_SHA256"] = "0" * 64
    code, log, _ = _run(caller, variables, *options)
    assert code == 1, log
    assert "title=policy audit%3A policy-not-pinned-one" in log


def test_a_managed_key_signs_without_a_secret(caller: Path, cloud: Cloud, tmp_path: Path) -> None:
    variables = {
        "PROVIDER": "aws_kms_sdk",
        "AWS_KMS_KEY": "alias/ECC_NIST_P256",
        "AWS_ROLE": ROLE,
    }
    options = [f"--env={name}={value}" for name, value in _job_environ(cloud).items()]
    code, log, artifacts = _run(caller, variables, *options)
    assert code == 0, log
    assert "assurance managed-key, rule ''" in log
    assert f"key {cloud.key()}" in log
    folder = tmp_path / "results"
    _results(artifacts, folder)
    for name in SIGNED:
        assert _verified(folder, name)["verified"] is True


def test_less_than_a_managed_key_is_refused(caller: Path) -> None:
    code, log, artifacts = _run(caller, {"PROVIDER": "kms"})
    assert code == 1, log
    assert "title=policy audit%3A below-minimum-assurance" in log
    assert not list(artifacts.glob("*/signed-policy-audit"))


def test_without_a_commit_of_its_own_the_workflow_runs_nothing_of_the_callers(
    caller: Path, checkout: Path
) -> None:
    shutil.copy(checkout / CALLED, caller / CALLED)
    never = caller.parent / "checkout"
    never.mkdir()
    steps = [{"shell": "bash", "run": "echo checked out the wrong repository"}]
    action = {"name": "Never", "runs": {"using": "composite", "steps": steps}}
    (never / "action.yml").write_text(json.dumps(action))
    [commit] = set(re.findall(r"actions/checkout@(\w+)", (caller / CALLED).read_text()))
    option = f"--local-repository=actions/checkout@{commit}={never}"
    code, log, _ = _run(caller, {"PROVIDER": "kms", "MINIMUM_ASSURANCE": "software-key"}, option)
    assert code == 1, log
    assert "this runner does not say which commit this workflow is of" in log
    assert "checked out the wrong repository" not in log
    assert "Main Download" not in log
    assert "Main Sign" not in log
