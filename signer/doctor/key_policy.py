"""Who may sign with a key of AWS KMS, as far as its key policy says.

Source: KMS Developer Guide, "Key policies in AWS KMS" and "Default key policy"; IAM User Guide,
"AWS JSON policy elements: Principal", "Action". Only statements that allow are looked at:
``*`` under a condition counts as narrow enough; ``Deny``, grants and IAM policies are left out.
"""

import fnmatch
from collections.abc import Iterator, Mapping
from typing import Any

_ANYBODY = "everybody in every AWS account"


def who_else(policy: Mapping[str, Any], action: str, account: str, known: str) -> list[str]:
    """Who may sign without being named for it: neither the account's root nor the known caller.

    Args:
        policy: the key policy.
        action: ``kms:Sign`` or ``kms:GenerateMac``.
        account: the key's own, 12 digits; its root stands for the account's IAM policies.
        known: ARN of the role (or user) that signs; empty where it is not known.

    Raises:
        ValueError: it is not of a policy's form.
    """
    found: list[str] = []
    for statement in _list(policy.get("Statement")):
        if not isinstance(statement, Mapping):
            raise ValueError("a statement is no object")
        if statement.get("Effect") != "Allow" or not _allows(statement, action):
            continue
        for name in _principals(statement):
            if not _expected(name, account, known) and name not in found:
                found.append(name)
    return found


def role_of(caller: str) -> str:
    """The role behind a caller's ARN; what is no session of a role stays as it is.

    A session's ARN leaves out the role's path, which a role's own ARN may have.
    """
    if ":assumed-role/" not in caller:
        return caller
    head, _, rest = caller.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.partition('/')[0]}"


def _allows(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not _matches(statement["NotAction"], action)
    return _matches(statement.get("Action"), action)


def _matches(patterns: Any, action: str) -> bool:
    # fnmatch would read [ as a range; no action has one, so that such a pattern matches nothing.
    return any(
        fnmatch.fnmatchcase(action.lower(), str(pattern).lower().replace("[", "[[]"))
        for pattern in _list(patterns)
    )


def _principals(statement: Mapping[str, Any]) -> Iterator[str]:
    """Each principal, and what is said of everybody in words."""
    if "NotPrincipal" in statement:
        yield f"everybody but {', '.join(_named(statement['NotPrincipal']))}"
        return
    for name in _named(statement.get("Principal")):
        if name != "*":
            yield name
        elif not statement.get("Condition"):
            yield _ANYBODY


def _named(principal: Any) -> list[str]:
    if not isinstance(principal, Mapping):
        return [str(name) for name in _list(principal)]
    return [str(name) for names in principal.values() for name in _list(names)]


def _expected(name: str, account: str, known: str) -> bool:
    if name == account or (name.startswith("arn:") and name.endswith(f":iam::{account}:root")):
        return True
    if not known:
        return False
    same_account = name.split(":")[4:5] == known.split(":")[4:5]
    return name == known or (
        same_account
        and ":role/" in name
        and ":role/" in known
        and name.rpartition("/")[2] == known.rpartition("/")[2]
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
