"""Key Vault through azure-keyvault-keys and azure-identity.

Requests go through the SDK's own client, so that it answers the vault's challenge and checks
that the vault belongs to whom the token is for; but they are made one by one. Its
``CryptographyClient`` reads the key unasked, swallows the error if that fails and then reports a
key id without version; and its retries leave out a 429 without ``Retry-After`` and a broken
connection after a POST. Signing is safe to repeat, so both are tried again here.
Source: Key Vault REST API reference, 2025-07-01.
"""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from signer import __version__
from signer.errors import ProviderError
from signer.providers.azure.access import Access
from signer.providers.azure.failures import (
    RefusedError,
    connection_row,
    deleted,
    refused,
    unconnected,
)
from signer.providers.azure.jwk import VaultKey, encode, malformed_answer, read_key
from signer.providers.azure.names import Reference
from signer.retry import retry

if TYPE_CHECKING:
    from azure.core.rest import HttpResponse
    from azure.keyvault.keys import KeyClient

_SECONDS_TO_CONNECT = 5.0
_SECONDS_TO_READ = 20.0


class SdkCalls:
    """One vault, reached with one token; see `signer.providers.azure.key.Calls`."""

    date = ""

    def __init__(self, reference: Reference, access: Access) -> None:
        self._host = reference.host
        self._access = access
        self._client = _client(reference.vault, access)

    def read_key(self, reference: Reference) -> VaultKey:
        """``GET /keys/NAME/VERSION``; a key that is not found is looked for among the deleted."""
        try:
            answer = self._ask("GET", f"keys/{reference.name}/{reference.version}", "get")
        except RefusedError as refusal:
            if refusal.status == 404 and self._is_deleted(reference):
                raise deleted(reference) from refusal
            raise refused(refusal, reference) from refusal
        return read_key(answer)

    def read_rotation(self, reference: Reference) -> Mapping[str, Any]:
        """``GET /keys/NAME/rotationpolicy``."""
        try:
            return self._ask("GET", f"keys/{reference.name}/rotationpolicy", "get rotation policy")
        except RefusedError as refusal:
            raise refused(refusal, reference) from refusal

    def credential(self) -> str:
        """How it signs in."""
        return self._access.choose().name

    def sign(self, reference: Reference, algorithm: str, digest: bytes) -> tuple[str, str]:
        """``POST /keys/NAME/VERSION/sign``."""
        answer = self._operate(reference, "sign", {"alg": algorithm, "value": encode(digest)})
        if not isinstance(answer.get("kid"), str) or not isinstance(answer.get("value"), str):
            raise malformed_answer("it has no kid or no value")
        return answer["kid"], answer["value"]

    def verify(self, reference: Reference, algorithm: str, digest: bytes, signature: bytes) -> bool:
        """``POST /keys/NAME/VERSION/verify``."""
        body = {"alg": algorithm, "digest": encode(digest), "value": encode(signature)}
        return self._operate(reference, "verify", body).get("value") is True

    def read_secret(self, reference: Reference) -> str:
        """``GET /secrets/NAME/VERSION``: the secret's value."""
        try:
            answer = self._ask("GET", f"secrets/{reference.name}/{reference.version}", "get")
        except RefusedError as refusal:
            raise refused(refusal, reference) from refusal
        if not isinstance(answer.get("value"), str):
            raise malformed_answer("it has no value")
        return str(answer["value"])

    def _operate(
        self, reference: Reference, operation: str, body: Mapping[str, str]
    ) -> dict[str, Any]:
        path = f"keys/{reference.name}/{reference.version}/{operation}"
        try:
            return self._ask("POST", path, operation, body)
        except RefusedError as refusal:
            raise refused(refusal, reference) from refusal

    def _is_deleted(self, reference: Reference) -> bool:
        try:
            self._ask("GET", f"deletedkeys/{reference.name}", "get deleted")
        except (RefusedError, ProviderError):
            return False
        return True

    def _ask(
        self, method: str, path: str, action: str, body: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        from azure.core.exceptions import AzureError

        deadline = time.monotonic() + self._access.timeout
        what = f"Key Vault {action}"
        try:
            return retry(
                lambda: self._ask_once(method, path, action, body, deadline),
                pause_asked=_pause_asked,
                deadline=deadline,
                what=what,
                notify=self._access.host.notify,
            )
        except AzureError as error:
            raise unconnected(str(error), self._host) from error
        except ValueError as error:  # the SDK's check that the vault is whom the token is for
            raise ProviderError(
                "azure-challenge-refused",
                f"{self._host} asks for a token that is not for it: {error}",
                fix="check azure-kv-name: whoever answers there is not a vault of this cloud.",
            ) from error

    def _ask_once(
        self,
        method: str,
        path: str,
        action: str,
        body: Mapping[str, str] | None,
        deadline: float,
    ) -> dict[str, Any]:
        from azure.core.rest import HttpRequest

        left = max(1.0, deadline - time.monotonic())
        answer = self._client.send_request(
            HttpRequest(method, path, json=body),
            connection_timeout=min(_SECONDS_TO_CONNECT, left),
            read_timeout=min(_SECONDS_TO_READ, left),
        )
        self.date = answer.headers.get("Date", "")
        request_id = answer.headers.get("x-ms-request-id", "")
        told = f"Key Vault {action}: {answer.status_code}, request id {request_id or 'not given'}"
        self._access.host.notify(told)
        content = _content(answer)
        if answer.status_code == 200:
            return content
        raise _refusal(answer, content, action, request_id)


def _client(vault: str, access: Access) -> "KeyClient":
    from azure.core.pipeline.policies import RetryPolicy
    from azure.keyvault.keys import KeyClient

    from signer.providers.azure.credentials import Credential

    for name in ("azure", "msal"):  # what they warn of is in our errors, masked
        logging.getLogger(name).addHandler(logging.NullHandler())
    return KeyClient(
        vault,
        Credential(access),
        retry_policy=RetryPolicy.no_retries(),
        user_agent=f"policy-audit-signer/{__version__}",
    )


def _content(answer: "HttpResponse") -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {}


def _refusal(
    answer: "HttpResponse", content: Mapping[str, Any], action: str, request_id: str
) -> RefusedError:
    error = content.get("error")
    error = error if isinstance(error, dict) else {}
    inner = error.get("innererror")
    return RefusedError(
        action,
        answer.status_code,
        str(error.get("code") or ""),
        str(inner.get("code") or "") if isinstance(inner, dict) else "",
        str(error.get("message") or answer.reason or ""),
        request_id,
        retry_after(answer.headers.get("Retry-After", "")),
    )


def retry_after(value: str) -> float:
    """Seconds to wait (RFC 9110, section 10.2.3): a number, or a date; 0 for anything else."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _pause_asked(error: Exception) -> float | None:
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    if isinstance(error, RefusedError):
        return error.retry_after if error.passes else None
    if isinstance(error, HttpResponseError):  # of Entra: see Credential.get_token
        headers = getattr(error.response, "headers", {})
        return retry_after(headers.get("Retry-After", ""))
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return None if connection_row(str(error)) else 0.0
    return None
