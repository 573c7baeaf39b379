"""JSON from strangers: one reading only, or none."""

import json
from collections import Counter
from typing import Any

from signer.errors import VerificationError


def loads(text: bytes, *, what: str) -> Any:
    """Parse one JSON document that has a single possible reading.

    Args:
        text: the document's bytes, UTF-8.
        what: how errors call it, such as ``the signed audit``.

    Raises:
        VerificationError: ``trailing-data``, ``duplicate-field`` or ``malformed-json``.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise VerificationError(
                "duplicate-field",
                f"{what} has the field {twice[:60]!r} twice, so that readers may differ on it",
                fix="get the original from where it was signed.",
            )
        return fields

    def no_constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(
            text.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant
        )
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise VerificationError(
                "trailing-data",
                f"{what} goes on after its end, at line {error.lineno} column {error.colno}",
                fix="get the original from where it was signed; the name of a signed audit ends in "
                ".sigstore.json.",
            ) from None
        detail = f"{error.msg} at line {error.lineno} column {error.colno}"
    except RecursionError:
        detail = "it is nested too deeply"
    except ValueError as error:
        detail = str(error)
    raise VerificationError(
        "malformed-json",
        f"{what} is not valid JSON: {detail}",
        fix="get the original from where it was signed.",
    )
