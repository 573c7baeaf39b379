"""The run's identity, proved by a token of GitHub's for one audit file's digest.

The audience is ``policy-audit:sha256:DIGEST``: a token for another file, or for another service,
is no good here, and this one opens nothing elsewhere. RFC 7519 (JWT), RFC 8725 (JWT best
practices): one algorithm, one issuer, one audience, no key from the token's own header.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from signer.errors import GateError
from signer.gate import issuer as issuers
from signer.gate.issuer import IssuerKeys
from signer.gate.policy import CLAIMS
from signer.github.oidc import request_token, token_offered

LEEWAY_SECONDS = 30
MAX_TOKEN_BYTES = 1 << 14


@dataclass(frozen=True, slots=True)
class ProvedIdentity:
    """A token that holds.

    Attributes:
        token: the JWT in compact form.
        claims: what it says, texts only, under GitHub's claim names.
        issued: when the issuer made it (aware): ``iat``.
        not_before: from when it holds (aware): ``nbf``.
        expires: until when it holds (aware): ``exp``.
    """

    token: str
    claims: Mapping[str, str]
    issued: datetime
    not_before: datetime
    expires: datetime

    @property
    def sha256(self) -> str:
        """The SHA-256 of the token's compact form, hex."""
        return hashlib.sha256(self.token.encode()).hexdigest()


def audience_for(digest: bytes) -> str:
    """The audience of a token for an audit file.

    Args:
        digest: the file's SHA-256, 32 bytes.
    """
    return f"policy-audit:sha256:{digest.hex()}"


def prove(environ: Mapping[str, str], issuer: str, digest: bytes) -> ProvedIdentity:
    """Ask GitHub for a token about an audit file, and verify it.

    Args:
        environ: the step's environment, which says where to ask.
        issuer: the policy's issuer.
        digest: the file's SHA-256, 32 bytes.

    Raises:
        GateError: ``identity-missing`` or ``identity-bad``.
        ProviderError: ``oidc-failed`` or ``issuer-unreachable``.
    """
    require_offered(environ)
    audience = audience_for(digest)
    return verify_with_issuer(request_token(environ, audience), issuer, audience)


def require_offered(environ: Mapping[str, str]) -> None:
    """Refuse a job that has no token to show.

    Raises:
        GateError: ``identity-missing``.
    """
    if not token_offered(environ):
        raise GateError(
            "identity-missing",
            "the signing policy asks for a proved identity, and this job offers no OIDC token",
            fix="add `permissions: id-token: write` to the job; runs of forks and of Dependabot "
            "never get one (see if-unauthorized). Outside of a job, `signer policy check` tries a "
            "policy.",
        )


def verify_with_issuer(token: str, issuer: str, audience: str) -> ProvedIdentity:
    """Check a token with the keys that its issuer has now.

    Args:
        token: the JWT in compact form.
        issuer: the policy's issuer.
        audience: the only one that the token may have.

    Raises:
        GateError: ``identity-bad``.
        ProviderError: ``issuer-unreachable``.
    """
    kid = _kid(token)
    keys = issuers.keys_of(issuer)
    if kid not in keys.keys:
        keys = issuers.keys_of(issuer, instead_of=keys)
    return verify_token(token, keys, audience)


def verify_token(
    token: str, keys: IssuerKeys, audience: str, *, at: datetime | None = None
) -> ProvedIdentity:
    """Check a token's signature, issuer, audience and times.

    Args:
        token: the JWT in compact form, foreign.
        keys: the issuer's keys, the only ones that count.
        audience: the only one that the token may have.
        at: the moment it must have held at (aware); None for now.

    Raises:
        GateError: ``identity-bad``.
    """
    import jwt

    key = keys.keys.get(_kid(token))
    if key is None:
        raise _bad("it names a key that is not among the issuer's")
    past = at is not None
    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=audience,
            issuer=keys.issuer,
            leeway=LEEWAY_SECONDS,
            options={
                "require": ["iss", "aud", "exp", "nbf", "iat"],
                "verify_exp": not past,
                "verify_nbf": not past,
                "verify_iat": not past,
            },
        )
    except jwt.InvalidTokenError as error:
        raise _bad(str(error)) from None
    if payload["aud"] != audience:
        raise _bad("it has more than one audience")
    proved = ProvedIdentity(
        token,
        _texts(payload),
        issued=_moment(payload, "iat"),
        not_before=_moment(payload, "nbf"),
        expires=_moment(payload, "exp"),
    )
    if at is not None and not (
        proved.not_before.timestamp() - LEEWAY_SECONDS
        <= at.timestamp()
        <= proved.expires.timestamp() + LEEWAY_SECONDS
    ):
        raise _bad(f"it did not hold at the time of signing, {at:%Y-%m-%dT%H:%M:%SZ}")
    return proved


def environment_claims(environ: Mapping[str, str]) -> dict[str, str]:
    """What the runner's variables say, under claim names: the weaker way, nothing is proved."""
    found = {}
    for name in CLAIMS:
        variable = name.upper() if name == "runner_environment" else f"GITHUB_{name.upper()}"
        if name != "environment" and (value := environ.get(variable)):
            found[name] = value
    return found


def _kid(token: str) -> str:
    import jwt

    if len(token) > MAX_TOKEN_BYTES:
        raise _bad("it is too large")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise _bad(str(error)) from None
    if header.get("alg") != "RS256":
        raise _bad(f"it is signed with {str(header.get('alg'))[:20]!r}, and only RS256 is taken")
    if "crit" in header or not isinstance(header.get("kid"), str):
        raise _bad("its header names no key, or has demands of its own (crit)")
    return str(header["kid"])


def _texts(payload: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in payload.items() if isinstance(value, str)}


def _moment(payload: Mapping[str, Any], name: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(payload[name]), UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        raise _bad(f"its {name} is no time") from None


def _bad(detail: str) -> GateError:
    return GateError(
        "identity-bad",
        f"the run's OIDC token does not prove its identity: {detail}",
        fix="check the issuer in the signing policy and the runner's clock; a token is good for "
        "one audit file and some minutes only.",
    )
