"""The reusable workflow and what the examples pass to it: names agree, and nothing leaks in."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from signer.assurance import Assurance
from signer.gate.matching import Request, ask
from signer.gate.policy import load

ROOT = Path(__file__).parents[2]
SIGN = ROOT / ".github" / "workflows" / "sign.yml"
CALLERS = (
    ROOT / "examples" / "workflows" / "sign-for-many.yml",
    ROOT / "tests" / "container" / "workflows" / "reusable.yml",
)
# Of the action's settings, those that make no sense there: for verifying, or beside a managed key.
LEFT_OUT = {
    "mode", "kms-key", "kms-directory", "output-directory", "overwrite", "plain-signature",
    "issuer-keys", "bundle", "public-key", "hmac", "integrity-only", "type", "expect", "max-age",
    "show-summary",
}  # fmt: skip
OF_ITS_OWN = {"artifacts", "environment", "result-artifact", "retention-days"}


def _read(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return document


def _call() -> dict[str, Any]:
    call: dict[str, Any] = _read(SIGN)[True]["workflow_call"]  # YAML 1.1: on is true
    return call


def _job() -> dict[str, Any]:
    job: dict[str, Any] = _read(SIGN)["jobs"]["sign"]
    return job


def test_its_inputs_are_the_actions_own() -> None:
    action = _read(ROOT / "action.yml")
    assert action["inputs"].keys() - LEFT_OUT == _call()["inputs"].keys() - OF_ITS_OWN
    [step] = [step for step in _job()["steps"] if step.get("id") == "sign"]
    assert step["with"].keys() == action["inputs"].keys() - LEFT_OUT
    for name, value in step["with"].items():
        assert re.search(rf"\binputs\.{name}\b", value), name
    for name, value in _job()["outputs"].items():
        assert (
            value
            == f"${{{{ steps.{'upload' if name == 'artifact-id' else 'sign'}.outputs.{name} }}}}"
        )
    told = {name for name in _job()["outputs"] if name != "artifact-id"}
    assert told <= action["outputs"].keys()
    assert _call()["outputs"].keys() == _job()["outputs"].keys()
    for name, about in _call()["outputs"].items():
        assert about["value"] == f"${{{{ jobs.sign.outputs.{name} }}}}"


def test_it_has_few_rights_and_takes_no_secret_and_no_script() -> None:
    assert _read(SIGN)["permissions"] == {}
    assert _job()["permissions"] == {"contents": "read", "id-token": "write"}
    assert "timeout-minutes" in _job()
    assert "secrets" not in _call()
    assert "${{ secrets." not in SIGN.read_text()
    assert "${{" not in _job()["runs-on"]
    assert all("${{" not in step.get("run", "") for step in _job()["steps"])
    assert _call()["inputs"]["minimum-assurance"]["default"] == "managed-key"


@pytest.mark.parametrize("path", CALLERS, ids=lambda path: path.name)
def test_callers_name_inputs_that_are_there_and_grant_what_is_needed(path: Path) -> None:
    call = _read(path)["jobs"]["sign"]
    assert call["with"].keys() <= _call()["inputs"].keys()
    assert call["permissions"] == _job()["permissions"]
    assert "secrets" not in call


def test_the_sample_policy_allows_the_sample_caller_alone(tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    text = (ROOT / "examples" / "signing-policy.yml").read_text()
    path = tmp_path / "policy.yml"
    path.write_text(text.replace("OWNER", "acme").replace("COMMIT", commit))
    policy = load(path).policy
    key = _read(CALLERS[0])["jobs"]["sign"]["with"]["aws-kms-key"]
    request = Request("aws_kms_sdk", (key,), "ECDSA_SHA_256", Assurance.MANAGED_KEY, 1000)
    claims = {
        "job_workflow_ref": f"acme/policy-audit-signer/.github/workflows/sign.yml@{commit}",
        "repository_owner_id": "9876543",
        "ref": "refs/heads/main",
        "event_name": "push",
        "runner_environment": "github-hosted",
    }
    assert ask(policy, claims, request).rule is policy.rules[0]
    for other in (
        {"job_workflow_ref": claims["job_workflow_ref"].replace("acme", "eve")},
        {"job_workflow_ref": claims["job_workflow_ref"].replace(commit, "refs/heads/main")},
        {"job_workflow_ref": claims["job_workflow_ref"].replace("sign.yml", "other.yml")},
        {"repository_owner_id": "1"},
        {"runner_environment": "self-hosted"},
    ):
        assert ask(policy, {**claims, **other}, request).rule is None
