"""The HMAC key from Secrets Manager: its bytes, and each form of it that is masked."""

import base64
from typing import Any

import pytest

from signer.providers.aws import secret
from signer.providers.aws.access import Access
from signer.providers.aws.api import Api

from .support import Said

TEXT = "thirty-two bytes of a secret text"
BINARY = bytes(range(128, 160))


@pytest.mark.parametrize(
    ("answer", "content", "masked"),
    [
        ({"SecretString": f"{TEXT}\r\n"}, TEXT.encode(), [TEXT]),
        (
            {"SecretBinary": TEXT.encode()},
            TEXT.encode(),
            [base64.b64encode(TEXT.encode()).decode(), TEXT],
        ),
        ({"SecretBinary": BINARY}, BINARY, [base64.b64encode(BINARY).decode()]),
    ],
    ids=["text", "text as bytes", "bytes"],
)
def test_a_secret_is_masked_in_each_form(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], content: bytes, masked: list[str]
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def ask(_api: Api, operation: str, **parameters: Any) -> dict[str, Any]:
        asked.append((operation, parameters))
        return answer

    monkeypatch.setattr(
        Access,
        "open",
        lambda access, calls, place, _: Api(calls, access.timeout, access.host.notify, place),
    )
    monkeypatch.setattr(Api, "ask", ask)
    said = Said()
    access = said.access(region="eu-central-1")
    assert secret.fetch_secret("aws-secretsmanager:policy-audit", access) == content
    assert said.masked == masked
    assert asked == [("secretsmanager:GetSecretValue", {"SecretId": "policy-audit"})]
