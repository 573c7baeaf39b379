"""What goes wrong: each with its own code and remedy, from both ways of calling."""

from pathlib import Path

import pytest

from tests.integration.aws.cloud import REGION, Cloud, Ended
from tests.integration.aws.documents import ROLE, job

# What no program should do: its credential in what it says, and here in a file for the test too.
_TELLS_SECRETS = """#!/bin/sh
case " $* " in *" kms "*)
  printf '%s\\n' "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN" > {told}
  printf 'An error occurred (AccessDeniedException) when calling the %s operation: %s and %s' \\
    GetPublicKey "$AWS_SECRET_ACCESS_KEY" "$AWS_SESSION_TOKEN" >&2
  exit 254
esac
exec {program} "$@"
"""
ABSENT = "12345678-1234-1234-1234-123456789012"


def _sign(cloud: Cloud, audit: Path, provider: str, key: str, *more: str) -> Ended:
    done = cloud.sign(audit, "--provider", provider, "--aws-kms-key", key, *more)
    if done.code:
        assert [path.name for path in audit.parent.iterdir()] == [audit.name]
        assert "fix: " in done.err
        assert "the-secret-part" not in done.err + done.out
    return done


def test_what_the_key_is_decides(cloud: Cloud, audit: Path, provider: str) -> None:
    kms = cloud.client("kms")
    disabled, deleted = cloud.new_key(), cloud.new_key()
    kms.disable_key(KeyId=disabled.rpartition("/")[2])
    kms.schedule_key_deletion(KeyId=deleted.rpartition("/")[2], PendingWindowInDays=7)
    symmetric = cloud.new_key("SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT")
    for key, error in (
        (ABSENT, "aws-key-not-found"),
        (disabled, "aws-key-disabled"),
        (deleted, "aws-key-pending-deletion"),
        (symmetric, "aws-key-usage"),
    ):
        done = _sign(cloud, audit, provider, key)
        assert (done.code, done.error) == (3, error), done.err
    assert REGION in _sign(cloud, audit, provider, ABSENT).err


def test_an_algorithm_that_does_not_fit_is_refused_before_signing(
    cloud: Cloud, audit: Path, provider: str
) -> None:
    key = cloud.key()
    cloud.forget()
    done = _sign(cloud, audit, provider, key, "--algorithm", "ECDSA_SHA_384")
    assert (done.code, done.error) == (2, "algorithm-not-offered")
    assert "kms:Sign" not in [call["action"] for call in cloud.calls()]


def test_retries_are_told_and_end_well(cloud: Cloud, audit: Path, provider: str) -> None:
    key = cloud.key()
    cloud.fail("kms:Sign", "ThrottlingException", "Rate exceeded", times=2)
    done = _sign(cloud, audit, provider, key)
    assert done.code == 0, done.err
    told = [line for line in done.err.splitlines() if "retry" in line]
    assert len(told) == 2
    assert all("ThrottlingException" in line for line in told)


@pytest.mark.parametrize(
    ("fault", "name"), [("hangs", "ReadTimeoutError"), ("closes", "ConnectionClosedError")]
)
def test_no_answer_is_asked_for_again(
    cloud: Cloud, audit: Path, provider: str, fault: str, name: str
) -> None:
    key = cloud.key()
    cloud.fail("kms:Sign", fault)
    done = _sign(cloud, audit, provider, key, "--provider-timeout", "24s")
    assert done.code == 0, done.err
    [told] = [line for line in done.err.splitlines() if "retry" in line]
    assert told.startswith(f"kms:Sign: {name}: ")
    assert [call["action"] for call in cloud.calls()].count("kms:Sign") == 2


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            "aws-credentials-expired",
        ),
        (
            "UnrecognizedClientException",
            "The security token … is invalid.",
            "aws-credentials-invalid",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: 20261124T000000Z is now earlier than 20261124T001000Z",
            "aws-clock-skew",
        ),
    ],
)
def test_credentials(cloud: Cloud, audit: Path, code: str, message: str, error: str) -> None:
    key = cloud.key()
    cloud.fail("kms:GetPublicKey", code, message)
    done = _sign(cloud, audit, "aws_kms_sdk", key)
    assert (done.code, done.error) == (3, error), done.err
    assert "request " in done.err


def test_a_denied_call_names_the_statement(cloud: Cloud, audit: Path, provider: str) -> None:
    key = cloud.key()
    who = "arn:aws:iam::123456789012:user/ci"
    message = f"User: {who} is not authorized to perform: kms:Sign on resource: {key}"
    cloud.fail("kms:Sign", "AccessDeniedException", message)
    done = _sign(cloud, audit, provider, key)
    assert (done.code, done.error) == (3, "aws-access-denied")
    statement = f'{{"Effect": "Allow", "Action": "kms:Sign", "Resource": "{key}"}}'
    assert statement in done.err
    assert who in done.err


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "aws-credentials-missing"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, "aws-region-missing"),
        ({"AWS_PROFILE": "nonesuch"}, "aws-profile-missing"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "aws-unreachable"),
        (
            {"AWS_ENDPOINT_URL": "http://kms.invalid", "HTTP_PROXY": "http://127.0.0.1:1"},
            "aws-proxy",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_on_this_side(
    cloud: Cloud, audit: Path, provider: str, changes: dict[str, str], error: str
) -> None:
    changed = {**cloud.environ, **changes}
    environ = {name: value for name, value in changed.items() if value}
    options = ["--aws-kms-key", "alias/x", "--provider-timeout", "12s"]
    done = cloud.sign(audit, "--provider", provider, *options, environ=environ)
    assert (done.code, done.error) == (3, error), done.err


def test_a_secret_that_the_command_line_says_is_masked(
    cloud: Cloud, audit: Path, role: str, tmp_path: Path
) -> None:
    told, aws = tmp_path / "told", tmp_path / "aws"
    aws.write_text(_TELLS_SECRETS.format(told=told, program=cloud.aws_cli))
    aws.chmod(0o755)
    options = ["--provider", "aws_kms", "--aws-kms-key", cloud.key()]
    stored = {**cloud.environ, "AWS_SESSION_TOKEN": "the-session-token-of-the-credential"}
    signs_in = [*options, "--aws-role-to-assume", ROLE]
    for chosen, environ in ((options, stored), (signs_in, job(cloud))):
        done = cloud.sign(audit, *chosen, environ={**environ, "AWS_CLI": str(aws)})
        assert (done.code, done.error) == (3, "aws-access-denied"), done.err
        assert "GetPublicKey failed: AccessDeniedException: *** and ***" in done.err
        secrets = told.read_text().split()
        assert len(secrets) == 2
        assert not any(secret in done.err + done.out for secret in secrets)
        told.unlink()


def test_without_the_command_line_the_remedy_is_told(cloud: Cloud, audit: Path) -> None:
    environ = {**cloud.environ, "AWS_CLI": "", "PATH": "/nonexistent"}
    done = cloud.sign(audit, "--provider", "aws_kms", "--aws-kms-key", "alias/x", environ=environ)
    assert (done.code, done.error) == (3, "command-missing")
    assert "aws_kms_sdk" in done.err
