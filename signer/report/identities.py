"""Who asked for the signature, for the step summary: what is proved, and what is only said."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from signer.audit.statement import CLAIMED, PROVED
from signer.github.summary import cell, code, table

if TYPE_CHECKING:  # only runs with a signing policy load the gate, and one job never the other
    from signer.sign.signing import SignedAudit
    from signer.verify.verdict import Verified

_HEAD = ("Audit file", "Identity", "Claims", "Rule", "Signing policy")


def signed_identities(audits: Iterable["SignedAudit"]) -> str:
    """What the gate went by for each audit file, as an HTML table.

    Args:
        audits: what was signed.
    """
    rows = []
    for one in audits:
        permit = one.permit
        if permit is None:
            said: tuple[str, str, str] = ("", "", "none: every run may sign")
            rows.append((code(one.subject), cell(CLAIMED), *said))
            continue
        proof = permit.proved
        rows.append(
            (
                code(one.subject),
                f"{cell(PROVED)} ({code(permit.issuer)})"
                if proof
                else f"the runner's variables: {cell(CLAIMED)}",
                _claims(permit.stated),
                code(permit.rule.name),
                code(f"sha256:{permit.policy_sha256}"),
            )
        )
    return table(_HEAD, rows)


def checked_identities(verified: Mapping[str, "Verified"]) -> str:
    """What verified statements say of their identity, and whether it is proved; empty for none.

    Args:
        verified: what was verified, by the audit file's name.
    """
    rows = []
    for name, one in verified.items():
        if one.statement is None:
            continue
        identity = one.statement.predicate.identity
        policy = one.statement.predicate.signing_policy
        rule = code(policy.rule) + f" ({CLAIMED})" if policy else ""
        if one.allowed_by:
            rule = f"{code(one.allowed_by)} of the policy that was given" + (rule and f"<br>{rule}")
        rows.append(
            (
                code(name),
                f"<b>{cell(PROVED)}</b>" if one.identity_proved else cell(CLAIMED),
                _claims(identity.claims or {}) if identity else "",
                rule,
                code(f"sha256:{policy.digest.sha256}") + f" ({CLAIMED})" if policy else "",
            )
        )
    return table(_HEAD, rows) if rows else ""


def _claims(claims: Mapping[str, str]) -> str:
    return "<br>".join(f"{code(name)}: {code(value)}" for name, value in claims.items())
