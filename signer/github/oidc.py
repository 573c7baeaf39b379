"""GitHub's OIDC token of this job, asked for at the moment it is needed.

Source: GitHub Docs, "OpenID Connect reference", "Methods for requesting the OIDC token". It is
held in memory only, and never logged.
"""

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
        timeout: seconds to wait for the whole answer.

    Raises:
        ProviderError: ``oidc-not-offered`` or ``oidc-failed``.
    """
    if not token_offered(environ):
        raise ProviderError(
            "oidc-not-offered",
            f"this job offers no OIDC token ({URL_VARIABLE} is not set)",
            fix="add `permissions: id-token: write` to the job; runs from forks never get one.",
        )
    from urllib.parse import quote, urlsplit

    from signer.fetch import FetchError, fetch_object

    url, secret = environ[URL_VARIABLE], environ[TOKEN_VARIABLE]
    parts = urlsplit(url)
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in _LOOPBACK:
        raise _failed("its URL is not https")
    if not (secret.isascii() and secret.isprintable()):
        raise _failed(f"{TOKEN_VARIABLE} has characters that no header can have")
    separator = "&" if "?" in url else "?"
    try:
        value = fetch_object(
            f"{url}{separator}audience={quote(audience, safe='')}",
            headers={"Authorization": f"Bearer {secret}", "Accept": "application/json"},
            seconds=timeout,
            largest=_LARGEST_ANSWER,
        ).get("value")
    except FetchError as error:
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
