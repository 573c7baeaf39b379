"""One call to AWS, whichever way it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Answer = Mapping[str, Any]
"""An operation's answer under the API's own names; blobs are bytes."""

BLOBS = ("PublicKey", "Signature", "Mac", "SecretBinary")
"""The members of answers that are bytes, and base64 in JSON."""

_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 15.0


class AwsFailure(Exception):  # noqa: N818 - not an error for users: `failures` makes one of it
    """A call that was refused or failed.

    Args:
        code: the service's ``Error.Code``; for what failed on this side the name of botocore's
            exception, such as ``NoCredentialsError``.
        message: the service's own words.
        request_id: AWS's id of the request, where one was given.
    """

    def __init__(self, code: str, message: str, request_id: str | None = None) -> None:
        self.code = code
        self.message = message
        self.request_id = request_id
        told = f", request {request_id}" if request_id else ""
        super().__init__(f"{code}{told}: {message}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Temporary credentials, kept in memory only.

    Attributes:
        access_key_id: not secret; AWS's logs show it too.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def attempt_limits(timeout: float) -> tuple[float, float]:
    """The time limits of one attempt: to connect, and to be answered.

    Together they are at most half of the total, so that there is time for another attempt.

    Args:
        timeout: the total time limit in seconds, retries included.
    """
    return min(_CONNECT_TIMEOUT, timeout / 4), min(_READ_TIMEOUT, timeout / 4)


class Calls(Protocol):
    """A way to call AWS: boto3 or the ``aws`` command line. Nothing is retried in it."""

    longest_attempt: float
    """How many seconds a call may go on after its deadline."""

    def call(
        self, operation: str, parameters: Mapping[str, str | int | bytes], deadline: float
    ) -> Answer:
        """Make one call.

        Args:
            operation: service and operation, such as ``kms:Sign``.
            parameters: under the API's own names.
            deadline: when to give up, on the clock of ``time.monotonic``.

        Raises:
            AwsFailure: it was refused or failed.
            ProviderError: it could not even be made (no command line).
        """

    def with_credentials(self, credentials: Credentials) -> "Calls":
        """The same way to call, with these credentials and no others."""

    def credential(self) -> str:
        """Which credential is used, for the log; never its secret part."""
