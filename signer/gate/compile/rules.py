"""What every cloud asks of a rule: its keys, a name for its role, and what is left to the gate."""

import hashlib
import json
import re
from collections.abc import Iterable

from signer.crypto.algorithms import ALGORITHMS, Algorithm, Scheme
from signer.errors import UsageError
from signer.gate.key_age import told
from signer.gate.policy import Rule, SigningPolicy

_LONGEST_NAME = 64  # IAM roles; Entra and Azure take more
_PREFIX = "policy-audit-"


def rules_for(policy: SigningPolicy, cloud: str) -> list[Rule]:
    """The rules that sign with a cloud's providers.

    Args:
        policy: the policy.
        cloud: how the names of its providers begin: ``aws``, ``azure``.

    Raises:
        UsageError: ``policy-not-compilable``: there are none, or identity is not proved at all.
    """
    require_token(policy)
    rules = [rule for rule in policy.rules if _signs_in(rule, cloud)]
    if not rules:
        raise refused("the policy", f"no rule signs with a provider of {cloud}")
    return rules


def require_token(policy: SigningPolicy) -> None:
    """Refuse a policy that takes the runner's word.

    Raises:
        UsageError: ``policy-not-compilable``.
    """
    if policy.identity != "token":
        raise refused("the policy", "identity: environment proves nothing to a cloud")


def role_names(rules: Iterable[Rule], issuer: str) -> dict[str, str]:
    """A name for each rule's role, which no other rule's role has.

    It ends in eight digits of the SHA-256 of what the role is made of: who may sign, and with
    what. So a rule of the same name in another file, or after an edit, has a role of its own, and
    no command joins the trust of one to the permissions of another.

    Args:
        rules: the rules.
        issuer: the policy's.

    Returns:
        by the rule's name.

    Raises:
        UsageError: ``policy-not-compilable``: two rules would still have one role.
    """
    names = {rule.name: _role_name(rule, issuer) for rule in rules}
    for rule, name in names.items():
        other = next((one for one, its in names.items() if its == name and one != rule), None)
        if other is not None:
            raise refused(rule, f"its role would be the one of the rule {other!r}: rename one")
    return names


def keys_of(rule: Rule, starts: str) -> tuple[str, ...]:
    """The rule's keys in one cloud.

    Args:
        rule: the rule.
        starts: how full names of this cloud's keys begin.

    Raises:
        UsageError: ``policy-not-compilable``: it names none, which would be every key.
    """
    allowed = rule.may_sign_with
    clouds = {provider.split("_")[0] for provider in allowed.provider}
    keys = allowed.key or ()
    if len(clouds) > 1:
        keys = tuple(key for key in keys if key.startswith(starts))
    if not keys:
        raise refused(rule.name, "it names no key, and a role for every key is too wide")
    return keys


def algorithms_of(rule: Rule) -> list[Algorithm]:
    """The algorithms that the rule lets keys sign with; where it names none, all but HMAC.

    Args:
        rule: the rule.

    Raises:
        UsageError: ``policy-not-compilable``: it names only those that no key has.
    """
    allowed = rule.may_sign_with.algorithm
    if allowed is None:
        keyless = (Scheme.HASH, Scheme.HMAC)
        return [one for one in ALGORITHMS.values() if one.scheme not in keyless]
    found = [ALGORITHMS[name] for name in allowed if ALGORITHMS[name].scheme is not Scheme.HASH]
    if not found:
        raise refused(rule.name, f"no key signs with {' or '.join(allowed)}")
    return found


def require_wild(rule: Rule, claim: str, pattern: str, *, special: str, cloud: str) -> None:
    """Refuse a pattern that a cloud's ``*``, which crosses ``/``, would make wider.

    Args:
        rule: whose pattern it is.
        claim: its claim.
        pattern: the glob.
        special: further characters that mean something to the cloud.
        cloud: whose ``*`` it is.

    Raises:
        UsageError: ``policy-not-compilable``.
    """
    if "*" in pattern.replace("**", ""):
        raise refused(
            rule.name,
            f"{claim} is {pattern!r}, and {cloud}'s * crosses /: it would allow more than the gate",
        )
    if found := [character for character in special if character in pattern]:
        raise refused(
            rule.name, f"{claim} is {pattern!r}, and {' '.join(found)} means something to {cloud}"
        )


def claims_left(rule: Rule, left: Iterable[str], why: str) -> list[str]:
    """A line for each claim that the rule names and a cloud does not look at.

    Args:
        rule: the rule.
        left: names of claims.
        why: the reason.
    """
    named = rule.runs.named()
    return [
        f"{rule.name}: {claim} must be {' or '.join(named[claim])}: {why}"
        for claim in named
        if claim in left
    ]


def unpinned_left(cloud: str) -> str:
    """What the gate asks of every run where the policy is not pinned.

    Args:
        cloud: who does not.
    """
    return (
        "the policy: unless signing-policy-sha256 pins it, the gate also requires ref_protected to "
        f"be true, which {cloud} does not look at: pin it"
    )


def limits_left(rule: Rule, who: str) -> list[str]:
    """What of a rule no cloud that holds keys looks at.

    Args:
        rule: the rule.
        who: the service that signs.
    """
    lines = []
    if (age := rule.may_sign_with.max_key_age) is not None:
        lines.append(f"{rule.name}: max_key_age is {told(age)}: {who} signs with any enabled key")
    if rule.may_sign_with.max_audit_file is not None:
        lines.append(f"{rule.name}: max_audit_file: {who} sees digests only")
    lines.append(f"{rule.name}: dangerous runs and plain signatures are refused by the gate only")
    return lines


def refused(what: str, detail: str) -> UsageError:
    """The refusal to compile something.

    Args:
        what: the rule's name, or ``the policy``.
        detail: why not.
    """
    return UsageError(
        "policy-not-compilable",
        f"{what} cannot be compiled: {detail}",
        fix="write what is exact, list the values, or use ** where crossing / is meant; "
        "docs/gate-cloud.md says what each cloud can hold a run to.",
    )


def _signs_in(rule: Rule, cloud: str) -> bool:
    return any(provider.startswith(f"{cloud}_") for provider in rule.may_sign_with.provider)


def _role_name(rule: Rule, issuer: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", rule.name.lower()).strip("-")
    opens = rule.may_sign_with
    made_of = [
        issuer, rule.name, rule.runs.named(), opens.provider, opens.key, opens.algorithm
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:8]
    return f"{f'{_PREFIX}{slug}'[: _LONGEST_NAME - 9].rstrip('-')}-{digest}"
