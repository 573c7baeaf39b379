"""The signing policy as Azure enforces it: an application for each rule, and its role on each key.

Sources: Microsoft Learn, "Flexible federated identity credentials" (of August 2026: operators,
claims and issuers, and that GitHub's need ``repository_id`` or ``repository_owner_id`` beside
``sub``), "Mutable subjects in federated identity credentials", "Important considerations and
restrictions for federated identity credentials" (20 of them, 600 characters), "Provide access to
Key Vault keys with Azure role-based access control". A plain credential compares the whole subject;
a flexible one, a preview, has ``eq``, ``matches`` (``*`` is any text, ``?`` one character) and
``and``, but no ``or``: a list becomes several credentials.
"""

import hashlib
import re
from collections.abc import Iterator
from itertools import product
from typing import Any

from signer.crypto.algorithms import KEY_SPECS, azure_name
from signer.gate.compile import subjects
from signer.gate.compile.rules import (
    algorithms_of,
    claims_left,
    keys_of,
    limits_left,
    refused,
    require_wild,
    role_names,
    rules_for,
    unpinned_left,
)
from signer.gate.globs import is_glob
from signer.gate.policy import GITHUB_ISSUER, Rule, SigningPolicy

# What signer's Azure providers ask GitHub's token for.
AUDIENCE = "api://AzureADTokenExchange"
MOST_CREDENTIALS = 20
LONGEST_SUBJECT = 600

_IDS = ("repository_owner_id", "repository_id")
_FURTHER = (*_IDS, "job_workflow_ref")
_EXPRESSIBLE = ("repository", *_FURTHER, "environment", "ref")
_DATA_ACTIONS = [
    "Microsoft.KeyVault/vaults/keys/read",
    "Microsoft.KeyVault/vaults/keys/sign/action",
]
_HOSTS = r"azure\.net|usgovcloudapi\.net|azure\.cn"
_KEY = re.compile(
    rf"https://([a-z0-9-]+)\.(vault|managedhsm)\.(?:{_HOSTS})/keys/([0-9A-Za-z-]{{1,127}})"
    r"(?:/(\*{1,2}|[0-9a-fA-F]{32}))?"
)


def compile_policy(policy: SigningPolicy) -> dict[str, Any]:
    """The applications and roles, and what Azure cannot express.

    Returns:
        ``roles``: for each, ``rule``, ``name``, ``federated-credentials`` (bodies for Microsoft
        Graph, ``v1.0`` where they have a subject, else ``beta``), ``role-definition`` (for ``az
        role definition create``) and ``role-assignments`` (``key``, ``vault`` and ``scope``);
        SUBSCRIPTION and GROUP stand for the vault's. ``not-expressed``: lines to read.

    Raises:
        UsageError: ``policy-not-compilable``: no rule is for Azure, or what would be compiled
            were wider than the rule.
    """
    rules = rules_for(policy, "azure")
    names = role_names(rules, policy.issuer)
    roles = [_role(rule, names[rule.name], policy.issuer) for rule in rules]
    return {
        "roles": roles,
        "not-expressed": [
            *(line for rule in rules for line in _left(rule, policy.issuer)),
            unpinned_left("Azure"),
        ],
    }


def _role(rule: Rule, name: str, issuer: str) -> dict[str, Any]:
    if not any(azure_name(one.name, spec) for one in algorithms_of(rule) for spec in KEY_SPECS):
        algorithms = " or ".join(rule.may_sign_with.algorithm or ())
        raise refused(rule.name, f"no key of Azure signs with {algorithms}")
    matches: list[dict[str, str]] = []
    for match in _matches(rule, issuer):
        if match not in matches:
            matches.append(match)
        if len(matches) > MOST_CREDENTIALS:
            break
    if len(matches) > MOST_CREDENTIALS:
        raise refused(
            rule.name,
            f"it needs more than {MOST_CREDENTIALS} federated credentials, and no application "
            "can have them: make several rules of it",
        )
    # Versions of one key have one scope, and so have spellings: names of keys have no case.
    vault_keys = {(key[1], key[3].lower()): key[3] for key in _keys(rule) if key[2] == "vault"}
    return {
        "rule": rule.name,
        "name": name,
        "federated-credentials": [_credential(rule, issuer, one) for one in matches],
        "role-definition": {
            "Name": name,
            "Description": f"Signing policy: {rule.name}",
            "IsCustom": True,
            "Actions": [],
            "NotActions": [],
            "DataActions": _DATA_ACTIONS,
            "NotDataActions": [],
            "AssignableScopes": ["/subscriptions/SUBSCRIPTION"],
        },
        "role-assignments": [
            {
                "vault": vault,
                "key": key,
                "scope": "/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/"
                f"Microsoft.KeyVault/vaults/{vault}/keys/{key}",
            }
            for (vault, _), key in vault_keys.items()
        ],
    }


def _matches(rule: Rule, issuer: str) -> Iterator[dict[str, str]]:
    """What each credential compares, by claim; a value with ``*`` is a pattern."""
    named = rule.runs.named()
    for claim in _EXPRESSIBLE:
        for pattern in named.get(claim, ()):
            require_wild(rule, claim, pattern, special="'\\", cloud="Entra")
    for claim in _IDS:
        if any(is_glob(pattern) for pattern in named.get(claim, ())):
            raise refused(rule.name, f"{claim} is a glob, and Entra compares it with eq only")
    values = [
        subjects.repositories(rule),
        subjects.contexts(rule),
        *(named.get(claim, ("",)) for claim in _FURTHER),
    ]
    for repository, end, *further in product(*map(dict.fromkeys, values)):
        said = {claim: subjects.wild(one) for claim, one in zip(_FURTHER, further, strict=True)}
        said = {claim: one for claim, one in said.items() if one}
        yield from _match(rule, issuer, repository, end, said)


def _match(
    rule: Rule, issuer: str, repository: str, end: str, said: dict[str, str]
) -> Iterator[dict[str, str]]:
    ids = [said.get(claim) for claim in _IDS]
    for subject, immutable in (
        (subjects.by_name(repository, end), False),
        (subjects.immutable(repository, end, *ids), True),
    ):
        exact = "*" not in subject
        beside = {} if issuer != GITHUB_ISSUER else said
        if immutable and exact and not said.keys() - set(_IDS):
            beside = {}
        if exact and not beside:
            yield {"sub": subject}
        elif beside.keys() & set(_IDS):
            yield {"sub": subject, **beside}
        elif not immutable:  # without ids there is no immutable form: that is listed
            raise refused(
                rule.name,
                "its runs have no one exact subject, and an expression needs GitHub's own issuer "
                "and, beside the repository, a repository_id or repository_owner_id",
            )


def _credential(rule: Rule, issuer: str, match: dict[str, str]) -> dict[str, Any]:
    if len(match["sub"]) > LONGEST_SUBJECT:
        raise refused(rule.name, f"its subject has more than {LONGEST_SUBJECT} characters")
    expression = " and ".join(_term(rule, claim, value) for claim, value in match.items())
    digest = hashlib.sha256(expression.encode()).hexdigest()[:8]
    what: dict[str, Any] = {"subject": match["sub"]}
    if len(match) > 1:
        what = {"claimsMatchingExpression": {"value": expression, "languageVersion": 1}}
    return {
        "name": f"github-{digest}",
        "description": f"Signing policy: {rule.name}",
        "issuer": issuer,
        "audiences": [AUDIENCE],
        **what,
    }


def _term(rule: Rule, claim: str, value: str) -> str:
    if "*" not in value:
        return f"claims['{claim}'] eq '{value}'"
    if "?" in value:
        raise refused(rule.name, f"{claim} would match {value!r}, and ? means something to Entra")
    return f"claims['{claim}'] matches '{value}'"


def _keys(rule: Rule) -> list[re.Match[str]]:
    found = []
    for name in keys_of(rule, "https://"):
        match = _KEY.fullmatch(name)
        if match is None:
            raise refused(
                rule.name,
                f"{name!r} is not the whole identifier of one key of Azure, such as "
                "https://NAME.vault.azure.net/keys/KEY",
            )
        found.append(match)
    return found


def _left(rule: Rule, issuer: str) -> list[str]:
    named, allowed = rule.runs.named(), rule.may_sign_with
    seen, why = set(_EXPRESSIBLE), "Entra does not evaluate it"
    if issuer != GITHUB_ISSUER:
        seen -= set(_FURTHER)
        why = f"of {issuer} Entra evaluates the subject only"
    lines = claims_left(rule, named.keys() - seen - {"ref"}, why)
    if "environment" in named:
        lines += claims_left(
            rule,
            ["ref"],
            "the subject of a job with an environment has no ref; `--for github` limits which "
            "refs may use the environment",
        )
    elif subjects.contexts(rule) != ["*"]:
        lines.append(
            f"{rule.name}: a job with an environment is refused by Azure, whatever its ref: name "
            "the environment"
        )
    if not named.keys() & set(_IDS):
        lines.append(
            f"{rule.name}: names no id: whoever gets the repository's name gets the role, and a "
            "repository with immutable subjects does not get it"
        )
    if allowed.algorithm is not None:
        algorithms = " or ".join(allowed.algorithm)
        lines.append(f"{rule.name}: algorithm must be {algorithms}: Azure limits it by key only")
    return lines + _keys_left(rule) + limits_left(rule, "Key Vault")


def _keys_left(rule: Rule) -> list[str]:
    lines = []
    for key in _keys(rule):
        if key[3] != key[3].lower():
            lines.append(
                f"{rule.name}: {key[0]}: Azure's names of keys have no case, and the gate's have: "
                "the role opens the key however it is spelled"
            )
        if not key[0].startswith(f"https://{key[1]}.{key[2]}.azure.net/"):
            lines.append(
                f"{rule.name}: {key[0]} is in a sovereign cloud: the audience is {AUDIENCE} there "
                "too, because signer asks for that; what else signs in must do so too"
            )
        if key[2] == "managedhsm":
            lines.append(
                f"{rule.name}: {key[0]} is in a Managed HSM, whose roles are its own: "
                "docs/azure.md has the two commands"
            )
        elif key[4] and "*" not in key[4]:
            lines.append(f"{rule.name}: {key[0]}: the role holds for every version of the key")
    return lines
