"""Calls to AWS with patience and clear errors."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from signer.errors import ProviderError
from signer.providers.aws.calls import Answer, AwsFailure, Calls
from signer.providers.aws.failures import Place, explain
from signer.retry import retry

PATIENCE_WITH_STATES = 30.0
"""How many seconds to wait for a key that is being created or updated."""

_MOMENT = 1.0

# By the code alone, whatever the HTTP status: KMS API reference, "Common errors" and each
# operation's; STS, "AssumeRoleWithWebIdentity"; botocore's standard retry mode.
_PASSING = frozenset(
    {
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "ConnectionError",
        "DependencyTimeoutException",
        "EndpointConnectionError",
        "HTTPClientError",
        "IDPCommunicationError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "KMSInternalException",
        "KeyUnavailableException",
        "PriorRequestNotComplete",
        "ReadTimeoutError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
# What is used of answers (KMS API reference, "Response Elements" of each): another service at
# AWS_ENDPOINT_URL may answer something else.
_MEMBERS = {
    "kms:DescribeKey": ("KeyMetadata.Arn",),
    "kms:GetPublicKey": ("KeyId", "PublicKey"),
    "kms:Sign": ("KeyId", "Signature"),
    "kms:GenerateMac": ("KeyId", "Mac"),
    "kms:GetKeyPolicy": ("Policy",),
}
# KMS Developer Guide, "Key states of AWS KMS keys": both end by themselves.
_STATE_THAT_PASSES = re.compile(r"\b(creating|updating)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Api:
    """AWS as one place, region and credential see it.

    Attributes:
        calls: the way calls are made.
        timeout: seconds after which an answer is no longer waited for, retries included.
        notify: takes a line for the log.
        place: what errors name.
        aside: a thread that only tells something in the log.
    """

    calls: Calls
    timeout: float
    notify: Callable[[str], None]
    place: Place
    aside: threading.Thread | None = None

    def ask(self, operation: str, **parameters: str | int | bytes) -> Answer:
        """The answer of an operation such as ``kms:Sign``; asked again for what passes.

        Raises:
            ProviderError: what AWS answered, with its remedy.
        """
        try:
            return self.attempt(operation, **parameters)
        except AwsFailure as failure:
            raise explain(failure, operation, self.place) from failure

    def attempt(self, operation: str, **parameters: str | int | bytes) -> Answer:
        """Like `ask`, for a caller that has a use for the failure.

        Raises:
            AwsFailure: the last one.
            ProviderError: the command line is missing, or did not end in time.
        """
        start = time.monotonic()
        deadline = start + self.timeout

        def pause_asked(error: Exception) -> float | None:
            if isinstance(error, ProviderError) and error.code == "command-timeout":
                return 0.0  # of one attempt
            if not isinstance(error, AwsFailure):
                return None
            if error.code in _PASSING:
                return 0.0
            patient = time.monotonic() - start < PATIENCE_WITH_STATES
            changing = error.code in ("KMSInvalidStateException", "KMSInvalidState")
            return (
                0.0 if changing and patient and _STATE_THAT_PASSES.search(error.message) else None
            )

        try:
            answer = retry(
                lambda: _whole(operation, self.calls.call(operation, parameters, deadline)),
                pause_asked=pause_asked,
                deadline=deadline - self.calls.longest_attempt,
                what=operation,
                notify=self.notify,
            )
        except AwsFailure as failure:
            if failure.request_id:
                self.notify(f"{operation}: {failure.code}, request {failure.request_id}")
            raise
        if request_id := answer.get("ResponseMetadata", {}).get("RequestId"):
            self.notify(f"{operation}: request {request_id}")
        return answer

    def settle(self) -> None:
        """Give what is told aside a moment to be told before the process ends."""
        if self.aside is not None:
            self.aside.join(_MOMENT)


def _whole(operation: str, answer: Answer) -> Answer:
    for member in _MEMBERS.get(operation, ()):
        value: Any = answer
        for name in member.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            raise AwsFailure("UnreadableOutput", f"the answer of {operation} has no {member}")
    return answer
