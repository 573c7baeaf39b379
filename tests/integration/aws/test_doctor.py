"""The doctor against the corrected AWS, through boto3 and the real command line."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.aws.cloud import ACCOUNT, REGION, Cloud, Ended
from tests.integration.aws.documents import ROLE, RUN, documented, job, requests_of
from tests.integration.aws.policy import Request, allows

READS = {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetPublicKey"}
ABSENT = "12345678-1234-1234-1234-123456789012"
KEY_CHECKS = ("region", "key", "public-key", "dry-run", "key-policy", "key-age", "assurance")

Checks = dict[str, dict[str, Any]]


def _asked(cloud: Cloud) -> list[dict[str, Any]]:
    """The doctor's calls, without those that prepare a test."""
    return [call for call in cloud.calls() if call["access_key"] != "AKIAADMINISTRATOR"]


def _doctor(
    cloud: Cloud, provider: str, key: str, *more: str, environ: dict[str, str] | None = None
) -> tuple[Ended, Checks]:
    """Run it; nothing is signed, and no secret is shown."""
    options = ["--provider", provider, "--aws-kms-key", key, "--json"]
    done = cloud.signer("doctor", *options, *more, environ=environ)
    assert "Traceback" not in done.err, done.err
    for secret in ("the-secret-part", RUN["ACTIONS_ID_TOKEN_REQUEST_TOKEN"], "eyJ"):
        assert secret not in done.out + done.err
    for call in _asked(cloud):
        action = call["action"]
        signs = action in ("kms:Sign", "kms:GenerateMac", "kms:VerifyMac")
        assert not signs or call["parameters"]["DryRun"] is True, call
        assert signs or action in READS or action.startswith("sts:"), call
    return done, {check["name"]: check for check in done.json["checks"]}


def test_a_key_that_signs(cloud: Cloud, audit: Path, provider: str) -> None:
    arn = cloud.key()
    done, checks = _doctor(cloud, provider, "alias/ECC_NIST_P256", str(audit))
    assert done.code == 0, done.out
    assert {checks[name]["status"] for name in KEY_CHECKS} == {"ok"}
    assert arn in checks["key"]["detail"]
    assert checks["outputs"]["status"] == "ok"
    assert checks["credentials"]["status"] == "warn"  # moto: every caller is a user
    assert [path.name for path in audit.parent.iterdir()] == [audit.name]
    if provider == "aws_kms":
        assert "aws-cli/" in checks["command-line"]["detail"]
        assert checks["clock"]["status"] == "skip"
    else:
        assert checks["clock"]["status"] == "ok"


def test_version_2_of_the_command_line(cloud_v2: Cloud) -> None:
    cloud_v2.key()
    done, checks = _doctor(cloud_v2, "aws_kms", "alias/ECC_NIST_P256")
    assert done.code == 0, done.out
    dry_run = checks.pop("dry-run")
    assert {check["status"] for name, check in checks.items() if name in KEY_CHECKS} == {"ok"}
    if dry_run["status"] != "ok":  # Debian's
        assert (dry_run["status"], "too old" in dry_run["detail"]) == ("skip", True)
    assert "aws-cli/2" in checks["command-line"]["detail"]


@pytest.mark.parametrize(
    "spec", ["RSA_2048", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "HMAC_256", "HMAC_512"]
)
def test_every_kind_of_key_has_its_dry_run(cloud: Cloud, provider: str, spec: str) -> None:
    done, checks = _doctor(cloud, provider, cloud.key(spec))
    assert done.code == 0, done.out
    assert {checks[name]["status"] for name in KEY_CHECKS} == {"ok"}
    mac = spec.startswith("HMAC")
    action = "kms:GenerateMac and kms:VerifyMac" if mac else "kms:Sign"
    assert checks["dry-run"]["detail"].startswith(f"{action} would be allowed")


def test_what_the_key_is_decides(cloud: Cloud, provider: str) -> None:
    kms = cloud.client("kms")
    disabled, deleted = cloud.new_key(), cloud.new_key()
    kms.disable_key(KeyId=disabled.rpartition("/")[2])
    kms.schedule_key_deletion(KeyId=deleted.rpartition("/")[2], PendingWindowInDays=7)
    symmetric = cloud.new_key("SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT")
    for key, code in (
        (ABSENT, "aws-key-not-found"),
        (disabled, "aws-key-disabled"),
        (deleted, "aws-key-pending-deletion"),
        (symmetric, "aws-key-usage"),
    ):
        done, checks = _doctor(cloud, provider, key)
        assert (done.code, checks["key"]["status"], checks["key"].get("code")) == (3, "fail", code)
        assert checks["key"]["fix"]
        assert checks["dry-run"]["status"] == "skip"
    done, checks = _doctor(cloud, provider, cloud.key(), "--algorithm", "ECDSA_SHA_384")
    assert (done.code, checks["key"]["code"]) == (2, "algorithm-not-offered")


def test_what_may_not_be_looked_at_is_skipped(cloud: Cloud, provider: str) -> None:
    arn = cloud.key()
    for operation in ("kms:DescribeKey", "kms:GetKeyPolicy"):
        message = f"User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform: {operation}"
        cloud.fail(operation, "AccessDeniedException", f"{message} on resource: {arn}")
    done, checks = _doctor(cloud, provider, arn)
    assert done.code == 0, done.out
    for name, action in (("key", "kms:DescribeKey"), ("key-policy", "kms:GetKeyPolicy")):
        assert checks[name]["status"] == "skip"
        assert f'"Action": "{action}"' in checks[name]["fix"]
    assert checks["key-age"]["status"] == "skip"
    assert checks["dry-run"]["status"] == "ok"


def test_a_signature_that_would_be_denied(cloud: Cloud, provider: str) -> None:
    arn = cloud.key()
    message = f"User: arn:aws:iam::{ACCOUNT}:user/ci is not authorized to perform: kms:Sign on "
    cloud.fail("kms:Sign", "AccessDeniedException", f"{message}resource: {arn}")
    done, checks = _doctor(cloud, provider, arn)
    assert (done.code, checks["dry-run"]["code"]) == (3, "aws-access-denied")
    assert '"Action": "kms:Sign"' in checks["dry-run"]["fix"]
    assert checks["key-policy"]["status"] == "ok"


def test_a_key_policy_that_lets_others_sign(cloud: Cloud, provider: str) -> None:
    arn = cloud.new_key()
    for principal, told in (
        ("*", "everybody in every AWS account"),
        ({"AWS": "arn:aws:iam::444455556666:root"}, "arn:aws:iam::444455556666:root"),
    ):
        statement = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        cloud.client("kms").put_key_policy(
            KeyId=arn.rpartition("/")[2],
            PolicyName="default",
            Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        done, checks = _doctor(cloud, provider, arn)
        assert (done.code, checks["key-policy"]["status"]) == (0, "warn")
        assert told in checks["key-policy"]["detail"]


def test_a_job_that_assumes_a_role(cloud: Cloud, role: str, provider: str) -> None:
    arn = cloud.key()
    cloud.forget()
    more = ("--aws-role-to-assume", ROLE)
    done, checks = _doctor(cloud, provider, arn, *more, environ=job(cloud))
    assert done.code == 0, done.out
    assert checks["credentials"]["status"] == "ok"
    assert "assumed-role/policy-audit" in checks["credentials"]["detail"]
    assert checks["token"]["status"] == "ok"
    assert "repository_id 123456789" in checks["token"]["detail"]
    calls = _asked(cloud)
    session = json.loads(calls[0]["parameters"]["Policy"])
    for request in requests_of(calls):
        assert allows([session], request), request
        # Beyond what the documents allow, it only looks.
        assert allows([documented("sign", arn)], request) or request.action in READS, request
    for action, key in (("kms:PutKeyPolicy", arn), ("kms:GetKeyPolicy", cloud.new_key())):
        assert not allows([session], Request(action, key, principal=ROLE))
    again, checks = _doctor(cloud, provider, "alias/ECC_NIST_P256", *more, environ=job(cloud))
    assert again.code == 0, again.out
    assert checks["dry-run"]["status"] == checks["key-policy"]["status"] == "ok"


def test_a_role_that_is_refused_or_has_no_token(cloud: Cloud, provider: str) -> None:
    more = ("--aws-role-to-assume", ROLE)
    done, checks = _doctor(cloud, provider, cloud.key(), *more, environ=job(cloud))
    assert (done.code, checks["credentials"]["code"]) == (3, "aws-role-refused")
    assert "token.actions.githubusercontent.com:repository_id" in checks["credentials"]["fix"]
    assert (checks["token"]["status"], checks["key"]["status"]) == ("ok", "skip")
    done, checks = _doctor(
        cloud, provider, cloud.key(), *more, environ={**cloud.bare_environ, **RUN}
    )
    assert done.code == 3
    assert checks["token"]["code"] == checks["credentials"]["code"] == "oidc-not-offered"
    assert "id-token: write" in checks["token"]["fix"]


@pytest.mark.parametrize(
    ("code", "ours"),
    [("ExpiredToken", "aws-credentials-expired"), ("RequestExpired", "aws-clock-skew")],
)
def test_credentials_that_are_no_good(cloud: Cloud, provider: str, code: str, ours: str) -> None:
    cloud.fail("sts:GetCallerIdentity", code, "said so")
    done, checks = _doctor(cloud, provider, cloud.key())
    assert (done.code, checks["credentials"]["code"]) == (3, ours)
    assert "said so" in checks["credentials"]["detail"]


def test_no_credentials_at_all(cloud: Cloud, provider: str) -> None:
    done, checks = _doctor(cloud, provider, "alias/x", environ=cloud.bare_environ)
    assert (done.code, checks["credentials"]["code"]) == (3, "aws-credentials-missing")
    assert checks["settings"]["status"] == checks["region"]["status"] == "ok"
    assert REGION in checks["region"]["detail"]


def test_the_rule_of_a_policy_that_allows_this_key(
    cloud: Cloud, provider: str, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yml"
    alias = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/ECC_NIST_P256"
    policy.write_text(
        "version: 1\nidentity: environment\nrules:\n"
        "  - name: this\n    runs: {repository: example/policies}\n"
        "    allow_dangerous: [self_hosted_in_public]\n"
        f"    may_sign_with: {{provider: {provider}, key: '{alias}'}}\n"
    )
    cloud.key()
    environ = {**cloud.environ, **RUN}
    del environ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]

    def more() -> tuple[str, ...]:
        pin = hashlib.sha256(policy.read_bytes()).hexdigest()
        return f"--signing-policy={policy}", f"--signing-policy-sha256={pin}"

    done, checks = _doctor(cloud, provider, "alias/ECC_NIST_P256", *more(), environ=environ)
    assert done.code == 0, done.out
    assert checks["signing-rule"]["detail"].startswith("'this' allows this")
    done, checks = _doctor(cloud, provider, cloud.new_key(), *more(), environ=environ)
    assert (done.code, checks["signing-rule"]["code"]) == (4, "not-allowed")
    assert f"wanted {alias}" in checks["signing-rule"]["detail"]
    # Where a rule limits the age, signing needs to know it.
    policy.write_text(policy.read_text().replace("key: ", "max_key_age: 365d, key: "))
    done, checks = _doctor(cloud, provider, "alias/ECC_NIST_P256", *more(), environ=environ)
    assert done.code == 0, done.out
    assert checks["key-age"]["detail"].endswith("max_key_age is 365 days")
    cloud.fail("kms:DescribeKey", "AccessDeniedException", "no")
    done, checks = _doctor(cloud, provider, "alias/ECC_NIST_P256", *more(), environ=environ)
    assert (checks["key"]["status"], checks["key"]["code"]) == ("fail", "aws-access-denied")
    assert "max_key_age is 'not known'" in checks["signing-rule"]["detail"]
