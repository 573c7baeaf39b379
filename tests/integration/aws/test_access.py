"""Signing in, least privilege and secrets: whole jobs against the documents of docs/aws.md."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.aws.cloud import ACCOUNT, ROOT, Cloud, Ended
from tests.integration.aws.policy import Request, allows, applies, statements

ROLE = f"arn:aws:iam::{ACCOUNT}:role/policy-audit"
DOCUMENTED_KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "example/policies",
    "GITHUB_REPOSITORY_ID": "123456789",
    "GITHUB_RUN_ID": "7000000001",
    "GITHUB_RUN_ATTEMPT": "2",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-request-token-of-this-job",
}


def documented(name: str, key: str = "") -> dict[str, Any]:
    """A policy of docs/aws.md, for the account and a key of the test."""
    text = (ROOT / "docs" / "aws.md").read_text()
    match = re.search(rf"<!-- policy: {name} -->\n```json\n(.*?)```", text, re.DOTALL)
    assert match, f"docs/aws.md has no policy {name}"
    filled = match[1].replace("111122223333", ACCOUNT)
    policy: dict[str, Any] = json.loads(filled.replace(DOCUMENTED_KEY, key.rpartition("/")[2]))
    return policy


@pytest.fixture
def role(cloud: Cloud) -> Iterator[str]:
    """The role of docs/aws.md, with its trust policy."""
    iam = cloud.client("iam")
    trust = json.dumps(documented("trust"))
    iam.create_role(RoleName="policy-audit", AssumeRolePolicyDocument=trust)
    yield ROLE
    iam.delete_role(RoleName="policy-audit")


def _job(cloud: Cloud, **more: str) -> dict[str, str]:
    token_url = f"{cloud.url}/_token?api-version=2.0"
    return {**cloud.bare_environ, **RUN, "ACTIONS_ID_TOKEN_REQUEST_URL": token_url, **more}


def _requests(calls: list[dict[str, Any]], secret_arn: str = "") -> list[Request]:
    """The calls of a job as the policy engine sees them; those that need no permission left out."""
    found = []
    for call in calls:
        parameters, action = call["parameters"], call["action"]
        if action in ("sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"):
            continue
        # KMS Developer Guide, "Condition keys for AWS KMS".
        context = {
            f"kms:{name}": parameters[name]
            for name in ("SigningAlgorithm", "MessageType", "MacAlgorithm")
            if name in parameters
        }
        found.append(Request(action, call["key"] or secret_arn, context, principal=ROLE))
    return found


def _hold(policy: dict[str, Any], requests: list[Request]) -> None:
    """What is used is allowed, and what is allowed is used."""
    assert requests
    for request in requests:
        assert allows([policy], request), request
    for statement in statements(policy):
        listed = statement["Action"]
        for action in [listed] if isinstance(listed, str) else listed:
            narrowed = {**statement, "Action": action}
            assert any(applies(narrowed, request) for request in requests), action


def _sign_as_role(cloud: Cloud, audit: Path, provider: str, key: str, *more: str) -> Ended:
    options = ["--provider", provider, "--aws-kms-key", key, "--aws-role-to-assume", ROLE]
    return cloud.sign(audit, *options, *more, environ=_job(cloud))


def test_a_job_signs_without_stored_secrets(
    cloud: Cloud, audit: Path, role: str, provider: str
) -> None:
    arn = cloud.key()
    cloud.forget()
    done = _sign_as_role(cloud, audit, provider, arn)
    assert done.code == 0, done.err
    calls = cloud.calls()
    exchange = calls[0]
    assert exchange["action"] == "sts:AssumeRoleWithWebIdentity"
    assert exchange["access_key"] == ""  # the token is the only proof
    assert exchange["parameters"]["RoleSessionName"] == "example-policies-7000000001-2"
    assert exchange["parameters"]["DurationSeconds"] == "900"
    assert "assumed-role/policy-audit/example-policies-7000000001-2" in done.err
    assert "the-request-token-of-this-job" not in done.err + done.out
    requests = _requests(calls)
    _hold(documented("sign", arn), requests)
    session = json.loads(exchange["parameters"]["Policy"])
    for request in requests:
        assert allows([session], request), request
        assert allows([documented("key", arn)], request), request
    other = Request("kms:Sign", cloud.new_key(), requests[-1].context, principal=ROLE)
    assert not allows([session], other)
    assert not allows([session], Request("s3:GetObject", "arn:aws:s3:::bucket/x"))


def test_a_pinned_key_keeps_to_its_documents(
    cloud: Cloud, audit: Path, role: str, tmp_path: Path
) -> None:
    arn = cloud.key()
    assert _sign_as_role(cloud, audit, "aws_kms_sdk", arn).code == 0
    pem = audit.with_name(f"{audit.name}.pub").rename(tmp_path / "pinned.pem")
    cloud.forget()
    more = ["--public-key", str(pem), "--overwrite"]
    assert _sign_as_role(cloud, audit, "aws_kms_sdk", arn, *more).code == 0
    calls = cloud.calls()
    _hold(documented("pinned", arn), _requests(calls))
    session = json.loads(calls[0]["parameters"]["Policy"])
    assert session["Statement"][0]["Action"] == ["kms:Sign"]


def test_an_hmac_key_keeps_to_its_documents(cloud: Cloud, audit: Path, role: str) -> None:
    arn = cloud.key("HMAC_256")
    cloud.forget()
    done = _sign_as_role(cloud, audit, "aws_kms_sdk", arn, "--algorithm", "HMAC_SHA_256")
    assert done.code == 0, done.err
    _hold(documented("hmac", arn), _requests(cloud.calls()))


def test_the_documents_refuse_other_algorithms_and_message_types(cloud: Cloud) -> None:
    arn = cloud.key()
    digest = {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
    for name in ("sign", "pinned", "key"):
        policy = documented(name, arn)
        assert allows([policy], Request("kms:Sign", arn, digest, principal=ROLE))
        for changed in ({"kms:MessageType": "RAW"}, {"kms:SigningAlgorithm": "ECDSA_SHA_384"}):
            wrong = Request("kms:Sign", arn, {**digest, **changed}, principal=ROLE)
            assert not allows([policy], wrong)


@pytest.mark.parametrize("reference", ["name", "arn"])
def test_the_hmac_key_comes_from_secrets_manager(
    cloud: Cloud, audit: Path, role: str, reference: str
) -> None:
    secrets = cloud.client("secretsmanager")
    text = f"thirty-two bytes of a secret: {reference}!"
    made = secrets.create_secret(Name=f"policy-audit-{reference}", SecretString=text)
    named = made["ARN"] if reference == "arn" else made["Name"]
    cloud.forget()
    environ = _job(cloud, POLICY_SIGNING_KEY=f"aws-secretsmanager:{named}")
    done = cloud.sign(audit, "--aws-role-to-assume", ROLE, "--github", environ=environ)
    assert done.code == 0, done.err + done.out
    assert f"::add-mask::{text}" in done.out
    rest = [line for line in done.out.splitlines() if not line.startswith("::add-mask::")]
    assert text not in "\n".join(rest) + done.err
    calls = cloud.calls()
    assert calls[-1]["action"] == "secretsmanager:GetSecretValue"
    requests = _requests(calls, made["ARN"])
    session = json.loads(calls[0]["parameters"]["Policy"])
    assert all(allows([session], request) for request in requests)
    policy = json.loads(json.dumps(documented("secret")).replace("audit-?", f"audit-{reference}-?"))
    _hold(policy, requests)
    checked = {**cloud.bare_environ, "POLICY_SIGNING_KEY": text}
    assert cloud.signer("verify", str(audit), "--hmac", environ=checked).code == 0


def test_a_role_that_trusts_another_repository_says_what_is_missing(
    cloud: Cloud, audit: Path, provider: str
) -> None:
    iam = cloud.client("iam")
    trust = json.dumps(documented("trust")).replace('123456789"', '987654321"')
    iam.create_role(RoleName="policy-audit", AssumeRolePolicyDocument=trust)
    try:
        done = _sign_as_role(cloud, audit, provider, cloud.key())
    finally:
        iam.delete_role(RoleName="policy-audit")
    assert (done.code, done.error) == (3, "aws-role-refused")
    assert "repo:example@9876543/policies@123456789:ref:refs/heads/main" in done.err
    assert "sts.amazonaws.com" in done.err
    assert "token.actions.githubusercontent.com:repository_id" in done.err
    assert not audit.with_name(f"{audit.name}.sigstore.json").exists()


def test_a_job_without_the_permission_is_told_so(cloud: Cloud, audit: Path) -> None:
    options = ["--provider", "aws_kms_sdk", "--aws-kms-key", cloud.key()]
    done = cloud.sign(
        audit, *options, "--aws-role-to-assume", ROLE, environ={**cloud.bare_environ, **RUN}
    )
    assert (done.code, done.error) == (3, "oidc-not-offered")
    assert "id-token: write" in done.err
