"""The signing policy: whether it counts here, and which of its rules would allow this run."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from signer.doctor.check import Check, fail, ok, skip, warn
from signer.errors import GateError, SignerError
from signer.providers import Provider
from signer.settings.models import SignSettings
from signer.sign.stating import request_for

if TYPE_CHECKING:
    from signer.gate.decide import Gate
    from signer.gate.matching import RuleAnswer
    from signer.gate.policy import Rule

_SHOWN = 20


def load_policy(settings: SignSettings, environ: Mapping[str, str]) -> "tuple[Gate | None, Check]":
    """The gate, and the check ``signing-policy``.

    Args:
        settings: where the policy is, and what pins it.
        environ: the step's environment.
    """
    from signer.gate.decide import open_gate

    try:
        gate = open_gate(settings, environ)
    except SignerError as error:
        return None, fail("signing-policy", error)
    if gate is None:
        return None, skip("signing-policy", "no signing-policy is set: every run may sign")
    policy = gate.file.policy
    count = len(policy.rules)
    word = policy.identity == "environment"
    where = "nowhere" if word else "on protected refs only"
    told = (
        f"{gate.file.path}: {count} rule{'s' if count > 1 else ''}, sha256:{gate.file.sha256}, "
        f"{'pinned' if gate.pinned else f'not pinned outright: it counts {where}'}"
    )
    if word:
        return gate, warn(
            "signing-policy",
            f"{told}; identity: environment, which any step of the job can set",
            fix="take identity: environment out of the policy, and give the job `id-token: write`.",
        )
    return gate, ok("signing-policy", told)


def decide(
    gate: "Gate | None",
    claims: Mapping[str, str] | None,
    provider: Provider | None,
    settings: SignSettings,
    size: int | None,
    key_created: datetime | None,
) -> "tuple[Rule | None, Check]":
    """The rule that allows, or would but for the key's age; and the check ``signing-rule``.

    Args:
        gate: None where there is no signing policy, or one that does not load.
        claims: the run's; None where they are not known.
        provider: the key; None where it could not be had, and only the run is looked at.
        settings: with what is to be signed.
        size: of the largest audit file, in bytes; None where there is none yet.
        key_created: when the key was made (aware); None where that is not known.
    """
    if gate is None:
        loads = settings.signing_policy is None
        why = "no signing-policy is set" if loads else "it does not load: see signing-policy"
        return None, skip("signing-rule", why)
    from signer.gate.matching import ask

    if gate.file.policy.identity == "environment":
        from signer.gate.identity import environment_claims

        claims = environment_claims(gate.environ)
    if claims is None:
        return None, skip("signing-rule", "the run's claims are not known: see token")
    request = request_for(settings, provider, size, key_created) if provider else None
    try:
        rule = gate.decide(claims, request)
    except GateError as error:
        if error.code != "not-allowed":
            return None, fail("signing-rule", error)
        answers = ask(gate.file.policy, claims, request).rules
        aged = (one.rule for one in answers if _missed(one) == ["max_key_age"])
        return next(aged, None), fail("signing-rule", error, _explained(answers))
    if provider is None:
        return rule, skip(
            "signing-rule", f"{rule.name!r} fits this run; whether it allows the key is not known"
        )
    without = "" if size is not None else " (for an audit file of any size: none is named)"
    return rule, ok("signing-rule", f"{rule.name!r} allows this{without}")


def _explained(answers: "Sequence[RuleAnswer]") -> str:
    """Why no rule allows, rule by rule and claim by claim."""
    lines = ["no rule of the signing policy allows this:"]
    for one in answers[:_SHOWN]:
        missed = "; ".join(
            f"{line.name} is {'absent' if line.actual is None else repr(line.actual[:200])}, "
            f"wanted {line.wanted}"
            for line in one.lines
            if not line.matched
        )
        lines.append(f"- {one.rule.name}: {missed}")
    if len(answers) > _SHOWN:
        lines.append(f"- and {len(answers) - _SHOWN} more")
    return "\n".join(lines)


def _missed(answer: "RuleAnswer") -> list[str]:
    return [line.name for line in answer.lines if not line.matched]
