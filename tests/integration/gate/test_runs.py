"""The gate at run time: dangerous runs, weaker identity, and an issuer that rotates or is down."""

import json
from pathlib import Path
from typing import Any

import pytest

from signer.action import act
from tests.integration.gate.support import POLICY, refused, repin, signed
from tests.issuer import Issuer
from tests.unit import runner
from tests.unit.support import RecordedLog

ENVIRONMENT = {
    "GITHUB_REPOSITORY": "acme/payments",
    "GITHUB_REPOSITORY_ID": "123",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_REF_PROTECTED": "true",
    "GITHUB_EVENT_NAME": "push",
    "RUNNER_ENVIRONMENT": "github-hosted",
}


def with_event(environ: dict[str, str], event: Any) -> dict[str, str]:
    path = Path(environ["GITHUB_WORKSPACE"], "event.json")
    path.write_text(json.dumps(event))
    return {**environ, "GITHUB_EVENT_PATH": str(path)}


@pytest.fixture
def weak(issuer: Issuer, environ: dict[str, str]) -> dict[str, str]:
    """A run under ``identity: environment``, without a token."""
    repin(environ, POLICY.format(issuer=issuer.url) + "identity: environment\n")
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"], environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    return environ | ENVIRONMENT


def test_the_weaker_identity_is_stated_as_unverified(weak: dict[str, str], issuer: Issuer) -> None:
    weak["GITHUB_STEP_SUMMARY"] = weak["INPUT_AUDIT-FILE"] + ".summary"
    predicate = signed(weak)
    assert predicate["identity"] == {
        "source": "environment",
        "verified": False,
        "claims": {
            "repository": "acme/payments", "repository_id": "123", "ref": "refs/heads/main",
            "event_name": "push", "runner_environment": "github-hosted",
        },
    }  # fmt: skip
    assert not Path(weak["INPUT_AUDIT-FILE"] + ".identity.jwt").exists()
    outputs = runner.outputs(Path(weak["GITHUB_OUTPUT"]).read_text())
    assert "identity-file" not in outputs
    assert outputs["signing-policy-rule"] == "main of payments"
    assert issuer.fetched == 0
    summary = Path(weak["GITHUB_STEP_SUMMARY"]).read_text()
    assert "the word of whoever holds the key, not proved" in summary
    assert "proved by the issuer" not in summary


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("GITHUB_REPOSITORY", "not-allowed"),
        ("GITHUB_REPOSITORY_ID", "not-allowed"),
        ("GITHUB_REF", "not-allowed"),
        ("GITHUB_EVENT_NAME", "not-allowed"),
        ("RUNNER_ENVIRONMENT", "dangerous-run"),
    ],
)
def test_the_weaker_identity_is_compared_all_the_same(
    weak: dict[str, str], name: str, code: str
) -> None:
    refused({**weak, name: "other"}, code)
    refused({key: value for key, value in weak.items() if key != name}, code)


def test_no_variable_vouches_for_an_unpinned_policy(weak: dict[str, str]) -> None:
    del weak["INPUT_SIGNING-POLICY-SHA256"]
    refused(weak, "policy-not-protected")


DANGEROUS = """
      event_name: [push, pull_request, pull_request_target, workflow_run]
    may_sign_with: {provider: kms}
"""


@pytest.mark.parametrize(
    ("name", "event", "danger"),
    [
        ("pull_request_target", {"pull_request": {"head": {"repo": {"id": 123}}}},
         "pull_request_target"),
        ("pull_request", {"pull_request": {"head": {"repo": {"id": 999}}}},
         "pull_request_from_fork"),
        ("workflow_run", {"workflow_run": {"head_repository": {"id": 999}}},
         "workflow_run_from_fork"),
        ("workflow_run", {"workflow_run": {}}, "workflow_run_from_fork"),
        ("workflow_run", None, "workflow_run_from_fork"),
        ("workflow_run", {"workflow_run": {"head_repository": {"id": 123}}}, None),
        ("pull_request", {"pull_request": {"head": {"repo": {"id": 123}}}}, None),
    ],
)  # fmt: skip
def test_a_dangerous_run_signs_only_where_its_rule_names_it(
    issuer: Issuer, environ: dict[str, str], name: str, event: Any, danger: str | None
) -> None:
    rule = POLICY.format(issuer=issuer.url).split("      ref:")[0] + DANGEROUS.lstrip("\n")
    issuer.claims |= {"event_name": name}
    # The variable is a step's to set, and the event file may only refuse.
    job = {**with_event(environ, event), "GITHUB_EVENT_NAME": "push"}
    repin(job, rule)
    if danger is None:
        signed(job)
        return
    refused(job, "dangerous-run")
    others = {"pull_request_target", "pull_request_from_fork", "workflow_run_from_fork"} - {danger}
    repin(job, rule + f"    allow_dangerous: [{', '.join(sorted(others))}]\n")
    refused(job, "dangerous-run")
    repin(job, rule + f"    allow_dangerous: {danger}\n")
    assert signed(job)["identity"]["claims"]["event_name"] == name


@pytest.mark.parametrize(
    ("setting", "skips"),
    [
        ({"INPUT_PROVIDER": "aws_kms_sdk", "INPUT_AWS-KMS-KEY": "alias/a"}, True),
        ({"INPUT_PROVIDER": "azure_kv", "INPUT_AZURE-KV-NAME": "a", "INPUT_AZURE-KV-KEY": "b"},
         True),
        ({"INPUT_PROVIDER": "hmac"}, True),
        ({"INPUT_PROVIDER": "", "POLICY_SIGNING_KEY": ""}, True),
        ({"INPUT_PROVIDER": "kms"}, False),
        ({"INPUT_PROVIDER": ""}, False),
        ({"INPUT_PROVIDER": "hmac", "POLICY_SIGNING_KEY": "x" * 32}, False),
    ],
)  # fmt: skip
def test_skipping_needs_no_policy_but_a_provider_that_cannot_sign(
    environ: dict[str, str], setting: dict[str, str], skips: bool
) -> None:
    for name in ("INPUT_SIGNING-POLICY", "INPUT_SIGNING-POLICY-SHA256"):
        del environ[name]
    if setting["INPUT_PROVIDER"] != "kms":
        del environ["POLICY_KMS_DIRECTORY"]
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    fork = {"pull_request": {"head": {"repo": {"id": 999}}}}
    job = {
        **with_event(environ, fork), **setting,
        "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY_ID": "123",
        "INPUT_IF-UNAUTHORIZED": "skip",
    }  # fmt: skip
    log = RecordedLog()
    assert act(job, log, container=False) == 0
    outputs = runner.outputs(Path(job["GITHUB_OUTPUT"]).read_text())
    assert (outputs.get("skipped") == "true") is skips
    assert Path(job["INPUT_AUDIT-FILE"] + ".sigstore.json").exists() is not skips
    assert any("policy audit: skipped" in line for line in log.infos) is skips
