"""Was that run allowed to sign? The gate's own code, asked again later and offline.

The statement's word about its run is that of whoever holds the key. It is proved when the token
kept as ``NAME.identity.jwt`` is the issuer's signature over the same digest and the same run.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from signer.assurance import Assurance
from signer.audit.statement import NO_CLAIMS, Predicate, Run, Statement, parse_time
from signer.errors import GateError, UsageError, VerificationError
from signer.gate import events, matching
from signer.gate.identity import MAX_TOKEN_BYTES, ProvedIdentity, audience_for, verify_token
from signer.gate.issuer import IssuerKeys, read_snapshot
from signer.gate.policy import PolicyFile, load
from signer.settings.models import VerifySettings
from signer.small_files import read_small_file
from signer.verify.verdict import malformed

if TYPE_CHECKING:  # only who has trusted keys loads YAML for them
    from signer.crypto.trusted_keys import TrustedKey


@dataclass(frozen=True, slots=True)
class IdentityDemands:
    """The auditor's own copies: the issuer's keys, the policy, or both.

    Attributes:
        keys: the issuer's; None where no identity is to be proved.
        policy: the signing policy that must allow the run.
    """

    keys: IssuerKeys | None
    policy: PolicyFile | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        proved: the identity; None where none was to be proved.
        rule: the rule of the auditor's policy that allows; None where there is no policy.
    """

    proved: ProvedIdentity | None
    rule: str | None


def demands_of(settings: VerifySettings, trusted: IssuerKeys | None) -> IdentityDemands | None:
    """What the settings ask for; None where they ask for nothing of the kind.

    Args:
        settings: what to verify.
        trusted: the issuer in the file of trusted keys, where there is one.

    Raises:
        UsageError: a file cannot be read, or the policy needs a proved identity and there are no
            keys to prove it with.
    """
    if trusted is None and settings.issuer_keys is None and settings.signing_policy is None:
        return None
    if settings.type == "any" and (settings.issuer_keys or settings.signing_policy):
        raise UsageError(
            "setting-conflict",
            "an identity is asked for, and type: any takes bundles that state none",
            fix="take type out, or issuer-keys and signing-policy.",
        )
    if (settings.issuer_keys or trusted) and (unproved := settings.expect.keys() & NO_CLAIMS):
        raise UsageError(
            "setting-conflict",
            f"expect asks for {' and '.join(sorted(unproved))}, which no token proves, and "
            "issuer-keys, or issuers in trusted-keys, for a proved identity",
            fix="take them out of expect; workflow_ref says which workflow it was.",
        )
    policy = load(settings.signing_policy) if settings.signing_policy else None
    if policy and policy.policy.identity == "token" and not (settings.issuer_keys or trusted):
        raise UsageError(
            "setting-missing",
            "signing-policy asks for a proved identity, and issuer-keys is not set",
            fix="set issuer-keys to the file of `signer keys snapshot-issuer URL`, or put what it "
            "prints under issuers of trusted-keys.",
        )
    if trusted and settings.issuer_keys:
        raise UsageError(
            "setting-conflict",
            "issuer-keys and trusted-keys both have keys of an issuer",
            fix="take issuer-keys out; the trusted keys may have several snapshots of one issuer.",
        )
    keys = read_snapshot(settings.issuer_keys) if settings.issuer_keys else trusted
    if policy and keys and policy.policy.issuer != keys.issuer:
        raise UsageError(
            "setting-conflict",
            f"the keys given are those of {keys.issuer[:200]}, and the signing policy trusts "
            f"{policy.policy.issuer}",
            fix="make a snapshot of the policy's issuer.",
        )
    return IdentityDemands(keys, policy)


def check_identity(
    statement: Statement,
    evidence: Path,
    demands: IdentityDemands,
    key: "TrustedKey | None",
) -> Answer:
    """Check identity and policy of a statement whose signature was verified.

    Args:
        statement: the verified statement.
        evidence: where the token is kept.
        demands: what is asked for.
        key: the trusted key that verified, where there is a file of them: its ``not_before``
            is the auditor's own date of the key; of that and the statement's the earlier counts.

    Raises:
        VerificationError: ``identity-not-proved`` (of a revoked key ``key-revoked``), or
            ``not-allowed-by-policy``.
    """
    try:
        proved = _prove(statement, evidence, demands.keys) if demands.keys else None
    except VerificationError as error:
        if key is None or key.revoked is None:
            raise
        from signer.verify.trusted import revoked

        raise revoked(key, error.message) from error
    since = key.not_before if key else None
    rule = _rule_for(statement, proved, demands.policy, since) if demands.policy else None
    return Answer(proved, rule)


def _prove(statement: Statement, evidence: Path, keys: IssuerKeys) -> ProvedIdentity:
    predicate = statement.predicate
    if predicate.identity is None:
        raise _not_proved("the statement names no token")
    if predicate.identity.issuer != keys.issuer:
        raise _not_proved(
            f"the statement names the issuer {str(predicate.identity.issuer)[:200]!r}"
        )
    try:
        token = read_small_file(evidence, MAX_TOKEN_BYTES + 1).decode("ascii").strip()
        proved = verify_token(
            token,
            keys,
            audience_for(bytes.fromhex(statement.subject[0].digest.sha256)),
            at=parse_time(predicate.signing.time),
        )
    except OSError as error:
        raise _not_proved(f"{evidence} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise _not_proved(f"{evidence} is no token") from None
    except (GateError, ValueError) as error:
        raise _not_proved(str(error)) from error
    _compare(predicate, proved)
    return proved


def _compare(predicate: Predicate, proved: ProvedIdentity) -> None:
    """Hold all that the statement says of run and identity against the token."""
    identity, run = predicate.identity, predicate.run or Run()
    if identity is None or identity.token_sha256 != proved.sha256:
        raise _not_proved("the statement names another token, or none")
    stated = dict(identity.claims or {})
    for name in Run.model_fields.keys() - NO_CLAIMS:
        value = getattr(run, name)
        if value is not None:
            stated.setdefault(name, value)
            if stated[name] != value:
                raise _not_proved(f"the statement contradicts itself about {name}")
    for name, value in stated.items():
        if proved.claims.get(name) != value:
            raise _not_proved(
                f"the statement says {name} is {value[:200]!r}, and the token "
                f"{str(proved.claims.get(name))[:200]!r}"
            )


def _rule_for(
    statement: Statement,
    proved: ProvedIdentity | None,
    file: PolicyFile,
    since: datetime | None,
) -> str:
    predicate = statement.predicate
    signing = predicate.signing
    stated = predicate.identity.claims if predicate.identity else None
    made = (since, _created(signing.key_created))
    claims = proved.claims if proved else stated or {}
    answer = matching.ask(
        file.policy,
        claims,
        matching.Request(
            provider=signing.provider,
            keys=matching.key_names(
                signing.key_id, predicate.signing_policy.key if predicate.signing_policy else None
            ),
            algorithm=signing.algorithm,
            assurance=Assurance(signing.assurance),
            size=predicate.audit_file.size,
            plain_signature=bool(signing.plain_signature),
            key_created=min((one for one in made if one is not None), default=None),
        ),
        at=parse_time(signing.time),
    )
    try:
        if answer.rule is None:
            raise matching.no_rule(answer)
        dangers = events.dangers(claims, None)
        events.require_named(dangers, answer.rule.name, answer.rule.allow_dangerous)
    except GateError as refusal:
        raise VerificationError(
            "not-allowed-by-policy",
            refusal.message,
            fix="find out how this was signed: the policy you hold does not allow it.",
        ) from None
    return answer.rule.name


def _created(text: str | None) -> datetime | None:
    try:
        return parse_time(text) if text else None
    except ValueError:
        raise malformed(f"keyCreated {text!r} is not a time") from None


def _not_proved(detail: str) -> VerificationError:
    return VerificationError(
        "identity-not-proved",
        f"the run's identity is not proved: {detail}",
        fix="get NAME.identity.jwt and the issuer's keys of the day it was signed; without "
        "issuer-keys the run is the word of whoever holds the key.",
    )
