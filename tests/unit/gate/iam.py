"""A small evaluator of IAM policies, for tests.

Follows "Policy evaluation logic" and "Condition operators" of the IAM User Guide: default deny;
all operators and keys of a condition must match, one of a key's values is enough; a key that is
absent from the request does not match. Left out: Deny, NotAction, policy variables, session
policies, boundaries, organizations and the operators that the compiler does not use.
"""

import re
from collections.abc import Mapping
from typing import Any


def allows(policy: Mapping[str, Any], action: str, context: Mapping[str, str | list[str]]) -> bool:
    """Whether a statement allows the action in this context."""
    return any(
        one["Effect"] == "Allow"
        and action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        and all(
            _holds(operator, key, wanted, context)
            for operator, keys in one.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
        for one in policy["Statement"]
    )


def _holds(
    operator: str, key: str, wanted: str | list[str], context: Mapping[str, str | list[str]]
) -> bool:
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
