"""The signing policy as AWS enforces it: a role for each rule, its trust and its permissions.

Sources: IAM User Guide, "Available keys for AWS OIDC federation" and "IAM JSON policy elements:
Condition operators"; KMS Developer Guide, "Condition keys" and "Default key policy". IAM's ``*``
crosses ``/``, so only ``**`` becomes one; a rule with a single ``*`` is refused, not widened.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from signer.crypto.algorithms import Scheme
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

# The claims that STS evaluates beside sub and aud, of those that a rule can name.
EXPRESSIBLE = ("repository", "repository_id", "job_workflow_ref", "ref", "environment", "actor")
AUDIENCE = "sts.amazonaws.com"

# IAM and AWS STS quotas, "IAM character limits", which count no white space: a trust policy has
# 2,048, or as many as 4,096 where the account asks for it; a role's inline policies have 10,240.
USUAL_TRUST, LONGEST_TRUST, LONGEST_PERMISSIONS = 2048, 4096, 10240

# IAM API reference, "CreateOpenIDConnectProvider", Url: no port, no query. In an ARN * and ${ would
# be more than they look like, and a provider's name has no upper case.
_ISSUER = re.compile(r"https://[a-z0-9.-]+(?:/[A-Za-z0-9._~-]+)*")
# KMS API reference, "CreateAlias", AliasName: which characters an alias has.
_KEY = re.compile(
    r"(arn:(aws[a-z-]*):kms:[a-z0-9-]+:([0-9]{12}):)(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+)"
)


def compile_policy(policy: SigningPolicy) -> dict[str, Any]:
    """The roles, and what AWS cannot express.

    Returns:
        ``roles``: for each, ``rule``, ``name``, ``arn``, ``trust-policy``, ``permissions-policy``
        and ``key-policies``, statements to add to the policy of each key; ``not-expressed``:
        lines to read.

    Raises:
        UsageError: ``policy-not-compilable``: no rule is for AWS, or what would be compiled were
            wider than the rule.
    """
    rules = rules_for(policy, "aws")
    if not _ISSUER.fullmatch(policy.issuer):
        raise refused(
            "the policy",
            f"issuer is {policy.issuer!r}, and IAM's providers have https://, a host in lower "
            "case, no port, and a path of letters, digits, ., _, ~ and -",
        )
    names = role_names(rules, policy.issuer)
    # Where one rule limits the key's age, signing asks for it before any rule decides.
    dated = any(rule.may_sign_with.max_key_age is not None for rule in rules)
    roles = [_role(rule, names[rule.name], policy.issuer, dated=dated) for rule in rules]
    return {
        "roles": roles,
        "not-expressed": [
            *(line for rule in rules for line in _left(rule, policy.issuer)),
            *(line for role in roles for line in _sizes(role)),
            unpinned_left("AWS"),
        ],
    }


def _role(rule: Rule, name: str, issuer: str, *, dated: bool) -> dict[str, Any]:
    keys = [_key(rule, key) for key in keys_of(rule, "arn:")]
    places = {(key[2], key[3]) for key in keys}
    if len(places) > 1:
        raise refused(rule.name, "its keys are of several accounts: make a rule for each")
    [(partition, account)] = places
    arn = f"arn:{partition}:iam::{account}:role/{name}"
    provider = issuer.removeprefix("https://")
    statements = [(key, _statements(rule, key, dated=dated)) for key in keys]
    federated = f"arn:{partition}:iam::{account}:oidc-provider/{provider}"
    return {
        "rule": rule.name,
        "name": name,
        "arn": arn,
        "trust-policy": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": federated},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": _trust(rule, provider),
                }
            ],
        },
        "permissions-policy": {
            "Version": "2012-10-17",
            "Statement": [one for _, its in statements for one in its],
        },
        "key-policies": [
            {"key": key[0], "statements": [_for_key(one, key, arn) for one in its]}
            for key, its in statements
        ],
    }


def _sizes(role: dict[str, Any]) -> list[str]:
    """A line where a role's trust is longer than is usual; refused where IAM takes it never."""
    trust, permissions = (
        len(json.dumps(role[name], separators=(",", ":")))
        for name in ("trust-policy", "permissions-policy")
    )
    for what, size, most in (
        ("trust policy", trust, LONGEST_TRUST),
        ("permissions policy", permissions, LONGEST_PERMISSIONS),
    ):
        if size > most:
            raise refused(
                role["rule"],
                f"its {what} has more than the {most} characters that IAM takes: make several "
                "rules of it",
            )
    longer = (
        f"{role['rule']}: its trust policy has {trust} characters, and IAM takes {USUAL_TRUST} "
        f"unless the account's quota is raised (to {LONGEST_TRUST} at most)"
    )
    return [longer] if trust > USUAL_TRUST else []


def _trust(rule: Rule, provider: str) -> dict[str, Any]:
    named = rule.runs.named()
    repositories = subjects.repositories(rule)
    for claim in EXPRESSIBLE:
        for pattern in named.get(claim, ()):
            require_wild(rule, claim, pattern, special="?$", cloud="IAM")
    exact: dict[str, Any] = {f"{provider}:aud": [AUDIENCE]}
    like: dict[str, Any] = {}
    if f"https://{provider}" == GITHUB_ISSUER:
        # Both forms follow from the repository, which is conditioned on of its own, so that
        # these lines never decide alone.
        ends = ["*"]
        for claim in EXPRESSIBLE:
            if patterns := named.get(claim):
                values = [subjects.wild(pattern) for pattern in patterns]
                globs = any(is_glob(pattern) for pattern in patterns)
                (like if globs else exact)[f"{provider}:{claim}"] = values
    else:
        ends = _ends(rule, repositories)
    found = _subjects(rule, repositories, ends, with_ids=f"https://{provider}" != GITHUB_ISSUER)
    like[f"{provider}:sub"] = list(islice(found, LONGEST_TRUST))  # more is refused for its length
    return {"StringEquals": exact, "StringLike": like}


def _subjects(
    rule: Rule, repositories: tuple[str, ...], ends: list[str], *, with_ids: bool
) -> Iterator[str]:
    # The repository's id is a condition of its own where STS evaluates it; the owner's never is.
    owners = subjects.ids(rule.runs.repository_owner_id)
    ids = subjects.ids(rule.runs.repository_id) if with_ids else [None]
    for repository, end in product(dict.fromkeys(repositories), dict.fromkeys(ends)):
        yield subjects.by_name(repository, end)
        for owner, its in product(owners, ids):
            yield subjects.immutable(repository, end, owner, its)


def _ends(rule: Rule, repositories: tuple[str, ...]) -> list[str]:
    # An issuer of GitHub Enterprise: STS knows its aud and sub only. Servers before 3.19 leave a :
    # in an environment's name as it is, which a * in the repository could reach: in evil/r, an
    # environment a/payments:b ends as a subject of **/payments does. Only a * that ends the
    # repository, where any run of it may sign, has no text behind it that is to be found there.
    ends = subjects.contexts(rule)
    if any(
        is_glob(repository if ends != ["*"] else repository.removesuffix("**"))
        for repository in repositories
    ):
        raise refused(
            rule.name,
            "its repository is a glob, and of this issuer STS evaluates the subject only; ** may "
            "stand at the repository's end, where the rule names no ref and no environment",
        )
    return ends


def _statements(rule: Rule, key: re.Match[str], *, dated: bool) -> list[dict[str, Any]]:
    """What the role may do with one key, as its permissions policy says it."""
    alias = key[4].startswith("alias/")
    resource = f"{key[1]}key/*" if alias else key[0]
    named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key[4]}} if alias else {}
    statements = []
    for actions, limits in _actions(rule, alias=alias, dated=dated):
        conditions = {**named, **({"StringEquals": limits} if limits else {})}
        statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": resource}
        statements.append({**statement, "Condition": conditions} if conditions else statement)
    return statements


def _actions(rule: Rule, *, alias: bool, dated: bool) -> list[tuple[list[str], dict[str, Any]]]:
    algorithms = algorithms_of(rule)
    signing = [one for one in algorithms if one.scheme is not Scheme.HMAC]
    macs = [one.name for one in algorithms if one.scheme is Scheme.HMAC]
    found: list[tuple[list[str], dict[str, Any]]] = []
    for kind in dict.fromkeys(one.message_type for one in signing):
        names = list(dict.fromkeys(one.name for one in signing if one.message_type is kind))
        limits = {"kms:SigningAlgorithm": names, "kms:MessageType": str(kind)}
        found.append((["kms:Sign"], limits))
    if signing:
        found.append((["kms:GetPublicKey"], {}))
    if macs:
        found.append(
            (["kms:GenerateMac", "kms:VerifyMac"], {"kms:MacAlgorithm": list(dict.fromkeys(macs))})
        )
    if dated or (macs and alias):  # docs/aws.md, "KMS HMAC keys"
        found.append((["kms:DescribeKey"], {}))
    return found


def _for_key(statement: dict[str, Any], key: re.Match[str], role: str) -> dict[str, Any]:
    """The statement as a key's policy has it.

    ``kms:ResourceAliases`` holds in IAM policies only. So where the rule names an alias, the key
    does not trust the role but the account, for this role: the role's own policy decides.
    """
    conditions = dict(statement.get("Condition", {}))
    principal = role
    if conditions.pop("ForAnyValue:StringEquals", None):
        principal = f"arn:{key[2]}:iam::{key[3]}:root"
        equals = conditions.get("StringEquals", {})
        conditions["StringEquals"] = {**equals, "aws:PrincipalArn": role}
    changed = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": statement["Action"],
        "Resource": "*",
    }
    return {**changed, "Condition": conditions} if conditions else changed


def _key(rule: Rule, name: str) -> re.Match[str]:
    match = _KEY.fullmatch(name)
    if match is None:
        raise refused(rule.name, f"{name!r} is not the whole ARN of one key or alias of AWS KMS")
    return match


def _left(rule: Rule, issuer: str) -> list[str]:
    named = rule.runs.named()
    seen = set(EXPRESSIBLE)
    why = "STS does not evaluate it"
    if issuer != GITHUB_ISSUER:
        seen = {"repository", "environment" if rule.runs.environment else "ref"}
        why = f"of {issuer} STS evaluates the subject only"
    lines = claims_left(rule, named.keys() - seen, why)
    if rule.may_sign_with.algorithm is None:
        lines.append(f"{rule.name}: no algorithm is named: HMAC keys are not opened")
    partition = keys_of(rule, "arn:")[0].split(":")[1]
    if partition != "aws":
        lines.append(
            f"{rule.name}: its keys are in {partition}: the job and IAM's provider must have the "
            f"audience {AUDIENCE} there too"
        )
    return lines + limits_left(rule, "KMS")
