"""What the fields of a signing policy take: the text in YAML, or what is wrong with it."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from signer.crypto.algorithms import algorithm_named
from signer.durations import duration
from signer.errors import UsageError
from signer.strict_model import printable

MAX_PATTERN = 1024
MAX_STARS = 6

_STARS = re.compile(r"\*+")
_SIZE = re.compile(r"([0-9]{1,12})(B|KB|MB|GB)")
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}

Danger = Literal[
    "pull_request_target",
    "pull_request_from_fork",
    "workflow_run_from_fork",
    "self_hosted_in_public",
]
ProviderName = Literal[
    "kms", "hmac", "sha256", "aws_kms", "aws_kms_sdk", "azure_kv", "azure_kv_sdk"
]


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _pattern(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise ValueError("must be text that is not empty")
    printable(value)
    if "***" in value:
        raise ValueError("has three stars; * stops at /, ** does not")
    if len(value) > MAX_PATTERN:
        raise ValueError(f"is longer than {MAX_PATTERN} characters")
    if len(_STARS.findall(value)) > MAX_STARS:
        raise ValueError(f"has more than {MAX_STARS} stars; list what is meant")
    return value


def _size(value: Any) -> Any:
    if isinstance(value, str):
        match = _SIZE.fullmatch(value)
        if match is None:
            raise ValueError("must be a number and B, KB, MB or GB, such as 50MB")
        return int(match[1]) * _SIZES[match[2]]
    return value


def _algorithm(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be the name of an algorithm")
    try:
        return algorithm_named(value)
    except UsageError as error:
        raise ValueError(f"{error.message}; {error.fix}") from None


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    return value


Pattern = Annotated[str, BeforeValidator(_pattern)]
Patterns = Annotated[
    tuple[Pattern, ...],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    Field(min_length=1, max_length=200),
]
Algorithms = Annotated[
    tuple[Annotated[str, BeforeValidator(_algorithm)], ...],
    BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    Field(min_length=1),
]
Providers = Annotated[
    tuple[ProviderName, ...],
    BeforeValidator(_as_list, json_schema_input_type=ProviderName | list[ProviderName]),
    Field(min_length=1),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(
        duration,
        json_schema_input_type=Annotated[str, Field(pattern=r"^[0-9]{1,6}[smhd]$")],
    ),
]
Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=str)]
Boolean = Annotated[bool, BeforeValidator(_boolean, json_schema_input_type=bool | str)]
Dangers = Annotated[
    tuple[Danger, ...],
    BeforeValidator(_as_list, json_schema_input_type=Danger | list[Danger]),
]
