"""Rules and runs for property tests: most runs meet their rule in all claims but a few."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

Values = Mapping[str, Sequence[str]]


@st.composite
def runs(
    draw: st.DrawFn, patterns: Values, always: Iterable[str] = (), most: int = 4
) -> dict[str, Any]:
    """What a rule may say of runs.

    Args:
        draw: Hypothesis'.
        patterns: those to choose from, by claim.
        always: the claims that are always named, beside ``repository``.
        most: how many further ones at most.
    """
    names = {"repository", *always}
    names |= draw(st.sets(st.sampled_from(sorted(patterns)), max_size=most))
    few = {
        name: st.lists(st.sampled_from(patterns[name]), min_size=1, max_size=2, unique=True)
        for name in sorted(names)
    }
    drawn: dict[str, Any] = draw(st.fixed_dictionaries(few))
    return drawn


@st.composite
def hostile_cases(
    draw: st.DrawFn, values: Values, patterns: Values
) -> tuple[dict[str, Any], dict[str, str]]:
    """A rule, and a run whose environment was named by somebody who has read the rule.

    An environment can have any name: here it ends as a subject that the rule allows does.

    Args:
        draw: Hypothesis'.
        values: what a run's claims can be.
        patterns: what a rule's can be.
    """
    named = draw(runs(patterns, most=1))
    run = {claim: draw(st.sampled_from(possible)) for claim, possible in values.items()}
    filled = draw(st.sampled_from(named["repository"])).replace("**", draw(st.sampled_from("a/")))
    ends = [f"{claim}:{one}" for claim in ("environment", "ref") for one in values[claim]]
    end = draw(st.sampled_from(["b", *ends]))
    start = draw(st.sampled_from(["", "x:", "x/", "@", "repo:"]))
    run["environment"] = start + draw(st.sampled_from([f"{filled}:{end}", end]))
    return named, {**run, "event_name": "push"}


@st.composite
def cases(
    draw: st.DrawFn, values: Values, patterns: Values, always: Iterable[str] = ()
) -> tuple[dict[str, Any], dict[str, str]]:
    """A rule, and a run.

    Args:
        draw: Hypothesis'.
        values: what a run's claims can be.
        patterns: what a rule's can be.
        always: the claims that a rule always names, beside ``repository``.
    """
    named = draw(runs(patterns, always))
    run = {}
    other = draw(st.sets(st.sampled_from(sorted(values)), max_size=2))
    for claim, possible in values.items():
        met = [value for value in possible if value in named.get(claim, possible)]
        run[claim] = draw(st.sampled_from(possible if claim in other or not met else met))
    if draw(st.booleans()) and ("environment" not in named or "environment" in other):
        del run["environment"]
    run["event_name"] = "pull_request" if run["ref"].startswith("refs/pull/") else "push"
    return named, run
