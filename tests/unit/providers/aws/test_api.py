"""What AWS is asked again for, and for how long; the clock is a stand-in."""

from collections.abc import Mapping
from typing import Self

import pytest

from signer import retry
from signer.errors import ProviderError
from signer.providers.aws import api
from signer.providers.aws.api import Api
from signer.providers.aws.calls import Answer, AwsFailure, Credentials
from signer.providers.aws.failures import Place
from tests.unit.clock import Clock

STATES = ("KMSInvalidStateException", "KMSInvalidState")
PASSING = (
    # of this side: botocore.exceptions
    *("ConnectTimeoutError", "ConnectionClosedError", "ConnectionError"),
    *("EndpointConnectionError", "HTTPClientError", "ReadTimeoutError"),
    # of the services: their API references, "Common errors"
    *("DependencyTimeoutException", "KMSInternalException", "KeyUnavailableException"),
    *("IDPCommunicationError", "InternalFailure", "InternalServerError", "InternalServiceError"),
    *("PriorRequestNotComplete", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable"),
    *("Throttling", "ThrottlingException", "TooManyRequestsException"),
)
STAYING = (
    *("AccessDeniedException", "DisabledException", "ExpiredTokenException", "NoCredentialsError"),
    *("NotFoundException", "ProxyConnectionError", "SSLError", "ValidationException"),
)


class Failing:
    """Calls that fail, and then do not."""

    def __init__(self, clock: Clock, failures: list[AwsFailure], longest: float = 0.0) -> None:
        self.longest_attempt = longest
        self._clock = clock
        self._failures = failures
        self.moments: list[float] = []

    def call(
        self, operation: str, parameters: Mapping[str, str | int | bytes], deadline: float
    ) -> Answer:
        self.moments.append(self._clock.now)
        if self._failures:
            raise self._failures.pop(0)
        return {"KeyId": "arn", "Signature": b"s"}

    def with_credentials(self, credentials: Credentials) -> Self:
        return self

    def credential(self) -> str:
        return ""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (api, retry):
        monkeypatch.setattr(module, "time", clock)
    return clock


def _ask(calls: Failing, timeout: float = 60.0) -> Answer:
    return Api(calls, timeout, lambda _: None, Place("alias/audit", None)).ask("kms:Sign")


@pytest.mark.parametrize("code", PASSING)
def test_what_passes_is_asked_again(clock: Clock, code: str) -> None:
    calls = Failing(clock, [AwsFailure(code, "")])
    assert _ask(calls)["Signature"] == b"s"
    assert len(calls.moments) == 2


@pytest.mark.parametrize("code", [*STAYING, *STATES])
def test_what_stays_is_asked_once(clock: Clock, code: str) -> None:
    calls = Failing(clock, [AwsFailure(code, "arn:… is pending deletion.")])
    with pytest.raises(ProviderError):
        _ask(calls)
    assert len(calls.moments) == 1


@pytest.mark.parametrize("state", ["creating", "Creating", "updating", "Updating"])
@pytest.mark.parametrize("code", STATES)
def test_a_key_that_is_made_or_changed_is_waited_for(clock: Clock, code: str, state: str) -> None:
    calls = Failing(clock, [AwsFailure(code, f"arn:… is {state}.")] * 3)
    assert _ask(calls)["Signature"] == b"s"
    assert len(calls.moments) == 4


def test_a_key_is_waited_for_no_longer_than_half_a_minute(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signer.retry.random.uniform", lambda _low, high: high)
    calls = Failing(clock, [AwsFailure("KMSInvalidStateException", "arn is updating.")] * 1000)
    with pytest.raises(ProviderError) as refusal:
        _ask(calls, timeout=600.0)
    assert refusal.value.code == "aws-key-state"
    since = [moment - calls.moments[0] for moment in calls.moments]
    assert since == [pytest.approx(at) for at in (0, 0.4, 1.2, 2.8, 6.0, 12.4, 22.4, 32.4)]
    assert since[-2] < 30 <= since[-1]


def test_no_attempt_begins_that_could_end_too_late(clock: Clock) -> None:
    calls = Failing(clock, [AwsFailure("ThrottlingException", "")] * 1000, longest=20.0)
    with pytest.raises(ProviderError) as refusal:
        _ask(calls, timeout=60.0)
    assert refusal.value.code == "aws-throttled"
    assert len(calls.moments) > 2
    assert calls.moments[-1] - calls.moments[0] < 40
