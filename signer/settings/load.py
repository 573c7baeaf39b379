"""From what was said to a model, or to every problem there is."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from signer.errors import SettingsError, UsageError
from signer.settings import conflicts
from signer.settings.given import SIGNING_KEY, Given, variable_for
from signer.settings.models import MODELS, Settings, SignSettings, fields_of

_NEAR = 0.9
"""How near the name of a setting's variable counts as meant, of 1 (difflib's ratio)."""

Model = TypeVar("Model", bound=Settings)


def load(model: type[Model], said: Mapping[str, Given], environ: Mapping[str, str]) -> Model:
    """Settings from what was said outright and from the environment.

    Args:
        model: SignSettings, DoctorSettings or VerifySettings.
        said: kebab-case name to the input's or option's value.
        environ: the process environment.

    Raises:
        SettingsError: with every problem there is, not only the first.
    """
    names = fields_of(model)
    given: dict[str, Given] = {}
    for name in names:
        if name in said and said[name].value.strip():
            given[name] = _trimmed(name, said[name])
        elif value := environ.get(variable_for(name), "").strip():
            given[name] = Given(variable_for(name), value, outright=False)
    problems = conflicts.problems(said, given, environ, signing=issubclass(model, SignSettings))
    raw: dict[str, Any] = {name: item.exact or item.value for name, item in given.items()}
    raw["outright"] = frozenset(name for name, item in given.items() if item.outright)
    if key := environ.get(SIGNING_KEY):
        raw["signing-key"] = key.encode("utf-8", "surrogateescape")
    try:
        settings = model.model_validate(raw)
    except ValidationError as error:
        problems += [_problem(dict(item), given) for item in error.errors(include_url=False)]
    if problems:
        raise SettingsError(problems)
    return settings


def _trimmed(name: str, given: Given) -> Given:
    # Each line of audit-file is trimmed by itself, and a command line's argument not at all.
    return given if name == "audit-file" else replace(given, value=given.value.strip())


def misspelt(environ: Mapping[str, str]) -> list[str]:
    """What to say of each variable that is nearly one of a setting: it does nothing.

    Args:
        environ: the environment.
    """
    known = [SIGNING_KEY, *(variable_for(name) for model in MODELS for name in fields_of(model))]
    told = []
    for name in sorted(environ.keys() - set(known)):
        if not name.startswith("POLICY_"):
            continue
        if near := difflib.get_close_matches(name, known, n=1, cutoff=_NEAR):
            told.append(f"{name} is no variable of a setting, and does nothing; {near[0]} is one")
    return told


def nearest(name: str, names: list[str]) -> str:
    """``; did you mean X?`` where there is something near, else nothing."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _problem(item: dict[str, Any], given: Mapping[str, Given]) -> UsageError:
    name = str(item["loc"][0]) if item["loc"] else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return UsageError(
            "setting-missing",
            f"{name} is not set",
            fix=f"set the input or option {name} (audit files of a command are its arguments), or "
            f"{variable_for(name)} in the environment.",
        )
    label = given[name].label if name in given else name
    value = given[name].value if name in given else ""
    return UsageError(
        "setting-invalid",
        f"{label} is {value[:200]!r}: {message[0].lower()}{message[1:]}",
        fix=f"mend {label}; README.md has the table of inputs.",
    )
