"""Calls through the ``aws`` command line, version 1 (until July 2027) or 2.

Source: AWS CLI User Guide, "Load parameters from a file", "Return codes", "Environment
variables". Parameters go through files in a private directory: not even a key's name is in the
arguments.
"""

import base64
import json
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from signer.providers.aws.calls import BLOBS, Answer, AwsFailure, Credentials, attempt_limits
from signer.providers.command_line import Commands, find_command

_FIX = (
    "install the AWS CLI (the action policy-audit-signer/cli has it), name it with AWS_CLI, or "
    "use the provider aws_kms_sdk, which needs none."
)
_VERSION_TIMEOUT = 30.0
_LEAST_SHARE = 10.0  # a busy machine takes seconds to start it
_PASSED = re.compile(
    r"AWS_.*|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|SSL_CERT_(FILE|DIR)|HOME|PATH|USERPROFILE|TMPDIR|LANG|LC_.*|TZ"
)
_STORED = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|SECURITY_TOKEN|PROFILE|DEFAULT_PROFILE"
    r"|ROLE_ARN|WEB_IDENTITY_TOKEN_FILE)"
)
_SERVICE_ERROR = re.compile(
    r"An error occurred \((?P<code>[\w.]+)\) when calling the \w+ operation"
    r"(?: \([^)]*\))?: ?(?P<message>.*)",
    re.DOTALL,
)
# Requests' ids are told in the reports of --debug only, among much that is secret.
_REPORT = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - ", re.MULTILINE)
_REQUEST_ID = re.compile(r"'x-amzn-requestid': '([\w-]{1,100})'", re.IGNORECASE)
# What the command line says where no service answered: botocore's exceptions, by their words.
_LOCAL_ERRORS = (
    ("Unable to locate credentials", "NoCredentialsError"),
    ("Partial credentials found", "PartialCredentialsError"),
    ("Error when retrieving credentials", "CredentialRetrievalError"),
    ("Error loading SSO Token", "SSOTokenLoadError"),
    ("SSO session associated with this profile has expired", "UnauthorizedSSOTokenError"),
    ("Error when retrieving token", "TokenRetrievalError"),
    ("You must specify a region", "NoRegionError"),
    ("config profile", "ProfileNotFound"),
    ("Failed to connect to proxy", "ProxyConnectionError"),
    ("SSL validation failed", "SSLError"),
    ("Could not connect to the endpoint", "EndpointConnectionError"),
    ("Connect timeout on endpoint", "ConnectTimeoutError"),
    ("Read timeout on endpoint", "ReadTimeoutError"),
    ("Connection was closed", "ConnectionClosedError"),
    ("Invalid endpoint", "InvalidEndpointError"),
    ("HTTP Client raised", "HTTPClientError"),
    ("Unknown parameter in input", "ParamValidationError"),
)


class CliCalls:
    """Makes calls through the ``aws`` command line; see `signer.providers.aws.calls.Calls`.

    Args:
        region: the region to ask; None for that of the AWS configuration.
        environ: the environment; the AWS, proxy and CA variables of it are passed on.
        commands: runs it.
        timeout: the total time limit in seconds, of which one attempt gets the half, as it may
            hang where no limit of its own holds, such as in a ``credential_process``.
        credentials: None for the command line's own chain.

    Raises:
        ProviderError: ``command-missing``.
    """

    longest_attempt = 0.0

    def __init__(
        self,
        region: str | None,
        environ: Mapping[str, str],
        commands: Commands,
        timeout: float,
        *,
        credentials: Credentials | None = None,
    ) -> None:
        self._command = find_command("aws", "AWS_CLI", environ, fix=_FIX)
        self._region = region
        self._commands = commands
        self._timeout = timeout
        connect, read = (max(1, int(limit)) for limit in attempt_limits(timeout))
        self._limits = [f"--cli-connect-timeout={connect}", f"--cli-read-timeout={read}"]
        self._credentials = credentials
        self._environ = {name: value for name, value in environ.items() if _PASSED.fullmatch(name)}
        self._environ |= {
            # One attempt: each retry is told in the log, and all of them end in time.
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_RETRY_MODE": "standard",
            "AWS_PAGER": "",
            "AWS_CLI_AUTO_PROMPT": "off",
            "PYTHONIOENCODING": "utf-8",
        }
        if credentials is not None:
            for name in [name for name in self._environ if _STORED.fullmatch(name)]:
                del self._environ[name]
            self._environ |= {
                "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
                "AWS_SESSION_TOKEN": credentials.session_token,
            }

    def call(
        self, operation: str, parameters: Mapping[str, str | int | bytes], deadline: float
    ) -> Answer:
        """Make one call.

        Raises:
            AwsFailure: it was refused or failed.
            ProviderError: ``command-failed``, ``command-timeout``.
        """
        service, name = operation.split(":")
        with self._commands.directory() as folder:
            arguments = [self._command, service, _kebab(name), *_files(parameters, folder)]
            arguments += ["--output", "json", "--debug", *self._limits]
            if self._region is not None:
                arguments += ["--region", self._region]
            if name == "AssumeRoleWithWebIdentity":
                arguments.append("--no-sign-request")
            share = max(self._timeout / 2, _LEAST_SHARE)
            limit = max(0.1, min(share, deadline - time.monotonic()))
            ended = self._commands.run(arguments, self._environ, timeout=limit)
        request_id = _REQUEST_ID.findall(ended.stderr)[-1:]
        if ended.code != 0:
            raise _failure(ended.code, _said(ended.stderr), *request_id)
        try:
            answer: dict[str, Any] = dict(json.loads(ended.stdout).items())
            for member in BLOBS:
                if member in answer:
                    answer[member] = base64.b64decode(answer[member], validate=True)
        except (ValueError, TypeError, AttributeError) as error:
            raise AwsFailure("UnreadableOutput", f"{self._command} printed no answer") from error
        return {**answer, "ResponseMetadata": {"RequestId": request_id[0]} if request_id else {}}

    def version(self) -> str:
        """The program's path and what it calls itself.

        Raises:
            ProviderError: ``command-failed``, ``command-timeout``.
        """
        ended = self._commands.run(
            [self._command, "--version"], self._environ, timeout=_VERSION_TIMEOUT
        )
        said = _one_line(ended.stdout.decode("utf-8", "backslashreplace") or ended.stderr)
        return f"{self._command}, {said.split(' ')[0] or 'of an unknown version'}"

    def with_credentials(self, credentials: Credentials) -> Self:
        """The same, with these credentials in the command's environment."""
        environ = {**self._environ, "AWS_CLI": self._command}
        return type(self)(
            self._region, environ, self._commands, self._timeout, credentials=credentials
        )

    def credential(self) -> str:
        """Which credential it is, as far as the environment tells; the chain's own order."""
        if self._credentials is not None:
            return f"assumed role, access key {self._credentials.access_key_id}"
        environ = self._environ
        if profile := environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE"):
            return f"profile {profile}"
        if key := environ.get("AWS_ACCESS_KEY_ID"):
            return f"env, access key {key}"
        if role := environ.get("AWS_ROLE_ARN"):
            return f"web identity for {role}"
        return "what the aws command line finds in its configuration"


def _files(parameters: Mapping[str, str | int | bytes], folder: Path) -> list[str]:
    """Arguments that name files with the parameters in them."""
    arguments = []
    texts = {}
    for name, value in parameters.items():
        if isinstance(value, bytes):
            _write(folder / name, value)
            arguments += [f"--{_kebab(name)}", f"fileb://{folder / name}"]
        else:
            texts[name] = value
    _write(folder / "parameters.json", json.dumps(texts).encode())
    return ["--cli-input-json", f"file://{folder / 'parameters.json'}", *arguments]


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)


def _kebab(name: str) -> str:
    """``GetPublicKey`` to ``get-public-key``, as the command line names operations."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _said(stderr: str) -> str:
    """What is meant for a person: of reports only an ending whose form is known."""
    text = stderr.strip()
    if not _REPORT.search(text):
        return text
    paragraph, line = text.rpartition("\n\n")[2], text.rpartition("\n")[2]
    if _SERVICE_ERROR.match(paragraph.removeprefix("aws: [ERROR]: ")):
        return _REPORT.split(paragraph)[0]
    known = line.startswith("aws: ") or any(words in line for words, _ in _LOCAL_ERRORS)
    return line if known else ""


def _failure(code: int, text: str, request_id: str | None = None) -> AwsFailure:
    """What version 1 (exit code 2, 255) and version 2 (252 to 255) say, by the code in it."""
    if match := _SERVICE_ERROR.search(text):
        return AwsFailure(match["code"], _one_line(match["message"]), request_id)
    for words, name in _LOCAL_ERRORS:
        if words in text:
            return AwsFailure(name, _one_line(text), request_id)
    return AwsFailure(f"exit code {code}", _one_line(text)[-600:], request_id)


def _one_line(text: str) -> str:
    return " ".join(text.split())
