"""The public keys of an OIDC issuer: fetched over TLS, once a process, or read from a file.

Source: OpenID Connect Discovery 1.0, section 4; RFC 7517 (JWK Set). Keys come from the issuer
that the policy names and from nowhere else, and only from its own host.
"""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from signer.errors import ProviderError, UsageError
from signer.fetch import FetchError, fetch_object
from signer.small_files import read_small_file

MAX_BYTES = 1 << 18
MAX_KEYS = 100
MAX_SECONDS = 10.0
_SMALLEST_RSA = 2048

_cache: dict[str, "IssuerKeys"] = {}
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """An issuer and its RSA keys by ``kid``, as PyJWT takes them."""

    issuer: str
    keys: Mapping[str, Any]


def keys_of(issuer: str, *, instead_of: IssuerKeys | None = None) -> IssuerKeys:
    """The issuer's keys, from this process's cache where they are there.

    Args:
        issuer: an https URL.
        instead_of: keys among which the one that a token names is not: they are fetched anew,
            once for all who found the same.

    Raises:
        ProviderError: ``issuer-unreachable``.
    """
    with _lock:
        if _cache.get(issuer) is instead_of:
            _cache[issuer] = IssuerKeys(issuer, _by_kid(_fetch_keys(issuer)))
        return _cache[issuer]


def snapshot(issuer: str) -> dict[str, Any]:
    """The issuer's keys as a file to keep: a JWK Set that also says whose and of when it is.

    Raises:
        UsageError: the issuer is no https URL.
        ProviderError: ``issuer-unreachable``.
    """
    if not issuer.startswith("https://"):
        raise UsageError(
            "issuer-not-https",
            f"the issuer {issuer[:200]!r} is not an https URL",
            fix="name it as tokens do, such as https://token.actions.githubusercontent.com.",
        )
    found = _fetch_keys(issuer)
    retrieved = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"issuer": issuer, "retrieved": retrieved, "keys": found}


def read_snapshot(path: Path) -> IssuerKeys:
    """The keys in a file that ``snapshot`` made.

    Raises:
        UsageError: ``issuer-keys-unreadable``.
    """
    try:
        content = read_small_file(path, MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        document = json.loads(content)
        if not isinstance(document, dict) or not isinstance(document.get("issuer"), str):
            raise ValueError("it does not say whose keys they are (issuer)")
        return keys_from(document["issuer"], document.get("keys"))
    except (OSError, ValueError, RecursionError) as error:
        detail = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            "issuer-keys-unreadable",
            f"the issuer's keys {path} cannot be read: {detail}",
            fix="make the file with `signer keys snapshot-issuer URL`.",
        ) from None


def keys_from(issuer: str, jwks: Any) -> IssuerKeys:
    """An issuer's keys from JSON Web Keys that were kept.

    Args:
        issuer: whose they are.
        jwks: the list ``keys`` of what ``snapshot`` made.

    Raises:
        ValueError: they are no such list, or none of them can be used.
    """
    return IssuerKeys(issuer, _by_kid(jwks))


def _fetch_keys(issuer: str) -> Any:
    """The issuer's list of JWKs, among which there is one that can be used."""
    end = time.monotonic() + MAX_SECONDS
    try:
        about = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", end)
        if about.get("issuer") != issuer:
            raise ValueError(f"it calls itself {str(about.get('issuer'))[:200]!r}")
        place = str(about.get("jwks_uri"))
        if urlsplit(place)[:2] != urlsplit(issuer)[:2]:
            raise ValueError(f"its keys are on another host ({place[:200]!r})")
        keys = _get(place, end).get("keys")
        _by_kid(keys)
    except (FetchError, ValueError) as error:
        raise _unreachable(issuer, str(error)) from error
    return keys


def _get(url: str, end: float) -> dict[str, Any]:
    if not url.startswith("https://"):
        raise ValueError("it is not https")
    return fetch_object(url, seconds=max(end - time.monotonic(), 0.01), largest=MAX_BYTES)


def _by_kid(keys: Any) -> dict[str, Any]:
    from jwt.algorithms import RSAAlgorithm
    from jwt.exceptions import InvalidKeyError

    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise ValueError("it has no list of keys, or too long a one")
    found: dict[str, Any] = {}
    for key in keys:
        if not isinstance(key, dict) or key.get("kty") != "RSA" or "d" in key:
            continue
        kid = key.get("kid")
        if key.get("use", "sig") != "sig" or key.get("alg", "RS256") != "RS256":
            continue
        if not isinstance(kid, str) or kid in found:
            raise ValueError("a key has no kid, or that of another")
        try:
            public_key: Any = RSAAlgorithm.from_jwk(key)
        except (InvalidKeyError, TypeError, ValueError) as error:
            raise ValueError(f"a key cannot be read: {error}") from None
        if public_key.key_size >= _SMALLEST_RSA:
            found[kid] = public_key
    if not found:
        raise ValueError("it has no RSA key for signatures")
    return found


def _unreachable(issuer: str, detail: str) -> ProviderError:
    return ProviderError(
        "issuer-unreachable",
        f"the keys of the issuer {issuer} cannot be had: {detail}",
        fix="check the issuer in the signing policy and the network, or run the job again.",
    )
