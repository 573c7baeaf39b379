"""Key Vault through the ``az`` command line (tried with 2.91).

The login and the active cloud that are there are used first, and left alone. Where there is
none, or its token is refused as too old, it signs in by itself, into a private
``AZURE_CONFIG_DIR`` that is removed at the end of the job: at the moment of the call, because
``az`` keeps the assertion, which lives for five minutes, and shows it again for each new token.
Source: Azure CLI reference, ``az login``, ``az keyvault key``; "Azure CLI configuration".
"""

import base64
import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from signer.errors import ProviderError
from signer.providers.azure.access import Access
from signer.providers.azure.cli_login import config_directory, sign_in
from signer.providers.azure.failures import (
    RefusedError,
    UnconnectedError,
    connection_row,
    deleted,
    is_unconnected,
    one_line,
    refused,
    unconnected,
)
from signer.providers.azure.jwk import VaultKey, malformed_answer, read_key
from signer.providers.azure.names import Reference
from signer.providers.command_line import Commands, find_command
from signer.retry import retry

_FIX = (
    "install the Azure CLI (the action OWNER/REPO/cli has it), name it with AZ_CLI, or use the "
    "provider azure_kv_sdk, which needs none."
)
_VERSION_TIMEOUT = 30.0
_PASSED = re.compile(
    r"(?!AZURE_CLIENT_SECRET|AZURE_CLIENT_CERTIFICATE_PASSWORD|AZURE_PASSWORD)AZURE_.*"
    r"|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|SSL_CERT_(FILE|DIR)|HOME|PATH|USERPROFILE|TMPDIR|LANG|LC_.*|TZ|IDENTITY_.*|MSI_.*|IMDS_.*"
)
_QUIET = {
    "AZURE_CORE_COLLECT_TELEMETRY": "false",
    "AZURE_CORE_SURVEY_MESSAGE": "false",
    "AZURE_CORE_NO_COLOR": "true",
    "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
    "AZURE_LOGGING_ENABLE_LOG_FILE": "false",
    "PYTHONIOENCODING": "utf-8",
}
_REPORTS = re.compile(r"^INFO: .*?(?=^(?:INFO|WARNING|ERROR): |\Z)", re.DOTALL | re.MULTILINE)
_ANSWER = re.compile(r"INFO: Response status: (\d+)\n.*?'x-ms-request-id': '([\w-]+)'", re.DOTALL)
_PROFILE = "azureProfile.json"  # made by the first login
_SIGNED_OUT = re.compile(r"\baz login\b|AADSTS(700024|70043|700082|50173|500133)\b")
_SERVICE_ERROR = re.compile(r"ERROR: \((?P<code>\w+)\) (?P<message>.*?)(?:\nCode: |\Z)", re.DOTALL)
_INNER = re.compile(r'Inner error: \{\s*"code": "(\w+)"')


class CliCalls:
    """A vault, reached through ``az``; see `signer.providers.azure.key.Calls`.

    Raises:
        ProviderError: ``command-missing``.
    """

    date = ""

    def __init__(self, access: Access) -> None:
        environ = access.host.environ
        self._access = access
        self._commands = Commands(access.host.cleanup)
        self._command = find_command("az", "AZ_CLI", environ, fix=_FIX)
        self._environ = {name: value for name, value in environ.items() if _PASSED.fullmatch(name)}
        self._environ |= _QUIET
        if not access.cloud.is_known:
            self._environ.setdefault("AZURE_CORE_INSTANCE_DISCOVERY", "false")
        self._signing_in = threading.Lock()
        self._private: Path | None = None

    def read_key(self, reference: Reference) -> VaultKey:
        """``az keyvault key show``; a key that is not found is looked for among the deleted."""
        try:
            answer = self._az(["key", "show", *_target(reference)], "show", reference)
        except RefusedError as refusal:
            if refusal.code == "KeyNotFound" and self._is_deleted(reference):
                raise deleted(reference) from refusal
            raise refused(refusal, reference) from refusal
        return read_key(answer)

    def read_rotation(self, reference: Reference) -> Mapping[str, Any]:
        """``az keyvault key rotation-policy show``, which takes no version."""
        target = _target(replace(reference, version=""))
        try:
            return self._az(
                ["key", "rotation-policy", "show", *target], "rotation-policy", reference
            )
        except RefusedError as refusal:
            raise refused(refusal, reference) from refusal

    def credential(self) -> str:
        """How ``az`` is signed in, or would be by the first call."""
        if self._private is None and self._own_login:
            return "the login that az has"
        return self._access.choose().name

    def version(self) -> str:
        """The program's path and its version.

        Raises:
            ProviderError: ``command-failed``, ``command-timeout``.
        """
        arguments = [self._command, "version", "--output", "json"]
        ended = self._commands.run(arguments, self._environ, timeout=_VERSION_TIMEOUT)
        try:
            said = json.loads(ended.stdout)["azure-cli"]
        except (ValueError, TypeError, KeyError):
            said = "of an unknown version"
        return f"{self._command}, {said}"

    @property
    def _own_login(self) -> bool:
        return (config_directory(self._environ) / _PROFILE).exists()

    def sign(self, reference: Reference, algorithm: str, digest: bytes) -> tuple[str, str]:
        """``az keyvault key sign``; the digest in padded base64, as base64url is misread."""
        answer = self._operate(reference, "sign", algorithm, digest)
        if not isinstance(answer.get("keyId"), str) or not isinstance(answer.get("signature"), str):
            raise malformed_answer("it has no keyId or no signature")
        return answer["keyId"], answer["signature"]

    def verify(self, reference: Reference, algorithm: str, digest: bytes, signature: bytes) -> bool:
        """``az keyvault key verify``."""
        encoded = base64.b64encode(signature).decode("ascii")
        answer = self._operate(reference, "verify", algorithm, digest, "--signature", encoded)
        return answer.get("isValid") is True

    def _operate(
        self, reference: Reference, operation: str, algorithm: str, digest: bytes, *more: str
    ) -> Mapping[str, Any]:
        encoded = base64.b64encode(digest).decode("ascii")
        arguments = ["--algorithm", algorithm, "--digest", encoded, *more]
        try:
            return self._az(
                ["key", operation, "--id", reference.identifier, *arguments], operation, reference
            )
        except RefusedError as refusal:
            raise refused(refusal, reference) from refusal

    def _is_deleted(self, reference: Reference) -> bool:
        identifier = f"{reference.vault}/deletedkeys/{reference.name}"
        try:
            self._az(["key", "show-deleted", "--id", identifier], "show-deleted", reference)
        except (RefusedError, ProviderError):
            return False
        return True

    def _az(self, arguments: Sequence[str], action: str, reference: Reference) -> dict[str, Any]:
        deadline = time.monotonic() + self._access.timeout
        try:
            return retry(
                lambda: self._signed_in(["keyvault", *arguments], action, deadline),
                pause_asked=_pause_asked,
                deadline=deadline,
                what=f"az keyvault key {action}",
                notify=self._access.host.notify,
            )
        except UnconnectedError as error:
            raise unconnected(str(error), reference.host) from error

    def _signed_in(self, arguments: Sequence[str], action: str, deadline: float) -> dict[str, Any]:
        used = self._private
        if used is None and not self._own_login:
            used = self._sign_in(None, "there is no login", deadline)
        code, stdout, stderr = self._told(arguments, action, used, deadline)
        if code != 0 and _SIGNED_OUT.search(stderr):
            code, stdout, stderr = self._told(
                arguments, action, self._sign_in(used, stderr, deadline), deadline
            )
        if code != 0:
            raise failure(action, stderr)
        try:
            answer = json.loads(stdout)
        except ValueError as error:
            raise malformed_answer("az printed no JSON") from error
        if not isinstance(answer, dict):
            raise malformed_answer("az printed no JSON object")
        return answer

    def _told(
        self, arguments: Sequence[str], action: str, folder: Path | None, deadline: float
    ) -> tuple[int, bytes, str]:
        """As `_run`, with each answer's request id told: ``--verbose`` reports answers' headers."""
        code, stdout, stderr = self._run([*arguments, "--verbose"], folder, deadline)
        for report in _REPORTS.findall(stderr):
            answer = _ANSWER.match(report)
            if answer and answer[1] != "401":  # of the challenge, or told as an error
                told = f"az keyvault key {action}: {answer[1]}, request id {answer[2]}"
                self._access.host.notify(told)
        return code, stdout, _REPORTS.sub("", stderr)

    def _sign_in(self, used: Path | None, reason: str, deadline: float) -> Path:
        """A configuration directory with a fresh login; another thread may have made one."""
        with self._signing_in:
            if self._private in (None, used):
                folder = self._commands.new_directory()
                sign_in(
                    self._access,
                    folder,
                    lambda words: self._run(words, folder, deadline),
                    reason=reason,
                )
                self._private = folder
        return self._private or Path()

    def _run(
        self, arguments: Sequence[str], folder: Path | None, deadline: float
    ) -> tuple[int, bytes, str]:
        environ = dict(self._environ)
        if folder is not None:
            environ |= {"AZURE_CONFIG_DIR": str(folder)}
        ended = self._commands.run(
            [self._command, *arguments, "--output", "json"],
            environ,
            timeout=max(0.1, deadline - time.monotonic()),
        )
        return ended.code, ended.stdout, ended.stderr


def failure(action: str, stderr: str) -> Exception:
    """What the command line's standard error says, as an error; tokens in it are masked.

    Args:
        action: the command, such as ``sign``.
        stderr: what it said.
    """
    found = _SERVICE_ERROR.search(stderr)
    if found:
        inner = _INNER.search(stderr)
        return RefusedError(
            action, 0, found["code"], inner[1] if inner else "", found["message"].strip()
        )
    if is_unconnected(stderr):
        return UnconnectedError(one_line(stderr.replace("ERROR: ", "")))
    return ProviderError(
        "azure-cli-failed",
        f"az keyvault key {action} failed ({one_line(stderr.replace('ERROR: ', ''))})",
        fix="see what it says; the same command can be tried by hand (docs/azure.md).",
    )


def _target(reference: Reference) -> list[str]:
    """The key's identifier; a vault's mere name is completed by the active cloud."""
    if reference.vault_name is None:
        return ["--id", reference.identifier]
    version = ["--version", reference.version] if reference.version else []
    return ["--vault-name", reference.vault_name, "--name", reference.name, *version]


def _pause_asked(error: Exception) -> float | None:
    if isinstance(error, RefusedError):
        return 0.0 if error.passes else None
    if isinstance(error, UnconnectedError):
        return None if connection_row(str(error)) else 0.0
    return None
