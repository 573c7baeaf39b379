"""Durations as people write them: a number and a unit, such as ``24h``."""

import re
from datetime import timedelta
from typing import Any

_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(value: Any) -> Any:
    """Text as a timedelta, for a pydantic ``BeforeValidator``; any other value stays as it is.

    Raises:
        ValueError: the text is no number with a unit.
    """
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError("must be a number and a unit, such as 90m, 24h or 30d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
