"""The runner's command files: step outputs and the step summary.

Source: actions/runner, FileCommandManager.cs; GitHub Docs, "Workflow commands".
"""

import secrets
from collections.abc import Mapping
from pathlib import Path

from signer.errors import OutputError

# A larger step summary is dropped whole, with an error annotation.
MAX_SUMMARY_BYTES = 1_048_576


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append step outputs, each between random delimiters that no value can foresee.

    Raises:
        OutputError: ``runner-file-failed``.
    """
    records = []
    for name, value in outputs.items():
        delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
        records.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    _append(path, "".join(records))


def write_summary(path: Path, markdown: str) -> None:
    """Append to the step summary.

    Raises:
        OutputError: ``runner-file-failed``.
    """
    _append(path, markdown)


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
    except OSError as error:
        raise OutputError(
            "runner-file-failed",
            f"the runner's file {path} could not be written: {error.strerror}",
            fix="check the runner's disk; results that are on disk already stay there.",
        ) from error
