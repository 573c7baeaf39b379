"""What the command line prints on standard output."""

import json
from collections.abc import Mapping
from typing import Any

from signer.errors import OutputError


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print a JSON value.

    Raises:
        OutputError: ``output-failed``.
    """
    # On a runner, "##[" would start a command anywhere in a line; it only occurs in strings.
    print_text(json.dumps(value, indent=2).replace("##[", "#\\u0023["))


def print_text(text: str) -> None:
    """Print text as it is.

    Raises:
        OutputError: ``output-failed``.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            "output-failed",
            f"standard output could not be written: {error.strerror}",
            fix="free some space there, or send the output elsewhere.",
        ) from error
