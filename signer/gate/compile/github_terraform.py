"""What is compiled for GitHub as Terraform: environments, their refs, rulesets, the policy's pin.

Sources: the documentation of ``integrations/github`` 6: ``github_repository_environment``,
``github_repository_environment_deployment_policy``, ``github_repository_ruleset``,
``github_actions_organization_variable``, ``github_repository`` (data source). It has nothing yet
for immutable subjects.
"""

from typing import Any

from signer.gate.compile.github import VARIABLE, compile_policy
from signer.gate.compile.protection import (
    Environment,
    Pin,
    environments_of,
    pins_of,
    repositories_of,
    rulesets_of,
)
from signer.gate.compile.terraform import aliases, document, labels, literal
from signer.gate.policy import SigningPolicy

_PROVIDERS = {"github": {"source": "integrations/github", "version": ">= 6.0"}}
_REVIEWERS = "var.reviewer_team_ids"


def terraform(policy: SigningPolicy, sha256: str) -> dict[str, Any]:
    """The same in Terraform's JSON syntax; optional reviewers are the variable's.

    Args:
        policy: the policy.
        sha256: the digest of its file, hex, to pin.

    Raises:
        UsageError: ``policy-not-compilable``.
    """
    compiled = compile_policy(policy, sha256)
    repositories = list(repositories_of(policy))
    pins = pins_of(policy)
    places = aliases("github", (one.owner for one in pins))
    names = labels(repositories)
    variable = {
        "type": "list(number)",
        "default": [],
        "description": "Ids of teams (at most six) of whom one approves each run.",
    }
    return document(
        _PROVIDERS,
        {
            "variable": {"reviewer_team_ids": variable},
            "data": {
                "github_repository": {
                    name: {**places[_owner(one)], "full_name": literal(one)}
                    for one, name in names.items()
                }
            },
            "resource": {
                **_environments(environments_of(policy), places),
                "github_repository_ruleset": _rulesets(policy, places),
                "github_actions_organization_variable": _pins(pins, names, places, sha256),
            },
        },
        used=places.values(),
        not_expressed=compiled["not-expressed"],
    )


def _environments(
    environments: list[Environment], places: dict[str, dict[str, str]]
) -> dict[str, dict[str, Any]]:
    found: dict[str, Any] = {}
    refs: dict[str, Any] = {}
    names = labels(f"{one.repository} {one.name}" for one in environments)
    for one in environments:
        name = names[f"{one.repository} {one.name}"]
        common = {
            **places[_owner(one.repository)],
            "repository": literal(one.repository.partition("/")[2]),
        }
        found[name] = {
            **common,
            "environment": literal(one.name),
            "prevent_self_review": f"${{length({_REVIEWERS}) > 0}}",
            "dynamic": {
                "reviewers": {
                    "for_each": f"${{length({_REVIEWERS}) > 0 ? [1] : []}}",
                    "content": {"teams": f"${{{_REVIEWERS}}}"},
                }
            },
        }
        if one.branch_policy:
            found[name]["deployment_branch_policy"] = one.branch_policy
        if one.branch_policy and one.limited:
            for kind, pattern in one.patterns:
                refs[f"{name} {kind} {pattern}"] = {
                    **common,
                    "environment": f"${{github_repository_environment.{name}.environment}}",
                    f"{kind}_pattern": literal(pattern),
                }
    return {
        "github_repository_environment": found,
        "github_repository_environment_deployment_policy": {
            label_: refs[ref] for ref, label_ in labels(refs).items()
        },
    }


def _rulesets(policy: SigningPolicy, places: dict[str, dict[str, str]]) -> dict[str, Any]:
    found = {}
    for one in rulesets_of(policy):
        body = one["body"]
        rules: dict[str, Any] = {}
        for rule in body["rules"]:
            rules[rule["type"]] = rule.get("parameters", True)
        found[f"{one['repository']} {body['name']}"] = {
            **places[_owner(one["repository"])],
            "repository": literal(one["repository"].partition("/")[2]),
            "name": literal(body["name"]),
            "target": body["target"],
            "enforcement": body["enforcement"],
            "conditions": literal(body["conditions"]),
            "rules": rules,
        }
    return {name: found[one] for one, name in labels(found).items()}


def _pins(
    pins: list[Pin], names: dict[str, str], places: dict[str, dict[str, str]], sha256: str
) -> dict[str, Any]:
    owners = labels(places)
    found: dict[str, Any] = {}
    for one in pins:
        found[owners[one.owner]] = {
            **places[one.owner],
            "variable_name": VARIABLE,
            "value": sha256,
            "visibility": "all" if one.everywhere else "selected",
        }
        if not one.everywhere:
            found[owners[one.owner]]["selected_repository_ids"] = [
                f"${{data.github_repository.{names[its]}.repo_id}}" for its in one.repositories
            ]
    return found


def _owner(repository: str) -> str:
    return repository.partition("/")[0]
