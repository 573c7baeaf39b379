"""A small evaluator of IAM policies, for tests.

Follows "Policy evaluation logic" and "Condition operators" of the IAM User Guide, and "Default key
policy" of the KMS Developer Guide: default deny; all operators and keys of a condition must match,
one of a key's values is enough; a key that is absent from the request does not match. Left out:
Deny, NotAction, policy variables, session policies, boundaries, organizations, grants, requests
from another account, and the operators that the compiler does not use.
"""

import re
from collections.abc import Mapping
from typing import Any

Context = Mapping[str, str | list[str]]

# KMS Developer Guide, "kms:ResourceAliases": "IAM policies only".
_NOT_IN_KEY_POLICIES = ("kms:ResourceAliases",)


def allows(
    policy: Mapping[str, Any],
    action: str,
    context: Context,
    *,
    principal: str | None = None,
    federated: str | None = None,
    resource: str | None = None,
) -> bool:
    """Whether a statement allows the action in this context.

    Args:
        policy: an identity's policy, a trust policy or a key's.
        action: such as ``kms:Sign``.
        context: what is known of the request, by condition key.
        principal: who a key's policy must name; None where that is not asked.
        federated: the provider of identities that a trust policy must name, and it alone; None
            where that is not asked.
        resource: the ARN that an identity's policy must name; None where that is not asked.
    """
    return any(
        one["Effect"] == "Allow"
        and action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        and (principal is None or one["Principal"].get("AWS") == principal)
        and (federated is None or one["Principal"] == {"Federated": federated})
        and (resource is None or _like(resource, one["Resource"]))
        and all(
            _holds(operator, key, wanted, context)
            for operator, keys in one.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
        for one in policy["Statement"]
    )


def may_use_key(
    role: Mapping[str, Any], key_policy: Mapping[str, Any], key: str, action: str, context: Context
) -> bool:
    """Whether a role may use a key of its own account.

    The key's policy decides alone where it names the role; where it names the account, the role's
    policy must allow as well.

    Args:
        role: a compiled role.
        key_policy: the key's.
        key: the key's ARN.
        action: such as ``kms:Sign``.
        context: what is known of the request, by condition key.
    """
    for statement in key_policy["Statement"]:
        for keys in statement.get("Condition", {}).values():
            assert not set(keys) & set(_NOT_IN_KEY_POLICIES)
    arn = role["arn"]
    known = {**context, "aws:PrincipalArn": arn}
    if allows(key_policy, action, known, principal=arn):
        return True
    account = ":".join([*arn.split(":")[:5], "root"])
    return allows(key_policy, action, known, principal=account) and allows(
        role["permissions-policy"], action, known, resource=key
    )


def _holds(operator: str, key: str, wanted: str | list[str], context: Context) -> bool:
    if key not in context:
        return False
    values = [wanted] if isinstance(wanted, str) else wanted
    actual = context[key]
    several = operator.startswith("ForAnyValue:")
    assert several == isinstance(actual, list)
    compare = {"StringEquals": str.__eq__, "StringLike": _like}[
        operator.removeprefix("ForAnyValue:")
    ]
    return any(
        compare(one, value)
        for one in ([actual] if isinstance(actual, str) else actual)
        for value in values
    )


def _like(actual: str, pattern: str) -> bool:
    parts = ("(?s:.*)" if c == "*" else "(?s:.)" if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), actual) is not None
