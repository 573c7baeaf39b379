"""The signing policy as AWS enforces it: a role for each rule, its trust and its permissions.

Sources: IAM User Guide, "Available keys for AWS OIDC federation" and "IAM JSON policy elements:
Condition operators"; KMS Developer Guide, "Condition keys". IAM's ``*`` crosses ``/``, so only
``**`` becomes one; a rule with a single ``*`` is refused rather than widened.
"""

import json
import re
from typing import Any

from signer.errors import UsageError
from signer.gate.globs import is_glob
from signer.gate.policy import Rule, SigningPolicy

# The claims that STS evaluates beside sub and aud, of those that a rule can name.
EXPRESSIBLE = ("repository", "repository_id", "job_workflow_ref", "ref", "environment", "actor")
AUDIENCE = "sts.amazonaws.com"

_KEY = re.compile(r"(arn:(aws[a-z-]*):kms:[a-z0-9-]+:(\d{12}):)(key/[A-Za-z0-9-]+|alias/[\w/-]+)")


def compile_policy(policy: SigningPolicy) -> dict[str, Any]:
    """The roles, and what AWS cannot express.

    Returns:
        ``roles``: for each, ``rule``, ``name``, ``trust-policy``, ``permissions-policy`` and
        ``key-policy-statements``; ``not-expressed``: lines to read.

    Raises:
        UsageError: ``policy-not-compilable``: no rule is for AWS, or what would be compiled were
            wider than the rule.
    """
    if policy.identity != "token":
        raise _refused("the policy", "identity: environment proves nothing to a cloud")
    rules = [rule for rule in policy.rules if _is_aws(rule)]
    if not rules:
        raise _refused("the policy", "no rule signs with aws_kms or aws_kms_sdk")
    names = [_role_name(rule) for rule in rules]
    if len(set(names)) != len(names):
        raise _refused("the policy", "two rules would have one role: give them other names")
    return {
        "roles": [_role(rule, policy.issuer.removeprefix("https://")) for rule in rules],
        "not-expressed": [line for rule in rules for line in _not_expressed(rule)],
    }


def terraform(compiled: dict[str, Any]) -> dict[str, Any]:
    """The same roles in Terraform's JSON syntax (a file that ends in ``.tf.json``)."""
    roles, permissions = {}, {}
    for role in compiled["roles"]:
        label = role["name"].replace("-", "_")
        roles[label] = {
            "name": role["name"],
            "max_session_duration": 3600,
            "assume_role_policy": _template(role["trust-policy"]),
        }
        permissions[label] = {
            "name": "sign",
            "role": f"${{aws_iam_role.{label}.id}}",
            "policy": _template(role["permissions-policy"]),
        }
    comment = ["Not expressed by AWS, checked by the gate only:", *compiled["not-expressed"]]
    return {
        "//": comment,
        "resource": {"aws_iam_role": roles, "aws_iam_role_policy": permissions},
    }


def _role(rule: Rule, provider: str) -> dict[str, Any]:
    keys = [_key(rule, name) for name in rule.may_sign_with.key or ()]
    if not keys:
        raise _refused(rule.name, "it names no key, and a role for every key is too wide")
    partitions = {(key[2], key[3]) for key in keys}
    if len(partitions) > 1:
        raise _refused(rule.name, "its keys are of several accounts: make a rule for each")
    [(partition, account)] = partitions
    name = _role_name(rule)
    statements = [_statement(rule, key) for key in keys]
    flat = [statement for pair in statements for statement in pair]
    principal = {"AWS": f"arn:{partition}:iam::{account}:role/{name}"}
    return {
        "rule": rule.name,
        "name": name,
        "trust-policy": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "Federated": f"arn:{partition}:iam::{account}:oidc-provider/{provider}"
                    },
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": _trust(rule, provider),
                }
            ],
        },
        "permissions-policy": {"Version": "2012-10-17", "Statement": flat},
        "key-policy-statements": [
            {**statement, "Principal": principal, "Resource": "*"} for statement in flat
        ],
    }


def _trust(rule: Rule, provider: str) -> dict[str, Any]:
    named = rule.runs.named()
    if "repository" not in named:
        raise _refused(rule.name, "it names no repository, which the condition on sub needs")
    exact: dict[str, Any] = {f"{provider}:aud": [AUDIENCE]}
    like: dict[str, Any] = {f"{provider}:sub": _subjects(rule)}
    for claim in EXPRESSIBLE:
        patterns = named.get(claim)
        if patterns is None:
            continue
        for pattern in patterns:
            _require_expressible(rule, claim, pattern)
        globs = any(is_glob(pattern) for pattern in patterns)
        values = [pattern.replace("**", "*") for pattern in patterns]
        (like if globs else exact)[f"{provider}:{claim}"] = values
    return {"StringEquals": exact, "StringLike": like}


def _subjects(rule: Rule) -> list[str]:
    # The form before, and from 15 July 2026: repo:OWNER@ID/NAME@ID:… (GitHub Docs, "OpenID
    # Connect", "Immutable subject claims"). Both follow from the repository, which is conditioned
    # on of its own, so that these lines never decide alone.
    subjects = []
    for pattern in rule.runs.repository or ():
        _require_expressible(rule, "repository", pattern)
        owner, slash, name = pattern.replace("**", "*").partition("/")
        subjects.append(f"repo:{owner}{slash}{name}:*")
        subjects.append(f"repo:{owner}@*/{name}@*:*" if slash else f"repo:{owner}:*")
    return subjects


def _statement(rule: Rule, key: re.Match[str]) -> list[dict[str, Any]]:
    resource, condition = key[0], {}
    if key[4].startswith("alias/"):
        resource = f"{key[1]}key/*"
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key[4]}}
    algorithms = list(rule.may_sign_with.algorithm or ())
    limited = {"StringEquals": {"kms:SigningAlgorithm": algorithms}} if algorithms else {}
    statements = []
    for action, conditions in (
        ("kms:Sign", {**condition, **limited}),
        ("kms:GetPublicKey", condition),
    ):
        statement: dict[str, Any] = {"Effect": "Allow", "Action": action, "Resource": resource}
        statements.append({**statement, "Condition": conditions} if conditions else statement)
    return statements


def _key(rule: Rule, name: str) -> re.Match[str]:
    match = _KEY.fullmatch(name)
    if match is None:
        raise _refused(rule.name, f"{name!r} is not the whole ARN of one key or alias of AWS KMS")
    return match


def _not_expressed(rule: Rule) -> list[str]:
    named, allowed = rule.runs.named(), rule.may_sign_with
    lines = [
        f"{rule.name}: {claim} must be {' or '.join(named[claim])}: STS does not evaluate it"
        for claim in named
        if claim not in EXPRESSIBLE
    ]
    if allowed.max_audit_file is not None:
        lines.append(f"{rule.name}: max_audit_file: KMS sees digests only")
    lines.append(f"{rule.name}: dangerous runs and plain signatures are refused by the gate only")
    return lines


def _require_expressible(rule: Rule, claim: str, pattern: str) -> None:
    if "*" in pattern.replace("**", ""):
        raise _refused(
            rule.name,
            f"{claim} is {pattern!r}, and IAM's * crosses /: it would allow more than the gate",
        )
    if any(character in pattern for character in "?$"):
        raise _refused(rule.name, f"{claim} is {pattern!r}, and ? or $ mean something to IAM")


def _is_aws(rule: Rule) -> bool:
    return any(provider.startswith("aws_kms") for provider in rule.may_sign_with.provider)


def _role_name(rule: Rule) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", rule.name.lower()).strip("-")
    return f"policy-audit-{slug}"[:64]


def _template(document: Any) -> str:
    # Terraform reads ${ and %{ in any string.
    return json.dumps(document).replace("${", "$${").replace("%{", "%%{")


def _refused(what: str, detail: str) -> UsageError:
    return UsageError(
        "policy-not-compilable",
        f"{what} cannot be compiled: {detail}",
        fix="write what is exact, list the values, or use ** where crossing / is meant.",
    )
