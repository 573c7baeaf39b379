"""What was said of a setting, and the names it goes by."""

from collections.abc import Iterable
from dataclasses import dataclass

SIGNING_KEY = "POLICY_SIGNING_KEY"
PROVIDER = "POLICY_SIGNING_PROVIDER"

# The settings whose variable is not POLICY_ + the name (the guide's names).
_VARIABLES = {"provider": PROVIDER}


@dataclass(frozen=True, slots=True)
class Given:
    """A raw value and the name the user gave it under.

    Attributes:
        label: the input's, option's or variable's name.
        value: as given.
        outright: whether an input or option says it, and not the environment alone.
        exact: the lines of a value, where they are not to be trimmed.
    """

    label: str
    value: str
    outright: bool = True
    exact: tuple[str, ...] | None = None


def variable_for(name: str) -> str:
    """The environment variable of a setting."""
    return _VARIABLES.get(name) or "POLICY_" + name.replace("-", "_").upper()


def kebab(field: str) -> str:
    """The setting's name of a model's field."""
    return field.replace("_", "-")


def either(names: Iterable[str], word: str = "or") -> str:
    """``a, b or c``."""
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
