"""The values that settings take: text in, what it means out, or what is wrong with it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from signer.audit.statement import Run
from signer.crypto.algorithms import algorithm_named
from signer.durations import duration
from signer.errors import UsageError
from signer.providers.aws import reference as aws
from signer.settings.given import either

RUN_FIELDS = tuple(Run.model_fields)


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError("must be true or false")
        return value.lower() == "true"
    return value


def _lines(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(line.strip() for line in value.split("\n") if line.strip())
    return value


def _expectations(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    expected: dict[str, str] = {}
    for line in _lines(value):
        name, equals, wanted = line.partition("=")
        if not equals or name not in RUN_FIELDS:
            raise ValueError(f"must be NAME=VALUE lines, where NAME is one of {either(RUN_FIELDS)}")
        if expected.setdefault(name, wanted) != wanted:
            raise ValueError(f"expects two different values of {name}")
    return expected


def _algorithm(value: str) -> str:
    return _understood(algorithm_named, value)


def _shown_path(value: Path) -> Path:
    if any(character < " " or character == "\x7f" for character in str(value)):
        raise ValueError("must not have control characters, which no log can show")
    return value


def _aws_key(value: str) -> str:
    return _understood(aws.parse_key, value)


def _aws_role(value: str) -> str:
    return _understood(aws.parse_role, value)


def _understood(parse: Callable[[str], object], value: str) -> str:
    try:
        parse(value)
    except UsageError as error:
        raise ValueError(f"{error.message}; {error.fix}") from None
    return value


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Expectations = Annotated[dict[str, str], BeforeValidator(_expectations)]
AlgorithmName = Annotated[str, AfterValidator(_algorithm)]
ShownPath = Annotated[Path, AfterValidator(_shown_path)]
AwsKey = Annotated[str, AfterValidator(_aws_key)]
AwsRole = Annotated[str, AfterValidator(_aws_role)]
