"""What is made of the SDK's answers; its client is replaced, and no network is touched."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from azure.core.exceptions import ServiceRequestError, ServiceResponseError

from signer.errors import ProviderError
from signer.providers.azure import sdk
from signer.providers.azure.names import Reference
from tests.unit.providers.azure.support import CLIENT, TENANT, Said

KEY = Reference("https://acme.vault.azure.net", "keys", "policy", "0" * 32)


def _answer(status: int, content: Any = None, **headers: str) -> SimpleNamespace:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return SimpleNamespace(
        status_code=status, headers=named, reason="", json=lambda: content, content=b""
    )


def _error(code: str, inner: str = "", message: str = "no") -> dict[str, Any]:
    more = {"innererror": {"code": inner}} if inner else {}
    return {"error": {"code": code, "message": message, **more}}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Mock:
    made = Mock()
    monkeypatch.setattr(sdk, "_client", lambda *_: made)
    monkeypatch.setattr("signer.retry.time.sleep", lambda _: None)
    return made


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def calls(client: Mock, said: Said) -> sdk.SdkCalls:
    access = said.access(tenant_id=TENANT, client_id=CLIENT)
    return sdk.SdkCalls(KEY, access)


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (404, _error("KeyNotFound"), "azure-key-not-found"),
        (409, _error("ObjectIsDeletedButRecoverable"), "azure-key-deleted"),
        (403, _error("Forbidden", "KeyDisabled"), "azure-key-disabled"),
        (403, _error("Forbidden", "KeyOperationForbidden"), "azure-sign-not-permitted"),
        (403, _error("Forbidden", "ForbiddenByRbac"), "azure-denied-by-role"),
        (403, _error("Forbidden", "ForbiddenByPolicy"), "azure-denied-by-policy"),
        (403, _error("Forbidden", "ForbiddenByFirewall"), "azure-denied-by-firewall"),
        (403, _error("Forbidden"), "azure-denied"),
        (400, _error("BadParameter"), "azure-bad-parameter"),
        (401, _error("Unauthorized"), "azure-unauthorized"),
        (401, None, "azure-unauthorized"),
        (429, _error("Throttled"), "azure-throttled"),
        (503, None, "azure-unavailable"),
        (501, None, "azure-unavailable"),
        (418, ["no object"], "azure-failed"),
    ],
)
def test_every_refusal_has_a_code_and_a_remedy(
    calls: sdk.SdkCalls, client: Mock, said: Said, status: int, content: Any, code: str
) -> None:
    client.send_request.return_value = _answer(
        status, content, x_ms_request_id="id-7", Retry_After="3600"
    )
    with pytest.raises(ProviderError) as refusal:
        calls.sign(KEY, "ES256", bytes(32))
    assert (refusal.value.code, refusal.value.exit_code) == (code, 3)
    assert refusal.value.fix
    assert "request id id-7" in refusal.value.message
    assert any("request id id-7" in line for line in said.lines)


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (_answer(429, _error("Throttled"), Retry_After="0"), "429 Throttled"),
        (_answer(429, _error("Throttled")), "429 Throttled"),
        (_answer(502), "502"),
        (ServiceResponseError("Connection aborted"), "Connection aborted"),
        (ServiceRequestError("connection refused"), "connection refused"),
    ],
)
def test_what_passes_is_tried_again(
    calls: sdk.SdkCalls, client: Mock, said: Said, first: Any, told: str
) -> None:
    good = {"kid": KEY.identifier, "value": "AAAA"}
    client.send_request.side_effect = [first, _answer(200, good)]
    assert calls.sign(KEY, "ES256", bytes(32)) == (KEY.identifier, "AAAA")
    assert any(told in line and "retry 1" in line for line in said.lines)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Failed to resolve 'acme.vault.azure.net' (Name or service not known)", "not-found"),
        ("SSLCertVerificationError: CERTIFICATE_VERIFY_FAILED", "azure-tls-failed"),
        ("ProxyError: Tunnel connection failed: 407", "azure-proxy-failed"),
    ],
)
def test_what_stays_is_not_tried_again(
    calls: sdk.SdkCalls, client: Mock, text: str, code: str
) -> None:
    client.send_request.side_effect = ServiceRequestError(text)
    with pytest.raises(ProviderError) as refusal:
        calls.read_key(KEY)
    assert refusal.value.code.endswith(code)
    assert client.send_request.call_count == 1


def test_a_deleted_key_is_told_from_one_that_never_was(calls: sdk.SdkCalls, client: Mock) -> None:
    missing = _answer(404, _error("KeyNotFound"))
    client.send_request.side_effect = [missing, _answer(200, {})]
    with pytest.raises(ProviderError) as refusal:
        calls.read_key(KEY)
    assert refusal.value.code == "azure-key-deleted"
    client.send_request.side_effect = [missing, _answer(403, _error("Forbidden"))]
    with pytest.raises(ProviderError) as refusal:
        calls.read_key(KEY)
    assert refusal.value.code == "azure-key-not-found"


@pytest.mark.parametrize("content", [{}, {"kid": "x"}, {"value": "x"}, {"kid": 1, "value": 2}])
def test_a_signature_without_key_id_or_value_is_refused(
    calls: sdk.SdkCalls, client: Mock, content: dict[str, Any]
) -> None:
    client.send_request.return_value = _answer(200, content)
    with pytest.raises(ProviderError) as refusal:
        calls.sign(KEY, "ES256", bytes(32))
    assert refusal.value.code == "azure-answer-malformed"


def test_a_token_in_an_answer_is_masked(calls: sdk.SdkCalls, client: Mock) -> None:
    token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"
    client.send_request.return_value = _answer(403, _error("Forbidden", message=f"no {token}"))
    with pytest.raises(ProviderError) as refusal:
        calls.sign(KEY, "ES256", bytes(32))
    assert token not in refusal.value.message


def test_retry_after_is_a_number_or_a_date() -> None:
    assert sdk.retry_after("7") == 7
    assert sdk.retry_after("-7") == 0
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 < sdk.retry_after(format_datetime(later, usegmt=True)) <= 90
    assert sdk.retry_after("") == sdk.retry_after("soon") == 0
