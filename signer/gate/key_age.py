"""How old a key may be: one measure for the gate, for its warning and for verifying later."""

from datetime import datetime, timedelta

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead the clock may be that wrote a creation date."""

_UNITS = (
    (timedelta(days=1), "days"),
    (timedelta(hours=1), "hours"),
    (timedelta(minutes=1), "minutes"),
    (timedelta(seconds=1), "seconds"),
)


def age_of(created: datetime, at: datetime) -> timedelta:
    """A key's age in whole seconds, as a statement has both moments; negative in the future.

    Args:
        created: when the key was made (aware).
        at: when it signs (aware).
    """
    return at.replace(microsecond=0) - created.replace(microsecond=0)


def fits(age: timedelta, limit: timedelta) -> bool:
    """Whether a key of this age may sign; one from the future may not, beyond `CLOCK_SKEW`."""
    return -CLOCK_SKEW <= age <= limit


def told(age: timedelta) -> str:
    """An age for a message: ``365 days``, or ``365 days, 1:00:05``."""
    return str(abs(age)).removesuffix(", 0:00:00")


def warning(age: timedelta, limit: timedelta) -> str | None:
    """What to say of a key from four fifths of its time on, in the unit of the limit.

    Returns:
        Such as ``292 of 365 days old``; None for a younger key.
    """
    if age * 5 < limit * 4:
        return None
    unit, name = next(pair for pair in _UNITS if not limit % pair[0])
    return f"{age // unit} of {limit // unit} {name} old"
