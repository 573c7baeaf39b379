"""The signing policy as GitHub enforces it: who may use an environment, as steps to carry out.

An environment is what ties a rule to a ref where a cloud sees only the subject: a job that names
it waits for GitHub, which looks at the ref first. Sources: GitHub REST API, "Deployment
environments", "Deployment branch policies", "Rules", "Actions variables", "Actions OIDC".
"""

from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Any
from urllib.parse import quote

from signer.gate.compile.protection import (
    Environment,
    environments_of,
    ids_of,
    may_share,
    patterns_of,
    repositories_of,
    rulesets_of,
)
from signer.gate.compile.rules import claims_left, refused, require_token
from signer.gate.globs import is_glob
from signer.gate.policy import GITHUB_ISSUER, Rule, SigningPolicy

VARIABLE = "POLICY_SIGNING_POLICY_SHA256"
_HELD = ("repository", "environment", "ref", "ref_protected")


def compile_policy(policy: SigningPolicy, sha256: str) -> dict[str, Any]:
    """The steps, and what GitHub cannot express.

    Args:
        policy: the policy.
        sha256: the digest of its file, hex, to pin.

    Returns:
        ``policy-digest``; ``steps``: for each, ``rules``, ``text``, and of the REST API
        ``method``, ``path`` and ``body``; ``not-expressed``: lines to read.

    Raises:
        UsageError: ``policy-not-compilable``: no rule names a repository exactly.
    """
    require_token(policy)
    environments, repositories = environments_of(policy), repositories_of(policy)
    if not repositories:
        raise refused(
            "the policy",
            "no rule names a repository exactly: set the "
            f"organization's variable {VARIABLE} to {sha256} by hand",
        )
    steps = [step for one in environments for step in _environment_steps(one)]
    steps += [_ruleset_step(one) for one in rulesets_of(policy)]
    steps += _pin_steps(repositories, ids_of(policy), sha256)
    if policy.issuer == GITHUB_ISSUER:
        steps += [_subject_step(name, rules) for name, rules in repositories.items()]
    return {
        "policy-digest": f"sha256:{sha256}",
        "steps": steps,
        "not-expressed": [
            *(line for rule in policy.rules for line in _left(rule)),
            *(line for one in environments for line in _protected(one, policy)),
            *_shared(environments, policy),
        ],
    }


def _environment_steps(one: Environment) -> list[dict[str, Any]]:
    path = f"/repos/{one.repository}/environments/{quote(one.name, safe='')}"
    where = f"the environment {one.name} of {one.repository}"
    limit: dict[str, Any] = {"deployment_branch_policy": one.branch_policy}
    whose = "any ref"
    if one.branch_policy:
        whose = "the refs of the rules only" if one.limited else "protected branches only"
    steps = [_step(one.rules, f"create {where}, for {whose}", "PUT", path, limit)]
    if one.branch_policy and one.limited:
        steps += [
            _step(
                one.rules,
                f"let the {kind} {pattern} use {where}",
                "POST",
                f"{path}/deployment-branch-policies",
                {"name": pattern, "type": kind},
            )
            for kind, pattern in one.patterns
        ]
    reviewed = {**limit, "prevent_self_review": True, "reviewers": [{"type": "Team", "id": "ID"}]}
    return [
        *steps,
        _step(
            one.rules,
            f"optional, where a person should approve each run: reviewers of {where} (ID: "
            "`gh api /orgs/ORGANIZATION/teams/TEAM --jq .id`)",
            "PUT",
            path,
            reviewed,
        ),
    ]


def _ruleset_step(one: dict[str, Any]) -> dict[str, Any]:
    [ref] = one["body"]["conditions"]["ref_name"]["include"]
    return _step(
        one["rules"],
        f"protect {ref} of {one['repository']}, so that ref_protected is true",
        "POST",
        f"/repos/{one['repository']}/rulesets",
        one["body"],
    )


def _pin_steps(
    repositories: Mapping[str, list[str]], ids: Mapping[str, int], sha256: str
) -> list[dict[str, Any]]:
    owners: dict[str, list[str]] = {}
    for repository in repositories:
        owners.setdefault(repository.partition("/")[0], []).append(repository)
    return [
        _step(
            dict.fromkeys(rule for one in its for rule in repositories[one]),
            f"pin the policy where no branch reaches: signing-policy-sha256: ${{{{ vars.{VARIABLE} "
            f"}}}} in the workflows of {', '.join(its)} (ID: `gh api /repos/{its[0]} --jq .id`; "
            f"where it is there already: PATCH and /orgs/{owner}/actions/variables/{VARIABLE}; a "
            "user has no such variables: /repos/OWNER/NAME/actions/variables)",
            "POST",
            f"/orgs/{owner}/actions/variables",
            {
                "name": VARIABLE,
                "value": sha256,
                "visibility": "selected",
                "selected_repository_ids": [ids.get(one, f"ID of {one}") for one in its],
            },
        )
        for owner, its in owners.items()
    ]


def _subject_step(repository: str, rules: list[str]) -> dict[str, Any]:
    return _step(
        rules,
        f"optional: put ids into the subjects of {repository}, which then outlive its name; first "
        "see that every cloud that trusts it takes them",
        "PUT",
        f"/repos/{repository}/actions/oidc/customization/sub",
        {"use_default": True, "use_immutable_subject": True},
    )


def _left(rule: Rule) -> list[str]:
    runs = rule.runs
    named = runs.named()
    lines = []
    if runs.environment is None:
        lines.append(f"{rule.name}: names no environment: GitHub holds its runs to nothing")
    for claim in ("repository", "environment"):
        lines += [
            f"{rule.name}: {claim} is {pattern!r}: do the steps for each that there is"
            for pattern in named.get(claim, ())
            if is_glob(pattern)
        ]
    if "repository" not in named:
        lines.append(f"{rule.name}: names no repository: the steps need its name")
    held = set(_HELD) if runs.environment else {"repository"}
    if runs.ref_protected != ("true",):
        held.discard("ref_protected")
    lines += claims_left(rule, named.keys() - held, "GitHub does not look at it")
    for ref in runs.ref or ():
        if runs.environment and not patterns_of(ref):
            lines.append(f"{rule.name}: ref {ref}: no pattern of GitHub's says the same: left out")
    return lines


def _protected(one: Environment, policy: SigningPolicy) -> list[str]:
    """What is left where a rule asks for a protected ref of any name."""
    asking = [
        rule.name for rule in policy.rules if rule.name in one.rules and rule.runs.ref is None
    ]
    if one.branch_policy is None or not asking:
        return []
    where = f"{', '.join(asking)}: the environment {one.name} of {one.repository}"
    if one.limited:
        return [f"{where} takes the refs of other rules only: name the rule's refs too"]
    told = (
        f"{where} is for protected branches only, and where the repository has no branch "
        "protection rule GitHub lets every branch in; whether rulesets count is not documented: "
        "name the rule's refs"
    )
    return [told]


def _shared(environments: list[Environment], policy: SigningPolicy) -> list[str]:
    lines, told = [], set()
    for one in environments:
        rules = list(dict.fromkeys(one.rules))
        told |= set(combinations(rules, 2))
        if len(rules) > 1:
            lines.append(
                f"{one.repository}: the environment {one.name} is named by {', '.join(rules)}: the "
                "refs of each may use it for the others; give each an environment of its own"
            )
    for number, rule in enumerate(policy.rules, 1):
        others = [
            other.name
            for other in policy.rules[number:]
            if (rule.name, other.name) not in told and may_share(rule, other)
        ]
        if others:
            lines.append(
                f"{rule.name}: its environment can be one of {', '.join(others)}: the refs of each "
                "may use it for the others; give each an environment of its own"
            )
    return lines


def _step(
    rules: Iterable[str], text: str, method: str, path: str, body: dict[str, Any]
) -> dict[str, Any]:
    return {
        "rules": list(dict.fromkeys(rules)),
        "text": text,
        "method": method,
        "path": path,
        "body": body,
    }
