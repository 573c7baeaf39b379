"""JSON over HTTP from a place that is not trusted: no redirects, and bounds on size and time."""

import json
import threading
from collections.abc import Mapping
from typing import Any


class FetchError(Exception):
    """There is no such answer; the message says why."""


def fetch_object(
    url: str, *, headers: Mapping[str, str] | None = None, seconds: float, largest: int
) -> dict[str, Any]:
    """The JSON object at a URL.

    Args:
        url: absolute; its scheme is the caller's to check.
        headers: sent with the request, and to no other place, as no redirect is followed.
        seconds: for the whole answer.
        largest: how many bytes it may have.

    Raises:
        FetchError: no answer in time, an error status, or no JSON object of that size.
    """
    outcome: list[dict[str, Any] | Exception] = []

    def work() -> None:
        try:
            outcome.append(_get(url, headers or {}, seconds, largest))
        except Exception as error:  # noqa: BLE001 - http.client's have no base of their own
            outcome.append(error)

    # A timeout of a socket starts anew with each byte; this one does not.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise FetchError(f"no answer within {seconds:g} s")
    if isinstance(outcome[0], Exception):
        raise FetchError(_told(outcome[0])) from outcome[0]
    return outcome[0]


def _get(url: str, headers: Mapping[str, str], seconds: float, largest: int) -> dict[str, Any]:
    from urllib.error import HTTPError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class NoRedirect(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    request = Request(url, headers=dict(headers))  # noqa: S310 - the caller checks the scheme
    try:
        with build_opener(NoRedirect).open(request, timeout=seconds) as answer:
            content = answer.read(largest + 1)
    except HTTPError as error:
        error.close()
        raise FetchError(str(error)) from error
    if len(content) > largest:
        raise FetchError(f"its answer has more than {largest} bytes")
    document = json.loads(content)
    if not isinstance(document, dict):
        raise FetchError("its answer is not a JSON object")
    return document


def _told(error: Exception) -> str:
    # The names of http.client's errors say more than their texts, some of which are empty.
    known = isinstance(error, FetchError | OSError | ValueError)
    return str(error) if known else f"{type(error).__name__}: {error}"
