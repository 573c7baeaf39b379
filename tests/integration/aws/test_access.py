"""Signing in, least privilege and secrets: whole jobs against the documents of docs/aws.md."""

import base64
import hmac
import json
from pathlib import Path

import pytest

from tests.integration.aws import identity_center
from tests.integration.aws.cloud import REGION, Cloud
from tests.integration.aws.documents import (
    ROLE,
    RUN,
    documented,
    hold,
    job,
    requests_of,
    sign_as_role,
)
from tests.integration.aws.policy import Request, allows


def test_a_job_signs_without_stored_secrets(
    cloud: Cloud, audit: Path, role: str, provider: str
) -> None:
    arn = cloud.key()
    cloud.forget()
    done = sign_as_role(cloud, audit, provider, arn)
    assert done.code == 0, done.err
    calls = cloud.calls()
    exchange = calls[0]
    assert exchange["action"] == "sts:AssumeRoleWithWebIdentity"
    assert exchange["access_key"] == ""  # the token is the only proof
    assert exchange["parameters"]["RoleSessionName"] == "example-policies-7000000001-2"
    assert exchange["parameters"]["DurationSeconds"] == "900"
    assert "assumed-role/policy-audit/example-policies-7000000001-2" in done.err
    assert "the-request-token-of-this-job" not in done.err + done.out
    requests = requests_of(calls)
    hold(documented("sign", arn), requests)
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
    assert sign_as_role(cloud, audit, "aws_kms_sdk", arn).code == 0
    pem = audit.with_name(f"{audit.name}.pub").rename(tmp_path / "pinned.pem")
    cloud.forget()
    more = ["--public-key", str(pem), "--overwrite"]
    assert sign_as_role(cloud, audit, "aws_kms_sdk", arn, *more).code == 0
    calls = cloud.calls()
    hold(documented("pinned", arn), requests_of(calls))
    session = json.loads(calls[0]["parameters"]["Policy"])
    assert session["Statement"][0]["Action"] == ["kms:Sign"]


def test_an_hmac_key_keeps_to_its_documents(cloud: Cloud, audit: Path, role: str) -> None:
    arn = cloud.key("HMAC_256")
    cloud.forget()
    done = sign_as_role(cloud, audit, "aws_kms_sdk", arn, "--algorithm", "HMAC_SHA_256")
    assert done.code == 0, done.err
    hold(documented("hmac", arn), requests_of(cloud.calls()))


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
    environ = job(cloud, POLICY_SIGNING_KEY=f"aws-secretsmanager:{named}")
    done = cloud.sign(audit, "--aws-role-to-assume", ROLE, "--github", environ=environ)
    assert done.code == 0, done.err + done.out
    assert f"::add-mask::{text}" in done.out
    rest = [line for line in done.out.splitlines() if not line.startswith("::add-mask::")]
    assert text not in "\n".join(rest) + done.err
    calls = cloud.calls()
    assert calls[-1]["action"] == "secretsmanager:GetSecretValue"
    requests = requests_of(calls, made["ARN"])
    session = json.loads(calls[0]["parameters"]["Policy"])
    assert all(allows([session], request) for request in requests)
    policy = json.loads(json.dumps(documented("secret")).replace("audit-?", f"audit-{reference}-?"))
    hold(policy, requests)
    checked = {**cloud.bare_environ, "POLICY_SIGNING_KEY": text}
    assert cloud.signer("verify", str(audit), "--hmac", environ=checked).code == 0


@pytest.mark.parametrize(
    "content",
    [b"thirty-two bytes, all of them text", bytes(range(128, 160))],
    ids=["text", "bytes"],
)
def test_a_binary_secret_is_masked_in_each_form(cloud: Cloud, audit: Path, content: bytes) -> None:
    name = f"policy-audit-binary-{content.isascii()}"
    cloud.client("secretsmanager").create_secret(Name=name, SecretBinary=content)
    environ = {**cloud.environ, "POLICY_SIGNING_KEY": f"aws-secretsmanager:{name}"}
    done = cloud.sign(audit, "--github", environ=environ)
    assert done.code == 0, done.err + done.out
    masked = [line for line in done.out.splitlines() if line.startswith("::add-mask::")]
    assert f"::add-mask::{base64.b64encode(content).decode()}" in masked
    assert (f"::add-mask::{content.decode('ascii', 'replace')}" in masked) == content.isascii()
    envelope = json.loads(audit.with_name(f"{audit.name}.sigstore.json").read_bytes())
    envelope = envelope["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"]
    message = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    mac = base64.b64encode(hmac.digest(content, message, "sha256")).decode()
    assert envelope["signatures"][0]["sig"] == mac


def test_a_role_that_trusts_another_repository_says_what_is_missing(
    cloud: Cloud, audit: Path, provider: str
) -> None:
    iam = cloud.client("iam")
    trust = json.dumps(documented("trust")).replace('123456789"', '987654321"')
    iam.create_role(RoleName="policy-audit", AssumeRolePolicyDocument=trust)
    try:
        done = sign_as_role(cloud, audit, provider, cloud.key())
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


@pytest.mark.parametrize("expired", [False, True], ids=["fresh", "to be renewed"])
def test_a_profile_of_iam_identity_center(
    cloud: Cloud, audit: Path, provider: str, tmp_path: Path, expired: bool
) -> None:
    arn = cloud.key()
    identity_center.log_in(tmp_path / "home", REGION, expired=expired)
    cloud.forget()
    environ = {**cloud.bare_environ, "HOME": str(tmp_path / "home"), "AWS_PROFILE": "sso"}
    done = cloud.sign(audit, "--provider", provider, "--aws-kms-key", arn, environ=environ)
    assert done.code == 0, done.err
    assert {call["access_key"] for call in cloud.calls()} == {identity_center.ACCESS_KEY}
    assert "AWS credential: " in done.err
    for secret in (identity_center.FRESH, identity_center.RENEWED, identity_center.REFRESH):
        assert secret not in done.err + done.out
