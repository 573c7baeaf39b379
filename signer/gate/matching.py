"""Which rule decides, and why the others do not: one code for signing, verifying and asking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from signer.assurance import Assurance
from signer.errors import GateError
from signer.gate import key_age
from signer.gate.globs import matches
from signer.gate.policy import MaySignWith, Rule, SigningPolicy


@dataclass(frozen=True, slots=True)
class Request:
    """With what a run wants to sign; None is a thing that is not known yet, and not asked.

    Attributes:
        provider: the value of ``POLICY_SIGNING_PROVIDER``.
        keys: every full name of the key: its identifier, and the alias it was asked for by.
        algorithm: AWS's name.
        assurance: what the key gives.
        size: of the audit file, in bytes.
        plain_signature: whether a plain signature is asked for too.
        key_created: when the key was made (aware). None where that is not known, and a rule with
            ``max_key_age`` does not match then.
    """

    provider: str
    keys: tuple[str, ...]
    algorithm: str
    assurance: Assurance
    size: int | None = None
    plain_signature: bool = False
    key_created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison: what a rule wants, what there is, and whether that matches."""

    name: str
    wanted: str
    actual: str | None
    matched: bool


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """One rule and its comparisons, claim by claim."""

    rule: Rule
    lines: tuple[Line, ...]

    @property
    def matched(self) -> bool:
        """Whether every line matches."""
        return all(line.matched for line in self.lines)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the policy says; ``rule`` is the first that matches, None where none does."""

    rules: tuple[RuleAnswer, ...]

    @property
    def rule(self) -> Rule | None:
        """The rule that allows."""
        return next((one.rule for one in self.rules if one.matched), None)


def key_names(key_id: str, asked: str | None) -> tuple[str, ...]:
    """Every full name of a key that a policy may use.

    An alias of AWS KMS counts in full only, with the Region and account of the key behind it:
    ``alias/audit`` of another account is another key.

    Args:
        key_id: the full identifier that the provider answered with.
        asked: the name it was asked for by, such as ``alias/audit``.
    """
    names = [key_id]
    if asked and key_id.startswith("arn:"):
        account = ":".join(key_id.split(":")[:5]) + ":"
        alias = asked if asked.startswith("arn:") else account + asked
        if alias.startswith(account + "alias/"):
            names.append(alias)
    elif asked and asked.startswith("alias/") and key_id.startswith("urn:policy-audit:kms:"):
        names.append(asked)
    if key_id.startswith("https://") and key_id.count("/") == 5:
        names.append(key_id.rsplit("/", 1)[0])
    return tuple(names)


def ask(
    policy: SigningPolicy,
    claims: Mapping[str, str],
    request: Request | None = None,
    *,
    at: datetime | None = None,
) -> Answer:
    """Compare every rule with the claims and, where it is known, with what signs.

    Args:
        policy: the rules.
        claims: the run's, under GitHub's names; one that is absent matches nothing.
        request: with what it wants to sign; None asks about the claims only.
        at: when it signs (aware); None for now.
    """
    moment = at or datetime.now(UTC)
    return Answer(
        tuple(
            RuleAnswer(
                rule,
                (
                    *_claims(rule, claims),
                    *(_request(rule.may_sign_with, request, moment) if request else ()),
                ),
            )
            for rule in policy.rules
        )
    )


def no_rule(answer: Answer) -> GateError:
    """The refusal where no rule allows: the nearest rule and what it misses."""
    nearest = min(answer.rules, key=lambda one: sum(not line.matched for line in one.lines))
    missed = [line for line in nearest.lines if not line.matched]
    told = "; ".join(f"{x.name} is {_shown(x.actual)}, wanted {x.wanted}" for x in missed)
    fix = (
        "sign from a run that the policy allows, or have its owner add a rule; "
        "`signer policy check POLICY --claims FILE` explains it claim by claim."
    )
    if [line.name for line in missed] == ["max_key_age"]:
        fix = "rotate the key (docs/gate.md, Key age); what it signed until now stays verifiable."
    return GateError(
        "not-allowed",
        f"no rule of the signing policy allows this; nearest is {nearest.rule.name!r}: {told}",
        fix=fix,
    )


def _claims(rule: Rule, claims: Mapping[str, str]) -> list[Line]:
    lines = []
    for name, patterns in rule.runs.named().items():
        actual = claims.get(name)
        matched = actual is not None and any(matches(pattern, actual) for pattern in patterns)
        lines.append(Line(name, " or ".join(patterns), actual, matched))
    return lines


def _request(allowed: MaySignWith, request: Request, at: datetime) -> list[Line]:
    lines = [_one_of("provider", allowed.provider, request.provider)]
    if allowed.key is not None:
        matched = any(matches(pattern, key) for pattern in allowed.key for key in request.keys)
        lines.append(Line("key", " or ".join(allowed.key), " = ".join(request.keys), matched))
    if allowed.algorithm is not None:
        lines.append(_one_of("algorithm", allowed.algorithm, request.algorithm))
    lines.append(
        Line(
            "minimum_assurance",
            allowed.minimum_assurance,
            request.assurance,
            request.assurance.covers(allowed.minimum_assurance),
        )
    )
    if allowed.max_key_age is not None:
        lines.append(_key_age(allowed.max_key_age, request.key_created, at))
    if allowed.max_audit_file is not None and request.size is not None:
        fits = request.size <= allowed.max_audit_file
        size = f"{request.size} bytes"
        lines.append(Line("max_audit_file", f"{allowed.max_audit_file} bytes", size, fits))
    if request.plain_signature:
        allows = "true" if allowed.plain_signature else "false"
        lines.append(Line("plain_signature", allows, "true", allowed.plain_signature))
    return lines


def _key_age(limit: timedelta, created: datetime | None, at: datetime) -> Line:
    wanted = f"at most {key_age.told(limit)}"
    if created is None:
        return Line("max_key_age", wanted, "not known", matched=False)
    age = key_age.age_of(created, at)
    actual = key_age.told(max(age, timedelta(0)))
    if age < -key_age.CLOCK_SKEW:
        actual = f"of a key made {key_age.told(age)} later: a clock is wrong"
    return Line("max_key_age", wanted, actual, key_age.fits(age, limit))


def _one_of(name: str, wanted: Sequence[str], actual: str) -> Line:
    return Line(name, " or ".join(wanted), actual, actual in wanted)


def _shown(actual: str | None) -> str:
    return "absent" if actual is None else repr(actual[:200])
