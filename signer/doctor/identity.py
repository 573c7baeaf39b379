"""The job's OIDC token, and this machine's clock.

The token is asked for with an audience of its own, which opens nothing: not this key, not AWS, not
Azure. It is held in memory, and only its claims are shown.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from signer.doctor.check import Check, fail, ok, skip, warn
from signer.errors import ProviderError, SignerError
from signer.github.oidc import request_token, token_offered
from signer.jwt import unverified_claims

AUDIENCE = "policy-audit:doctor"
"""The ``aud`` of the token that is asked for."""

WARN_SECONDS = 60
FAIL_SECONDS = 300
"""How far this machine's clock may be off; AWS refuses requests from 5 minutes on."""

# What GitHub's token says of a run, apart from times and ids nobody looks at.
_SHOWN = (
    "sub",
    "repository",
    "repository_id",
    "repository_owner_id",
    "repository_visibility",
    "ref",
    "ref_protected",
    "event_name",
    "environment",
    "workflow_ref",
    "job_workflow_ref",
    "actor",
    "runner_environment",
)


@dataclass(frozen=True, slots=True)
class Token:
    """What became of asking for a token.

    Attributes:
        check: the check ``token``.
        claims: what the token says, where it could be had and holds.
        ahead: seconds that its issuer's clock is ahead of ours; None where it is not known.
    """

    check: Check
    claims: Mapping[str, str] | None = None
    ahead: float | None = None


def ask_token(environ: Mapping[str, str], issuer: str | None, needed_by: list[str]) -> Token:
    """Ask for a token and, where an issuer is known, verify it.

    Args:
        environ: the step's environment.
        issuer: the signing policy's, where one asks for a token.
        needed_by: the settings that make signing ask for one.
    """
    if not token_offered(environ) and not needed_by:
        return Token(skip("token", "this job offers no OIDC token, and no setting insists on one"))
    try:
        if issuer is not None:
            from signer.gate.identity import require_offered

            require_offered(environ)
        token = request_token(environ, AUDIENCE)
    except SignerError as error:
        needs = f" (needed by {', '.join(needed_by)})" if needed_by else ""
        return Token(fail("token", error, f"{error.message}{needs}"))
    said = unverified_claims(token)
    issued = said.get("iat")
    ahead = issued - time.time() if isinstance(issued, int | float) else None
    claims = {name: value for name, value in said.items() if isinstance(value, str)}
    if issuer is None:
        return Token(
            ok("token", f"{_told(claims)}\nnot verified: no signing policy says by whose keys"),
            claims,
            ahead,
        )
    from signer.gate.identity import verify_with_issuer

    try:
        proved = verify_with_issuer(token, issuer, AUDIENCE)
    except SignerError as error:
        return Token(fail("token", error), None, ahead)
    return Token(
        ok("token", f"{_told(proved.claims)}\nverified with the keys of {issuer}"),
        proved.claims,
        ahead,
    )


def clock(ahead: float | None, source: str) -> Check:
    """The check ``clock``.

    Args:
        ahead: seconds that another clock is ahead of ours; None where none was seen.
        source: whose clock it is.
    """
    if ahead is None:
        return skip("clock", "nothing that was asked here tells the time")
    off = abs(ahead)
    told = f"{off:.0f} s {'behind' if ahead > 0 else 'ahead of'} {source}"
    fix = "set this machine's clock, for instance by starting its NTP service."
    if off > FAIL_SECONDS:
        return fail(
            "clock", ProviderError("clock-skew", f"this machine's clock is {told}", fix=fix)
        )
    if off > WARN_SECONDS:
        return warn("clock", f"this machine's clock is {told}", fix=fix)
    return ok("clock", f"within {WARN_SECONDS} s of {source}")


def seconds_ahead(date: str) -> float | None:
    """How far the clock of who answered just now is ahead of ours.

    Args:
        date: the answer's ``Date`` header (RFC 9110, section 6.6.1).

    Returns:
        None where it is no date.
    """
    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return None


def _told(claims: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {claims[name]}" for name in _SHOWN if name in claims)
