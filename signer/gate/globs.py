"""Globs of the signing policy: ``*`` stops at ``/``, ``**`` does not; nothing else is special."""

import re
from functools import cache

_TOKEN = re.compile(r"\*\*|\*|.", re.DOTALL)
_FORMS = {"**": "(?s:.*)", "*": "[^/]*"}


def is_glob(pattern: str) -> bool:
    """Whether a pattern can match more than itself."""
    return "*" in pattern


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of ``text`` matches; case and every character count."""
    return _compiled(pattern).fullmatch(text) is not None


def overlap(first: str, second: str) -> bool:
    """Whether there is any text that both patterns match."""
    return _overlap(tuple(_TOKEN.findall(first)), tuple(_TOKEN.findall(second)))


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = (_FORMS.get(token) or re.escape(token) for token in _TOKEN.findall(pattern))
    return re.compile("".join(parts))


def _overlap(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    # The product of the two automata: a pair is how far each pattern has come.
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting:
        here, there = waiting.pop()
        if here == len(first) and there == len(second):
            return True
        for pair in _steps(first, second, here, there):
            if pair not in seen:
                seen.add(pair)
                waiting.append(pair)
    return False


def _steps(
    first: tuple[str, ...], second: tuple[str, ...], here: int, there: int
) -> list[tuple[int, int]]:
    one = first[here] if here < len(first) else None
    two = second[there] if there < len(second) else None
    steps = []
    if one in _FORMS:
        steps.append((here + 1, there))
        if two is not None and two not in _FORMS and not (one == "*" and two == "/"):
            steps.append((here, there + 1))
    if two in _FORMS:
        steps.append((here, there + 1))
        if one is not None and one not in _FORMS and not (two == "*" and one == "/"):
            steps.append((here + 1, there))
    if one is not None and one == two and one not in _FORMS:
        steps.append((here + 1, there + 1))
    return steps
