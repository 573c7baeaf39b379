"""What the auditor's file of trusted keys allows, beyond the signature itself.

The time in a statement is the word of whoever holds the key. The issuer's token is the word of
the issuer, about the same digest and the same run: nobody who steals a key can backdate that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from signer.audit.statement import format_time, parse_time
from signer.crypto import trusted_keys
from signer.crypto.trusted_keys import TrustedKey, TrustedKeys
from signer.envelope import bundle
from signer.envelope.dsse import Envelope
from signer.errors import VerificationError
from signer.gate.identity import ProvedIdentity
from signer.gate.issuer import IssuerKeys, keys_from
from signer.verify.verdict import Verified, inconsistent

_REPOSITORY = ("repository", "repository_id")


@dataclass(frozen=True, slots=True)
class Trusted:
    """A file of trusted keys, read in full.

    Attributes:
        keys: the public keys.
        issuer: the keys of the OIDC issuer in it, where there is one.
    """

    keys: TrustedKeys
    issuer: IssuerKeys | None

    def key_for(self, bundle_text: bytes) -> TrustedKey:
        """The trusted key that a bundle names.

        Args:
            bundle_text: the bundle's bytes, foreign.

        Raises:
            VerificationError: it is no bundle, or ``wrong-key``.
        """
        parsed = bundle.decode(bundle_text)
        keyid = parsed.content.keyid if isinstance(parsed.content, Envelope) else None
        return self.keys.choose(keyid, parsed.hint)


def read(path: Path) -> Trusted:
    """Read a file of trusted keys and the issuer in it.

    Several snapshots of one issuer count together, because issuers rotate their keys. Of two
    issuers each could prove the other's repositories: names and ids are each one's own.

    Raises:
        UsageError: ``trusted-keys-not-found`` or ``trusted-keys-invalid``.
    """
    keys = trusted_keys.load(path)
    known: dict[str, Any] = {}
    for number, entry in enumerate(keys.issuers, 1):
        place = f"issuers.{number} ({entry.issuer[:200]})"
        try:
            found = keys_from(entry.issuer, list(entry.keys)).keys
        except ValueError as error:
            raise trusted_keys.invalid(path, f"{place}: {error}") from None
        if entry.issuer != keys.issuers[0].issuer:
            raise trusted_keys.invalid(
                path, f"{place}: the first one is another issuer; make a file for each"
            )
        for kid, key in found.items():
            if known.setdefault(kid, key) != key:
                raise trusted_keys.invalid(
                    path, f"{place}: an earlier snapshot has another key called {kid[:80]!r}"
                )
    return Trusted(keys, IssuerKeys(keys.issuers[0].issuer, known) if keys.issuers else None)


def names_repository(*expected: Mapping[str, str] | None) -> bool:
    """Whether the run is asked to be one of a certain repository.

    Args:
        expected: what the run must have, by the name of the field; ``*`` takes any.
    """
    return any(one.get(name, "*") != "*" for one in expected if one for name in _REPOSITORY)


def check_limits(
    key: TrustedKey, verified: Verified, proved: ProvedIdentity | None, *, run_asked: bool
) -> None:
    """Hold what a trusted key signed against the limits that the auditor sets.

    Args:
        key: the key that verified.
        verified: what was verified with it.
        proved: the run's identity, where the issuer's token proves it.
        run_asked: whether the repository of the run, or a signing policy, is asked for.

    Raises:
        VerificationError: ``key-not-valid-then``, ``key-revoked`` or ``inconsistent-statement``.
    """
    if verified.statement is None:
        if key.revoked:
            raise revoked(key, f"this {verified.kind} states no run that a token could prove")
        if key.window:
            raise _outside(key, f"this {verified.kind} states no time")
        return
    signing = verified.statement.predicate.signing
    if key.assurance and not key.assurance.covers(signing.assurance):
        raise inconsistent(
            f"it claims the assurance {signing.assurance}, and the trusted key {key.name!r} "
            f"gives {key.assurance} at most"
        )
    signed = parse_time(signing.time)
    _check_window(key, signed, proved)
    if key.revoked:
        _check_revocation(key, key.revoked.at, signed, proved, run_asked=run_asked)


def _check_window(key: TrustedKey, signed: datetime, proved: ProvedIdentity | None) -> None:
    if not key.covers(signed):
        raise _outside(key, f"the statement says that it was signed at {format_time(signed)}")
    if proved and not key.covers(proved.issued):
        raise _outside(key, f"the run's token was issued at {format_time(proved.issued)}")


def _check_revocation(
    key: TrustedKey,
    at: datetime,
    signed: datetime,
    proved: ProvedIdentity | None,
    *,
    run_asked: bool,
) -> None:
    if proved is None:
        raise revoked(key, "the run is not proved by the issuer's token")
    # Anybody can have a token for a run of their own made in advance.
    if not run_asked:
        raise revoked(key, "nothing says which repository's run is expected")
    if max(signed, proved.issued, proved.not_before) >= at:
        raise revoked(
            key,
            f"this was signed at {format_time(signed)}, with a token that was issued at "
            f"{format_time(proved.issued)}",
        )


def revoked(key: TrustedKey, detail: str) -> VerificationError:
    """The error for a signature of a revoked key.

    Args:
        key: the key; one that is revoked.
        detail: why its signature is not one of before.
    """
    since = f"{format_time(key.revoked.at)} ({key.revoked.reason})" if key.revoked else "now"
    return VerificationError(
        "key-revoked",
        f"the trusted key {key.name!r} is revoked from {since}, and {detail}",
        fix="only the issuer's token (NAME.identity.jwt) of before, and a repository or signing "
        "policy that is asked for, prove that this is older than the revocation; see "
        "docs/verifying.md (Trusted keys).",
    )


def _outside(key: TrustedKey, detail: str) -> VerificationError:
    return VerificationError(
        "key-not-valid-then",
        f"the trusted key {key.name!r} is valid {key.window}, and {detail}",
        fix="find out who used the key outside its time; where the window is wrong, mend it.",
    )
