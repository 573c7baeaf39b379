"""What an IAM policy allows: enough of the language to hold calls against documents, strictly.

Source: IAM User Guide, "IAM JSON policy reference" and "Policy evaluation logic". An element or
operator that is not known here is an error, never silently ignored.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}


@dataclass(frozen=True)
class Request:
    """One call, as the policy engine sees it.

    Attributes:
        action: such as ``kms:Sign``.
        resource: the ARN.
        context: condition keys and their values; a list where a key has several.
        principal: ARN of who calls, or the federated provider's.
    """

    action: str
    resource: str
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    principal: str = ""


def allows(policies: Iterable[Mapping[str, Any]], request: Request) -> bool:
    """Whether the policies allow it: an Allow that applies, and no Deny that does."""
    effects = {
        statement["Effect"]
        for policy in policies
        for statement in statements(policy)
        if applies(statement, request)
    }
    return "Allow" in effects and "Deny" not in effects


def statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    assert policy["Version"] == "2012-10-17"
    found = policy["Statement"]
    return found if isinstance(found, list) else [found]


def applies(statement: Mapping[str, Any], request: Request) -> bool:
    """Whether a statement is about a request."""
    unknown = statement.keys() - _ELEMENTS
    assert not unknown, f"unknown elements {unknown}"
    action = request.action.lower()
    return (
        any(fnmatchcase(action, pattern.lower()) for pattern in _list(statement["Action"]))
        and any(
            _like(request.resource, pattern) for pattern in _list(statement.get("Resource", "*"))
        )
        and _principal_matches(statement.get("Principal"), request.principal)
        and all(
            _holds(operator, key, _list(wanted), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(
    operator: str, key: str, wanted: list[str], context: Mapping[str, str | Sequence[str]]
) -> bool:
    quantifier, _, plain = operator.rpartition(":")
    values = _list(context[key]) if key in context else []
    tests: dict[str, Callable[[str], bool]] = {
        "StringEquals": lambda value: value in wanted,
        "StringNotEquals": lambda value: value not in wanted,
        "StringLike": lambda value: any(_like(value, pattern) for pattern in wanted),
        "Bool": lambda value: value.lower() in [text.lower() for text in wanted],
    }
    test = tests[plain]
    if quantifier == "ForAnyValue":
        return any(test(value) for value in values)
    if quantifier == "ForAllValues":
        return all(test(value) for value in values)
    assert not quantifier, operator
    assert len(values) <= 1, f"{key} has several values and needs a quantifier"
    return bool(values and test(values[0])) or (not values and plain == "StringNotEquals")


def _principal_matches(element: Any, principal: str) -> bool:
    if element is None or element == "*":
        return True
    assert set(element) <= {"AWS", "Federated"}
    names = [name for kind in element.values() for name in _list(kind)]
    # The account's root stands for the account: IAM then decides.
    return any(_like(principal, name) for name in names) or any(
        name.endswith(":root") and principal.split(":")[4:5] == name.split(":")[4:5]
        for name in names
    )


def _like(text: str, pattern: str) -> bool:
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
