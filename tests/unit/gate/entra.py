"""A small evaluator of Entra's federated credentials and of Azure's roles, for tests.

Follows Microsoft Learn, "Flexible federated identity credentials" (August 2026) and "Federated
identity credentials now use case-sensitive matching" of "What's new for authentication?": issuer,
audience and either the exact subject or an expression, ``claims['NAME'] eq|matches 'VALUE'``,
joined by ``and``; ``*`` is any text, ``?`` one character. For GitHub the claims are ``sub``,
``job_workflow_ref`` (both operators), ``repository_id`` and ``repository_owner_id`` (``eq``), and
one of the two ids must be named. That expressions compare with case is not documented, and
assumed. Left out: escapes by single quotes, other issuers of expressions, how long a change takes,
deny assignments, conditions of role assignments, access policies, the network's rules.
"""

import re
from collections.abc import Mapping
from typing import Any

from tests.unit.gate.tokens import HOST

_OPERATORS = {
    "sub": ("eq", "matches"),
    "job_workflow_ref": ("eq", "matches"),
    "repository_id": ("eq",),
    "repository_owner_id": ("eq",),
}


def accepts(credential: Mapping[str, Any], token: Mapping[str, str]) -> bool:
    """Whether a token with these claims, ``iss`` and ``aud`` among them, gets in."""
    assert ("subject" in credential) != ("claimsMatchingExpression" in credential)
    assert len(credential["name"]) <= 120
    assert len(credential["description"]) <= 600
    if token["iss"] != credential["issuer"] or [token["aud"]] != credential["audiences"]:
        return False
    if "subject" in credential:
        assert len(credential["subject"]) <= 600
        return bool(credential["subject"] == token["sub"])
    expression = credential["claimsMatchingExpression"]
    assert expression["languageVersion"] == 1
    return _matches(expression["value"], credential["issuer"], token)


def may(role: Mapping[str, Any], data_action: str, scope: str) -> bool:
    """Whether a compiled role allows a data action on a resource; names have no case."""
    definition = role["role-definition"]
    assert definition["Actions"] == definition["NotDataActions"] == []
    return data_action in definition["DataActions"] and any(
        f"{scope}/".lower().startswith(f"{one['scope']}/".lower())
        for one in role["role-assignments"]
    )


def _matches(expression: str, issuer: str, token: Mapping[str, str]) -> bool:
    assert issuer == f"https://{HOST}"
    term = r"claims\['(\w+)'\] (eq|matches) '([^']*)'"
    assert re.fullmatch(f"{term}(?: and {term})*", expression), expression
    named, holds = set(), True
    for name, operator, value in re.findall(term, expression):
        assert operator in _OPERATORS[name]
        assert name not in named
        named.add(name)
        actual = token.get(name)
        holds = holds and actual is not None and _compare(operator, value, actual)
    assert "sub" in named
    assert named & {"repository_id", "repository_owner_id"}
    return holds


def _compare(operator: str, value: str, actual: str) -> bool:
    if operator == "eq":
        return value == actual
    parts = ("(?s:.*)" if c == "*" else "(?s:.)" if c == "?" else re.escape(c) for c in value)
    return re.fullmatch("".join(parts), actual) is not None
