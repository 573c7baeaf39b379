"""Globs of the signing policy: ``*`` stops at ``/``, ``**`` does not; nothing else is special."""

import re

_TOKEN = re.compile(r"\*\*|\*|.", re.DOTALL)
_STARS = ("**", "*")


def is_glob(pattern: str) -> bool:
    """Whether a pattern can match more than itself."""
    return "*" in pattern


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of ``text`` matches; case and every character count.

    Takes time in proportion to both lengths, whatever they are: whoever pushes a branch chooses
    its name, and a regular expression would go back and forth over it.
    """
    if not is_glob(pattern):
        return pattern == text
    tokens = _TOKEN.findall(pattern)
    places = _skip_stars({0}, tokens)
    for character in text:
        after = set()
        for place in places:
            token = tokens[place] if place < len(tokens) else None
            if token == "**" or (token == "*" and character != "/"):
                after.add(place)
            elif token == character:
                after.add(place + 1)
        places = _skip_stars(after, tokens)
    return len(tokens) in places


def overlap(first: str, second: str) -> bool:
    """Whether there is any text that both patterns match."""
    if not is_glob(first):
        return matches(second, first)
    if not is_glob(second):
        return matches(first, second)
    return _overlap(tuple(_TOKEN.findall(first)), tuple(_TOKEN.findall(second)))


def _skip_stars(places: set[int], tokens: list[str]) -> set[int]:
    # A star may match nothing.
    found = set(places)
    for place in places:
        while place < len(tokens) and tokens[place] in _STARS:
            place += 1
            found.add(place)
    return found


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
    if one in _STARS:
        steps.append((here + 1, there))
        if two is not None and two not in _STARS and not (one == "*" and two == "/"):
            steps.append((here, there + 1))
    if two in _STARS:
        steps.append((here, there + 1))
        if one is not None and one not in _STARS and not (two == "*" and one == "/"):
            steps.append((here + 1, there))
    if one is not None and one == two and one not in _STARS:
        steps.append((here + 1, there + 1))
    return steps
