"""Calls through the ``aws`` command line: a stand-in program that shows what it was given."""

import json
import os
import stat
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from signer.errors import ProviderError
from signer.providers.aws.calls import Answer, AwsFailure, Credentials
from signer.providers.aws.cli import CliCalls
from signer.providers.command_line import Commands, Finished

PROGRAM = """#!/usr/bin/env python3
import json, os, sys
files = {}
for argument in sys.argv[1:]:
    kind, colon, path = argument.partition("://")
    if colon:
        with open(path, "rb") as file:
            files[os.path.basename(path)] = file.read().decode("latin-1")
        files["mode"] = oct(os.stat(os.path.dirname(path)).st_mode & 0o777)
seen = {"argv": sys.argv[1:], "files": files, "environ": dict(os.environ)}
with open(SEEN, "w") as file:
    json.dump(seen, file)
ANSWER
"""


class Aws:
    """A stand-in for the command line."""

    def __init__(self, folder: Path) -> None:
        self.program = folder / "bin" / "aws"
        self.seen_file = folder / "seen.json"
        self.program.parent.mkdir()

    def answers(self, *, stdout: str = "{}", stderr: str = "", code: int = 0) -> None:
        lines = f"print({stdout!r}); print({stderr!r}, file=sys.stderr); sys.exit({code})"
        self.does(lines)

    def does(self, lines: str) -> None:
        text = PROGRAM.replace("SEEN", repr(str(self.seen_file))).replace("ANSWER", lines)
        self.program.write_text(text)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    @property
    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.seen_file.read_text())
        return found

    def calls(self, **environ: str) -> CliCalls:
        path = f"{self.program.parent}{os.pathsep}{os.environ['PATH']}"
        known = {"PATH": path, "HOME": "/nonexistent", **environ}
        return CliCalls("eu-central-1", known, Commands(ExitStack()), 60.0)


@pytest.fixture
def aws(tmp_path: Path) -> Aws:
    return Aws(tmp_path)


def _call(calls: CliCalls, seconds: float = 60) -> Answer:
    parameters: dict[str, str | int | bytes] = {
        "KeyId": "alias/audit",
        "Message": b"\0digest",
        "MessageType": "DIGEST",
    }
    return calls.call("kms:Sign", parameters, time.monotonic() + seconds)


def test_neither_key_nor_message_is_in_the_arguments(aws: Aws) -> None:
    aws.answers(stdout='{"Signature": "c2lnbmF0dXJl", "KeyId": "arn"}')
    answer = {**_call(aws.calls())}
    assert answer.pop("ResponseMetadata") == {}
    assert answer == {"Signature": b"signature", "KeyId": "arn"}
    argv, files = aws.seen["argv"], aws.seen["files"]
    assert argv[:2] == ["kms", "sign"]
    assert "--region" in argv
    assert not any("alias" in argument or "digest" in argument for argument in argv)
    assert files["Message"] == "\0digest"
    assert json.loads(files["parameters.json"]) == {"KeyId": "alias/audit", "MessageType": "DIGEST"}
    assert files["mode"] == "0o700"
    left = [argument.partition("://")[2] for argument in argv if "://" in argument]
    assert not any(Path(path).exists() for path in left)


def test_only_what_concerns_aws_is_passed_on(aws: Aws) -> None:
    aws.answers()
    passed = {
        "AWS_PROFILE": "ci",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "AWS_CA_BUNDLE": "/ca.pem",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
    }
    kept_back = {
        "POLICY_SIGNING_KEY": "secret",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret",
        "PYTHONPATH": "/hostile",
        "LD_PRELOAD": "/hostile.so",
    }
    _call(aws.calls(**passed, **kept_back))
    environ = aws.seen["environ"]
    assert passed.items() <= environ.items()
    assert not kept_back.keys() & environ.keys()
    assert environ["AWS_MAX_ATTEMPTS"] == "1"


def test_assumed_credentials_replace_all_others(aws: Aws) -> None:
    aws.answers()
    calls = aws.calls(AWS_PROFILE="ci", AWS_ACCESS_KEY_ID="AKIAOLD", AWS_ROLE_ARN="arn:old")
    signed_in = calls.with_credentials(Credentials("ASIANEW", "new secret", "new token"))
    _call(signed_in)
    environ = aws.seen["environ"]
    assert environ["AWS_ACCESS_KEY_ID"] == "ASIANEW"
    assert environ["AWS_SESSION_TOKEN"] == "new token"
    assert not {"AWS_PROFILE", "AWS_ROLE_ARN"} & environ.keys()
    assert not any("new" in argument for argument in aws.seen["argv"])
    assert signed_in.credential() == "assumed role, access key ASIANEW"


V1 = "\nAn error occurred ({code}) when calling the Sign operation: {message}\n"
V1_RETRIED = (
    "\nAn error occurred ({code}) when calling the Sign operation (reached max retries: 0): "
    "{message}\n"
)
V2 = "\naws: [ERROR]: An error occurred ({code}) when calling the Sign operation: {message}\n"


@pytest.mark.parametrize("form", [V1, V1_RETRIED, V2], ids=["v1", "v1 retried", "v2"])
@pytest.mark.parametrize("exit_code", [254, 255])
def test_a_service_error_is_known_by_the_code_in_parentheses(
    aws: Aws, form: str, exit_code: int
) -> None:
    said = form.format(code="DisabledException", message="arn:… is disabled.")
    aws.answers(stderr=said, code=exit_code)
    with pytest.raises(AwsFailure) as failure:
        _call(aws.calls())
    assert (failure.value.code, failure.value.message) == (
        "DisabledException",
        "arn:… is disabled.",
    )


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("Unable to locate credentials. You can configure credentials by …", "NoCredentialsError"),
        ("You must specify a region. You can also configure your region by …", "NoRegionError"),
        ("The config profile (nonesuch) could not be found", "ProfileNotFound"),
        ('Could not connect to the endpoint URL: "https://kms…/"', "EndpointConnectionError"),
        ("Connect timeout on endpoint URL: …", "ConnectTimeoutError"),
        ("SSL validation failed for https://… certificate verify failed", "SSLError"),
        ("Failed to connect to proxy URL: …", "ProxyConnectionError"),
        ("usage: aws [options] …", "exit code 252"),
    ],
)
def test_what_fails_on_this_side_has_botocores_name(aws: Aws, said: str, code: str) -> None:
    aws.answers(stderr=f"\n{said}\n", code=252)
    with pytest.raises(AwsFailure) as failure:
        _call(aws.calls())
    assert failure.value.code == code


REPORTS = """\
2026-11-24 03:27:07,012 - MainThread - botocore.auth - DEBUG - CanonicalRequest:
POST
/

x-amz-security-token:THE-SESSION-TOKEN

e3b0c442
2026-11-24 03:27:07,012 - MainThread - botocore.parsers - DEBUG - Response headers: \
{'Server': 'x', 'x-amzn-RequestId': 'fe36b1b4-id', 'Date': 'y'}
"""
CUT_SHORT = """\
2026-11-24 03:27:08,000 - MainThread - botocore.auth - DEBUG - CanonicalRequest:
POST

x-amz-security-token:THE-SESSION-TOKEN"""


def test_the_request_id_is_taken_from_the_reports(aws: Aws) -> None:
    aws.answers(stderr=REPORTS)
    assert _call(aws.calls())["ResponseMetadata"] == {"RequestId": "fe36b1b4-id"}
    assert "--debug" in aws.seen["argv"]


@pytest.mark.parametrize(
    ("end", "code", "message"),
    [
        (V1.format(code="DisabledException", message="m"), "DisabledException", "m"),
        (V2.format(code="DisabledException", message="m"), "DisabledException", "m"),
        ("Traceback …\nYou must specify a region. You can …\n", "NoRegionError",
         "You must specify a region. You can …"),
        ("\naws: error: argument -x\n", "exit code 255", "aws: error: argument -x"),
        ("", "exit code 255", ""),
        (CUT_SHORT, "exit code 255", ""),
        (V1.format(code="AccessDeniedException", message="no") + CUT_SHORT.replace("\n\n", "\n"),
         "AccessDeniedException", "no"),
    ],
)  # fmt: skip
def test_nothing_of_the_reports_is_shown(aws: Aws, end: str, code: str, message: str) -> None:
    aws.answers(stderr=REPORTS + end, code=255)
    with pytest.raises(AwsFailure) as failure:
        _call(aws.calls())
    assert (failure.value.code, failure.value.message) == (code, message)
    assert failure.value.request_id == "fe36b1b4-id"
    assert "TOKEN" not in str(failure.value)


@pytest.mark.parametrize("stdout", ["", "not JSON", "[]", '{"Signature": "%%%"}', "\\xff"])
def test_what_is_no_answer_is_a_failure(aws: Aws, stdout: str) -> None:
    aws.answers(stdout=stdout)
    with pytest.raises(AwsFailure) as failure:
        _call(aws.calls())
    assert failure.value.code == "UnreadableOutput"


@pytest.mark.parametrize(
    ("total", "connect", "read", "share"),
    [(60.0, 5, 15, 30.0), (24.0, 5, 6, 12.0), (8.0, 2, 2, 8.0), (1.0, 1, 1, 1.0)],
)
def test_one_attempt_leaves_time_for_another(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, total: float, connect: int, read: int, share: float
) -> None:
    given: list[tuple[list[str], float]] = []

    def run(_: object, arguments: list[str], _environ: object, *, timeout: float) -> Finished:
        given.append((arguments, timeout))
        return Finished(0, b"{}", "")

    aws.answers()
    monkeypatch.setattr(Commands, "run", run)
    environ = {"AWS_CLI": str(aws.program)}
    calls = CliCalls(None, environ, Commands(ExitStack()), total)
    signed_in = calls.with_credentials(Credentials("ASIANEW", "new secret", "new token"))
    for each in (calls, signed_in):
        _call(each, seconds=total)
    for arguments, limit in given:
        assert f"--cli-connect-timeout={connect}" in arguments
        assert f"--cli-read-timeout={read}" in arguments
        assert share - 0.5 < limit <= share
    _call(calls, seconds=0.7)
    assert given[-1][1] <= 0.7


def test_it_ends_with_the_time_limit_and_its_children_too(aws: Aws) -> None:
    aws.does("import subprocess; subprocess.run(['sleep', '60'])")
    begun = time.monotonic()
    with pytest.raises(ProviderError) as refusal:
        _call(aws.calls(), seconds=0.5)
    assert refusal.value.code == "command-timeout"
    assert time.monotonic() - begun < 5


def test_aws_cli_wins_over_path(aws: Aws, tmp_path: Path) -> None:
    aws.answers()
    environ = {"PATH": "/nonexistent", "AWS_CLI": str(aws.program)}
    other = CliCalls(None, environ, Commands(ExitStack()), 60.0)
    # The stand-in needs an interpreter on PATH, which a real command line brings along.
    other._environ["PATH"] = os.environ["PATH"]
    _call(other)
    assert "--region" not in aws.seen["argv"]


@pytest.mark.parametrize(
    "environ", [{"PATH": "/nonexistent"}, {"AWS_CLI": "/nonexistent/aws"}, {"AWS_CLI": "aws"}]
)
def test_without_a_command_line_the_remedy_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderError) as refusal:
        CliCalls(None, environ, Commands(ExitStack()), 60.0)
    assert refusal.value.code == "command-missing"


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"AWS_PROFILE": "ci", "AWS_ACCESS_KEY_ID": "AKIA1"}, "profile ci"),
        ({"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s"}, "env, access key AKIA1"),
        ({"AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}, "web identity for arn:aws:iam::1:role/r"),
        ({}, "what the aws command line finds in its configuration"),
    ],
)
def test_the_credential_is_told_as_far_as_the_environment_knows(
    aws: Aws, environ: dict[str, str], told: str
) -> None:
    aws.answers()
    assert aws.calls(**environ).credential() == told
