"""GitHub's OIDC token of this job, asked for at the moment it is needed.

Source: GitHub Docs, "OpenID Connect reference", "Methods for requesting the OIDC token". It is
held in memory only, and never logged.
"""

import json
from collections.abc import Mapping

from signer.errors import ProviderError

URL_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_URL"
TOKEN_VARIABLE = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_LARGEST_ANSWER = 1 << 16
_LOOPBACK = (("http", "127.0.0.1"), ("http", "localhost"))


def token_offered(environ: Mapping[str, str]) -> bool:
    """Whether this job may have an OIDC token."""
    return bool(environ.get(URL_VARIABLE) and environ.get(TOKEN_VARIABLE))


def request_token(environ: Mapping[str, str], audience: str, *, timeout: float = 10.0) -> str:
    """A new token (a JWT) for an audience.

    Args:
        environ: the step's environment.
        audience: the token's ``aud``.
        timeout: seconds to wait for the answer.

    Raises:
        ProviderError: ``oidc-not-offered`` or ``oidc-failed``.
    """
    if not token_offered(environ):
        raise ProviderError(
            "oidc-not-offered",
            f"this job offers no OIDC token ({URL_VARIABLE} is not set)",
            fix="add `permissions: id-token: write` to the job; runs from forks never get one.",
        )
    from urllib.error import HTTPError
    from urllib.parse import quote, urlsplit
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class _NoRedirect(HTTPRedirectHandler):
        # A redirect would take the request token to another host.
        def redirect_request(self, *_: object) -> None:
            return None

    url = environ[URL_VARIABLE]
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in _LOOPBACK:
        raise _failed("its URL is not https")
    separator = "&" if "?" in url else "?"
    request = Request(  # noqa: S310 - the scheme is checked above
        f"{url}{separator}audience={quote(audience, safe='')}",
        headers={
            "Authorization": f"Bearer {environ[TOKEN_VARIABLE]}",
            "Accept": "application/json",
        },
    )
    try:
        with build_opener(_NoRedirect).open(request, timeout=timeout) as answer:
            value = json.loads(answer.read(_LARGEST_ANSWER)).get("value")
    except HTTPError as error:
        error.close()
        raise _failed(str(error)) from error
    except (OSError, ValueError, AttributeError) as error:
        raise _failed(str(error)) from error
    if not isinstance(value, str) or value.count(".") != 2:
        raise _failed("the answer has no token")
    return value


def _failed(detail: str) -> ProviderError:
    return ProviderError(
        "oidc-failed",
        f"GitHub's OIDC token could not be had: {detail}",
        fix="run the job again; if it stays, see https://www.githubstatus.com.",
    )
