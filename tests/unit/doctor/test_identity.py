"""The token that opens nothing, and the clock."""

import time
from email.utils import formatdate
from typing import Any

import pytest

from signer.doctor import identity
from signer.doctor.identity import AUDIENCE, ask_token, clock, seconds_ahead
from signer.errors import ProviderError
from tests.azure_stand_in.tokens import encode

OFFERED = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer"}


def _token(payload: str) -> str:
    return f"{encode(b'{}')}.{encode(payload.encode())}.{encode(b'signature')}"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What GitHub answers, in order: tokens or errors; asked for with the doctor's audience."""
    given: list[Any] = []

    def request_token(environ: dict[str, str], audience: str) -> str:
        assert audience == AUDIENCE == "policy-audit:doctor"
        answer = given.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    monkeypatch.setattr(identity, "request_token", request_token)
    return given


def test_without_a_token_that_nobody_needs_nothing_is_wrong() -> None:
    found = ask_token({}, None, [])
    assert (found.check.status, found.claims, found.ahead) == ("skip", None, None)


@pytest.mark.parametrize(
    ("issuer", "code", "exit_code"),
    [(None, "oidc-not-offered", 3), ("https://issuer", "identity-missing", 4)],
)
def test_a_missing_token_that_is_needed_names_the_permission(
    issuer: str | None, code: str, exit_code: int
) -> None:
    check = ask_token({}, issuer, ["aws-role-to-assume"]).check
    assert (check.status, check.code, check.exit_code) == ("fail", code, exit_code)
    assert "permissions: id-token: write" in check.fix
    assert "aws-role-to-assume" in check.detail


def test_claims_are_shown_and_the_token_is_not(answers: list[Any]) -> None:
    token = _token(f'{{"sub":"repo:a/b","ref":"refs/heads/x","iat":{int(time.time())},"jti":"j"}}')
    answers.append(token)
    found = ask_token(OFFERED, None, [])
    assert found.check.status == "ok"
    assert "sub repo:a/b, ref refs/heads/x" in found.check.detail
    assert "not verified" in found.check.detail
    assert token.split(".")[1] not in found.check.detail
    assert found.ahead is not None
    assert abs(found.ahead) < 5


@pytest.mark.parametrize("payload", ['{"iat":"soon"}', '{"iat":null}', "{}", "no JSON", "[]"])
def test_a_token_that_says_no_time_tells_none(answers: list[Any], payload: str) -> None:
    answers.append(_token(payload))
    assert ask_token(OFFERED, None, []).ahead is None


def test_github_may_fail(answers: list[Any]) -> None:
    answers.append(ProviderError("oidc-failed", "it is down", fix="wait"))
    check = ask_token(OFFERED, None, ["signing-policy"]).check
    assert (check.status, check.code, check.fix) == ("fail", "oidc-failed", "wait")
    assert "it is down" in check.detail


@pytest.mark.parametrize(
    ("ahead", "status", "said"),
    [
        (0, "ok", "within 60 s of AWS"),
        (60, "ok", "within 60 s of AWS"),
        (-60, "ok", "within 60 s of AWS"),
        (61, "warn", "61 s behind AWS"),
        (-61, "warn", "61 s ahead of AWS"),
        (300, "warn", "300 s behind AWS"),
        (301, "fail", "301 s behind AWS"),
        (-301, "fail", "301 s ahead of AWS"),
    ],
)
def test_how_far_a_clock_may_be_off(ahead: float, status: str, said: str) -> None:
    check = clock(ahead, "AWS")
    assert (check.status, said in check.detail) == (status, True)
    assert (check.code, check.exit_code) == (("clock-skew", 3) if status == "fail" else ("", 0))
    assert bool(check.fix) == (status != "ok")


def test_no_clock_at_all() -> None:
    assert clock(None, "").status == "skip"


@pytest.mark.parametrize("seconds", [-4000, 0, 4000])
def test_a_date_header(seconds: int) -> None:
    ahead = seconds_ahead(formatdate(time.time() + seconds, usegmt=True))
    assert ahead == pytest.approx(seconds, abs=5)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_what_is_no_date_tells_no_time(date: str) -> None:
    assert seconds_ahead(date) is None
