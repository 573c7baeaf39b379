"""Models of files that people write: strict, and every mistake is told with its place."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema


class StrictModel(BaseModel):
    """A model that takes the fields it knows and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def printable(value: str) -> str:
    """The text, for a pydantic validator.

    Raises:
        ValueError: it has a character that cannot be seen, as a look-alike name would.
    """
    if not value.isprintable():
        raise ValueError("has a character that cannot be seen")
    return value


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(printable)]

# The reader takes every scalar as text; for an editor a plain 1 is a number.
Version = Annotated[Literal["1"], WithJsonSchema({"enum": [1, "1"]})]


def told(item: Mapping[str, Any], fields: Iterable[str] = ()) -> str:
    """One mistake as ``PLACE: what is wrong``; lists count from 1. No value is repeated.

    Args:
        item: one of a ValidationError's ``errors()``.
        fields: the fields that there are where an unknown one was found.
    """
    place = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in item["loc"])
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        near = get_close_matches(str(item["loc"][-1]), list(fields), n=1)
        message = f"there is no such field{f'; did you mean {near[0]}?' if near else ''}"
    if item["type"] == "too_short":
        message = f"must have at least {item['ctx']['min_length']} item"
    return f"{place or 'the document'}: {message[0].lower()}{message[1:]}"
